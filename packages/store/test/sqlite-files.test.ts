// What may stand at the path of a store: nothing, an empty file, a copy, a damaged, foreign or newer file, a folder that cannot be written. Every
// refusal is typed and leaves the bytes as they were. Catalogue 95 to 101 of the bad inputs.

import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getuid, platform } from 'node:process'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseSpaceId } from '@syncline/protocol'
import { openSqliteReader, openSqliteStore, systemClock, type SqliteStore, type SqliteStoreOptions } from '@syncline/store/sqlite'
import { Author, madeUpBytes } from '../src/contract/author.ts'
import { wholeLog } from '../src/contract/commit-rules.ts'
import { APPLICATION_ID, FORMAT, migrate, migrations } from '../src/sqlite/migrations.ts'
import { readDurability, setPragmas } from '../src/sqlite/pragmas.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

let folder: string
let path: string
let nowMs = 1_700_000_000_000
const clock = { now: () => nowMs, after: systemClock.after.bind(systemClock) }
const stores: SqliteStore[] = []

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'space.db')
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  removeFolder(folder)
})

async function open(options: Partial<SqliteStoreOptions> = {}): Promise<SqliteStore> {
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process', clock, ...options })
  stores.push(store)
  return store
}

/** A closed file with some documents, a snapshot among them. */
async function writtenFile(): Promise<Buffer> {
  const store = await open()
  const author = new Author(store)
  for (let i = 0; i < 30; i++) await author.commit([{ doc: `d${i % 5}` }, { doc: 'a' }])
  const { key, lastSeq } = store.reader.doc(author.key('a'))!
  await store.sweep([{ key, expectedLastSeq: lastSeq, update: madeUpBytes(9000, 1), knowledge: madeUpBytes(9, 1) }])
  await store.close()
  return readFileSync(path)
}

/** Writer and reader both refuse the file, and it keeps its bytes. */
async function expectRefused(codes: readonly string[], options: Partial<SqliteStoreOptions> = {}): Promise<void> {
  const bytes = readFileSync(path)
  for (const opening of [() => open(options), () => openSqliteReader(path)]) {
    const error = await opening().then(
      () => null,
      (error: unknown) => error as { code: string },
    )
    expect(error?.code, `one of ${codes.join()}`).toBeOneOf([...codes])
  }
  expect(readFileSync(path).equals(bytes), 'bytes of the refused file').toBe(true)
}

test('[SQ-6] sqlite: a database of another program is refused and left as it is', async () => {
  const db = new Sqlite(path)
  db.exec('CREATE TABLE notes(text TEXT); INSERT INTO notes VALUES (1)')
  db.close()
  await expectRefused(['store-foreign'])
})

test('[SQ-6] sqlite: random bytes, text and a folder are refused and left as they are', async () => {
  for (const length of [1, 100, 512, 8192, 40_000]) {
    writeFileSync(path, madeUpBytes(length, length))
    await expectRefused(['store-corrupt', 'store-foreign'])
  }
  path = join(folder, 'a-folder')
  mkdirSync(path)
  await expect(open()).rejects.toMatchObject({ code: 'store-foreign' })
})

test('[SQ-6] sqlite: a file of a newer format is refused and left as it is', async () => {
  await writtenFile()
  const db = new Sqlite(path)
  db.pragma(`user_version = ${FORMAT + 1}`)
  db.close()
  await expectRefused(['store-newer'])
})

