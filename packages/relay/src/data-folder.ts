// A data folder: one SQLite file per space, `<space>.db`, with its lock beside it. Where files are, and reading them without a lock. Read by spaces.ts and the
// commands. Rules: CL-3 (reading commands take no lock and change nothing).

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SPACE, SynclineError, WHOLE_RANGE, type DocKey, type SpaceId } from '@syncline/protocol'
import type { DocRow, StoreReader } from '@syncline/store'
import { openSqliteReader, type SqliteReading } from '@syncline/store/sqlite'

export function spaceFile(folder: string, space: SpaceId): string {
  return join(folder, `${space}.db`)
}

/** Runs `use` on the committed state of a folder's default space, also while a relay writes it. Throws "store-missing" and what the store throws. */
export async function withReader<T>(folder: string, use: (reader: StoreReader, reading: SqliteReading) => T | Promise<T>): Promise<T> {
  const path = spaceFile(folder, DEFAULT_SPACE)
  if (!existsSync(path)) throw new SynclineError('store-missing', `There is no ${path}.`)
  const reading = await openSqliteReader(path)
  try {
    return await use(reading.reader, reading)
  } finally {
    reading.close()
  }
}

/** All documents, by key. One whose record is damaged is told to `onDamaged` and left out. */
export function* documentsOf(reader: StoreReader, onDamaged: (problem: SynclineError) => void): Generator<DocRow, void, undefined> {
  const page = 1000
  let after: DocKey | undefined
  for (let limit = page; ;) {
    let rows: readonly DocRow[]
    try {
      rows = reader.docs(WHOLE_RANGE, limit, after)
    } catch (error) {
      const key = error instanceof SynclineError ? error.detail['doc'] : undefined
      if (typeof key !== 'string') throw error
      if (limit === 1) {
        onDamaged(error as SynclineError)
        if (after !== undefined && key <= after) throw error
        after = key as DocKey
      }
      // The healthy ones of the page come one by one, up to the damaged one.
      limit = limit === 1 ? page : 1
      continue
    }
    yield* rows
    if (rows.length < limit) return
    after = rows.at(-1)!.key
  }
}

/** Bytes that the document occupies. */
export function storedBytes(row: DocRow): number {
  return row.snapshotBytes + row.tailBytes
}
