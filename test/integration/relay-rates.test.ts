// How fast a relay reads: real sockets. Who sends more than its rate waits and loses nothing, others are not kept waiting, and an honest burst is not slowed down.

import { afterEach, expect, test } from 'vitest'
import { createReplica } from '@syncline/client'
import { createDoorman, createRelay, parsePolicy, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { temporaryFolder } from './relay-process.ts'
import { BareClient, freshUpdate, stockClient, synced } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayHere(options: Partial<RelayOptions>): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', admin: { port: 0 }, ...options })
  cleanups.push(() => relay.close())
  return relay
}

async function roomOf(url: string): Promise<BareClient> {
  const bare = new BareClient(url)
  cleanups.push(() => bare.terminate())
  await bare.opened
  bare.send(codec.step1Frame(Uint8Array.of(0)))
  return bare
}

/** Updates of one writer, a text each. */
function letters(count: number, text = 'x'): { readonly updates: Uint8Array[]; readonly doc: Y.Doc } {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (let at = 0; at < count; at++) doc.getText('body').insert(at * text.length, text)
  return { updates, doc }
}

/** What does not get smaller by compression. */
function noise(bytes: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(bytes))
}

async function throttled(relay: Relay, by: string): Promise<number> {
  const text = await (await fetch(`${relay.adminUrl!}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith('syncline_throttled_total{') && line.includes(`by="${by}"`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('[LI-4] a connection over its rate is read at that rate: all it sent is stored and echoed, and others are answered at once', async () => {
  const relay = await relayHere({ limits: { connectionMessagesPerSecondMax: 100, rateBurstSeconds: 1 } })
  const [fast, other] = [await roomOf(`${relay.url}/busy`), await roomOf(`${relay.url}/busy`)]
  // Some sixty fit what is read of a socket at a time, which is handled in one go.
  const { updates, doc } = letters(400, 'x'.repeat(1024))
  const started = performance.now()
  const last = fast.echoOf(updates.at(-1)!).then(() => performance.now())
  for (const update of updates) fast.send(codec.updateFrame(update))
  const aside = freshUpdate('meanwhile')
  other.send(codec.updateFrame(aside))
  await other.echoOf(aside)
  const answeredMs = performance.now()
  // A hundred at once, the others at a hundred a second.
  const lastMs = await last
  expect(lastMs - started).toBeGreaterThan(1_500)
  expect(answeredMs).toBeLessThan(lastMs)
  expect(fast.messages.filter(({ kind }) => kind === 'update')).toHaveLength(updates.length + 1)
  expect(await throttled(relay, 'connection')).toBeGreaterThan(0)
  const reader = stockClient(relay.url, 'busy')
  cleanups.push(() => reader.destroy())
  await synced(reader)
  expect(reader.text.toString()).toContain(doc.getText('body').toString())
  expect([fast.socket.readyState, other.socket.readyState]).toEqual([1, 1])
})

test('[LI-5] connections of one person, and those to one document, share a rate', async () => {
  const clock = nodeClock()
  const policy = parsePolicy(JSON.stringify({ version: 1, roles: { everyone: [{ allow: 'all', space: '**', doc: '**' }] } }))
  const doorman = createDoorman({
    authenticator: ({ token }) => Promise.resolve({ subject: token, roles: [], claims: {}, expiresAtMs: null }),
    policy,
    clock,
    anonymous: false,
  })
  const relay = await relayHere({
    doorman,
    limits: { subjectMessagesPerSecondMax: 100, documentMessagesPerSecondMax: 200, rateBurstSeconds: 1 },
  })
  const ofAda = await Promise.all(['one', 'two'].map((room) => roomOf(`${relay.url}/${room}?token=ada`)))
  const sent = ofAda.map((bare) => {
    const { updates } = letters(90)
    for (const update of updates) bare.send(codec.updateFrame(update))
    return bare.echoOf(updates.at(-1)!)
  })
  await Promise.all(sent)
  expect(await throttled(relay, 'subject')).toBeGreaterThan(0)
  expect(await throttled(relay, 'document')).toBe(0)
  const many = await Promise.all(['eve', 'bob', 'kim'].map((who) => roomOf(`${relay.url}/three?token=${who}`)))
  await Promise.all(
    many.map((bare) => {
      const { updates } = letters(90)
      for (const update of updates) bare.send(codec.updateFrame(update))
      return bare.echoOf(updates.at(-1)!)
    }),
  )
  expect(await throttled(relay, 'document')).toBeGreaterThan(0)
})

test('[LI-5] a native link over its rate waits too, and everything arrives', async () => {
  const relay = await relayHere({ limits: { connectionBytesPerSecondMax: 64 * 1024, rateBurstSeconds: 1 } })
  const replica = createReplica({ name: 'fast', storage: { kind: 'memory' }, peers: [relay.url] })
  cleanups.push(() => replica.close())
  const note = await replica.open('large')
  for (let part = 0; part < 4; part++) note.doc.getMap('parts').set(String(part), noise(48 * 1024))
  await note.whenSaved('relay')
  expect(await throttled(relay, 'connection')).toBeGreaterThan(0)
})

test('[LI-6] who would have to wait too long is told to come back, and what was read of it is stored', async () => {
  const relay = await relayHere({ limits: { connectionBytesPerSecondMax: 1024, rateBurstSeconds: 1, rateWaitMsMax: 1_000 } })
  const bare = await roomOf(`${relay.url}/flood`)
  const small = freshUpdate('first')
  bare.send(codec.updateFrame(small))
  await bare.echoOf(small)
  const flood = letters(1)
  const large = new Uint8Array(16 * 1024)
  flood.doc.getMap('m').set('large', large)
  bare.send(codec.updateFrame(flood.updates.at(-1)!))
  expect(await bare.closed).toMatchObject({ code: 1013, reason: expect.stringContaining('rate-limited') as string })
  const text = await (await fetch(`${relay.adminUrl!}/metrics`)).text()
  expect(text).toContain('syncline_access_refused_total{door="y-websocket",code="rate-limited"} 1')
  const again = await roomOf(`${relay.url}/flood`)
  const next = freshUpdate('next')
  again.send(codec.updateFrame(next))
  await again.echoOf(next)
})

test('[LI-4] a paste and a hundred thousand offline edits in one update are not slowed down', async () => {
  const relay = await relayHere({})
  const bare = await roomOf(`${relay.url}/offline`)
  const { updates, doc } = letters(100_000)
  const all = Y.mergeUpdates([updates[0]!, Y.encodeStateAsUpdate(doc)])
  bare.send(codec.updateFrame(all))
  await bare.echoOf(all)
  const paste = freshUpdate('p'.repeat(5_000_000))
  bare.send(codec.updateFrame(paste))
  await bare.echoOf(paste)
  expect(await throttled(relay, 'connection')).toBe(0)
})
