// The unmodified npm package y-websocket against a relay: what its users see. Reads the stock provider over ws, BroadcastChannel off.

import type { WebSocket } from 'ws'
import { afterEach, expect, test } from 'vitest'
import { createRelay, type Relay, type RelayOptions } from '@syncline/relay'
import { createMemoryStore } from '@syncline/store/memory'
import { Replica } from '@syncline/replica'
import { dial, nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { DEFAULT_SPACE, docKeyOf, parseDocId } from '@syncline/protocol'
import * as Y from 'yjs'
import {
  BareClient,
  awarenessWhere,
  connectionIs,
  docWhere,
  freshUpdate,
  refusedUpgrade,
  stockClient,
  synced,
  type StockClient,
} from '../integration/room-client.ts'
import { startRelay, temporaryFolder } from '../integration/relay-process.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayHere(options: Partial<RelayOptions> = {}): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', ...options })
  cleanups.push(() => relay.close())
  return relay
}

function client(url: string, room: string, doc?: Y.Doc): StockClient {
  const made = stockClient(url, room, doc, { maxBackoffTime: 300 })
  cleanups.push(() => made.destroy())
  return made
}

/** A native replica in memory, linked to the relay. */
function nativeReplica(url: string): Replica {
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
  const replica = new Replica({ store, role: 'device', clock: nodeClock(), random: nodeRandom, compression: nodeCompression })
  const link = dial(replica, { url })
  cleanups.push(async () => {
    await link.close()
    await replica.close()
  })
  return replica
}

test('[YW-2] two stock clients sync through a relay, both ways, and a third that comes later gets everything', async () => {
  const { url } = await relayHere()
  const [ada, ben] = [client(url, 'note'), client(url, 'note')]
  ada.text.insert(0, 'Hello')
  await docWhere(ben.doc, () => ben.text.toString() === 'Hello')
  ben.text.insert(5, ', Ada')
  await docWhere(ada.doc, () => ada.text.toString() === 'Hello, Ada')
  const late = client(url, 'note')
  await synced(late)
  expect(late.text.toString()).toBe('Hello, Ada')
})

test('[YW-2] what two stock clients wrote apart is merged when they meet the relay, deletes included', async () => {
  const { url } = await relayHere()
  const [ada, ben] = [client(url, 'note'), client(url, 'note')]
  ada.text.insert(0, 'abc')
  await docWhere(ben.doc, () => ben.text.length === 3)
  ada.provider.disconnect()
  ben.provider.disconnect()
  ada.text.delete(0, 1)
  ben.text.insert(3, 'def')
  ada.provider.connect()
  ben.provider.connect()
  await Promise.all([ada, ben].map(({ doc, text }) => docWhere(doc, () => text.toString() === 'bcdef')))
})

test('[YW-3] stock clients see each other in awareness, and one that leaves is gone', async () => {
  const { url } = await relayHere()
  const [ada, ben] = [client(url, 'note'), client(url, 'note')]
  ada.provider.awareness.setLocalStateField('user', { name: 'Ada' })
  await awarenessWhere(ben, (states) => (states.get(ada.doc.clientID)?.['user'] as { name?: string } | undefined)?.name === 'Ada')
  const late = client(url, 'note')
  await awarenessWhere(late, (states) => states.has(ada.doc.clientID))
  ada.provider.disconnect()
  await awarenessWhere(ben, (states) => !states.has(ada.doc.clientID))
})

test('[YW-3] a client whose connection dies without a word is removed from awareness', async () => {
  const { url } = await relayHere()
  const [ada, ben] = [client(url, 'note'), client(url, 'note')]
  ada.provider.awareness.setLocalStateField('user', { name: 'Ada' })
  await awarenessWhere(ben, (states) => states.has(ada.doc.clientID))
  ada.provider.shouldConnect = false
  ;(ada.provider.ws as unknown as WebSocket).terminate()
  await awarenessWhere(ben, (states) => !states.has(ada.doc.clientID))
})

