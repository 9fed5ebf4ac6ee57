// What is to be simulated: the workload, who may take part, what may go wrong, and what must hold. A scenario draws plans (draw-plan.ts) and judges runs (world.ts);
// `everything` is the one that Syncline itself is tested with. Rules: SM-1, SM-2.

import { SynclineError } from '@syncline/protocol'
import { buggifyPoints } from '@syncline/replica'
import type { Oracle } from './oracles/oracle.ts'
import type { Invariant, Sometimes } from './oracles/user-invariants.ts'
import { FAULT_WEIGHTS } from './plan/draw-faults.ts'
import type { FaultKind } from './plan/plan.ts'
import { topology, type Topology } from './plan/topology.ts'
import { everything as everythingIn } from './workload/fuzz-schema.ts'
import { situations } from './situations.ts'
import type { Workload } from './workload/workload.ts'

export interface Range {
  readonly min: number
  readonly max: number
}

/** Which faults a run may have: kinds by weight, of which each seed draws some (a swarm: leaving some out finds other bugs than mixing all). */
export interface FaultSelection {
  readonly weights: Readonly<Partial<Record<FaultKind, number>>>
  /** How many kinds exist in one run. */
  readonly kinds: Range
  /** How many times something goes wrong in one run. */
  readonly events: Range
}

export interface Scenario {
  readonly name: string
  /** Its campaigns are expected to meet every situation of the engine. */
  readonly meetsAll: boolean
  /** Drawn by weight, one per seed. */
  readonly workloads: readonly (readonly [number, Workload])[]
  /** Drawn by weight, one per seed. */
  readonly topologies: readonly (readonly [number, Topology])[]
  readonly replicas: Range
  /** Edits per run. */
  readonly operations: Range
  /** From this seed on, runs are mostly shorter (draw-plan.ts): more histories in the same time, and other corners. Infinity: never. */
  readonly shortFrom: number
  /** Names of documents; a run uses some of them. */
  readonly documents: readonly string[]
  readonly faults: FaultSelection
  /** Followers, partial subscriptions, refused rights and small limits occur. */
  readonly restrictions: boolean
  readonly guests: boolean
  /** Documents are created while the run goes on. */
  readonly newDocuments: boolean
  /** Tight limits, drawn per seed, and the engine's rarer ways. */
  readonly buggify: boolean
  /** Some runs end with a planted fork that has to be noticed. */
  readonly forks: boolean
  readonly invariants: readonly Invariant[]
  readonly sometimes: readonly Sometimes[]
  /** Checks of your own, new ones for each run, on top of the built-in oracles. */
  readonly oracles: readonly (() => Oracle)[]
  /** Virtual time in which all are equal once the faults have ended; one healing interval is added. */
  readonly livenessMs: number
  /** A run of more events than this is a livelock. */
  readonly stepsMax: number
}

const LIVENESS_MS = 120_000

/** Syncline's own: every type, fault, topology, restriction and rarer way. */
export const everything: Scenario = {
  name: 'everything',
  meetsAll: true,
  workloads: [
    [78, everythingIn()],
    [14, everythingIn({ name: 'everything, also inside surrogate pairs', midPair: true })],
    [4, everythingIn({ name: 'everything, with pastes of 5 kB', big: { chance: 0.01, bytes: 5_000 } })],
    [4, everythingIn({ name: 'everything, with pastes of 70 kB', big: { chance: 0.01, bytes: 70_000 } })],
  ],
  topologies: [
    [3, topology.chain],
    [3, topology.star],
    [2, topology.mesh],
    [2, topology.ring],
    [2, topology.hubs],
    [2, topology.random],
  ],
  replicas: { min: 3, max: 6 },
  operations: { min: 200, max: 215 },
  shortFrom: 10_000,
  documents: ['notes/1', 'notes/2', 'notes/räum mit leer/zeichen', 'lists/a', 'lists/✓', 'plain'],
  faults: { weights: FAULT_WEIGHTS, kinds: { min: 4, max: 5 }, events: { min: 5, max: 10 } },
  restrictions: true,
  guests: true,
  newDocuments: true,
  buggify: true,
  forks: true,
  invariants: [],
  sometimes: [],
  oracles: [],
  livenessMs: LIVENESS_MS,
  stepsMax: 3_000_000,
}

/** As `everything`, and documents are deleted and begun anew in nearly every run. */
export const deletions: Scenario = {
  ...everything,
  name: 'deletions',
  meetsAll: false,
  shortFrom: 1,
  faults: { weights: { ...FAULT_WEIGHTS, delete: 40 }, kinds: { min: 4, max: 5 }, events: { min: 8, max: 14 } },
}

/** The workload of that name. Throws "argument-invalid". */
export function workloadOf(scenario: Scenario, name: string): Workload {
  const found = scenario.workloads.find(([, workload]) => workload.name === name)
  if (found === undefined)
    throw new SynclineError(
      'argument-invalid',
      `The scenario ${scenario.name} has no workload "${name}": the trace belongs to another scenario.`,
    )
  return found[1]
}

/** Every situation that runs of this scenario are expected to meet. */
export function expectedSituations(scenario: Scenario): string[] {
  const own = [...scenario.workloads.flatMap(([, { situations: met }]) => met), ...scenario.sometimes.map(({ name }) => name)]
  const rarer = Object.keys(buggifyPoints).map((point) => `rarer way: ${point}`)
  return scenario.meetsAll ? [...Object.keys(situations), ...rarer, ...own] : own
}
