// One bit flipped in a closed file, at some hundred places: whatever is served afterwards is the truth or a typed error, never wrong data. SQLite
// alone serves most such damage silently (TRAPS T23). Places: the rows of log, doc, snap, and the small tables; then anywhere in those pages.
//
// A failing place is printed with its table and offset; FLIP=offset runs only that one, FLIPS=10 runs ten times as many.

import { copyFileSync, openSync, closeSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { env } from 'node:process'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  DEFAULT_SPACE,
  Sum128,
  SynclineError,
  WHOLE_RANGE,
  documentPoint,
  replicaIdFromBytes,
  toHex,
  type DocKey,
  type EpochNonce,
} from '@syncline/protocol'
import { openSqliteReader, openSqliteStore, type SqliteReader } from '@syncline/store/sqlite'
import type { DigestPiece, TailPart } from '@syncline/store'
import { Author, madeUpBytes } from '../src/contract/author.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

const PEER = replicaIdFromBytes(madeUpBytes(16, 7))
const NONCE = 'ffee00112233aabb' as EpochNonce
const DOCUMENTS = 14
const FLIPS = Number(env['FLIPS'] ?? 1)

let folder: string
let original: string
let keys: DocKey[]
let nonce: EpochNonce
let truth: Map<string, string>

/** Everything a reader serves, question by question; what throws a typed error is left out. */
function served(reader: SqliteReader): Map<string, string> {
  const answers = new Map<string, string>()
  const ask = (question: string, read: () => unknown): void => {
    try {
      answers.set(question, JSON.stringify(read()) ?? 'undefined')
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
    }
  }
  ask('head', () => reader.head())
  ask('totals', () => reader.totals())
  ask('nonce', () => reader.nonce())
  ask('epoch', () => reader.epoch(nonce))
  ask('docs', () => reader.docs(WHOLE_RANGE, 100))
  ask('digests', () => digestsOf(reader))
  ask('named', () => reader.docsNamed('', 100))
  ask('cursor', () => reader.cursor(PEER, '*'))
  ask('acks', () => reader.acks())
  ask('refusals', () => reader.refusals())
  for (const key of keys) {
    ask(`doc ${key}`, () => reader.doc(key))
    ask(`content ${key}`, () => reader.content(key))
    ask(`knowledge ${key}`, () => reader.knowledgeParts(key))
    ask(`snapshot ${key}`, () => reader.snapshot(key))
    ask(`tail ${key}`, () => tailOf(reader, key))
    ask(`held ${key}`, () => reader.held(key))
  }
  ask('log', () => {
    const rows = []
    for (let page = reader.log(0, 20, 1e6); page.length > 0; page = reader.log(page.at(-1)!.seq, 20, 1e6)) rows.push(...page)
    return rows
  })
  return answers
}

/** As whoever builds a tree of sums takes them (ADR 0012): only where they add up. */
function digestsOf(reader: SqliteReader): unknown {
  const docs: string[] = []
  const sum = new Sum128()
  for (let after: number | null = 0; after !== null;) {
    const { bytes, next }: DigestPiece = reader.digests(after, 4)
    for (let at = 0; at < bytes.length; at += 32) {
      const [key, digest] = [toHex(bytes.subarray(at, at + 16)), toHex(bytes.subarray(at + 16, at + 32))]
      sum.add(documentPoint(key, digest))
      docs.push(key + digest)
    }
    after = next
  }
  if (sum.toHex() !== reader.totals().root) throw new SynclineError('store-corrupt', 'The digests do not add up.')
  return docs.sort()
}

/** In parts of two rows. */
function tailOf(reader: SqliteReader, key: DocKey): unknown {
  const rows = []
  for (let at = reader.tailEnd(key); at !== undefined && at.rows > 0;) {
    const part: TailPart | undefined = reader.tailPart(key, null, at, 2, 1e6)
    rows.push(...(part?.rows ?? []).toReversed())
    at = part?.before
  }
  return rows
}

/** Answers that may be missing as if never given: each is only a reason to do less. */
const MAY_BE_ABSENT: Record<string, string> = { cursor: 'undefined', acks: '[]', refusals: '[]', epoch: 'undefined' }

