// All SQL of a space file, named as verbs: what a reader asks (readStatements), what the writer does (writeStatements). A transaction cannot
// wait: everything here is synchronous, and atomically() takes no async function. The schema is migrations.ts; row shapes are stored-rows.ts.

import { LIMITS } from '@syncline/protocol/stored'
import type Sqlite from 'better-sqlite3'
import type { Database } from './load-sqlite.ts'
import type {
  ChainRow,
  StoredAck,
  StoredCursor,
  StoredDoc,
  StoredEpochRow,
  StoredHeld,
  StoredLog,
  StoredRefusal,
  StoredRemains,
  StoredSnap,
} from './stored-rows.ts'

const docColumns = 'id, key, doc_epoch, digest, last_seq, tail_rows, tail_bytes, snap_seq, snap_bytes, flags, crc, name'
const rowColumns = 'l.seq, l.doc, l.doc_epoch, l.prev, l.n, l.kind, l.crc, l.data'
/** For scans. */
const logRows = `SELECT ${rowColumns}, d.key AS key, o.nonce AS origin FROM log l LEFT JOIN doc d ON d.id = l.doc LEFT JOIN origin o ON o.id = l.origin`
/** For single rows: SQLite takes 20 us to begin a join. */
const logRow = `SELECT ${rowColumns}, (SELECT key FROM doc WHERE id = l.doc) AS key, (SELECT nonce FROM origin WHERE id = l.origin) AS origin FROM log l`
/** urgency() of compaction-policy.ts in SQL, letter for letter as the partial index states it: due from 1 on. */
const urgency = `max(tail_rows / ${LIMITS.tailRowsDue}.0, tail_bytes / max(${LIMITS.tailBytesDue}.0, snap_bytes / 4.0))`

export type Query<P extends unknown[], R = unknown> = Sqlite.Statement<P, R>

export interface StoredMeta {
  v: string
  crc: number
}

/** Keys and digests of some documents, by turns; null for none. In the order of their numbers, in which the table lies in the file: in the order of keys, each would be
 *  somewhere else. One value for all: SQLite makes a value in a tenth of the time that it takes to hand one over. */
export type DigestsRow = readonly [documents: number, last: number | null, bytes: Uint8Array | null]

export interface ReadStatements {
  meta: Query<[k: string], StoredMeta>
  epoch: Query<[nonce: Uint8Array], StoredEpochRow>
  newestEpoch: Query<[], StoredEpochRow>
  doc: Query<[key: Uint8Array], StoredDoc>
  docOfId: Query<[id: number], StoredDoc>
  docsFrom: Query<[first: Uint8Array, last: Uint8Array, limit: number], StoredDoc>
  docsAfter: Query<[after: Uint8Array, first: Uint8Array, last: Uint8Array, limit: number], StoredDoc>
  docsNamed: Query<[from: string, after: string, limit: number], StoredDoc>
  docDigests: Query<[after: number, limit: number], DigestsRow>
  docsDue: Query<[limit: number], StoredDoc>
  snap: Query<[doc: number], StoredSnap>
  snapKnowledge: Query<[doc: number], StoredSnap>
  logRow: Query<[seq: number], StoredLog>
  /** Without what its numbers stand for, as an array: what a walk along a chain needs. */
  chainRow: Query<[seq: number], ChainRow>
  originNonce: Query<[id: number], Uint8Array>
  logAfter: Query<[after: number, limit: number], StoredLog>
  /** Who a damaged row belongs to, by who points at it. Cost: full scans; only a damaged row is worth them. */
  docEndingAt: Query<[seq: number], { key: Uint8Array }>
  docPassing: Query<[seq: number], { key: Uint8Array }>
  everyDoc: Query<[], StoredDoc>
  logRowCount: Query<[], number>
  lastLogSeq: Query<[], number | null>
  cursor: Query<[peer: Uint8Array, scope: string], StoredCursor>
  acks: Query<[], StoredAck>
  heldOf: Query<[key: Uint8Array], StoredHeld>
  heldKeys: Query<[], Uint8Array>
  refusals: Query<[], StoredRefusal>
}

