// Binds one Y.Doc to the engine: committed updates go in, local edits come out, and nothing the user's code does in between loses either.
// Decides which `update` events are local edits and which are Yjs's own consequences of remote ones, and repairs what throwing listeners break.
// Reads committed state through DocumentHost; owned by open-documents.ts. Rules: DU-1, CV-1, ID-1, OD-1 to OD-4; TRAPS T10, T18, T21.
//
// Three things about Yjs shape this file. A listener of the document that throws at the wrong moment leaves Yjs inside a transaction for ever,
// and no further `update` event comes (settle()). Formatting clean-up after a remote update is a transaction of its own, without origin
// (isDerived()). And a Y.Doc in the user's hands cannot be replaced, so what it did not take is applied again (loadWhatIsLacking()).

import { DOC_EPOCH_MAX, isDeletion, lifeAfter, unframeUpdates, SynclineError, type DocId, type DocKey } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { randomClientId } from './client-id.ts'
import { DocumentPresence } from './document-presence.ts'
import type { Ticket, WriteOutcome } from './effects.ts'
import { docDeleted } from './guest.ts'
import { LocalEdits } from './local-edits.ts'

const EMPTY_STATE_VECTOR = new Uint8Array([0])

/** What an application holds of one document. The same object for everybody who opened it; count your releases. */
export interface OpenDocument {
  readonly id: DocId
  readonly key: DocKey
  /** A plain Y.Doc, loaded. After the last release it is destroyed: it can be read, and its edits go nowhere. */
  readonly doc: Y.Doc
  readonly awareness: Awareness
  /** Local edits that are not committed yet. */
  readonly unsaved: number
  /** The document was deleted, here or elsewhere. `doc` keeps what was in it, and takes edits that go nowhere. */
  readonly isDeleted: boolean
  /** Why the newest local edits are not accepted, or null. They stay in `doc`, and are offered again with the next edit. */
  readonly rejection: SynclineError | null
  /** Resolves with the position in this replica's log that covers every edit of `doc` made before the call, once that is committed here.
   *  Rejects with the code of a refusal; with "storage-failed" or "replica-closed" when the replica closes before. */
  saved(): Promise<number>
  /** Gives up one opening. The last one waits until the edits are committed, removes the own presence, and resolves. */
  release(): Promise<void>
}

export interface OpenOptions {
  /** Whether Yjs may forget deleted content; default true. Decided by whoever opens first. */
  readonly gc?: boolean
  /** Whether the local awareness state is published once it is set; default true. Decided by whoever opens first. */
  readonly presence?: boolean
  /** A document that was deleted is begun anew, empty, with the first edit; default false: opening it is refused. */
  readonly recreate?: boolean
}

/** What a binding needs of its Replica. */
export interface DocumentHost {
  readonly readOnly: boolean
  /** Marks every change that comes from the engine, in every document of this replica. */
  readonly origin: object
  random(length: number): Uint8Array
  /** Committed content; throws "doc-quarantined". */
  content(key: DocKey): DocContent | undefined
  /** Newest committed row of the document, 0 for none. */
  lastSeq(key: DocKey): number
  /** Newest row that this replica wrote itself, 0 for none. */
  localSeq(doc: DocId): number
  knowsClient(doc: DocId, client: number): boolean
  /** Committed state vector, Yjs v1. */
  stateVector(doc: DocId): Uint8Array
  /** A delete-only update of those deletes in `update` that the engine lacks, or null. */
  derivedDeletes(doc: DocId, update: Uint8Array): Uint8Array | null
  /** The committed epoch as the engine has settled it. */
  docEpoch(doc: DocId): number
  /** That of `content`, which may be a commit ahead. */
  storedEpoch(key: DocKey): number
  write(doc: DocId, docEpoch: number, update: Uint8Array, outcome: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket
  presence(doc: DocId, bytes: Uint8Array): void
  presenceSnapshot(doc: DocId): Uint8Array | null
  /** Calls binding.turnEnded() in a turn of its own, before the next flush. */
  settleSoon(binding: DocumentBinding): void
  /** Resolves after the present turn of the event loop. */
  turnEnd(): Promise<void>
  /** User code threw, or Yjs did. */
  report(error: unknown, doc: DocId): void
  /** `rejection` changed. */
  changed(binding: DocumentBinding): void
  /** The document shows less than is committed, or (null) no longer. */
  stuck(doc: DocId, reason: string | null): void
  released(binding: DocumentBinding): void
}

export class DocumentBinding implements OpenDocument {
  readonly id: DocId
  readonly key: DocKey
  readonly doc: Y.Doc
  /** The life of the document that this is. */
  readonly docEpoch: number
  isDeleted = false
  readonly #host: DocumentHost
  readonly #edits: LocalEdits
  readonly #presence: DocumentPresence
  #applying = false
  /** Between Yjs's beforeAllTransactions and afterAllTransactions. */
  #inTransactions = false
  /** Clock of the live client id that was sent to the engine. */
  #ownClock = 0
  #stuck = false
  #openings = 0
  #releasing: Promise<void> | null = null
  #ended: SynclineError | null = null

