// Opens a space file for looking: no lock, no new epoch, no change of a byte, whether or not a process writes it. For `syncline ls`, `inspect`,
// `export` and `verify`.

import { readFileSync, statSync } from 'node:fs'
import { Sum128, SynclineError, WHOLE_RANGE, documentPoint, isDeletion, type DocKey } from '@syncline/protocol/stored'
import { readIdentity, readState } from './file-meta.ts'
import { formatOf, walBytes } from './inspect-file.ts'
import { loadSqlite, type Database, type DatabaseConstructor } from './load-sqlite.ts'
import { SpaceReader } from './space-reader.ts'
import type { SqliteReading } from './sqlite-api.ts'
import { realPath } from './sqlite-store.ts'
import { asStoreError, errorName, withStoreErrors } from './sqlite-error.ts'
import { readStatements, structureComplaints } from './statements.ts'

/** Rejects with "sqlite-missing", "store-foreign", "store-newer", "store-corrupt", "store-io". The reader sees each commit as soon as it is made. */
export async function openSqliteReader(path: string): Promise<SqliteReading> {
  const Sqlite = await loadSqlite()
  const file = realPath(path)
  if (statSync(file, { throwIfNoEntry: false }) === undefined) throw new SynclineError('store-io', `The file ${path} does not exist.`)
  const db = connect(Sqlite, file)
  try {
    const format = formatOf(db, file)
    if (format === 0) throw new SynclineError('store-foreign', `${path} is empty.`)
    const reads = readStatements(db)
    const { replicaId, space } = readIdentity(reads)
    readState(reads)
    const reader = new SpaceReader(db)
    return { reader, replicaId, space, format, check: (onDocument) => faults(db, reader, onDocument), close: () => reader.close() }
  } catch (error) {
    db.close()
    throw asStoreError(error, `${path} cannot be read`)
  }
}

/** A read-only connection still needs its shared memory file beside the database. Where that cannot be made (a read-only folder) and no WAL waits to
 *  be read, the file is all there is, and it is read into memory. */
function connect(Sqlite: DatabaseConstructor, file: string): Database {
  try {
    return probed(new Sqlite(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS }))
  } catch (error) {
    const isFolderReadOnly = /^SQLITE_(CANTOPEN|READONLY)/.test(errorName(error) ?? '')
    if (!isFolderReadOnly || walBytes(file) > 0) throw asStoreError(error, `${file} cannot be read`)
    return inMemory(Sqlite, file)
  }
}

function inMemory(Sqlite: DatabaseConstructor, file: string): Database {
  const bytes = withStoreErrors(`${file} cannot be read`, () => readFileSync(file))
  // the two header bytes that ask for a WAL, which memory does not have
  if (bytes.length >= 100) bytes.fill(1, 18, 20)
  return probed(new Sqlite(bytes, { readonly: true }))
}

/** Opening alone reads nothing. */
function probed(db: Database): Database {
  try {
    db.pragma('schema_version')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

const BUSY_MS = 2_000
const DOCUMENTS_PER_READ = 500

function faults(db: Database, reader: SpaceReader, onDocument?: (done: number, all: number) => void): readonly string[] {
  const found = [...structureComplaints(db, 100)]
  const note = (read: () => void): void => {
    try {
      read()
    } catch (error) {
      found.push(error instanceof Error ? error.message : String(error))
    }
  }
  note(() => {
    const reads = readStatements(db)
    const { head, removed } = readState(reads)
    const rows = reads.logRowCount.get() ?? 0
    if (rows !== head - removed) found.push(`The log has ${rows} rows, but counted ${head - removed}.`)
  })
  note(() => {
    const totals = reader.totals()
    const root = new Sum128()
    let seen = 0
    let documents = 0
    let after: DocKey | undefined
    for (;;) {
      const docs = reader.docs(WHOLE_RANGE, DOCUMENTS_PER_READ, after)
      for (const { key, digest, docEpoch } of docs) {
        root.add(documentPoint(key, digest))
        note(() => reader.content(key))
        if (!isDeletion(docEpoch)) documents++
        onDocument?.(++seen, Math.max(seen, totals.documents))
      }
      after = docs.at(-1)?.key
      if (after === undefined) break
    }
    if (documents !== totals.documents || root.toHex() !== totals.root) found.push('The totals are not those of the documents.')
  })
  return found
}
