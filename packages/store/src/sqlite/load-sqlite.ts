// The one import of better-sqlite3: an optional dependency, loaded when a file is opened.

import { SynclineError } from '@syncline/protocol/stored'
import type Sqlite from 'better-sqlite3'

export type Database = Sqlite.Database
export type DatabaseConstructor = new (path: string | Buffer, options?: Sqlite.Options) => Database

/** Throws "sqlite-missing" with the command that installs it. Cost: about 10 ms the first time. */
export async function loadSqlite(): Promise<DatabaseConstructor> {
  try {
    return (await import('better-sqlite3')).default
  } catch (cause) {
    throw new SynclineError('sqlite-missing', `SQLite could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      cause,
    })
  }
}
