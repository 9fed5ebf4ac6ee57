// Files of an older format: a backup first, then one transaction, whatever ends the process or fills the disk in between. The next format is made up here
// (made-up-formats.ts); real ones are in test/compat/stored-files.test.ts.

import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseSpaceId, type SpaceId } from '@syncline/protocol'
import { openSqliteReader, openSqliteStore } from '@syncline/store/sqlite'
import { Author } from '../src/contract/author.ts'
import type { DatabaseConstructor } from '../src/sqlite/load-sqlite.ts'
import { FORMAT, type Migration } from '../src/sqlite/migrations.ts'
import { SpaceFile } from '../src/sqlite/space-file.ts'
import { relayNotices, type UpgradeNotice, type UpgradeStage } from '../src/sqlite/upgrade-notice.ts'
import { run } from './child-process.ts'
import { MADE_UP_FORMAT, madeUpSteps, wholeFormat } from './made-up-formats.ts'
import { smallDisk } from './small-disk.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

const BetterSqlite = Sqlite as unknown as DatabaseConstructor
const ROWS = 60
let folder: string
let path: string

beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'space.db')
})
afterEach(() => removeFolder(folder))

/** A closed file of the newest real format. Returns its replica id. */
async function writtenFile(rowBytes = 20_000): Promise<string> {
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process' })
  const author = new Author(store)
  for (let i = 0; i < ROWS; i++) await author.commit([{ doc: `d${i % 5}`, data: rowBytes }])
  await store.close()
  return store.replicaId
}

interface Upgrading {
  readonly steps?: readonly Migration[]
  readonly space?: SpaceId
  readonly maxPages?: number
}

/** Opens the file with made-up formats, and closes it. */
function upgrade({ steps = madeUpSteps(), space = DEFAULT_SPACE, maxPages }: Upgrading = {}): { stages: UpgradeStage[]; file: SpaceFile } {
  const stages: UpgradeStage[] = []
  const request = { path, space, durability: 'disk', replicaId: null, maxPages: maxPages ?? null, atMs: 1_700_000_000_000 } as const
  const file = new SpaceFile(BetterSqlite, request, { steps, onUpgrade: (stage) => stages.push(stage) })
  file.close()
  return { stages, file }
}

/** Position, length and bytes of every row, by SQLite alone. */
function rowsOf(file: string): string {
  const db = new Sqlite(file, { readonly: true })
  try {
    return JSON.stringify(db.prepare('SELECT seq, length(data), hex(substr(data, 1, 8)) FROM log ORDER BY seq').raw().all())
  } finally {
    db.close()
  }
}

function formatHere(file: string): number {
  const db = new Sqlite(file)
  try {
    return wholeFormat(db)
  } finally {
    db.close()
  }
}

function besides(): string[] {
  return readdirSync(dirname(path))
    .filter((name) => /backup/.test(name))
    .toSorted()
}

/** What a call throws. */
function thrownBy(call: () => unknown): { code: string; message: string } {
  try {
    call()
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('nothing was thrown')
}

test('[UP-1] a file of an older format is upgraded, and a whole copy of it stays beside it, for the same eyes', async () => {
  const replicaId = await writtenFile()
  chmodSync(path, 0o600)
  const rows = rowsOf(path)
  const { file, stages } = upgrade()
  expect(file.opened).toMatchObject({ openReason: 'opened', replicaId, tailLost: false, logDamaged: false })
  expect(formatHere(path)).toBe(MADE_UP_FORMAT)
  expect(rowsOf(path)).toBe(rows)
  const backup = `${path}.v${FORMAT}-backup`
  expect(besides()).toEqual([basename(backup)])
  expect(stages.map(({ stage, from, to, backup: named }) => [stage, from, to, named])).toEqual(
    ['copying', 'upgrading', 'upgraded'].map((stage) => [stage, FORMAT, MADE_UP_FORMAT, backup]),
  )
  expect(formatHere(backup)).toBe(FORMAT)
  expect(rowsOf(backup)).toBe(rows)
  expect(statSync(backup).mode & 0o777).toBe(0o600)
  const reading = await openSqliteReader(backup)
  expect(reading.check()).toEqual([])
  reading.close()
  // Once upgraded, it is opened like any other.
  expect(upgrade().stages).toEqual([])
})

test('[UP-1] the release before refuses an upgraded file in words, and goes on with the backup as a replica of its own', async () => {
  const replicaId = await writtenFile()
  const rows = rowsOf(path)
  upgrade()
  const bytes = readFileSync(path)
  await expect(openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'disk' })).rejects.toMatchObject({
    code: 'store-newer',
    message: expect.stringMatching(`has format ${MADE_UP_FORMAT}; this release reads up to ${FORMAT}.*-backup`),
  })
  expect(readFileSync(path).equals(bytes)).toBe(true)
  renameSync(`${path}.v${FORMAT}-backup`, path)
  const old = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'disk' })
  expect([old.openReason, old.replicaId === replicaId]).toEqual(['copied', false])
  await old.close()
  expect(rowsOf(path)).toBe(rows)
})

