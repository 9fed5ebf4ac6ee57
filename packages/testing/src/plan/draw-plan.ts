// What one seed stands for: draws a plan from a scenario. How many replicas, how they are linked, what they subscribe to and may do, which faults exist at all,
// which limits apply, and every single edit. Decides only; world.ts carries it out. Rule: SM-1.

import { parseDocId, type DocId, type Scope } from '@syncline/protocol'
import { buggifyPoints, type BuggifyPoint, type CoreLimits } from '@syncline/replica'
import { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'
import type { Workload } from '../workload/workload.ts'
import { scopeHolds } from '../world/space.ts'
import { drawFaults } from './draw-faults.ts'
import { PLAN_VERSION, type Action, type GuestPlan, type LinkPlan, type Plan, type ReplicaPlan } from './plan.ts'
import type { Topology } from './topology.ts'

type Restriction = 'nothing' | 'follower' | 'link' | 'size' | 'scope'

export function drawPlan(scenario: Scenario, seed: number): Plan {
  const random = new Random(seed)
  const topology = drawTopology(scenario, random)
  const count = topology.replicas ?? drawCount(scenario, topology, random)
  const documents = scenario.documents.map(parseDocId)
  const docs = random.shuffled(documents).slice(0, random.between(Math.min(2, documents.length), Math.min(4, documents.length)))
  const weights = { nothing: 10, follower: 3, link: 3, size: 2, scope: 4 }
  const restriction: Restriction = scenario.restrictions ? random.weighted<Restriction>(weights) : 'nothing'
  const replicas = drawReplicas(random, count, topology, docs, restriction)
  const links = drawLinks(random, topology, replicas, restriction)
  const guests = scenario.guests ? drawGuests(random, replicas, docs) : []
  const operations = drawOperations(scenario, seed, random)
  const gapMs = random.pick([3, 10, 25])
  const spanMs = operations * gapMs + 200
  const faults = drawFaults(scenario.faults, { random, replicas, links, docs, spanMs })
  const workload = drawWorkload(scenario, random)
  const actions = drawActions(workload, random, { replicas, guests, docs, operations, gapMs, newDocuments: scenario.newDocuments })
  return {
    version: PLAN_VERSION,
    scenario: scenario.name,
    workload: workload.name,
    seed,
    topology: topology.name,
    replicas,
    links,
    guests,
    actions,
    faults,
    weather: { latencyMs: random.pick([2, 10, 40]), latencyMaxMs: 400 },
    jitter: true,
    limits: scenario.buggify ? drawLimits(random) : {},
    buggify: scenario.buggify ? drawBuggify(random) : [],
    dueRows: random.chance(0.5) ? random.pick([3, 10, 25]) : null,
    fork: scenario.forks && random.chance(0.05),
    lift: random.chance(0.5),
    livenessMs: scenario.livenessMs,
  }
}

function drawTopology({ topologies }: Scenario, random: Random): Topology {
  return oneOf(topologies, random)
}

function drawWorkload({ workloads }: Scenario, random: Random): Workload {
  return oneOf(workloads, random)
}

function oneOf<T>(weighted: readonly (readonly [number, T])[], random: Random): T {
  const weights = Object.fromEntries(weighted.map(([weight], index) => [index, weight]))
  return weighted[Number(random.weighted(weights))]![1]
}

/** A long campaign learns more from many short histories and some long ones than from long ones alone. */
function drawOperations({ operations: { min, max }, shortFrom }: Scenario, seed: number, random: Random): number {
  const whole = random.between(min, max)
  return seed >= shortFrom && random.chance(0.9) ? random.between(Math.ceil(min / 10), Math.ceil(min / 3)) : whole
}

/** Few replicas are common, many are rare: what few of them do wrong is found sooner. A mesh stays small. */
function drawCount({ replicas: { min, max } }: Scenario, topology: Topology, random: Random): number {
  const bound = topology.name === 'mesh' ? Math.min(max, Math.max(min, 5)) : max
  let count = min
  while (count < bound && random.chance(0.3)) count++
  return count
}

function drawReplicas(random: Random, count: number, topology: Topology, docs: readonly DocId[], restriction: Restriction): ReplicaPlan[] {
  const special = random.below(count)
  const hubs = topology.name === 'star' ? 1 : topology.name === 'hubs' ? 2 : 0
  return Array.from({ length: count }, (_, index): ReplicaPlan => {
    const chosen = index === special
    const follower = chosen && restriction === 'follower'
    const partial = restriction === 'scope' && (chosen || random.chance(0.3))
    return {
      name: `r${index}`,
      role: follower ? 'follower' : index < hubs || random.chance(0.2) ? 'relay' : 'device',
      readOnly: follower,
      interests: partial ? drawInterests(random, docs) : [{ kind: 'space' }],
      documentBytesMax: chosen && restriction === 'size' ? random.pick([200, 1_000, 3_000]) : null,
      openDocumentsMax: random.between(1, 4),
      presence: random.chance(0.15),
      gc: random.chance(0.85),
      commitMs: random.pick([0, 1, 5]),
      driftPpm: random.pick([0, 0, 0, 1_000, -1_000, 50_000]),
    }
  })
}

function drawInterests(random: Random, docs: readonly DocId[]): Scope[] {
  const collections = [...new Set(docs.flatMap((doc) => (doc.includes('/') ? [doc.slice(0, doc.indexOf('/'))] : [])))]
  if (collections.length > 0 && random.chance(0.5))
    return random
      .shuffled(collections)
      .slice(0, random.chance(0.7) ? 1 : 2)
      .map((collection) => ({ kind: 'collection', collection }))
  return random
    .shuffled(docs)
    .slice(0, random.between(1, 3))
    .map((doc) => ({ kind: 'document', doc }))
}

function drawLinks(random: Random, topology: Topology, replicas: readonly ReplicaPlan[], restriction: Restriction): LinkPlan[] {
  const pairs = topology.pairs(replicas.length, random)
  const distinct = [...new Map(pairs.map(([a, b]) => [`${Math.min(a, b)} ${Math.max(a, b)}`, [a, b] as const])).values()]
  const limited = restriction === 'link' ? random.below(distinct.length) : -1
  return distinct.map(([a, b], index) => {
    const [from, to] = random.chance(0.5) ? [a, b] : [b, a]
    return { from: replicas[from]!.name, to: replicas[to]!.name, both: random.chance(0.15), readOnly: index === limited }
  })
}

function isWhole(replica: ReplicaPlan): boolean {
  return replica.interests[0]?.kind === 'space'
}

function drawGuests(random: Random, replicas: readonly ReplicaPlan[], docs: readonly DocId[]): GuestPlan[] {
  const hosts = replicas.filter((replica) => !replica.readOnly && isWhole(replica))
  const count = hosts.length === 0 ? 0 : Number(random.weighted({ 0: 6, 1: 3, 2: 1 }))
  return Array.from({ length: count }, (_, index) => ({ name: `g${index}`, at: random.pick(hosts).name, doc: random.pick(docs) }))
}

// ---- what people do

interface Stage {
  readonly replicas: readonly ReplicaPlan[]
  readonly guests: readonly GuestPlan[]
  readonly docs: readonly DocId[]
  readonly operations: number
  readonly gapMs: number
  readonly newDocuments: boolean
}

function drawActions(workload: Workload, random: Random, stage: Stage): Action[] {
  const { operations, gapMs } = stage
  const docs = [...stage.docs]
  const writers = stage.replicas.filter((replica) => !replica.readOnly)
  const last = new Map<string, DocId>()
  const actions: Action[] = []
  let atMs = 50
  for (let burst = 0, written = 0; written < operations;) {
    if (burst-- <= 0) {
      burst = random.chance(0.1) ? random.between(1, 5) : 0
      atMs += Math.round(Math.min(20 * gapMs, -Math.log(1 - random.float()) * gapMs * 1.1) * 10) / 10
    }
    if (stage.newDocuments && random.chance(0.01)) docs.push(parseDocId(`notes/new-${docs.length}`))
    const edit = workload.draw(random)
    const guest = stage.guests.length > 0 && random.chance(0.2) ? random.pick(stage.guests) : null
    if (guest !== null) actions.push({ atMs, by: guest.name, doc: guest.doc, edit })
    else {
      const reads = random.chance(0.05) ? stage.replicas : writers
      const by = random.pick(reads)
      const doc = drawDocument(random, by, docs, last.get(by.name))
      if (doc === null) continue
      last.set(by.name, doc)
      actions.push({ atMs, by: by.name, doc, edit })
      if (by.readOnly) continue
    }
    written++
  }
  return actions
}

/** One that the replica subscribes to, mostly the one that it wrote last. */
function drawDocument(random: Random, by: ReplicaPlan, docs: readonly DocId[], last: DocId | undefined): DocId | null {
  if (last !== undefined && random.chance(0.7)) return last
  const subscribed = docs.filter((doc) => by.interests.some((scope) => scopeHolds(scope, doc)))
  return subscribed.length === 0 ? null : random.pick(subscribed)
}

// ---- how the engine is set up

function drawLimits(random: Random): Partial<CoreLimits> {
  const limits: Partial<Record<keyof CoreLimits, number>> = {
    sweepEveryMs: random.pick([500, 3_000, 60_000]),
    verifyEveryMs: random.pick([1_000, 5_000, 20_000]),
  }
  if (random.chance(0.3)) limits.frameTargetBytes = random.pick([200, 2_000])
  if (random.chance(0.3)) limits.rowBytesTarget = random.pick([40, 500])
  if (random.chance(0.3)) limits.recentBytesMax = random.pick([0, 300, 5_000])
  if (random.chance(0.2)) limits.windowBytes = random.pick([500, 5_000])
  if (random.chance(0.2)) limits.wantsPerLinkMax = random.pick([1, 2])
  if (random.chance(0.2)) limits.documentsInMemoryMax = 1
  if (random.chance(0.5)) limits.healEveryMs = 10_000
  if (random.chance(0.3)) limits.idleBeforeHealMs = 500
  return limits
}

function drawBuggify(random: Random): BuggifyPoint[] {
  return (Object.keys(buggifyPoints) as BuggifyPoint[]).filter(() => random.chance(0.15))
}
