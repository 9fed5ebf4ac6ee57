// Looks at a file before anything is written to it. Decides: new, ours, newer or foreign; and whether commits at the end of the WAL were lost.
// Reads only: a file that is refused keeps its bytes. A file of zero bytes, or a database without a table, counts as new: there is nothing in it
// to lose, and it is what a creation that was cut off leaves behind, perhaps with the rollback journal of its first steps. Unless a WAL beside
// a file of zero bytes holds commits: then something was lost, and SQLite would throw the WAL away. Rules: DU-2 and catalogue 95 to 97 of the bad inputs.

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { SynclineError } from '@syncline/protocol/stored'
import type { Database, DatabaseConstructor } from './load-sqlite.ts'
import { APPLICATION_ID, FORMAT } from './migrations.ts'
import { withStoreErrors } from './sqlite-error.ts'

const SMALLEST_DATABASE_BYTES = 512

/** Format version of the file, 0 for a new one; `newest`: the highest that is not refused. Throws "store-foreign", "store-newer", "store-corrupt", "store-io". */
export function inspectFile(Sqlite: DatabaseConstructor, path: string, newest: number = FORMAT): number {
  const stat = withStoreErrors(`The file ${path} cannot be examined`, () => statSync(path, { throwIfNoEntry: false }))
  if (stat?.isFile() === false) throw new SynclineError('store-foreign', `${path} is not a file.`)
  const isEmpty = stat === undefined || stat.size === 0
  // with bytes but no table in it, a creation was cut off in its first transaction, which nobody was told of, and the WAL may have parts of that
  if (isEmpty && isWalTailLost(path, 0)) {
    throw new SynclineError(
      'store-corrupt',
      `${path} is empty, but ${path}-wal holds commits. Keep both for inspection, or delete both to start anew.`,
    )
  }
  return isEmpty ? 0 : storedFormat(Sqlite, path, stat.size, newest)
}

function storedFormat(Sqlite: DatabaseConstructor, path: string, size: number, newest: number): number {
  // SQLite takes a file of a few bytes for an empty one
  if (size < SMALLEST_DATABASE_BYTES)
    throw new SynclineError('store-corrupt', `${path} has ${size} bytes: it is cut off, or not a database.`)
  return withStoreErrors(`The file ${path} cannot be read`, () => {
    if (isCreationCutOff(path)) return 0
    const db = new Sqlite(path, { readonly: true, fileMustExist: true, timeout: 1000 })
    try {
      return formatOf(db, path, newest)
    } finally {
      db.close()
    }
  })
}

const JOURNAL_MAGIC = 'd9d505f920a163d7'
const INITIAL_PAGES_AT = 16
const USER_VERSION_AT = 60
const APPLICATION_ID_AT = 68
const TABLES_AT = 103

/** True when a rollback journal will take the file back to nothing. Ours has one only before it gets its WAL, in its creation; what a connection for
 *  reading says of it is only that it may not roll it back. */
function isCreationCutOff(path: string): boolean {
  const journal = statSync(`${path}-journal`, { throwIfNoEntry: false })?.size ?? 0
  if (journal === 0) return false
  const header = firstBytes(`${path}-journal`, 28)
  if (header.toString('hex', 0, 8) === JOURNAL_MAGIC && header.readUInt32BE(INITIAL_PAGES_AT) === 0) return true
  const page = firstBytes(path, SMALLEST_DATABASE_BYTES)
  const isMarked = page.readUInt32BE(USER_VERSION_AT) !== 0 || page.readUInt32BE(APPLICATION_ID_AT) !== 0
  return page.toString('latin1', 0, 15) === 'SQLite format 3' && !isMarked && page.readUInt16BE(TABLES_AT) === 0
}

/** Zeros where the file is shorter. */
function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count)
  const file = openSync(path, 'r')
  try {
    readSync(file, bytes, 0, count, 0)
    return bytes
  } finally {
    closeSync(file)
  }
}

/** As inspectFile, for a connection that is open. */
export function formatOf(db: Database, path: string, newest: number = FORMAT): number {
  const application = db.pragma('application_id', { simple: true }) as number
  const version = db.pragma('user_version', { simple: true }) as number
  const tables = db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get()
  if (application === 0 && version === 0 && tables === 0) return 0
  if (application !== APPLICATION_ID) throw new SynclineError('store-foreign', `${path} is a database of another program.`)
  if (version > newest) {
    throw new SynclineError('store-newer', `${path} has format ${version}; this release reads up to ${newest}.`, {
      detail: { format: version, newest },
    })
  }
  // SQLite reads the missing end of a last page as zeros; a WAL may still hold that page
  const isCut = statSync(path).size % (db.pragma('page_size', { simple: true }) as number) !== 0 && walBytes(path) === 0
  if (isCut) throw new SynclineError('store-corrupt', `${path} is cut off in the middle of a page.`)
  if (version < 1 || tables === 0) throw new SynclineError('store-corrupt', `${path} has our mark and format ${version}, but no content.`)
  return version
}

const WAL_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24

/** True when the WAL holds a commit behind the `framesRead` frames that SQLite took from it: a bit flipped or a write was torn in the middle, and
 *  what was committed behind it is gone. SQLite does not report this (TRAPS T23). Read it before the WAL is written again. */
export function isWalTailLost(path: string, framesRead: number): boolean {
  const size = walBytes(path)
  if (size <= WAL_HEADER_BYTES) return false
  const file = openSync(`${path}-wal`, 'r')
  try {
    const header = Buffer.alloc(WAL_HEADER_BYTES)
    readSync(file, header, 0, WAL_HEADER_BYTES, 0)
    if (!isWalHeaderWhole(header)) return true
    const frameBytes = FRAME_HEADER_BYTES + header.readUInt32BE(8)
    const frame = Buffer.alloc(FRAME_HEADER_BYTES)
    for (let at = WAL_HEADER_BYTES + framesRead * frameBytes; at + frameBytes <= size; at += frameBytes) {
      readSync(file, frame, 0, FRAME_HEADER_BYTES, at)
      const isCommit = frame.readUInt32BE(4) !== 0
      // frames of an earlier round through the WAL carry an older salt
      if (isCommit && frame.compare(header, 16, 24, 8, 16) === 0) return true
    }
    return false
  } finally {
    closeSync(file)
  }
}

/** Size of the file's WAL, 0 for none. */
export function walBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
}

/** The header's own checksum over its first 24 bytes, as SQLite computes it. */
function isWalHeaderWhole(header: Buffer): boolean {
  const isBigEndian = header.readUInt32BE(0) === 0x377f0683
  if (!isBigEndian && header.readUInt32BE(0) !== 0x377f0682) return false
  const word = (at: number): number => (isBigEndian ? header.readUInt32BE(at) : header.readUInt32LE(at))
  let [a, b] = [0, 0]
  for (let at = 0; at < 24; at += 8) {
    a = (a + word(at) + b) >>> 0
    b = (b + word(at + 4) + a) >>> 0
  }
  return a === header.readUInt32BE(24) && b === header.readUInt32BE(28)
}
