// The guests of a replica, by number and by document: attaches them, hands them what was committed, and forgets them. What one guest gets and when is
// guest.ts. Used by replica.ts alone. Rule: RS-1.

import type { DocId, DocKey } from '@syncline/protocol'
import type { Effect, SourceId, WriteOutcome } from './effects.ts'
import type { GuardedReads } from './guarded-reads.ts'
import { AttachedGuest, type GuestHost, type GuestPort } from './guest.ts'
import type { ReplicaCore } from './replica-core.ts'
import type { Turns } from './turns.ts'
import type { WriteDesk } from './write-desk.ts'

export type Delivery = Extract<Effect, { kind: 'deliver' }>

export interface GuestTableParts {
  readonly core: ReplicaCore
  readonly reads: GuardedReads
  readonly turns: Turns
  readonly writes: WriteDesk
  report(error: unknown, doc: DocId): void
}

export class GuestTable {
  readonly #parts: GuestTableParts
  readonly #host: GuestHost
  readonly #bySource = new Map<SourceId, AttachedGuest>()
  readonly #byDocument = new Map<DocId, Set<AttachedGuest>>()
  #nextSource: SourceId = 1
  #closed = false

  constructor(parts: GuestTableParts) {
    this.#parts = parts
    this.#host = this.#makeHost()
  }

  attach(port: GuestPort, doc: DocId, key: DocKey): AttachedGuest {
    const guest = new AttachedGuest(this.#host, port, this.#nextSource++, doc, key)
    this.#bySource.set(guest.source, guest)
    if (port.subject != null) this.#parts.core.guestIs(guest.source, port.subject)
    this.#byDocument.set(doc, this.#of(doc).add(guest))
    return guest
  }

  get size(): number {
    return this.#bySource.size
  }

  get(source: SourceId): AttachedGuest | undefined {
    return this.#bySource.get(source)
  }

  /** Says goodbye to all. Writes under way keep their tickets; later ones fail. */
  close(reason: string): void {
    this.#closed = true
    for (const guest of [...this.#bySource.values()]) {
      guest.close('shutting-down', reason)
      guest.detach()
    }
  }

  /** Committed rows of one document, in log order: to each of its guests what others wrote. */
  deliver(doc: DocId, rows: readonly Delivery[]): void {
    const ofDocument = this.#byDocument.get(doc)
    if (ofDocument === undefined) return
    const seq = rows.at(-1)!.seq
    const writers = new Set(rows.filter((row) => row.link === 0).map((row) => row.source))
    const all = rows.flatMap((row) => row.updates)
    for (const guest of ofDocument) {
      const isWriter = writers.has(guest.source)
      const updates = isWriter ? rows.filter((row) => row.link !== 0 || row.source !== guest.source).flatMap((row) => row.updates) : all
      guest.deliver(updates, seq)
    }
  }

  deliverPresence(doc: DocId, bytes: Uint8Array, source: SourceId): void {
    for (const guest of this.#of(doc)) if (guest.source !== source) guest.deliverPresence(bytes)
  }

  /** Those that did not drain and may have by now. */
  catchUp(): void {
    for (const guest of this.#bySource.values()) if (guest.lagging) guest.catchUp()
  }

  #of(doc: DocId): Set<AttachedGuest> {
    return this.#byDocument.get(doc) ?? new Set()
  }

  #makeHost(): GuestHost {
    const { core, reads, turns, report } = this.#parts
    return {
      stateVector: (doc) => reads.stateVector(doc),
      diffFor: (doc, stateVector) => reads.diffFor(doc, stateVector),
      content: (key) => reads.content(key),
      lastSeq: (key) => reads.lastSeq(key),
      write: (guest, update) => this.#write(guest, update),
      presence: (guest, bytes) => {
        core.presence({ doc: guest.id, bytes, source: guest.source })
        turns.wake()
      },
      presenceSnapshot: (doc) => core.presenceSnapshot(doc),
      alive: (guest) => {
        core.guestAlive(guest.source)
        turns.wake()
      },
      detached: (guest) => this.#detach(guest),
      report,
    }
  }

  #write(guest: AttachedGuest, update: Uint8Array): Promise<WriteOutcome> {
    if (this.#closed) return Promise.resolve({ kind: 'failed', code: 'replica-closed' })
    return new Promise((resolve) => this.#parts.writes.write(guest.id, update, guest.source, (_, outcome) => resolve(outcome)))
  }

  #detach(guest: AttachedGuest): void {
    this.#bySource.delete(guest.source)
    const ofDocument = this.#of(guest.id)
    ofDocument.delete(guest)
    if (ofDocument.size === 0) this.#byDocument.delete(guest.id)
    this.#parts.core.guestLeft(guest.source)
    this.#parts.turns.wake()
  }
}
