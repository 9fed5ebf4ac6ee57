// A check of a running simulation, by what it is told and what it may look at. An oracle throws a Violation with its rule; the run ends there. The built-in ones stand
// beside this file (built-in-oracles.ts lists them); a scenario adds more: session order, batches and policies are checked in this way when they come.

import type { DocId, DocKey, EpochNonce, Message } from '@syncline/protocol'
import type { ReplicaEvent, WriteOutcome } from '@syncline/replica'
import type { Transaction } from '@syncline/store'
import type * as Y from 'yjs'
import type { Plan } from '../plan/plan.ts'
import type { Random } from '../random.ts'
import type { Counters } from '../situations.ts'
import type { Workload } from '../workload/workload.ts'
import type { Port } from '../world/network.ts'
import type { SimulatedGuest } from '../world/simulated-guest.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'

export interface Edge {
  readonly from: SimulatedReplica
  readonly to: SimulatedReplica
  /** `to` refuses what `from` writes. */
  readonly readOnly: boolean
}

export interface PlacedGuest {
  readonly guest: SimulatedGuest
  readonly at: SimulatedReplica
}

/** What an oracle may look at. Everything is live: read it when you are told something. */
export interface Stage {
  readonly plan: Plan
  readonly workload: Workload
  /** With those that are gone for good, and copies that joined. */
  readonly replicas: readonly SimulatedReplica[]
  readonly edges: readonly Edge[]
  readonly guests: readonly PlacedGuest[]
  readonly docs: ReadonlySet<DocId>
  readonly counters: Counters
  /** For checks that sample. */
  readonly chance: Random
  readonly nowMs: number
  /** Rights and limits of the plan no longer apply. */
  readonly rightsLifted: boolean
  /** Edits of this document had a boundary inside a surrogate pair: open documents of it may look different (ADR 0007). */
  isMidPair(doc: DocId): boolean
}

/** A local edit, or a guest's, on its way into the engine. */
export interface LocalWrite {
  readonly doc: DocId
  readonly docEpoch: number
  readonly client: number
  /** Clocks of the structs that it brings; equal when it brings none. */
  readonly from: number
  readonly to: number
  readonly update: Uint8Array
}

export interface Oracle {
  /** Of docs/spec.md, or your own. */
  readonly rules: readonly string[]
  begin?(stage: Stage): void
  /** A process starts. `image`: what it starts from; null for a new store. */
  started?(replica: SimulatedReplica, image: object | null): void
  died?(replica: SimulatedReplica): void
  /** A store has a new epoch. */
  epoch?(replica: SimulatedReplica, nonce: EpochNonce): void
  wrote?(replica: SimulatedReplica, write: LocalWrite): void
  answered?(replica: SimulatedReplica, write: LocalWrite, outcome: WriteOutcome): void
  commitBegins?(replica: SimulatedReplica, transaction: Transaction): void
  committed?(replica: SimulatedReplica, transaction: Transaction): void
  /** The stored state changed without a commit: a sweep, an epoch, a quarantine. */
  maintained?(replica: SimulatedReplica): void
  beforeSweep?(replica: SimulatedReplica): void
  afterSweep?(replica: SimulatedReplica, installed: readonly DocKey[]): void
  event?(replica: SimulatedReplica, event: ReplicaEvent): void
  sent?(port: Port, bytes: Uint8Array, messages: readonly Message[]): void
  /** An open document changed, by an edit or by what arrived. */
  shown?(replica: SimulatedReplica, docId: DocId, doc: Y.Doc): void
  /** All that are linked are equal, and nothing is under way. */
  quiescent?(): void
  /** After the last event. */
  end?(): void
}
