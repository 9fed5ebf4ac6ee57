// A file of an older format becomes one of the newest. Decides: that a complete copy stands beside the file before its content changes (written by SQLite itself,
// looked through, on the medium, then given its name); how much room that takes; which copy of an attempt that was cut off is good enough; and that the change is one
// transaction, so that whatever ends the process leaves the old file or the new one. Called by space-file.ts, under the file's lock; whether there is anything to do can be
// asked of any file, by writer.ts and by who looks after a folder. Rules: UP-1 to UP-4, UP-6.
//
// The backup is a file of the older format: the older release opens it, under a new replica id, because it is a copy (file-fingerprint.ts). What every format has
// alike, because this file reads it before any step ran: meta(k, v, crc) with its rows `identity` and `state`, and epoch(id, nonce).

import { closeSync, existsSync, fchmodSync, fsyncSync, openSync, readSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { platform } from 'node:process'
import { SynclineError, type SpaceId } from '@syncline/protocol/stored'
import { readIdentity, readState } from './file-meta.ts'
import { formatOf } from './inspect-file.ts'
import type { Database, DatabaseConstructor } from './load-sqlite.ts'
import { APPLICATION_ID, FORMAT, type Migration } from './migrations.ts'
import { asStoreError, withStoreErrors } from './sqlite-error.ts'
import { copyInto, fileMark, metaStatement, structureComplaints, usedBytes } from './statements.ts'
import type { UpgradeStage } from './upgrade-notice.ts'

export interface Upgrade {
  readonly path: string
  /** Format of the file. */
  readonly from: number
  readonly steps: readonly Migration[]
  readonly tell: (stage: UpgradeStage) => void
}

/** Room that must be left beside the backup, for the transaction of the upgrade and the next commits. */
const MARGIN_BYTES = 8 * 1024 * 1024

const HEADER_BYTES = 100
const USER_VERSION_AT = 60
const APPLICATION_ID_AT = 68

/** True when the file is of a format before the newest, so that opening it for writing upgrades it. False for what is no file of ours, or cannot be read: opening it says
 *  why. Takes no lock. Cost: 100 bytes of the file; where a process was killed right after an upgrade, true for a file that has nothing left to do. */
export function isOlderFormat(path: string): boolean {
  const header = Buffer.alloc(HEADER_BYTES)
  try {
    const file = openSync(path, 'r')
    try {
      readSync(file, header, 0, HEADER_BYTES, 0)
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
  const version = header.readUInt32BE(USER_VERSION_AT)
  return header.readUInt32BE(APPLICATION_ID_AT) === APPLICATION_ID && version > 0 && version < FORMAT
}

/** Runs `change`, which brings the file to the newest format in one transaction, with a backup kept first. Throws "store-foreign" for another space, "store-corrupt" where
 *  the copy cannot be made whole, "store-full" and "store-io"; the file is as it was then. Cost: writes the file once and reads it twice, before the change. */
export function upgradeFile<T>(Sqlite: DatabaseConstructor, db: Database, upgrade: Upgrade, space: SpaceId, change: () => T): T {
  const { path, from, steps, tell } = upgrade
  const to = steps.at(-1)!.version
  const what = `The upgrade of ${path} from format ${from} to ${to}`
  assertOurs(db, path, space)
  const bytes = usedBytes(db)
  const known = findBackup(Sqlite, db, upgrade)
  const writing = `${path}.backup-part`
  const stage = { path, backup: known.path, from, to, bytes, doneBytes: 0, writing }
  if (!known.isThere) {
    tell({ ...stage, stage: 'copying' })
    withStoreErrors(`${what} needs a backup, which could not be written; the file is as it was`, () => {
      assertRoom(path, bytes, what)
      try {
        writeBackup(Sqlite, db, { path, from, writing, backup: known.path })
      } catch (error) {
        rmSync(writing, { force: true })
        throw error
      }
    })
  }
  tell({ ...stage, stage: 'upgrading', doneBytes: bytes })
  const result = changed(what, known.path, change)
  tell({ ...stage, stage: 'upgraded', doneBytes: bytes })
  return result
}

/** Before a copy is made for nothing. Damage of these two rows is "store-corrupt". */
function assertOurs(db: Database, path: string, space: SpaceId): void {
  const meta = { meta: metaStatement(db) }
  const stored = readIdentity(meta)
  readState(meta)
  if (stored.space !== space) throw new SynclineError('store-foreign', `${path} holds the space "${stored.space}", not "${space}".`)
}

function changed<T>(what: string, backup: string, change: () => T): T {
  try {
    return change()
  } catch (error) {
    const typed = asStoreError(error, `${what} failed and was undone`)
    // What was rolled back needs no backup, and the room may be what is missing. After other failures it is kept: the next attempt uses it.
    if (typed.code === 'store-full') rmSync(backup, { force: true })
    throw typed
  }
}

/** The first free name, or the backup that an attempt left of this very state. */
function findBackup(Sqlite: DatabaseConstructor, db: Database, { path, from }: Upgrade): { path: string; isThere: boolean } {
  const mark = fileMark(db)
  for (let n = 1; ; n++) {
    const backup = `${path}.v${from}-backup${n === 1 ? '' : `-${n}`}`
    if (!existsSync(backup)) return { path: backup, isThere: false }
    if (isBackupOf(Sqlite, backup, from, mark)) return { path: backup, isThere: true }
  }
}

/** Every opening for writing begins an epoch, so equal marks mean that nobody wrote since. */
function isBackupOf(Sqlite: DatabaseConstructor, backup: string, format: number, mark: string): boolean {
  try {
    return reading(Sqlite, backup, (db) => formatOf(db, backup) === format && fileMark(db) === mark)
  } catch {
    return false
  }
}

function writeBackup(
  Sqlite: DatabaseConstructor,
  db: Database,
  { path, from, writing, backup }: { path: string; from: number; writing: string; backup: string },
): void {
  rmSync(writing, { force: true }) // of an attempt that was cut off: the lock is ours
  createLike(path, writing)
  copyInto(db, writing)
  const mark = fileMark(db)
  const complaint = reading(Sqlite, writing, (copy) => {
    if (formatOf(copy, writing) !== from || fileMark(copy) !== mark) return 'it is not the same'
    return structureComplaints(copy, 1)[0] ?? null
  })
  if (complaint !== null) throw new SynclineError('store-corrupt', `The backup of ${path} is not whole: ${complaint}.`)
  synced(writing)
  renameSync(writing, backup)
  syncFolder(dirname(path))
}

/** An empty file that the same people may read. */
function createLike(path: string, copy: string): void {
  const file = openSync(copy, 'wx', 0o600)
  try {
    fchmodSync(file, statSync(path).mode & 0o777)
  } finally {
    closeSync(file)
  }
}

function reading<T>(Sqlite: DatabaseConstructor, path: string, read: (db: Database) => T): T {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true })
  try {
    return read(db)
  } finally {
    db.close()
  }
}

/** SQLite does not do this for a copy. */
function synced(path: string): void {
  const file = openSync(path, 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** So that the name is there after a power cut. Windows has no such thing. */
function syncFolder(folder: string): void {
  if (platform === 'win32') return
  const opened = openSync(folder, 'r')
  try {
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
}

function assertRoom(path: string, bytes: number, what: string): void {
  const { bavail, bsize } = statfsSync(dirname(path))
  const [wanted, free] = [bytes + MARGIN_BYTES, bavail * bsize]
  if (free >= wanted) return
  throw new SynclineError(
    'store-full',
    `${what} keeps a backup first, which takes ${mebibytes(wanted)} MiB of free disk; there are ${mebibytes(free)}. The file is as it was.`,
    { detail: { bytes: wanted } },
  )
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024)
}
