// A store in memory: the contract without a disk, for the browser until it has storage, for tests, and for simulators. Deterministic: chance and
// time are arguments. Every write has a synchronous form (commitNow ...), so that a simulator decides itself when a commit completes; the
// methods of Store run the same forms in order, one microtask later. Rules: ST-1 onward, ID-1.

import {
  Knowledge,
  LIMITS,
  Sum128,
  documentPoint,
  isDeletion,
  epochNonceFromBytes,
  replicaIdFromBytes,
  unframeUpdates,
  type DocKey,
  type Durability,
  type EpochNonce,
  type ReplicaId,
  type SpaceId,
} from '@syncline/protocol'
import type { CompactedDoc, DocRow, OpenReason, RowWrite, Store, StoreReader, SweepResult, Transaction } from '../store.ts'
import { assertFollowsHead, pastEpoch, unknownDocument } from '../transaction-check.ts'
import { MemoryReader, storeClosed } from './memory-reader.ts'
import { copyState, emptyState, type MemoryState } from './memory-state.ts'

/** What a memory store held at one moment. Opaque; open it with `createMemoryStore({ from })` as often as you like. */
export type MemorySnapshot = Readonly<MemoryState>

export interface MemoryOptions {
  readonly space: SpaceId
  /** `n` random bytes: the source of replica id and nonces. */
  readonly random: (n: number) => Uint8Array
  /** Of a new store; random when absent. */
  readonly replicaId?: ReplicaId
  /** What to report as durability, for simulators of disks. Default 'memory'. */
  readonly durability?: Durability
  /** Milliseconds; only the age of epochs is read from it. Default: stands still, so that no epoch is forgotten. */
  readonly now?: () => number
  /** Opens this state instead of an empty one: the same replica after a crash, or restored from an older copy. */
  readonly from?: MemorySnapshot
  /** With `from`: as if its file had been copied beside the original. New replica id, no receive cursors. */
  readonly asCopy?: boolean
}

export interface MemoryStore extends Store {
  /** The synchronous forms of commit, sweep, rotateEpoch and quarantine: done on return, or thrown and nothing changed. They keep the bytes they
   *  are given: do not change those afterwards. */
  commitNow(transaction: Transaction): void
  sweepNow(docs: readonly CompactedDoc[]): SweepResult
  rotateEpochNow(): EpochNonce
  quarantineNow(key: DocKey): EpochNonce
  /** The committed state, which later writes do not change. Works on a closed store too. Cost: one pass over rows and documents. */
  snapshot(): MemorySnapshot
  /** Makes the document's content read as a failed checksum, until quarantine(). */
  damage(key: DocKey): void
}

/** Opens at once. Cost: with `from`, one pass over its rows and documents. */
export function createMemoryStore(options: MemoryOptions): MemoryStore {
  return new StoreInMemory(options)
}

class StoreInMemory implements MemoryStore {
  readonly durability: Durability
  readonly openReason: OpenReason
  private readonly state: MemoryState
  private readonly read: MemoryReader
  private readonly random: (n: number) => Uint8Array
  private readonly now: () => number
  private closing = false
  private closed = false
  private last: Promise<unknown> = Promise.resolve()
  private failure: unknown = null
  private generation = 0

  constructor(options: MemoryOptions) {
    const { from, random } = options
    this.random = random
    this.now = options.now ?? (() => 0)
    this.durability = options.durability ?? 'memory'
    this.openReason = from === undefined ? 'created' : options.asCopy === true ? 'copied' : 'opened'
    const newId = (): ReplicaId => options.replicaId ?? replicaIdFromBytes(random(16))
    this.state = from === undefined ? emptyState(newId(), options.space) : copyState(from)
    if (this.openReason === 'copied') {
      this.state.replicaId = newId()
      for (const told of [this.state.cursors, this.state.acks, this.state.refusals]) told.clear()
    }
    this.read = new MemoryReader(this.state, () => this.closed)
    this.rotateEpochNow()
  }

  get replicaId(): ReplicaId {
    return this.state.replicaId
  }

  get space(): SpaceId {
    return this.state.space
  }

