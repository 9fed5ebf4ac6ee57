// One run as data: who takes part, how they are linked, what they do and when, what goes wrong and when. Every decision of a run stands here; what is left to
// chance (latencies, ids) follows from `seed` by cause. So a plan can be saved, replayed, and made smaller piece by piece. Drawn by draw-plan.ts, carried out by
// world.ts, cut down by shrink.ts, stored by plan-file.ts. Rule: SM-1.

import type { DocId, Role, Scope } from '@syncline/protocol'
import type { BuggifyPoint, CoreLimits } from '@syncline/replica'
import type { Edit } from '../workload/workload.ts'

export interface ReplicaPlan {
  readonly name: string
  readonly role: Role
  readonly readOnly: boolean
  readonly interests: readonly Scope[]
  /** Null: the default. */
  readonly documentBytesMax: number | null
  readonly openDocumentsMax: number
  /** Whether open documents announce who is there. */
  readonly presence: boolean
  /** Whether open documents collect garbage, as Yjs does by default. */
  readonly gc: boolean
  /** How long a commit takes. */
  readonly commitMs: number
  /** Parts per million by which its clock is fast. */
  readonly driftPpm: number
}

export interface LinkPlan {
  readonly from: string
  readonly to: string
  /** Both ends dial. */
  readonly both: boolean
  /** `to` refuses what `from` writes. */
  readonly readOnly: boolean
}

/** A client of another protocol at one document of one replica. */
export interface GuestPlan {
  readonly name: string
  readonly at: string
  readonly doc: DocId
}

export interface Weather {
  readonly latencyMs: number
  readonly latencyMaxMs: number
}

/** One edit by a replica or a guest. A replica that is down does it when it is back. */
export interface Action {
  readonly atMs: number
  readonly by: string
  readonly doc: DocId
  readonly edit: Edit
}

export type Pair = readonly [string, string]

export interface FaultFields {
  /** Frames in flight are lost, both ends notice. */
  cut: { readonly between: Pair }
  /** What is sent vanishes, nobody notices. */
  'half-open': { readonly between: Pair; readonly both: boolean }
  /** Two groups are apart: frames wait, or connections break. */
  partition: { readonly side: readonly string[]; readonly how: 'stall' | 'refuse'; readonly durationMs: number }
  /** Two groups that see each other only through one replica. */
  bridge: { readonly over: string; readonly side: readonly string[]; readonly durationMs: number }
  /** One direction waits. */
  'one-way': { readonly from: string; readonly to: string; readonly durationMs: number }
  /** Links are clogged one by one, and freed one by one in another order. */
  swizzle: { readonly clog: readonly Pair[]; readonly free: readonly Pair[]; readonly stepMs: number }
  /** Rates per frame. */
  hostile: {
    readonly lose: number
    readonly duplicate: number
    readonly reorder: number
    readonly corrupt: number
    readonly truncate: number
    readonly durationMs: number
  }
  slow: { readonly bytesPerMs: number; readonly durationMs: number }
  /** kill -9, or (quietly) a power cut that peers are not told of; after so many effects of a turn, or at once. */
  crash: { readonly replica: string; readonly quietly: boolean; readonly afterEffects: number | null; readonly durationMs: number }
  /** It never comes back. */
  gone: { readonly replica: string }
  pause: { readonly replica: string; readonly durationMs: number }
  /** The store goes back to what it was `durationMs` before. */
  restore: { readonly replica: string; readonly quietly: boolean; readonly durationMs: number }
  /** A copy of the store runs beside the original, and is known to be one. */
  clone: { readonly replica: string; readonly linked: boolean; readonly durationMs: number }
  /** A copy runs beside the original, and nobody knows. */
  twin: { readonly replica: string; readonly linked: boolean; readonly durationMs: number }
  'store-full': { readonly replica: string; readonly durationMs: number }
  /** One stored document fails its checksum: the n-th, counted round. */
  quarantine: { readonly replica: string; readonly document: number }
  /** The n-th document, counted round, is deleted here; `anew`: after a while replicas begin it again when they edit it. */
  delete: { readonly replica: string; readonly document: number; readonly anew: boolean; readonly durationMs: number }
  /** Null: for good. */
  resubscribe: { readonly replica: string; readonly scope: Scope; readonly durationMs: number | null }
  /** The monotonic clock leaps ahead, as after a suspend. */
  'clock-jump': { readonly replica: string; readonly jumpMs: number }
}

export type FaultKind = keyof FaultFields
export type FaultOf<K extends FaultKind> = FaultFields[K] & { readonly kind: K; readonly atMs: number }
export type Fault = { [K in FaultKind]: FaultOf<K> }[FaultKind]

export interface Plan {
  readonly version: typeof PLAN_VERSION
  /** Of the scenario that drew it. */
  readonly scenario: string
  /** Which of the scenario's workloads. */
  readonly workload: string
  readonly seed: number
  readonly topology: string
  readonly replicas: readonly ReplicaPlan[]
  readonly links: readonly LinkPlan[]
  readonly guests: readonly GuestPlan[]
  readonly actions: readonly Action[]
  readonly faults: readonly Fault[]
  readonly weather: Weather
  /** Whether turns, commits and latencies vary at all. */
  readonly jitter: boolean
  readonly limits: Partial<CoreLimits>
  /** Points of the engine that take their rarer way now and then in this run. */
  readonly buggify: readonly BuggifyPoint[]
  /** Tail rows from which a document is due for compaction; null: the real policy. */
  readonly dueRows: number | null
  /** At the end, two replicas are given different content under one id: they have to notice. */
  readonly fork: boolean
  /** Whether limits and rights are lifted when the faults end. */
  readonly lift: boolean
  /** Virtual time in which linked replicas become equal once the faults end, on top of one healing interval. */
  readonly livenessMs: number
}

export const PLAN_VERSION = 1

/** Every document that somebody edits. */
export function documentsIn(plan: Plan): DocId[] {
  return [...new Set([...plan.guests.map(({ doc }) => doc), ...plan.actions.map(({ doc }) => doc)])]
}
