// What the writer thread does to one open space file: groups of commits, sweeps, epochs, quarantine. Each is one SQLite transaction, so each is
// there whole or not at all; what is kept in memory (head, totals, ids) changes only after COMMIT returned. Rules: ST-1 to ST-4, ST-9 onward.
//
// When a COMMIT fails in its last fsync, SQLite takes the transaction back, but its frames are in the WAL until the next write covers them; a
// crash before that may bring the refused transaction back. That is harmless here: it is whole, it is the next one in commit order, updates
// are idempotent, and the nonce is new at the next open.

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import {
  LIMITS,
  Sum128,
  SynclineError,
  docKeyFromBytes,
  docKeyOf,
  documentPoint,
  epochNonceFromBytes,
  epochSum,
  isDeletion,
  unframeUpdates,
  type DocId,
  type DocKey,
  type EpochNonce,
  type SpaceId,
} from '@syncline/protocol/stored'
import type { CompactedDoc, SweepResult } from '../store.ts'
import { assertFollowsHead, pastEpoch, unknownDocument } from '../transaction-check.ts'
import { readState, writeState, type LogState } from './file-meta.ts'
import type { Database } from './load-sqlite.ts'
import { ROW_FIELDS, durabilityNumber, type PackedDocs, type PackedTransaction } from './packed-transaction.ts'
import { atomically, readStatements, rebuildDocIndexes, writeStatements, type ReadStatements, type WriteStatements } from './statements.ts'
import { DIRECTION, ENCODING, FLAG_QUARANTINED, KIND, blobOf, crcOf, isWhole, packRemains, type StoredDoc } from './stored-rows.ts'

/** Why an epoch began; stored, for inspection. */
export const EPOCH_WHY = { created: 0, opened: 1, copied: 2, sweep: 3, rollback: 4, quarantine: 5 } as const
export type EpochWhy = keyof typeof EPOCH_WHY

/** Snapshots from this size on are deflated: halves them at level 1 (PROTOCOL.md 4); below it the gain is not worth the call. */
const DEFLATE_FROM_BYTES = 4096
const NO_BYTES = new Uint8Array(0)
const ORIGINS_CACHED_MAX = 1024
const DOCS_CACHED_MAX = 2048

interface KnownDoc extends StoredDoc {
  isNew: boolean
}

interface Origin {
  readonly id: number
  readonly nonce: Uint8Array
}

export class SpaceWriter {
  private readonly db: Database
  private readonly space: SpaceId
  private readonly random: (n: number) => Uint8Array
  private readonly reads: ReadStatements
  private readonly sql: WriteStatements
  private state: LogState
  /** Null: to be read from the file. */
  private nextDocId: number | null = null
  /** Documents as the running transaction has them; those of earlier ones stay until there are too many. Right as long as nobody else writes. */
  private readonly docs = new Map<DocKey, KnownDoc>()
  /** Those that the running transaction changed, written once at its end. */
  private readonly changed = new Set<KnownDoc>()
  private readonly origins = new Map<EpochNonce, Origin>()

  constructor(db: Database, space: SpaceId, random: (n: number) => Uint8Array) {
    this.db = db
    this.space = space
    this.random = random
    this.reads = readStatements(db)
    this.sql = writeStatements(db)
    this.state = readState(this.reads)
  }

  /** Commits a group of transactions in order, all or nothing. Throws "argument-invalid" where one does not follow the one before it. */
  commit(group: readonly PackedTransaction[], atMs: number): void {
    this.inTransaction((state) => {
      for (const tx of group) state = this.apply(tx, state, atMs)
      return { state, result: undefined }
    })
  }

