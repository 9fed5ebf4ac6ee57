// One replica process in virtual time: the real engine over a real memory store, open documents through the real binding, guests, and the life of a process: start,
// stand still, die in the middle of anything, start again from what was stored. Carries out the engine's effects as replica.ts does; decides nothing else. Read by
// world.ts, faults.ts and the scripted tests.

import { scopeText, SynclineError, type DocId, type DocKey, type Durability, type Scope } from '@syncline/protocol'
import { ReplicaCore, type Access, type Buggify, type Effect, type LinkId, type SourceId, type WriteOutcome } from '@syncline/replica'
import type { Transaction } from '@syncline/store'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '@syncline/store/memory'
import type { LocalWrite } from '../oracles/oracle.ts'
import { Random } from '../random.ts'
import { Violation } from '../violation.ts'
import { readOr } from './damaged.ts'
import { describeFrame } from './describe-frame.ts'
import { isOwn, type Delivery } from './delivery.ts'
import type { Endpoint, Port } from './network.ts'
import { documentOfPromise, OpenDesk, type OpenedDocument } from './open-desk.ts'
import { ProcessTime } from './process-time.ts'
import { withDueRows, type ReplicaSettings } from './replica-settings.ts'
import type { Room, SimulatedGuest } from './simulated-guest.ts'
import { keyOf, SPACE } from './space.ts'
import { updatesOf } from './stored-updates.ts'
import type { Surroundings } from './surroundings.ts'
import { sampleOf, type Lane } from './trace.ts'

