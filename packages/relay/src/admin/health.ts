// Whether a relay should get traffic (ready) and whether it should be started anew (live), with reasons. Decides from three facts: does it listen, is it
// draining, does each store commit. One tenant's store that fails is told, and takes nothing from the others; the default one, or all that are open, take the relay
// out of traffic. Set by relay.ts, asked by admin-server.ts and the metrics. Rules: HE-1 to HE-3, HE-5.

import { DEFAULT_SPACE, SynclineError, type ErrorCode, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'

/** A full disk or a lost mount may come back by itself; a relay whose store fails for this long is not helped by waiting. */
export const STORE_FAILED_MAX_MS = 5 * 60 * 1000

/** Spaces that are told, and files that could not be opened that are remembered. */
const SPACES_TOLD_MAX = 20
const UNOPENED_MAX = 1_000
/** Whoever wants a space tries again and again; one that nobody asked for since may be gone. */
const UNOPENED_KEPT_MS = 60 * 60 * 1000

export interface Verdict {
  readonly ok: boolean
  /** Empty when ok. */
  readonly reasons: readonly Reason[]
  /** Spaces that fail while the others are served; absent when there is none. At most 20. */
  readonly failing?: readonly FailingSpace[]
  /** Worker processes that are not there while the others serve; absent when there is none, or the relay is one process. */
  readonly workers?: readonly (Reason & { readonly worker: number })[]
}

export interface FailingSpace extends Reason {
  readonly space: SpaceId
}

export interface Reason {
  /** not-listening, draining, worker-away (workers/pool-health.ts), or the code of what the store answers. */
  readonly code: 'not-listening' | 'draining' | 'worker-away' | ErrorCode
  readonly words: string
}

interface Failure {
  readonly space: SpaceId
  readonly code: ErrorCode
  readonly sinceMs: number
}

export class Health {
  /** The relay's port takes connections. Set by the relay. */
  listening = false
  /** The relay is on its way down: clients should go elsewhere. Set by the relay. */
  draining = false
  private readonly clock: Clock
  /** Open spaces, and what is wrong with their store. */
  private readonly watched = new Map<Replica, Failure | null>()
  /** Those that could not be opened, or not be closed in order, when it was last tried. */
  private readonly unopened = new Map<SpaceId, Failure & { readonly triedMs: number }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Follows a space's store. Call in the turn in which the replica was made. Returns the way to stop. */
  watch(replica: Replica): () => void {
    const { space } = replica
    this.unopened.delete(space)
    this.watched.set(replica, null)
    const stop = replica.onEvent((event) => {
      if (event.type === 'storage-failed')
        this.watched.set(replica, { space, code: event.code, sinceMs: this.watched.get(replica)?.sinceMs ?? this.clock.now() })
      if (event.type === 'storage-recovered') this.watched.set(replica, null)
    })
    return () => {
      stop()
      this.watched.delete(replica)
    }
  }

  /** A space could not be opened, or not be closed in order. Forgotten when it opens. */
  notOpened(space: SpaceId, error: unknown): void {
    this.forget()
    if (this.unopened.size >= UNOPENED_MAX && !this.unopened.has(space)) return
    const code = error instanceof SynclineError ? error.code : 'storage-failed'
    const triedMs = this.clock.now()
    this.unopened.set(space, { space, code, sinceMs: this.unopened.get(space)?.sinceMs ?? triedMs, triedMs })
  }

  /** What is wrong with the store of a space; null: nothing that is known. */
  troubleOf(space: SpaceId): ErrorCode | null {
    const open = [...this.watched].find(([replica]) => replica.space === space)
    return (open === undefined ? this.unopened.get(space) : open[1])?.code ?? null
  }

  /** Spaces that could not be opened when it was last tried, within the last hour; at most 1,000 are counted. */
  get unopenedCount(): number {
    this.forget()
    return this.unopened.size
  }

  /** Should it get traffic? */
  ready(): Verdict {
    this.forget()
    const reasons: Reason[] = []
    if (!this.listening) reasons.push({ code: 'not-listening', words: 'The relay does not take connections yet.' })
    if (this.draining) reasons.push({ code: 'draining', words: 'The relay is shutting down.' })
    const [all, grave] = [this.failures(), this.grave()]
    for (const failure of grave.slice(0, SPACES_TOLD_MAX)) reasons.push(this.told(failure))
    const failing = [...all.filter((failure) => !grave.includes(failure)), ...this.unopened.values()].slice(0, SPACES_TOLD_MAX)
    const others = failing.length === 0 ? {} : { failing: failing.map((failure) => ({ space: failure.space, ...this.told(failure) })) }
    return { ok: reasons.length === 0, reasons, ...others }
  }

  /** Should it stay? Whoever is answered at all knows that the event loop runs. A relay that drains is left alone. */
  live(): Verdict {
    const nowMs = this.clock.now()
    const reasons = this.grave()
      .filter(({ sinceMs }) => nowMs - sinceMs > STORE_FAILED_MAX_MS)
      .map((failure) => this.told(failure))
      .slice(0, SPACES_TOLD_MAX)
    return { ok: reasons.length === 0 || this.draining, reasons: this.draining ? [] : reasons }
  }

  /** Failures that are more than one tenant's trouble: of the default space, or of all others that are open, two or more, since the default one may have nothing to commit. */
  private grave(): Failure[] {
    const all = this.failures()
    const others = all.filter(({ space }) => space !== DEFAULT_SPACE)
    const othersOpen = [...this.watched.keys()].filter(({ space }) => space !== DEFAULT_SPACE).length
    const shared = others.length === othersOpen && othersOpen > 1
    return all.filter(({ space }) => space === DEFAULT_SPACE || shared)
  }

  private failures(): Failure[] {
    return [...this.watched.values()].filter((failure) => failure !== null)
  }

  private forget(): void {
    const untilMs = this.clock.now() - UNOPENED_KEPT_MS
    for (const [space, { triedMs }] of this.unopened) if (triedMs < untilMs) this.unopened.delete(space)
  }

  private told({ space, code, sinceMs }: Failure): Reason {
    const seconds = Math.floor((this.clock.now() - sinceMs) / 1000)
    const what = this.unopened.has(space) ? 'could not be opened' : 'has not committed'
    return { code, words: `The store of space ${space} ${what} for ${seconds} s.` }
  }
}
