// One replica process in virtual time: the real engine over a real memory store, open documents through the real binding, guests, and the life
// of a process: start, stand still, die in the middle of anything, start again from what was stored. Carries out the engine's effects as
// replica.ts does; decides nothing else. Read by world.ts, faults.ts and the scripted tests.

import {
  parseDocId,
  scopeText,
  SynclineError,
  unframeUpdates,
  type DocId,
  type DocKey,
  type EpochNonce,
  type Scope,
} from '@syncline/protocol'
import {
  DocumentBinding,
  ReplicaCore,
  type Access,
  type CoreLimits,
  type DocumentHost,
  type Effect,
  type LinkId,
  type ReplicaEvent,
  type SourceId,
  type Ticket,
  type WriteOutcome,
} from '@syncline/replica'
import type { DocContent, DocRow, StoreReader, Transaction } from '@syncline/store'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import type { Counters } from './counters.ts'
import { describeFrame, describeUpdate } from './frame-observer.ts'
import type { Endpoint, Network, Port } from './network.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Room, SimulatedGuest } from './simulated-guest.ts'
import { keyOf, SPACE } from './space.ts'
import { sampleOf, type Trace } from './trace.ts'
import { Violation } from './violation.ts'
import { Author, type WorkloadProfile } from './workload.ts'

const TICK_MS = 250

/** What all replicas of a run share. */
export interface Surroundings {
  readonly schedule: Schedule
  readonly network: Network
  readonly counters: Counters
  readonly trace: Trace
  readonly profile: WorkloadProfile
  readonly checks: Checks
}

/** Looks at a replica from outside; throws a Violation. */
export interface Checks {
  wrote(replica: SimulatedReplica, doc: DocId, client: number, structs: boolean): void
  commitBegins(replica: SimulatedReplica, transaction: Transaction): void
  committed(replica: SimulatedReplica, transaction: Transaction): void
  sweeps(replica: SimulatedReplica, sweep: () => readonly DocKey[]): void
  opened(replica: SimulatedReplica, nonce: EpochNonce): void
  event(replica: SimulatedReplica, event: ReplicaEvent): void
  midPair(doc: DocId): void
}

export interface ReplicaSettings {
  readonly name: string
  readonly index: number
  readonly role: 'device' | 'relay' | 'follower'
  readonly readOnly: boolean
  interests: Scope[]
  limits: Partial<CoreLimits>
  readonly dueRows: number | null
  readonly openDocumentsMax: number
  /** Whether open documents announce who is there. */
  readonly presence: boolean
  /** How long a commit takes, and whether the disk is slow now and then. */
  readonly commitMs: number
}

type Delivery = Extract<Effect, { kind: 'deliver' }>

export interface OpenedDocument {
  readonly binding: DocumentBinding
  readonly author: Author
}

/** What a process that died left behind, with what it had promised. */
export interface Image {
  readonly stored: MemorySnapshot
  readonly promises: ReadonlyMap<string, number>
}

export class SimulatedReplica implements Endpoint, Room {
  readonly name: string
  readonly settings: ReplicaSettings
  life = 0
  core: ReplicaCore | null = null
  store: MemoryStore | null = null
  readonly opened = new Map<DocId, OpenedDocument>()
  readonly guests = new Map<SourceId, SimulatedGuest>()
  /** "document client" -> next clock that a write outcome promised to be committed here. */
  promises = new Map<string, number>()
  storeFull = false
  commitsFailed = 0
  accessOf: (peer: Endpoint) => Access | undefined = () => undefined
  readonly #world: Surroundings
  readonly #random: Random
  readonly #ports = new Map<LinkId, Port>()
  readonly #tickets = new Map<Ticket, (outcome: WriteOutcome) => void>()
  readonly #settling = new Set<DocumentBinding>()
  #nextTicket = 1
  #nextSource = 1
  #flushPlanned = false
  #pausedUntilMs = 0
  #backlog: (() => void)[] = []
  #dieAfterEffects: number | null = null
  #inFlight: Transaction | null = null
  #left: Image | null = null
  readonly #damaged = new Set<DocKey>()

