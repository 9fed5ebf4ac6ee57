// One tenant's trouble is not the others': a relay with several spaces of which the file of one fails, over real sockets and real files.

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRelay, type Relay } from '@syncline/relay'
import { afterEach, expect, test } from 'vitest'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { temporaryFolder } from './relay-process.ts'
import { BareClient, freshUpdate, refusedUpgrade } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Here {
  readonly relay: Relay
  file(space: string): string
  /** Of the spaces that could not be opened, or closed. */
  readonly failed: string[]
  ready(): Promise<readonly [number, unknown]>
  failing(which: 'default' | 'other'): Promise<number>
}

async function relayHere(): Promise<Here> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const failed: string[] = []
  const relay = await createRelay({
    ...{ data: folder.path, port: 0, durability: 'process', admin: { port: 0 }, spacePrefix: '/s/', insecure: true },
    onSpaceFailed: (space) => void failed.push(space),
  })
  cleanups.push(() => relay.close())
  return {
    relay,
    failed,
    file: (space) => join(folder.path, `${space}.db`),
    async ready() {
      const answer = await fetch(`${relay.adminUrl}/readyz`)
      return [answer.status, await answer.json()] as const
    },
    async failing(which) {
      const text = await (await fetch(`${relay.adminUrl}/metrics`)).text()
      return Number(new RegExp(`^syncline_spaces_failed\\{space="${which}"\\} (\\S+)$`, 'm').exec(text)![1])
    },
  }
}

async function roomIn({ relay }: Here, space: string): Promise<BareClient> {
  const room = new BareClient(`${relay.url}/s/${space}/note`)
  cleanups.push(() => room.terminate())
  await room.opened
  return room
}

/** An unlinked file takes writes without an error: the store finds out, and says so to whoever waits for the commit. */
async function losesItsFile(here: Here, space: string): Promise<void> {
  const room = await roomIn(here, space)
  const file = here.file(space)
  renameSync(file, `${file}-away`)
  for (;;) {
    const update = freshUpdate('lost')
    room.send(codec.updateFrame(update))
    const ended = await Promise.race([room.closed, room.echoOf(update).then(() => null)])
    if (ended === null) continue
    expect(ended).toEqual({ code: 1013, reason: expect.stringContaining('storage-failed') })
    return
  }
}

async function writes(here: Here, space: string): Promise<void> {
  const room = await roomIn(here, space)
  const update = freshUpdate('kept')
  room.send(codec.updateFrame(update))
  await room.echoOf(update)
  room.terminate()
}

test(
  '[HE-5] a tenant whose store fails is answered with a typed error and named, and the relay stays ready for the others',
  { timeout: 30_000 },
  async () => {
    const here = await relayHere()
    for (const space of ['acme', 'bolt']) await writes(here, space)
    expect(await here.ready()).toEqual([200, { ok: true, reasons: [] }])
    await losesItsFile(here, 'acme')
    expect(await here.ready()).toMatchObject([
      200,
      { ok: true, reasons: [], failing: [{ space: 'acme', code: 'store-replaced', words: expect.stringContaining('space acme') }] },
    ])
    expect([await here.failing('default'), await here.failing('other')]).toEqual([0, 1])
    for (const space of ['bolt', 'default']) await writes(here, space)
  },
)

test('[HE-5] a space whose file cannot be opened is counted and named until it opens, and the relay stays ready', async () => {
  const here = await relayHere()
  mkdirSync(here.file('acme'))
  expect(await refusedUpgrade(`${here.relay.url}/s/acme/note`)).toEqual({ status: 503, words: expect.stringContaining('[storage-failed]') })
  expect(here.failed).toEqual(['acme'])
  expect(await here.ready()).toMatchObject([200, { ok: true, failing: [{ space: 'acme', code: 'store-foreign' }] }])
  expect(await here.failing('other')).toBe(1)
  await writes(here, 'bolt')
  rmSync(here.file('acme'), { recursive: true })
  writeFileSync(here.file('acme'), '')
  await writes(here, 'acme')
  expect(await here.ready()).toEqual([200, { ok: true, reasons: [] }])
  expect(await here.failing('other')).toBe(0)
})
