// The host of one engine: gives ReplicaCore its inputs and carries its effects out on a real store, real links, open documents and guests.
// Decides only when: any number of inputs in one turn of the event loop lead to one flush after it, effects are carried out in order, and user code
// (document observers, listeners, doors) comes last and can neither throw into the loop nor re-enter it. Used by client and relay in any JavaScript runtime.
// Rules: DU-1 (outcomes only after the commit), RS-1, T21 of the traps study.

import {
  LIMITS,
  scopeRange,
  SynclineError,
  WHOLE_RANGE,
  collectionOf,
  docKeyOf,
  type DocId,
  type DocKey,
  type Durability,
  type ReplicaId,
  type Role,
  type Scope,
  type SpaceId,
} from '@syncline/protocol'
import type { DocContent, DocRow, Store, Transaction } from '@syncline/store'
import type { Clock } from './clock.ts'
import type { Compression, CoreLimits } from './core-options.ts'
import { DEFAULT_CORE_LIMITS } from './core-options.ts'
import type { Effect, LinkId, Maintenance, ReplicaEvent, SourceId, Ticket, WriteOutcome } from './effects.ts'
import { AttachedGuest, type Guest, type GuestHost, type GuestPort } from './guest.ts'
import { HostedLink, type AttachedLink, type LinkInputs, type LinkPort } from './hosted-link.ts'
import { DocumentBinding, type DocumentHost, type OpenDocument, type OpenOptions } from './open-document.ts'
import { ReplicaCore } from './replica-core.ts'
import { StatusBoard, type Acknowledgement, type ReplicaStatus } from './status.ts'

export interface ReplicaOptions {
  /** Closed by Replica.close(). */
  readonly store: Store
  readonly role: Role
  readonly clock: Clock
  /** `length` random bytes, from a good source: identities come from it. */
  readonly random: (length: number) => Uint8Array
  /** What to subscribe to; default the whole space. */
  readonly interests?: readonly Scope[]
  /** A follower: local edits are refused. */
  readonly readOnly?: boolean
  readonly limits?: Partial<CoreLimits>
  readonly compression?: Compression
  /** As onEvent(), from the start. */
  readonly onEvent?: (event: ReplicaEvent) => void
  /** What user code threw where the replica called it: an observer of an open document, a listener, a door. Nothing is lost by it.
   *  Default: thrown again in a turn of its own, which most runtimes report as an uncaught exception. */
  readonly onError?: (error: unknown, doc: DocId | null) => void
  /** Bound of close(); default 5 s. */
  readonly closeWithinMs?: number
}

/** How often the engine hears the time. */
const TICK_MS = 200
/** How long close() waits for links to say goodbye, within its own bound. */
const LINKS_CLOSE_WITHIN_MS = 1_000
const DOCUMENTS_PER_READ = 500

export class Replica {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  readonly durability: Durability
  readonly role: Role
  readonly clock: Clock
  readonly random: (length: number) => Uint8Array
  readonly #options: ReplicaOptions
  readonly #store: Store
  readonly #core: ReplicaCore
  readonly #status: StatusBoard
  readonly #links = new Map<LinkId, HostedLink>()
  readonly #documents = new Map<DocId, DocumentBinding>()
  readonly #guests = new Map<SourceId, AttachedGuest>()
  readonly #guestsOf = new Map<DocId, Set<AttachedGuest>>()
  readonly #tickets = new Map<Ticket, (outcome: WriteOutcome) => void>()
  readonly #unsettled = new Set<DocumentBinding>()
  readonly #eventListeners = new Set<(event: ReplicaEvent) => void>()
  readonly #statusListeners = new Set<(status: ReplicaStatus) => void>()
  readonly #turnWaiters = new Set<() => void>()
  readonly #stopTicking: () => void
  #nextLink: LinkId = 1
  #nextSource: SourceId = 1
  #nextTicket: Ticket = 1
  #flushScheduled = false
  #storeBusy = false
  #statusChanged = false
  #closing: Promise<void> | null = null
  #ended = false

