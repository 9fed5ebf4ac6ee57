// `syncline import --from`: the stores of other servers, written by their own code (y-leveldb itself, Hocuspocus' own SQL) or byte by byte as their source
// says (y-sweet). What comes out is compared with what Yjs reads from the source.

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, expect, test } from 'vitest'
// @ts-expect-error The exports of the package name no types.
import { LeveldbPersistence as UntypedPersistence } from 'y-leveldb'
import * as Y from 'yjs'
import { commandHere, type CommandEnd } from './command-here.ts'
import { temporaryFolder } from './relay-process.ts'
import { freshUpdate } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

/** The package has no types under its exports. */
interface LeveldbPersistence {
  storeUpdate(name: string, update: Uint8Array): Promise<number>
  flushDocument(name: string): Promise<void>
  getYDoc(name: string): Promise<Y.Doc>
  setMeta(name: string, key: string, value: unknown): Promise<void>
  destroy(): Promise<void>
}
const LeveldbPersistence = UntypedPersistence as new (folder: string) => LeveldbPersistence

/** @hocuspocus/extension-sqlite 4.7, src/SQLite.ts. */
const hocuspocus = {
  schema: `CREATE TABLE IF NOT EXISTS "documents" (
  "name" varchar(255) NOT NULL,
  "data" blob NOT NULL,
  UNIQUE(name)
)`,
  upsert: `
  INSERT INTO "documents" ("name", "data") VALUES ($name, $data)
    ON CONFLICT(name) DO UPDATE SET data = $data
`,
}

/** Every update of a document with typing, formats, deletes, a map, an astral character and several writers. */
function history(words: string): Uint8Array[] {
  const updates: Uint8Array[] = []
  const [ada, bob] = [new Y.Doc(), new Y.Doc()]
  for (const [doc, other] of [
    [ada, bob],
    [bob, ada],
  ] as const) {
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin === 'other') return
      updates.push(update)
      Y.applyUpdate(other, update, 'other')
    })
  }
  for (const letter of words) ada.getText('body').insert(ada.getText('body').length, letter)
  bob.getText('body').format(0, 2, { bold: true })
  bob.getText('body').delete(1, 2)
  bob.getText('body').insert(0, '\u{1F642}')
  ada.getMap('meta').set('title', words)
  ada.getMap('meta').set('title', `${words}!`)
  return updates
}

function content(updates: readonly Uint8Array[]): unknown {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return { body: doc.getText('body').toDelta(), meta: doc.getMap('meta').toJSON() }
}

