// The quick form of the crash images (test/chaos/crash-images): fixed seeds, so that each is the same power cut every time. `pnpm chaos` runs more of them.

import { copyFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { openSqliteStore, type SqliteDurability, type SqliteStore } from '@syncline/store/sqlite'
import { replayCommand, temporaryFolder } from '../chaos/crash-images/campaign.ts'
import { crashImage, type ImageResult } from '../chaos/crash-images/image.ts'

let folder: string
beforeAll(() => {
  folder = temporaryFolder()
})
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))

async function images(seeds: readonly number[], durability: SqliteDurability, ignoresSync = false): Promise<ImageResult[]> {
  const found: ImageResult[] = []
  for (const seed of seeds) found.push(await crashImage(seed, { folder, durability, ignoresSync }))
  return found
}

function expectSound(found: readonly ImageResult[]): void {
  for (const image of found) expect(image.violations, `replay: ${replayCommand(image)}`).toEqual([])
}

function seeds(first: number, count: number, step = 1): number[] {
  return Array.from({ length: count }, (_, index) => first + index * step)
}

test('[DU-1] sqlite disk: no power cut takes an acknowledged transaction, wherever it falls', async () => {
  const found = await images(seeds(101, 8), 'disk')
  expectSound(found)
  expect(found.reduce((sum, image) => sum + image.looked, 0)).toBeGreaterThan(100)
  expect(found.map((image) => image.lost)).toEqual(found.map(() => 0))
})

test('[DU-2] sqlite process: a power cut takes at most the end, and what is left is a whole prefix', async () => {
  const found = await images(seeds(201, 8), 'process')
  expectSound(found)
  expect(found.filter((image) => image.lost > 0).length).toBeGreaterThan(1)
})

test('[ID-1] sqlite process: after a power cut took what peers had seen, no position and no client id is used again', async () => {
  // multiples of four end with the engine on the file
  const found = await images(seeds(400, 4, 4), 'process')
  expectSound(found)
  expect(found.some((image) => image.lost > 0)).toBe(true)
})

test('[ST-4] sqlite: a creation that the power cut off, in any of its operations, leaves a file that opens', async () => {
  // each once left a file that was refused for ever: for a rollback journal, and for parts of its first transaction in the WAL
  expectSound(await images([1045, 1079, 1207, 1341], 'disk'))
  expectSound([await crashImage(112072, { folder, durability: 'process', creationCut: 72 })])
  const found: ImageResult[] = []
  for (let cut = 0; cut < 95; cut += 9) found.push(await crashImage(500 + cut, { folder, durability: 'disk', creationCut: cut }))
  expectSound(found)
  expect(found.map(({ cuts }) => cuts[0]!.phase)).toEqual(found.map(() => 'create'))
})

test('[ST-4] sqlite: the rollback journal of a creation is rolled back, one of another program is left to it', async () => {
  const [path, cut] = [join(folder, 'whole.db'), join(folder, 'cut.db')]
  const db = new Sqlite(path)
  db.pragma('page_size = 8192')
  db.exec('VACUUM')
  /** What a crash in a transaction leaves: with a cache of two pages it writes to the file before its commit. */
  const cutIn = (sql: string): void => {
    db.pragma('cache_size = 2')
    db.exec(`BEGIN; ${sql}; INSERT INTO t SELECT zeroblob(20000) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8))`)
    for (const suffix of ['', '-journal']) copyFileSync(path + suffix, cut + suffix)
    db.exec('ROLLBACK')
  }
  const open = (): Promise<SqliteStore> => openSqliteStore({ path: cut, space: DEFAULT_SPACE, durability: 'disk' })

  cutIn('CREATE TABLE t(a)')
  const store = await open()
  expect([store.openReason, store.reader.head()]).toEqual(['created', 0])
  await store.close()

  db.exec('CREATE TABLE t(a)')
  cutIn('DELETE FROM t')
  const before = readFileSync(cut)
  await expect(open()).rejects.toMatchObject({ code: 'store-io' })
  expect(readFileSync(cut).equals(before)).toBe(true)
  db.close()
})

test('[DU-1] sqlite disk: on a disk that syncs nothing the same check finds losses', async () => {
  const found = await images(seeds(1, 4), 'disk', true)
  expect(found.filter((image) => image.violations.length > 0).length).toBeGreaterThan(1)
})