  constructor(host: DocumentHost, id: DocId, key: DocKey, options: OpenOptions) {
    this.#host = host
    this.id = id
    this.key = key
    const stored = host.storedEpoch(key)
    if (isDeletion(stored) && (options.recreate !== true || stored >= DOC_EPOCH_MAX)) throw docDeleted(id)
    this.docEpoch = lifeAfter(stored)
    this.doc = new Y.Doc({ guid: id, gc: options.gc ?? true })
    this.#edits = new LocalEdits(id, {
      write: (update, outcome) => host.write(id, this.docEpoch, update, outcome),
      encodeUncommitted: () => Y.encodeStateAsUpdate(this.doc, this.#committedVector()),
      lastSeq: () => host.lastSeq(key),
      localSeq: () => host.localSeq(id),
      changed: () => host.changed(this),
    })
    this.#load()
    this.doc.clientID = this.#freshClientId()
    // First listeners of all: what later ones throw cannot keep these from being called.
    this.doc.on('beforeAllTransactions', this.#onTransactions)
    this.doc.on('afterAllTransactions', this.#onTransactionsEnd)
    this.doc.on('update', this.#onUpdate)
    const presenceHost = {
      origin: host.origin,
      publish: (bytes: Uint8Array) => host.presence(id, bytes),
      report: (error: unknown) => host.report(error, id),
    }
    this.#presence = new DocumentPresence(presenceHost, this.doc, options.presence ?? true)
    const others = host.presenceSnapshot(id)
    if (others !== null) this.#presence.apply(others)
    this.doc.emit('load', [this.doc])
  }

  get awareness(): Awareness {
    return this.#presence.awareness
  }

  get unsaved(): number {
    return this.#edits.unsaved
  }

  get rejection(): SynclineError | null {
    return this.#edits.rejection
  }

  #committedVector(): Uint8Array {
    return this.#host.docEpoch(this.id) === this.docEpoch ? this.#host.stateVector(this.id) : EMPTY_STATE_VECTOR
  }

  // Committed updates in

  #load(): void {
    const content = this.#host.content(this.key)
    if (content === undefined) return
    this.#applyContent(content)
    // No structs, all deletes of the document: those that Yjs derived while loading are not committed yet.
    this.#sendDerived(Y.encodeStateAsUpdate(this.doc, Y.encodeStateVector(this.doc)))
  }

  #applyContent(content: DocContent): void {
    const updates = content.snapshot === null ? [] : [content.snapshot.update]
    for (const row of content.tail) {
      const rowUpdates = row.kind === 'snapshot' ? [] : unframeUpdates(row.data)
      if (rowUpdates === null) throw new SynclineError('store-corrupt', `Row ${row.seq} of ${this.id} is not framed.`)
      updates.push(...rowUpdates)
    }
    this.#transactRemote(updates)
  }

