// Which faults a run has, where, when and for how long. Decides only; world/faults.ts does it. Rule: SM-1.

import type { Scope } from '@syncline/protocol'
import type { Random } from '../random.ts'
import type { FaultSelection } from '../scenario.ts'
import type { Fault, FaultKind, LinkPlan, Pair, ReplicaPlan } from './plan.ts'

/** How often each kind exists in a run, relative to each other. */
export const FAULT_WEIGHTS: Readonly<Record<FaultKind, number>> = {
  cut: 6,
  'half-open': 2,
  partition: 5,
  bridge: 2,
  'one-way': 2,
  swizzle: 2,
  hostile: 3,
  slow: 2,
  crash: 6,
  gone: 1,
  pause: 2,
  restore: 3,
  clone: 2,
  twin: 2,
  'store-full': 3,
  quarantine: 2,
  resubscribe: 2,
  /** In scenarios that ask for it. */
  delete: 0,
  'clock-jump': 2,
}

/** Kinds that change who is who happen once. */
const ONCE: ReadonlySet<FaultKind> = new Set<FaultKind>(['clone', 'twin', 'gone'])

interface Scene {
  readonly random: Random
  readonly replicas: readonly ReplicaPlan[]
  readonly links: readonly LinkPlan[]
  readonly docs: readonly string[]
  readonly spanMs: number
}

/** Faults in order of time, each of the drawn kinds at least once. */
export function drawFaults(selection: FaultSelection, scene: Scene): Fault[] {
  const { random, spanMs } = scene
  const kinds = drawKinds(selection, random)
  if (kinds.length === 0) return []
  const left = new Set(kinds)
  const events = random.between(selection.events.min, selection.events.max)
  const faults: Fault[] = []
  for (let i = 0; i < Math.max(events, kinds.length); i++) {
    const kind = kinds[i] ?? random.pick(kinds)
    if (!left.has(kind)) continue
    if (ONCE.has(kind)) left.delete(kind)
    const durationMs = random.between(100, Math.max(200, Math.floor(spanMs / 3)))
    faults.push(drawFault(kind, Math.round(random.float() * spanMs), durationMs, scene))
  }
  return faults.sort((a, b) => a.atMs - b.atMs)
}

function drawKinds({ weights, kinds }: FaultSelection, random: Random): FaultKind[] {
  const possible = Object.fromEntries(Object.entries(weights).filter(([, weight]) => weight > 0)) as Record<FaultKind, number>
  const wanted = Math.min(random.between(kinds.min, kinds.max), Object.keys(possible).length)
  const drawn = new Set<FaultKind>()
  while (drawn.size < wanted) drawn.add(random.weighted(possible))
  return [...drawn]
}

function drawFault(kind: FaultKind, atMs: number, durationMs: number, scene: Scene): Fault {
  const { random, links } = scene
  const replica = random.pick(scene.replicas).name
  const between = pairOf(random.pick(links))
  switch (kind) {
    case 'cut':
      return { kind, atMs, between }
    case 'half-open':
      return { kind, atMs, between, both: random.chance(0.7) }
    case 'partition':
      return { kind, atMs, side: drawSide(scene), how: random.pick(['stall', 'refuse'] as const), durationMs }
    case 'bridge':
      return { kind, atMs, over: replica, side: drawSide(scene), durationMs }
    case 'one-way': {
      const [from, to] = random.shuffled(between)
      return { kind, atMs, from: from!, to: to!, durationMs }
    }
    case 'swizzle':
      return { kind, atMs, clog: shuffledPairs(scene), free: shuffledPairs(scene), stepMs: Math.round(durationMs / (2 * links.length)) }
    case 'slow':
      return { kind, atMs, bytesPerMs: random.pick([0.5, 2, 10]), durationMs }
    case 'hostile': {
      const rate = (): number => (random.chance(0.5) ? random.pick([0.02, 0.1, 0.3]) : 0)
      return { kind, atMs, lose: rate(), duplicate: rate(), reorder: rate(), corrupt: rate(), truncate: rate(), durationMs }
    }
    default:
      return drawReplicaFault(kind, atMs, durationMs, replica, scene)
  }
}

type LinkFaultKind = 'cut' | 'half-open' | 'partition' | 'bridge' | 'one-way' | 'swizzle' | 'slow' | 'hostile'

function drawReplicaFault(kind: Exclude<FaultKind, LinkFaultKind>, atMs: number, durationMs: number, replica: string, scene: Scene): Fault {
  const { random } = scene
  switch (kind) {
    case 'crash': {
      const afterEffects = random.chance(0.4) ? random.between(0, 3) : null
      return { kind, atMs, replica, quietly: random.chance(0.3), afterEffects, durationMs: Math.min(durationMs, 1_500) }
    }
    case 'gone':
      return { kind, atMs, replica }
    case 'pause':
    case 'store-full':
      return { kind, atMs, replica, durationMs }
    case 'restore':
      return { kind, atMs, replica, quietly: random.chance(0.5), durationMs }
    case 'clone':
      return { kind, atMs, replica, linked: random.chance(0.3), durationMs }
    case 'twin':
      return { kind, atMs, replica, linked: random.chance(0.3), durationMs: Math.min(durationMs, 500) }
    case 'quarantine':
      return { kind, atMs, replica, document: random.below(1_000) }
    case 'delete':
      return { kind, atMs, replica, document: random.below(1_000), anew: random.chance(0.4), durationMs }
    case 'resubscribe':
      return { kind, atMs, replica, scope: drawScope(scene), durationMs: random.chance(0.5) ? durationMs : null }
    case 'clock-jump':
      return { kind, atMs, replica, jumpMs: random.pick([1_000, 30_000, 86_400_000]) }
  }
}

function pairOf({ from, to }: LinkPlan): Pair {
  return [from, to]
}

function shuffledPairs({ random, links }: Scene): Pair[] {
  return random.shuffled(links).map(pairOf)
}

/** Some replicas, at least one, and not all. */
function drawSide({ random, replicas }: Scene): string[] {
  const names = random.shuffled(replicas.map(({ name }) => name))
  return names.slice(0, random.between(1, Math.max(1, names.length - 1)))
}

function drawScope({ random, docs }: Scene): Scope {
  return random.chance(0.5) ? { kind: 'document', doc: random.pick(docs) as never } : { kind: 'collection', collection: 'lists' }
}
