// What the memory store holds, and the copy of it that survives a crash. Rows and documents are never changed in place, so a copy shares them
// and costs only its maps.

import { ZERO_DIGEST, type DocKey, type EpochNonce, type ReplicaId, type SpaceId } from '@syncline/protocol'
import type { AckRow, CursorRow, DocContent, DocRow, HeldRow, LogRow, RefusalRow, Remains, Totals } from '../store.ts'

export type StoredSnapshot = NonNullable<DocContent['snapshot']>

/** As an Epoch, with the time its end was fixed: epochs are forgotten by age. */
export interface StoredEpoch {
  readonly nonce: EpochNonce
  readonly startSeq: number
  readonly endSeq: number | null
  readonly endedAtMs: number
}

export interface MemoryState {
  replicaId: ReplicaId
  readonly space: SpaceId
  /** Of the current epoch. */
  nonce: EpochNonce
  head: number
  totals: Totals
  /** By seq; insertion order is log order. */
  readonly rows: Map<number, LogRow>
  readonly docs: Map<DocKey, DocRow>
  readonly snapshots: Map<DocKey, StoredSnapshot>
  /** Newest first. */
  readonly remains: Map<DocKey, readonly Remains[]>
  readonly epochs: Map<EpochNonce, StoredEpoch>
  readonly cursors: Map<string, CursorRow>
  readonly acks: Map<string, AckRow>
  readonly held: Map<number, HeldRow>
  readonly refusals: Map<string, RefusalRow>
}

export function emptyState(replicaId: ReplicaId, space: SpaceId): MemoryState {
  return {
    replicaId,
    space,
    nonce: '' as EpochNonce, // the first epoch starts when the store opens
    head: 0,
    totals: { documents: 0, root: ZERO_DIGEST },
    rows: new Map(),
    docs: new Map(),
    snapshots: new Map(),
    remains: new Map(),
    epochs: new Map(),
    cursors: new Map(),
    acks: new Map(),
    held: new Map(),
    refusals: new Map(),
  }
}

export function copyState(state: MemoryState): MemoryState {
  return {
    ...state,
    rows: new Map(state.rows),
    docs: new Map(state.docs),
    snapshots: new Map(state.snapshots),
    remains: new Map(state.remains),
    epochs: new Map(state.epochs),
    cursors: new Map(state.cursors),
    acks: new Map(state.acks),
    held: new Map(state.held),
    refusals: new Map(state.refusals),
  }
}
