// One run: builds the replicas and links of a plan, lets people write while things go wrong, then ends all faults and demands that everybody who is
// linked becomes equal in bounded time and falls silent. Oracles look on. Reads everything in this folder; read by campaign.ts. Rules: CV-2, CV-3, I6, SM-1.

import { LIMITS, type DocId } from '@syncline/protocol'
import { builtInOracles } from '../oracles/built-in-oracles.ts'
import { FORKED_DOCUMENT } from '../oracles/divergence.ts'
import type { Edge, Oracle, PlacedGuest, Stage } from '../oracles/oracle.ts'
import { Oracles } from '../oracles/oracles.ts'
import { documentsOf } from '../oracles/stored-documents.ts'
import { UserInvariants } from '../oracles/user-invariants.ts'
import { documentsIn, type Action, type Fault, type FaultKind, type LinkPlan, type Plan } from '../plan/plan.ts'
import { hashText, Random } from '../random.ts'
import { workloadOf, type Scenario } from '../scenario.ts'
import { Counters } from '../situations.ts'
import { Violation } from '../violation.ts'
import type { Workload } from '../workload/workload.ts'
import { describeFrame } from './describe-frame.ts'
import { differenceIn, lackIn, sharesIdentity, subscribes } from './equality.ts'
import { scheduleFaults } from './faults.ts'
import { Network } from './network.ts'
import type { ReplicaSettings } from './replica-settings.ts'
import { Schedule } from './schedule.ts'
import { SimulatedGuest } from './simulated-guest.ts'
import { SimulatedReplica } from './simulated-replica.ts'
import type { Surroundings } from './surroundings.ts'
import { watchTraffic } from './traffic.ts'
import { Trace, type TraceSinks } from './trace.ts'

/** What was under way when all were equal is through in this time, and then there is silence. */
const QUIET_WITHIN_MS = 45_000
const QUIET_MS = 3_000
/** Runs that look for as long as healing takes to come round again. */
const LONG_LOOK_CHANCE = 0.05
/** Runs that cut every link once more when all is done. */
const RECONNECT_CHANCE = 0.2
const RECONNECT_WITHIN_MS = 20_000
const UNDER_WAY_MS = 5_000
/** Somebody who is down does what he had in mind later. */
const ACT_LATER_MS = 25
/** A plan in which nothing happens any more ends at the latest after this time. */
const LAST_FAULTS_MS = 40_000

export interface RunResult {
  readonly seed: number
  readonly hash: string
  readonly events: number
  readonly operations: number
  readonly faults: ReadonlySet<FaultKind>
  /** Virtual milliseconds from the end of the faults until all were equal. */
  readonly caughtUpMs: number
}

export class World implements Stage {
  readonly plan: Plan
  readonly scenario: Scenario
  readonly workload: Workload
  readonly chance: Random
  readonly schedule = new Schedule()
  readonly counters = new Counters()
  readonly network: Network
  readonly trace: Trace
  readonly replicas: SimulatedReplica[] = []
  readonly edges: Edge[] = []
  readonly guests: PlacedGuest[] = []
  readonly docs: Set<DocId>
  readonly begunAnew = new Set<DocId>()
  readonly faultsInjected = new Set<FaultKind>()
  readonly twins = new Set<SimulatedReplica>()
  /** Those whose store was once put back to an older state, or shared an identity. */
  readonly wentBack = new Set<SimulatedReplica>()
  healed = false
  rightsLifted = false
  readonly builtIn = builtInOracles()
  readonly #oracles: Oracles
  readonly #surroundings: Surroundings
  readonly #writes = new Map<SimulatedReplica, number>()
  readonly #midPair = new Set<DocId>()
  /** "replica document" that a limit kept out. */
  readonly refused = new Set<string>()
  #appended = 0
  #operations = 0
  #acted = 0