const TICK_MS = 250
/** How often an engine takes its rarer way at a point that is on. */
const BUGGIFY_CHANCE = 0.25

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
  desk: OpenDesk | null = null
  /** It died and does not come back. */
  gone = false
  readonly guests = new Map<SourceId, SimulatedGuest>()
  readonly time: ProcessTime
  /** "document client" -> next clock that a write outcome promised to be committed here. */
  promises = new Map<string, number>()
  storeFull = false
  accessOf: (peer: Endpoint) => Access | undefined = () => undefined
  readonly #world: Surroundings
  readonly #ports = new Map<LinkId, Port>()
  #timing: Random
  #fate: Random
  #nextSource = 1
  #flushPlanned = false
  #dieAfterEffects: number | null = null
  #inFlight: Transaction | null = null
  #left: Image | null = null
  readonly #damaged = new Set<DocKey>()

  constructor(settings: ReplicaSettings, world: Surroundings) {
    this.name = settings.name
    this.settings = settings
    this.#world = world
    this.time = new ProcessTime(world.schedule, settings.driftPpm)
    this.#timing = this.#stream('timing')
    this.#fate = this.#stream('fate')
  }

  get isUp(): boolean {
    return this.core !== null
  }

  /** Chance of its own for each purpose in each life. */
  #stream(purpose: string): Random {
    return Random.of(this.#world.seed, `${this.name}/${this.life}/${purpose}`)
  }

  // ---- life

  /** Starts the process on what it left behind, or on `from`. `asCopy`: the store notices that it is a copy and becomes a new replica. */
  start(from: Image | null = this.#left, asCopy = false): void {
    const world = this.#world
    this.life++
    this.#timing = this.#stream('timing')
    this.#fate = this.#stream('fate')
    const ids = this.#stream('ids')
    const random = (length: number): Uint8Array => ids.bytes(length)
    const image = from === null ? {} : { from: from.stored, asCopy }
    const durability: Durability = 'process'
    this.store = createMemoryStore({ space: SPACE, random, durability, now: () => this.time.clockMs, ...image })
    this.promises = new Map(from?.promises ?? [])
    const { store } = this
    const { role, readOnly, interests, limits } = this.settings
    this.core = new ReplicaCore({
      replicaId: store.replicaId,
      space: SPACE,
      durability: store.durability,
      reader: withDueRows(store.reader, this.settings.dueRows),
      role,
      nowMs: this.time.clockMs,
      random,
      interests,
      readOnly,
      limits,
      buggify: this.#buggify(),
    })
    this.desk = new OpenDesk(this, { core: this.core, store, world, random })
    world.oracles.started(this, from?.stored ?? null)
    world.oracles.epoch(this, store.reader.nonce())
    this.note(
      1,
      () => `starts as ${store.replicaId.slice(0, 8)}, epoch ${store.reader.nonce().slice(0, 8)}, head ${store.reader.head()}`,
      'start',
    )
    this.#tick(this.life)
    world.network.started(this)
  }

  #buggify(): Buggify {
    const { buggify, counters } = this.#world
    if (buggify.size === 0) return () => false
    const chance = this.#stream('buggify')
    return (point) => {
      const taken = buggify.has(point) && chance.chance(BUGGIFY_CHANCE)
      if (taken) counters.add(`rarer way: ${point}`)
      return taken
    }
  }

  #tick(life: number): void {
    if (life !== this.life || this.core === null) return
    if (!this.time.isPaused) {
      this.core.tick(this.time.clockMs)
      if (!this.#flushPlanned) this.#flush()
    }
    this.#world.schedule.after(TICK_MS, () => this.#tick(life))
  }

  /** The process dies at this instant. A commit under way is stored or not, as the disk happened to be. */
  crash(quietly = false): void {
    if (this.core === null) return
    const { counters, network, oracles } = this.#world
    if (this.#inFlight !== null && !this.storeFull) {
      const stored = this.#fate.chance(0.5)
      if (stored) this.#store(this.#inFlight)
      counters.add(stored ? 'crash with a commit in flight, stored' : 'crash with a commit in flight, lost')
    }
    this.#inFlight = null
    this.note(2, () => `dies${quietly ? ' quietly' : ''}, head ${this.store!.reader.head()}`, 'crash')
    this.#left = this.image()
    this.core = null
    oracles.died(this)
    this.life++
    this.time.died()
    network.endpointDied(this, quietly)
    this.desk!.end()
    for (const guest of this.guests.values()) guest.detach()
    this.guests.clear()
    this.#ports.clear()
    this.#dieAfterEffects = null
    this.#flushPlanned = false
    this.#damaged.clear()
  }

  /** Ends open documents, whose presence would go on ticking in real time. */
  discard(): void {
    this.core = null
    this.life++
    this.time.died()
    this.desk?.end()
  }

  /** The next flush is carried out only in part. */
  crashAfterEffects(effects: number): void {
    this.#dieAfterEffects = effects
  }

  /** Nothing goes wrong here any more. */
  heal(): void {
    this.storeFull = false
    this.#dieAfterEffects = null
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

  /** A copy of the store's file as it is now. */
  image(): Image {
    if (this.core === null && this.#left !== null) return this.#left
    return { stored: this.store!.snapshot(), promises: new Map(this.promises) }
  }

  /** In this life, after a while, unless the process stands still. */
  later(delayMs: number, run: () => void): void {
    this.time.later(delayMs, run)
  }

  // ---- the engine's turn

  flushSoon(): void {
    if (this.#flushPlanned || this.core === null) return
    this.#flushPlanned = true
    const atOnce = !this.#world.jitter || this.#timing.chance(0.8)
    this.time.later(atOnce ? 0 : this.#timing.float() * 2, () => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    this.desk!.settle()
    const { life } = this
    const effects = this.core!.flush()
    const deliveries: Delivery[] = []
    for (const effect of effects) {
      if (this.#dieAfterEffects !== null && this.#dieAfterEffects-- <= 0) {
        this.#world.counters.add('crash between effects')
        this.crash()
      }
      if (life !== this.life) return
      if (effect.kind === 'deliver') deliveries.push(effect)
      else this.#carryOut(effect)
    }
    if (deliveries.length > 0) for (const [doc, rows] of Map.groupBy(deliveries, (row) => row.doc)) this.#deliver(doc, rows)
  }

  #carryOut(effect: Exclude<Effect, Delivery>): void {
    const { network, counters, oracles } = this.#world
    switch (effect.kind) {
      case 'send':
        return this.#send(effect.link, effect.bytes)
      case 'close': {
        const port = this.#ports.get(effect.link)
        this.note(3, () => `closes link ${effect.link}: ${effect.code} ${effect.reason}`, 'event')
        if (effect.code === 'link-silent') counters.add('link closed as silent')
        if (effect.code === 'duplicate-replica') counters.add('duplicate-replica')
        if (port !== undefined) network.close(port, effect.code)
        return
      }
      case 'commit':
        oracles.commitBegins(this, effect.transaction)
        return this.#commit(effect.transaction)
      case 'maintain':
        return this.time.later(this.settings.commitMs, () => this.#maintain(effect.work))
      case 'written':
        this.note(9, () => `write ${effect.ticket}: ${effect.outcome.kind}`)
        return this.desk!.answer(effect.ticket, effect.outcome)
      case 'presence-reply':
        if (effect.source === 0) this.desk!.applyPresence(effect.doc, effect.bytes)
        return
      case 'presence':
        if (effect.source !== 0) this.desk!.applyPresence(effect.doc, effect.bytes)
        return
      case 'ping-guest':
        return this.time.later(20, () => {
          this.core!.guestAlive(effect.source)
          this.flushSoon()
        })
      case 'close-guest':
        throw new Violation('PR-6', `${this.name} ends guest ${effect.source} for its presence, and nobody here sends much`)
      case 'renewed':
        // Nobody here shows tokens; the doors of a relay are tested with real sockets.
        return
      case 'rotate-client-ids':
        counters.add('client ids rotated')
        return this.desk!.rotateClientIds()
      case 'event':
        this.note(4, () => `event ${JSON.stringify(effect.event)}`, 'event')
        return oracles.event(this, effect.event)
      case 'again':
        return this.flushSoon()
    }
  }

  #send(link: LinkId, bytes: Uint8Array): void {
    const port = this.#ports.get(link)
    if (port === undefined) return
    this.note(sampleOf(bytes), () => `-> ${port.peer.owner.name} (link ${port.id}) ${describeFrame(bytes)}`)
    this.#world.network.send(port, bytes)
  }

  #commit(transaction: Transaction): void {
    if (this.#inFlight !== null) throw new Violation('DU-1', `${this.name} has two commits under way`)
    this.#inFlight = transaction
    const slow = this.#world.jitter && this.#timing.chance(0.05)
    this.time.later(this.settings.commitMs * (slow ? 50 : 1), () => {
      this.#inFlight = null
      if (this.storeFull) {
        this.#world.counters.add('store full')
        this.core!.commitFailed(new SynclineError('store-full', 'The simulated disk is full.'))
      } else {
        this.#store(transaction)
        this.core!.committed()
      }
      this.flushSoon()
    })
  }

  #store(transaction: Transaction): void {
    for (const { key, docEpoch } of transaction.docs) if (docEpoch > (this.store!.reader.doc(key)?.docEpoch ?? 0)) this.#forgetPromises(key)
    this.store!.commitNow(transaction)
    const cursors = (): string => transaction.cursors.map((c) => `, cursor ${c.scope} of ${c.peer.slice(0, 8)} at ${c.seq}`).join('')
    this.note(5, () => `committed to ${this.store!.reader.head()}${cursors()}`, 'commit')
    this.#world.oracles.committed(this, transaction)
  }

  #maintain(work: Extract<Effect, { kind: 'maintain' }>['work']): void {
    const store = this.store!
    const { oracles, counters } = this.#world
    if (this.storeFull) {
      this.core!.maintenanceFailed(new SynclineError('store-full', 'The simulated disk is full.'))
      return this.flushSoon()
    }
    this.note(6, () => `maintenance: ${work.kind}`, 'event')
    if (work.kind === 'sweep') {
      oracles.sweeps(this, () => {
        const result = store.sweepNow(work.docs)
        this.core!.maintained(result)
        return result.installed.map((doc) => doc.key)
      })
    } else if (work.kind === 'rotate-epoch') {
      this.core!.maintained(store.rotateEpochNow())
    } else {
      counters.add('quarantine')
      this.#forgetPromises(work.key)
      this.#damaged.delete(work.key)
      this.core!.maintained(store.quarantineNow(work.key))
      this.desk!.lost(work.key)
      this.#dismissGuests(work.key)
    }
    oracles.maintained(this)
    oracles.epoch(this, store.reader.nonce())
    this.flushSoon()
  }

  /** A door closes its connections to a document that was lost here: what they hold comes back when they return; or, for good, to one that was deleted. */
  #dismissGuests(key: DocKey, forGood = false): void {
    for (const [source, guest] of this.guests) {
      if (keyOf(guest.docId) !== key) continue
      this.guests.delete(source)
      this.core!.guestLeft(source)
      guest.refused ||= forGood
      guest.detach()
    }
  }

  /** Of a life of the document that is over, nothing is promised any more. */
  promise({ doc, docEpoch, client, to }: LocalWrite): void {
    if (docEpoch < (this.store!.reader.doc(keyOf(doc))?.docEpoch ?? 0)) return
    const promise = `${doc} ${client}`
    if (to > (this.promises.get(promise) ?? 0)) this.promises.set(promise, to)
  }

  #forgetPromises(key: DocKey): void {
    for (const promise of this.promises.keys()) if (keyOf(documentOfPromise(promise)) === key) this.promises.delete(promise)
  }

  /** Committed rows of one document, to everybody here but who wrote them. */
  #deliver(doc: DocId, rows: readonly Delivery[]): void {
    const head = this.committedHead()
    const early = rows.find((row) => row.seq > head)
    if (early !== undefined) throw new Violation('DU-1', `${this.name} delivers row ${early.seq} of ${doc}, the store ends at ${head}`)
    this.desk!.deliver(doc, rows)
    if (rows.some(({ docEpoch }) => docEpoch > 0)) return this.#dismissGuests(keyOf(doc), true)
    for (const guest of this.guests.values()) {
      if (guest.docId === doc) guest.deliver(rows.flatMap((row) => (isOwn(row, guest.source) ? [] : row.updates)))
    }
  }

  // ---- links

  accessFor(peer: Endpoint): Access | undefined {
    return this.accessOf(peer)
  }

  linkOpened(port: Port): void {
    this.#ports.set(port.id, port)
    const access = this.accessFor(port.peer.owner)
    const { network, counters } = this.#world
    const buffered = (): number => {
      const bytes = network.buffered(port)
      if (bytes > 0) counters.add('slow link')
      return bytes * 1000
    }
    this.time.whenAwake(() => {
      this.core!.linkOpened(port.id, { dialled: port.dialled, buffered, ...(access === undefined ? {} : { access }) })
      this.flushSoon()
    })
  }

  linkReceived(port: Port, bytes: Uint8Array): void {
    this.time.whenAwake(() => {
      if (!this.#ports.has(port.id)) return
      this.core!.linkReceived(port.id, bytes)
      this.flushSoon()
    })
  }

  linkClosed(port: Port): void {
    this.time.whenAwake(() => {
      if (!this.#ports.delete(port.id)) return
      this.core!.linkClosed(port.id)
      this.flushSoon()
    })
  }

  linkDrained(port: Port): void {
    this.time.whenAwake(() => {
      this.core!.linkDrained(port.id)
      this.flushSoon()
    })
  }

  ports(): Iterable<Port> {
    return this.#ports.values()
  }

  // ---- documents and guests

  open(docId: DocId): OpenedDocument | null {
    return this.desk!.open(docId)
  }

  /** Documents that are open here; none while the process is down. */
  get opened(): ReadonlyMap<DocId, OpenedDocument> {
    return this.core === null ? new Map() : this.desk!.opened
  }

  attach(guest: SimulatedGuest): void {
    if (this.core!.docEpoch(guest.docId) > 0) return void (guest.refused = true)
    const source = this.#nextSource++
    this.guests.set(source, guest)
    guest.attach(this, source)
  }

  /** Writes bytes that nobody here made. */
  plant(doc: DocId, update: Uint8Array): void {
    this.core!.write({ doc, docEpoch: this.core!.docEpoch(doc), update, source: this.#nextSource++, ticket: null })
    this.flushSoon()
  }

  answer(doc: DocId, stateVector: Uint8Array): { readonly update: Uint8Array; readonly stateVector: Uint8Array } | null {
    return this.readOr(null, () => ({ update: this.core!.diffFor(doc, stateVector), stateVector: this.core!.stateVector(doc) }))
  }

  /** Committed updates of a document; null while they are damaged. */
  stored(doc: DocId): readonly Uint8Array[] | null {
    return this.readOr(null, () => updatesOf(this.store!.reader.content(keyOf(doc))))
  }

  /** Damage is told to the engine, and answered with `otherwise`: as the real host does. */
  readOr<T>(otherwise: T, read: () => T): T {
    return readOr(otherwise, read, (error) => {
      this.core!.readFailed(error)
      this.flushSoon()
    })
  }

  writeFromGuest(guest: SimulatedGuest, write: LocalWrite, told: (outcome: WriteOutcome) => void): void {
    this.desk!.write(guest.source, write, (_ticket, outcome) => told(outcome))
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

  note(what: number, line: () => string, lane: Lane = null): void {
    this.#world.trace.note(this.#world.schedule.nowMs, this.settings.index, what, () => `${this.name} ${line()}`, lane)
  }
}