  /** Installs what still fits, under a new epoch that begins at the head before the markers. */
  sweep(compacted: readonly CompactedDoc[], atMs: number): SweepResult {
    const packed = compacted.map((doc) => ({ ...doc, ...deflated(doc.update) }))
    return this.inTransaction((state) => {
      const nonce = this.startEpoch('sweep', state.head, atMs)
      const installed: SweepResult['installed'][number][] = []
      for (const item of packed) {
        const doc = this.storedDoc(item.key)
        if (doc === undefined || doc.last_seq !== item.expectedLastSeq || (doc.flags & FLAG_QUARANTINED) !== 0) continue
        state = { ...state, head: state.head + 1, removed: state.removed + this.dropRows(doc) }
        this.addRow(doc, { seq: state.head, origin: nonce, n: 0, kind: KIND.snapshot, docEpoch: doc.doc_epoch, data: NO_BYTES })
        const snap = { seq: state.head, enc: item.enc, know: item.knowledge }
        const knowCrc = crcOf.snapKnowledge(doc.key, snap)
        this.sql.putSnap.run(doc.id, snap.seq, snap.enc, knowCrc, crcOf.snapData(doc.key, snap, item.data), snap.know, item.data)
        Object.assign(doc, { snap_seq: state.head, snap_bytes: item.update.length, tail_rows: 0, tail_bytes: 0 })
        installed.push({ key: item.key, seq: state.head, coveredSeq: item.expectedLastSeq })
      }
      return { state, result: { installed, nonce, head: state.head } }
    })
  }

  rotateEpoch(why: EpochWhy, atMs: number): EpochNonce {
    return this.inTransaction((state) => ({ state, result: this.startEpoch(why, state.head, atMs) }))
  }

  /** Forgets the document's content. Reads the whole log, because a damaged chain cannot be followed; every damaged row found on the way goes too. */
  quarantine(key: DocKey, atMs: number): EpochNonce {
    return this.inTransaction((state) => {
      const row = this.recordOf(key)
      state = { ...state, removed: state.removed + this.dropDamagedRows(row?.id) }
      if (row !== undefined) {
        this.sql.dropSnap.run(row.id)
        state = { ...state, ...this.emptyDoc(key, row, state) }
      }
      this.sql.dropCursors.run()
      return { state, result: this.startEpoch('quarantine', state.head, atMs) }
    })
  }

  /** Ends the current epoch at `head` and starts one with a fresh nonce. Inside a transaction. */
  startEpoch(why: EpochWhy, head: number, atMs: number): EpochNonce {
    for (const { nonce, start_seq } of this.sql.openEpochs.all()) {
      this.sql.endEpoch.run(head, atMs, crcOf.epoch({ nonce, start_seq, end_seq: head }), nonce)
    }
    this.sql.forgetEpochsEndedBefore.run(atMs - LIMITS.epochKeptMs)
    this.sql.forgetRemainsBefore.run(atMs - LIMITS.remainsKeptMs)
    const nonce = this.random(8)
    this.sql.addEpoch.run(nonce, head, EPOCH_WHY[why], atMs, crcOf.epoch({ nonce, start_seq: head, end_seq: null }))
    return epochNonceFromBytes(nonce)
  }

  private inTransaction<T>(work: (state: LogState) => { state: LogState; result: T }): T {
    try {
      const done = atomically(this.db, () => {
        const done = work(this.state)
        for (const doc of this.changed) this.writeDoc(doc)
        if (done.state !== this.state) writeState(this.sql, done.state)
        return done
      })
      this.state = done.state
      this.changed.clear()
      if (this.docs.size > DOCS_CACHED_MAX) this.docs.clear()
      if (this.origins.size > ORIGINS_CACHED_MAX) this.origins.clear()
      return done.result
    } catch (error) {
      this.forget() // what the transaction changed in memory goes with it
      throw error
    }
  }

  /** Lets go of what is only kept to save reads. */
  forget(): void {
    this.docs.clear()
    this.changed.clear()
    this.origins.clear()
    this.nextDocId = null
  }

  private writeDoc(doc: KnownDoc): void {
    const { id, key, doc_epoch, digest, last_seq, tail_rows, tail_bytes, snap_seq, snap_bytes, flags, name } = doc
    const crc = crcOf.doc(doc)
    if (doc.isNew) this.sql.addDoc.run(id, key, doc_epoch, digest, last_seq, tail_rows, tail_bytes, snap_seq, snap_bytes, flags, crc, name)
    else this.sql.setDoc.run(doc_epoch, digest, last_seq, tail_rows, tail_bytes, snap_seq, snap_bytes, flags, crc, id)
    doc.isNew = false
  }

