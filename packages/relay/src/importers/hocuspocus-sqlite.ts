// Source: the database of @hocuspocus/extension-sqlite (versions 2 to 4): one table documents(name, data), data being the document's whole state as one Yjs v1
// update. Opened read-only, and read in many short reads, so that a Hocuspocus server that still runs on it is never locked out. Rules: IM-1, IM-3.

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import type { ImportSource, SourceDocument } from './import-source.ts'
import { loadOptional } from './optional-package.ts'

/** What is used of better-sqlite3. */
interface Database {
  prepare(sql: string): { all(...values: unknown[]): unknown[]; get(...values: unknown[]): unknown }
  close(): void
}
type DatabaseConstructor = new (path: string, options: { readonly: boolean; fileMustExist: boolean }) => Database

/** Rejects with "argument-invalid" when the file is none of Hocuspocus, "sqlite-missing". */
export async function openHocuspocusSqlite(file: string): Promise<ImportSource> {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) throw new SynclineError('argument-invalid', `There is no file ${file}.`)
  const Sqlite = await loadSqlite()
  const copy = await copyOfIdleWal(file)
  const remove = async (): Promise<void> => (copy === null ? undefined : rm(copy.folder, { recursive: true, force: true }))
  let db: Database | null = null
  try {
    db = new Sqlite(copy?.file ?? file, { readonly: true, fileMustExist: true })
    const names = namesIn(db, file)
    const read = db.prepare('SELECT data FROM "documents" WHERE name = ? ORDER BY rowid DESC')
    return {
      total: names.length,
      unit: 'document',
      // oxlint-disable-next-line require-await -- the contract is asynchronous, better-sqlite3 is not
      documents: async function* () {
        for (const name of names) yield document(name, () => read.get(name))
      },
      close: () => {
        db?.close()
        return remove()
      },
    }
  } catch (error) {
    db?.close()
    await remove()
    throw error instanceof SynclineError ? error : unreadable(file, error)
  }
}

function namesIn(db: Database, file: string): string[] {
  const columns = (db.prepare('SELECT name FROM pragma_table_info(?)').all('documents') as { name: string }[]).map(({ name }) => name)
  if (!columns.includes('name') || !columns.includes('data'))
    throw new SynclineError(
      'argument-invalid',
      `${file} has no table documents(name, data): it is no database of @hocuspocus/extension-sqlite.`,
    )
  return (db.prepare('SELECT name FROM "documents" ORDER BY name').all() as { name: unknown }[]).map(({ name }) => String(name))
}

function document(name: string, row: () => unknown): SourceDocument {
  return {
    name,
    // oxlint-disable-next-line require-await -- a throw becomes a rejection
    read: async () => {
      const { data } = (row() ?? {}) as { data?: unknown }
      return data instanceof Uint8Array ? { updates: [new Uint8Array(data)] } : { problem: 'its data is no blob' }
    },
  }
}

/** A WAL database that nobody has open is read from a copy: SQLite would leave its -wal and -shm files beside the original. Null: read it where it is. */
async function copyOfIdleWal(file: string): Promise<{ folder: string; file: string } | null> {
  if (!hasWalFormat(file) || (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return null
  const folder = await mkdtemp(join(tmpdir(), 'syncline-import-'))
  await copyFile(file, join(folder, 'source.db'))
  return { folder, file: join(folder, 'source.db') }
}

/** Byte 18 of the header is 2 for a database in WAL mode. */
function hasWalFormat(file: string): boolean {
  const byte = new Uint8Array(1)
  const descriptor = openSync(file, 'r')
  try {
    return readSync(descriptor, byte, 0, 1, 18) === 1 && byte[0] === 2
  } finally {
    closeSync(descriptor)
  }
}

async function loadSqlite(): Promise<DatabaseConstructor> {
  try {
    const found = (await loadOptional(['@syncline/store/package.json > better-sqlite3', 'better-sqlite3'])) as {
      default: DatabaseConstructor
    } | null
    if (found !== null) return found.default
  } catch (cause) {
    throw new SynclineError('sqlite-missing', `SQLite could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      cause,
    })
  }
  throw new SynclineError('sqlite-missing', 'Reading a Hocuspocus database needs the package better-sqlite3, which is not installed.')
}

function unreadable(file: string, cause: unknown): SynclineError {
  return new SynclineError('argument-invalid', `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, {
    cause,
  })
}
