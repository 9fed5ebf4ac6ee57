// Writes under way: each has a ticket, and its outcome comes from the engine under that ticket, after the commit that covers it. Used by
// open-documents.ts and guest-table.ts. Rule: DU-1.

import type { DocId, ErrorCode } from '@syncline/protocol'
import type { SourceId, Ticket, WriteOutcome } from './effects.ts'
import type { ReplicaCore } from './replica-core.ts'
import type { Turns } from './turns.ts'

export class WriteDesk {
  readonly #core: ReplicaCore
  readonly #turns: Turns
  readonly #waiting = new Map<Ticket, (outcome: WriteOutcome) => void>()
  #nextTicket: Ticket = 1

  constructor(core: ReplicaCore, turns: Turns) {
    this.#core = core
    this.#turns = turns
  }

  /** Writes without an outcome. */
  get size(): number {
    return this.#waiting.size
  }

  write(doc: DocId, update: Uint8Array, source: SourceId, outcome: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket {
    const ticket = this.#nextTicket++
    this.#waiting.set(ticket, (result) => outcome(ticket, result))
    this.#core.write({ doc, update, source, ticket })
    this.#turns.wake()
    return ticket
  }

  settle(ticket: Ticket, outcome: WriteOutcome): void {
    const tell = this.#waiting.get(ticket)
    this.#waiting.delete(ticket)
    tell?.(outcome)
  }

  /** The engine answers no more. */
  failAll(code: ErrorCode): void {
    for (const ticket of [...this.#waiting.keys()]) this.settle(ticket, { kind: 'failed', code })
  }
}
