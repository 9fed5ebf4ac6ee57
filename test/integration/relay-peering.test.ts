// Two relays that dial each other for all their spaces, over real sockets and real files: whoever comes to either finds what the other has.

import { createServer, type AddressInfo } from 'node:net'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseDocId } from '@syncline/protocol'
import { createRelay, type Relay, type RelayOptions } from '@syncline/relay'
import { afterEach, expect, test, vi } from 'vitest'
import { temporaryFolder } from './relay-process.ts'
import { docWhere, stockClient, synced, type StockClient } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const NOTE = parseDocId('note')
const WITHIN = { timeout: 15_000, interval: 25 }

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Site {
  readonly folder: string
  readonly port: number
  relay: Relay
}

/** Keeps the folder and the port of a relay over its restarts. */
async function siteHere(): Promise<Omit<Site, 'relay'>> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return { folder: folder.path, port: await freePort() }
}

async function start({ folder, port }: Omit<Site, 'relay'>, peer: { port: number }, options: Partial<RelayOptions> = {}): Promise<Relay> {
  const relay = await createRelay({
    ...{ data: folder, port, durability: 'process', admin: { port: 0 }, spacePrefix: '/s/', insecure: true, limits: { spaceIdleMs: 200 } },
    ...{ peers: [`ws://127.0.0.1:${peer.port}`], peerSpaces: ['*'] },
    ...options,
  })
  cleanups.push(() => relay.close())
  return relay
}

async function clientIn(relay: Relay, space: string): Promise<StockClient> {
  const client = stockClient(`${relay.url}/s/${space}`, 'note')
  cleanups.push(() => client.destroy())
  await synced(client)
  return client
}

async function reads(relay: Relay, space: string, words: string): Promise<void> {
  const client = await clientIn(relay, space)
  await docWhere(client.doc, () => client.text.toString() === words)
  client.destroy()
}

/** A client of the space writes, is told that it is committed, and goes. */
async function writes(relay: Relay, space: string, words: string): Promise<void> {
  const { replica, release } = await relay.space(space)
  const handle = replica.openDocument(NOTE)
  handle.doc.getText('body').insert(0, words)
  await handle.saved()
  await handle.release()
  release()
}

async function open(relay: Relay): Promise<number> {
  const answer = await fetch(`${relay.adminUrl}/api/status`)
  return ((await answer.json()) as { spaces: { open: number } }).spaces.open
}

test(
  '[SP-7] with peer space * a tenant that comes to either relay finds what the other has, and a space that is new on one is made on the other',
  { timeout: 60_000 },
  async () => {
    const [here, there] = [await siteHere(), await siteHere()]
    const one = await start(here, there)
    for (const space of ['acme', 'bolt']) await writes(one, space, `of ${space}`)
    // Nobody uses them any more, and the other relay is not there yet: what it lacks is remembered.
    await vi.waitFor(async () => expect(await open(one)).toBe(1), WITHIN)
    const two = await start(there, here)
    for (const space of ['acme', 'bolt']) await vi.waitFor(() => expect(existsSync(join(there.folder, `${space}.db`))).toBe(true), WITHIN)
    // In step, they are held open no longer.
    await vi.waitFor(async () => expect([await open(one), await open(two)]).toEqual([1, 1]), WITHIN)
    for (const space of ['acme', 'bolt']) await reads(two, space, `of ${space}`)

    // Both ways, and live.
    const [ada, ben] = [await clientIn(one, 'chip'), await clientIn(two, 'chip')]
    ben.text.insert(0, 'new ')
    await docWhere(ada.doc, () => ada.text.toString() === 'new ')
    ada.text.insert(4, 'space')
    await docWhere(ben.doc, () => ben.text.toString() === 'new space')
    const text = await (await fetch(`${one.adminUrl}/metrics`)).text()
    expect(text).toMatch(/^syncline_dials\{phase="connected"\} [1-9]/m)
    expect(text).toMatch(/^syncline_dials\{phase="waiting"\} 0$/m)
  },
)

test(
  '[SP-7] a relay that was away gets what was written meanwhile, also of spaces that are closed by then',
  { timeout: 60_000 },
  async () => {
    const [here, there] = [await siteHere(), await siteHere()]
    const one = await start(here, there)
    const two = await start(there, here)
    await writes(one, 'acme', 'before ')
    await reads(two, 'acme', 'before ')
    await two.close()
    await writes(one, 'acme', 'after ')
    await vi.waitFor(async () => expect(await open(one)).toBe(1), WITHIN)
    // It dials nobody now: only the other one can tell it.
    const again = await start(there, here, { peers: [] })
    const held = await again.space('acme')
    await vi.waitFor(() => {
      const handle = held.replica.openDocument(NOTE)
      const words = handle.doc.getText('body').toString()
      void handle.release()
      expect(words).toBe('after before ')
    }, WITHIN)
    held.release()
  },
)

test('[SP-7] peer space * takes several spaces', async () => {
  const site = await siteHere()
  await expect(start(site, { port: 1 }, { spacePrefix: null })).rejects.toMatchObject({ code: 'argument-invalid' })
})