function isAllowed(question: string, answer: string): boolean {
  if (answer === truth.get(question)) return true
  if (question.startsWith('held ')) return answer === '[]'
  return answer === MAY_BE_ABSENT[question]
}

beforeAll(async () => {
  folder = temporaryFolder()
  original = join(folder, 'original.db')
  const store = await openSqliteStore({ path: original, space: DEFAULT_SPACE, durability: 'process' })
  const author = new Author(store)
  const names = Array.from({ length: DOCUMENTS }, (_, i) => `note/${i}`)
  keys = names.map((name) => author.key(name))
  for (let i = 0; i < 60; i++) await author.commit([{ doc: names[i % DOCUMENTS]!, data: 30 + (i % 5) * 200 }])
  const docs = keys.slice(0, 5).map((key, i) => ({
    key,
    expectedLastSeq: store.reader.doc(key)!.lastSeq,
    update: madeUpBytes(700 + 3000 * i, i),
    knowledge: madeUpBytes(60, i),
  }))
  await store.sweep(docs)
  const key = keys[6]!
  const again = new Author(store)
  await again.commit(
    names.slice(0, 3).map((doc) => ({ doc })),
    {
      cursors: [{ peer: PEER, scope: '*', nonce: NONCE, seq: 17 }],
      acks: [{ peer: PEER, scope: '*', seq: 5, durability: 'disk' }],
      held: [{ id: 1, doc: key, name: store.reader.doc(key)!.name, origin: NONCE, n: 3, data: madeUpBytes(40, 1), atMs: 5 }],
      refusals: [{ peer: PEER, doc: key, direction: 'in', code: 'read-only', retryable: true, digest: store.reader.doc(key)!.digest }],
    },
  )
  nonce = store.reader.nonce()
  await store.close()
  const reading = await openSqliteReader(original)
  truth = served(reading.reader)
  reading.close()
  expect(truth.size).toBe(11 + 6 * DOCUMENTS)
})
afterAll(() => removeFolder(folder))

interface Place {
  readonly offset: number
  readonly table: string
}

/** Bytes of the pages of one table: within its rows, or anywhere (page header, cell pointers and free space too). */
function places(table: string, count: number, where: 'rows' | 'anywhere'): Place[] {
  const bytes = readFileSync(original)
  const db = new Sqlite(original, { readonly: true })
  const pages = db.prepare<[string], { pageno: number; pagetype: string }>('SELECT pageno, pagetype FROM dbstat WHERE name = ?').all(table)
  db.close()
  const found: number[] = []
  for (const { pageno, pagetype } of pages) {
    const start = (pageno - 1) * 8192
    // the cells of a leaf stand at its end, from the offset in its header on
    const content = pagetype === 'leaf' ? bytes.readUInt16BE(start + 5) : pagetype === 'overflow' ? 4 : 0
    for (let at = where === 'rows' ? content : 0; at < 8192; at++) found.push(start + at)
  }
  count *= FLIPS
  const random = madeUpBytes(count * 4, table.length + count)
  const pick = (i: number): number => new DataView(random.buffer).getUint32(i * 4) % found.length
  return Array.from({ length: Math.min(count, found.length) }, (_, i) => ({ offset: found[pick(i)]!, table }))
}

/** A copy of the file with one bit flipped. */
function flipped(offset: number): string {
  const path = join(folder, 'flipped.db')
  for (const left of [path, `${path}-wal`, `${path}-shm`]) rmSync(left, { force: true })
  copyFileSync(original, path)
  const byte = readFileSync(path)[offset]!
  const file = openSync(path, 'r+')
  writeSync(file, Uint8Array.of(byte ^ (1 << (offset % 8))), 0, 1, offset)
  closeSync(file)
  return path
}