test('[SQ-6] sqlite: a file of another space is refused and left as it is', async () => {
  const bytes = await writtenFile()
  await expect(open({ space: parseSpaceId('another') })).rejects.toMatchObject({ code: 'store-foreign' })
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

test('[SQ-6] sqlite: a truncated file is refused and left as it is, wherever it is cut', async () => {
  const bytes = await writtenFile()
  for (const length of [1, 99, 100, 511, 512, 4096, 8191, 8192, 20_000, bytes.length - 8192, bytes.length - 1]) {
    writeFileSync(path, bytes.subarray(0, length))
    await expectRefused(['store-corrupt', 'store-foreign'])
  }
})

test('[SQ-6] sqlite: a damaged identity or log state is refused and left as it is', async () => {
  for (const key of ['identity', 'state']) {
    rmSync(path, { force: true })
    await writtenFile()
    const db = new Sqlite(path)
    db.prepare("UPDATE meta SET v = replace(v, ':', ': ') WHERE k = ?").run(key)
    db.close()
    await expectRefused(['store-corrupt'])
  }
})

test('[SQ-7] sqlite: a file of zero bytes and an empty database count as new', async () => {
  writeFileSync(path, '')
  expect((await open()).openReason).toBe('created')
  path = join(folder, 'empty.db')
  const db = new Sqlite(path)
  db.pragma('journal_mode = WAL')
  db.close()
  const store = await open()
  expect(store.openReason).toBe('created')
  await new Author(store).commit([{ doc: 'a' }])
})

test('[SQ-7] sqlite: an empty or absent file beside a WAL that holds commits is refused, and the WAL kept', async () => {
  const store = await open()
  await new Author(store).write('a', 3)
  const wal = readFileSync(`${path}-wal`)
  await store.close()
  for (const leave of [() => writeFileSync(path, ''), () => rmSync(path)]) {
    leave()
    writeFileSync(`${path}-wal`, wal)
    await expect(open()).rejects.toMatchObject({ code: 'store-corrupt' })
    expect(readFileSync(`${path}-wal`).equals(wal)).toBe(true)
  }
})

test('[SQ-8] sqlite: a folder that does not exist or cannot be written is "store-io" in words', async () => {
  path = join(folder, 'absent', 'space.db')
  await expect(open()).rejects.toMatchObject({
    code: 'store-io',
    message: expect.stringContaining(`The folder ${join(folder, 'absent')} does not exist`),
  })
  expect(existsSync(join(folder, 'absent'))).toBe(false)
  for (const bad of ['', ':memory:', ' space.db']) await expect(open({ path: bad })).rejects.toMatchObject({ code: 'argument-invalid' })
})

test.skipIf(platform === 'win32')('[SQ-8] sqlite: in a read-only folder writing is "store-io", and reading works', async () => {
  const readOnly = join(folder, 'readonly')
  mkdirSync(readOnly)
  await writtenFile()
  const place = asReadOnly(readOnly, path)
  if (place === null) return // neither an ordinary user nor allowed to mount: nothing is read-only to us
  try {
    path = place.path
    await expect(open()).rejects.toMatchObject({ code: 'store-io' })
    const reading = await openSqliteReader(path)
    expect(reading.check()).toEqual([])
    expect(reading.reader.totals().documents).toBe(6)
    reading.close()
  } finally {
    place.end()
  }
})

/** A copy of the file where nothing can be written: by permissions, or for root by a read-only mount. */
function asReadOnly(readOnly: string, file: string): { path: string; end: () => void } | null {
  const copy = join(readOnly, 'space.db')
  if (getuid?.() !== 0) {
    copyFileSync(file, copy)
    chmodSync(readOnly, 0o555)
    return { path: copy, end: () => chmodSync(readOnly, 0o755) }
  }
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', readOnly], { stdio: 'pipe' })
  } catch {
    return null
  }
  copyFileSync(file, copy)
  execFileSync('mount', ['-o', 'remount,ro', readOnly])
  return { path: copy, end: () => execFileSync('umount', [readOnly]) }
}

test('[ID-1] sqlite: a copy taken while the store is open, with its WAL or without, is another replica and holds a prefix', async () => {
  const store = await open()
  const author = new Author(store)
  await author.write('a', 20)
  const [withWal, withoutWal] = [join(folder, 'with.db'), join(folder, 'without.db')]
  copyFileSync(path, withWal)
  copyFileSync(`${path}-wal`, `${withWal}-wal`)
  copyFileSync(path, withoutWal)
  await author.write('a', 5)
  const copy = await open({ path: withWal })
  expect([copy.openReason, copy.reader.head(), copy.tailLost]).toEqual(['copied', 20, false])
  expect(copy.reader.epoch(store.reader.nonce())).toMatchObject({ endSeq: 20 })
  const bare = await open({ path: withoutWal })
  expect(bare.openReason).toBe('copied')
  expect(bare.reader.head()).toBeLessThanOrEqual(20)
  const ids = [store.replicaId, copy.replicaId, bare.replicaId]
  expect(new Set(ids).size).toBe(3)
})

test('[ID-1] sqlite: a file that was moved is the same replica', async () => {
  const store = await open()
  const { replicaId } = store
  await store.close()
  const moved = join(folder, 'moved.db')
  renameSync(path, moved)
  const again = await open({ path: moved })
  expect([again.openReason, again.replicaId]).toEqual(['opened', replicaId])
})

test.skipIf(platform === 'win32')(
  '[SQ-9] sqlite: once the file was deleted or replaced, within a second nothing is acknowledged any more',
  async () => {
    for (const replace of [() => rmSync(path), () => (rmSync(path), writeFileSync(path, 'other')), () => renameSync(path, `${path}.old`)]) {
      const store = await open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }])
      replace()
      nowMs += 1001
      await expect(author.commit([{ doc: 'a' }])).rejects.toMatchObject({ code: 'store-replaced' })
      await expect(store.rotateEpoch()).rejects.toMatchObject({ code: 'store-replaced' })
      await store.close()
      for (const left of [path, `${path}.old`, `${path}-wal`, `${path}-shm`]) rmSync(left, { force: true })
    }
  },
)