  #transactRemote(updates: readonly Uint8Array[]): void {
    const { origin } = this.#host
    const apply = (): void => {
      for (const update of updates) Y.applyUpdate(this.doc, update, origin)
    }
    Y.transact(this.doc, apply, origin, false)
  }

  /** Applies committed updates, in order, in one transaction; what came from this Y.Doc is left out. Never throws: what an observer throws is reported. */
  apply(updates: readonly Uint8Array[]): void {
    const foreign = updates.filter((update) => !this.#edits.isOwn(update))
    if (foreign.length === 0) return
    const whole = this.#applyGuarded(() => this.#transactRemote(foreign))
    if (!whole || this.doc.store.pendingStructs !== null || this.#stuck) this.#loadWhatIsLacking()
    // A listener edited inside our transaction, or somebody else writes under the live id.
    if (Y.getState(this.doc.store, this.awareness.clientID) > this.#ownClock) this.#sendWhole()
    // In both cases Yjs took a 32-bit id of its own.
    if (this.doc.clientID !== this.awareness.clientID) this.rotateClientId()
  }

  #applyGuarded(apply: () => void): boolean {
    this.#applying = true
    try {
      apply()
      return true
    } catch (error) {
      this.#host.report(error, this.id)
      return false
    } finally {
      this.#applying = false
      this.settle()
    }
  }

  /** An observer that throws leaves the data in. But an update that cannot be integrated leaves the rest out, and so does a listener that throws before
   *  the transaction. Then everything committed is applied once more; if that fails too, the document is reported as stuck, and tried again later. */
  #loadWhatIsLacking(): void {
    if (this.#lacks()) {
      this.#applyGuarded(() => {
        const content = this.#host.storedEpoch(this.key) === this.docEpoch ? this.#host.content(this.key) : undefined
        if (content !== undefined) this.#applyContent(content)
      })
    }
    const stuck = this.#lacks()
    if (stuck !== this.#stuck) this.#host.stuck(this.id, stuck ? 'its Y.Doc does not take what is committed' : null)
    this.#stuck = stuck
  }

  #lacks(): boolean {
    if (this.isDeleted) return false
    for (const [client, clock] of Y.decodeStateVector(this.#committedVector())) {
      if (Y.getState(this.doc.store, client) < clock) return true
    }
    return false
  }

  // Local edits out

  readonly #onTransactions = (): void => {
    this.#inTransactions = true
    if (!this.#applying) this.#host.settleSoon(this)
  }

  readonly #onTransactionsEnd = (): void => {
    this.#inTransactions = false
  }

  /** The turn in which a transaction began is over. */
  turnEnded(): void {
    this.settle()
    if (this.#stuck && this.#ended === null) this.#loadWhatIsLacking()
  }

  /** Call when no transaction can be running. If Yjs still believes that one is, a listener threw out of it: end it, and send what it kept. */
  settle(): void {
    if (!this.#inTransactions || this.#applying) return
    this.#inTransactions = false
    this.doc._transaction = null
    this.doc._transactionCleanups = []
    this.#sendWhole()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (this.#ended !== null || this.isDeleted) return
    if (this.#isDerived(update, origin)) return this.#sendDerived(update)
    this.#ownClock = Y.getState(this.doc.store, this.doc.clientID)
    this.#edits.edited(update)
  }

  /** What Yjs makes of a remote update: the update itself under our origin, and formatting clean-up (deletes only, no origin) inside our call. */
  #isDerived(update: Uint8Array, origin: unknown): boolean {
    const hasStructs = update[0] !== 0
    return origin === this.#host.origin || (this.#applying && origin === null && !hasStructs)
  }

  /** Deletes that Yjs derived become log entries, where this replica may write; a follower keeps them in memory. */
  #sendDerived(update: Uint8Array): void {
    const derived = this.#host.readOnly ? null : this.#host.derivedDeletes(this.id, update)
    if (derived !== null) this.#edits.send(derived)
  }

  #sendWhole(): void {
    if (this.#ended !== null || this.isDeleted) return
    this.#ownClock = Y.getState(this.doc.store, this.awareness.clientID)
    this.#edits.sendWhole()
  }

  /** This life of the document is over: nothing more comes in or goes out. */
  deleted(): void {
    this.settle()
    this.isDeleted = true
    this.leave()
    this.#edits.deleted()
  }

  /** The store lost the document, the open Y.Doc has it: write it again. */
  restore(): void {
    if (!this.#host.readOnly) this.#sendWhole()
  }

  async saved(): Promise<number> {
    if (this.#inTransactions) {
      // Inside a transaction, or after one that a listener broke: only after this turn can the two be told apart.
      await this.#host.turnEnd()
      this.settle()
    }
    if (this.#ended !== null) throw this.#ended
    return this.#edits.saved()
  }

  // Identity and presence

  /** A fresh client id; the presence entry moves with it. */
  rotateClientId(): void {
    this.#presence.moveTo(this.#freshClientId())
    this.#ownClock = 0
  }

  #freshClientId(): number {
    for (;;) {
      const id = randomClientId(this.#host.random)
      if (id !== this.doc.clientID && !this.doc.store.clients.has(id) && !this.#host.knowsClient(this.id, id)) return id
    }
  }

  applyPresence(bytes: Uint8Array): void {
    this.#presence.apply(bytes)
  }

  // Openings

  opened(): this {
    this.#openings++
    return this
  }

  release(): Promise<void> {
    if (this.#openings > 0) this.#openings--
    if (this.#openings > 0 || this.#ended !== null) return Promise.resolve()
    this.#releasing ??= this.#releaseWhenSaved()
    return this.#releasing
  }

  async #releaseWhenSaved(): Promise<void> {
    // A refusal is in `status` already; it does not keep the document open.
    await this.saved().catch(() => null)
    this.#releasing = null
    if (this.#openings > 0 || this.#ended !== null) return
    this.end(new SynclineError('doc-released', `The document ${this.id} was released.`))
    this.#host.released(this)
  }

  /** Takes the own presence back, so that others see this replica go. Edits still count. */
  leave(): void {
    this.#presence.leave()
  }

  /** Leaves, and stops listening: edits after this go nowhere. */
  end(reason: SynclineError): void {
    if (this.#ended !== null) return
    this.settle()
    this.leave()
    this.#ended = reason
    this.#edits.end(reason)
    this.doc.off('beforeAllTransactions', this.#onTransactions)
    this.doc.off('afterAllTransactions', this.#onTransactionsEnd)
    this.doc.off('update', this.#onUpdate)
    try {
      this.doc.destroy()
    } catch (error) {
      this.#host.report(error, this.id)
    }
  }
}
