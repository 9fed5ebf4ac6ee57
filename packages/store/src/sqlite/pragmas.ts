// How a space file is opened for writing. Decides: page size, WAL, what a commit survives. What matters is set and then read back, because
// SQLite ignores a pragma that it cannot honour without saying so. Sources: PROTOCOL.md 4, TRAPS T22. Rule: DU-1.

import { SynclineError } from '@syncline/protocol/stored'
import type { Database } from './load-sqlite.ts'
import type { SqliteDurability } from './sqlite-api.ts'

/** SQLite's numbers for synchronous: NORMAL survives kill -9, FULL a power cut too. */
const synchronousOf = { process: 1, disk: 2 } as const satisfies Record<SqliteDurability, number>

const PAGE_BYTES = 8192
const AUTO_VACUUM_INCREMENTAL = 2

/** Sets up a writing connection, before its first statement. `maxPages` bounds the file. Throws "store-pragma" when something was not honoured. */
export function setPragmas(db: Database, options: { fresh: boolean; durability: SqliteDurability; maxPages: number | null }): void {
  if (options.fresh) {
    db.pragma('journal_mode = DELETE')
    db.pragma(`page_size = ${PAGE_BYTES}`)
    db.pragma(`auto_vacuum = ${AUTO_VACUUM_INCREMENTAL}`)
    db.exec('VACUUM') // an empty database may have a first page already: this lays it out anew
  }
  db.pragma('journal_mode = WAL')
  db.pragma(`synchronous = ${synchronousOf[options.durability]}`)
  if (options.durability === 'disk') {
    db.pragma('fullfsync = 1') // macOS: fsync alone does not reach the medium
    db.pragma('checkpoint_fullfsync = 1')
  }
  db.pragma('wal_autocheckpoint = 2000')
  db.pragma('journal_size_limit = 67108864')
  db.pragma('cache_size = -32768')
  db.pragma('trusted_schema = 0')
  if (options.maxPages !== null) db.pragma(`max_page_count = ${options.maxPages}`)
  assertPragma(db, 'journal_mode', 'wal')
  assertPragma(db, 'synchronous', synchronousOf[options.durability])
  if (options.fresh) {
    assertPragma(db, 'page_size', PAGE_BYTES)
    assertPragma(db, 'auto_vacuum', AUTO_VACUUM_INCREMENTAL)
  }
}

/** What a commit on this connection survives, as SQLite reports it. Throws "store-pragma" when it is neither of ours. */
export function readDurability(db: Database): SqliteDurability {
  const synchronous = db.pragma('synchronous', { simple: true })
  if (synchronous === synchronousOf.process) return 'process'
  if (synchronous === synchronousOf.disk) return 'disk'
  throw new SynclineError('store-pragma', `SQLite reports synchronous = ${String(synchronous)}.`)
}

function assertPragma(db: Database, name: string, wanted: string | number): void {
  const found = db.pragma(name, { simple: true })
  if (found === wanted) return
  throw new SynclineError('store-pragma', `SQLite was asked for ${name} = ${wanted} and reports ${String(found)}.`, {
    detail: { pragma: name },
  })
}