/** What went wrong at one place, or null. Both for reading alone and for opening to write. */
async function afterFlip({ offset, table }: Place): Promise<{ wrong: string | null; noticed: boolean }> {
  const path = flipped(offset)
  let answers: Map<string, string>
  try {
    const reading = await openSqliteReader(path)
    answers = served(reading.reader)
    reading.close()
  } catch (error) {
    if (error instanceof SynclineError) return { wrong: null, noticed: true }
    return { wrong: `${table} at ${offset}: ${String(error)}`, noticed: true }
  }
  for (const [question, answer] of answers) {
    if (!isAllowed(question, answer)) {
      return {
        wrong: `${table} at ${offset}: ${question} is ${answer.slice(0, 300)}, not ${truth.get(question)?.slice(0, 300)}`,
        noticed: true,
      }
    }
  }
  return { wrong: null, noticed: answers.size < truth.size || [...answers].some(([question, answer]) => answer !== truth.get(question)) }
}

async function flipAll(chosen: readonly Place[]): Promise<void> {
  const only = env['FLIP']
  const wrong: string[] = []
  let noticed = 0
  for (const place of only === undefined ? chosen : chosen.filter(({ offset }) => offset === Number(only))) {
    const result = await afterFlip(place)
    if (result.wrong !== null) wrong.push(result.wrong)
    if (result.noticed) noticed++
  }
  console.log(`${chosen.length} bits flipped: ${noticed} noticed, the others served the truth`)
  expect(wrong, 'replay one with FLIP=offset').toEqual([])
}

for (const table of ['log', 'doc', 'snap'] as const) {
  test(`[ST-35] sqlite: a bit flipped in a row of ${table} is a typed error or harmless, never wrong data`, async () => {
    await flipAll(places(table, 100, 'rows'))
  })
}

test('[ST-35] sqlite: a bit flipped in meta, epochs, origins, cursors, acks, held updates or refusals is never wrong data', async () => {
  const tables = ['meta', 'epoch', 'origin', 'receive_cursor', 'peer_ack', 'held', 'refusal']
  await flipAll(tables.flatMap((table) => places(table, 15, 'rows')))
})

test('[ST-35] sqlite: a bit flipped anywhere in the pages of log, doc and snap is never wrong data', async () => {
  await flipAll(['log', 'doc', 'snap'].flatMap((table) => places(table, 60, 'anywhere')))
})

/** Quarantines what is damaged until everything can be read, as the engine does. Null, or why it cannot. */
async function heal(path: string): Promise<string | null> {
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process' })
  try {
    for (let round = 0; round <= DOCUMENTS; round++) {
      const damaged = firstDamaged(store.reader)
      if (damaged === null) return null
      await store.quarantine(damaged)
    }
    return 'quarantine did not end'
  } catch (error) {
    if (error instanceof SynclineError) return error.code
    throw error
  } finally {
    await store.close()
  }
}

function firstDamaged(reader: SqliteReader): DocKey | null {
  try {
    for (const doc of reader.docs(WHOLE_RANGE, 100)) reader.content(doc.key)
    for (let page = reader.log(0, 20, 1e6); page.length > 0; page = reader.log(page.at(-1)!.seq, 20, 1e6));
    return null
  } catch (error) {
    if (error instanceof SynclineError && error.code === 'doc-quarantined') return error.detail['doc'] as DocKey
    throw error
  }
}

test('[ST-35] sqlite: after a flipped bit in a row, quarantine of what is damaged nearly always leaves a file without a fault', async () => {
  const outcomes: Record<string, number> = { whole: 0 }
  for (const { offset, table } of ['log', 'doc', 'snap'].flatMap((table) => places(table, 25, 'rows'))) {
    const path = flipped(offset)
    const problem = await heal(path).catch((error: unknown) => (error instanceof SynclineError ? error.code : String(error)))
    // a bit in the framing of a row damages the page around it, which only a new file mends
    expect(problem, `${table} at ${offset}`).toBeOneOf([null, 'store-corrupt'])
    const outcome = problem ?? (await faultsOf(path))
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  console.log(outcomes)
  expect(outcomes['whole']).toBeGreaterThan(65 * FLIPS)
})

async function faultsOf(path: string): Promise<'whole' | 'faults in the page'> {
  const reading = await openSqliteReader(path)
  const faults = reading.check()
  reading.close()
  return faults.length === 0 ? 'whole' : 'faults in the page'
}
