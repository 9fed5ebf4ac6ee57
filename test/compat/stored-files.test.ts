// Space files of every format that a release wrote (test/fixtures/stored-files/vN), opened by this one: for looking, as a copy, and as the file itself. They never change.
// A new format gets its own by make-stored-file.ts.

import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { openSqliteReader, openSqliteStore, type UpgradeNotice } from '@syncline/store/sqlite'
import { fingerprintOf } from '../../packages/store/src/sqlite/file-fingerprint.ts'
import { FORMAT } from '../../packages/store/src/sqlite/migrations.ts'
import { crcOf } from '../../packages/store/src/sqlite/stored-rows.ts'
import { temporaryFolder } from '../integration/relay-process.ts'
import { contentOf, contentRead, type StoredFile } from './stored-file-content.ts'

const fixtures = fileURLToPath(new URL('../fixtures/stored-files/', import.meta.url))
const formats = readdirSync(fixtures).map((name) => Number(name.slice(1)))
let folder: ReturnType<typeof temporaryFolder>

beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

function expectedOf(format: number): Record<'closed' | 'killed', StoredFile> {
  return JSON.parse(readFileSync(join(fixtures, `v${format}`, 'expected.json'), 'utf8')) as Record<'closed' | 'killed', StoredFile>
}

/** A copy that may be changed. */
function copied(format: number, name: 'closed' | 'killed'): string {
  const path = join(folder.path, 'space.db')
  for (const end of ['', '-wal']) {
    const source = join(fixtures, `v${format}`, `${name}.db${end}`)
    if (existsSync(source)) copyFileSync(source, `${path}${end}`)
  }
  return path
}

/** Makes the copy pass for the file itself, as if it had been written here. */
function adopt(path: string): void {
  const db = new Sqlite(path)
  const text = db.prepare<[], string>("SELECT v FROM meta WHERE k = 'identity'").pluck().get()!
  const identity = JSON.stringify({ ...(JSON.parse(text) as object), fingerprint: fingerprintOf(path) })
  db.prepare("UPDATE meta SET v = ?, crc = ? WHERE k = 'identity'").run(identity, crcOf.meta('identity', identity))
  db.close()
}

const cases = formats.flatMap((format) => (['closed', 'killed'] as const).map((name) => [format, name] as const))

test('[UP-5] there are stored files of every format up to the newest but one', () => {
  expect(formats.toSorted((a, b) => a - b).slice(0, FORMAT - 1)).toEqual(Array.from({ length: FORMAT - 1 }, (_, i) => i + 1))
})

test.each(cases)('[UP-5] format %i, %s: it is read as it was written, without a change of a byte', async (format, name) => {
  const path = copied(format, name)
  const bytes = readFileSync(path)
  expect(await contentOf(path)).toEqual(expectedOf(format)[name])
  const reading = await openSqliteReader(path)
  expect([reading.format, reading.check()]).toEqual([format, []])
  reading.close()
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

test.each(cases)('[UP-5] format %i, %s: opened as itself it keeps its identity and everything in it', async (format, name) => {
  const path = copied(format, name)
  adopt(path)
  const told: UpgradeNotice[] = []
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'disk', onUpgrade: (notice) => told.push(notice) })
  const { replicaId, space, ...content } = expectedOf(format)[name]
  expect([store.openReason, store.replicaId, store.space, store.tailLost, store.logDamaged]).toEqual([
    'opened',
    replicaId,
    space,
    false,
    false,
  ])
  expect(contentRead(store.reader)).toEqual(content)
  await store.close()
  const backup = `${path}.v${format}-backup`
  expect(existsSync(backup)).toBe(format < FORMAT)
  expect(told.map(({ stage }) => stage)).toEqual(format < FORMAT ? ['copying', 'upgrading', 'upgraded'] : [])
  const reading = await openSqliteReader(path)
  expect([reading.format, reading.check()]).toEqual([FORMAT, []])
  reading.close()
  if (format < FORMAT) expect(await contentOf(backup)).toEqual(expectedOf(format)[name])
})

test.each(cases)('[UP-5] format %i, %s: opened as a copy it is another replica with the same documents', async (format, name) => {
  const store = await openSqliteStore({ path: copied(format, name), space: DEFAULT_SPACE, durability: 'disk' })
  const { replicaId, documents, totals, head } = expectedOf(format)[name]
  expect([store.openReason, store.replicaId === replicaId]).toEqual(['copied', false])
  expect(contentRead(store.reader)).toMatchObject({ documents, totals, head, acks: [], refusals: [], cursor: null })
  await store.close()
})