test('[UP-1] a backup that is there keeps its name: of another state a further one is made, of the same state none', async () => {
  await writtenFile(100)
  const backup = `${path}.v${FORMAT}-backup`
  writeFileSync(backup, 'somebody keeps something here')
  const broken = [...madeUpSteps().slice(0, -1), { version: MADE_UP_FORMAT, up: (): never => thrown('the step failed') }]
  expect(thrownBy(() => upgrade({ steps: broken }))).toMatchObject({ code: 'store-io', message: expect.stringContaining('was undone') })
  expect(formatHere(path)).toBe(FORMAT)
  expect(besides()).toEqual([basename(backup), `${basename(backup)}-2`])
  // The second attempt finds the copy of the first.
  expect(upgrade().stages.map(({ stage, backup: named }) => [stage, named])).toEqual([
    ['upgrading', `${backup}-2`],
    ['upgraded', `${backup}-2`],
  ])
  expect(readFileSync(backup, 'utf8')).toBe('somebody keeps something here')
})

function thrown(words: string): never {
  throw new Error(words)
}

test('[UP-1] a file of another space, or with a damaged record of itself, is refused before anything is copied', async () => {
  await writtenFile(100)
  expect(thrownBy(() => upgrade({ space: parseSpaceId('another') })).code).toBe('store-foreign')
  const db = new Sqlite(path)
  db.prepare("UPDATE meta SET v = replace(v, ':', ': ') WHERE k = 'state'").run()
  db.close()
  expect(thrownBy(() => upgrade()).code).toBe('store-corrupt')
  expect(besides()).toEqual([])
})

test('[UP-1] a file whose structure is damaged is not upgraded, since no whole backup of it can be made', async () => {
  await writtenFile()
  const bytes = readFileSync(path)
  bytes.fill(0x5a, 40 * 8192, 60 * 8192)
  writeFileSync(path, bytes)
  expect(thrownBy(() => upgrade())).toMatchObject({ code: 'store-corrupt', message: expect.stringContaining('the file is as it was') })
  expect(besides()).toEqual([])
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

const PLACES = ['copying', 'copied', 'looked through', 'upgrading', 'in the first step', 'in the second step', 'upgraded', 'open'] as const

test('[UP-2] after kill -9 at any place of an upgrade the file is all of the old format or all of the new one, and the next start completes it', async () => {
  await writtenFile()
  const [rows, original] = [rowsOf(path), join(folder, 'original')]
  copyFileSync(path, original)
  const found: Record<string, number> = {}
  for (const place of PLACES) {
    for (const name of readdirSync(folder)) if (name !== 'original') rmSync(join(folder, name))
    copyFileSync(original, path)
    const killed = run('upgrade', [path, place])
    expect(await killed.ended, place).toMatchObject({ signal: 'SIGKILL', errors: '' })
    found[place] = formatHere(path)
    expect(rowsOf(path), place).toBe(rows)
    const backups = besides().filter((name) => name.endsWith('-backup'))
    expect(backups.length > 0, place).toBe(PLACES.indexOf(place) > PLACES.indexOf('looked through'))
    for (const backup of backups) expect([formatHere(join(folder, backup)), rowsOf(join(folder, backup))], place).toEqual([FORMAT, rows])
    upgrade()
    expect([formatHere(path), rowsOf(path)], place).toEqual([MADE_UP_FORMAT, rows])
    expect(besides(), `${place}: one backup, and nothing of the attempt`).toEqual([`space.db.v${FORMAT}-backup`])
  }
  const isNew = (place: string): boolean => place === 'upgraded' || place === 'open'
  expect(found).toEqual(Object.fromEntries(PLACES.map((place) => [place, isNew(place) ? MADE_UP_FORMAT : FORMAT])))
})

test('[UP-2] after kill -9 while the backup is being written, the file is of the old format and no half backup has a name', async () => {
  await writtenFile(300_000)
  const rows = rowsOf(path)
  const upgrading = run('upgrade', [path, 'never'])
  await upgrading.line('at copying')
  const part = `${path}.backup-part`
  while ((statSync(part, { throwIfNoEntry: false })?.size ?? 0) === 0 && upgrading.process.exitCode === null)
    await new Promise((resolve) => setImmediate(resolve))
  upgrading.process.kill('SIGKILL')
  await upgrading.ended
  expect(rowsOf(path)).toBe(rows)
  for (const backup of besides().filter((name) => name.endsWith('-backup'))) expect(rowsOf(join(folder, backup))).toBe(rows)
  upgrade()
  expect([formatHere(path), rowsOf(path)]).toEqual([MADE_UP_FORMAT, rows])
  expect(existsSync(part)).toBe(false)
})

test('[UP-3] an upgrade that meets the bound of the file is undone, in words, and the release before goes on', async () => {
  await writtenFile()
  const rows = rowsOf(path)
  const maxPages = Math.ceil(statSync(path).size / 8192) + 10
  expect(thrownBy(() => upgrade({ maxPages }))).toMatchObject({ code: 'store-full', message: expect.stringContaining('was undone') })
  expect([formatHere(path), rowsOf(path), besides()]).toEqual([FORMAT, rows, []])
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'disk' })
  expect(store.openReason).toBe('opened')
  await store.close()
})

