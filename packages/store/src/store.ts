// The storage contract's types: what the engine reads (always committed state, synchronously) and the one way it writes (a transaction that
// is all or nothing and whose return means committed at the store's durability). ./contract makes it executable; ./memory and ./sqlite
// implement it. Rules: ST-1 onward in docs/spec.md, DU-1, DU-2, ID-1.

import type { Digest, DocId, DocKey, Durability, EpochNonce, KeyRange, ReplicaId, RowKind, ScopeText, SpaceId } from '@syncline/protocol'

/** One entry of the log. `seq` is 1-based and assigned gapless; compaction removes rows, so a scan may see holes. */
export interface LogRow {
  readonly seq: number
  readonly doc: DocKey
  /** Document epoch (protocol document-epoch.ts). */
  readonly docEpoch: number
  /** The commit that made it, anywhere: epoch nonce of the replica that wrote it first, and its commit number there. */
  readonly origin: EpochNonce
  readonly n: number
  /** 'snapshot': marks where the compacted content of `doc` now stands; data is empty. */
  readonly kind: RowKind | 'snapshot'
  /** seq of the document's previous row at the time of writing, 0 for none. */
  readonly prev: number
  /** Framed updates (protocol framed-updates.ts). */
  readonly data: Uint8Array
}

export interface DocRow {
  readonly key: DocKey
  readonly name: DocId
  readonly docEpoch: number
  /** Knowledge digest over everything committed. */
  readonly digest: Digest
  /** seq of its newest row. */
  readonly lastSeq: number
  readonly tailRows: number
  readonly tailBytes: number
  /** Bytes of the snapshot, 0 for none. */
  readonly snapshotBytes: number
  /** The row, snapshot or tail failed its checksum: not served, refetched. */
  readonly quarantined: boolean
}

/** See StoreReader.digests(). */
export interface DigestPiece {
  readonly bytes: Uint8Array
  readonly next: number | null
}

/** What is stored of one document: snapshot (one full v1 update up to `snapshotSeq`, with its encoded knowledge) and the rows after it, oldest first. */
export interface DocContent {
  readonly snapshot: { readonly seq: number; readonly update: Uint8Array; readonly knowledge: Uint8Array } | null
  readonly tail: readonly LogRow[]
}

/** A place in a document's tail: behind its row `seq`, with so many rows and bytes between the snapshot and there. Holds while the log's epoch is `nonce` and the
 *  document's `docEpoch`: until then rows are only added to the tail. */
export interface TailPlace {
  readonly nonce: EpochNonce
  readonly docEpoch: number
  readonly seq: number
  readonly rows: number
  readonly bytes: number
}

/** Rows of one document, oldest first, and the place that they begin behind. */
export interface TailPart {
  readonly rows: readonly LogRow[]
  readonly before: TailPlace
}

/** One epoch of this store's log: its nonce vouches for positions startSeq..endSeq (null: the current one). */
export interface Epoch {
  readonly nonce: EpochNonce
  readonly startSeq: number
  readonly endSeq: number | null
}

/** Receive cursor: "I have committed `peer`'s log of `scope` up to `seq` of its epoch `nonce`." */
export interface CursorRow {
  readonly peer: ReplicaId
  readonly scope: ScopeText
  readonly nonce: EpochNonce
  readonly seq: number
}

/** Send side: `peer` acknowledged my log of `scope` up to `seq` at `durability`. Kept for `status` after a restart. */
export interface AckRow {
  readonly peer: ReplicaId
  readonly scope: ScopeText
  readonly seq: number
  readonly durability: Durability
}

/** An update whose dependencies are missing. `id` is assigned by the engine, unique per store. */
export interface HeldRow {
  readonly id: number
  readonly doc: DocKey
  readonly name: DocId
  readonly origin: EpochNonce
  readonly n: number
  readonly data: Uint8Array
  readonly atMs: number
}

