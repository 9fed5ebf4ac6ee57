// What one seed stands for: how many replicas, how they are linked, what they subscribe to and may do, which faults exist at all and which limits
// apply (a swarm: leaving features out finds other bugs than mixing everything always). Decides only; world.ts carries it out. Rule: SM-1.

import { parseDocId, type DocId, type Role, type Scope } from '@syncline/protocol'
import type { CoreLimits } from '@syncline/replica'
import type { Weather } from './network.ts'
import { Random } from './random.ts'
import type { WorkloadProfile } from './workload.ts'

export const FAULT_KINDS = [
  'cut',
  'half-open',
  'partition',
  'one-way',
  'hostile',
  'slow',
  'crash',
  'pause',
  'restore',
  'clone',
  'twin',
  'store-full',
  'quarantine',
  'resubscribe',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

const FAULT_WEIGHTS: Readonly<Record<FaultKind, number>> = {
  cut: 6,
  'half-open': 2,
  partition: 5,
  'one-way': 2,
  hostile: 3,
  slow: 2,
  crash: 6,
  pause: 2,
  restore: 3,
  clone: 2,
  twin: 2,
  'store-full': 3,
  quarantine: 2,
  resubscribe: 2,
}

/** Kinds that change who is who happen once. */
export const ONCE: ReadonlySet<FaultKind> = new Set<FaultKind>(['clone', 'twin'])

export type Topology = 'mesh' | 'chain' | 'star' | 'random'

export interface ReplicaPlan {
  readonly name: string
  readonly role: Role
  readonly readOnly: boolean
  readonly interests: readonly Scope[]
  /** Null: the default. */
  readonly documentBytesMax: number | null
  readonly openDocumentsMax: number
}

export interface LinkPlan {
  readonly from: number
  readonly to: number
  /** Both ends dial. */
  readonly both: boolean
  /** `to` refuses what `from` writes. */
  readonly readOnly: boolean
}

export interface Plan {
  readonly seed: number
  readonly topology: Topology
  readonly replicas: readonly ReplicaPlan[]
  readonly links: readonly LinkPlan[]
  readonly docs: readonly DocId[]
  readonly guests: readonly { readonly replica: number; readonly doc: DocId }[]
  readonly operations: number
  readonly typicalGapMs: number
  readonly faults: readonly FaultKind[]
  readonly faultEvents: number
  readonly profile: WorkloadProfile
  readonly weather: Weather
  readonly limits: Partial<CoreLimits>
  /** Tail rows from which a document is due for compaction; null: the real policy. */
  readonly dueRows: number | null
  /** At the end, two replicas are given different content under one id: they have to notice. */
  readonly fork: boolean
  /** Whether limits and rights are lifted when the faults end. */
  readonly lift: boolean
}

const DOCUMENTS: readonly DocId[] = ['notes/1', 'notes/2', 'notes/räum mit leer/zeichen', 'lists/a', 'lists/✓', 'plain'].map(parseDocId)

export function drawPlan(seed: number): Plan {
  const random = new Random(seed)
  const topology = random.weighted<Topology>({ mesh: 3, chain: 3, star: 3, random: 2 })
  const count = topology === 'mesh' ? random.weighted({ 3: 12, 4: 4, 5: 1 }) : random.weighted({ 3: 14, 4: 5, 5: 2, 6: 1 })
  const docs = random.shuffled(DOCUMENTS).slice(0, random.between(2, 4))
  const restricted = random.weighted({ nothing: 10, follower: 3, link: 3, size: 2, scope: 4 })
  const replicas = drawReplicas(random, Number(count), topology, docs, restricted)
  const links = drawLinks(random, topology, replicas, restricted)
  const faults = drawFaults(random)
  return {
    seed,
    topology,
    replicas,
    links,
    docs,
    guests: drawGuests(random, replicas, docs),
    operations: random.between(200, 220),
    typicalGapMs: random.pick([3, 10, 25]),
    faults,
    faultEvents: random.between(5, 10),
    profile: {
      midPair: random.chance(0.15),
      bigInserts: random.chance(0.08) ? 2 : 0,
      bigBytes: random.pick([5_000, 20_000, 70_000, 270_000]),
    },
    weather: { latencyMs: random.pick([2, 10, 40]), latencyMaxMs: 400, bytesPerMs: Infinity },
    limits: drawLimits(random),
    fork: random.chance(0.05),
    dueRows: random.chance(0.5) ? random.pick([3, 10, 25]) : null,
    lift: random.chance(0.5),
  }
}

function drawReplicas(random: Random, count: number, topology: Topology, docs: readonly DocId[], restricted: string): ReplicaPlan[] {
  const special = random.below(count)
  return Array.from({ length: count }, (_, index): ReplicaPlan => {
    const chosen = index === special
    const follower = chosen && restricted === 'follower'
    const partial = restricted === 'scope' && (chosen || random.chance(0.3))
    const hub = topology === 'star' && index === 0
    return {
      name: `r${index}`,
      role: follower ? 'follower' : hub || random.chance(0.2) ? 'relay' : 'device',
      readOnly: follower,
      interests: partial ? drawInterests(random, docs) : [{ kind: 'space' }],
      documentBytesMax: chosen && restricted === 'size' ? random.pick([200, 1_000, 3_000]) : null,
      openDocumentsMax: random.between(1, 3),
    }
  })
}

function drawInterests(random: Random, docs: readonly DocId[]): Scope[] {
  if (random.chance(0.5))
    return [
      { kind: 'collection', collection: 'notes' },
      ...(random.chance(0.3) ? [{ kind: 'collection', collection: 'lists' } as const] : []),
    ]
  return random
    .shuffled(docs)
    .slice(0, random.between(1, 3))
    .map((doc) => ({ kind: 'document', doc }))
}

function drawLinks(random: Random, topology: Topology, replicas: readonly ReplicaPlan[], restricted: string): LinkPlan[] {
  const count = replicas.length
  const pairs: [number, number][] = []
  for (let to = 1; to < count; to++) {
    if (topology === 'mesh') for (let from = 0; from < to; from++) pairs.push([from, to])
    else if (topology === 'star') pairs.push([0, to])
    else if (topology === 'chain') pairs.push([to - 1, to])
    else {
      pairs.push([random.below(to), to])
      if (to > 1 && random.chance(0.3)) pairs.push([random.below(to), to])
    }
  }
  const distinct = [...new Map(pairs.map(([a, b]) => [`${a} ${b}`, [a, b] as const])).values()]
  const limited = restricted === 'link' ? random.below(distinct.length) : -1
  return distinct.map(([a, b], index) => {
    const [from, to] = random.chance(0.5) ? [a, b] : [b, a]
    return { from, to, both: random.chance(0.15), readOnly: index === limited }
  })
}

function drawGuests(random: Random, replicas: readonly ReplicaPlan[], docs: readonly DocId[]): Plan['guests'] {
  const hosts = replicas.flatMap((replica, index) => (replica.readOnly || replica.interests[0]?.kind !== 'space' ? [] : [index]))
  const count = hosts.length === 0 ? 0 : Number(random.weighted({ 0: 6, 1: 3, 2: 1 }))
  return Array.from({ length: count }, () => ({ replica: random.pick(hosts), doc: random.pick(docs) }))
}

function drawFaults(random: Random): FaultKind[] {
  const kinds = new Set<FaultKind>()
  const wanted = random.between(4, 5)
  while (kinds.size < wanted) kinds.add(random.weighted(FAULT_WEIGHTS))
  return [...kinds]
}

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
