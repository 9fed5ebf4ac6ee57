// Reads of a space file over a read-only connection: the store's own on the main thread, and those of commands that look at a file while a
// relay writes it. Decides: what damage looks like to the caller. A row that fails its checksum, a broken `prev` chain or a snapshot that is
// not there is "doc-quarantined" for its document, never wrong data; a cursor, ack, epoch, held or refusal row that fails is as if absent,
// because each of them is only a reason to do less. Rules: ST-5 onward.

import { inflateRawSync } from 'node:zlib'
import {
  SynclineError,
  docKeyFromBytes,
  type DocId,
  type DocKey,
  type EpochNonce,
  type KeyRange,
  type ReplicaId,
  type ScopeText,
} from '@syncline/protocol/stored'
import type {
  AckRow,
  CursorRow,
  DigestPiece,
  DocContent,
  DocRow,
  Epoch,
  HeldRow,
  LogRow,
  RefusalRow,
  Remains,
  TailPart,
  TailPlace,
  Totals,
} from '../store.ts'
import { readState } from './file-meta.ts'
import type { Database } from './load-sqlite.ts'
import type { SqliteReader } from './sqlite-api.ts'
import { withStoreErrors } from './sqlite-error.ts'
import { atOneState, readStatements, remainsStatement, type ReadStatements } from './statements.ts'
import {
  ENCODING,
  ackRowOf,
  blobOf,
  crcOf,
  cursorRowOf,
  docRowOf,
  heldRowOf,
  isWhole,
  logRowOf,
  refusalRowOf,
  remainsOf,
  type StoredDoc,
  type StoredEpochRow,
  type StoredLog,
  type StoredSnap,
} from './stored-rows.ts'
import { TailChain, quarantined, type ChainPlace } from './tail-chain.ts'

/** Of one document: its key, and its digest. */
const DIGESTS_BYTES = 32
const NO_BYTES = new Uint8Array(0)

export class SpaceReader implements SqliteReader {
  private readonly db: Database
  private readonly sql: ReadStatements
  private readonly chain: TailChain

  /** `db`: an open connection, which this reader closes. */
  constructor(db: Database) {
    this.db = db
    this.sql = withStoreErrors('The file could not be read', () => readStatements(db))
    this.chain = new TailChain(this.sql)
  }

  head(): number {
    return this.reading('the log position', () => readState(this.sql).head)
  }

  totals(): Totals {
    const { documents, root } = this.reading('the totals', () => readState(this.sql))
    return { documents, root }
  }

  nonce(): EpochNonce {
    const epoch = this.reading('the current epoch', () => this.sql.newestEpoch.get())
    if (epoch === undefined || !isWhole(epoch, crcOf.epoch)) throw new SynclineError('store-corrupt', 'The current epoch is damaged.')
    return epochOf(epoch).nonce
  }

  epoch(nonce: EpochNonce): Epoch | undefined {
    const row = this.reading('an epoch', () => this.sql.epoch.get(blobOf(nonce)))
    return row !== undefined && isWhole(row, crcOf.epoch) ? epochOf(row) : undefined
  }

  doc(key: DocKey): DocRow | undefined {
    const row = this.reading(`document ${key}`, () => this.storedDoc(key))
    return row && docRowOf(row)
  }

  docs(range: KeyRange, limit: number, after?: DocKey): readonly DocRow[] {
    const [first, last] = [blobOf(range.first), blobOf(range.last)]
    return this.reading('documents', () => {
      const found =
        after === undefined ? this.sql.docsFrom.all(first, last, limit) : this.sql.docsAfter.all(blobOf(after), first, last, limit)
      const docs = found.map(wholeDocRow)
      docs.reduce<string>((before, { key }) => (assertAscends(before, key), key), after ?? '')
      return docs
    })
  }

  docsNamed(prefix: string, limit: number, after: DocId | '' = ''): readonly DocRow[] {
    return this.reading('documents', () => {
      const docs = this.sql.docsNamed.all(prefix, after, limit).map(wholeDocRow)
      const end = docs.findIndex((doc) => !doc.name.startsWith(prefix)) // names with one prefix stand together
      return end < 0 ? docs : docs.slice(0, end)
    })
  }

  digests(after: number, limit: number): DigestPiece {
    return this.reading('documents', () => {
      const [documents, last, bytes] = this.sql.docDigests.get(after, limit)!
      if ((bytes?.length ?? 0) !== documents * DIGESTS_BYTES) this.failDigests()
      return { bytes: bytes ?? NO_BYTES, next: documents < limit ? null : last }
    })
  }

