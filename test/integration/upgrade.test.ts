// A data folder of another release, as an operator and an application meet it: older ones are read as they are and upgraded by who writes, newer ones are refused in
// words everywhere.

import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, expect, test } from 'vitest'
import { createReplica } from '@syncline/client'
import { DEFAULT_SPACE, parseSpaceId } from '@syncline/protocol'
import { isOlderFormat, openSqliteStore } from '@syncline/store/sqlite'
import { commandHere } from './command-here.ts'
import { startRelay, temporaryFolder } from './relay-process.ts'
import { freshUpdate, stockClient, synced } from './room-client.ts'

const oldest = fileURLToPath(new URL('../fixtures/stored-files/v1/closed.db', import.meta.url))
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

test('[UP-4] a relay upgrades the folder of an older release, says so and where the backup is; reading commands change nothing', async () => {
  const folder = folderHere()
  const file = join(folder, 'default.db')
  copyFileSync(oldest, file)
  const listed = await commandHere('ls', '--data', folder, '--json')
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining('"doc":"note/1"') })
  expect(await commandHere('verify', folder)).toMatchObject({ code: 0 })
  expect(readFileSync(file).equals(readFileSync(oldest))).toBe(true)

  const relay = await startRelay(folder)
  expect(await relay.end('SIGTERM')).toMatchObject({ code: 0 })
  const backup = `${file}.v1-backup`
  const said = relay
    .troubles()
    .split('\n')
    .filter((line) => line.includes('upgrade: '))
  for (const [index, phase] of ['copying', 'upgrading', 'upgraded'].entries()) {
    expect(said[index]).toContain(`phase ${phase}, from 1, to `)
    expect(said[index]).toContain(backup)
  }
  expect(existsSync(backup)).toBe(true)
  expect(await commandHere('ls', '--data', folder, '--json')).toMatchObject({ code: 0, stdout: listed.stdout })
  const back = folderHere()
  copyFileSync(backup, join(back, 'default.db'))
  expect(await commandHere('verify', back)).toMatchObject({ code: 0 })
  expect(await commandHere('ls', '--data', back, '--json')).toMatchObject({ code: 0, stdout: listed.stdout })
})

test('[UP-1] the folder of a newer release is refused by every command and by the client, in words that say how to go back', async () => {
  const folder = folderHere()
  const file = join(folder, 'default.db')
  const first = createReplica({ name: 'notes', storage: folder, peers: [] })
  await (await first.open('note')).whenSaved('local')
  await first.close()
  const db = new Database(file)
  db.pragma('user_version = 999')
  db.close()
  const bytes = readFileSync(file)
  const words = /has format 999; this release reads up to \d+\. \[store-newer\] .*FILE\.vN-backup/
  for (const args of [
    ['serve', '--port', '0', '--data', folder],
    ['ls', '--data', folder],
    ['inspect', 'note', '--data', folder],
    ['export', 'note', '--data', folder],
    ['verify', folder],
    ['import', join(folder, 'default.db'), '--as', 'note', '--data', folder],
  ]) {
    const { code, stderr } = await commandHere(...args)
    expect([code, stderr], args[0]).toEqual([1, expect.stringMatching(words)])
  }
  const replica = createReplica({ name: 'notes', storage: folder, peers: [] })
  await expect(replica.open('note')).rejects.toMatchObject({ code: 'store-newer', message: expect.stringMatching(words) })
  expect(replica.status.get().error?.code).toBe('store-newer')
  await replica.close()
  expect(readFileSync(file).equals(bytes)).toBe(true)
})

/** A folder with the spaces default, acme and bolt, whose files are as format 1 made them. */
async function olderFolder(): Promise<string> {
  const folder = folderHere()
  for (const space of ['default', 'acme', 'bolt']) {
    const imported = join(folder, `${space}.yupdate`)
    writeFileSync(imported, freshUpdate(`of ${space}`))
    expect(await commandHere('import', imported, '--as', 'note', '--data', folder, '--space', space)).toMatchObject({ code: 0 })
    asFormatOne(join(folder, `${space}.db`))
  }
  return folder
}

function asFormatOne(file: string): void {
  const db = new Database(file)
  db.exec('DROP TABLE remains')
  db.pragma('user_version = 1')
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}

test('[UP-6] serve upgrades the files of all its spaces before it listens, and one that cannot be upgraded keeps nobody from the others', async () => {
  const folder = await olderFolder()
  // Damaged where the upgrade looks first.
  const db = new Database(join(folder, 'bolt.db'))
  db.exec(`UPDATE meta SET v = 'x' WHERE k = 'identity'`)
  db.close()
  const relay = await startRelay(folder, { args: ['--space-prefix', '/s/', '--insecure'] })
  cleanups.push(() => relay.end('SIGKILL'))
  expect(['acme', 'bolt'].map((space) => isOlderFormat(join(folder, `${space}.db`)))).toEqual([false, true])
  expect(relay.troubles()).toMatch(/upgrade: .*space acme.*phase upgraded/)
  expect(relay.troubles()).toMatch(/space-failed: .*space bolt.*store-corrupt/)
  const client = stockClient(`${relay.url}/s/acme`, 'note')
  cleanups.push(() => client.destroy())
  await synced(client)
  expect(client.text.toString()).toBe('of acme')
})

test('[UP-6] syncline upgrade takes every space of a folder, goes on where it stopped, and is refused while a relay runs, except for a space of its own', async () => {
  const folder = await olderFolder()
  expect(await commandHere('upgrade', '--data', folder, '--space', 'acme', '--json')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /^\{"space":"acme","from":1,"to":\d+,.*acme\.db\.v1-backup"\}\n\{"type":"summary","upgraded":1,"failed":0,"left":0\}/,
    ),
  })
  const holder = await openSqliteStore({ path: join(folder, 'default.db'), space: DEFAULT_SPACE, durability: 'process' })
  expect(await commandHere('upgrade', '--data', folder)).toMatchObject({ code: 1, stderr: expect.stringContaining('[store-locked]') })
  expect(isOlderFormat(join(folder, 'bolt.db'))).toBe(true)
  await holder.close()
  asFormatOne(join(folder, 'default.db'))
  writeFileSync(join(folder, 'chip.db'), 'no database, and long enough to be told from an empty file'.repeat(20))
  const { code, stdout, stderr } = await commandHere('upgrade', '--data', folder)
  expect([code, stdout.split('\n')]).toEqual([
    0,
    [expect.stringMatching(/^default: format 1 to \d+, backup .*-backup-2$/), expect.stringMatching(/^bolt: .*bolt\.db\.v1-backup$/), ''],
  ])
  expect(stderr).toContain('2 files upgraded, 0 failed, 2 left as they are')
  expect(await commandHere('upgrade', '--data', folder, '--space', 'ghost')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[store-missing]'),
  })
})

test('[UP-6] commits of other spaces do not wait for the upgrade of a file that came while they were open', async () => {
  const folder = await olderFolder()
  const open = (space: string, onUpgrade?: () => void) =>
    openSqliteStore({
      path: join(folder, `${space}.db`),
      space: parseSpaceId(space),
      durability: 'process',
      ...(onUpgrade && { onUpgrade }),
    })
  const own = await open('default')
  cleanups.push(() => own.close())
  // The writer thread is busy for as long as its queue is: an upgrade in it would answer after that.
  const told: string[] = []
  const upgraded = open('acme', () => void told.push('upgrade'))
  await own.rotateEpoch()
  told.push('commit')
  cleanups.push(async () => (await upgraded).close())
  await upgraded
  expect(told[0]).toBe('commit')
  expect((await upgraded).reader.head()).toBe(1)
})
