// Binds one Y.Doc to the engine: committed updates go in, local edits come out, and nothing the user's code does in between loses either.
// Decides: which `update` events are local edits and which are Yjs's own consequences of remote ones; when a document is sent again whole;
// what saved() waits for. Reads committed state through DocumentHost; the Replica owns it. Rules: DU-1, CV-1, ID-1; TRAPS T10, T18, T20, T21.
//
// Three things about Yjs shape this file. A listener of the document that throws at the wrong moment leaves Yjs inside a transaction for ever,
// and no further `update` event comes (settle()). Formatting clean-up after a remote update is a transaction of its own, without origin
// (isDerived()). And an `update` event may be missed, so the engine's answer "held" to a local edit means: send what it lacks (resend()).

import { unframeUpdates, SynclineError, type DocId, type DocKey, type ErrorCode } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { freshClientId } from './client-id.ts'
import type { Ticket, WriteOutcome } from './effects.ts'

/** What an application holds of one document. The same object for everybody who opened it; count your releases. */
export interface OpenDocument {
  readonly id: DocId
  readonly key: DocKey
  /** A plain Y.Doc, loaded. After the last release it is destroyed: it can be read, and its edits go nowhere. */
  readonly doc: Y.Doc
  readonly awareness: Awareness
  /** Local edits that are not committed yet. */
  readonly unsaved: number
  /** Why the newest local edits are not accepted, or null. They stay in `doc`, and are offered again with the next edit. */
  readonly rejection: SynclineError | null
  /** Resolves with the position in this replica's log that covers every edit of `doc` made before the call, once that is committed here.
   *  Rejects with the code of a refusal; with "storage-failed" or "replica-closed" when the replica closes before. */
  saved(): Promise<number>
  /** Gives up one opening. The last one removes the own presence, waits until the edits are committed, and resolves. */
  release(): Promise<void>
}

export interface OpenOptions {
  /** Whether Yjs may forget deleted content; default true. Decided by whoever opens first. */
  readonly gc?: boolean
  /** Whether the local awareness state is published, the empty one included; default true. */
  readonly presence?: boolean
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
  /** Committed state vector, Yjs v1. */
  stateVector(doc: DocId): Uint8Array
  /** A delete-only update of those deletes in `update` that the engine lacks, or null. */
  derivedDeletes(doc: DocId, update: Uint8Array): Uint8Array | null
  write(doc: DocId, update: Uint8Array, outcome: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket
  presence(doc: DocId, bytes: Uint8Array): void
  presenceSnapshot(doc: DocId): Uint8Array | null
  /** Calls binding.settle() in a turn of its own, before the next flush. */
  settleSoon(binding: DocumentBinding): void
  /** Resolves after the present turn of the event loop. */
  turnEnd(): Promise<void>
  /** User code threw, or Yjs did. */
  report(error: unknown, doc: DocId): void
  /** `rejection` changed. */
  changed(binding: DocumentBinding): void
  /** The document shows less than is committed. */
  stuck(doc: DocId, reason: string): void
  released(binding: DocumentBinding): void
}

interface Waiter {
  upTo: Ticket
  readonly resolve: (seq: number) => void
  readonly reject: (error: SynclineError) => void
}

export class DocumentBinding implements OpenDocument {
  readonly id: DocId
  readonly key: DocKey
  readonly doc: Y.Doc
  readonly awareness: Awareness
  rejection: SynclineError | null = null
  readonly #host: DocumentHost
  readonly #publishes: boolean
  /** Tickets of writes without an outcome, ascending. */
  readonly #outstanding = new Set<Ticket>()
  #waiters: Waiter[] = []
  #newestTicket: Ticket = 0
  #savedSeq = 0
  #resend: { readonly ticket: Ticket; again: boolean } | null = null
  #applying = false
  /** Between Yjs's beforeAllTransactions and afterAllTransactions. */
  #inTransactions = false
  /** Clock of the live client id that was sent to the engine. */
  #ownClock = 0
  #publishedClock = -1
  #stuck = false
  #openings = 0
  #releasing: Promise<void> | null = null
  #ended: SynclineError | null = null