  private apply(tx: PackedTransaction, state: LogState, atMs: number): LogState {
    assertFollowsHead(tx.firstSeq, state.head)
    for (let i = 0; i < tx.docs.keys.length; i++) this.describeDoc(tx.docs, i)
    let { head, removed } = state
    let at = 0
    for (let field = 0; field < tx.rows.length; field += ROW_FIELDS) {
      const key = tx.keys[tx.rows[field]!]!
      const docEpoch = tx.rows[field + 1]!
      const origin = tx.origins[tx.rows[field + 2]!]!
      const bytes = tx.rows[field + 5]!
      const doc = this.storedDoc(key)
      if (doc === undefined) throw unknownDocument(key)
      if (docEpoch < doc.doc_epoch) throw pastEpoch(key, docEpoch, doc.doc_epoch)
      if (docEpoch > doc.doc_epoch) removed += this.supersede(doc, docEpoch, atMs)
      const data = tx.data.subarray(at, at + bytes)
      this.addRow(doc, { seq: ++head, origin, n: tx.rows[field + 3]!, kind: tx.rows[field + 4]!, docEpoch, data })
      doc.tail_rows++
      doc.tail_bytes += bytes
      at += bytes
    }
    this.applyPeers(tx)
    this.applyHeld(tx, at)
    return { ...state, head, removed, documents: tx.totals.documents, root: tx.totals.root }
  }

  private applyPeers(tx: PackedTransaction): void {
    for (const { peer, scope } of tx.cursorsDropped) this.sql.dropCursor.run(blobOf(peer), scope)
    for (const { peer, scope, nonce, seq } of tx.cursors) {
      const row = { peer: blobOf(peer), scope, nonce: blobOf(nonce), seq }
      this.sql.putCursor.run({ ...row, crc: crcOf.cursor(row) })
    }
    for (const { peer, scope, seq, durability } of tx.acks) {
      const row = { peer: blobOf(peer), scope, seq, durability: durabilityNumber(durability) }
      this.sql.putAck.run({ ...row, crc: crcOf.ack(row) })
    }
    for (const { peer, doc, direction } of tx.refusalsDropped) this.sql.dropRefusal.run(blobOf(peer), blobOf(doc), DIRECTION[direction])
    for (const { peer, doc, direction, code, retryable, digest } of tx.refusals) {
      const ids = { peer: blobOf(peer), key: blobOf(doc), digest: blobOf(digest) }
      const row = { ...ids, direction: DIRECTION[direction], code, retryable: retryable ? 1 : 0 }
      this.sql.putRefusal.run({ ...row, crc: crcOf.refusal(row) })
    }
  }

  private applyHeld(tx: PackedTransaction, at: number): void {
    for (const id of tx.heldDropped) this.sql.dropHeld.run(id)
    for (const { id, doc, name, origin, n, atMs, bytes } of tx.held) {
      const data = tx.data.subarray(at, at + bytes)
      const row = { id, key: blobOf(doc), name, origin: blobOf(origin), n, at_ms: atMs, data }
      this.sql.putHeld.run({ ...row, crc: crcOf.held(row) })
      at += bytes
    }
  }

  private describeDoc(docs: PackedDocs, i: number): void {
    const key = docs.keys[i]!
    const doc = this.storedDoc(key) ?? this.newDoc(key, docs.names[i]!)
    this.changed.add(doc)
    doc.digest = blobOf(docs.digests[i]!)
    if (docs.healed[i]!) doc.flags &= ~FLAG_QUARANTINED
  }

  /** The document as this transaction has it so far; undefined when it is unknown. Throws "doc-quarantined" when its record is damaged. */
  private storedDoc(key: DocKey): KnownDoc | undefined {
    const known = this.docs.get(key)
    if (known !== undefined) return known
    const row = this.reads.doc.get(blobOf(key))
    if (row === undefined) return undefined
    if (!isWhole(row, crcOf.doc)) {
      throw new SynclineError('doc-quarantined', `The stored record of document ${key} is damaged.`, { detail: { doc: key } })
    }
    const doc = { ...row, isNew: false }
    this.docs.set(key, doc)
    return doc
  }

