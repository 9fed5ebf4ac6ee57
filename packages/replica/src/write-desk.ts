// Writes under way: each has a ticket, and its outcome comes from the engine under that ticket, after the commit that covers it. Used by
// open-documents.ts and guest-table.ts. Rule: DU-1.

import type { ErrorCode } from '@syncline/protocol'
import type { Clock } from './clock.ts'
import type { Ticket, WriteOutcome } from './effects.ts'
import type { ReplicaCore, Write } from './replica-core.ts'
import type { ObservedWrite } from './replica-observer.ts'
import type { Turns } from './turns.ts'

export class WriteDesk {
  readonly #core: ReplicaCore
  readonly #turns: Turns
  readonly #clock: Clock
  readonly #observe: (write: ObservedWrite) => void
  readonly #waiting = new Map<Ticket, { readonly sinceMs: number; readonly told: (ticket: Ticket, outcome: WriteOutcome) => void }>()
  #nextTicket: Ticket = 1

  constructor(core: ReplicaCore, turns: Turns, clock: Clock, observe: (write: ObservedWrite) => void) {
    this.#core = core
    this.#turns = turns
    this.#clock = clock
    this.#observe = observe
  }

  /** Writes without an outcome. */
  get size(): number {
    return this.#waiting.size
  }

  write(write: Omit<Write, 'ticket'>, told: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket {
    const ticket = this.#nextTicket++
    this.#waiting.set(ticket, { sinceMs: this.#clock.now(), told })
    this.#core.write({ ...write, ticket })
    this.#turns.wake()
    return ticket
  }

  settle(ticket: Ticket, outcome: WriteOutcome): void {
    const write = this.#waiting.get(ticket)
    if (write === undefined) return
    this.#waiting.delete(ticket)
    write.told(ticket, outcome)
    this.#observe({ outcome, durationMs: this.#clock.now() - write.sinceMs })
  }

  /** The engine answers no more. */
  failAll(code: ErrorCode): void {
    for (const ticket of [...this.#waiting.keys()]) this.settle(ticket, { kind: 'failed', code })
  }
}
