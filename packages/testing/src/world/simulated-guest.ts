// A client of another protocol (a y-websocket room): its own Y.Doc that outlives every connection, one document of one replica at a time. What
// was not answered "committed" or "known" is sent again, as a stock client does after a reconnect. Read by simulated-replica.ts and world.ts.

import type { DocId } from '@syncline/protocol'
import type { SourceId, WriteOutcome } from '@syncline/replica'
import * as Y from 'yjs'
import type { LocalWrite } from '../oracles/oracle.ts'
import { DocumentAuthor } from '../workload/author.ts'
import type { Edit, Workload } from '../workload/workload.ts'
import { localWrite, performed } from './open-desk.ts'

/** What a guest needs of the replica it is attached to. */
export interface Room {
  readonly isUp: boolean
  /** What a client with this state lacks, and the state of the room: a step 2 and a step 1. Null while the document is damaged. */
  answer(doc: DocId, stateVector: Uint8Array): { readonly update: Uint8Array; readonly stateVector: Uint8Array } | null
  writeFromGuest(guest: SimulatedGuest, write: LocalWrite, told: (outcome: WriteOutcome) => void): void
  later(delayMs: number, run: () => void): void
}

const FROM_ROOM = 'from-room'
const RETRY_MS = 400

export class SimulatedGuest {
  readonly name: string
  readonly docId: DocId
  readonly doc: Y.Doc
  readonly author: DocumentAuthor
  /** Set by the replica at attach; another one each time. */
  source: SourceId = 0
  room: Room | null = null
  refused = false
  readonly #workload: Workload
  readonly #met: (situation: string) => void
  #sent = 0
  #resyncPlanned = false

  constructor(name: string, docId: DocId, clientId: number, workload: Workload, met: (situation: string) => void) {
    this.name = name
    this.docId = docId
    this.#workload = workload
    this.#met = met
    this.doc = new Y.Doc({ guid: docId })
    this.doc.clientID = clientId
    this.author = new DocumentAuthor(this.doc, { met })
    workload.roots(this.doc)
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== FROM_ROOM) this.#write(update)
    })
  }

  edit(edit: Edit): void {
    this.#met('operation')
    performed(this.#workload, edit, this.author, `${this.name} edits ${this.docId}`)
  }

  destroy(): void {
    this.author.destroy()
    this.doc.destroy()
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
    this.#met('guest write')
    const write = localWrite(this.docId, 0, this.doc, update, this.#sent)
    this.#sent = Math.max(this.#sent, write.to)
    room.writeFromGuest(this, write, (outcome) => this.#told(room, outcome))
  }

  #told(room: Room, outcome: WriteOutcome): void {
    if (room !== this.room) return
    if (outcome.kind === 'committed' || outcome.kind === 'known') return
    if (outcome.kind === 'held') this.#sendAfter(outcome.stateVector)
    else if (outcome.kind === 'refused') this.refused = true
    else this.#resyncLater(room)
  }

  /** As a stock client's step 2: everything beyond the state vector, and all deletes. */
  #sendAfter(stateVector: Uint8Array): void {
    this.#met('guest resent')
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
    const answer = room.answer(this.docId, Y.encodeStateVector(this.doc))
    if (answer === null) return this.#resyncLater(room)
    this.deliver([answer.update])
    this.#sendAfter(answer.stateVector)
  }
}
