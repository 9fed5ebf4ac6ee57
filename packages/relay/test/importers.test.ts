// The reader of y-sweet's file format and the sources' manners: what they yield, what they refuse, and that they leave the source as it was.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { openHocuspocusSqlite } from '../src/importers/hocuspocus-sqlite.ts'
import type { ImportSource, SourceUpdates } from '../src/importers/import-source.ts'
import { loadOptional } from '../src/importers/optional-package.ts'
import { openYLeveldb } from '../src/importers/y-leveldb.ts'
import { readYSweetFile } from '../src/importers/y-sweet-file.ts'
import { openYSweet } from '../src/importers/y-sweet.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folderHere(): string {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-test-'))
  folders.push(folder)
  return folder
}

/** As bincode 1 writes BTreeMap<Vec<u8>, Vec<u8>>: lengths as u64, little-endian, keys sorted. */
function bincodeMap(entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): Buffer {
  const length = (value: number): Buffer => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt(value))
    return bytes
  }
  const sorted = entries.toSorted(([one], [other]) => Buffer.compare(one, other))
  return Buffer.concat([length(entries.length), ...sorted.flat().flatMap((field) => [length(field.length), field])])
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const NAME = bytes(0, 0, 0x64, 0x6f, 0x63, 0)
const key = (...rest: number[]): Uint8Array => bytes(0, 1, 0, 0, 0, 1, ...rest)

async function read(source: ImportSource): Promise<[name: string, updates: SourceUpdates][]> {
  const found: [string, SourceUpdates][] = []
  for await (const document of source.documents()) found.push([document.name, await document.read()])
  await source.close()
  return found
}

test('[IM-5] of a y-sweet file the state comes first, then later updates by clock; state vector and metadata are not updates', () => {
  const file = bincodeMap([
    [key(2, 0, 0, 1, 0, 0), bytes(4)],
    [key(2, 0, 0, 0, 2, 0), bytes(3)],
    [key(2, 0, 0, 0, 1, 0), bytes(2)],
    [key(3, 0x6d, 0), bytes(9)],
    [key(1), bytes(8)],
    [key(0), bytes(1)],
    [NAME, bytes(0, 0, 0, 1)],
  ])
  expect(readYSweetFile(new Uint8Array(file))).toEqual({ updates: [bytes(1), bytes(2), bytes(3), bytes(4)] })
  expect(readYSweetFile(bincodeMap([]))).toEqual({ updates: [] })
  expect(readYSweetFile(bincodeMap([[key(0), bytes(1)]]))).toEqual({ problem: expect.stringContaining('no document of y-sweet') })
})

test('[IM-5] no bytes make the reader of y-sweet files throw, and a damaged file is told from a whole one', () => {
  const whole = bincodeMap([
    [NAME, bytes(0, 0, 0, 1)],
    [key(0), bytes(1, 2, 3)],
  ])
  for (let length = 0; length < whole.length; length++)
    expect(readYSweetFile(whole.subarray(0, length)), `cut to ${length}`).toHaveProperty('problem')
  expect(readYSweetFile(Buffer.concat([whole, bytes(0)]))).toHaveProperty('problem')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(whole.length - 1), (noise, at) => {
      readYSweetFile(noise)
      const bent = Buffer.from(whole)
      bent.set(noise.subarray(0, bent.length - at), at)
      readYSweetFile(bent)
    }),
  )
})

test('[IM-3] a WAL database that nobody has open is read without a file appearing beside it', async () => {
  const folder = folderHere()
  const file = join(folder, 'hocuspocus.sqlite')
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE IF NOT EXISTS "documents" ("name" varchar(255) NOT NULL, "data" blob NOT NULL, UNIQUE(name))')
  db.prepare('INSERT INTO "documents" VALUES (?, ?)').run('one', Buffer.from([0, 0]))
  db.close()
  const before = readFileSync(file)
  expect(await read(await openHocuspocusSqlite(file))).toEqual([['one', { updates: [bytes(0, 0)] }]])
  expect(readdirSync(folder)).toEqual(['hocuspocus.sqlite'])
  expect(readFileSync(file).equals(before)).toBe(true)
})