/** Prepared when they are first used: SQLite keeps some KiB for each, and a space needs a third of them. */
export function readStatements(db: Database): ReadStatements {
  const { query, column, row } = makers(db)
  return preparedOnUse<ReadStatements>({
    meta: query('SELECT v, crc FROM meta WHERE k = ?'),
    epoch: query('SELECT nonce, start_seq, end_seq, crc FROM epoch WHERE nonce = ?'),
    newestEpoch: query('SELECT nonce, start_seq, end_seq, crc FROM epoch ORDER BY id DESC LIMIT 1'),
    doc: query(`SELECT ${docColumns} FROM doc WHERE key = ?`),
    docOfId: query(`SELECT ${docColumns} FROM doc WHERE id = ?`),
    docsFrom: query(`SELECT ${docColumns} FROM doc WHERE key >= ? AND key <= ? ORDER BY key LIMIT ?`),
    docsAfter: query(`SELECT ${docColumns} FROM doc WHERE key > ? AND key >= ? AND key <= ? ORDER BY key LIMIT ?`),
    docsNamed: query(`SELECT ${docColumns} FROM doc WHERE name >= ? AND name > ? ORDER BY name LIMIT ?`),
    docDigests: row(
      `SELECT count(*), max(id), CAST(group_concat(key || digest, '') AS BLOB) FROM (SELECT id, key, digest FROM doc WHERE id > ? ORDER BY id LIMIT ?)`,
    ),
    docsDue: query(`SELECT ${docColumns} FROM doc INDEXED BY doc_due WHERE ${urgency} >= 1 AND flags = 0 ORDER BY ${urgency} DESC LIMIT ?`),
    snap: query('SELECT seq, enc, know_crc, data_crc, know, data FROM snap WHERE doc = ?'),
    snapKnowledge: query('SELECT seq, enc, know_crc, data_crc, know FROM snap WHERE doc = ?'),
    logRow: query(`${logRow} WHERE l.seq = ?`),
    chainRow: row('SELECT doc, doc_epoch, prev, origin, n, kind, crc, data FROM log WHERE seq = ?'),
    originNonce: column('SELECT nonce FROM origin WHERE id = ?'),
    logAfter: query(`${logRows} WHERE l.seq > ? ORDER BY l.seq LIMIT ?`),
    docEndingAt: query('SELECT key FROM doc WHERE last_seq = ?'),
    docPassing: query('SELECT d.key AS key FROM log l JOIN doc d ON d.id = l.doc WHERE l.prev = ?'),
    everyDoc: query(`SELECT ${docColumns} FROM doc`),
    logRowCount: column('SELECT count(*) FROM log'),
    lastLogSeq: column('SELECT max(seq) FROM log'),
    cursor: query('SELECT peer, scope, nonce, seq, crc FROM receive_cursor WHERE peer = ? AND scope = ?'),
    acks: query('SELECT peer, scope, seq, durability, crc FROM peer_ack'),
    heldOf: query('SELECT id, key, origin, n, at_ms, crc, name, data FROM held WHERE key = ? ORDER BY id'),
    heldKeys: column('SELECT DISTINCT key FROM held'),
    refusals: query('SELECT peer, key, direction, code, retryable, digest, crc FROM refusal'),
  })
}

/** Apart from the others: a file of format 1 has no such table. */
export function remainsStatement(db: Database): Query<[key: Uint8Array], StoredRemains> | null {
  const { query, column } = makers(db)
  const isThere = column<[], number>("SELECT count(*) FROM sqlite_schema WHERE name = 'remains'")()
  return isThere.get() === 0
    ? null
    : query<[key: Uint8Array], StoredRemains>(
        'SELECT key, doc_epoch, at_ms, enc, size, crc, name, data FROM remains WHERE key = ? ORDER BY doc_epoch DESC',
      )()
}

export interface WriteStatements {
  putMeta: Query<[k: string, v: string, crc: number]>
  addEpoch: Query<[nonce: Uint8Array, startSeq: number, why: number, atMs: number, crc: number]>
  endEpoch: Query<[endSeq: number, atMs: number, crc: number, nonce: Uint8Array]>
  openEpochs: Query<[], StoredEpochRow>
  forgetEpochsEndedBefore: Query<[ms: number]>
  forgetEpochs: Query<[]>
  docNamed: Query<[name: string], number>
  lastDocId: Query<[], number | null>
  addDoc: Query<
    [
      id: number,
      key: Uint8Array,
      docEpoch: number,
      digest: Uint8Array,
      lastSeq: number,
      tailRows: number,
      tailBytes: number,
      snapSeq: number,
      snapBytes: number,
      flags: number,
      crc: number,
      name: string,
    ]
  >
  setDoc: Query<
    [
      docEpoch: number,
      digest: Uint8Array,
      lastSeq: number,
      tailRows: number,
      tailBytes: number,
      snapSeq: number,
      snapBytes: number,
      flags: number,
      crc: number,
      id: number,
    ]
  >
  forgetDoc: Query<[id: number]>
  addLogRow: Query<
    [seq: number, doc: number, docEpoch: number, prev: number, origin: number, n: number, kind: number, crc: number, data: Uint8Array]
  >
  dropLogRow: Query<[seq: number]>
  /** A document's rows from its newest down the chain to `snapSeq`, as far as it holds. */
  dropChain: Query<[{ lastSeq: number; doc: number; snapSeq: number }]>
  dropLogRowByScan: Query<[seq: number]>
  dropLogRowsOf: Query<[doc: number]>
  wholeLog: Query<[], StoredLog>
  origin: Query<[nonce: Uint8Array], number>
  addOrigin: Query<[nonce: Uint8Array]>
  putSnap: Query<[doc: number, seq: number, enc: number, knowCrc: number, dataCrc: number, know: Uint8Array, data: Uint8Array]>
  dropSnap: Query<[doc: number]>
  putRemains: Query<[StoredRemains]>
  forgetRemainsBefore: Query<[ms: number]>
  putCursor: Query<[StoredCursor]>
  dropCursor: Query<[peer: Uint8Array, scope: string]>
  dropCursors: Query<[]>
  putAck: Query<[StoredAck]>
  dropAcks: Query<[]>
  putHeld: Query<[StoredHeld]>
  dropHeld: Query<[id: number]>
  putRefusal: Query<[StoredRefusal]>
  dropRefusal: Query<[peer: Uint8Array, key: Uint8Array, direction: number]>
  dropRefusals: Query<[]>
}

