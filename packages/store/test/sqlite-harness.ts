// A SQLite store in a folder of its own, under the storage contract. A crash ends the writer thread with whatever it is doing; kill -9 of a whole
// process is in sqlite-kill.test.ts.

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { DEFAULT_SPACE, type DocKey } from '@syncline/protocol'
import type { StoreHarness } from '@syncline/store/contract'
import { openSqliteStore, systemClock, type Clock, type SqliteDurability, type SqliteStore } from '@syncline/store/sqlite'
import { endWriterThread } from '../src/sqlite/writer.ts'

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'syncline-store-'))
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}

/** `waits`: every commit may be waited for on the spot. */
export function sqliteHarness(durability: SqliteDurability, waits = false): StoreHarness {
  const folder = temporaryFolder()
  let path = join(folder, 'space.db')
  const kept = join(folder, 'kept')
  let nowMs = 1_700_000_000_000
  let store: SqliteStore
  const clock: Clock = { now: () => nowMs, after: (delayMs, run) => systemClock.after(delayMs, run) }
  const open = async (): Promise<SqliteStore> => {
    store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability, clock, waits })
    return waits ? waitedFor(store) : store
  }
  const reopen = async (between: () => void = () => undefined): Promise<SqliteStore> => {
    await store.close()
    between()
    return open()
  }
  return {
    space: DEFAULT_SPACE,
    open,
    reopen: () => reopen(),
    crash: async () => {
      await endWriterThread()
      return reopen()
    },
    backup: () => reopen(() => copyFileSync(path, kept)),
    // written over it, not renamed: the file stays the same file
    restore: () => reopen(() => writeFileSync(path, readFileSync(kept))),
    openCopy: () =>
      reopen(() => {
        const copy = join(folder, 'copy.db')
        copyFileSync(path, copy)
        path = copy
      }),
    damage: (key) => reopen(() => damageDocument(path, key)),
    advance: (ms) => {
      nowMs += ms
    },
    dispose: async () => {
      await store.close()
      removeFolder(folder)
    },
  }
}

/** The store, whose commit() is its commitAndWait(). */
function waitedFor(store: SqliteStore): SqliteStore {
  const commit: SqliteStore['commit'] = async (transaction) => void (await store.commitAndWait!(transaction))
  return new Proxy(store, { get: (of, name) => (name === 'commit' ? commit : Reflect.get(of, name)) })
}

/** Flips a bit of the document's newest row, behind SQLite's back. */
export function damageDocument(path: string, key: DocKey): void {
  const db = new Sqlite(path)
  const row = db
    .prepare<[Buffer], { seq: number; data: Buffer }>('SELECT l.seq, l.data FROM doc d JOIN log l ON l.seq = d.last_seq WHERE d.key = ?')
    .get(Buffer.from(key, 'hex'))!
  row.data[0]! ^= 1
  db.prepare('UPDATE log SET data = ? WHERE seq = ?').run(row.data, row.seq)
  db.close()
}