  constructor(settings: ReplicaSettings, world: Surroundings, random: Random) {
    this.name = settings.name
    this.settings = settings
    this.#world = world
    this.#random = random
  }

  get isUp(): boolean {
    return this.core !== null
  }

  // ---- life

  /** Starts the process on what it left behind, or on `from`. `asCopy`: the store notices that it is a copy and becomes a new replica. */
  start(from: Image | null = this.#left, asCopy = false): void {
    const { schedule, trace } = this.#world
    this.life++
    const random = (length: number): Uint8Array => this.#random.bytes(length)
    this.store = createMemoryStore({ space: SPACE, random, durability: 'process', ...(from === null ? {} : { from: from.stored, asCopy }) })
    this.promises = new Map(from?.promises ?? [])
    this.#world.checks.opened(this, this.store.reader.nonce())
    const { role, readOnly, interests, limits } = this.settings
    this.core = new ReplicaCore({
      replicaId: this.store.replicaId,
      space: SPACE,
      durability: this.store.durability,
      reader: this.#readerWithPolicy(this.store.reader),
      role,
      nowMs: schedule.nowMs,
      random,
      interests,
      readOnly,
      limits,
    })
    trace.note(
      schedule.nowMs,
      this.settings.index,
      1,
      () =>
        `${this.name} starts as ${this.store!.replicaId.slice(0, 8)}, epoch ${this.store!.reader.nonce()}, head ${this.store!.reader.head()}`,
    )
    this.#tick(this.life)
    this.#world.network.started(this)
  }

