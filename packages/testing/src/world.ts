// One run: builds the replicas and links of a plan, lets people write while things go wrong, then ends all faults and demands that everybody who is
// linked becomes equal in bounded time and falls silent. Every promise is checked on the way. Reads everything in this folder; read by run.ts and
// the tests. Rules: CV-1, CV-2, CV-3, DU-2, I1 to I9, AU-1, SM-1.

import {
  LIMITS,
  parseDocId,
  parseScope,
  SynclineError,
  ZERO_DIGEST,
  type DocId,
  type DocKey,
  type EpochNonce,
  type IdRange,
} from '@syncline/protocol'
import type { ReplicaEvent } from '@syncline/replica'
import type { StoreReader, Transaction } from '@syncline/store'
import * as Y from 'yjs'
import { Counters } from './counters.ts'
import { scheduleFaults } from './faults.ts'
import { describeFrame, FrameObserver } from './frame-observer.ts'
import { Network } from './network.ts'
import {
  checkCursorClaim,
  checkNothingPending,
  checkTotals,
  contentDigestOf,
  documentOf,
  documentsOf,
  knowledgeOf,
  knowledgeUpTo,
  visibleContent,
} from './oracles.ts'
import type { FaultKind, LinkPlan, Plan } from './plan.ts'
import { Random } from './random.ts'
import { Schedule } from './schedule.ts'
import { SimulatedGuest } from './simulated-guest.ts'
import { SimulatedReplica, type Checks, type Surroundings } from './simulated-replica.ts'
import { keyOf, rangeOf, scopeHolds } from './space.ts'
import { Trace } from './trace.ts'
import { Violation } from './violation.ts'

/** Virtual time in which linked replicas become equal once faults end, on top of one healing interval. */
const CATCH_UP_MS = 120_000
/** What was under way when all were equal is through in this time, and then there is silence. */
const QUIET_WITHIN_MS = 45_000
const QUIET_MS = 3_000
/** Every run suffers at least this many kinds of fault. */
const FAULT_KINDS_MIN = 3

interface StoredContent {
  readonly content: string
  readonly digest: string
  readonly name: string
  compared: number
}

const EMPTY_CONTENT = visibleContent(new Y.Doc({ guid: 'empty' }))

export interface Edge {
  readonly from: SimulatedReplica
  readonly to: SimulatedReplica
  /** `to` refuses what `from` writes. */
  readonly readOnly: boolean
}

export interface RunResult {
  readonly seed: number
  readonly hash: string
  readonly events: number
  readonly operations: number
  readonly faults: ReadonlyMap<FaultKind, number>
  readonly counters: Counters
  /** Virtual milliseconds from the end of the faults until all were equal. */
  readonly caughtUpMs: number
}

export class World implements Checks {
  readonly plan: Plan
  readonly random: Random
  readonly schedule = new Schedule()
  readonly counters = new Counters()
  readonly network: Network
  readonly trace: Trace
  readonly observer: FrameObserver
  readonly replicas: SimulatedReplica[] = []
  readonly edges: Edge[] = []
  readonly guests: { readonly guest: SimulatedGuest; readonly at: SimulatedReplica }[] = []
  readonly docs: DocId[]
  readonly faultsInjected = new Map<FaultKind, number>()
  readonly twins = new Set<SimulatedReplica>()
  healed = false
  readonly #surroundings: Surroundings
  readonly #writes = new Map<SimulatedReplica, number>()
  /** client id -> the one boot and document that may write under it. */
  readonly #owners = new Map<number, string>()
  readonly #nonces = new Set<EpochNonce>()
  readonly #midPair = new Set<DocId>()
  /** "replica document" that a limit kept out. */
  readonly #refused = new Set<string>()
  #fork: { readonly doc: DocId; readonly client: number; readonly noticed: Set<SimulatedReplica> } | null = null
  #operations = 0
  #checksDone = 0

  constructor(plan: Plan, print: ((line: string) => void) | null) {
    this.plan = plan
    this.random = new Random(plan.seed + 0x5eed)
    this.docs = [...plan.docs]
    this.network = new Network(this.schedule, this.random, this.counters)
    this.network.weather = plan.weather
    this.trace = new Trace(print)
    this.observer = new FrameObserver(this.counters)
    this.observer.keyPrefixOf = (doc) => keyOf(doc as DocId).slice(0, 16)
    this.network.traffic = this.observer
    const { schedule, network, counters, trace } = this
    this.#surroundings = { schedule, network, counters, trace, profile: plan.profile, checks: this }
  }

