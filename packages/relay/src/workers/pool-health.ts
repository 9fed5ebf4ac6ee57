// Whether a relay with workers should get traffic, and whether it should be started anew: what each worker says, and whether it is there to say it. Asked by the admin
// port. Rules: WK-6, HE-1 to HE-3, HE-5.

import type { Clock } from '@syncline/replica'
import { STORE_FAILED_MAX_MS, type Reason, type Verdict } from '../admin/health.ts'
import type { Answers } from './messages.ts'
import type { Seat } from './seat.ts'

/** A worker whose loop does not turn for this time is told of. */
const ANSWER_WITHIN_MS = 2_000

export class PoolHealth {
  /** The port takes connections, and all workers have served. Set by the pool. */
  listening = false
  /** Set by the pool. */
  draining = false
  private readonly seats: readonly Pick<Seat, 'index' | 'phase' | 'awaySinceMs' | 'ask'>[]
  private readonly first: number
  private readonly clock: Clock

  /** `first`: the worker of the default space. */
  constructor(seats: PoolHealth['seats'], first: number, clock: Clock) {
    this.seats = seats
    this.first = first
    this.clock = clock
  }

  /** As of a relay of one process. A worker that is not there is one tenant's trouble, and more only where it has the default space, or where it is all of them. */
  async ready(): Promise<Verdict> {
    const said = await this.asked()
    const reasons: Reason[] = []
    if (!this.listening) reasons.push({ code: 'not-listening', words: 'The relay does not take connections yet.' })
    if (this.draining) reasons.push({ code: 'draining', words: 'The relay is shutting down.' })
    const away = said.flatMap((answer, index) => (answer === null ? [index] : []))
    const grave = away.length === said.length ? away : away.filter((index) => index === this.first)
    if (!this.draining) reasons.push(...grave.map((index) => this.told(index)))
    const verdicts = said.flatMap((answer) => answer?.ready ?? [])
    if (!this.draining) reasons.push(...verdicts.flatMap((verdict) => verdict.reasons))
    const failing = verdicts.flatMap((verdict) => verdict.failing ?? [])
    const workers = away.filter((index) => !grave.includes(index)).map((index) => ({ worker: index, ...this.told(index) }))
    return {
      ok: reasons.length === 0,
      reasons,
      ...(failing.length > 0 && { failing }),
      ...(workers.length > 0 && !this.draining && { workers }),
    }
  }

  /** A worker that is started again and again, or that is there and does not answer, is not helped by waiting. */
  async live(): Promise<Verdict> {
    const said = await this.asked()
    if (this.draining) return { ok: true, reasons: [] }
    const nowMs = this.clock.now()
    const lost = this.seats.filter(({ phase, awaySinceMs }, index) =>
      phase === 'serving' ? said[index] === null : nowMs - awaySinceMs > STORE_FAILED_MAX_MS,
    )
    const reasons = [...lost.map(({ index }) => this.told(index)), ...said.flatMap((answer) => answer?.live.reasons ?? [])]
    return { ok: reasons.length === 0, reasons }
  }

  private asked(): Promise<(Answers['health'] | null)[]> {
    return Promise.all(this.seats.map((seat) => seat.ask('health', ANSWER_WITHIN_MS).catch(() => null)))
  }

  private told(index: number): Reason {
    const { phase, awaySinceMs } = this.seats[index]!
    if (phase === 'serving') return { code: 'worker-away', words: `Worker ${index} does not answer.` }
    return { code: 'worker-away', words: `Worker ${index} has not served for ${Math.floor((this.clock.now() - awaySinceMs) / 1000)} s.` }
  }
}
