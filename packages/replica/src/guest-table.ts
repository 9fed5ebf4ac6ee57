// The guests of a replica, by number and by document: attaches them, hands them what was committed, and forgets them. What one guest gets and when is
// guest.ts. Used by replica.ts alone. Rule: RS-1.

import type { DocId, DocKey } from '@syncline/protocol'
import type { Effect, SourceId, WriteOutcome } from './effects.ts'
import type { GuardedReads } from './guarded-reads.ts'
import { AttachedGuest, type GuestHost, type GuestPort } from './guest.ts'
import { MissedRows } from './missed-rows.ts'
import type { ReplicaCore } from './replica-core.ts'
import { SharedAnswers } from './shared-answers.ts'
import type { Turns } from './turns.ts'
import type { WriteDesk } from './write-desk.ts'

export type Delivery = Extract<Effect, { kind: 'deliver' }>

export interface GuestTableParts {
  readonly core: ReplicaCore
  readonly reads: GuardedReads
  readonly turns: Turns
  readonly writes: WriteDesk
  report(error: unknown, doc: DocId | null): void
}

/** What guests that lag behind may cost in one turn of the loop, in bytes read and handed over: others wait meanwhile. */
const CATCH_UP_BYTES_PER_TURN = 256 * 1024
/** What one of them gets before it is the next one's turn. */
const CATCH_UP_BYTES_EACH = 64 * 1024

export class GuestTable {
  readonly #parts: GuestTableParts
  readonly #host: GuestHost
  readonly #bySource = new Map<SourceId, AttachedGuest>()
  readonly #byDocument = new Map<DocId, Set<AttachedGuest>>()
  readonly #missed: MissedRows
  readonly #answers: SharedAnswers
  /** Those that lag behind and may take more, in the order of their turns. */
  readonly #catchingUp = new Set<AttachedGuest>()
  /** Of writes that are settled: told when the turn has nothing else to do for guests. */
  #outcomes: (() => void)[] = []
  #nextSource: SourceId = 1
  #closed = false

  constructor(parts: GuestTableParts) {
    this.#parts = parts
    const { core, reads } = parts
    this.#missed = new MissedRows({
      recentAfter: (seq) => core.recentAfter(seq),
      head: () => core.head,
      lastSeq: (key) => reads.lastSeq(key),
      content: (key) => reads.content(key),
    })
    this.#answers = new SharedAnswers({
      recentAfter: (seq) => core.recentAfter(seq),
      stored: (key) => reads.stored(key),
      wholeUpdate: (doc) => reads.diffFor(doc, null),
    })
    this.#host = this.#makeHost()
  }

  attach(port: GuestPort, doc: DocId, key: DocKey): AttachedGuest {
    const guest = new AttachedGuest(this.#host, port, this.#nextSource++, doc, key)
    this.#bySource.set(guest.source, guest)
    if (port.subject != null || port.connection !== undefined) this.#parts.core.guestIs(guest.source, port)
    this.#byDocument.set(doc, this.#of(doc).add(guest))
    return guest
  }

  get size(): number {
    return this.#bySource.size
  }

  /** Of one document. */
  count(doc: DocId): number {
    return this.#byDocument.get(doc)?.size ?? 0
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
    const writers = new Set<SourceId>()
    const all: Uint8Array[] = []
    let docEpoch = 0
    for (const row of rows) {
      if (row.link === 0) writers.add(row.source)
      for (const update of row.updates) all.push(update)
      docEpoch = Math.max(docEpoch, row.docEpoch)
    }
    for (const guest of ofDocument) {
      if (docEpoch > guest.docEpoch) guest.close('doc-deleted', 'the document was deleted')
      else if (guest.hearsItself || !writers.has(guest.source)) guest.deliver(all, seq)
      else guest.deliver(updatesOfOthers(rows, guest.source), seq)
    }
  }

  deliverPresence(doc: DocId, bytes: Uint8Array, source: SourceId): void {
    for (const guest of this.#of(doc)) if (guest.source !== source) guest.deliverPresence(bytes)
  }

  /** Tells guests what became of their writes. To be called after deliver(), or when nothing more is delivered. */
  tellOutcomes(): void {
    if (this.#outcomes.length === 0) return
    const outcomes = this.#outcomes
    this.#outcomes = []
    for (const tell of outcomes) {
      try {
        tell()
      } catch (error) {
        this.#parts.report(error, null)
      }
    }
  }

  /** Every 250 ms: those that did not drain may have by now. */
  tick(): void {
    this.#answers.tick()
    let lagging = 0
    for (const guest of this.#bySource.values()) {
      if (!guest.lagging) continue
      lagging++
      if (guest.catchesUp) this.#catchingUp.add(guest)
    }
    if (lagging === 0) this.#missed.clear()
    if (this.#catchingUp.size > 0) this.#parts.turns.wake()
  }

  /** Once per turn: hands some of what they missed to some of those that lag behind. The rest gets it in the turns after. */
  catchUp(): void {
    let left = CATCH_UP_BYTES_PER_TURN
    for (const guest of this.#catchingUp) {
      if (left <= 0) break
      this.#catchingUp.delete(guest)
      const cost = guest.catchUp(CATCH_UP_BYTES_EACH)
      left -= cost
      // Behind all others that wait. One that took nothing although it has room failed, and is tried again later.
      if (cost > 0 && guest.catchesUp) this.#catchingUp.add(guest)
    }
    if (this.#catchingUp.size > 0) this.#parts.turns.wake()
  }

  #of(doc: DocId): Set<AttachedGuest> {
    return this.#byDocument.get(doc) ?? new Set()
  }

  #makeHost(): GuestHost {
    const { core, reads, turns, report } = this.#parts
    return {
      stateVector: (doc) => reads.stateVector(doc),
      diffFor: (doc, stateVector) => this.#answers.to(doc, core.keyOf(doc), stateVector),
      missed: (key, position) => this.#missed.after(key, position),
      docEpoch: (doc) => core.docEpoch(doc),
      stored: (key) => reads.stored(key),
      catchesUp: (guest) => {
        this.#catchingUp.add(guest)
        turns.wake()
      },
      write: (guest, update, told) => this.#write(guest, update, told),
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

  #write(guest: AttachedGuest, update: Uint8Array, told: (outcome: WriteOutcome) => void): void {
    if (this.#closed) return queueMicrotask(() => told({ kind: 'failed', code: 'replica-closed' }))
    const { id: doc, docEpoch, source } = guest
    this.#parts.writes.write({ doc, docEpoch, update, source }, (_, outcome) => this.#outcomes.push(() => told(outcome)))
  }

  #detach(guest: AttachedGuest): void {
    this.#bySource.delete(guest.source)
    this.#catchingUp.delete(guest)
    const ofDocument = this.#of(guest.id)
    ofDocument.delete(guest)
    if (ofDocument.size === 0) this.#byDocument.delete(guest.id)
    this.#parts.core.guestLeft(guest.source)
    this.#parts.turns.wake()
  }
}

function updatesOfOthers(rows: readonly Delivery[], source: SourceId): Uint8Array[] {
  return rows.flatMap((row) => (row.link === 0 && row.source === source ? [] : row.updates))
}
