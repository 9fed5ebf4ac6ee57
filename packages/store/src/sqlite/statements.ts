// All SQL of a space file, named as verbs: what a reader asks (readStatements), what the writer does (writeStatements). A transaction cannot
// wait: everything here is synchronous, and atomically() takes no async function. The schema is migrations.ts; row shapes are stored-rows.ts.

import { LIMITS } from '@syncline/protocol'
import type { Database } from './load-sqlite.ts'
import type {
  StoredAck,
  StoredCursor,
  StoredDoc,
  StoredEpochRow,
  StoredHeld,
  StoredLog,
  StoredRefusal,
  StoredSnap,
} from './stored-rows.ts'

const docColumns = 'id, key, doc_epoch, digest, last_seq, tail_rows, tail_bytes, snap_seq, snap_bytes, flags, crc, name'
const logColumns = 'l.seq, l.doc, l.doc_epoch, l.prev, l.n, l.kind, l.crc, l.data, d.key AS key, o.nonce AS origin'
const logJoins = 'log l LEFT JOIN doc d ON d.id = l.doc LEFT JOIN origin o ON o.id = l.origin'
/** compaction-policy.ts in SQL, word for word as the partial index states it. */
const isDue = `tail_rows >= ${LIMITS.tailRowsDue} OR (tail_bytes >= ${LIMITS.tailBytesDue} AND tail_bytes * 4 >= snap_bytes)`
const urgency = `max(tail_rows * 1.0 / ${LIMITS.tailRowsDue}, tail_bytes / max(${LIMITS.tailBytesDue}, snap_bytes / 4.0))`

