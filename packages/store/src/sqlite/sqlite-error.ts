// What SQLite and the file system say, as one of our codes. Decides: which result code is whose doing. Codes are matched by SQLite's own names
// (extended codes start with the primary one), never by English text. Read by everything that touches a database.

import { SynclineError, type ErrorCode } from '@syncline/protocol/stored'

/** Primary result codes by name; everything else is "store-io". */
const codesBySqliteName: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ['SQLITE_FULL', 'store-full'],
  ['SQLITE_CORRUPT', 'store-corrupt'],
  ['SQLITE_NOTADB', 'store-corrupt'],
  ['SQLITE_BUSY', 'store-locked'],
  ['SQLITE_LOCKED', 'store-locked'],
]

/** `error` itself when it is a SynclineError; else one with the code that fits, saying what was tried. */
export function asStoreError(error: unknown, tried: string): SynclineError {
  if (error instanceof SynclineError) return error
  const name = errorName(error)
  const text = error instanceof Error ? error.message : String(error)
  const detail = name === null ? {} : { sqlite: name }
  return new SynclineError(storeCode(name), `${tried}: ${text}${name === null ? '' : ` (${name})`}.`, { cause: error, detail })
}

/** 'SQLITE_IOERR_WRITE', 'ENOSPC' and the like; null for an error without a code. */
export function errorName(error: unknown): string | null {
  const code = error instanceof Error ? (error as { code?: unknown }).code : null
  return typeof code === 'string' ? code : null
}

function storeCode(name: string | null): ErrorCode {
  if (name === null) return 'store-io'
  if (name === 'ENOSPC' || name === 'EDQUOT') return 'store-full'
  return codesBySqliteName.find(([prefix]) => name.startsWith(prefix))?.[1] ?? 'store-io'
}

/** Runs `work`, turning what it throws into a SynclineError. */
export function withStoreErrors<T>(tried: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asStoreError(error, tried)
  }
}
