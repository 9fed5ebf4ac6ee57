// The host of one engine: gives ReplicaCore its inputs and carries its effects out on a real store, real links, open documents and guests.
// Decides only when: any number of inputs in one turn of the event loop lead to one flush after it, effects are carried out in order, and updates reach user
// code (document observers, doors) last. User code can neither throw into the loop nor re-enter it. Used by client and relay in any JavaScript runtime.
// Rules: DU-1 (outcomes only after the commit), RS-1; TRAPS T21.

import {
  docKeyOf,
  isDeletion,
  SynclineError,
  type Digest,
  type DocId,
  type Durability,
  type ReplicaId,
  type Role,
  type Scope,
  type SpaceId,
} from '@syncline/protocol'
import type { DocRow, Store, StoreReader } from '@syncline/store'
import type { Clock } from './clock.ts'
import { DEFAULT_CORE_LIMITS } from './core-options.ts'
import { DocumentLives, type DeletedContent } from './document-lives.ts'
import type { Effect, LinkId, ReplicaEvent } from './effects.ts'
import { GuardedReads } from './guarded-reads.ts'
import type { Guest, GuestPort } from './guest.ts'
import { GuestTable, type Delivery } from './guest-table.ts'
import { HostedLink, type AttachedLink, type LinkInputs, type LinkPort } from './hosted-link.ts'
import { listDocuments } from './list-documents.ts'
import type { DocumentBinding, OpenDocument, OpenOptions } from './open-document.ts'
import { OpenDocuments } from './open-documents.ts'
import { ReplicaCore } from './replica-core.ts'
import type { ReplicaLoad, ReplicaObserver } from './replica-observer.ts'
import { coreChoices, type ReplicaOptions } from './replica-options.ts'
import { StatusBoard, type Acknowledgement, type ReplicaStatus } from './status.ts'
import { StoreDesk } from './store-desk.ts'
import { Turns } from './turns.ts'
import { WriteDesk } from './write-desk.ts'

/** How often the engine hears the time. */
const TICK_MS = 200
const CLOSE_WITHIN_MS = 5_000
/** How long close() waits for links to say goodbye, within its own bound. */
const LINKS_CLOSE_WITHIN_MS = 1_000

export class Replica {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  readonly durability: Durability
  readonly role: Role
  readonly clock: Clock
  readonly random: (length: number) => Uint8Array
  readonly #options: ReplicaOptions
  readonly #store: Store
  readonly #desk: StoreDesk
  readonly #turns: Turns
  readonly #core: ReplicaCore
  readonly #writes: WriteDesk
  readonly #reads: GuardedReads
  readonly #documents: OpenDocuments
  readonly #lives: DocumentLives
  readonly #guests: GuestTable
  readonly #status: StatusBoard
  readonly #links = new Map<LinkId, HostedLink>()
  /** Those that something was received of since the store was idle, or that are not read from. */
  readonly #heard = new Set<HostedLink>()
  readonly #eventListeners = new Set<(event: ReplicaEvent) => void>()
  readonly #statusListeners = new Set<(status: ReplicaStatus) => void>()
  readonly #stopTicking: () => void
  #nextLink: LinkId = 1
  #statusChanged = false
  #closing: Promise<void> | null = null