  constructor(options: ReplicaOptions) {
    const { store, role, clock, random, interests, readOnly, limits, compression } = options
    this.#options = options
    this.#store = store
    this.replicaId = store.replicaId
    this.space = store.space
    this.durability = store.durability
    this.role = role
    this.clock = clock
    this.random = random
    this.#core = new ReplicaCore({
      replicaId: store.replicaId,
      space: store.space,
      durability: store.durability,
      reader: store.reader,
      role,
      nowMs: clock.now(),
      random,
      ...(interests === undefined ? {} : { interests }),
      ...(readOnly === undefined ? {} : { readOnly }),
      ...(limits === undefined ? {} : { limits }),
      ...(compression === undefined ? {} : { compression }),
    })
    this.#status = new StatusBoard({
      replicaId: store.replicaId,
      space: store.space,
      durability: store.durability,
      role,
      reader: store.reader,
      verifyEveryMs: limits?.verifyEveryMs ?? DEFAULT_CORE_LIMITS.verifyEveryMs,
      channels: (link) => this.#core.channels(link),
    })
    if (options.onEvent !== undefined) this.#eventListeners.add(options.onEvent)
    this.#stopTicking = clock.every(TICK_MS, () => this.#tick())
    this.#wake()
  }

  // Inputs

  /** Takes over a connected transport. Throws "replica-closed". */
  attachLink(port: LinkPort): AttachedLink {
    this.#assertOpen()
    const link = new HostedLink(this.#nextLink++, port, this.#linkInputs)
    this.#links.set(link.id, link)
    const access = port.access === undefined ? {} : { access: port.access }
    this.#core.linkOpened(link.id, { dialled: port.dialled, ...access, buffered: () => link.buffered() })
    this.#wake()
    return link
  }

  readonly #linkInputs: LinkInputs = {
    received: (link, bytes) => {
      // While closing, what still arrives is left to the peer's log: it resends what was not acknowledged.
      if (this.#closing !== null) return
      this.#core.linkReceived(link, bytes)
      this.#wake()
    },
    closed: (link) => {
      this.#links.delete(link)
      this.#core.linkClosed(link)
      this.#wake()
    },
    drained: () => this.#wake(),
  }

  /** Opens a document with what is stored here; the same object for every opening. Waits for nothing. Throws "replica-closed", "doc-quarantined".
   *  Cost: reads and applies the document's snapshot and tail. */
  openDocument(doc: DocId, options: OpenOptions = {}): OpenDocument {
    this.#assertOpen()
    let binding = this.#documents.get(doc)
    if (binding === undefined) {
      binding = new DocumentBinding(this.#documentHost, doc, docKeyOf(this.space, doc), options)
      this.#documents.set(doc, binding)
    }
    return binding.opened()
  }

  /** Attaches a foreign door's connection to one document. Throws "replica-closed". */
  attachGuest(doc: DocId, port: GuestPort): Guest {
    this.#assertOpen()
    const guest = new AttachedGuest(this.#guestHost, port, this.#nextSource++, doc, docKeyOf(this.space, doc))
    this.#guests.set(guest.source, guest)
    const ofDocument = this.#guestsOf.get(doc) ?? new Set()
    this.#guestsOf.set(doc, ofDocument.add(guest))
    return guest
  }

  subscribe(scope: Scope): void {
    this.#core.subscribe(scope)
    this.#wake()
  }

  unsubscribe(scope: Scope): void {
    this.#core.unsubscribe(scope)
    this.#wake()
  }

  #write(doc: DocId, update: Uint8Array, source: SourceId, outcome: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket {
    const ticket = this.#nextTicket++
    this.#tickets.set(ticket, (result) => outcome(ticket, result))
    this.#core.write({ doc, update, source, ticket })
    this.#wake()
    return ticket
  }

  #presence(doc: DocId, bytes: Uint8Array, source: SourceId): void {
    this.#core.presence({ doc, bytes, source })
    this.#wake()
  }

  readonly #documentHost: DocumentHost = this.#makeDocumentHost()
  readonly #guestHost: GuestHost = this.#makeGuestHost()

  #makeDocumentHost(): DocumentHost {
    const replica = this
    return {
      get readOnly() {
        return replica.#options.readOnly ?? false
      },
      origin: Object.freeze({ syncline: 'committed update' }),
      random: (length) => this.random(length),
      content: (key) => this.#content(key),
      lastSeq: (key) => this.#store.reader.doc(key)?.lastSeq ?? 0,
      stateVector: (doc) => this.#core.stateVector(doc),
      derivedDeletes: (doc, update) => this.#core.derivedDeletes(doc, update),
      write: (doc, update, outcome) => this.#write(doc, update, 0, outcome),
      presence: (doc, bytes) => this.#presence(doc, bytes, 0),
      presenceSnapshot: (doc) => this.#core.presenceSnapshot(doc),
      settleSoon: (binding) => {
        this.#unsettled.add(binding)
        this.#wake()
      },
      turnEnd: () => new Promise((resolve) => this.clock.soon(resolve)),
      report: (error, doc) => this.#report(error, doc),
      changed: (binding) => this.#rejectionChanged(binding),
      stuck: (doc, reason) => this.#emit({ type: 'document-stuck', doc, reason }),
      released: (binding) => {
        this.#documents.delete(binding.id)
        this.#status.released(binding.id)
        this.#wake()
      },
    }
  }

  #makeGuestHost(): GuestHost {
    return {
      stateVector: (doc) => this.#core.stateVector(doc),
      diffFor: (doc, stateVector) => this.#core.diffFor(doc, stateVector),
      content: (key) => this.#content(key),
      lastSeq: (key) => this.#store.reader.doc(key)?.lastSeq ?? 0,
      write: (guest, update) => this.#writeForGuest(guest, update),
      presence: (guest, bytes) => this.#presence(guest.id, bytes, guest.source),
      presenceSnapshot: (doc) => this.#core.presenceSnapshot(doc),
      alive: (guest) => {
        this.#core.guestAlive(guest.source)
        this.#wake()
      },
      detached: (guest) => this.#detach(guest),
      report: (error, doc) => this.#report(error, doc),
    }
  }

  #content(key: DocKey): DocContent | undefined {
    return this.#store.reader.content(key)
  }

  #writeForGuest(guest: AttachedGuest, update: Uint8Array): Promise<WriteOutcome> {
    if (this.#closing !== null) return Promise.resolve({ kind: 'failed', code: 'replica-closed' })
    return new Promise((resolve) => this.#write(guest.id, update, guest.source, (_, outcome) => resolve(outcome)))
  }

  #detach(guest: AttachedGuest): void {
    this.#guests.delete(guest.source)
    const ofDocument = this.#guestsOf.get(guest.id)
    if (ofDocument?.delete(guest) === true && ofDocument.size === 0) this.#guestsOf.delete(guest.id)
    this.#core.guestLeft(guest.source)
    this.#wake()
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new SynclineError('replica-closed', `The replica ${this.replicaId} is closed.`)
  }

  // The loop

  #wake(): void {
    if (this.#flushScheduled || this.#ended) return
    this.#flushScheduled = true
    this.clock.soon(() => this.#turn())
  }

  #tick(): void {
    this.#core.tick(this.clock.now())
    for (const guest of this.#guests.values()) if (guest.lagging) guest.catchUp()
    this.#wake()
  }

  #turn(): void {
    this.#flushScheduled = false
    if (this.#ended) return
    for (const binding of this.#unsettled) binding.settle()
    this.#unsettled.clear()
    const deliveries: Delivery[] = []
    for (const effect of this.#core.flush()) {
      if (effect.kind === 'deliver') deliveries.push(effect)
      else this.#carryOut(effect)
    }
    if (deliveries.length > 0) this.#deliver(deliveries)
    this.#tellStatus()
    for (const check of this.#turnWaiters) check()
  }

  #carryOut(effect: Exclude<Effect, Delivery>): void {
    switch (effect.kind) {
      case 'send':
        this.#links.get(effect.link)?.send(effect.bytes)
        return
      case 'close':
        this.#links.get(effect.link)?.close(effect.code, effect.reason)
        return
      case 'commit':
        void this.#commit(effect.transaction)
        return
      case 'maintain':
        void this.#maintain(effect.work)
        return
      case 'written':
        this.#settle(effect.ticket, effect.outcome)
        return
      case 'presence':
        if (effect.source !== 0) this.#documents.get(effect.doc)?.applyPresence(effect.bytes)
        for (const guest of this.#guestsOf.get(effect.doc) ?? []) if (guest.source !== effect.source) guest.deliverPresence(effect.bytes)
        return
      case 'ping-guest':
        this.#guests.get(effect.source)?.ping()
        return
      case 'rotate-client-ids':
        for (const binding of this.#documents.values()) binding.rotateClientId()
        return
      case 'event':
        this.#emit(effect.event)
        return
      case 'again':
        this.#wake()
        return
    }
  }

  async #commit(transaction: Transaction): Promise<void> {
    this.#storeBusy = true
    try {
      await this.#store.commit(transaction)
      this.#core.committed()
    } catch (error) {
      this.#core.commitFailed(storeError(error))
    }
    this.#storeBusy = false
    this.#statusChanged = true
    this.#wake()
  }

  async #maintain(work: Maintenance): Promise<void> {
    this.#storeBusy = true
    try {
      this.#core.maintained(await this.#runMaintenance(work))
    } catch (error) {
      this.#core.maintenanceFailed(storeError(error))
    }
    this.#storeBusy = false
    this.#wake()
  }

  /** Updates of one turn, document by document: each open document applies them in one transaction, each guest gets them in one call. */
  #deliver(deliveries: readonly Delivery[]): void {
    for (const [doc, rows] of Map.groupBy(deliveries, (row) => row.doc)) {
      const seq = rows.at(-1)!.seq
      for (const guest of this.#guestsOf.get(doc) ?? []) guest.deliver(updatesFor(guest.source, rows), seq)
      const binding = this.#documents.get(doc)
      const updates = binding === undefined ? [] : updatesFor(0, rows)
      if (updates.length > 0) binding?.apply(updates)
    }
  }

  #settle(ticket: Ticket, outcome: WriteOutcome): void {
    const settle = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    settle?.(outcome)
  }

  #emit(event: ReplicaEvent): void {
    if (this.#status.note(event)) this.#statusChanged = true
    if (event.type === 'quarantined' && event.doc !== null) this.#documents.get(event.doc)?.restore()
    for (const listener of this.#eventListeners) this.#call(() => listener(event))
  }

  #rejectionChanged(binding: DocumentBinding): void {
    const error = binding.rejection
    if (error === null) this.#status.accept(binding.id, null, 'in')
    else this.#status.reject({ doc: binding.id, peer: null, direction: 'in', code: error.code, reason: error.message })
    this.#statusChanged = true
    this.#wake()
  }

  #tellStatus(): void {
    if (!this.#statusChanged) return
    this.#statusChanged = false
    if (this.#statusListeners.size === 0) return
    const status = this.status()
    for (const listener of this.#statusListeners) this.#call(() => listener(status))
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

  // Reads

  /** Stored documents in key order, which is no order a person would see; quarantined ones included. Reads as it goes: a document that arrives
   *  meanwhile may or may not be listed. Cost: a range scan, of one collection when `prefix` contains a slash, else of the space. */
  *documents(options: { readonly prefix?: string } = {}): Iterable<DocRow> {
    const { prefix = '' } = options
    const collection = prefix.includes('/') ? collectionOf(prefix as DocId) : null
    const range = collection === null ? WHOLE_RANGE : scopeRange(this.space, { kind: 'collection', collection })
    let after: DocKey | undefined
    for (;;) {
      const rows = this.#store.reader.docs(range, DOCUMENTS_PER_READ, after)
      for (const row of rows) if (row.name.startsWith(prefix)) yield row
      if (rows.length < DOCUMENTS_PER_READ) return
      after = rows.at(-1)!.key
    }
  }

  status(): ReplicaStatus {
    return this.#status.snapshot()
  }

  /** Called after every turn in which the status changed. Returns the way to stop. */
  onStatus(listener: (status: ReplicaStatus) => void): () => void {
    this.#statusListeners.add(listener)
    return () => this.#statusListeners.delete(listener)
  }

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
    const deadline = this.clock.now() + (this.#options.closeWithinMs ?? LIMITS.closeWithinMs)
    await this.#documentHost.turnEnd()
    const reason = 'the replica is closing'
    for (const guest of this.#guests.values()) {
      guest.close('shutting-down', reason)
      this.#core.guestLeft(guest.source)
    }
    for (const binding of this.#documents.values()) {
      binding.settle()
      binding.leave()
    }
    this.#wake()
    await this.#turnWhere(() => this.#quiet(), deadline)
    for (const link of this.#links.values()) link.close('shutting-down', reason)
    await this.#turnWhere(() => this.#links.size === 0 && !this.#storeBusy, Math.min(deadline, this.clock.now() + LINKS_CLOSE_WITHIN_MS))
    this.#end()
    await this.#by(this.#store.close(), deadline)
  }

  #quiet(): boolean {
    return !this.#storeBusy && !this.#flushScheduled && this.#tickets.size === 0
  }

  #end(): void {
    this.#ended = true
    this.#stopTicking()
    const failed = this.#status.snapshot().storage === 'failed'
    const code = failed ? 'storage-failed' : 'replica-closed'
    for (const settle of this.#tickets.values()) settle({ kind: 'failed', code })
    this.#tickets.clear()
    for (const binding of this.#documents.values()) binding.end(new SynclineError(code, `The replica ${this.replicaId} is closed.`))
    this.#documents.clear()
    for (const link of this.#links.values()) link.closed()
  }

  /** Resolves after the first turn in which `holds`, or at the deadline. */
  #turnWhere(holds: () => boolean, deadline: number): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#turnWaiters.delete(check)
        resolve()
      }
      const check = (): void => {
        if (holds()) done()
      }
      const cancel = this.clock.after(Math.max(0, deadline - this.clock.now()), done)
      this.#turnWaiters.add(check)
    })
  }

  async #by(work: Promise<void>, deadline: number): Promise<void> {
    let cancel: () => void = () => undefined
    const late = new Promise<void>((resolve) => {
      cancel = this.clock.after(Math.max(0, deadline - this.clock.now()), resolve)
    })
    await Promise.race([work, late]).finally(cancel)
  }

  #runMaintenance(work: Maintenance): ReturnType<Store['sweep']> | ReturnType<Store['rotateEpoch']> {
    switch (work.kind) {
      case 'sweep':
        return this.#store.sweep(work.docs)
      case 'rotate-epoch':
        return this.#store.rotateEpoch()
      case 'quarantine':
        return this.#store.quarantine(work.key)
    }
  }
}

type Delivery = Extract<Effect, { kind: 'deliver' }>

/** All updates but those that `source` wrote itself; what came by a link has no source here. */
function updatesFor(source: SourceId, rows: readonly Delivery[]): Uint8Array[] {
  return rows.filter((row) => row.link !== 0 || row.source !== source).flatMap((row) => row.updates)
}

function storeError(error: unknown): SynclineError {
  return error instanceof SynclineError ? error : new SynclineError('store-io', `The store failed: ${String(error)}.`, { cause: error })
}
