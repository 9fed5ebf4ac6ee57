// A data folder: one SQLite file per space, `<space>.db`, with its lock beside it. Where files are, and reading them without a lock. Read by spaces.ts and the
// commands. Rules: CL-3 (reading commands take no lock and change nothing).

import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isDeletion, spaceIdOrNull, SynclineError, WHOLE_RANGE, type DocKey, type SpaceId } from '@syncline/protocol'
import type { DocRow, StoreReader } from '@syncline/store'
import { openSqliteReader, type SqliteReading } from '@syncline/store/sqlite'

/** The space of this name, if it may have a file: the store keeps files beside that of a space (`acme.db.lock.db`), and no space may be called as one of them. Null for what is
 *  no name of a space, too. */
export function spaceOrNull(name: string): SpaceId | null {
  return /\.db(\.|$)/i.test(name) ? null : spaceIdOrNull(name)
}

/** As spaceOrNull, for people. Throws "space-id-invalid". */
export function spaceNamed(name: string): SpaceId {
  const space = spaceOrNull(name)
  if (space === null) throw new SynclineError('space-id-invalid', `${JSON.stringify(name)} is no name of a space.`)
  return space
}

/** How the name of a space's file ends; before it stands the space. */
const SPACE_FILE_END = '.db'

export function spaceFile(folder: string, space: SpaceId): string {
  return join(folder, `${space}${SPACE_FILE_END}`)
}

/** Spaces that have a file in the folder, by name. Cost: reads the folder. */
export function storedSpaces(folder: string): SpaceId[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith(SPACE_FILE_END))
    .flatMap((name) => spaceOrNull(basename(name, SPACE_FILE_END)) ?? [])
    .sort()
}

/** Runs `use` on the committed state of a space of a folder, also while a relay writes it. Throws "store-missing" and what the store throws. */
export async function withReader<T>(
  folder: string,
  space: SpaceId,
  use: (reader: StoreReader, reading: SqliteReading) => T | Promise<T>,
): Promise<T> {
  const path = spaceFile(folder, space)
  if (!existsSync(path)) throw new SynclineError('store-missing', `There is no ${path}.`)
  const reading = await openSqliteReader(path)
  try {
    return await use(reading.reader, reading)
  } finally {
    reading.close()
  }
}

/** All documents, by key, deleted ones too. One whose record is damaged is told to `onDamaged` and left out. */
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

/** Those that live, or those that were deleted. */
export function* livingOf(rows: Iterable<DocRow>, living = true): Generator<DocRow, void, undefined> {
  for (const row of rows) if (isDeletion(row.docEpoch) !== living) yield row
}

/** Bytes that the document occupies. */
export function storedBytes(row: DocRow): number {
  return row.snapshotBytes + row.tailBytes
}