  constructor(host: DocumentHost, id: DocId, key: DocKey, options: OpenOptions) {
    this.#host = host
    this.id = id
    this.key = key
    this.#publishes = options.presence ?? true
    this.doc = new Y.Doc({ guid: id, gc: options.gc ?? true })
    this.#load()
    this.doc.clientID = freshClientId(this.doc, host.random)
    this.awareness = new Awareness(this.doc)
    // First listeners of all: what later ones throw cannot keep these from being called.
    this.doc.on('beforeAllTransactions', this.#onTransactions)
    this.doc.on('afterAllTransactions', this.#onTransactionsEnd)
    this.doc.on('update', this.#onUpdate)
    this.awareness.on('change', this.#onAwareness)
    this.awareness.on('update', this.#onAwareness)
    const others = host.presenceSnapshot(id)
    if (others !== null) this.applyPresence(others)
    this.#publish()
    this.doc.emit('load', [this.doc])
  }

  get unsaved(): number {
    return this.#outstanding.size
  }

  // Committed updates in

  #load(): void {
    const content = this.#host.content(this.key)
    if (content === undefined) return
    this.#applyContent(content)
    if (this.#host.readOnly) return
    // No structs, all deletes of the document: those that Yjs derived while loading are not committed yet.
    const deletes = Y.encodeStateAsUpdate(this.doc, Y.encodeStateVector(this.doc))
    const derived = this.#host.derivedDeletes(this.id, deletes)
    if (derived !== null) this.#send(derived)
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
    Y.transact(
      this.doc,
      () => {
        for (const update of updates) Y.applyUpdate(this.doc, update, this.#host.origin)
      },
      this.#host.origin,
      false,
    )
  }

  /** Applies committed updates, in order. Never throws: what an observer throws is reported, and what Yjs does not take is loaded again. */
  apply(updates: readonly Uint8Array[]): void {
    const whole = this.#applyGuarded(() => this.#transactRemote(updates))
    if (!whole || this.doc.store.pendingStructs !== null || this.#stuck) this.#loadWhatIsLacking()
    // Yjs takes a 32-bit id of its own when a remote update extends the live one.
    if (this.doc.clientID !== this.awareness.clientID) this.rotateClientId()
    if (Y.getState(this.doc.store, this.doc.clientID) > this.#ownClock) this.#sendAll()
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

  /** An observer that throws leaves the data in, but an update that cannot be integrated leaves the rest out. Then everything that is committed is
   *  applied once more; a Y.Doc in the user's hands cannot be replaced, so if that fails too the document is reported as stuck and goes on. */
  #loadWhatIsLacking(): void {
    if (this.#lacks()) {
      this.#applyGuarded(() => {
        const content = this.#host.content(this.key)
        if (content !== undefined) this.#applyContent(content)
      })
    }
    const stuck = this.#lacks()
    if (stuck && !this.#stuck) this.#host.stuck(this.id, 'Yjs does not integrate what is committed; reopen the document')
    this.#stuck = stuck
  }

  #lacks(): boolean {
    for (const [client, clock] of Y.decodeStateVector(this.#host.stateVector(this.id))) {
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

  /** Call when no transaction can be running. If Yjs still believes that one is, a listener threw out of it: end it, and send what it kept. */
  settle(): void {
    if (!this.#inTransactions || this.#applying) return
    this.#inTransactions = false
    this.doc._transaction = null
    this.doc._transactionCleanups = []
    this.#sendAll()
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (this.#ended !== null) return
    if (this.#isDerived(update, origin)) {
      const derived = this.#host.readOnly ? null : this.#host.derivedDeletes(this.id, update)
      if (derived !== null) this.#send(derived)
      return
    }
    this.#ownClock = Y.getState(this.doc.store, this.doc.clientID)
    if (this.rejection !== null) this.#sendAll()
    else this.#send(update)
  }

  /** What Yjs makes of a remote update: the update itself under our origin, and formatting clean-up (deletes only, no origin) inside our call. */
  #isDerived(update: Uint8Array, origin: unknown): boolean {
    const hasStructs = update[0] !== 0
    return origin === this.#host.origin || (this.#applying && origin === null && !hasStructs)
  }

  #send(update: Uint8Array): Ticket {
    const ticket = this.#host.write(this.id, update, this.#written)
    this.#outstanding.add(ticket)
    this.#newestTicket = ticket
    return ticket
  }

  /** Sends everything that is not committed, as one update. One at a time: while one is under way, another follows it. */
  #sendAll(): void {
    if (this.#ended !== null) return
    this.#ownClock = Y.getState(this.doc.store, this.doc.clientID)
    if (this.#resend !== null) {
      this.#resend.again = true
      return
    }
    const ticket = this.#send(Y.encodeStateAsUpdate(this.doc, this.#host.stateVector(this.id)))
    this.#resend = { ticket, again: false }
    for (const waiter of this.#waiters) waiter.upTo = ticket
  }

  /** The store lost the document, the open Y.Doc has it: write it again. */
  restore(): void {
    if (!this.#host.readOnly) this.#sendAll()
  }

  readonly #written = (ticket: Ticket, outcome: WriteOutcome): void => {
    const resend = this.#resend?.ticket === ticket ? this.#resend : null
    if (resend !== null) this.#resend = null
    if (outcome.kind === 'committed') this.#savedSeq = Math.max(this.#savedSeq, outcome.seq)
    if (outcome.kind === 'known') this.#savedSeq = Math.max(this.#savedSeq, this.#host.lastSeq(this.key))
    if (resend?.again === true || (outcome.kind === 'held' && resend === null)) this.#sendAll()
    else if (outcome.kind === 'held') this.#reject(ticket, 'held-overflow', 'what it builds on is missing here')
    else if (outcome.kind === 'refused') this.#reject(ticket, outcome.code, outcome.reason)
    else if (outcome.kind === 'failed') this.#reject(ticket, outcome.code, 'the store did not take it')
    else if (resend !== null) this.#accept()
    this.#outstanding.delete(ticket)
    this.#wakeWaiters()
  }

  #reject(ticket: Ticket, code: ErrorCode, reason: string): void {
    const error = new SynclineError(code, `An edit of ${this.id} was refused: ${reason}.`)
    const news = this.rejection?.code !== code
    this.rejection = error
    for (const waiter of this.#waiters) if (waiter.upTo >= ticket) waiter.reject(error)
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo < ticket)
    if (news) this.#host.changed(this)
  }

  #accept(): void {
    if (this.rejection === null) return
    this.rejection = null
    this.#host.changed(this)
  }

  async saved(): Promise<number> {
    if (this.#inTransactions) {
      // Inside a transaction, or after one that a listener broke: only after this turn can the two be told apart.
      await this.#host.turnEnd()
      this.settle()
    }
    if (this.#ended !== null) throw this.#ended
    if (this.#outstanding.size > 0) {
      return new Promise((resolve, reject) => this.#waiters.push({ upTo: this.#newestTicket, resolve, reject }))
    }
    if (this.rejection !== null) throw this.rejection
    return this.#savedSeq || this.#host.lastSeq(this.key)
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return
    const [oldest = Infinity] = this.#outstanding
    const seq = this.#savedSeq || this.#host.lastSeq(this.key)
    for (const waiter of this.#waiters) if (waiter.upTo < oldest) waiter.resolve(seq)
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo >= oldest)
  }

  // Identity and presence

  /** A fresh client id; the presence entry moves with it, in the same turn. */
  rotateClientId(): void {
    const state = this.awareness.getLocalState()
    this.#guarded(() => removeAwarenessStates(this.awareness, [this.awareness.clientID], 'local'))
    this.doc.clientID = freshClientId(this.doc, this.#host.random)
    this.awareness.clientID = this.doc.clientID
    this.#ownClock = 0
    this.#publishedClock = -1
    this.#guarded(() => this.awareness.setLocalState(state))
  }

  /** Presence of others, y-protocols bytes. */
  applyPresence(bytes: Uint8Array): void {
    this.#guarded(() => applyAwarenessUpdate(this.awareness, bytes, this.#host.origin))
  }

  readonly #onAwareness = (change: { added: number[]; updated: number[]; removed: number[] }): void => {
    const own = this.awareness.clientID
    if (change.added.includes(own) || change.updated.includes(own) || change.removed.includes(own)) this.#publish()
  }

  /** Once per clock: y-protocols tells most changes twice, as 'change' and as 'update'. */
  #publish(): void {
    const own = this.awareness.clientID
    const clock = this.awareness.meta.get(own)?.clock ?? -1
    if (!this.#publishes || this.#ended !== null || clock <= this.#publishedClock) return
    this.#publishedClock = clock
    this.#host.presence(this.id, encodeAwarenessUpdate(this.awareness, [own]))
  }

  #guarded(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#host.report(error, this.id)
    }
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
    this.end(new SynclineError('argument-invalid', `The document ${this.id} was released.`))
    this.#host.released(this)
  }

  /** Leaves presence and stops listening. Edits after this go nowhere. */
  end(reason: SynclineError): void {
    if (this.#ended !== null) return
    this.settle()
    this.leave()
    this.#ended = reason
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(reason)
    this.doc.off('beforeAllTransactions', this.#onTransactions)
    this.doc.off('afterAllTransactions', this.#onTransactionsEnd)
    this.doc.off('update', this.#onUpdate)
    this.#guarded(() => this.doc.destroy())
  }

  /** Removes the own presence, so that others see this replica go. */
  leave(): void {
    try {
      this.awareness.destroy()
    } catch (error) {
      // A listener threw out of destroy() before it stopped its interval.
      clearInterval(this.awareness._checkInterval)
      this.#host.report(error, this.id)
    }
  }
}
