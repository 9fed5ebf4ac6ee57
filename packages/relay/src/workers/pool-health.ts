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

  /** What troubles a worker is one tenant's or some tenants' trouble; more only where it has the default space, or where all workers have some. */
  async ready(): Promise<Verdict> {
    if (this.draining) return { ok: false, reasons: [{ code: 'draining', words: 'The relay is shutting down.' }] }
    const said = await this.asked()
    const troubles = said.map((answer, index) => (answer === null ? [this.told(index)] : answer.ready.reasons))
    const [grave, others] = this.sorted(troubles)
    const reasons = grave.flat()
    if (!this.listening) reasons.unshift({ code: 'not-listening', words: 'The relay does not take connections yet.' })
    const failing = said.flatMap((answer) => answer?.ready.failing ?? [])
    const workers = others.flatMap((ones, worker) => ones.map((one) => ({ worker, ...one })))
    return { ok: reasons.length === 0, reasons, ...(failing.length > 0 && { failing }), ...(workers.length > 0 && { workers }) }
  }

  /** A worker that is there and does not answer, or that cannot be started for long, is not helped by waiting. */
  async live(): Promise<Verdict> {
    if (this.draining) return { ok: true, reasons: [] }
    const said = await this.asked()
    const nowMs = this.clock.now()
    const lost = this.seats.filter(({ phase, awaySinceMs }, index) =>
      phase === 'serving' ? said[index] === null : nowMs - awaySinceMs > STORE_FAILED_MAX_MS,
    )
    const [grave] = this.sorted(said.map((answer) => answer?.live.reasons ?? []))
    const reasons = [...lost.map(({ index }) => this.told(index)), ...grave.flat()]
    return { ok: reasons.length === 0, reasons }
  }

  /** By worker: what concerns the relay as a whole, and the rest. */
  private sorted(troubles: readonly (readonly Reason[])[]): [grave: (readonly Reason[])[], others: (readonly Reason[])[]] {
    const all = troubles.every((ones) => ones.length > 0)
    const isGrave = (worker: number): boolean => all || worker === this.first
    return [troubles.filter((_, worker) => isGrave(worker)), troubles.map((ones, worker) => (isGrave(worker) ? [] : ones))]
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
