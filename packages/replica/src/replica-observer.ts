// What somebody who measures a replica is told and may ask, as numbers: how long commits, maintenance and writes took, and how much is under way.
// Decides nothing. Told by replica.ts and write-desk.ts; read by the relay's metrics.

import type { LinkId, Maintenance, WriteOutcome } from './effects.ts'
import type { PresenceDelays } from './presence-spread.ts'

export interface ReplicaObserver {
  /** A commit is durable. */
  committed?(commit: ObservedCommit): void
  /** A write of this replica or of a guest got its outcome. */
  written?(write: ObservedWrite): void
  /** A sweep, epoch rotation or quarantine is done; commits wait meanwhile. */
  maintained?(maintenance: ObservedMaintenance): void
}

export interface ObservedCommit {
  /** Newest committed position of the log. */
  readonly head: number
  /** Rows appended: 0 for a commit of cursors or acknowledgements alone. */
  readonly rows: number
  /** Bytes of these rows. */
  readonly bytes: number
  /** Links by which rows of it came: their peers have these already. */
  readonly links: ReadonlySet<LinkId>
  /** Of the store's commit. */
  readonly durationMs: number
  /** Since the oldest message of a link that this commit may answer arrived: the longest that a linked writer waited for it. Null when none came by a link. */
  readonly sinceReceivedMs: number | null
}

export interface ObservedWrite {
  readonly outcome: WriteOutcome
  /** From the call to the outcome. */
  readonly durationMs: number
}

export interface ObservedMaintenance {
  readonly work: Maintenance['kind']
  readonly durationMs: number
}

/** Several observers as one, told in this order; what one throws keeps the later ones from this telling. */
export function combineObservers(...observers: readonly ReplicaObserver[]): ReplicaObserver {
  return {
    committed: (commit) => observers.forEach((observer) => observer.committed?.(commit)),
    written: (write) => observers.forEach((observer) => observer.written?.(write)),
    maintained: (maintenance) => observers.forEach((observer) => observer.maintained?.(maintenance)),
  }
}

/** How much a replica has under way. Computing it costs a walk over the documents with presence or held updates. */
export interface ReplicaLoad {
  /** Writes without an outcome. */
  readonly unsettledWrites: number
  /** Connections of foreign doors to a document. */
  readonly guests: number
  readonly openDocuments: number
  /** Updates that wait for a missing dependency, and their bytes. */
  readonly heldUpdates: number
  readonly heldBytes: number
  /** Live presence ids in all documents. */
  readonly presenceIds: number
  /** States of presence that did not go on at once since the start. */
  readonly presenceDelayed: PresenceDelays
}