  /** Compaction sooner than the real policy, where the plan says so. */
  #readerWithPolicy(reader: StoreReader): StoreReader {
    const { dueRows } = this.settings
    if (dueRows === null) return reader
    const due = (limit: number): readonly DocRow[] => {
      const rows = reader.docs({ first: '0'.repeat(32) as DocKey, last: 'f'.repeat(32) as DocKey }, 1000)
      return rows.filter((doc) => doc.tailRows >= dueRows && !doc.quarantined).slice(0, limit)
    }
    return new Proxy(reader, {
      get: (target, name) => {
        if (name === 'due') return due
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      },
    })
  }

  #tick(life: number): void {
    if (life !== this.life || this.core === null) return
    if (!this.isPaused) {
      this.core.tick(this.#world.schedule.nowMs)
      if (!this.#flushPlanned) this.#flush()
    }
    this.#world.schedule.after(TICK_MS, () => this.#tick(life))
  }

  /** The process dies at this instant. A commit under way is stored or not, as the disk happened to be. */
  crash(quietly = false): void {
    if (this.core === null) return
    const { counters, trace, schedule } = this.#world
    if (this.#inFlight !== null && !this.storeFull) {
      const stored = this.#random.chance(0.5)
      if (stored) this.store!.commitNow(this.#inFlight)
      counters.add(stored ? 'crash with a commit in flight, stored' : 'crash with a commit in flight, lost')
    }
    this.#inFlight = null
    trace.note(
      schedule.nowMs,
      this.settings.index,
      2,
      () => `${this.name} dies${quietly ? ' quietly' : ''}, head ${this.store!.reader.head()}`,
    )
    this.#left = this.image()
    this.core = null
    this.life++
    this.#world.network.endpointDied(this, quietly)
    for (const { binding, author } of this.opened.values()) {
      binding.end(ENDED)
      author.destroy()
    }
    for (const guest of this.guests.values()) guest.detach()
    this.opened.clear()
    this.guests.clear()
    this.#ports.clear()
    this.#tickets.clear()
    this.#settling.clear()
    this.#backlog = []
    this.#pausedUntilMs = 0
    this.#dieAfterEffects = null
    this.#flushPlanned = false
    this.#damaged.clear()
  }

  /** Ends open documents, whose presence would go on ticking in real time. */
  discard(): void {
    const documents = [...this.opened.values()]
    this.core = null
    this.life++
    for (const { binding, author } of documents) {
      binding.end(ENDED)
      author.destroy()
    }
  }

  /** The next flush is carried out only in part. */
  crashBetweenEffects(): void {
    this.#dieAfterEffects = this.#random.between(0, 3)
  }

  /** Nothing goes wrong here any more. */
  heal(): void {
    this.storeFull = false
    this.#dieAfterEffects = null
  }

  pause(durationMs: number): void {
    const { schedule } = this.#world
    this.#pausedUntilMs = schedule.nowMs + durationMs
    const { life } = this
    schedule.after(durationMs, () => {
      if (life !== this.life) return
      const backlog = this.#backlog
      this.#backlog = []
      for (const run of backlog) run()
    })
  }

  /** The stored content of a document fails its checksum from now on. */
  damage(key: DocKey): void {
    this.store!.damage(key)
    this.#damaged.add(key)
  }

  /** Damage that nobody read yet. */
  get hasHiddenDamage(): boolean {
    return this.#damaged.size > 0
  }

  get isPaused(): boolean {
    return this.#world.schedule.nowMs < this.#pausedUntilMs
  }

  /** A copy of the store's file as it is now. */
  image(): Image {
    if (this.core === null && this.#left !== null) return this.#left
    return { stored: this.store!.snapshot(), promises: new Map(this.promises) }
  }

  #whenAwake(run: () => void): void {
    if (this.isPaused) this.#backlog.push(run)
    else run()
  }

  /** In this life, after a while, unless the process stands still. */
  later(delayMs: number, run: () => void): void {
    const { life } = this
    this.#world.schedule.after(delayMs, () => {
      if (life === this.life) this.#whenAwake(run)
    })
  }

  // ---- the engine's turn

  flushSoon(): void {
    if (this.#flushPlanned || this.core === null) return
    this.#flushPlanned = true
    this.later(this.#random.chance(0.8) ? 0 : this.#random.float() * 2, () => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    for (const binding of this.#settling) binding.settle()
    this.#settling.clear()
    const { life } = this
    const effects = this.core!.flush()
    const deliveries = effects.filter((effect) => effect.kind === 'deliver')
    for (const effect of effects) {
      if (this.#dieAfterEffects !== null && this.#dieAfterEffects-- <= 0) {
        this.#world.counters.add('crash between effects')
        this.crash()
      }
      if (life !== this.life) return
      if (effect.kind !== 'deliver') this.#carryOut(effect)
    }
    for (const [doc, rows] of Map.groupBy(deliveries, (row) => row.doc)) this.#deliver(doc, rows)
  }

  #carryOut(effect: Exclude<Effect, Delivery>): void {
    const { checks, network } = this.#world
    switch (effect.kind) {
      case 'send': {
        const port = this.#ports.get(effect.link)
        if (port !== undefined) this.#send(port, effect.bytes)
        return
      }
      case 'close': {
        const port = this.#ports.get(effect.link)
        this.#note(3, () => `closes link ${effect.link}: ${effect.code} ${effect.reason}`)
        if (effect.code === 'link-silent') this.#world.counters.add('link closed as silent')
        if (effect.code === 'duplicate-replica') this.#world.counters.add('duplicate-replica')
        if (port !== undefined) network.close(port, effect.code)
        return
      }
      case 'commit':
        checks.commitBegins(this, effect.transaction)
        return this.#commit(effect.transaction)
      case 'maintain':
        return this.later(this.settings.commitMs, () => this.#maintain(effect.work))
      case 'written':
        this.#note(9, () => `write ${effect.ticket}: ${effect.outcome.kind}`)
        this.#tickets.get(effect.ticket)?.(effect.outcome)
        this.#tickets.delete(effect.ticket)
        return
      case 'presence-reply':
        if (effect.source === 0) this.opened.get(effect.doc)?.binding.applyPresence(effect.bytes)
        return
      case 'presence':
        if (effect.source !== 0) this.opened.get(effect.doc)?.binding.applyPresence(effect.bytes)
        return
      case 'ping-guest':
        return this.later(20, () => {
          this.core!.guestAlive(effect.source)
          this.flushSoon()
        })
      case 'rotate-client-ids':
        this.#world.counters.add('client ids rotated')
        for (const { binding } of this.opened.values()) binding.rotateClientId()
        return
      case 'event':
        this.#note(4, () => `event ${JSON.stringify(effect.event)}`)
        return checks.event(this, effect.event)
      case 'again':
        return this.flushSoon()
    }
  }

  #send(port: Port, bytes: Uint8Array): void {
    this.#world.trace.note(
      this.#world.schedule.nowMs,
      this.settings.index,
      sampleOf(bytes),
      () => `${this.name} -> ${port.peer.owner.name} (link ${port.id}) ${describeFrame(bytes)}`,
    )
    this.#world.network.send(port, bytes)
  }

  #commit(transaction: Transaction): void {
    if (this.#inFlight !== null) throw new Violation('DU-1', `${this.name} has two commits under way`)
    this.#inFlight = transaction
    this.later(this.settings.commitMs * (this.#random.chance(0.05) ? 50 : 1), () => {
      this.#inFlight = null
      if (this.storeFull) {
        this.commitsFailed++
        this.#world.counters.add('store full')
        this.core!.commitFailed(new SynclineError('store-full', 'The simulated disk is full.'))
      } else {
        this.store!.commitNow(transaction)
        this.#note(
          5,
          () =>
            `committed to ${this.store!.reader.head()}${transaction.cursors.map((c) => `, cursor ${c.scope} of ${c.peer.slice(0, 8)} at ${c.seq}`).join('')}`,
        )
        this.#world.checks.committed(this, transaction)
        this.core!.committed()
      }
      this.flushSoon()
    })
  }

  #maintain(work: Extract<Effect, { kind: 'maintain' }>['work']): void {
    const store = this.store!
    if (this.storeFull) {
      this.core!.maintenanceFailed(new SynclineError('store-full', 'The simulated disk is full.'))
      return this.flushSoon()
    }
    this.#note(6, () => `maintenance: ${work.kind}`)
    if (work.kind === 'sweep') {
      this.#world.checks.sweeps(this, () => {
        const result = store.sweepNow(work.docs)
        this.core!.maintained(result)
        return result.installed.map((doc) => doc.key)
      })
    } else if (work.kind === 'rotate-epoch') {
      this.core!.maintained(store.rotateEpochNow())
    } else {
      this.#world.counters.add('quarantine')
      this.#forgetPromises(work.key)
      this.#damaged.delete(work.key)
      this.core!.maintained(store.quarantineNow(work.key))
      for (const { binding } of this.opened.values()) if (binding.key === work.key) binding.restore()
      this.#dismissGuests(work.key)
    }
    this.#world.checks.opened(this, store.reader.nonce())
    this.flushSoon()
  }

  /** A door closes its connections to a document that was lost here: what they hold comes back when they return. */
  #dismissGuests(key: DocKey): void {
    for (const [source, guest] of this.guests) {
      if (keyOf(guest.docId) !== key) continue
      this.guests.delete(source)
      this.core!.guestLeft(source)
      guest.detach()
    }
  }

  #forgetPromises(key: DocKey): void {
    for (const promise of this.promises.keys()) {
      const doc = parseDocId(promise.slice(0, promise.lastIndexOf(' ')))
      if (keyOf(doc) === key) this.promises.delete(promise)
    }
  }

  /** Committed rows of one document, to everybody here but who wrote them. */
  #deliver(doc: DocId, rows: readonly Delivery[]): void {
    const updatesFor = (source: SourceId): Uint8Array[] =>
      rows.flatMap((row) => (row.link === 0 && row.source === source ? [] : row.updates))
    const updates = updatesFor(0)
    if (updates.length > 0) this.opened.get(doc)?.binding.apply(updates)
    for (const guest of this.guests.values()) if (guest.docId === doc) guest.deliver(updatesFor(guest.source))
  }

  // ---- links

  accessFor(peer: Endpoint): Access | undefined {
    return this.accessOf(peer)
  }

  linkOpened(port: Port): void {
    this.#ports.set(port.id, port)
    const access = this.accessFor(port.peer.owner)
    const { network } = this.#world
    const buffered = (): number => {
      const bytes = network.buffered(port)
      if (bytes > 0) this.#world.counters.add('slow link')
      return bytes * 1000
    }
    this.#whenAwake(() => {
      this.core!.linkOpened(port.id, { dialled: port.dialled, buffered, ...(access === undefined ? {} : { access }) })
      this.flushSoon()
    })
  }

  linkReceived(port: Port, bytes: Uint8Array): void {
    this.#whenAwake(() => {
      if (!this.#ports.has(port.id)) return
      this.core!.linkReceived(port.id, bytes)
      this.flushSoon()
    })
  }

  linkClosed(port: Port): void {
    this.#whenAwake(() => {
      if (!this.#ports.delete(port.id)) return
      this.core!.linkClosed(port.id)
      this.flushSoon()
    })
  }

  linkDrained(_port: Port): void {
    this.#whenAwake(() => this.flushSoon())
  }

  ports(): Iterable<Port> {
    return this.#ports.values()
  }

  // ---- documents

  /** Opens the document, or answers the open one; null while its stored content is damaged. */
  open(docId: DocId): OpenedDocument | null {
    const known = this.opened.get(docId)
    if (known !== undefined) return known
    let binding: DocumentBinding
    try {
      binding = new DocumentBinding(this.#documentHost(), docId, keyOf(docId), {
        gc: this.#random.chance(0.8),
        presence: this.settings.presence,
      })
    } catch (error) {
      if (error instanceof SynclineError && error.code === 'doc-quarantined') return null
      throw error
    }
    const author = new Author(binding.doc, this.#random, this.#world.profile, this.#world.counters)
    author.onMidPair = () => this.#world.checks.midPair(docId)
    const opened = { binding, author }
    this.opened.set(docId, opened)
    return opened
  }

  /** False while edits of it are not committed. */
  close(docId: DocId): boolean {
    const opened = this.opened.get(docId)
    if (opened === undefined) return true
    if (opened.binding.unsaved > 0) return false
    opened.binding.end(ENDED)
    opened.author.destroy()
    this.opened.delete(docId)
    return true
  }

  #documentHost(): DocumentHost {
    const { life } = this
    const live = (): ReplicaCore => this.core!
    return {
      readOnly: this.settings.readOnly,
      origin: REMOTE,
      random: (length) => this.#random.bytes(length),
      content: (key) => this.store!.reader.content(key),
      lastSeq: (key) => this.store!.reader.doc(key)?.lastSeq ?? 0,
      localSeq: (doc) => live().localSeq(doc),
      knowsClient: (doc, client) => live().knowsClient(doc, client),
      stateVector: (doc) => live().stateVector(doc),
      derivedDeletes: (doc, update) => {
        const derived = live().derivedDeletes(doc, update)
        if (derived !== null) this.#world.counters.add('derived delete')
        return derived
      },
      write: (doc, update, outcome) => this.#write(doc, update, outcome),
      presence: (doc, bytes) => {
        if (life !== this.life || this.core === null) return
        live().presence({ doc, bytes, source: 0 })
        this.flushSoon()
      },
      presenceSnapshot: () => null,
      turnEnd: () => Promise.resolve(),
      settleSoon: (binding) => {
        this.#settling.add(binding)
        this.flushSoon()
      },
      report: (error, doc) => {
        throw new Violation('IN-1', `${this.name}: applying a committed update of ${doc} threw ${String(error)}`)
      },
      changed: () => undefined,
      stuck: (doc, reason) => {
        throw new Violation('CV-1', `${this.name}: open document ${doc} is stuck: ${reason}`)
      },
      released: () => undefined,
    }
  }

  #write(doc: DocId, update: Uint8Array, told: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket {
    const open = this.opened.get(doc)?.binding.doc
    const ticket = this.#nextTicket++
    const client = open?.clientID ?? 0
    // An update without structs promises nothing about clocks.
    const clock = open === undefined || update[0] === 0 ? 0 : Y.getState(open.store, client)
    if (open !== undefined) this.#world.checks.wrote(this, doc, client, update[0] !== 0)
    this.#tickets.set(ticket, (outcome) => {
      if (outcome.kind === 'committed' || outcome.kind === 'known') this.#promise(doc, client, clock)
      told(ticket, outcome)
    })
    this.#note(10, () => `write ${ticket} to ${doc}: ${describeUpdate(update)}`)
    this.core!.write({ doc, update, source: 0, ticket })
    this.flushSoon()
    return ticket
  }

  #promise(doc: DocId, client: number, clock: number): void {
    const promise = `${doc} ${client}`
    if (clock > (this.promises.get(promise) ?? 0)) this.promises.set(promise, clock)
  }

  // ---- guests

  attach(guest: SimulatedGuest): void {
    const source = this.#nextSource++
    this.guests.set(source, guest)
    guest.attach(this, source)
  }

  /** Writes bytes that nobody here made. */
  plant(doc: DocId, update: Uint8Array): void {
    this.core!.write({ doc, update, source: this.#nextSource++, ticket: null })
    this.flushSoon()
  }

  stored(doc: DocId): readonly Uint8Array[] | null {
    try {
      return updatesOf(this.store!.reader.content(keyOf(doc)))
    } catch (error) {
      if (error instanceof SynclineError && error.code === 'doc-quarantined') return null
      throw error
    }
  }

  writeFromGuest(guest: SimulatedGuest, update: Uint8Array, told: (outcome: WriteOutcome) => void): void {
    const ticket = this.#nextTicket++
    const client = guest.doc.clientID
    const clock = update[0] === 0 ? 0 : Y.getState(guest.doc.store, client)
    this.#tickets.set(ticket, (outcome) => {
      if (outcome.kind === 'committed' || outcome.kind === 'known') this.#promise(guest.docId, client, clock)
      told(outcome)
    })
    this.core!.write({ doc: guest.docId, update, source: guest.source, ticket })
    this.flushSoon()
  }

  // ---- changes of scope

  subscribe(scope: Scope): void {
    this.settings.interests = [...this.settings.interests, scope]
    this.core!.subscribe(scope)
    this.flushSoon()
  }

  unsubscribe(scope: Scope): void {
    this.settings.interests = this.settings.interests.filter((one) => scopeText(one) !== scopeText(scope))
    this.core!.unsubscribe(scope)
    this.flushSoon()
  }

  // ---- for observers

  committedHead(): number {
    return this.store!.reader.head()
  }

  peerIdOf(port: Port): string | null {
    const peer = port.peer.owner
    return peer instanceof SimulatedReplica ? (peer.store?.replicaId ?? null) : null
  }

  #note(what: number, line: () => string): void {
    this.#world.trace.note(this.#world.schedule.nowMs, this.settings.index, what, () => `${this.name} ${line()}`)
  }
}

/** Why an open document ends: one for all, for errors are slow to make. */
const ENDED = new SynclineError('replica-closed', 'The process died, or the document was released.')

/** Marks what comes from the engine in every open document. */
const REMOTE = { from: 'engine' }

/** Everything stored of a document, in an order that applies. */
export function updatesOf(content: DocContent | undefined): Uint8Array[] {
  if (content === undefined) return []
  const updates = content.snapshot === null ? [] : [content.snapshot.update]
  for (const row of content.tail) {
    if (row.kind === 'snapshot') continue
    const framed = unframeUpdates(row.data)
    if (framed === null) throw new Violation('I2', `row ${row.seq} is not framed`)
    updates.push(...framed)
  }
  return updates
}