test('[SQ-10] sqlite: a WAL that was cut, or damaged in its middle, leaves a prefix, and the damage is noticed', async () => {
  const store = await open()
  await new Author(store).write('a', 40)
  const [main, wal] = [readFileSync(path), readFileSync(`${path}-wal`)]
  await store.close()
  const openDamaged = async (bytes: Buffer): Promise<{ head: number; tailLost: boolean }> => {
    writeFileSync(path, main)
    writeFileSync(`${path}-wal`, bytes)
    const damaged = await open()
    const head = damaged.reader.head()
    expect(wholeLog(damaged).map((row) => row.seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
    await damaged.close()
    return { head, tailLost: damaged.tailLost }
  }
  expect(await openDamaged(wal)).toEqual({ head: 40, tailLost: false })
  const frame = 24 + 8192
  const lastFrame = 32 + Math.floor((wal.length - 32) / frame - 1) * frame
  const cut = await openDamaged(wal.subarray(0, lastFrame + 100))
  expect(cut.head).toBeLessThan(40)
  for (const at of [200, 32 + 30 * frame + 5000, 32 + 60 * frame + 8]) {
    const flipped = Buffer.from(wal)
    flipped[at]! ^= 4
    const damaged = await openDamaged(flipped)
    expect(damaged.head).toBeLessThan(40)
    expect(damaged.tailLost, `flip at ${at}`).toBe(true)
  }
})

test('[SQ-11] sqlite: rows missing from the log are noticed at open, and old positions are no longer vouched for', async () => {
  await writtenFile()
  const before = await open()
  const nonce = before.reader.nonce()
  await before.close()
  const db = new Sqlite(path)
  db.exec('DELETE FROM log WHERE seq = 3')
  db.close()
  const store = await open()
  expect(store.logDamaged).toBe(true)
  expect(store.reader.epoch(nonce)).toBeUndefined()
  const author = new Author(store)
  expect(() => store.reader.content(author.key('d1'))).toThrow(expect.objectContaining({ code: 'doc-quarantined' }))
  expect(store.reader.content(author.key('d0'))?.tail.length).toBe(6)
  await store.quarantine(author.key('d1'))
  await store.close()
  expect((await open()).logDamaged).toBe(false)
})

test('[SQ-12] sqlite: durability, WAL and page layout are set and read back, and a build that does not honour them is refused', async () => {
  for (const durability of ['process', 'disk'] as const) {
    const store = await open({ durability })
    expect(store.durability).toBe(durability)
    await store.close()
  }
  const db = new Sqlite(path)
  const pragmas = ['page_size', 'auto_vacuum', 'journal_mode', 'application_id', 'user_version'].map((name) =>
    db.pragma(name, { simple: true }),
  )
  expect(pragmas).toEqual([8192, 2, 'wal', APPLICATION_ID, FORMAT])
  for (const [durability, synchronous] of [['process', 1] as const, ['disk', 2] as const]) {
    setPragmas(db, { fresh: false, durability, maxPages: null })
    expect([db.pragma('synchronous', { simple: true }), readDurability(db)]).toEqual([synchronous, durability])
  }
  db.close()
  // a database in memory cannot have a WAL: SQLite says nothing and keeps its own mode
  const deaf = new Sqlite(':memory:')
  expect(() => setPragmas(deaf, { fresh: true, durability: 'disk', maxPages: null })).toThrow(
    expect.objectContaining({ code: 'store-pragma' }),
  )
  deaf.close()
})

test('[SQ-13] sqlite: migrations run in order from where the file stands, once', () => {
  const db = new Sqlite(path)
  const ran: number[] = []
  const steps = [1, 2, 3].map((version) => ({
    version,
    up: (): void => {
      ran.push(version)
    },
  }))
  migrate(db, 0, steps.slice(0, 1))
  migrate(db, 1, steps)
  migrate(db, 3, steps)
  expect(ran).toEqual([1, 2, 3])
  expect(db.pragma('user_version', { simple: true })).toBe(3)
  expect(migrations.map((step) => step.version)).toEqual(migrations.map((_, i) => i + 1))
  db.close()
})

test('[SQ-14] sqlite: due documents are found by their own index, whatever the number of documents', async () => {
  await (await open()).close()
  const { readStatements } = await import('../src/sqlite/statements.ts')
  const db = new Sqlite(path, { readonly: true })
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${readStatements(db).docsDue.source}`).all(1) as { detail: string }[]
  expect(plan.map((step) => step.detail).join('\n')).toContain('INDEX doc_due')
  db.close()
})

test('[SQ-15] sqlite: space that compaction freed goes back to the file system at close', async () => {
  const store = await open()
  const author = new Author(store)
  for (let i = 0; i < 40; i++) await author.commit([{ doc: 'a', data: 100_000 }])
  const key = author.key('a')
  await store.sweep([{ key, expectedLastSeq: 40, update: madeUpBytes(1000, 1), knowledge: madeUpBytes(9, 1) }])
  await store.close()
  expect(readFileSync(path).length).toBeLessThan(300_000)
  expect(existsSync(`${path}-wal`)).toBe(false)
})