  private newDoc(key: DocKey, name: DocId): KnownDoc {
    // the index on keys cannot vouch for itself: a name that is there under a key that is not means that it is damaged
    if (this.sql.docNamed.get(name) !== undefined) {
      throw new SynclineError('store-corrupt', `The document of key ${key} is in the file, but its key is not in the index.`)
    }
    const sums = { last_seq: 0, tail_rows: 0, tail_bytes: 0, snap_seq: 0, snap_bytes: 0, flags: 0, crc: 0 }
    this.nextDocId ??= (this.sql.lastDocId.get() ?? 0) + 1
    const doc = { id: this.nextDocId++, key: blobOf(key), name, doc_epoch: 0, digest: NO_BYTES, ...sums, isNew: true }
    this.docs.set(key, doc)
    return doc
  }

  private addRow(
    doc: KnownDoc,
    row: { seq: number; origin: EpochNonce; n: number; kind: number; docEpoch: number; data: Uint8Array },
  ): void {
    const { seq, n, kind, docEpoch, data } = row
    const { id, nonce } = this.origin(row.origin)
    const crc = crcOf.log({ seq, doc_epoch: docEpoch, prev: doc.last_seq, n, kind, key: doc.key, origin: nonce, data })
    this.sql.addLogRow.run(seq, doc.id, docEpoch, doc.last_seq, id, n, kind, crc, data)
    doc.last_seq = seq
    this.changed.add(doc)
  }

  private origin(text: EpochNonce): Origin {
    const known = this.origins.get(text)
    if (known !== undefined) return known
    const nonce = blobOf(text)
    const origin = { id: this.sql.origin.get(nonce) ?? Number(this.sql.addOrigin.run(nonce).lastInsertRowid), nonce }
    this.origins.set(text, origin)
    return origin
  }

  /** A later life of the document begins: what is stored of it goes, and what was in it is kept aside. Returns how many rows went. */
  private supersede(doc: KnownDoc, docEpoch: number, atMs: number): number {
    const updates = this.contentOf(doc)
    if (updates.length > 0) this.keepRemains(doc, packRemains(updates), atMs)
    this.sql.forgetRemainsBefore.run(atMs - LIMITS.remainsKeptMs)
    const dropped = this.dropEveryRow(doc)
    this.sql.dropSnap.run(doc.id)
    Object.assign(doc, { doc_epoch: docEpoch, last_seq: 0, tail_rows: 0, tail_bytes: 0, snap_seq: 0, snap_bytes: 0 })
    this.changed.add(doc)
    return dropped
  }

  private keepRemains(doc: StoredDoc, packed: Uint8Array, atMs: number): void {
    const { key, doc_epoch, name } = doc
    const row = { key, doc_epoch, at_ms: Math.round(atMs), size: packed.length, name, ...deflated(packed) }
    this.sql.putRemains.run({ ...row, crc: crcOf.remains(row) })
  }

  /** The updates of the document, oldest first, as far as they are whole. Never throws for damage: what is deleted need not be. */
  private contentOf(doc: StoredDoc): Uint8Array[] {
    const parts: Uint8Array[][] = []
    for (let seq = doc.last_seq; seq > doc.snap_seq;) {
      const row = this.reads.logRow.get(seq)
      if (row === undefined || row.doc !== doc.id || !isWhole(row, crcOf.log) || row.prev >= seq) break
      parts.push(unframeUpdates(row.data) ?? [])
      seq = row.prev
    }
    const snapshot = this.wholeSnapshot(doc)
    if (snapshot !== null) parts.push([snapshot])
    return parts.toReversed().flat()
  }

  private wholeSnapshot(doc: StoredDoc): Uint8Array | null {
    const snap = doc.snap_seq === 0 ? undefined : this.reads.snap.get(doc.id)
    if (snap?.data === undefined || snap.seq !== doc.snap_seq) return null
    if (!isWhole({ ...snap, crc: snap.data_crc }, (row) => crcOf.snapData(doc.key, row, row.data!))) return null
    return snap.enc === ENCODING.plain ? snap.data : inflateRawSync(snap.data, { maxOutputLength: doc.snap_bytes + 1 })
  }