  constructor(scenario: Scenario, plan: Plan, sinks: TraceSinks = {}) {
    this.plan = plan
    this.scenario = scenario
    this.workload = workloadOf(scenario, plan.workload)
    this.chance = Random.of(plan.seed, 'checks')
    this.docs = new Set(documentsIn(plan))
    this.network = new Network(this.schedule, plan.seed, this.counters)
    this.network.weather = { ...plan.weather, bytesPerMs: Infinity, jitter: plan.jitter }
    this.trace = new Trace(sinks)
    this.#oracles = new Oracles([
      ...this.builtIn.all,
      new UserInvariants(scenario.invariants, scenario.sometimes),
      this.#notices(),
      ...scenario.oracles.map((make) => make()),
    ])
    this.network.traffic = watchTraffic(this, this.builtIn.frames, this.#oracles)
    const { schedule, network, counters, trace, workload, begunAnew } = this
    const [oracles, buggify] = [this.#oracles, new Set(plan.buggify)]
    const shared = { schedule, network, counters, trace, workload, begunAnew, oracles, buggify }
    this.#surroundings = { seed: plan.seed, jitter: plan.jitter, met: this.#met, ...shared }
  }

  get nowMs(): number {
    return this.schedule.nowMs
  }

  readonly #met = (doc: DocId, situation: string): void => {
    this.counters.add(situation)
    if (situation === 'mid-pair') this.#midPair.add(doc)
  }

  readonly isMidPair = (doc: DocId): boolean => this.#midPair.has(doc)

  /** Carries out the plan. Throws the first Violation. */
  run(): RunResult {
    this.#oracles.begin(this)
    this.#build()
    this.#writeAndSuffer()
    this.#heal()
    const caughtUpMs = this.#awaitEquality()
    this.#checkQuiet()
    this.#oracles.quiescent()
    const lack = lackIn(this)
    if (lack !== null) throw new Violation('CV-1', `equal before, now ${lack}`)
    this.#oracles.end()
    if (Random.of(this.plan.seed, 'reconnect').chance(RECONNECT_CHANCE)) this.#checkReconnect()
    this.#checkAdmittingTwice()
    if (this.plan.fork) this.#plantFork()
    this.counters.add('converged')
    const { trace } = this
    return {
      seed: this.plan.seed,
      hash: trace.hash(),
      events: trace.events,
      operations: this.#operations,
      faults: this.faultsInjected,
      caughtUpMs,
    }
  }

  /** Ends everything that this run opened. */
  end(): void {
    for (const replica of this.replicas) replica.discard()
    for (const { guest } of this.guests) guest.destroy()
  }

  // ---- building

  #build(): void {
    const { plan } = this
    if (plan.buggify.length > 0) this.counters.add('rarer way')
    for (const replica of plan.replicas) {
      const { documentBytesMax, ...settings } = replica
      const limits = documentBytesMax === null ? plan.limits : { ...plan.limits, documentBytesMax }
      this.#addReplica({ ...settings, index: this.replicas.length, limits, dueRows: plan.dueRows })
      if (replica.readOnly) this.counters.add('follower')
      if (replica.interests[0]?.kind !== 'space') this.counters.add('partial subscription')
    }
    for (const link of plan.links) this.#addEdge(link)
    for (const replica of this.replicas) replica.start()
    for (const { name, at, doc } of plan.guests) {
      const client = 2 ** 31 + (hashText(name, plan.seed) >>> 0)
      const guest = new SimulatedGuest(name, doc, client, this.workload, (situation) => this.#met(doc, situation))
      this.guests.push({ guest, at: this.find(at)! })
    }
  }

  #addReplica(settings: ReplicaSettings): SimulatedReplica {
    const replica = new SimulatedReplica(settings, this.#surroundings)
    replica.accessOf = (peer) => {
      const denied = this.edges.some((edge) => edge.readOnly && edge.to === replica && edge.from === peer)
      return denied ? { read: () => true, write: () => this.rightsLifted } : undefined
    }
    this.replicas.push(replica)
    return replica
  }

  #addEdge({ from, to, both, readOnly }: LinkPlan): void {
    const edge = { from: this.find(from)!, to: this.find(to)!, readOnly }
    this.edges.push(edge)
    this.network.keepLinked(edge.from, edge.to)
    if (both) this.network.keepLinked(edge.to, edge.from)
  }

  find(name: string): SimulatedReplica | null {
    return this.replicas.find((replica) => replica.name === name) ?? null
  }

  /** Another process from a copy of this one's file, linked like it, and with `linked` to it as well. */
  addSibling(of: SimulatedReplica, name: string, linked: boolean): SimulatedReplica {
    const sibling = this.#addReplica({ ...of.settings, name, index: this.replicas.length })
    const links = this.edges.filter((edge) => edge.from === of || edge.to === of)
    for (const edge of links) {
      const copy = { ...edge, from: edge.from === of ? sibling : edge.from, to: edge.to === of ? sibling : edge.to }
      this.edges.push(copy)
      this.network.keepLinked(copy.from, copy.to)
    }
    if (linked) {
      this.edges.push({ from: sibling, to: of, readOnly: false })
      this.network.keepLinked(sibling, of)
    }
    return sibling
  }

  // ---- the phase with faults

  #writeAndSuffer(): void {
    const { plan, schedule } = this
    scheduleFaults(this)
    for (const action of plan.actions) schedule.after(action.atMs, () => this.#act(action))
    const lastMs = Math.max(0, ...plan.actions.map(({ atMs }) => atMs), ...plan.faults.map(({ atMs }) => atMs))
    const kinds = new Set(plan.faults.map(({ kind }) => kind))
    const isDone = (): boolean =>
      schedule.nowMs > lastMs + LAST_FAULTS_MS ||
      (schedule.nowMs > lastMs + 200 && this.#acted >= plan.actions.length && this.faultsInjected.size >= kinds.size)
    while (!isDone()) this.#step()
  }

  #step(): void {
    if (!this.#next(Infinity)) throw new Violation('SM-1', 'the simulation has nothing left to do')
  }

  #next(untilMs: number): boolean {
    const ran = this.schedule.next(untilMs)
    if (this.schedule.steps > this.scenario.stepsMax)
      throw new Violation('CV-2', `more than ${this.scenario.stepsMax} events: something goes round and round`)
    return ran
  }

  #act(action: Action): void {
    if (this.healed) return
    this.#attachGuests()
    const guest = this.guests.find((one) => one.guest.name === action.by)?.guest
    const done = guest === undefined || guest.refused ? this.#actAt(action) : this.#actAsGuest(guest, action)
    if (done) this.#acted++
    else this.schedule.after(ACT_LATER_MS, () => this.#act(action))
  }

  #actAsGuest(guest: SimulatedGuest, { edit }: Action): boolean {
    this.#operations++
    this.trace.note(this.nowMs, 99, 7, () => `${guest.name} edits ${guest.docId}: ${JSON.stringify(edit)}`, 'edit')
    guest.edit(edit)
    return true
  }

  /** False: not now. */
  #actAt({ by, doc: wanted, edit }: Action): boolean {
    const standIn = this.#standInFor(by, wanted)
    if (standIn === null) return true
    const { replica, doc } = standIn
    if (!replica.isUp || replica.time.isPaused) return false
    if (replica.desk!.isOver(doc)) return true
    if (replica.open(doc) === null) return false
    if (replica.settings.readOnly) return true
    this.#operations++
    this.#writes.set(replica, this.writesBy(replica) + 1)
    if (doc.startsWith('notes/new-')) this.counters.add('new document')
    replica.note(7, () => `edits ${doc}: ${JSON.stringify(edit)}`, 'edit')
    replica.desk!.edit(doc, edit)
    return true
  }

  /** The replica itself; for one that is gone for good, and for a guest that was refused, whoever else may write the document, or else another document. */
  #standInFor(name: string, doc: DocId): { readonly replica: SimulatedReplica; readonly doc: DocId } | null {
    const replica = this.find(name)
    if (replica !== null && !replica.gone) return { replica, doc }
    const writers = this.replicas.filter((one) => !one.gone && !one.settings.readOnly)
    for (const other of [doc, ...this.docs]) {
      const writer = writers.find((one) => subscribes(one, other))
      if (writer !== undefined) return { replica: writer, doc: other }
    }
    return null
  }

  #attachGuests(): void {
    for (const { guest, at } of this.guests) {
      if (guest.room === null && !guest.refused && at.isUp && !at.time.isPaused) at.attach(guest)
    }
  }

  writesBy(replica: SimulatedReplica): number {
    return this.#writes.get(replica) ?? 0
  }

  note(line: string): void {
    this.trace.note(this.nowMs, 98, 8, () => line)
  }

  noteFault(fault: Fault): void {
    this.trace.note(this.nowMs, 97, hashText(fault.kind), () => `fault ${JSON.stringify(fault)}`)
    const { kind, atMs: _, ...what } = fault
    const durationMs = 'durationMs' in fault && fault.durationMs !== null ? fault.durationMs : 0
    const replicas = 'replica' in fault ? [fault.replica] : 'between' in fault ? fault.between : 'side' in fault ? fault.side : []
    this.trace.recorder?.band({ fromMs: this.nowMs, toMs: this.nowMs + durationMs, kind, replicas, text: JSON.stringify(what) })
  }

  // ---- the phase without

  #heal(): void {
    this.healed = true
    this.note('all faults end')
    this.trace.recorder?.healed(this.nowMs)
    this.network.heal()
    for (const replica of this.replicas) {
      replica.heal()
      if (replica.gone) continue
      if (this.twins.has(replica) && replica.isUp && sharesIdentity(this, replica)) this.#becomeAnother(replica)
      else if (replica.isUp && replica.hasHiddenDamage) replica.crash()
      if (!replica.isUp) replica.start()
    }
    // A twin that was down, or whose original was, shares the identity only now.
    for (const twin of this.twins) if (twin.isUp && sharesIdentity(this, twin)) this.#becomeAnother(twin)
    if (this.plan.lift) this.#lift()
    this.#attachGuests()
  }

  /** Limits and rights are as everywhere now; the links and processes that they concern start anew. */
  #lift(): void {
    this.rightsLifted = true
    for (const edge of this.edges) {
      if (!edge.readOnly) continue
      for (const connection of [...this.network.connections]) {
        const owners = [connection.dialler.owner, connection.listener.owner]
        if (owners.includes(edge.from) && owners.includes(edge.to)) this.network.cut(connection)
      }
    }
    for (const replica of this.replicas) {
      if (replica.gone || replica.settings.limits.documentBytesMax === undefined) continue
      const { documentBytesMax: _, ...limits } = replica.settings.limits
      replica.settings.limits = limits
      replica.crash()
      replica.start()
    }
  }

  /** What an operator does with a copy that turned out to be one. */
  #becomeAnother(replica: SimulatedReplica): void {
    replica.crash()
    replica.start(replica.image(), true)
  }

  #awaitEquality(): number {
    const start = this.nowMs
    const deadline = start + this.plan.livenessMs + this.#healEveryMs
    for (let look = start; ;) {
      while (this.#next(look)) continue
      const difference = this.#guestsAttached() ?? differenceIn(this)
      if (difference === null) return this.nowMs - start
      if (look >= deadline) throw new Violation('CV-2', `after ${look - start} ms without faults: ${difference}`)
      look += 250
    }
  }

  get #healEveryMs(): number {
    return this.plan.limits.healEveryMs ?? LIMITS.healEveryMs
  }

  #guestsAttached(): string | null {
    this.#attachGuests()
    const without = this.guests.find(({ guest, at }) => guest.room === null && !guest.refused && at.isUp)
    return without === undefined ? null : `guest ${without.guest.name} of ${without.at.name} is not attached`
  }

  /** Once equal, traffic ends soon: nothing is appended any more, and links carry only signs of life and verification. Some runs look for as long as
   *  healing takes to come round again; sweeps may come meanwhile, but nobody looks for data. */
  #checkQuiet(): void {
    const { frames } = this.builtIn
    const deadline = this.nowMs + QUIET_WITHIN_MS
    while (!this.#isQuietFor(QUIET_MS)) if (this.nowMs > deadline) throw this.#notQuiet()
    if (!Random.of(this.plan.seed, 'long look').chance(LONG_LOOK_CHANCE)) return
    while (this.#next(deadline)) continue
    const { searches } = frames
    const until = deadline + this.#healEveryMs + LIMITS.idleBeforeHealMs
    while (this.#next(until)) if (frames.searches !== searches) throw this.#notQuiet()
  }

  #isQuietFor(durationMs: number): boolean {
    const { frames } = this.builtIn
    const running = this.replicas.filter((replica) => replica.isUp)
    const heads = running.map((replica) => replica.committedHead())
    const bytes = frames.busyBytes
    const until = this.nowMs + durationMs
    while (this.#next(until)) if (frames.busyBytes !== bytes) return false
    return running.every((replica, index) => replica.committedHead() === heads[index])
  }

  #notQuiet(): Violation {
    const last = this.builtIn.frames.lastBusy!
    return new Violation(
      'I6',
      `links still carry traffic after everybody was equal, last ${last.port.owner.name} -> ${last.port.peer.owner.name}: ${describeFrame(last.bytes)}`,
    )
  }

  // ---- checks that act

  /** I12: after everything is equal, a link that is cut and comes back finds nothing to do. */
  #checkReconnect(): void {
    // A refusal that one side forgot with its store takes a round to be forgotten by the other.
    if (this.refused.size > 0) return
    const { frames } = this.builtIn
    const { searches } = frames
    for (const connection of [...this.network.connections]) this.network.cut(connection)
    const until = this.nowMs + RECONNECT_WITHIN_MS
    while (this.#next(until)) continue
    // A compaction at this very moment may have derived a delete that is on its way (H5).
    const late = until + UNDER_WAY_MS
    while (differenceIn(this) !== null && this.#next(late)) continue
    const difference = differenceIn(this)
    if (difference !== null) throw new Violation('CV-2', `after one more reconnect: ${difference}`)
    this.counters.add('reconnect checked')
    if (frames.searches > searches)
      throw new Violation('I12', `equal replicas looked for data after a reconnect, last ${describeFrame(frames.lastSearch!)}`)
  }

  /** I6: what is stored already is known, and costs no log. */
  #checkAdmittingTwice(): void {
    const replica = this.chance.pick(this.replicas)
    if (!replica.isUp || replica.settings.readOnly) return
    const before = this.#appended
    for (const row of documentsOf(replica.store!.reader)) {
      for (const update of (replica.stored(row.name) ?? []).slice(-5))
        replica.core!.write({ doc: row.name, docEpoch: row.docEpoch, update, source: 0, ticket: null })
    }
    replica.flushSoon()
    const until = this.nowMs + 200
    while (this.#next(until)) continue
    if (this.#appended > before) throw new Violation('I6', `${replica.name} appended what it had`)
  }

  /** CV-3: the same ids with different content, on both ends of one link, are noticed by both within one rotation of verification. */
  #plantFork(): void {
    const able = (replica: SimulatedReplica): boolean =>
      replica.isUp &&
      !replica.settings.readOnly &&
      replica.settings.limits.documentBytesMax === undefined &&
      subscribes(replica, FORKED_DOCUMENT)
    const edge = this.edges.find(({ from, to, readOnly }) => !readOnly && able(from) && able(to))
    if (edge === undefined) return
    const { divergence } = this.builtIn
    divergence.plant(edge, 2 ** 41 + this.chance.uint32())
    const running = this.replicas.filter((replica) => replica.isUp)
    // Deleted ones have their turn, too.
    const documents = Math.max(...running.map((replica) => documentsOf(replica.store!.reader).length))
    const rotationMs = (documents + 2) * (this.plan.limits.verifyEveryMs ?? LIMITS.verifyEveryMs)
    const until = this.nowMs + 1.1 * rotationMs + LIMITS.silentCloseMs + QUIET_MS
    const unaware = (): number => divergence.unaware([edge.from, edge.to]).length
    while (this.#next(until)) if (unaware() === 0) return
    throw new Violation(
      'CV-3',
      `${edge.from.name} and ${edge.to.name} hold different content of ${FORKED_DOCUMENT}, and ${unaware()} of them did not notice`,
    )
  }

  /** What the engine's events mean for the run. */
  #notices(): Oracle {
    return {
      rules: [],
      committed: (_replica, transaction) => {
        // What compaction derives (H5) is an entry of its own: deletes, by batch number 0.
        this.#appended += transaction.rows.filter((row) => row.n !== 0).length
      },
      event: (replica, event) => {
        const { counters } = this
        if (event.type === 'rejected') {
          counters.add(event.code === 'read-only' ? 'read-only link' : 'refused document')
          if (event.direction === 'in' || event.peer === null) this.refused.add(`${replica.name} ${event.doc}`)
        } else if (event.type === 'accepted-again') counters.add('accepted again')
        else if (event.type === 'rollback-detected') this.#rolledBack(replica)
        else if (event.type === 'storage-recovered') counters.add('storage recovered')
        else if (event.type === 'link-ended' && event.code === 'duplicate-replica') this.#duplicate(replica)
      },
    }
  }

  /** Only a store that went back can have lost a tail. */
  #rolledBack(replica: SimulatedReplica): void {
    this.counters.add('rollback detected')
    if (!this.wentBack.has(replica)) throw new Violation('H4', `${replica.name} is told that it lost a tail, and its store never went back`)
  }

  /** Told that another process has this identity: one that really shares it becomes a replica of its own. */
  #duplicate(replica: SimulatedReplica): void {
    if (!this.twins.has(replica) || !sharesIdentity(this, replica)) return
    replica.later(200, () => {
      if (sharesIdentity(this, replica)) this.#becomeAnother(replica)
    })
  }
}
