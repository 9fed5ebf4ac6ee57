// The schema, as numbered steps from an empty file to the newest format. A step, once released, never changes; a later format adds a step. Read
// by space-file.ts (which runs what is missing, in one transaction) and inspect-file.ts (which refuses newer files).
//
// Why a `prev` chain and no (doc, seq) index on the log, why these column orders: PROTOCOL.md 4. Ids of fixed width are blobs; `data` is the
// last column, so that reading the others never touches overflow pages. Every row has a crc (checksum.ts).

import type { Database } from './load-sqlite.ts'

export interface Migration {
  readonly version: number
  readonly up: (db: Database) => void
}

/** 'Sync', in the header of every file that Syncline made. */
export const APPLICATION_ID = 0x53796e63

export const migrations: readonly Migration[] = [
  {
    version: 1,
    up: (db) => {
      db.exec(`
        -- identity (who this file is) and state (head, totals, counters): JSON text
        CREATE TABLE meta(k TEXT PRIMARY KEY, v TEXT NOT NULL, crc INT NOT NULL) WITHOUT ROWID;

        -- one row per epoch; the newest has no end
        CREATE TABLE epoch(id INTEGER PRIMARY KEY, nonce BLOB UNIQUE NOT NULL, start_seq INT NOT NULL, end_seq INT, why INT NOT NULL,
          started_ms INT NOT NULL, ended_ms INT, crc INT NOT NULL);

        -- flags: 1 quarantined
        CREATE TABLE doc(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, doc_epoch INT NOT NULL, digest BLOB NOT NULL,
          last_seq INT NOT NULL, tail_rows INT NOT NULL, tail_bytes INT NOT NULL, snap_seq INT NOT NULL, snap_bytes INT NOT NULL,
          flags INT NOT NULL, crc INT NOT NULL, name TEXT NOT NULL);
        CREATE INDEX doc_name ON doc(name);
        -- what compaction-policy.ts calls due (a function, because SQLite does not match a partial index by an OR)
        CREATE INDEX doc_due ON doc(id) WHERE max(tail_rows / 256.0, tail_bytes / max(16384.0, snap_bytes / 4.0)) >= 1;

        -- enc: 0 plain, 1 raw deflate. know: encoded knowledge at seq
        CREATE TABLE snap(doc INTEGER PRIMARY KEY, seq INT NOT NULL, enc INT NOT NULL, know_crc INT NOT NULL, data_crc INT NOT NULL,
          know BLOB NOT NULL, data BLOB NOT NULL);

        -- kind: 0 updates, 1 snapshot marker, 2 member of an atomic batch
        CREATE TABLE log(seq INTEGER PRIMARY KEY, doc INT NOT NULL, doc_epoch INT NOT NULL, prev INT NOT NULL, origin INT NOT NULL,
          n INT NOT NULL, kind INT NOT NULL, crc INT NOT NULL, data BLOB NOT NULL);
        CREATE TABLE origin(id INTEGER PRIMARY KEY, nonce BLOB UNIQUE NOT NULL);

        CREATE TABLE receive_cursor(peer BLOB NOT NULL, scope TEXT NOT NULL, nonce BLOB NOT NULL, seq INT NOT NULL, crc INT NOT NULL,
          PRIMARY KEY(peer, scope)) WITHOUT ROWID;
        CREATE TABLE peer_ack(peer BLOB NOT NULL, scope TEXT NOT NULL, seq INT NOT NULL, durability INT NOT NULL, crc INT NOT NULL,
          PRIMARY KEY(peer, scope)) WITHOUT ROWID;
        CREATE TABLE held(id INTEGER PRIMARY KEY, key BLOB NOT NULL, origin BLOB NOT NULL, n INT NOT NULL, at_ms INT NOT NULL,
          crc INT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL);
        CREATE INDEX held_key ON held(key);
        CREATE TABLE refusal(peer BLOB NOT NULL, key BLOB NOT NULL, direction INT NOT NULL, code TEXT NOT NULL, retryable INT NOT NULL,
          digest BLOB NOT NULL, crc INT NOT NULL, PRIMARY KEY(peer, key, direction)) WITHOUT ROWID;
      `)
    },
  },
  {
    version: 2,
    up: (db) => {
      // what a higher document epoch took away, to be exported for a while. enc: 0 plain, 1 raw deflate
      db.exec(`
        CREATE TABLE remains(key BLOB NOT NULL, doc_epoch INT NOT NULL, at_ms INT NOT NULL, enc INT NOT NULL, size INT NOT NULL,
          crc INT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY(key, doc_epoch));
      `)
    },
  },
]

export const FORMAT: number = migrations.at(-1)!.version

/** Runs the steps after `from` and stamps the file; nothing when there are none. Inside the caller's transaction. */
export function migrate(db: Database, from: number, steps: readonly Migration[] = migrations): void {
  if (from === steps.at(-1)!.version) return
  for (const step of steps) {
    if (step.version > from) step.up(db)
  }
  db.pragma(`application_id = ${APPLICATION_ID}`)
  db.pragma(`user_version = ${steps.at(-1)!.version}`)
}