/** As readStatements(). */
export function writeStatements(db: Database): WriteStatements {
  const { query, column } = makers(db)
  return preparedOnUse<WriteStatements>({
    putMeta: query('INSERT OR REPLACE INTO meta(k, v, crc) VALUES(?, ?, ?)'),
    addEpoch: query('INSERT INTO epoch(nonce, start_seq, why, started_ms, crc) VALUES(?, ?, ?, ?, ?)'),
    endEpoch: query('UPDATE epoch SET end_seq = ?, ended_ms = ?, crc = ? WHERE nonce = ?'),
    openEpochs: query('SELECT nonce, start_seq, end_seq, crc FROM epoch WHERE end_seq IS NULL'),
    forgetEpochsEndedBefore: query('DELETE FROM epoch WHERE ended_ms < ?'),
    forgetEpochs: query('DELETE FROM epoch'),
    docNamed: column('SELECT id FROM doc WHERE name = ?'),
    lastDocId: column('SELECT max(id) FROM doc'),
    addDoc: query(`INSERT INTO doc(${docColumns}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    setDoc: query(
      `UPDATE doc SET doc_epoch = ?, digest = ?, last_seq = ?, tail_rows = ?, tail_bytes = ?, snap_seq = ?, snap_bytes = ?, flags = ?, crc = ?
       WHERE id = ?`,
    ),
    forgetDoc: query('DELETE FROM doc WHERE id = ?'),
    addLogRow: query('INSERT INTO log(seq, doc, doc_epoch, prev, origin, n, kind, crc, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    dropLogRow: query('DELETE FROM log WHERE seq = ?'),
    dropChain: query(
      `DELETE FROM log WHERE seq IN (WITH RECURSIVE chain(seq, prev) AS (
         SELECT seq, prev FROM log WHERE seq = @lastSeq AND doc = @doc
         UNION ALL SELECT l.seq, l.prev FROM chain c JOIN log l ON l.seq = c.prev WHERE l.doc = @doc AND l.seq < c.seq AND l.seq >= @snapSeq
       ) SELECT seq FROM chain)`,
    ),
    dropLogRowByScan: query('DELETE FROM log WHERE +seq = ?'),
    dropLogRowsOf: query('DELETE FROM log WHERE doc = ?'),
    wholeLog: query(`${logRows} ORDER BY l.seq`),
    origin: column('SELECT id FROM origin WHERE nonce = ?'),
    addOrigin: query('INSERT INTO origin(nonce) VALUES(?)'),
    putSnap: query('INSERT OR REPLACE INTO snap(doc, seq, enc, know_crc, data_crc, know, data) VALUES(?, ?, ?, ?, ?, ?, ?)'),
    dropSnap: query('DELETE FROM snap WHERE doc = ?'),
    putRemains: query(
      'INSERT OR REPLACE INTO remains(key, doc_epoch, at_ms, enc, size, crc, name, data) VALUES(@key, @doc_epoch, @at_ms, @enc, @size, @crc, @name, @data)',
    ),
    forgetRemainsBefore: query('DELETE FROM remains WHERE at_ms < ?'),
    putCursor: query('INSERT OR REPLACE INTO receive_cursor(peer, scope, nonce, seq, crc) VALUES(@peer, @scope, @nonce, @seq, @crc)'),
    dropCursor: query('DELETE FROM receive_cursor WHERE peer = ? AND scope = ?'),
    dropCursors: query('DELETE FROM receive_cursor'),
    putAck: query('INSERT OR REPLACE INTO peer_ack(peer, scope, seq, durability, crc) VALUES(@peer, @scope, @seq, @durability, @crc)'),
    dropAcks: query('DELETE FROM peer_ack'),
    putHeld: query(
      'INSERT OR REPLACE INTO held(id, key, origin, n, at_ms, crc, name, data) VALUES(@id, @key, @origin, @n, @at_ms, @crc, @name, @data)',
    ),
    dropHeld: query('DELETE FROM held WHERE id = ?'),
    putRefusal: query(
      'INSERT OR REPLACE INTO refusal(peer, key, direction, code, retryable, digest, crc) VALUES(@peer, @key, @direction, @code, @retryable, @digest, @crc)',
    ),
    dropRefusal: query('DELETE FROM refusal WHERE peer = ? AND key = ? AND direction = ?'),
    dropRefusals: query('DELETE FROM refusal'),
  })
}

type Makers<S> = { readonly [K in keyof S]: () => S[K] }

/** The same names, each with what its maker made at its first use. */
function preparedOnUse<S extends object>(makers: Makers<S>): S {
  const all = {} as S
  for (const name of Object.keys(makers) as (keyof S)[]) {
    const get = (): S[keyof S] => {
      const value = makers[name]()
      Object.defineProperty(all, name, { value })
      return value
    }
    Object.defineProperty(all, name, { get, configurable: true, enumerable: true })
  }
  return all
}

/** Statements whose types are those of the verb they are assigned to: rows, the first column of each, or rows as arrays. */
function makers(db: Database): {
  query: <P extends unknown[], R>(sql: string) => () => Query<P, R>
  column: <P extends unknown[], R>(sql: string) => () => Query<P, R>
  row: <P extends unknown[], R>(sql: string) => () => Query<P, R>
} {
  return {
    query:
      <P extends unknown[], R>(sql: string) =>
      () =>
        db.prepare(sql) as unknown as Query<P, R>,
    column:
      <P extends unknown[], R>(sql: string) =>
      () =>
        db.prepare(sql).pluck() as unknown as Query<P, R>,
    row:
      <P extends unknown[], R>(sql: string) =>
      () =>
        db.prepare(sql).raw() as unknown as Query<P, R>,
  }
}

/** Runs `work` in one write transaction: all of it is committed on return, or it is undone and what it threw is thrown. An async `work` does not compile. */
export function atomically<T>(db: Database, work: () => T extends Promise<unknown> ? never : T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Runs `read` on one state of the file, however many statements it needs. */
export function atOneState<T>(db: Database, read: () => T extends Promise<unknown> ? never : T): T {
  db.exec('BEGIN')
  try {
    return read()
  } finally {
    if (db.inTransaction) db.exec('COMMIT')
  }
}

export function rebuildDocIndexes(db: Database): void {
  db.exec('REINDEX doc')
}

/** Moves the WAL into the file and empties it, as far as readers allow. */
export function checkpoint(db: Database): void {
  db.pragma('wal_checkpoint(TRUNCATE)')
}

/** Alone, for a file whose other tables may be of an older format. */
export function metaStatement(db: Database): ReadStatements['meta'] {
  return makers(db).query<[k: string], StoredMeta>('SELECT v, crc FROM meta WHERE k = ?')()
}

/** Text that changes whenever somebody opens the file for writing, whatever its format. */
export function fileMark(db: Database): string {
  const epoch = db.prepare<[], string>('SELECT hex(nonce) FROM epoch ORDER BY id DESC LIMIT 1').pluck().get() ?? 'none'
  return [epoch, ...db.prepare<[], string>('SELECT k || v FROM meta ORDER BY k').pluck().all()].join('\n')
}

/** About the size of a copy. */
export function usedBytes(db: Database): number {
  const [pages, free, bytes] = ['page_count', 'freelist_count', 'page_size'].map((name) => db.pragma(name, { simple: true }) as number)
  return (pages! - free!) * bytes!
}

/** Writes the committed state to a file that is absent or empty. Does not wait for the medium. */
export function copyInto(db: Database, file: string): void {
  db.prepare('VACUUM INTO ?').run(file)
}

/** Gives free pages back to the file system, at most `pages`. */
export function releasePages(db: Database, pages: number): void {
  if (freePages(db) > 0) db.pragma(`incremental_vacuum(${pages})`)
}

/** Pages of the file that hold nothing. */
export function freePages(db: Database): number {
  return db.pragma('freelist_count', { simple: true }) as number
}

/** SQLite's own check of its structure, at most `limit` complaints; empty when it has none. Cost: reads the whole file. */
export function structureComplaints(db: Database, limit: number): readonly string[] {
  const found = db.pragma(`integrity_check(${limit})`) as readonly { integrity_check: string }[]
  return found.map((row) => row.integrity_check).filter((text) => text !== 'ok')
}