  /** As dropRows(), and where the chain is damaged by reading the whole log. */
  private dropEveryRow(doc: StoredDoc): number {
    const dropped = this.dropChain(doc)
    return dropped === rowsOf(doc) ? dropped : dropped + this.sql.dropLogRowsOf.run(doc.id).changes
  }

  /** Removes the document's tail and its marker, by its chain. Returns how many rows went. */
  private dropRows(doc: StoredDoc): number {
    const dropped = this.dropChain(doc)
    if (dropped === rowsOf(doc)) return dropped
    const key = docKeyFromBytes(doc.key)
    throw new SynclineError('doc-quarantined', `The rows of document ${key} are not the ones it counted.`, { detail: { doc: key } })
  }

  private dropChain({ id, last_seq, snap_seq }: StoredDoc): number {
    return this.sql.dropChain.run({ lastSeq: last_seq, doc: id, snapSeq: snap_seq }).changes
  }

  /** The document's record as the table has it. Where its key was damaged, table and index disagree: it is found under either. */
  private recordOf(key: DocKey): StoredDoc | undefined {
    const blob = blobOf(key)
    const indexed = this.reads.doc.get(blob)
    if (indexed !== undefined) return this.reads.docOfId.get(indexed.id)
    for (const row of this.reads.everyDoc.iterate()) if (blob.equals(row.key)) return row
    return undefined
  }

  private dropDamagedRows(docId: number | undefined): number {
    const seqs: number[] = []
    for (const row of this.sql.wholeLog.iterate()) {
      if (row.doc === docId || !isWhole(row, crcOf.log)) seqs.push(row.seq)
    }
    // a row whose seq was damaged stands out of order, where a search for its seq does not find it
    for (const seq of seqs) if (this.sql.dropLogRow.run(seq).changes === 0) this.sql.dropLogRowByScan.run(seq)
    return seqs.length
  }

  /** The document with nothing in it (all that a deletion ever holds, which is whole then), or gone when its own record is damaged (its name cannot be trusted then). Returns the totals after it. */
  private emptyDoc(key: DocKey, row: StoredDoc, state: LogState): Pick<LogState, 'documents' | 'root'> {
    if (!isWhole(row, crcOf.doc) || docKeyOf(this.space, row.name as DocId) !== key) {
      rebuildDocIndexes(this.db) // they may not agree with the damaged record, and SQLite refuses to delete it then
      this.sql.forgetDoc.run(row.id)
      this.docs.clear()
      return this.countTotals()
    }
    const digest = epochSum(row.doc_epoch).toHex()
    const root = Sum128.fromHex(state.root)
    root.subtract(documentPoint(key, Buffer.from(row.digest).toString('hex')))
    root.add(documentPoint(key, digest))
    const sums = { last_seq: 0, tail_rows: 0, tail_bytes: 0, snap_seq: 0, snap_bytes: 0 }
    const empty = {
      ...row,
      ...sums,
      digest: blobOf(digest),
      flags: isDeletion(row.doc_epoch) ? 0 : row.flags | FLAG_QUARANTINED,
      isNew: false,
    }
    this.docs.set(key, empty)
    this.changed.add(empty)
    return { documents: state.documents, root: root.toHex() }
  }

  /** From the documents themselves. */
  private countTotals(): Pick<LogState, 'documents' | 'root'> {
    const root = new Sum128()
    let documents = 0
    for (const { key, digest, doc_epoch } of this.reads.everyDoc.iterate()) {
      root.add(documentPoint(docKeyFromBytes(key), Buffer.from(digest).toString('hex')))
      if (!isDeletion(doc_epoch)) documents++
    }
    return { documents, root: root.toHex() }
  }
}

/** Rows in the log: its tail, and the marker of its snapshot. */
function rowsOf({ tail_rows, snap_seq }: StoredDoc): number {
  return tail_rows + (snap_seq === 0 ? 0 : 1)
}

function deflated(update: Uint8Array): { enc: number; data: Uint8Array } {
  if (update.length < DEFLATE_FROM_BYTES) return { enc: ENCODING.plain, data: update }
  const data = deflateRawSync(update, { level: 1 })
  return data.length < update.length ? { enc: ENCODING.deflate, data } : { enc: ENCODING.plain, data: update }
}