const disk = smallDisk('40m')

test.skipIf(disk === null)('[UP-3] without room for the backup, or for the upgrade beside it, the file stays as it was', async () => {
  try {
    path = join(disk!.path, 'space.db')
    await writtenFile(120_000)
    const [rows, bytes] = [rowsOf(path), readFileSync(path)]
    const other = join(disk!.path, 'other')
    writeFileSync(other, Buffer.alloc(20 * 1024 * 1024))
    expect(thrownBy(() => upgrade())).toMatchObject({
      code: 'store-full',
      message: expect.stringMatching(/takes \d+ MiB of free disk; there are \d+\. The file is as it was\./),
    })
    expect([readFileSync(path).equals(bytes), besides()]).toEqual([true, []])
    // Room for the backup (7 MB and 8 in reserve), but not for a table as large in the WAL and then in the file.
    writeFileSync(other, Buffer.alloc(12 * 1024 * 1024))
    const greedy: Migration = {
      version: MADE_UP_FORMAT + 1,
      up: (db) =>
        void db.exec('CREATE TABLE more AS SELECT * FROM log; INSERT INTO more SELECT * FROM log; INSERT INTO more SELECT * FROM log'),
    }
    expect(thrownBy(() => upgrade({ steps: [...madeUpSteps(), greedy] }))).toMatchObject({
      code: 'store-full',
      message: expect.stringContaining('was undone'),
    })
    expect([formatHere(path), rowsOf(path), besides()]).toEqual([FORMAT, rows, []])
    rmSync(other)
    upgrade()
    expect([formatHere(path), rowsOf(path)]).toEqual([MADE_UP_FORMAT, rows])
  } finally {
    disk!.end()
  }
})

test('[UP-4] a stage of an upgrade is told when it begins, and every 5 s while it lasts, with what there is of the backup', () => {
  const timers: (() => void)[] = []
  const clock = {
    now: () => 0,
    after: (delayMs: number, wake: () => void): (() => void) => {
      expect(delayMs).toBe(5_000)
      timers.push(wake)
      return () => void timers.splice(timers.indexOf(wake), 1)
    },
  }
  const told: UpgradeNotice[] = []
  const notices = relayNotices(clock, (notice) => told.push(notice))
  const writing = join(folder, 'part')
  const stage = { path, backup: 'backup', from: 1, to: 2, bytes: 1000, doneBytes: 0, writing }
  notices.heard({ ...stage, stage: 'copying' })
  writeFileSync(writing, Buffer.alloc(600))
  timers.shift()!()
  notices.heard({ ...stage, stage: 'upgrading' })
  timers[0]!()
  notices.heard({ ...stage, stage: 'upgraded' })
  notices.end()
  expect(told.map(({ stage, doneBytes }) => [stage, doneBytes])).toEqual([
    ['copying', 0],
    ['copying', 600],
    ['upgrading', 1000],
    ['upgrading', 1000],
    ['upgraded', 1000],
  ])
})
