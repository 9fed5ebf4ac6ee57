// One writing process per space file. The lock is an exclusive SQLite lock on a sidecar, `<path>.lock.db`, held as long as the store is open:
// it works on every platform, and the system releases it when the process dies, however it dies. `<path>.lock.pid` says who holds it; it is
// only for the words of the refusal, since the locked file itself cannot be read. Sidecars are never deleted while another opener could be
// waiting on them, so `.lock.db` stays. Rules: ID-1, catalogue 100 of TRAPS.md.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { pid } from 'node:process'
import { SynclineError } from '@syncline/protocol/stored'
import type { Database, DatabaseConstructor } from './load-sqlite.ts'
import { asStoreError } from './sqlite-error.ts'

/** Two openers at the same instant: one of them waits this long for the other to step back. */
const CONTEST_MS = 100

export interface SpaceLock {
  release(): void
}

/** Throws "store-locked" naming the process that holds it, "store-io" where the sidecar cannot be written. */
export function lockSpace(Sqlite: DatabaseConstructor, path: string): SpaceLock {
  const holder = `${path}.lock.pid`
  const db = take(Sqlite, path, holder)
  try {
    writeFileSync(holder, `${pid} ${hostname()}\n`)
  } catch (error) {
    db.close()
    throw asStoreError(error, `The lock of ${path} cannot be written`)
  }
  return {
    release() {
      rmSync(holder, { force: true })
      db.close()
    },
  }
}

function take(Sqlite: DatabaseConstructor, path: string, holder: string): Database {
  let db: Database | undefined
  try {
    db = new Sqlite(`${path}.lock.db`, { timeout: CONTEST_MS })
    db.pragma('cache_size = 1') // nothing is read or written here; SQLite would set 80 KiB aside
    db.pragma('locking_mode = EXCLUSIVE')
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db?.close()
    const typed = asStoreError(error, `The lock of ${path} cannot be taken`)
    if (typed.code !== 'store-locked') throw typed
    throw lockedBy(path, holder)
  }
}

function lockedBy(path: string, holder: string): SynclineError {
  const [holderPid, host] = readHolder(holder)
  const who = holderPid === null ? 'another process' : `process ${holderPid} on ${host}`
  const detail = holderPid === null ? { path } : { path, pid: holderPid }
  return new SynclineError('store-locked', `${path} is open in ${who}.`, { detail })
}

function readHolder(holder: string): readonly [pid: number | null, host: string] {
  try {
    const [text, host] = readFileSync(holder, 'utf8').trim().split(' ')
    return /^\d+$/.test(text ?? '') ? [Number(text), host ?? 'this machine'] : [null, '']
  } catch {
    return [null, ''] // the holder has not written it yet, or just left
  }
}