  constructor(options: ReplicaOptions) {
    const { store, role, clock, random } = options
    const { replicaId, space, durability, reader } = store
    this.#options = options
    this.#store = store
    this.replicaId = replicaId
    this.space = space
    this.durability = durability
    this.role = role
    this.clock = clock
    this.random = random
    this.#turns = new Turns(clock, () => this.#turn())
    const choices = { ...coreChoices(options), guestsOf: (doc: DocId): number => this.#guests.count(doc) }
    const core = new ReplicaCore({ replicaId, space, durability, reader, role, random, nowMs: clock.now(), ...choices })
    this.#core = core
    this.#writes = new WriteDesk(core, this.#turns, clock, (write) => this.#observe((observer) => observer.written?.(write)))
    const report = (error: unknown, doc: DocId | null): void => this.#report(error, doc)
    this.#reads = new GuardedReads(core, reader, this.#turns)
    const parts = { core, reads: this.#reads, turns: this.#turns, writes: this.#writes, report }
    this.#guests = new GuestTable(parts)
    this.#lives = new DocumentLives(core, this.#writes, reader, space)
    this.#documents = new OpenDocuments({
      ...parts,
      random,
      readOnly: options.readOnly ?? false,
      rejectionChanged: (binding) => this.#rejectionChanged(binding),
      stuck: (doc, reason) => this.#stuck(doc, reason),
      released: (doc) => this.#status.released(doc),
    })
    const verifyEveryMs = options.limits?.verifyEveryMs ?? DEFAULT_CORE_LIMITS.verifyEveryMs
    this.#status = new StatusBoard({
      replicaId,
      space,
      durability,
      role,
      reader,
      verifyEveryMs,
      channels: (link) => core.channels(link),
      silentMs: (link) => core.silentMs(link),
    })
    this.#desk = new StoreDesk({
      ...{ store, core, clock },
      observe: (tell) => this.#observe(tell),
      quarantined: (key) => this.#documents.restore(key),
      done: () => this.#storeDone(),
    })
    if (options.onEvent !== undefined) this.#eventListeners.add(options.onEvent)
    this.#stopTicking = clock.every(TICK_MS, () => this.#tick())
    this.#turns.wake()
  }

  // Inputs

  /** Takes over a connected transport. Throws "replica-closed". */
  attachLink(port: LinkPort): AttachedLink {
    this.#assertOpen()
    const link = new HostedLink(this.#nextLink++, port, this.#linkInputs)
    this.#links.set(link.id, link)
    this.#core.linkOpened(link.id, link)
    this.#turns.wake()
    return link
  }

  readonly #linkInputs: LinkInputs = {
    received: (link, bytes) => {
      // While closing, what still arrives is left in the peer's log: it was not acknowledged, so it comes again.
      if (this.closed) return
      this.#desk.received()
      const hosted = this.#links.get(link)
      if (hosted !== undefined) this.#heard.add(hosted)
      this.#core.linkReceived(link, bytes)
      this.#turns.wake()
    },
    closed: (link) => {
      const hosted = this.#links.get(link)
      if (hosted !== undefined) this.#heard.delete(hosted)
      this.#links.delete(link)
      this.#core.linkClosed(link)
      this.#turns.wake()
    },
    drained: (link) => {
      this.#core.linkDrained(link)
      this.#turns.wake()
    },
  }

  /** What LinkPort.access answers for this link has changed. What may flow now and did not before is looked for at once; what may not any more stops by itself.
   *  No effect on a link that is gone. */
  accessChanged(link: LinkId): void {
    this.#core.accessChanged(link)
    this.#turns.wake()
  }

  /** Shows the peer's doorman a fresh token, on a link that this side dialled. No effect on a link that is not live: the next one says it in HELLO. */
  renewToken(link: LinkId, auth: Uint8Array): void {
    this.#core.renewToken(link, auth)
    this.#turns.wake()
  }

  /** Opens a document with what is stored here; the same object for every opening. Waits for nothing. Throws "replica-closed", "doc-quarantined", and
   *  "doc-deleted" unless it is to be begun anew.
   *  Cost: reads and applies the document's snapshot and tail. */
  openDocument(doc: DocId, options: OpenOptions = {}): OpenDocument {
    this.#assertOpen()
    return this.#documents.open(doc, docKeyOf(this.space, doc), options)
  }

  /** Deletes a document everywhere: a fact that is stored and synced like an edit, and final for every edit of the life that it ends, also for those made
   *  elsewhere that nobody has seen yet. Resolves with its position in the log once it is committed here; at once when it is deleted already. Rejects with
   *  "read-only" (a follower), "doc-quarantined", "storage-failed", "replica-closed". What was in it can be exported for a while: remains(). */
  async deleteDocument(doc: DocId): Promise<number> {
    this.#assertOpen()
    return this.#lives.delete(doc)
  }

  /** Begins a deleted document anew, empty: whoever opens it from now on finds it so. Resolves and rejects as deleteDocument(). Beware of copies of the life before
   *  in clients of other protocols: nobody can tell them from new content. */
  async recreateDocument(doc: DocId): Promise<number> {
    this.#assertOpen()
    return this.#lives.recreate(doc)
  }

  /** What deletions of a document took away here, newest first; empty when there was nothing, or it is longer ago than it is kept (30 days). */
  remains(doc: DocId): readonly DeletedContent[] {
    return this.#lives.remains(doc)
  }

  /** Attaches a foreign door's connection to one document. Throws "replica-closed", "doc-deleted". */
  attachGuest(doc: DocId, port: GuestPort): Guest {
    this.#assertOpen()
    return this.#guests.attach(port, doc, this.#core.keyOf(doc))
  }

  subscribe(scope: Scope): void {
    this.#core.subscribe(scope)
    this.#turns.wake()
  }

  unsubscribe(scope: Scope): void {
    this.#core.unsubscribe(scope)
    this.#turns.wake()
  }

  #assertOpen(): void {
    if (this.closed) throw new SynclineError('replica-closed', `The replica ${this.replicaId} is closed.`)
  }

  // The loop

  #tick(): void {
    this.#core.tick(this.clock.now())
    this.#guests.tick()
    this.#turns.wake()
  }

  #turn(): void {
    this.#documents.settle()
    const deliveries: Delivery[] = []
    // What a commit that was waited for brings leaves in this very turn; the next one is not waited for.
    if (this.#flush(deliveries, true)) this.#flush(deliveries, false)
    for (const [doc, rows] of Map.groupBy(deliveries, (row) => row.doc)) {
      this.#guests.deliver(doc, rows)
      this.#documents.deliver(doc, rows)
    }
    this.#guests.tellOutcomes()
    this.#guests.catchUp()
    for (const link of this.#heard) {
      if (!this.#desk.busy) link.caughtUp()
      link.turned()
      if (!this.#desk.busy && !link.paused) this.#heard.delete(link)
    }
    this.#desk.turned()
    this.#tellStatus()
  }

  /** Carries out what is to be done, and puts aside what goes to user code. True: there is more, as a commit was done at once. */
  #flush(deliveries: Delivery[], waits: boolean): boolean {
    let committed = false
    for (const effect of this.#core.flush()) {
      if (effect.kind === 'deliver') deliveries.push(effect)
      else if (effect.kind === 'commit') committed = this.#desk.commit(effect.transaction, waits)
      else this.#carryOut(effect)
    }
    if (committed) this.#statusChanged = true
    return committed
  }

  #carryOut(effect: Exclude<Effect, Delivery | { kind: 'commit' }>): void {
    switch (effect.kind) {
      case 'send':
        return this.#links.get(effect.link)?.send(effect.bytes)
      case 'close':
        return this.#links.get(effect.link)?.close(effect.code, effect.reason)
      case 'maintain':
        return void this.#desk.maintain(effect.work)
      case 'written':
        return this.#writes.settle(effect.ticket, effect.outcome)
      case 'presence':
        if (effect.source !== 0) this.#documents.get(effect.doc)?.applyPresence(effect.bytes)
        return this.#guests.deliverPresence(effect.doc, effect.bytes, effect.source)
      case 'presence-reply':
        if (effect.source === 0) return this.#documents.get(effect.doc)?.applyPresence(effect.bytes)
        return this.#guests.get(effect.source)?.replyPresence(effect.bytes)
      case 'ping-guest':
        return this.#guests.get(effect.source)?.ping()
      case 'close-guest':
        return this.#guests.get(effect.source)?.close(effect.code, effect.reason)
      case 'renewed':
        return this.#links.get(effect.link)?.renewed(effect.auth)
      case 'rotate-client-ids':
        return this.#documents.rotateClientIds()
      case 'event':
        return this.#emit(effect.event)
      case 'again':
        return this.#turns.wake()
    }
  }

  #storeDone(): void {
    this.#statusChanged = true
    this.#turns.wake()
  }

  // What it tells

  #emit(event: ReplicaEvent): void {
    if (this.#status.note(event)) this.#statusChanged = true
    for (const listener of this.#eventListeners) this.#call(() => listener(event))
  }

  #rejectionChanged(binding: DocumentBinding): void {
    const error = binding.rejection
    if (error === null) this.#status.accept(binding.id, null, 'out')
    else this.#status.reject({ doc: binding.id, peer: null, direction: 'out', code: error.code, reason: error.message })
    this.#statusChanged = true
    this.#turns.wake()
  }

  #stuck(doc: DocId, reason: string | null): void {
    if (reason === null) this.#status.unstuck(doc)
    else this.#emit({ type: 'document-stuck', doc, reason })
    this.#statusChanged = true
    this.#turns.wake()
  }

  #tellStatus(): void {
    if (!this.#statusChanged || this.#statusListeners.size === 0) return
    this.#statusChanged = false
    const status = this.status()
    for (const listener of this.#statusListeners) this.#call(() => listener(status))
  }

  #observe(tell: (observer: ReplicaObserver) => void): void {
    const { observer } = this.#options
    if (observer !== undefined) this.#call(() => tell(observer))
  }

  #call(userCode: () => void): void {
    try {
      userCode()
    } catch (error) {
      this.#report(error, null)
    }
  }

  #report(error: unknown, doc: DocId | null): void {
    const { onError } = this.#options
    queueMicrotask(() => {
      if (onError === undefined) throw error
      onError(error, doc)
    })
  }

  /** Stored documents whose names start with `prefix`: list-documents.ts says in which order and at what cost. */
  documents(options: { readonly prefix?: string } = {}): Iterable<DocRow> {
    return listDocuments(this.#store.reader, this.space, options.prefix ?? '')
  }

  /** Committed state, for those who only read: the store's own reader. */
  get reader(): StoreReader {
    return this.#store.reader
  }

  /** Whether anything of the document is committed here, and it was not deleted. Cost: a look-up. */
  has(doc: DocId): boolean {
    const row = this.#reads.stored(this.#core.keyOf(doc))
    return row !== undefined && !isDeletion(row.docEpoch)
  }

  /** Whether the document was deleted and not begun anew, as far as this replica knows. Cost: a look-up. */
  isDeleted(doc: DocId): boolean {
    return isDeletion(this.#reads.docEpoch(this.#core.keyOf(doc)))
  }

  /** Sum over all committed documents: two replicas of one space with equal roots hold the same updates. Cost: none. */
  get root(): Digest {
    return this.#core.root
  }

  /** Plain data, computed now. */
  status(): ReplicaStatus {
    return this.#status.snapshot()
  }

  /** What is under way, computed now. */
  load(): ReplicaLoad {
    return { unsettledWrites: this.#writes.size, guests: this.#guests.size, openDocuments: this.#documents.size, ...this.#core.load() }
  }

  /** Called after every turn of the loop in which the status may have changed. Returns the way to stop. */
  onStatus(listener: (status: ReplicaStatus) => void): () => void {
    this.#statusListeners.add(listener)
    return () => this.#statusListeners.delete(listener)
  }

  /** Called for every event, in order. Returns the way to stop. */
  onEvent(listener: (event: ReplicaEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Direct peers that committed this replica's log up to `seq` and did not refuse `doc`, before a restart of this replica too. */
  acknowledgements(doc: DocId, seq: number): readonly Acknowledgement[] {
    return this.#status.acknowledgements(doc, seq)
  }

  /** Whether a live link leads to `peer`. */
  isLinkedTo(peer: ReplicaId): boolean {
    return this.#status.hasLiveLink(peer)
  }

  // The end

  get closed(): boolean {
    return this.#closing !== null
  }

  /** Saves what was edited, takes its presence back, closes the links with "shutting-down", and closes the store. Idempotent; done within `closeWithinMs`
   *  even when the store or a peer does not answer. Afterwards documents can be read, and edits go nowhere. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const deadline = this.clock.now() + (this.#options.closeWithinMs ?? CLOSE_WITHIN_MS)
    const reason = 'the replica is closing'
    // Not inside a transaction of whoever called.
    await this.#turns.turnEnd()
    this.#guests.close(reason)
    this.#documents.leave()
    this.#core.hurry()
    this.#turns.wake()
    await this.#turns.until(() => this.#writes.size === 0 && !this.#desk.busy && !this.#turns.scheduled, deadline)
    for (const link of this.#links.values()) link.close('shutting-down', reason)
    await this.#turns.until(() => this.#links.size === 0 && !this.#desk.busy, Math.min(deadline, this.clock.now() + LINKS_CLOSE_WITHIN_MS))
    this.#end()
    await this.#turns.by(this.#store.close(), deadline)
  }

  #end(): void {
    this.#turns.end()
    this.#stopTicking()
    const code = this.#core.storageFailure === null ? 'replica-closed' : 'storage-failed'
    this.#documents.end(new SynclineError(code, `The replica ${this.replicaId} is closed.`))
    this.#writes.failAll(code)
    this.#guests.tellOutcomes()
    for (const link of this.#links.values()) link.closed()
  }
}