  /** A key or a digest is not as long as it must be. */
  private failDigests(): never {
    const doc = this.firstDamagedDoc()
    if (doc === undefined) throw new SynclineError('store-corrupt', 'Keys or digests of documents are damaged.')
    throw quarantined(docKeyFromBytes(doc.key), 'its record fails its checksum')
  }

  content(key: DocKey): DocContent | undefined {
    return this.reading(`document ${key}`, () =>
      atOneState(this.db, () => {
        const doc = this.storedDoc(key)
        if (doc === undefined) return undefined
        return { snapshot: this.snapshotOf(doc), tail: this.tail(doc) }
      }),
    )
  }

  snapshot(key: DocKey): DocContent['snapshot'] | undefined {
    return this.reading(`document ${key}`, () =>
      atOneState(this.db, () => {
        const doc = this.storedDoc(key)
        return doc && this.snapshotOf(doc)
      }),
    )
  }

  tailEnd(key: DocKey): TailPlace | undefined {
    return this.reading(`document ${key}`, () =>
      atOneState(this.db, () => {
        const doc = this.storedDoc(key)
        return doc && { nonce: this.nonce(), docEpoch: doc.doc_epoch, ...endOf(doc) }
      }),
    )
  }

  tailPart(key: DocKey, after: TailPlace | null, upTo: TailPlace, rows: number, bytes: number): TailPart | undefined {
    return this.reading(`document ${key}`, () =>
      atOneState(this.db, () => {
        const doc = this.storedDoc(key)
        const nonce = this.nonce()
        const holds = (place: TailPlace): boolean => place.nonce === nonce && place.docEpoch === doc?.doc_epoch
        if (doc === undefined || !holds(upTo) || (after !== null && !holds(after))) return undefined
        const part = this.chain.read(doc, after ?? beginOf(doc), upTo, rows, bytes)
        return { rows: part.rows, before: { ...upTo, ...part.before } }
      }),
    )
  }

  remains(key: DocKey): readonly Remains[] {
    const rows = this.reading(`what was in document ${key}`, () => remainsStatement(this.db)?.all(blobOf(key)) ?? [])
    return rows.filter((row) => isWhole(row, crcOf.remains)).map(remainsOf)
  }

  knowledgeParts(key: DocKey): { readonly base: Uint8Array | null; readonly tail: readonly Uint8Array[] } | undefined {
    return this.reading(`document ${key}`, () =>
      atOneState(this.db, () => {
        const doc = this.storedDoc(key)
        if (doc === undefined) return undefined
        const base = doc.snap_seq === 0 ? null : wholeSnap(doc, this.sql.snapKnowledge.get(doc.id)).know
        return { base, tail: this.tail(doc).map((row) => row.data) }
      }),
    )
  }

  log(after: number, rows: number, bytes: number): readonly LogRow[] {
    return this.reading('the log', () => {
      const { found, damaged } = this.scanLog(after, rows, bytes)
      if (found.length > 0 || damaged === null) return found
      throw quarantined(this.ownerOf(damaged), `row ${damaged.seq} fails its checksum`)
    })
  }

  cursor(peer: ReplicaId, scope: ScopeText): CursorRow | undefined {
    const row = this.reading('a cursor', () => this.sql.cursor.get(blobOf(peer), scope))
    return row !== undefined && isWhole(row, crcOf.cursor) ? cursorRowOf(row) : undefined
  }

  acks(): readonly AckRow[] {
    const rows = this.reading('acknowledgements', () => this.sql.acks.all())
    return rows.filter((row) => isWhole(row, crcOf.ack)).map(ackRowOf)
  }

  held(key: DocKey): readonly HeldRow[] {
    const rows = this.reading('held updates', () => this.sql.heldOf.all(blobOf(key)))
    return rows.filter((row) => isWhole(row, crcOf.held)).map(heldRowOf)
  }

  heldDocs(): readonly DocKey[] {
    return this.reading('held updates', () => this.sql.heldKeys.all())
      .filter((key) => key.length === 16)
      .map(docKeyFromBytes)
  }

  refusals(): readonly RefusalRow[] {
    const rows = this.reading('refusals', () => this.sql.refusals.all())
    return rows.filter((row) => isWhole(row, crcOf.refusal)).map(refusalRowOf)
  }

  due(limit: number): readonly DocRow[] {
    return this.reading('documents', () => this.sql.docsDue.all(limit).map(wholeDocRow))
  }