  get reader(): StoreReader {
    return this.read
  }

  commit(transaction: Transaction): Promise<void> {
    const { rows, held } = transaction
    const own = { ...transaction, rows: rows.map(ownBytes), held: held.map(ownBytes) }
    return this.enqueue(() => this.commitNow(own))
  }

  sweep(docs: readonly CompactedDoc[]): Promise<SweepResult> {
    const own = docs.map((doc) => ({ ...doc, update: doc.update.slice(), knowledge: doc.knowledge.slice() }))
    return this.enqueue(() => this.sweepNow(own))
  }

  rotateEpoch(): Promise<EpochNonce> {
    return this.enqueue(() => this.rotateEpochNow())
  }

  quarantine(key: DocKey): Promise<EpochNonce> {
    return this.enqueue(() => this.quarantineNow(key))
  }

  async close(): Promise<void> {
    this.closing = true
    await this.last
    this.closed = true
  }

  snapshot(): MemorySnapshot {
    return copyState(this.state)
  }

  damage(key: DocKey): void {
    this.read.damaged.add(key)
  }

  commitNow(tx: Transaction): void {
    const { docs, cursors, acks, held, refusals } = this.assertOpen()
    assertFollowsHead(tx.firstSeq, this.state.head)
    assertRowsFit(tx, docs)
    for (const { healed, ...write } of tx.docs) {
      const old = docs.get(write.key) ?? { docEpoch: 0, lastSeq: 0, tailRows: 0, tailBytes: 0, snapshotBytes: 0, quarantined: false }
      docs.set(write.key, { ...old, ...write, docEpoch: old.docEpoch, quarantined: old.quarantined && healed !== true })
    }
    for (const row of tx.rows) this.append(row)
    this.state.totals = tx.totals
    for (const { peer, scope } of tx.cursorsDropped) cursors.delete(peer + scope)
    for (const cursor of tx.cursors) cursors.set(cursor.peer + cursor.scope, cursor)
    for (const ack of tx.acks) acks.set(ack.peer + ack.scope, ack)
    for (const id of tx.heldDropped) held.delete(id)
    for (const row of tx.held) held.set(row.id, row)
    for (const { peer, doc, direction } of tx.refusalsDropped) refusals.delete(peer + doc + direction)
    for (const row of tx.refusals) refusals.set(row.peer + row.doc + row.direction, row)
  }

  sweepNow(compacted: readonly CompactedDoc[]): SweepResult {
    const { docs, rows, snapshots } = this.assertOpen()
    const nonce = this.rotateEpochNow()
    const installed = []
    for (const { key, expectedLastSeq, update, knowledge } of compacted) {
      const doc = docs.get(key)
      if (doc === undefined || doc.lastSeq !== expectedLastSeq || doc.quarantined) continue
      for (const row of this.read.tail(doc)) rows.delete(row.seq)
      rows.delete(snapshots.get(key)?.seq ?? 0)
      const seq = ++this.state.head
      const { docEpoch, lastSeq: prev } = doc
      rows.set(seq, { seq, doc: key, docEpoch, origin: nonce, n: 0, kind: 'snapshot', prev, data: new Uint8Array(0) })
      snapshots.set(key, { seq, update, knowledge })
      docs.set(key, { ...doc, lastSeq: seq, tailRows: 0, tailBytes: 0, snapshotBytes: update.length })
      installed.push({ key, seq, coveredSeq: prev })
    }
    return { installed, nonce, head: this.state.head }
  }

  rotateEpochNow(): EpochNonce {
    const { head, epochs, remains } = this.assertOpen()
    const endedAtMs = this.now()
    for (const [key, all] of remains) {
      const kept = all.filter(({ atMs }) => atMs >= endedAtMs - LIMITS.remainsKeptMs)
      if (kept.length === 0) remains.delete(key)
      else remains.set(key, kept)
    }
    for (const epoch of epochs.values()) {
      if (epoch.endSeq === null) epochs.set(epoch.nonce, { ...epoch, endSeq: head, endedAtMs })
      else if (epoch.endedAtMs < endedAtMs - LIMITS.epochKeptMs) epochs.delete(epoch.nonce)
    }
    const nonce = epochNonceFromBytes(this.random(8))
    epochs.set(nonce, { nonce, startSeq: head, endSeq: null, endedAtMs: 0 })
    this.state.nonce = nonce
    return nonce
  }