test('[IM-3] while its server runs, a Hocuspocus database is read with what is only in the WAL, and the server can still write', async () => {
  const file = join(folderHere(), 'hocuspocus.sqlite')
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE "documents" ("name" varchar(255) NOT NULL, "data" blob NOT NULL, UNIQUE(name))')
  const insert = db.prepare('INSERT INTO "documents" VALUES (?, ?)')
  insert.run('one', Buffer.from([1]))
  const source = await openHocuspocusSqlite(file)
  insert.run('two', Buffer.from([2]))
  expect(await read(source)).toEqual([['one', { updates: [bytes(1)] }]])
  db.close()
})

test('[IM-1] what is no source of its kind is refused in words, before anything is imported', async () => {
  const folder = folderHere()
  writeFileSync(join(folder, 'text.txt'), 'not a database')
  const other = new Database(join(folder, 'other.sqlite'))
  other.exec('CREATE TABLE documents (id, body)')
  other.close()
  const refusals: [open: () => Promise<ImportSource>, words: RegExp][] = [
    [() => openHocuspocusSqlite(join(folder, 'none')), /There is no file/],
    [() => openHocuspocusSqlite(folder), /There is no file/],
    [() => openHocuspocusSqlite(join(folder, 'text.txt')), /not a database/],
    [() => openHocuspocusSqlite(join(folder, 'other.sqlite')), /no table documents\(name, data\)/],
    [() => openYLeveldb(join(folder, 'none')), /There is no folder/],
    [() => openYLeveldb(folder), /no LevelDB folder/],
    [() => openYSweet(join(folder, 'none'), undefined), /There is no file or folder/],
    [() => openYSweet(folder, undefined), /holds a data\.ysweet/],
  ]
  for (const [open, words] of refusals) await expect(open()).rejects.toThrow(words)
  expect(readdirSync(folder).sort()).toEqual(['other.sqlite', 'text.txt'])
})

test('[IM-4] a LevelDB folder that cannot be opened is told in words, and its temporary copy is gone', async () => {
  const folder = folderHere()
  mkdirSync(join(folder, 'db'))
  writeFileSync(join(folder, 'db', 'CURRENT'), 'MANIFEST-000009\n')
  const copies = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('syncline-import-'))
  const before = copies()
  await expect(openYLeveldb(join(folder, 'db'))).rejects.toThrow(/cannot be read as LevelDB/)
  expect(copies()).toEqual(before)
  expect(readdirSync(join(folder, 'db'))).toEqual(['CURRENT'])
})

test('[IM-4] a package that only an importer needs may be absent, and is found through one that has it', async () => {
  expect(await loadOptional(['no-such-package', 'y-leveldb > no-such-package', 'no-such-package > level'])).toBeNull()
  expect(await loadOptional(['no-such-package', 'y-leveldb > level'])).toHaveProperty('Level')
})

test('[IM-5] a y-sweet path is a store, the folder of one document, or its file; snapshots and assets are no documents', async () => {
  const folder = folderHere()
  for (const place of ['one', 'two', 'one/snapshots/1700000000000', 'two/assets', 'empty'])
    mkdirSync(join(folder, place), { recursive: true })
  const file = bincodeMap([
    [NAME, bytes(0, 0, 0, 1)],
    [key(0), bytes(7)],
  ])
  for (const place of ['one', 'two', 'one/snapshots/1700000000000']) writeFileSync(join(folder, place, 'data.ysweet'), file)
  const updates = { updates: [bytes(7)] }
  expect(await read(await openYSweet(folder, undefined))).toEqual([
    ['one', updates],
    ['two', updates],
  ])
  expect(await read(await openYSweet(join(folder, 'two'), undefined))).toEqual([['two', updates]])
  expect(await read(await openYSweet(join(folder, 'two', 'data.ysweet'), 'note/2'))).toEqual([['note/2', updates]])
  await expect(openYSweet(folder, 'note')).rejects.toThrow(/single file/)
  expect(statSync(join(folder, 'one', 'data.ysweet')).size).toBe(file.length)
})