  /** Closes the connection: every later read is "store-closed". Idempotent. */
  close(): void {
    this.db.close()
  }

  private reading<T>(what: string, read: () => T): T {
    if (!this.db.open) throw new SynclineError('store-closed', 'The store was closed.')
    return withStoreErrors(`Reading ${what} failed`, read)
  }

  private storedDoc(key: DocKey): StoredDoc | undefined {
    const row = this.sql.doc.get(blobOf(key))
    if (row !== undefined && !isWhole(row, crcOf.doc)) throw quarantined(key, 'its record fails its checksum')
    return row
  }

  private snapshotOf(doc: StoredDoc): DocContent['snapshot'] {
    const snap = doc.snap_seq === 0 ? null : wholeSnap(doc, this.sql.snap.get(doc.id))
    return snap && { seq: snap.seq, update: unpackSnapshot(doc, snap), knowledge: snap.know }
  }

  private tail(doc: StoredDoc): LogRow[] {
    return this.chain.read(doc, beginOf(doc), endOf(doc), Infinity, Infinity).rows
  }

  /** Whole rows up to the bounds or to the first damaged one. */
  private scanLog(after: number, rows: number, bytes: number): { found: LogRow[]; damaged: StoredLog | null } {
    const found: LogRow[] = []
    let size = 0
    let last = after
    for (const row of this.sql.logAfter.iterate(after, rows)) {
      assertAscends(last, row.seq)
      last = row.seq
      if (!isWhole(row, crcOf.log)) return { found, damaged: row }
      found.push(logRowOf(row))
      size += row.data.length
      if (size >= bytes) break
    }
    return { found, damaged: null }
  }

  /** Not by the number in the row, which may be what is damaged, but by the document or the later row that points at it, or else by a damaged
   *  document, which may have pointed at it. Where nothing points at it, its position is what is damaged, and its number tells. */
  private ownerOf(row: StoredLog): DocKey {
    const owner = this.sql.docEndingAt.get(row.seq) ?? this.sql.docPassing.get(row.seq) ?? this.firstDamagedDoc() ?? row
    if (owner.key === null) throw new SynclineError('store-corrupt', `Row ${row.seq} is damaged, and no document is known to it.`)
    return docKeyFromBytes(owner.key)
  }

  private firstDamagedDoc(): StoredDoc | undefined {
    for (const doc of this.sql.everyDoc.iterate()) if (!isWhole(doc, crcOf.doc)) return doc
    return undefined
  }
}

function epochOf(row: StoredEpochRow): Epoch {
  return { nonce: Buffer.from(row.nonce).toString('hex') as EpochNonce, startSeq: row.start_seq, endSeq: row.end_seq }
}

/** SQLite finds its way by the order of rows; where damage broke it, a scan could go round in circles. */
function assertAscends<K extends string | number>(before: K, next: K): void {
  if (next <= before) throw new SynclineError('store-corrupt', `Rows are out of order: ${next} follows ${before}.`)
}

/** Of a document's tail. */
function beginOf(doc: StoredDoc): ChainPlace {
  return { seq: doc.snap_seq, rows: 0, bytes: 0 }
}

function endOf(doc: StoredDoc): ChainPlace {
  return { seq: doc.last_seq, rows: doc.tail_rows, bytes: doc.tail_bytes }
}

function wholeDocRow(row: StoredDoc): DocRow {
  if (!isWhole(row, crcOf.doc)) throw quarantined(docKeyFromBytes(row.key), 'its record fails its checksum')
  return docRowOf(row)
}

function wholeSnap(doc: StoredDoc, snap: StoredSnap | undefined): StoredSnap {
  const whole =
    snap !== undefined &&
    snap.seq === doc.snap_seq &&
    isWhole({ ...snap, crc: snap.know_crc }, (row) => crcOf.snapKnowledge(doc.key, row)) &&
    (snap.data === undefined || isWhole({ ...snap, crc: snap.data_crc }, (row) => crcOf.snapData(doc.key, row, row.data!)))
  if (!whole) throw quarantined(docKeyFromBytes(doc.key), `its snapshot ${snap === undefined ? 'is missing' : 'fails its checksum'}`)
  return snap
}

function unpackSnapshot(doc: StoredDoc, snap: StoredSnap): Uint8Array {
  if (snap.enc === ENCODING.plain) return snap.data!
  return inflateRawSync(snap.data!, { maxOutputLength: doc.snap_bytes + 1 })
}
