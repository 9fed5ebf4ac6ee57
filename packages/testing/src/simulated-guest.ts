// A client of another protocol (a y-websocket room): its own Y.Doc that outlives every connection, one document of one replica at a time. What
// was not answered "committed" or "known" is sent again, as a stock client does after a reconnect. Read by simulated-replica.ts and world.ts.

import type { DocId } from '@syncline/protocol'
import type { SourceId, WriteOutcome } from '@syncline/replica'
import * as Y from 'yjs'
import type { Counters } from './counters.ts'
import type { Random } from './random.ts'
import { Author, type WorkloadProfile } from './workload.ts'

/** What a guest needs of the replica it is attached to. */
export interface Room {
  readonly isUp: boolean
  /** Committed updates of the document; null while they are damaged. */
  stored(doc: DocId): readonly Uint8Array[] | null
  writeFromGuest(guest: SimulatedGuest, update: Uint8Array, told: (outcome: WriteOutcome) => void): void
  later(delayMs: number, run: () => void): void
}

const FROM_ROOM = 'from-room'
const RETRY_MS = 400

export class SimulatedGuest {
  readonly docId: DocId
  readonly doc: Y.Doc
  readonly author: Author
  /** Set by the replica at attach; another one each time. */
  source: SourceId = 0
  room: Room | null = null
  /** Next clock of this guest's client id that is known to be committed somewhere. */
  committedClock = 0
  refused = false
  readonly #counters: Counters
  #resyncPlanned = false

  constructor(docId: DocId, clientId: number, random: Random, profile: WorkloadProfile, counters: Counters) {
    this.docId = docId
    this.#counters = counters
    this.doc = new Y.Doc({ guid: docId })
    this.doc.clientID = clientId
    this.author = new Author(this.doc, random, profile, counters)
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== FROM_ROOM) this.#write(update)
    })
  }

  attach(room: Room, source: SourceId): void {
    this.room = room
    this.source = source
    this.#resyncPlanned = false
    this.#resync()
  }

  detach(): void {
    this.room = null
  }

  deliver(updates: readonly Uint8Array[]): void {
    this.doc.transact(() => {
      for (const update of updates) Y.applyUpdate(this.doc, update, FROM_ROOM)
    }, FROM_ROOM)
  }

  #write(update: Uint8Array): void {
    const { room } = this
    if (room === null || !room.isUp) return
    this.#counters.add('guest write')
    const clock = Y.getState(this.doc.store, this.doc.clientID)
    room.writeFromGuest(this, update, (outcome) => this.#told(room, outcome, clock))
  }

  #told(room: Room, outcome: WriteOutcome, clock: number): void {
    if (room !== this.room) return
    if (outcome.kind === 'committed' || outcome.kind === 'known') this.committedClock = Math.max(this.committedClock, clock)
    else if (outcome.kind === 'held') this.#sendAfter(outcome.stateVector)
    else if (outcome.kind === 'refused') this.refused = true
    else this.#resyncLater(room)
  }

  /** As a stock client's step 2: everything beyond the state vector, and all deletes. */
  #sendAfter(stateVector: Uint8Array): void {
    this.#counters.add('guest resent')
    this.#write(Y.encodeStateAsUpdate(this.doc, stateVector))
  }

  #resyncLater(room: Room): void {
    if (this.#resyncPlanned) return
    this.#resyncPlanned = true
    room.later(RETRY_MS, () => {
      this.#resyncPlanned = false
      if (room === this.room) this.#resync()
    })
  }

  #resync(): void {
    const room = this.room!
    const updates = room.stored(this.docId)
    if (updates === null) return this.#resyncLater(room)
    const stored = new Y.Doc({ guid: this.docId })
    stored.transact(() => {
      for (const update of updates) Y.applyUpdate(stored, update)
    })
    this.deliver(updates)
    this.#sendAfter(Y.encodeStateVector(stored))
    stored.destroy()
  }
}
