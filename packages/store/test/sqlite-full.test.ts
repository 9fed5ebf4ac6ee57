// A full disk: nothing is acknowledged, reads go on, sweeps can run, and writes resume when there is room. Once with a bound on the file, and, where a
// small file system can be mounted, with a disk that is really full.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, SynclineError } from '@syncline/protocol'
import { openSqliteStore, type SqliteStore } from '@syncline/store/sqlite'
import { Author, madeUpBytes } from '../src/contract/author.ts'
import { wholeLog } from '../src/contract/commit-rules.ts'
import { smallDisk } from './small-disk.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

let folder: string

beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => removeFolder(folder))

/** Commits rows until one is refused; returns how many were not. */
async function fill(store: SqliteStore, data: number): Promise<number> {
  for (let commits = 0; ; commits++) {
    const author = new Author(store)
    try {
      await author.commit([{ doc: `d${commits % 3}`, data }])
    } catch (error) {
      expect(error).toBeInstanceOf(SynclineError)
      expect((error as SynclineError).code).toBe('store-full')
      return commits
    }
  }
}

function expectReadable(store: SqliteStore, rows: number): void {
  expect(store.reader.head()).toBe(rows)
  const log = wholeLog(store)
  expect(log.length).toBe(rows)
  for (const row of log) expect(Buffer.compare(row.data, madeUpBytes(row.data.length, row.seq))).toBe(0)
}

test('[SQ-16] sqlite: a file at its bound refuses commits with "store-full", keeps what it acknowledged, and takes smaller ones', async () => {
  const store = await openSqliteStore({ path: join(folder, 'space.db'), space: DEFAULT_SPACE, durability: 'disk', maxPages: 400 })
  const commits = await fill(store, 50_000)
  expect(commits).toBeGreaterThan(10)
  expectReadable(store, commits)
  const behind = await Promise.allSettled([fill(store, 100_000), fill(store, 100_000)])
  expect(behind.map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled'])
  expectReadable(store, commits)
  await store.close()
  const again = await openSqliteStore({ path: join(folder, 'space.db'), space: DEFAULT_SPACE, durability: 'disk' })
  expectReadable(again, commits)
  await new Author(again).commit([{ doc: 'd0', data: 500_000 }])
  await again.close()
})

const disk = smallDisk('24m')

test.skipIf(disk === null)(
  '[SQ-16] sqlite: on a full disk nothing is acknowledged, reads and sweeps go on, and commits resume with the room',
  async () => {
    const data = join(disk!.path, 'data')
    mkdirSync(data)
    try {
      const store = await openSqliteStore({ path: join(data, 'space.db'), space: DEFAULT_SPACE, durability: 'disk' })
      expect(existsSync(join(data, 'syncline.ballast'))).toBe(true)
      const other = join(disk!.path, 'other')
      writeFileSync(other, Buffer.alloc(9 * 1024 * 1024))
      const commits = await fill(store, 60_000)
      expect(commits).toBeGreaterThan(10)
      expectReadable(store, commits)
      expect(existsSync(join(data, 'syncline.ballast')), 'the ballast is given up').toBe(false)
      await expect(new Author(store).commit([{ doc: 'd0', data: 60_000 }])).rejects.toMatchObject({ code: 'store-full' })
      const author = new Author(store)
      const { lastSeq, key } = store.reader.doc(author.key('d1'))!
      const { installed } = await store.sweep([
        { key, expectedLastSeq: lastSeq, update: madeUpBytes(5000, 1), knowledge: madeUpBytes(9, 1) },
      ])
      expect(installed.length).toBe(1)
      expect(store.reader.content(key)?.snapshot?.update.length).toBe(5000)
      rmSync(other)
      const head = store.reader.head()
      await new Author(store).commit([{ doc: 'd0', data: 60_000 }])
      expect(store.reader.head()).toBe(head + 1)
      expect(existsSync(join(data, 'syncline.ballast')), 'the ballast is back').toBe(true)
      await store.close()
      const again = await openSqliteStore({ path: join(data, 'space.db'), space: DEFAULT_SPACE, durability: 'disk' })
      expect([again.reader.head(), again.logDamaged]).toEqual([head + 1, false])
      await again.close()
    } finally {
      disk!.end()
    }
  },
)