test('[YW-3] a client gets its own awareness back, as from the stock server, and an answer to its query', async () => {
  const { url } = await relayHere()
  const bare = new BareClient(`${url}/note`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  const awareness = Uint8Array.of(1, 7, 1, 2, 0x7b, 0x7d)
  bare.send(codec.awarenessFrame(awareness))
  await bare.messageWhere((message) => message.kind === 'awareness' && Buffer.from(message.bytes).equals(awareness))
})

test('[YW-2] stock clients reconnect to a relay that was killed and started again on its port, with all they wrote meanwhile', async () => {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  let relay = await startRelay(folder.path)
  cleanups.push(() => relay.end('SIGKILL'))
  const { port } = relay
  const [ada, ben] = [client(relay.url, 'note'), client(relay.url, 'note')]
  ada.text.insert(0, 'before ')
  await docWhere(ben.doc, () => ben.text.length === 7)
  await relay.end('SIGKILL')
  await Promise.all([connectionIs(ada, 'disconnected'), connectionIs(ben, 'disconnected')])
  ada.text.insert(0, 'A')
  ben.text.insert(ben.text.length, 'B')
  relay = await startRelay(folder.path, { port })
  await Promise.all([ada, ben].map(({ doc, text }) => docWhere(doc, () => text.toString() === 'Abefore B')))
})

test('[YW-1] räum mit leer/zeichen, r-%41 and r-A are three documents, and a native replica finds them by these names', async () => {
  const relay = await relayHere()
  const names = ['räum mit leer/zeichen', 'r-%41', 'r-A']
  for (const name of names) {
    const one = client(relay.url, name)
    one.text.insert(0, `in ${name}`)
  }
  const native = nativeReplica(relay.url)
  for (const name of names) {
    const opened = native.openDocument(parseDocId(name))
    cleanups.push(() => opened.release())
    const text = opened.doc.getText('body')
    await docWhere(opened.doc, () => text.length > 0)
    expect(text.toString()).toBe(`in ${name}`)
  }
  expect([...relay.replica.documents()].map((row) => row.name).sort()).toEqual([...names].sort())
})

test('[YW-1] the query string names no document, and the first subprotocol offered is chosen', async () => {
  const { url } = await relayHere()
  const [one, other] = [new BareClient(`${url}/note?token=1`, { subprotocols: ['first', 'second'] }), new BareClient(`${url}/note`)]
  cleanups.push(
    () => one.terminate(),
    () => other.terminate(),
  )
  await Promise.all([one.opened, other.opened])
  expect(one.socket.protocol).toBe('first')
  const update = freshUpdate('seen by both')
  one.send(codec.updateFrame(update))
  await other.echoOf(update)
})

test('[YW-1] a room name that is empty, too long or has a NUL is refused at the upgrade, in words', async () => {
  const { url } = await relayHere({ hocuspocusPath: null })
  expect(await refusedUpgrade(`${url}/`)).toEqual({ status: 400, words: expect.stringContaining('names no document') })
  expect(await refusedUpgrade(`${url}/${'x'.repeat(513)}`)).toEqual({
    status: 400,
    words: expect.stringContaining('longer than 512 bytes'),
  })
  expect(await refusedUpgrade(`${url}/a%00b`)).toEqual({ status: 400, words: expect.stringContaining('NUL') })
  expect(await refusedUpgrade(`${url}/${'x'.repeat(64_000)}`).catch((error: Error) => error.message)).toMatchObject({ status: 431 })
})

test('[YW-5] a 5 MB offline document arrives through y-websocket at a native replica, and one of a native replica at y-websocket', async () => {
  const { url } = await relayHere()
  const native = nativeReplica(url)
  const offline = new Y.Doc()
  const body = offline.getText('body')
  // Many small edits, as typing makes them, around large ones.
  for (let at = 0; at < 200; at++) body.insert((at * 7919) % (body.length + 1), `${at} `)
  for (let at = 0; at < 50; at++) body.insert(0, `${at} `.padEnd(100_000, 'lorem ipsum '))
  const bytes = Y.encodeStateAsUpdate(offline).length
  expect(bytes).toBeGreaterThan(5_000_000)
  client(url, 'big/from-room', offline)
  const opened = native.openDocument(parseDocId('big/from-room'))
  cleanups.push(() => opened.release())
  await docWhere(opened.doc, () => opened.doc.getText('body').length === body.length)
  expect(opened.doc.getText('body').toString()).toBe(body.toString())

  const back = native.openDocument(parseDocId('big/from-native'))
  cleanups.push(() => back.release())
  back.doc.getText('body').applyDelta(body.toDelta())
  const reader = client(url, 'big/from-native')
  await docWhere(reader.doc, () => reader.text.length === body.length)
  expect(reader.text.toString()).toBe(body.toString())
})

test('[YW-6] a refused update is not echoed and ends the connection with a code that stops y-websocket 3.1; who comes back with it stays connected and unheard', async () => {
  const refused: string[] = []
  const { url, replica } = await relayHere({ onRefused: (_, code) => refused.push(code) })
  const malformed = Uint8Array.of(1, 1, 7)
  const first = new BareClient(`${url}/note`)
  await first.opened
  first.send(codec.updateFrame(malformed))
  expect(await first.closed).toEqual({ code: 4422, reason: expect.stringMatching(/^update-malformed: /) })
  expect(first.messages.filter((message) => message.kind === 'update')).toEqual([])

  const again = new BareClient(`${url}/note`)
  cleanups.push(() => again.terminate())
  await again.opened
  again.send(codec.updateFrame(malformed))
  await again.messageWhere((message) => message.kind === 'foreign' && message.type === 2)
  again.send(codec.updateFrame(freshUpdate('unheard')))
  const healthy = client(url, 'note')
  healthy.text.insert(0, 'healthy')
  await again.messageWhere((message) => message.kind === 'update')
  expect(replica.status().documents).toBe(1)
  expect(replica.openDocument(parseDocId('note')).doc.getText('body').toString()).toBe('healthy')
  expect(refused).toEqual(['update-malformed', 'update-malformed'])
})

test('[YW-6] the stock provider 3.1 stops at a refusal and tells its application why', async () => {
  const { url } = await relayHere()
  const [ada, ben] = [client(url, 'note'), client(url, 'note')]
  await Promise.all([synced(ada), synced(ben)])
  const closed = new Promise<{ code: number; reason: string }>((resolve) => ada.provider.on('closed', resolve))
  ada.doc.getMap('settings').set('__proto__', new Y.Map())
  expect(await closed).toEqual({ code: 4422, reason: expect.stringMatching(/^update-forbidden: /) })
  expect(ada.provider.shouldConnect).toBe(false)
  ben.text.insert(0, 'goes on')
  const late = client(url, 'note')
  await docWhere(late.doc, () => late.text.toString() === 'goes on')
  expect(late.doc.getMap('settings').size).toBe(0)
})

test('[YW-7] an update whose dependencies are missing makes the relay ask for them, and a client without them is not asked for ever', async () => {
  const { url } = await relayHere()
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const letter of 'abcd') doc.getText('body').insert(doc.getText('body').length, letter)
  const bare = new BareClient(`${url}/note`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  let asked = 0
  bare.onMessage = (message) => {
    if (message.kind === 'step-1') asked++
  }
  // The last letter without the ones before: asked, answered with the same, and not asked again.
  bare.send(codec.updateFrame(updates[3]!))
  await bare.messageWhere((message) => message.kind === 'step-1' && asked > 0)
  bare.send(codec.step2Frame(updates[3]!))
  for (let repeat = 0; repeat < 20; repeat++) bare.send(codec.updateFrame(updates[3]!))
  // Then an honest answer, which brings all of it.
  const state = Y.encodeStateAsUpdate(doc)
  bare.send(codec.step2Frame(state))
  await bare.echoOf(state)
  expect(asked).toBeLessThanOrEqual(4)
  const reader = client(url, 'note')
  await synced(reader)
  expect(reader.text.toString()).toBe('abcd')
})

test('[YW-8] a client that was sent nothing for a ping interval gets a message that changes nothing', async () => {
  const { url } = await relayHere({ limits: { pingEveryMs: 50 } })
  const bare = new BareClient(`${url}/note`)
  cleanups.push(() => bare.terminate())
  await bare.messageWhere((message) => message.kind === 'awareness' && message.bytes.length === 1 && message.bytes[0] === 0)
})

test('[YW-2] the document of a room is the document of that name', async () => {
  const relay = await relayHere()
  const one = client(relay.url, 'note/42')
  one.text.insert(0, 'x')
  const other = client(relay.url, 'note/42')
  await docWhere(other.doc, () => other.text.length === 1)
  expect([...relay.replica.documents()].map(({ key }) => key)).toEqual([docKeyOf(DEFAULT_SPACE, parseDocId('note/42'))])
})
