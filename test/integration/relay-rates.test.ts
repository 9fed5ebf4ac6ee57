// How fast a relay reads: real sockets. Who sends more than its rate waits and loses nothing, others are not kept waiting, and an honest burst is not slowed down.

import { afterEach, expect, test } from 'vitest'
import { createReplica } from '@syncline/client'
import { parseDocId } from '@syncline/protocol'
import { createDoorman, createRelay, parsePolicy, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { frames, HocuspocusPeer } from './hocuspocus-frames.ts'
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

async function throttled(relay: Relay, by: string, door = ''): Promise<number> {
  const text = await (await fetch(`${relay.adminUrl!}/metrics`)).text()
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith('syncline_throttled_total{') && line.includes(`by="${by}"`) && line.includes(`door="${door}`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Whose tokens are their names; everybody may do what is listed. */
function doormanHere(allow: readonly string[] = ['read', 'write', 'create', 'delete', 'presence']): NonNullable<RelayOptions['doorman']> {
  return createDoorman({
    authenticator: ({ token }) => Promise.resolve({ subject: token, roles: [], claims: {}, expiresAtMs: null }),
    policy: parsePolicy(JSON.stringify({ version: 1, roles: { everyone: [{ allow, space: '**', doc: '**' }] } })),
    clock: nodeClock(),
    anonymous: false,
  })
}

function replicaAt(url: string, name: string): ReturnType<typeof createReplica> {
  const replica = createReplica({ name, storage: { kind: 'memory' }, peers: [url], auth: () => name })
  cleanups.push(() => replica.close())
  return replica
}

/** A connection with these documents open, by their tokens. */
async function hocuspocusPeer(relay: Relay, tokens: Readonly<Record<string, string>>): Promise<HocuspocusPeer> {
  const peer = await HocuspocusPeer.connected(relay.port)
  cleanups.push(() => peer.destroy())
  for (const [name, token] of Object.entries(tokens)) peer.say(frames.auth(name, token))
  await peer.until(() => Object.keys(tokens).every((name) => peer.verdictOf(name) !== null))
  return peer
}

/** Sends that many updates one by one, and waits until all are saved. */
async function types(peer: HocuspocusPeer, name: string, count: number): Promise<void> {
  const before = peer.heard(name, 'status 1').length
  for (const update of letters(count).updates) peer.say(frames.update(name, update))
  await peer.until(() => peer.heard(name, 'status 1').length === before + count)
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
  const relay = await relayHere({
    doorman: doormanHere(),
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

test('[LI-7] updates to one space share a rate, and other spaces are not kept waiting', async () => {
  const limits = { spaceBytesPerSecondMax: 64 * 1024, rateBurstSeconds: 1 }
  const relay = await relayHere({ limits, spacePrefix: '/s/', insecure: true })
  const large = (): Uint8Array => freshUpdate(Buffer.from(noise(30 * 1024)).toString('hex'))
  const rooms = await Promise.all(['acme/a', 'acme/b', 'other/a'].map((path) => roomOf(`${relay.url}/s/${path}`)))
  const order: number[] = []
  // Those of one space owe two seconds together; a second socket is paused by what the first one took.
  const sent = rooms.map(async (room, index) => {
    for (const update of index < 2 ? [large(), large()] : [large()]) {
      room.send(codec.updateFrame(update))
      await room.echoOf(update)
    }
    order.push(index)
  })
  await Promise.all(sent)
  expect(order[0]).toBe(2)
  expect(await throttled(relay, 'space', 'y-websocket')).toBeGreaterThan(0)
  expect(await throttled(relay, 'document')).toBe(0)
})

test('[LI-8] on one Hocuspocus socket each update counts for its document', async () => {
  const relay = await relayHere({ limits: { documentMessagesPerSecondMax: 40, rateBurstSeconds: 2 } })
  const names = ['one', 'two', 'three']
  const peer = await hocuspocusPeer(relay, Object.fromEntries(names.map((name) => [name, ''])))
  await Promise.all(names.map((name) => types(peer, name, 60)))
  expect(await throttled(relay, 'document')).toBe(0)
  await types(peer, 'two', 120)
  expect(await throttled(relay, 'document', 'hocuspocus')).toBeGreaterThan(0)
})

test('[LI-8] on one Hocuspocus socket each message counts for the identity whose token opened its document', async () => {
  const relay = await relayHere({ doorman: doormanHere(), limits: { subjectMessagesPerSecondMax: 50, rateBurstSeconds: 2 } })
  const peer = await hocuspocusPeer(relay, { one: 'ada', two: 'bob' })
  await types(peer, 'two', 150)
  expect(await throttled(relay, 'subject', 'hocuspocus')).toBeGreaterThan(0)
  const { updates } = letters(70)
  for (const who of ['ada', 'bob']) {
    const room = await roomOf(`${relay.url}/of-${who}?token=${who}`)
    for (const update of updates) room.send(codec.updateFrame(update))
    await room.echoOf(updates.at(-1)!)
    expect((await throttled(relay, 'subject', 'y-websocket')) > 0).toBe(who === 'bob')
  }
})

test('[LI-8] over a native link each update counts for its document', async () => {
  const relay = await relayHere({ limits: { documentBytesPerSecondMax: 64 * 1024, rateBurstSeconds: 1 } })
  const replica = replicaAt(relay.url, 'ada')
  const fill = async (name: string): Promise<void> => {
    const note = await replica.open(name)
    note.doc.getMap('parts').set(crypto.randomUUID(), noise(48 * 1024))
    await note.whenSaved('relay')
  }
  for (const name of ['one', 'two', 'three']) await fill(name)
  expect(await throttled(relay, 'document')).toBe(0)
  await fill('three')
  expect(await throttled(relay, 'document', 'native')).toBeGreaterThan(0)
})

test.each([
  ['without the right to administer comes no faster than its rate', ['read', 'write', 'create', 'delete'], true],
  ['of who administers the space is not counted', ['read', 'write', 'create', 'delete', 'admin'], false],
])('[LI-9] deleting names that never held anything %s, and all of it arrives', async (_, allow, isThrottled) => {
  const limits = { rememberedNamesPerSecondMax: 20, rateBurstSeconds: 1 }
  const relay = await relayHere({ doorman: doormanHere(allow), limits })
  const replica = replicaAt(relay.url, 'ada')
  const stored = await Promise.all(Array.from({ length: 30 }, (_none, at) => replica.open(`note/${at}`)))
  for (const { doc } of stored) doc.getText('body').insert(0, 'x')
  await Promise.all(stored.map((note) => note.whenSaved('relay')))
  for (const note of stored) await replica.delete(note.id)
  await Promise.all(Array.from({ length: 60 }, (_none, at) => replica.delete(`never/${at}`)))
  const last = await replica.open('last')
  last.doc.getText('body').insert(0, 'x')
  await last.whenSaved('relay')
  const gone = [0, 29].flatMap((at) => [`note/${at}`, `never/${at}`])
  expect(gone.map((name) => relay.replica.isDeleted(parseDocId(name)))).toEqual([true, true, true, true])
  expect((await throttled(relay, 'names', 'native')) > 0).toBe(isThrottled)
})

test('[LI-10] documents that are refused over a link come no faster than their rate, and each is told', async () => {
  const limits = { rememberedNamesPerSecondMax: 20, rateBurstSeconds: 1 }
  const relay = await relayHere({ doorman: doormanHere(['read', 'presence']), limits })
  const replica = replicaAt(relay.url, 'eve')
  const notes = await Promise.all(Array.from({ length: 60 }, (_none, at) => replica.open(`note/${at}`)))
  for (const { doc } of notes) doc.getText('body').insert(0, 'x')
  const told = await Promise.all(notes.map((note) => note.whenSaved('relay').catch((error: unknown) => (error as { code: string }).code)))
  expect(new Set(told)).toEqual(new Set(['read-only']))
  expect(await throttled(relay, 'names', 'native')).toBeGreaterThan(0)
})