export interface StoredMeta {
  v: string
  crc: number
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- the shape is the list of verbs below
function prepareReads(db: Database) {
  return {
    meta: db.prepare<[k: string], StoredMeta>('SELECT v, crc FROM meta WHERE k = ?'),
    epoch: db.prepare<[nonce: Uint8Array], StoredEpochRow>('SELECT nonce, start_seq, end_seq, crc FROM epoch WHERE nonce = ?'),
    newestEpoch: db.prepare<[], StoredEpochRow>('SELECT nonce, start_seq, end_seq, crc FROM epoch ORDER BY id DESC LIMIT 1'),
    doc: db.prepare<[key: Uint8Array], StoredDoc>(`SELECT ${docColumns} FROM doc WHERE key = ?`),
    docsFrom: db.prepare<[first: Uint8Array, last: Uint8Array, limit: number], StoredDoc>(
      `SELECT ${docColumns} FROM doc WHERE key >= ? AND key <= ? ORDER BY key LIMIT ?`,
    ),
    docsAfter: db.prepare<[after: Uint8Array, first: Uint8Array, last: Uint8Array, limit: number], StoredDoc>(
      `SELECT ${docColumns} FROM doc WHERE key > ? AND key >= ? AND key <= ? ORDER BY key LIMIT ?`,
    ),
    docsNamed: db.prepare<[from: string, below: string, after: string, limit: number], StoredDoc>(
      `SELECT ${docColumns} FROM doc WHERE name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?`,
    ),
    docsDue: db.prepare<[limit: number], StoredDoc>(
      `SELECT ${docColumns} FROM doc WHERE (${isDue}) AND flags = 0 ORDER BY ${urgency} DESC LIMIT ?`,
    ),
    snap: db.prepare<[doc: number], StoredSnap>('SELECT seq, enc, know_crc, data_crc, know, data FROM snap WHERE doc = ?'),
    snapKnowledge: db.prepare<[doc: number], StoredSnap>('SELECT seq, enc, know_crc, data_crc, know FROM snap WHERE doc = ?'),
    logRow: db.prepare<[seq: number], StoredLog>(`SELECT ${logColumns} FROM ${logJoins} WHERE l.seq = ?`),
    logAfter: db.prepare<[after: number, limit: number], StoredLog>(`SELECT ${logColumns} FROM ${logJoins} WHERE l.seq > ? ORDER BY l.seq LIMIT ?`),
    /** Who a damaged row belongs to, by who points at it. Cost: full scans; only a damaged row is worth them. */
    docEndingAt: db.prepare<[seq: number], { key: Uint8Array }>('SELECT key FROM doc WHERE last_seq = ?'),
    docPassing: db.prepare<[seq: number], { key: Uint8Array }>('SELECT d.key AS key FROM log l JOIN doc d ON d.id = l.doc WHERE l.prev = ?'),
    logRowCount: db.prepare<[], number>('SELECT count(*) FROM log').pluck(),
    lastLogSeq: db.prepare<[], number | null>('SELECT max(seq) FROM log').pluck(),
    cursor: db.prepare<[peer: Uint8Array, scope: string], StoredCursor>(
      'SELECT peer, scope, nonce, seq, crc FROM receive_cursor WHERE peer = ? AND scope = ?',
    ),
    acks: db.prepare<[], StoredAck>('SELECT peer, scope, seq, durability, crc FROM peer_ack'),
    heldOf: db.prepare<[key: Uint8Array], StoredHeld>(
      'SELECT id, key, origin, n, at_ms, crc, name, data FROM held WHERE key = ? ORDER BY id',
    ),
    heldKeys: db.prepare<[], Uint8Array>('SELECT DISTINCT key FROM held').pluck(),
    refusals: db.prepare<[], StoredRefusal>('SELECT peer, key, direction, code, retryable, digest, crc FROM refusal'),
  }
}

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- the shape is the list of verbs below
function prepareWrites(db: Database) {
  return {
    putMeta: db.prepare<[k: string, v: string, crc: number]>('INSERT OR REPLACE INTO meta(k, v, crc) VALUES(?, ?, ?)'),
    addEpoch: db.prepare<[nonce: Uint8Array, startSeq: number, why: number, atMs: number, crc: number]>(
      'INSERT INTO epoch(nonce, start_seq, why, started_ms, crc) VALUES(?, ?, ?, ?, ?)',
    ),
    endEpoch: db.prepare<[endSeq: number, atMs: number, crc: number, nonce: Uint8Array]>(
      'UPDATE epoch SET end_seq = ?, ended_ms = ?, crc = ? WHERE nonce = ?',
    ),
    openEpochs: db.prepare<[], StoredEpochRow>('SELECT nonce, start_seq, end_seq, crc FROM epoch WHERE end_seq IS NULL'),
    forgetEpochsEndedBefore: db.prepare<[ms: number]>('DELETE FROM epoch WHERE ended_ms < ?'),
    forgetEpochs: db.prepare<[]>('DELETE FROM epoch'),

    docNamed: db.prepare<[name: string], number>('SELECT id FROM doc WHERE name = ?').pluck(),
    lastDocId: db.prepare<[], number | null>('SELECT max(id) FROM doc').pluck(),
    addDoc: db.prepare<[StoredDoc]>(
      `INSERT INTO doc(${docColumns}) VALUES(@id, @key, @doc_epoch, @digest, @last_seq, @tail_rows, @tail_bytes, @snap_seq, @snap_bytes, @flags, @crc, @name)`,
    ),
    setDoc: db.prepare<[StoredDoc]>(
      `UPDATE doc SET doc_epoch = @doc_epoch, digest = @digest, last_seq = @last_seq, tail_rows = @tail_rows, tail_bytes = @tail_bytes,
         snap_seq = @snap_seq, snap_bytes = @snap_bytes, flags = @flags, crc = @crc WHERE id = @id`,
    ),
    forgetDoc: db.prepare<[id: number]>('DELETE FROM doc WHERE id = ?'),
    allDocs: db.prepare<[], { key: Uint8Array; digest: Uint8Array }>('SELECT key, digest FROM doc'),

    addLogRow: db.prepare<
      [seq: number, doc: number, docEpoch: number, prev: number, origin: number, n: number, kind: number, crc: number, data: Uint8Array]
    >('INSERT INTO log(seq, doc, doc_epoch, prev, origin, n, kind, crc, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    dropLogRow: db.prepare<[seq: number], { prev: number; doc: number }>('DELETE FROM log WHERE seq = ? RETURNING prev, doc'),
    wholeLog: db.prepare<[], StoredLog>(`SELECT ${logColumns} FROM ${logJoins} ORDER BY l.seq`),
    origin: db.prepare<[nonce: Uint8Array], number>('SELECT id FROM origin WHERE nonce = ?').pluck(),
    addOrigin: db.prepare<[nonce: Uint8Array]>('INSERT INTO origin(nonce) VALUES(?)'),

    putSnap: db.prepare<[doc: number, seq: number, enc: number, knowCrc: number, dataCrc: number, know: Uint8Array, data: Uint8Array]>(
      'INSERT OR REPLACE INTO snap(doc, seq, enc, know_crc, data_crc, know, data) VALUES(?, ?, ?, ?, ?, ?, ?)',
    ),
    dropSnap: db.prepare<[doc: number]>('DELETE FROM snap WHERE doc = ?'),

    putCursor: db.prepare<[StoredCursor]>('INSERT OR REPLACE INTO receive_cursor VALUES(@peer, @scope, @nonce, @seq, @crc)'),
    dropCursor: db.prepare<[peer: Uint8Array, scope: string]>('DELETE FROM receive_cursor WHERE peer = ? AND scope = ?'),
    dropCursors: db.prepare<[]>('DELETE FROM receive_cursor'),
    putAck: db.prepare<[StoredAck]>('INSERT OR REPLACE INTO peer_ack VALUES(@peer, @scope, @seq, @durability, @crc)'),
    dropAcks: db.prepare<[]>('DELETE FROM peer_ack'),
    putHeld: db.prepare<[StoredHeld]>('INSERT OR REPLACE INTO held VALUES(@id, @key, @origin, @n, @at_ms, @crc, @name, @data)'),
    dropHeld: db.prepare<[id: number]>('DELETE FROM held WHERE id = ?'),
    putRefusal: db.prepare<[StoredRefusal]>(
      'INSERT OR REPLACE INTO refusal VALUES(@peer, @key, @direction, @code, @retryable, @digest, @crc)',
    ),
    dropRefusal: db.prepare<[peer: Uint8Array, key: Uint8Array, direction: number]>(
      'DELETE FROM refusal WHERE peer = ? AND key = ? AND direction = ?',
    ),
    dropRefusals: db.prepare<[]>('DELETE FROM refusal'),
  }
}

export type ReadStatements = ReturnType<typeof prepareReads>
export type WriteStatements = ReturnType<typeof prepareWrites>

export function readStatements(db: Database): ReadStatements {
  return prepareReads(db)
}

export function writeStatements(db: Database): WriteStatements {
  return prepareWrites(db)
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

/** Gives free pages back to the file system, at most `pages`. */
export function releasePages(db: Database, pages: number): void {
  if ((db.pragma('freelist_count', { simple: true }) as number) > 0) db.pragma(`incremental_vacuum(${pages})`)
}

/** SQLite's own check of its structure, at most `limit` complaints; empty when it has none. Cost: reads the whole file. */
export function structureComplaints(db: Database, limit: number): readonly string[] {
  const found = db.pragma(`integrity_check(${limit})`) as readonly { integrity_check: string }[]
  return found.map((row) => row.integrity_check).filter((text) => text !== 'ok')
}
