// A SQLite store among processes and threads: the lock, readers beside the writer, group commit, the writer thread's death, and that a process can end.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pid } from 'node:process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { openSqliteReader, openSqliteStore, type SqliteStore } from '@syncline/store/sqlite'
import { Author } from '../src/contract/author.ts'
import { endWriterThread } from '../src/sqlite/writer.ts'
import { run } from './child-process.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

let folder: string
let path: string
const stores: SqliteStore[] = []

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'space.db')
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  removeFolder(folder)
})

async function open(durability: 'process' | 'disk' = 'process', file = path): Promise<SqliteStore> {
  const store = await openSqliteStore({ path: file, space: DEFAULT_SPACE, durability })
  stores.push(store)
  return store
}

test('[ID-1] sqlite: a second opener is refused in words that name the process, until the first one closes', async () => {
  const store = await open()
  const second = run('hold', [path])
  expect(await second.line('refused')).toContain(`store-locked ${path} is open in process ${pid} on `)
  await expect(open()).rejects.toMatchObject({ code: 'store-locked', detail: { pid } })
  await store.close()
  const third = run('hold', [path])
  await third.line('open')
  await expect(open()).rejects.toMatchObject({ code: 'store-locked', detail: { pid: third.process.pid } })
  third.tell('close')
  expect((await third.ended).code).toBe(0)
  expect((await open()).openReason).toBe('opened')
})

test('[ID-1] sqlite: the lock of a killed process is free at once', async () => {
  const holder = run('hold', [path])
  const replicaId = (await holder.line('open')).split(' ')[1]
  holder.process.kill('SIGKILL')
  await holder.ended
  const store = await open()
  expect(store.replicaId).toBe(replicaId)
})

test('[SQ-1] sqlite: a reader in another process takes no lock, sees each commit, and leaves the file as it is', async () => {
  const writer = run('write', [path, 'process', '40'])
  await writer.line('open')
  const reading = await openSqliteReader(path)
  let seen = 0
  for (let i = 0; i < 40; i++) {
    const resolved = Number((await writer.line('resolved')).split(' ')[1])
    const head = reading.reader.head()
    expect(head).toBeGreaterThanOrEqual(resolved)
    const rows = reading.reader.log(seen, 1000, 1e6)
    seen = rows.at(-1)?.seq ?? seen
    expect(seen).toBeGreaterThanOrEqual(resolved)
  }
  await writer.line('done')
  expect((await writer.ended).code).toBe(0)
  expect(reading.reader.head()).toBe(80)
  reading.close()
  const bytes = readFileSync(path)
  const again = await openSqliteReader(path)
  expect(again.check()).toEqual([])
  expect(again.reader.docsNamed('d1', 10).map((doc) => doc.name)).toEqual(['d1', 'd10', 'd11'])
  again.close()
  expect(readFileSync(path).equals(bytes)).toBe(true)
  const store = await open()
  expect([store.openReason, store.reader.head()]).toEqual(['opened', 80])
})

test('[SQ-2] sqlite: commits that wait for an fsync share the next one', async () => {
  const store = await open('disk')
  const author = new Author(store)
  await Promise.all(Array.from({ length: 400 }, (_, i) => store.commit(author.transaction([{ doc: `d${i % 9}` }]))))
  expect(store.counters.commits).toBe(400)
  expect(store.counters.groups).toBeLessThan(100)
  console.log(`${store.counters.commits} commits in ${store.counters.groups} SQLite transactions`)
})

test('[SQ-3] sqlite: the death of the writer thread is a typed error to those who wait, and reads go on', async () => {
  const store = await open()
  const other = await open('process', join(folder, 'other.db'))
  const author = new Author(store)
  await author.commit([{ doc: 'a' }])
  const transactions = Array.from({ length: 60 }, () => author.transaction([{ doc: 'a', data: 500_000 }]))
  const waiting = transactions.map((tx) => store.commit(tx))
  const [outcomes] = await Promise.all([Promise.allSettled(waiting), endWriterThread()])
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'store-io' })
  }
  expect(outcomes.some((outcome) => outcome.status === 'rejected')).toBe(true)
  const resolved = outcomes.filter((outcome) => outcome.status === 'fulfilled').length
  expect(store.reader.head()).toBeGreaterThanOrEqual(1 + resolved)
  await expect(other.rotateEpoch()).rejects.toMatchObject({ code: 'store-io' })
  await store.close()
  const again = await open()
  expect(again.reader.head()).toBeGreaterThanOrEqual(1 + resolved)
  await new Author(again).commit([{ doc: 'a' }])
})

test('[SQ-4] sqlite: a process ends by itself, whether it closed its store or not', async () => {
  const closing = run('hold', [path])
  await closing.line('open')
  closing.tell('close')
  expect(await closing.ended).toMatchObject({ code: 0, errors: '' })
  expect(readdirSync(folder).sort()).toEqual(['space.db', 'space.db.lock.db', 'syncline.ballast'])
  const leaving = run('hold', [path, 'leave'])
  expect(await leaving.ended).toMatchObject({ code: 0, errors: '' })
  expect((await open()).openReason).toBe('opened')
})

test('[SQ-5] sqlite: without better-sqlite3 opening says what to install', async () => {
  const hide = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      if (name === 'better-sqlite3') throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' })
      return next(name, context)
    } })`
  const program = run('hold', [path], ['--import', `data:text/javascript,${encodeURIComponent(hide)}`])
  const line = await program.line('refused')
  expect(line).toContain('sqlite-missing')
  expect(line).toContain('npm install better-sqlite3')
  expect(readdirSync(folder)).toEqual([])
})