/** A document this replica refused from a peer, or a peer refused from it. */
export interface RefusalRow {
  readonly peer: ReplicaId
  readonly doc: DocKey
  readonly direction: 'in' | 'out'
  readonly code: string
  readonly retryable: boolean
  /** Knowledge digest of the document here when it was refused: a later one is a reason to try again. */
  readonly digest: Digest
}

/** Sums over all documents, kept in the same transaction as the documents. `documents`: those that live. `root`: sum of documentPoint(key, digest), over
 *  deleted ones too. */
export interface Totals {
  readonly documents: number
  readonly root: Digest
}

/** A document's part of a transaction: the state after it. `tailRows` and the like are the store's own arithmetic. */
export interface DocWrite {
  readonly key: DocKey
  readonly name: DocId
  readonly docEpoch: number
  readonly digest: Digest
  /** Clears a quarantine: the content that this transaction carries (or leaves) is whole again. */
  readonly healed?: boolean
}

export interface RowWrite {
  readonly doc: DocKey
  readonly docEpoch: number
  readonly origin: EpochNonce
  readonly n: number
  readonly kind: RowKind
  readonly data: Uint8Array
}

/** All or nothing. A row of a higher document epoch than its document's takes the place of everything before it, which is kept aside
 *  as its remains; one of a lower epoch is refused ("argument-invalid"). Rows get firstSeq, firstSeq + 1, ... in order; `firstSeq` must be head + 1 (the engine counts, the store asserts). */
export interface Transaction {
  readonly firstSeq: number
  readonly rows: readonly RowWrite[]
  readonly docs: readonly DocWrite[]
  readonly totals: Totals
  readonly cursors: readonly CursorRow[]
  /** Receive cursors to forget. */
  readonly cursorsDropped: readonly { readonly peer: ReplicaId; readonly scope: ScopeText }[]
  readonly acks: readonly AckRow[]
  readonly held: readonly HeldRow[]
  readonly heldDropped: readonly number[]
  readonly refusals: readonly RefusalRow[]
  readonly refusalsDropped: readonly { readonly peer: ReplicaId; readonly doc: DocKey; readonly direction: 'in' | 'out' }[]
}

/** What a higher epoch took away: updates of `docEpoch`, oldest first. `atMs`: when, in ms since 1970. */
export interface Remains {
  readonly name: DocId
  readonly docEpoch: number
  readonly atMs: number
  readonly updates: readonly Uint8Array[]
}

/** One document of a compaction sweep: installed only where `expectedLastSeq` is still the document's newest row. */
export interface CompactedDoc {
  readonly key: DocKey
  readonly expectedLastSeq: number
  /** One full v1 update and the encoded knowledge it holds. Its digest must equal the document's. */
  readonly update: Uint8Array
  readonly knowledge: Uint8Array
}

/** Result of a sweep: the documents installed (each now has one snapshot-marker row, at `seq`), and the new epoch. */
export interface SweepResult {
  readonly installed: readonly { readonly key: DocKey; readonly seq: number; readonly coveredSeq: number }[]
  readonly nonce: EpochNonce
  readonly head: number
}

/** Reads, synchronous, of committed state only. Bytes returned are the caller's to read, never to change. Throws SynclineError "store-closed",
 *  "store-corrupt", "store-io"; for one document whose checksum fails, "doc-quarantined". */
