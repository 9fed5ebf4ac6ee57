// A data folder of another release, as an operator and an application meet it: older ones are read as they are and upgraded by who writes, newer ones are refused in
// words everywhere.

import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, expect, test } from 'vitest'
import { createReplica } from '@syncline/client'
import { commandHere } from './command-here.ts'
import { startRelay, temporaryFolder } from './relay-process.ts'

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