/** Content of every document of a data folder, read through `syncline export`. */
async function stored(data: string): Promise<Record<string, unknown>> {
  const out = join(folderHere(), 'out')
  const exported = await commandHere('export', '--all', '--data', data, '--out', out, '--json')
  expect(exported.code).toBe(0)
  const entries = jsonLines(exported.stdout) as { doc: string; file: string }[]
  return Object.fromEntries(entries.map(({ doc, file }) => [doc, content([readFileSync(join(out, file))])]))
}

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** Names, sizes, times and bytes of all files under a folder. */
function fingerprint(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return `${path} ${statSync(path).mtimeMs} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
    })
    .sort()
}

/** A dry run, an import and a second import; the source stays as it is throughout. Answers the import's end. */
async function importTwice(args: readonly string[], source: string, data: string): Promise<CommandEnd> {
  const before = fingerprint(source)
  const dry = await commandHere('import', ...args, '--data', data, '--dry-run', '--json')
  expect(readdirSync(data), 'a dry run makes nothing').toEqual([])
  const imported = await commandHere('import', ...args, '--data', data, '--json')
  expect({ code: imported.code, lines: sorted(imported) }, 'a dry run says what the import does').toEqual({
    code: dry.code,
    lines: sorted(dry),
  })
  const rows = await rowsOf(data)
  const again = await commandHere('import', ...args, '--data', data, '--json')
  expect(jsonLines(again.stdout).filter((line) => line['kind'] === 'new')).toEqual([])
  expect(await rowsOf(data), 'a second import adds nothing').toEqual(rows)
  const dryAgain = await commandHere('import', ...args, '--data', data, '--dry-run', '--json')
  expect(sorted(dryAgain), 'and a dry run says so').toEqual(sorted(again))
  expect(fingerprint(source), 'the source is not touched').toEqual(before)
  return imported
}

const rowsOf = async (data: string): Promise<unknown[]> =>
  jsonLines((await commandHere('ls', '--data', data, '--json')).stdout).map(({ doc, digest, lastSeq }) => [doc, digest, lastSeq])

function sorted(end: CommandEnd): string[] {
  return jsonLines(end.stdout)
    .map((line) => JSON.stringify({ ...line, dryRun: undefined }))
    .sort()
}

test('[IM-3] a Hocuspocus database is imported: every document, once; what is refused is told by name and the rest goes on', async () => {
  const [folder, data] = [folderHere(), folderHere()]
  const file = join(folder, 'hocuspocus.sqlite')
  const documents = { 'note/1': history('hello'), 'räum ä': history('grüße'), empty: [Uint8Array.of(0, 0)] }
  const db = new Database(file)
  db.exec(hocuspocus.schema)
  const upsert = db.prepare(hocuspocus.upsert)
  for (const [name, updates] of Object.entries(documents)) {
    const doc = new Y.Doc()
    for (const update of updates) Y.applyUpdate(doc, update)
    upsert.run({ name, data: Buffer.from(Y.encodeStateAsUpdate(doc)) })
  }
  upsert.run({ name: 'broken', data: Buffer.from('no update') })
  upsert.run({ name: 'text', data: 'a string' })
  upsert.run({ name: 'x'.repeat(600), data: Buffer.from(freshUpdate('long')) })
  db.close()

  const imported = await importTwice(['--from', 'hocuspocus-sqlite', file], folder, data)
  expect(imported.code).toBe(4)
  const lines = jsonLines(imported.stdout)
  expect(lines.at(-1)).toEqual({ type: 'summary', new: 2, known: 1, refused: 3, dryRun: false })
  expect(Object.fromEntries(lines.slice(0, -1).map((line) => [line['doc'], line['code'] ?? line['kind']]))).toEqual({
    'note/1': 'new',
    'räum ä': 'new',
    empty: 'known',
    broken: 'update-malformed',
    text: 'unreadable',
    ['x'.repeat(600)]: 'doc-id-invalid',
  })
  expect(await stored(data)).toEqual({ 'note/1': content(documents['note/1']), 'räum ä': content(documents['räum ä']) })
  expect(await commandHere('verify', data)).toMatchObject({ code: 0 })
})

test('[IM-2] what the gate refuses is not imported, and a second import adds nothing, also to a document that has been edited since', async () => {
  const [folder, data] = [folderHere(), folderHere()]
  const harmful = new Y.Doc()
  harmful.getMap('fields').set('__proto__', 'x')
  const documents = { good: history('hello'), harmful: [Y.encodeStateAsUpdate(harmful)], broken: [Uint8Array.of(1, 1, 200)] }
  const file = join(folder, 'hocuspocus.sqlite')
  const db = new Database(file)
  db.exec(hocuspocus.schema)
  for (const [name, updates] of Object.entries(documents))
    db.prepare(hocuspocus.upsert).run({ name, data: Buffer.from(updates.length === 1 ? updates[0]! : Y.mergeUpdates(updates)) })
  db.close()
  const lines = jsonLines((await importTwice(['--from', 'hocuspocus-sqlite', file], folder, data)).stdout)
  expect(Object.fromEntries(lines.slice(0, -1).map((line) => [line['doc'], line['code'] ?? line['kind']]))).toEqual({
    good: 'new',
    harmful: 'update-forbidden',
    broken: 'update-malformed',
  })
  expect(Object.keys(await stored(data))).toEqual(['good'])

  const edit = join(folder, 'edit.bin')
  const edited = new Y.Doc()
  Y.applyUpdate(edited, Y.mergeUpdates(documents.good))
  edited.getText('body').insert(0, 'edited since: ')
  writeFileSync(edit, Y.encodeStateAsUpdate(edited))
  expect(await commandHere('import', edit, '--as', 'good', '--data', data)).toMatchObject({ code: 0 })
  const rows = await rowsOf(data)
  await commandHere('import', '--from', 'hocuspocus-sqlite', file, '--data', data)
  expect(await rowsOf(data)).toEqual(rows)
  expect(await stored(data)).toEqual({ good: content([readFileSync(edit)]) })
})

test('[IM-4] a y-leveldb folder is imported: every update as it was stored, of flushed documents too', async () => {
  const [folder, data] = [folderHere(), folderHere()]
  const persistence = new LeveldbPersistence(folder)
  const documents: Record<string, Uint8Array[]> = {
    'note/1': history('hello'),
    v1: history('a name like a key'),
    flushed: history('flushed'),
  }
  for (const [name, updates] of Object.entries(documents)) for (const update of updates) await persistence.storeUpdate(name, update)
  await persistence.flushDocument('flushed')
  await persistence.setMeta('note/1', 'owner', 'ada')
  const expected = Object.fromEntries(
    await Promise.all(
      Object.keys(documents).map(async (name) => [name, content([Y.encodeStateAsUpdate(await persistence.getYDoc(name))])] as const),
    ),
  )
  await persistence.destroy()

  const imported = await importTwice(['--from', 'y-leveldb', folder], folder, data)
  expect(imported.code).toBe(0)
  expect(jsonLines(imported.stdout).at(-1)).toEqual({ type: 'summary', new: 3, known: 0, refused: 0, dryRun: false })
  expect(await stored(data)).toEqual(expected)
  expect(await commandHere('verify', data)).toMatchObject({ code: 0 })
})

test('[IM-4] an update of a y-leveldb document that the gate refuses does not keep its other updates out, and is told', async () => {
  const [folder, data] = [folderHere(), folderHere()]
  const persistence = new LeveldbPersistence(folder)
  const good = freshUpdate('good')
  await persistence.storeUpdate('note', good)
  await persistence.storeUpdate('note', Uint8Array.from([9, 9, 9]))
  await persistence.storeUpdate('note', freshUpdate('later'))
  await persistence.destroy()
  const imported = await commandHere('import', '--from', 'y-leveldb', folder, '--data', data)
  expect(imported).toMatchObject({
    code: 4,
    stdout: expect.stringMatching(/^note refused, update-malformed: 1 of its 3 updates, the others are in/),
  })
  const { body } = (await stored(data))['note'] as { body: { insert: string }[] }
  expect(body.map(({ insert }) => insert).join('')).toMatch(/^(goodlater|latergood)$/)
})

/** y-sweet-core sync_kv.rs: bincode of a BTreeMap; yrs-kvstore keys.rs: its keys. */
function ySweetFile(state: Uint8Array | null, updates: readonly Uint8Array[]): Buffer {
  const number = [0, 0, 0, 1]
  const entries: [number[], Uint8Array][] = [[[0, 0, ...Buffer.from('doc'), 0], Uint8Array.from(number)]]
  if (state !== null) {
    entries.push([[0, 1, ...number, 0], state])
    entries.push([[0, 1, ...number, 1], Uint8Array.of(0)])
  }
  updates.forEach((update, index) => entries.push([[0, 1, ...number, 2, 0, 0, 0, index + 1, 0], update]))
  const length = (value: number): Buffer => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt(value))
    return bytes
  }
  const fields = entries.flatMap(([key, value]) => [length(key.length), Buffer.from(key), length(value.length), value])
  return Buffer.concat([length(entries.length), ...fields])
}

test('[IM-5] a y-sweet store is imported: merged state, later updates, empty documents; a damaged file is told and the rest goes on', async () => {
  const [folder, data] = [folderHere(), folderHere()]
  const write = (name: string, bytes: Uint8Array): void => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'data.ysweet'), bytes)
  }
  const updates = history('hello')
  const half = Math.floor(updates.length / 2)
  write('merged', ySweetFile(Y.mergeUpdates(updates), []))
  write('both', ySweetFile(Y.mergeUpdates(updates.slice(0, half)), updates.slice(half)))
  write('fresh', Buffer.alloc(8))
  write('damaged', ySweetFile(Y.mergeUpdates(updates), []).subarray(0, 100))
  write('bad', ySweetFile(Uint8Array.from([9, 9, 9]), []))

  const imported = await importTwice(['--from', 'y-sweet', folder], folder, data)
  expect(imported.code).toBe(4)
  const lines = jsonLines(imported.stdout)
  expect(lines.at(-1)).toEqual({ type: 'summary', new: 2, known: 1, refused: 2, dryRun: false })
  expect(Object.fromEntries(lines.slice(0, -1).map((line) => [line['doc'], line['code'] ?? line['kind']]))).toEqual({
    merged: 'new',
    both: 'new',
    fresh: 'known',
    damaged: 'unreadable',
    bad: 'update-malformed',
  })
  expect(await stored(data)).toEqual({ merged: content(updates), both: content(updates) })
})

test('[IM-6] an import shows how far it is, says in words what it did, and takes no arguments that make no sense', async () => {
  const [folder, data] = [folderHere(), folderHere()]
  const file = join(folder, 'hocuspocus.sqlite')
  const db = new Database(file)
  db.exec(hocuspocus.schema)
  const upsert = db.prepare(hocuspocus.upsert)
  for (let index = 0; index < 200; index++) upsert.run({ name: `note/${index}`, data: Buffer.from(freshUpdate(`text ${index}`)) })
  db.close()
  const from = ['import', '--from', 'hocuspocus-sqlite', file, '--data', data]
  expect(await commandHere(...from, '--dry-run')).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'dry run: 200 documents would be imported, 0 known already, 0 refused\n',
  })
  const imported = await commandHere(...from)
  expect(imported).toMatchObject({ code: 0, stderr: '200 documents imported, 0 known already, 0 refused\n' })
  expect(imported.progress).toContain('[##########----------] 100 of 200 documents')
  expect(imported.progress.at(-1)).toBe('[####################] 200 of 200 documents')
  const wrong: [args: string[], words: RegExp][] = [
    [['import', '--from', 'hocuspocus', file], /--from takes hocuspocus-sqlite, y-leveldb, y-sweet/],
    [['import', '--from', 'toString', file], /--from takes/],
    [['import', '--from', 'y-sweet', file, file], /--from reads one path/],
    [['import', '--from', 'y-leveldb', folder, '--as', 'note'], /--as names the document of a single file/],
  ]
  for (const [args, words] of wrong) expect(await commandHere(...args)).toMatchObject({ code: 2, stderr: expect.stringMatching(words) })
})