export interface StoreReader {
  head(): number
  totals(): Totals
  /** The current epoch's nonce. */
  nonce(): EpochNonce
  epoch(nonce: EpochNonce): Epoch | undefined
  doc(key: DocKey): DocRow | undefined
  /** Documents by key, ascending, from `range.first` (or after `after`), at most `limit`. */
  docs(range: KeyRange, limit: number, after?: DocKey): readonly DocRow[]
  /** Key and digest of the documents, a piece at a time, in an order of the store's own: 16 and 16 bytes each, of at most `limit`. `after`: 0 for the first piece, then `next`
   *  of the one before; null: that was the last. A document that is there from the first piece to the last comes once, as it stands when its piece is read; one that is
   *  added meanwhile at most once. Not checked row by row (ADR 0012): the points of all documents add up to totals().root, or something is damaged, and docs() finds it.
   *  Cost: under 1 us a document, a tenth of what docs() takes. */
  digests(after: number, limit: number): DigestPiece
  /** Snapshot and tail; undefined for an unknown document. Cost: one read per tail row, some 5 us: a long tail holds up whoever shares the thread, and tailPart() does not. */
  content(key: DocKey): DocContent | undefined
  /** The snapshot alone; null for none, undefined for an unknown document. */
  snapshot(key: DocKey): DocContent['snapshot'] | undefined
  /** Where the tail ends now; undefined for an unknown document. */
  tailEnd(key: DocKey): TailPlace | undefined
  /** The newest rows between two places (`after` null: the snapshot), at most `rows` and about `bytes`, at least one. With its `before` for `upTo` the next part
   *  follows; all is read once that is at `after`. Undefined when a place holds no more: then what was read so far is no tail of anything. */
  tailPart(key: DocKey, after: TailPlace | null, upTo: TailPlace, rows: number, bytes: number): TailPart | undefined
  /** What changes of the document's epoch took away here, newest first, for LIMITS.remainsKeptMs at least; empty when there was nothing, or too long ago. */
  remains(key: DocKey): readonly Remains[]
  /** Encoded knowledge of the snapshot (null: none) and the data of the tail rows: enough to rebuild knowledge without the snapshot's bytes. */
  knowledgeParts(key: DocKey): { readonly base: Uint8Array | null; readonly tail: readonly Uint8Array[] } | undefined
  /** Rows with seq > `after`, ascending, at most `rows` and about `bytes` (at least one row when there is any). */
  log(after: number, rows: number, bytes: number): readonly LogRow[]
  cursor(peer: ReplicaId, scope: ScopeText): CursorRow | undefined
  acks(): readonly AckRow[]
  held(key: DocKey): readonly HeldRow[]
  heldDocs(): readonly DocKey[]
  refusals(): readonly RefusalRow[]
  /** Documents with at least `rows` tail rows or whose tail bytes reach the policy's bound, at most `limit`: the next sweep's work. */
  due(limit: number): readonly DocRow[]
}

export type OpenReason = 'created' | 'opened' | 'copied'

export interface Store {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  /** What commit() survives: read back from the engine at open, never assumed. */
  readonly durability: Durability
  /** created: new file. opened: this replica again. copied: the file is a copy of another, so replicaId is new and no cursor was kept. */
  readonly openReason: OpenReason
  readonly reader: StoreReader
  /** Commits atomically, in call order; several calls may share one fsync. Resolves when committed at `durability`; rejects with SynclineError
   *  "store-full", "store-io", "store-closed", "store-replaced", "store-corrupt", and then nothing of it is stored. After a rejection, transactions already
   *  queued behind it are rejected too (their firstSeq no longer fits). */
  commit(transaction: Transaction): Promise<void>
  /** As commit(), for a caller that has nothing better to do than wait for a moment: true when it is committed already. Optional: without it, or where waiting does
   *  not pay, it is commit(). Cost: may block the thread for 2 ms. */
  commitAndWait?(transaction: Transaction): true | Promise<void>
  /** Installs compacted documents and rotates the epoch nonce, in one short transaction. Must not overlap a commit() in flight. */
  sweep(docs: readonly CompactedDoc[]): Promise<SweepResult>
  /** Ends the current epoch and starts one with a fresh nonce (a detected rollback). */
  rotateEpoch(): Promise<EpochNonce>
  /** Fail-stop for one document: forget its content and knowledge (its epoch stays; a deletion is whole without any), drop all receive cursors, rotate the nonce, in one transaction. The totals are adjusted by the store. */
  quarantine(key: DocKey): Promise<EpochNonce>
  /** Finishes queued commits, checkpoints, releases the lock. Idempotent. */
  close(): Promise<void>
}