  /** Carries out the plan. Throws the first Violation. */
  run(): RunResult {
    this.#build()
    this.#writeAndSuffer()
    this.#heal()
    const caughtUpMs = this.#awaitEquality()
    this.#checkQuiet()
    this.#checkEnd()
    if (this.plan.fork) this.#plantFork()
    this.counters.add('converged')
    const { seed } = this.plan
    return {
      seed,
      hash: this.trace.hash(),
      events: this.trace.events,
      operations: this.#operations,
      faults: this.faultsInjected,
      counters: this.counters,
      caughtUpMs,
    }
  }

  /** Ends everything that this run opened. */
  end(): void {
    for (const replica of this.replicas) replica.discard()
    for (const { guest } of this.guests) guest.author.destroy()
  }

  // ---- building

  #build(): void {
    const { plan } = this
    plan.replicas.forEach((replica, index) => {
      const limits = replica.documentBytesMax === null ? plan.limits : { ...plan.limits, documentBytesMax: replica.documentBytesMax }
      const { name, role, readOnly, openDocumentsMax } = replica
      const settings = {
        name,
        index,
        role,
        readOnly,
        interests: [...replica.interests],
        limits,
        dueRows: plan.dueRows,
        openDocumentsMax,
        presence: this.random.chance(0.15),
        commitMs: this.random.pick([0, 1, 5]),
      }
      this.#addReplica(settings)
      if (readOnly) this.counters.add('follower')
      if (replica.interests[0]?.kind !== 'space') this.counters.add('partial subscription')
    })
    for (const link of plan.links) this.#addEdge(link)
    for (const replica of this.replicas) replica.start()
    for (const { replica, doc } of plan.guests) this.#addGuest(this.replicas[replica]!, doc)
  }

  #addReplica(settings: SimulatedReplica['settings']): SimulatedReplica {
    const replica = new SimulatedReplica(settings, this.#surroundings, new Random(this.random.uint32()))
    replica.accessOf = (peer) => {
      const denied = this.edges.some((edge) => edge.readOnly && edge.to === replica && edge.from === peer)
      return denied ? { read: () => true, write: () => this.#rightsLifted } : undefined
    }
    this.replicas.push(replica)
    return replica
  }

  #addEdge({ from, to, both, readOnly }: LinkPlan): void {
    const edge = { from: this.replicas[from]!, to: this.replicas[to]!, readOnly }
    this.edges.push(edge)
    this.network.keepLinked(edge.from, edge.to)
    if (both) this.network.keepLinked(edge.to, edge.from)
  }

  #addGuest(at: SimulatedReplica, doc: DocId): void {
    const client = 2 ** 31 + this.random.uint32()
    const guest = new SimulatedGuest(doc, client, this.random, this.plan.profile, this.counters)
    guest.author.onMidPair = () => this.midPair(doc)
    this.#owners.set(client, `guest ${this.guests.length}`)
    this.guests.push({ guest, at })
  }

  /** Another process from a copy of this one's file, linked like it. */
  addSibling(of: SimulatedReplica, name: string): SimulatedReplica {
    const sibling = this.#addReplica({ ...of.settings, name, index: this.replicas.length, interests: [...of.settings.interests] })
    const links = this.edges.filter((edge) => edge.from === of || edge.to === of)
    for (const edge of links) {
      const copy = { ...edge, from: edge.from === of ? sibling : edge.from, to: edge.to === of ? sibling : edge.to }
      this.edges.push(copy)
      this.network.keepLinked(copy.from, copy.to)
    }
    if (this.random.chance(0.3)) {
      this.edges.push({ from: sibling, to: of, readOnly: false })
      this.network.keepLinked(sibling, of)
    }
    return sibling
  }

  // ---- the phase with faults

  #writeAndSuffer(): void {
    const { plan } = this
    const spanMs = plan.operations * plan.typicalGapMs + 200
    scheduleFaults(this, plan.faultEvents, spanMs)
    this.schedule.after(50, () => this.#operate())
    while (this.#operations < plan.operations || this.schedule.nowMs < spanMs || this.faultsInjected.size < FAULT_KINDS_MIN) this.#step()
  }

  #step(): void {
    if (!this.schedule.next(Infinity)) throw new Violation('SM-1', 'the simulation has nothing left to do')
  }

  #operate(): void {
    const { plan, random, schedule } = this
    const burst = random.chance(0.1) ? random.between(2, 6) : 1
    for (let i = 0; i < burst && this.#operations < plan.operations; i++) this.#oneOperation()
    if (this.#operations < plan.operations)
      schedule.after(random.latency(plan.typicalGapMs * 1.3, 20 * plan.typicalGapMs), () => this.#operate())
  }

  #oneOperation(): void {
    const { random } = this
    this.#attachGuests()
    if (this.guests.length > 0 && random.chance(0.2)) return this.#guestOperation()
    const replica = random.pick(this.replicas)
    if (!replica.isUp || replica.isPaused) return
    const doc = this.#documentFor(replica)
    const opened = doc === null ? null : replica.open(doc)
    if (doc === null || opened === null) return
    if (replica.settings.readOnly) return
    opened.author.edit()
    this.#operations++
    this.#writes.set(replica, this.writesBy(replica) + 1)
    this.trace.note(this.schedule.nowMs, replica.settings.index, 7, () => `${replica.name} edits ${doc}`)
  }

  /** One that the replica subscribes to, mostly one that is open already. */
  #documentFor(replica: SimulatedReplica): DocId | null {
    const { random } = this
    if (random.chance(0.01)) {
      this.docs.push(`notes/new-${this.docs.length}` as DocId)
      this.counters.add('new document')
    }
    const open = [...replica.opened.keys()]
    const full = open.length >= replica.settings.openDocumentsMax
    if (open.length > 0 && random.chance(full ? 0.9 : 0.7)) return random.pick(open)
    if (full && !replica.close(random.pick(open))) return null
    const subscribed = this.docs.filter((doc) => this.subscribes(replica, doc))
    return subscribed.length === 0 ? null : random.pick(subscribed)
  }

  #guestOperation(): void {
    const { guest } = this.random.pick(this.guests)
    if (guest.refused) return
    guest.author.edit()
    this.#operations++
    this.trace.note(this.schedule.nowMs, 99, 7, () => `guest edits ${guest.docId}`)
  }

  #attachGuests(): void {
    for (const { guest, at } of this.guests) {
      if (guest.room === null && at.isUp && !at.isPaused) at.attach(guest)
    }
  }

  #quietlyUnlessDamaged(run: () => void): void {
    try {
      run()
    } catch (error) {
      if (!(error instanceof SynclineError && error.code === 'doc-quarantined')) throw error
    }
  }

  writesBy(replica: SimulatedReplica): number {
    return this.#writes.get(replica) ?? 0
  }

  subscribes(replica: SimulatedReplica, doc: DocId): boolean {
    return replica.settings.interests.some((scope) => scopeHolds(scope, doc))
  }

  note(line: string): void {
    this.trace.note(this.schedule.nowMs, 98, 8, () => line)
  }

  // ---- the phase without

  #rightsLifted = false

  #heal(): void {
    this.healed = true
    this.note('all faults end')
    this.network.heal()
    for (const replica of this.replicas) {
      replica.heal()
      if (this.twins.has(replica) && replica.isUp && this.#sharesIdentity(replica)) this.#becomeAnother(replica)
      else if (replica.isUp && replica.hasHiddenDamage) replica.crash()
      if (!replica.isUp) replica.start()
    }
    // A twin that was down, or whose original was, shares the identity only now.
    for (const twin of this.twins) if (twin.isUp && this.#sharesIdentity(twin)) this.#becomeAnother(twin)
    if (this.plan.lift) this.#lift()
    this.#attachGuests()
  }

  /** Limits and rights are as everywhere now; the links and processes that they concern start anew. */
  #lift(): void {
    this.#rightsLifted = true
    for (const edge of this.edges) {
      if (!edge.readOnly) continue
      for (const connection of [...this.network.connections]) {
        const owners = [connection.dialler.owner, connection.listener.owner]
        if (owners.includes(edge.from) && owners.includes(edge.to)) this.network.cut(connection)
      }
    }
    for (const replica of this.replicas) {
      if (replica.settings.limits.documentBytesMax === undefined) continue
      const { documentBytesMax: _, ...limits } = replica.settings.limits
      replica.settings.limits = limits
      replica.crash()
      replica.start()
    }
  }

  #sharesIdentity(replica: SimulatedReplica): boolean {
    return this.replicas.some((other) => other !== replica && other.isUp && other.store!.replicaId === replica.store!.replicaId)
  }

  /** What an operator does with a copy that turned out to be one. */
  #becomeAnother(replica: SimulatedReplica): void {
    replica.crash()
    replica.start(replica.image(), true)
  }

  #awaitEquality(): number {
    const start = this.schedule.nowMs
    const deadline = start + CATCH_UP_MS + (this.plan.limits.healEveryMs ?? LIMITS.healEveryMs)
    for (let look = start; ;) {
      while (this.schedule.next(look)) continue
      const difference = this.#difference()
      if (difference === null) return this.schedule.nowMs - start
      if (look >= deadline) throw new Violation('CV-2', `after ${look - start} ms without faults: ${difference}`)
      look += 250
    }
  }

  /** Null when every link has done its work. */
  #difference(): string | null {
    for (const { guest, at } of this.guests) {
      if (guest.room === null) this.#attachGuests()
      if (guest.room === null && at.isUp) return `a guest of ${at.name} is not attached`
    }
    for (const edge of this.edges) {
      const lack = this.#lackingOver(edge)
      if (lack !== null) return lack
    }
    return null
  }

  #lackingOver(edge: Edge): string | null {
    const { from, to } = edge
    if (!this.network.isLinked(from, to)) return `${from.name} and ${to.name} are not linked`
    const [a, b] = [from.store!.reader, to.store!.reader]
    if (a.totals().root === b.totals().root) return null
    for (const doc of this.docs) {
      if (!this.subscribes(from, doc) || !this.subscribes(to, doc)) continue
      const key = keyOf(doc)
      if ((a.doc(key)?.digest ?? ZERO_DIGEST) === (b.doc(key)?.digest ?? ZERO_DIGEST)) continue
      if (this.#flows(edge, from, to, doc) && !this.#includes(b, a, key)) return `${to.name} lacks part of ${doc} that ${from.name} has`
      if (this.#flows(edge, to, from, doc) && !this.#includes(a, b, key)) return `${from.name} lacks part of ${doc} that ${to.name} has`
    }
    return null
  }

  /** Whether what `source` has of a document must reach `target` over this edge. */
  #flows(edge: Edge, source: SimulatedReplica, target: SimulatedReplica, doc: DocId): boolean {
    if (edge.readOnly && edge.from === source && !this.#rightsLifted) return false
    return target.settings.limits.documentBytesMax === undefined || !this.#refused.has(`${target.name} ${doc}`)
  }

  #includes(large: StoreReader, small: StoreReader, key: DocKey): boolean {
    try {
      return knowledgeUpTo(large, key, Infinity).includes(knowledgeUpTo(small, key, Infinity))
    } catch (error) {
      if (error instanceof SynclineError && error.code === 'doc-quarantined') return false
      throw error
    }
  }

  /** Once equal, traffic ends soon: nothing is appended any more, and links carry only signs of life and verification. Some runs look for as long as
   *  healing takes to come round again; sweeps may come meanwhile, but nobody looks for data. */
  #checkQuiet(): void {
    const deadline = this.schedule.nowMs + QUIET_WITHIN_MS
    while (!this.#isQuietFor(QUIET_MS)) if (this.schedule.nowMs > deadline) throw this.#notQuiet()
    if (!this.random.chance(0.05)) return
    while (this.schedule.next(deadline)) continue
    const { searches } = this.observer
    const until = deadline + (this.plan.limits.healEveryMs ?? LIMITS.healEveryMs) + LIMITS.idleBeforeHealMs
    while (this.schedule.next(until)) if (this.observer.searches !== searches) throw this.#notQuiet()
  }

  #isQuietFor(durationMs: number): boolean {
    const heads = this.replicas.map((replica) => replica.committedHead())
    const bytes = this.observer.busyBytes
    const until = this.schedule.nowMs + durationMs
    while (this.schedule.next(until)) if (this.observer.busyBytes !== bytes) return false
    return this.replicas.every((replica, index) => replica.committedHead() === heads[index])
  }

  #notQuiet(): Violation {
    const last = this.observer.lastBusy!
    return new Violation(
      'I6',
      `links still carry traffic after everybody was equal, last ${last.port.owner.name} -> ${last.port.peer.owner.name}: ${describeFrame(last.bytes)}`,
    )
  }

  // ---- checks at the end

  #checkEnd(): void {
    const difference = this.#difference()
    if (difference !== null) throw new Violation('CV-1', `equal before, now ${difference}`)
    for (const replica of this.replicas) this.#checkStore(replica)
    for (const doc of this.docs) this.#checkContent(doc)
    for (const edge of this.edges) this.#checkRights(edge)
    this.#checkAdmittingTwice(this.random.pick(this.replicas))
  }

  #checkStore(replica: SimulatedReplica): void {
    const { reader } = replica.store!
    checkTotals(replica.name, reader)
    if (reader.totals().root !== replica.core!.root) throw new Violation('I1', `${replica.name}: the engine's root is not the store's`)
    for (const row of documentsOf(reader)) {
      const knowledge = knowledgeOf(replica.name, reader, row)
      for (const [promise, clock] of replica.promises) {
        const space = promise.lastIndexOf(' ')
        if (promise.slice(0, space) !== row.name) continue
        const has = knowledge.clockOf(Number(promise.slice(space + 1)))
        if (has < clock) throw new Violation('DU-2', `${replica.name} acknowledged clock ${clock} in ${promise} and has ${has}`)
      }
    }
  }

  /** Stores with equal knowledge show equal content, and what is open shows what is stored. */
  #checkContent(doc: DocId): void {
    const key = keyOf(doc)
    const stored = new Map<string, StoredContent>()
    const digested = this.random.chance(0.3)
    for (const replica of this.random.shuffled(this.replicas)) {
      const { reader } = replica.store!
      const row = reader.doc(key)
      if (row === undefined || row.digest === ZERO_DIGEST) continue
      const other = stored.get(row.digest)
      // Three of a kind are enough for one run.
      if (other !== undefined && ++other.compared > 2) continue
      const built = documentOf(replica.name, reader, key)
      const mine = { content: visibleContent(built), digest: digested ? contentDigestOf(built) : '', name: replica.name, compared: 0 }
      if (other === undefined) stored.set(row.digest, mine)
      else if (other.content !== mine.content || other.digest !== mine.digest)
        this.#contentDiffers(doc, `${other.name} and ${mine.name} differ in ${doc} at equal knowledge`)
    }
    for (const replica of this.replicas) this.#checkOpenDocument(replica, doc, stored)
    for (const { guest, at } of this.guests)
      if (guest.docId === doc && !guest.refused && guest.room !== null)
        this.#checkShown(`a guest of ${at.name}`, guest.doc, at, doc, stored)
  }

  #contentDiffers(doc: DocId, what: string): void {
    if (!this.#midPair.has(doc)) throw new Violation('CV-1', what)
    this.counters.add('mid-pair content exception')
  }

  #checkOpenDocument(replica: SimulatedReplica, docId: DocId, stored: ReadonlyMap<string, StoredContent>): void {
    const binding = replica.opened.get(docId)?.binding
    if (binding === undefined) return
    checkNothingPending(`${replica.name} ${docId}`, binding.doc)
    if (binding.rejection !== null) return
    if (binding.unsaved > 0) throw new Violation('DU-1', `${replica.name} still has unsaved edits of ${docId}`)
    this.#checkShown(replica.name, binding.doc, replica, docId, stored)
  }

  #checkShown(who: string, shown: Y.Doc, at: SimulatedReplica, docId: DocId, stored: ReadonlyMap<string, StoredContent>): void {
    const digest = at.store!.reader.doc(keyOf(docId))?.digest ?? ZERO_DIGEST
    const expected = stored.get(digest)?.content ?? EMPTY_CONTENT
    if (visibleContent(shown) !== expected)
      this.#contentDiffers(docId, `${who} shows other content of ${docId} than is stored:\n${visibleContent(shown)}\n${expected}`)
  }

  /** AU-1: what a replica behind a read-only link wrote, and nobody else could bring, is not on the other side. */
  #checkRights(edge: Edge): void {
    const { from, to } = edge
    if (!edge.readOnly || this.#rightsLifted || this.edges.some((other) => other !== edge && (other.from === from || other.to === from)))
      return
    for (const row of documentsOf(to.store!.reader)) {
      for (const [client] of knowledgeOf(to.name, to.store!.reader, row).clients()) {
        if (this.#owners.get(client)?.startsWith(`${from.name}/`))
          throw new Violation('AU-1', `${to.name} took what ${from.name} wrote in ${row.name}`)
      }
    }
  }

  /** I6: what is stored already is known, and costs no log. */
  #checkAdmittingTwice(replica: SimulatedReplica): void {
    const head = replica.committedHead()
    if (replica.settings.readOnly) return
    for (const row of documentsOf(replica.store!.reader)) {
      for (const update of (replica.stored(row.name) ?? []).slice(-5))
        replica.core!.write({ doc: row.name, update, source: 0, ticket: null })
    }
    replica.flushSoon()
    const until = this.schedule.nowMs + 200
    while (this.schedule.next(until)) continue
    if (replica.committedHead() !== head) throw new Violation('I6', `${replica.name} appended what it had`)
  }

  /** CV-3: the same ids with different content, on both ends of one link, are noticed by both within one rotation of verification. */
  #plantFork(): void {
    const doc = parseDocId('notes/fork')
    const able = (replica: SimulatedReplica): boolean =>
      !replica.settings.readOnly && replica.settings.limits.documentBytesMax === undefined && this.subscribes(replica, doc)
    const edge = this.edges.find(({ from, to, readOnly }) => !readOnly && able(from) && able(to))
    if (edge === undefined) return
    const client = 2 ** 41 + this.random.uint32()
    this.#fork = { doc, client, noticed: new Set() }
    ;[edge.from, edge.to].forEach((replica, side) => replica.plant(doc, forkedUpdate(client, side)))
    const documents = Math.max(...this.replicas.map((replica) => replica.store!.reader.totals().documents))
    const until =
      this.schedule.nowMs + (documents + 2) * (this.plan.limits.verifyEveryMs ?? LIMITS.verifyEveryMs) + LIMITS.silentCloseMs + QUIET_MS
    while (this.schedule.next(until)) if (this.#fork.noticed.has(edge.from) && this.#fork.noticed.has(edge.to)) return
    throw new Violation(
      'CV-3',
      `${edge.from.name} and ${edge.to.name} hold different content of ${doc} under client ${client}, and only ${this.#fork.noticed.size} of them noticed`,
    )
  }

  #noticeFork(replica: SimulatedReplica, range: IdRange | null): void {
    const fork = this.#fork!
    if (range === null || range.client !== fork.client || range.from !== 0 || range.to !== FORKED_LENGTH) {
      throw new Violation(
        'CV-3',
        `${replica.name} names ${JSON.stringify(range)} for a fork of client ${fork.client}, clocks 0 to ${FORKED_LENGTH}`,
      )
    }
    fork.noticed.add(replica)
    this.counters.add('divergence reported')
  }

  // ---- checks on the way

  wrote(replica: SimulatedReplica, doc: DocId, client: number, structs: boolean): void {
    if (!structs) return
    const owner = `${replica.name}/${replica.life}/${doc}`
    const known = this.#owners.get(client)
    if (known === undefined) this.#owners.set(client, owner)
    else if (known !== owner) throw new Violation('I9', `client id ${client} is written by ${owner} and by ${known}`)
  }

  opened(replica: SimulatedReplica, nonce: EpochNonce): void {
    if (this.#nonces.has(nonce)) throw new Violation('I9', `${replica.name} uses epoch nonce ${nonce} again`)
    this.#nonces.add(nonce)
  }

  commitBegins(replica: SimulatedReplica, transaction: Transaction): void {
    this.observer.commitBegins(replica, transaction)
    if (transaction.held.length > 0) this.counters.add('held update', transaction.held.length)
    if (transaction.heldDropped.length > 0) this.counters.add('held update resolved', transaction.heldDropped.length)
    for (const row of transaction.rows) {
      const authored = row.origin === replica.store!.reader.nonce() && row.data[1] === 0
      if (authored && ![...replica.opened.values()].some(({ binding }) => binding.key === row.doc))
        this.counters.add('sweep with extra deletes')
    }
  }

  committed(replica: SimulatedReplica, transaction: Transaction): void {
    for (const cursor of transaction.cursors) {
      if (this.#checksDone++ % 8 !== 0) continue
      for (const sender of this.replicas) {
        if (!sender.isUp || sender.store!.replicaId !== cursor.peer) continue
        const range = rangeOf(parseScope(cursor.scope)!)
        this.#quietlyUnlessDamaged(() =>
          checkCursorClaim(
            { name: replica.name, reader: replica.store!.reader },
            { name: sender.name, reader: sender.store!.reader },
            cursor,
            range,
          ),
        )
        this.counters.add('cursor claim checked')
      }
    }
  }

  sweeps(replica: SimulatedReplica, sweep: () => readonly DocKey[]): void {
    const { reader } = replica.store!
    const before = new Map(documentsOf(reader).map((row) => [row.key, row]))
    const nonce = reader.nonce()
    const content = new Map<DocKey, string>()
    this.#quietlyUnlessDamaged(() => {
      for (const row of before.values())
        if (row.tailRows > 0 && this.random.chance(0.3)) content.set(row.key, visibleContent(documentOf(replica.name, reader, row.key)))
    })
    const installed = sweep()
    this.counters.add('sweep')
    if ([...replica.ports()].some((port) => port.open)) this.counters.add('sweep while links were live')
    if (reader.nonce() === nonce) throw new Violation('I4', `${replica.name} compacted and kept its nonce`)
    for (const key of installed) {
      const [was, is] = [before.get(key)!, reader.doc(key)!]
      if (was.digest !== is.digest) throw new Violation('I4', `${replica.name}: compaction changed the digest of ${is.name}`)
      if (is.lastSeq <= was.lastSeq)
        throw new Violation('I4', `${replica.name}: compaction moved ${is.name} down, from ${was.lastSeq} to ${is.lastSeq}`)
      this.#quietlyUnlessDamaged(() => {
        knowledgeOf(replica.name, reader, is)
        const shown = content.get(key)
        if (shown !== undefined && shown !== visibleContent(documentOf(replica.name, reader, key)))
          this.#contentDiffers(is.name, `${replica.name}: compaction changed the content of ${is.name}`)
      })
    }
  }

  event(replica: SimulatedReplica, event: ReplicaEvent): void {
    if (event.type === 'divergence' && event.doc === this.#fork?.doc) this.#noticeFork(replica, event.range)
    else if (event.type === 'divergence') {
      if (!this.#midPair.has(event.doc))
        throw new Violation('CV-1', `${replica.name} reports divergence in ${event.doc}: ${JSON.stringify(event.range)}`)
      this.counters.add('mid-pair content exception')
    } else if (event.type === 'rejected') {
      this.counters.add(event.code === 'read-only' ? 'read-only link' : 'refused document')
      if (event.direction === 'in' || event.peer === null) this.#refused.add(`${replica.name} ${event.doc}`)
    } else if (event.type === 'accepted-again') this.counters.add('accepted again')
    else if (event.type === 'rollback-detected') this.counters.add('rollback detected')
    else if (event.type === 'storage-recovered') this.counters.add('storage recovered')
    else if (event.type === 'link-ended' && event.code === 'duplicate-replica') this.#duplicate(replica)
  }

  /** Told that another process has this identity: one that really shares it becomes a replica of its own. */
  #duplicate(replica: SimulatedReplica): void {
    if (!this.twins.has(replica) || !this.#sharesIdentity(replica)) return
    replica.later(200, () => {
      if (this.#sharesIdentity(replica)) this.#becomeAnother(replica)
    })
  }

  midPair(doc: DocId): void {
    this.#midPair.add(doc)
  }
}

const FORKED_LENGTH = 4

/** The first four characters that a client ever wrote, as one of two stories tells it. */
export function forkedUpdate(client: number, side: number): Uint8Array {
  const doc = new Y.Doc({ guid: 'fork' })
  doc.clientID = client
  doc.getText('text').insert(0, (side === 0 ? 'A' : 'B').repeat(FORKED_LENGTH))
  return Y.encodeStateAsUpdate(doc)
}