  quarantineNow(key: DocKey): EpochNonce {
    const { docs, rows, snapshots, cursors, totals } = this.assertOpen()
    const doc = docs.get(key)
    if (doc !== undefined) {
      for (const row of rows.values()) if (row.doc === key) rows.delete(row.seq)
      snapshots.delete(key)
      const digest = new Knowledge(doc.docEpoch).digest()
      docs.set(key, { ...doc, digest, lastSeq: 0, tailRows: 0, tailBytes: 0, snapshotBytes: 0, quarantined: !isDeletion(doc.docEpoch) })
      const root = Sum128.fromHex(totals.root)
      root.subtract(documentPoint(key, doc.digest))
      root.add(documentPoint(key, digest))
      this.state.totals = { ...totals, root: root.toHex() }
    }
    this.read.damaged.delete(key)
    cursors.clear()
    return this.rotateEpochNow()
  }

  private append(write: RowWrite): void {
    const { docs, rows } = this.state
    const doc = write.docEpoch > docs.get(write.doc)!.docEpoch ? this.supersede(write) : docs.get(write.doc)!
    const seq = ++this.state.head
    rows.set(seq, { ...write, seq, prev: doc.lastSeq })
    docs.set(doc.key, { ...doc, lastSeq: seq, tailRows: doc.tailRows + 1, tailBytes: doc.tailBytes + write.data.length })
  }

  /** A later life of the document begins: what is stored of it goes, and what was in it is kept aside. */
  private supersede({ doc: key, docEpoch }: RowWrite): DocRow {
    const { docs, rows, snapshots, remains } = this.state
    const doc = docs.get(key)!
    const snapshot = snapshots.get(key)
    const tail = this.read.tail(doc)
    const updates = tail.flatMap((row) => (row.kind === 'snapshot' ? [] : (unframeUpdates(row.data) ?? [])))
    if (snapshot !== undefined) updates.unshift(snapshot.update)
    if (updates.length > 0)
      remains.set(key, [{ name: doc.name, docEpoch: doc.docEpoch, atMs: this.now(), updates }, ...(remains.get(key) ?? [])])
    for (const row of tail) rows.delete(row.seq)
    rows.delete(snapshot?.seq ?? 0)
    snapshots.delete(key)
    const anew = { ...doc, docEpoch, lastSeq: 0, tailRows: 0, tailBytes: 0, snapshotBytes: 0 }
    docs.set(key, anew)
    return anew
  }

  private assertOpen(): MemoryState {
    if (this.closed) throw storeClosed()
    return this.state
  }

  /** In call order. A failure takes with it what was queued behind it before anyone could know of it. */
  private enqueue<T>(work: () => T): Promise<T> {
    const { generation, closing } = this
    const done = this.last.then(() => {
      if (closing) throw storeClosed()
      if (generation !== this.generation) throw this.failure
      try {
        return work()
      } catch (error) {
        this.failure = error
        this.generation++
        throw error
      }
    })
    this.last = done.catch(() => undefined)
    return done
  }
}

/** Before anything is written. Throws "argument-invalid". */
function assertRowsFit(tx: Transaction, docs: ReadonlyMap<DocKey, DocRow>): void {
  const epochs = new Map<DocKey, number>()
  for (const { key } of tx.docs) epochs.set(key, docs.get(key)?.docEpoch ?? 0)
  for (const { doc, docEpoch } of tx.rows) {
    const before = epochs.get(doc) ?? docs.get(doc)?.docEpoch
    if (before === undefined) throw unknownDocument(doc)
    if (docEpoch < before) throw pastEpoch(doc, docEpoch, before)
    epochs.set(doc, docEpoch)
  }
}

function ownBytes<T extends { readonly data: Uint8Array }>(row: T): T {
  return { ...row, data: row.data.slice() }
}
