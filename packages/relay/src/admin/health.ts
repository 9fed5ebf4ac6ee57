// Whether a relay should get traffic (ready) and whether it should be started anew (live), with reasons. Decides from three facts: does it listen, is it
// draining, does each store commit. Set by relay.ts, asked by admin-server.ts. Rules: HE-1 to HE-3.

import type { ErrorCode, SpaceId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'

/** A full disk or a lost mount may come back by itself; a relay whose store fails for this long is not helped by waiting. */
export const STORE_FAILED_MAX_MS = 5 * 60 * 1000

export interface Verdict {
  readonly ok: boolean
  /** Empty when ok. */
  readonly reasons: readonly Reason[]
}

export interface Reason {
  /** not-listening, draining, or the code of what the store answers. */
  readonly code: 'not-listening' | 'draining' | ErrorCode
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
  private readonly failures = new Map<Replica, Failure>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Follows a space's store. Call in the turn in which the replica was made. Returns the way to stop. */
  watch(replica: Replica): () => void {
    const { space } = replica
    const stop = replica.onEvent((event) => {
      if (event.type === 'storage-failed')
        this.failures.set(replica, { space, code: event.code, sinceMs: this.failures.get(replica)?.sinceMs ?? this.clock.now() })
      if (event.type === 'storage-recovered') this.failures.delete(replica)
    })
    return () => {
      stop()
      this.failures.delete(replica)
    }
  }

  /** Should it get traffic? */
  ready(): Verdict {
    const reasons: Reason[] = []
    if (!this.listening) reasons.push({ code: 'not-listening', words: 'The relay does not take connections yet.' })
    if (this.draining) reasons.push({ code: 'draining', words: 'The relay is shutting down.' })
    for (const failure of this.failures.values()) reasons.push(this.told(failure))
    return { ok: reasons.length === 0, reasons }
  }

  /** Should it stay? Whoever is answered at all knows that the event loop runs. A relay that drains is left alone. */
  live(): Verdict {
    const nowMs = this.clock.now()
    const reasons = [...this.failures.values()]
      .filter(({ sinceMs }) => nowMs - sinceMs > STORE_FAILED_MAX_MS)
      .map((failure) => this.told(failure))
    return { ok: reasons.length === 0 || this.draining, reasons: this.draining ? [] : reasons }
  }

  private told({ space, code, sinceMs }: Failure): Reason {
    const seconds = Math.floor((this.clock.now() - sinceMs) / 1000)
    return { code, words: `The store of space ${space} has not committed for ${seconds} s.` }
  }
}
