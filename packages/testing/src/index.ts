// @syncline/testing: the convergence property tests of Syncline, for its own engine and for the schemas of those who use it. Adapter contracts are in
// @syncline/testing/contracts, arbitraries for fast-check in @syncline/testing/fast-check.
export type { BuggifyPoint } from '@syncline/replica'
export type { Edge, LocalWrite, Oracle, PlacedGuest, Stage } from './oracles/oracle.ts'
export { invariant, sometimes, type Invariant, type InvariantCheck, type Sometimes, type Where } from './oracles/user-invariants.ts'
export { faults, type FaultGroup, type SwarmOptions } from './plan/fault-choice.ts'
export { formatTrace, parseTrace, type TraceFile } from './plan/plan-file.ts'
export type { Action, Fault, FaultKind, GuestPlan, LinkPlan, Pair, Plan, ReplicaPlan } from './plan/plan.ts'
export { topology, type Topology } from './plan/topology.ts'
export { Random } from './random.ts'
export type { FaultSelection, Range, Scenario } from './scenario.ts'
export { shrink, type ShrinkOptions, type Shrunk } from './shrink.ts'
export {
  describeFailure,
  replay,
  scenario,
  simulate,
  timelineOf,
  type SimulatedFailure,
  type SimulateOptions,
  type SimulationReport,
} from './simulate.ts'
export { situations } from './situations.ts'
export { timelinePage } from './timeline/timeline-page.ts'
export type { Recording } from './timeline/recording.ts'
export { Violation } from './violation.ts'
export type { Counters } from './situations.ts'
export type { Port } from './world/network.ts'
export type { SimulatedGuest } from './world/simulated-guest.ts'
export type { SimulatedReplica } from './world/simulated-replica.ts'
export * from './workload/index.ts'
