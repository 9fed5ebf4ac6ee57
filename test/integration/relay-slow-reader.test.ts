// A y-websocket client that does not read: what is kept for it is bounded, it is not closed for it, and it gets everything once it reads again.

import { afterEach, expect, test } from 'vitest'
import { createRelay, RELAY_LIMITS, type Relay } from '@syncline/relay'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { temporaryFolder } from './relay-process.ts'
import { BareClient, freshUpdate } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayHere(): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process' })
  cleanups.push(() => relay.close())
  return relay
}

async function roomOf(relay: Relay, room: string): Promise<BareClient> {
  const bare = new BareClient(`${relay.url}/${room}`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  bare.send(codec.step1Frame(Uint8Array.of(0)))
  return bare
}

const MIB = 1024 * 1024

test('[RS-1] slow readers of a busy room are not queued for, are not closed, and end up with everything', async () => {
  const relay = await relayHere()
  const [readers, rounds] = [8, 24]
  const writer = await roomOf(relay, 'busy')
  const slow = await Promise.all(Array.from({ length: readers }, () => roomOf(relay, 'busy')))
  for (const reader of slow) reader.socket.pause()
  // Each replaces one large value, so that the document stays small while the traffic is not.
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  let most = 0
  for (let round = 0; round < rounds; round++) {
    doc.getMap('values').set('value', `${round} `.padEnd(MIB / 2, 'x'))
    const update = updates.at(-1)!
    writer.send(codec.updateFrame(update))
    await writer.echoOf(update)
    writer.messages.length = 0
    updates.length = 0
    most = Math.max(most, relay.unsentBytes)
  }
  // Above the bound nothing is added, so at most one update more than it; without one, 12 MiB each would wait.
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThan(readers * (RELAY_LIMITS.socketBufferBytesMax + MIB))
  for (const reader of slow) {
    const seen = new Y.Doc()
    reader.onMessage = (message) => {
      if (message.kind === 'update') Y.applyUpdate(seen, message.update)
    }
    reader.socket.resume()
    await reader.messageWhere(() => String(seen.getMap('values').get('value')).startsWith(`${rounds - 1} `))
    expect(reader.socket.readyState).toBe(1)
  }
}, 60_000)

test('[RS-1] a client that asks and writes without reading is not read any further: its own answers do not pile up', async () => {
  const relay = await relayHere()
  const writer = await roomOf(relay, 'large')
  const large = freshUpdate('x'.repeat(2 * MIB))
  writer.send(codec.updateFrame(large))
  await writer.echoOf(large)
  const greedy = await roomOf(relay, 'large')
  greedy.socket.pause()
  const questions = 100
  for (let count = 0; count < questions; count++) greedy.send(codec.step1Frame(Uint8Array.of(0)))
  // Somebody else is served meanwhile.
  for (let count = 0; count < 20; count++) {
    const update = freshUpdate(`edit ${count}`)
    writer.send(codec.updateFrame(update))
    await writer.echoOf(update)
  }
  expect(relay.unsentBytes).toBeGreaterThan(0)
  expect(relay.unsentBytes).toBeLessThan(4 * MIB)
  let answers = -1 // the first is for the question of every client
  greedy.onMessage = (message) => {
    if (message.kind === 'step-2') answers++
  }
  greedy.socket.resume()
  await greedy.messageWhere(() => answers === questions)
}, 60_000)

test('[RS-1] one frame may ask very often: what it asks is answered as fast as the client reads', async () => {
  const relay = await relayHere()
  const writer = await roomOf(relay, 'large')
  const large = freshUpdate('x'.repeat(MIB))
  writer.send(codec.updateFrame(large))
  await writer.echoOf(large)
  const greedy = await roomOf(relay, 'large')
  greedy.socket.pause()
  greedy.send(Buffer.concat(Array.from({ length: codec.messagesPerFrameMax }, () => codec.step1Frame(Uint8Array.of(0)))))
  const update = freshUpdate('afterwards')
  writer.send(codec.updateFrame(update))
  await writer.echoOf(update)
  await expect.poll(() => relay.unsentBytes, { timeout: 20_000 }).toBeGreaterThan(0)
  expect(relay.unsentBytes).toBeLessThan(3 * MIB)
})

test('[RS-1] a client that answers no ping is sent nothing more, and everything once it answers: the network would take some MiB for it', async () => {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const limits = { pingEveryMs: 50, pingAnswerMs: 100, silentCloseMs: 60_000 }
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', limits })
  cleanups.push(() => relay.close())
  const writer = await roomOf(relay, 'busy')
  const slow = await roomOf(relay, 'busy')
  await slow.messageWhere(({ kind }) => kind === 'step-2')
  slow.socket.pause()
  // Both are pinged in the same beat.
  const beats = async (count: number): Promise<void> => {
    for (let beat = 0; beat < count; beat++) await new Promise((resolve) => writer.socket.once('ping', resolve))
  }
  await beats(5)
  let last: Uint8Array = new Uint8Array(0)
  for (let count = 0; count < 10; count++) {
    last = freshUpdate(`edit ${count}`)
    writer.send(codec.updateFrame(last))
    await writer.echoOf(last)
    await beats(1)
  }
  let pingsBefore = 0
  let updates = 0
  slow.socket.on('ping', () => (pingsBefore += updates === 0 ? 1 : 0))
  slow.onMessage = ({ kind }) => (updates += kind === 'update' ? 1 : 0)
  slow.socket.resume()
  await slow.echoOf(last)
  expect(updates).toBe(10)
  // One is asked for, however many beats pass, and everything comes after it.
  expect(pingsBefore).toBe(1)
})

test('[RS-1] when all clients together leave too much unread, the one with most is cut, and only that one', async () => {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({
    data: folder.path,
    port: 0,
    durability: 'process',
    limits: { pingEveryMs: 50, unsentBytesMax: 18 * MIB },
  })
  cleanups.push(() => relay.close())
  const writer = await roomOf(relay, 'large')
  const large = freshUpdate('x'.repeat(16 * MIB))
  writer.send(codec.updateFrame(large))
  await writer.echoOf(large)
  const bystander = await roomOf(relay, 'small')
  // Each holds one answer of 16 MiB less what the network takes: one of them is allowed, two are not.
  const slow = Array.from({ length: 2 }, () => new BareClient(`${relay.url}/large`))
  for (const reader of slow) {
    cleanups.push(() => reader.terminate())
    await reader.opened
    reader.socket.pause()
    reader.send(codec.step1Frame(Uint8Array.of(0)))
  }
  await expect.poll(() => relay.connections, { timeout: 20_000 }).toBe(3)
  expect(relay.unsentBytes).toBeLessThan(18 * MIB)
  expect([writer.socket.readyState, bystander.socket.readyState]).toEqual([1, 1])
})
