// The unmodified npm package @y/websocket 4 with Yjs 14 against a relay, beside clients of Yjs 13: what its users see, and what it may call confirmed.

import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { createReplica, type DocHandle } from '@syncline/client'
import { contentDigest, DEFAULT_SPACE, docKeyOf, isRefusal, parseDocId, unframeUpdates, walkUpdate } from '@syncline/protocol'
import { createDoorman, createRelay, jwtAuthenticator, parsePolicy, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { openSqliteReader, type SqliteReading } from '@syncline/store/sqlite'
import * as Y14 from '@y/y'
import fc from 'fast-check'
import * as Y from 'yjs'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import { awarenessWhere, docWhere, idsOf, stockClient, type StockClient } from '../integration/room-client.ts'
import { client4, wordsOf, type Client4 } from './y-websocket-4-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

async function relayHere(options: Partial<RelayOptions> = {}): Promise<Relay> {
  const relay = await createRelay({ data: folderHere(), port: 0, durability: 'process', ...options })
  cleanups.push(() => relay.close())
  return relay
}

async function relayProcess(folder: string, port = 0): Promise<RelayProcess> {
  const relay = await startRelay(folder, { port })
  cleanups.push(() => relay.end('SIGKILL'))
  return relay
}

function four(...args: Parameters<typeof client4>): Client4 {
  const made = client4(...args)
  cleanups.push(() => made.destroy())
  return made
}

function three(...args: Parameters<typeof stockClient>): StockClient {
  const made = stockClient(...args)
  cleanups.push(() => made.destroy())
  return made
}

async function native(url: string, doc: string): Promise<DocHandle> {
  const replica = createReplica({ name: 'here', storage: { kind: 'memory' }, peers: [url] })
  cleanups.push(() => replica.close())
  return replica.open(doc)
}

/** Resolves when the client is synced and everything it wrote was sent back. */
function confirmed(client: Client4): Promise<void> {
  return client.until(() => client.provider.synced && !client.unconfirmed)
}

test('[YW-9] a version 4 client, a version 3 client and a native replica edit one document, and one that comes later gets everything', async () => {
  const { url } = await relayHere()
  const [ada, ben, cas] = [four(url, 'note'), three(url, 'note'), await native(url, 'note')]
  const body = cas.doc.getText('body')
  ada.text.insert(0, 'Héllo 🌱')
  ada.text.format(0, 5, { bold: true })
  await docWhere(ben.doc, () => ben.text.length === 8)
  ben.text.insert(8, ', Ada')
  await docWhere(cas.doc, () => body.length === 13)
  body.delete(0, 1)
  await ada.until(() => wordsOf(ada.text) === 'éllo 🌱, Ada')
  // What Yjs 13 has no type for is kept for those who have: attributes of a text.
  ada.text.setAttr('language', 'fr')
  await confirmed(ada)
  const late = four(url, 'note')
  await late.until(() => late.provider.synced)
  expect([wordsOf(late.text), late.text.getAttr('language')]).toEqual(['éllo 🌱, Ada', 'fr'])
  const expected = [{ insert: 'éllo', attributes: { bold: true } }, { insert: ' 🌱, Ada' }]
  await docWhere(ben.doc, () => ben.text.toString() === 'éllo 🌱, Ada')
  expect([ben.text.toDelta(), body.toDelta()]).toEqual([expected, expected])
})

test('[YW-9] version 4 and 3 clients see each other in awareness, and one that leaves is gone', async () => {
  const { url } = await relayHere()
  const [ada, ben] = [four(url, 'note'), three(url, 'note')]
  ada.provider.awareness.setLocalStateField('user', { name: 'Ada' })
  ben.provider.awareness.setLocalStateField('user', { name: 'Ben' })
  await awarenessWhere(ben, (states) => states.get(ada.doc.clientID)?.['user'] !== undefined)
  await ada.until(() => ada.provider.awareness.getStates().get(ben.doc.clientID)?.['user'] !== undefined)
  ada.provider.disconnect()
  await awarenessWhere(ben, (states) => !states.has(ada.doc.clientID))
})

test('[YW-9] what Yjs 14 writes passes the gate, and Yjs 13 reads the same content from it', () => {
  fc.assert(
    fc.property(fc.array(editOfYjs14, { minLength: 1, maxLength: 30 }), (edits) => {
      const doc = new Y14.Doc()
      const old = new Y.Doc()
      doc.on('update', (update: Uint8Array) => {
        const facts = walkUpdate(update)
        if (isRefusal(facts)) throw new Error(facts.reason)
        Y.applyUpdate(old, update)
      })
      for (const edit of edits) edit(doc)
      const [state, oldState] = [Y14.encodeStateAsUpdate(doc), Y.encodeStateAsUpdate(old)]
      expect(isRefusal(walkUpdate(state))).toBe(false)
      expect(contentDigest(oldState)).toEqual(contentDigest(state))
      expect(old.getText('body').toString()).toBe(wordsOf(doc.get('body')))
    }),
    { numRuns: 200 },
  )
})

const place = fc.nat(40)
const editOfYjs14: fc.Arbitrary<(doc: Y14.Doc) => void> = fc.oneof(
  fc.tuple(place, fc.constantFrom('a', 'é', 'xyz')).map(([at, words]) => onBody((text) => text.insert(at % (text.length + 1), words))),
  fc.tuple(place, fc.constantFrom(true, null)).map(([at, bold]) => onBody((text) => text.format(at % text.length, 1, { bold }), 1)),
  place.map((at) => onBody((text) => text.delete(at % text.length, 1), 1)),
  fc.tuple(fc.constantFrom('k', 'l'), fc.jsonValue({ maxDepth: 2 })).map(([key, value]) => (doc: Y14.Doc) => {
    if (value !== null) doc.get('map').setAttr(key, value as never)
  }),
  fc.constantFrom('k', 'l').map((key) => (doc: Y14.Doc) => void doc.get('map').deleteAttr(key)),
  fc.constantFrom('p', null).map((name) => (doc: Y14.Doc) => {
    doc.transact(() => {
      const element = new Y14.Type(name)
      doc.get('tree').insert(0, [element as never])
      element.setAttr('class' as never, 'x' as never)
      element.insert(0, 'within')
    })
  }),
)

function onBody(edit: (text: Y14.Type) => void, lengthMin = 0): (doc: Y14.Doc) => void {
  return (doc) => {
    const text = doc.get('body')
    if (text.length >= lengthMin) edit(text)
  }
}

async function readingOf(folder: string): Promise<SqliteReading> {
  const reading = await openSqliteReader(join(folder, 'default.db'))
  cleanups.push(() => reading.close())
  return reading
}

/** Every id that the committed document holds. */
function committedIds(reading: SqliteReading, doc: string): Set<string> {
  const content = reading.reader.content(docKeyOf(DEFAULT_SPACE, parseDocId(doc)))
  const tail = content?.tail.flatMap((row) => unframeUpdates(row.data)!) ?? []
  return new Set([...(content?.snapshot ? [content.snapshot.update] : []), ...tail].flatMap(idsOf))
}

test('[YW-4] whenever a version 4 client has nothing unconfirmed, all that it wrote is in the committed log', async () => {
  const folder = folderHere()
  const relay = await relayProcess(folder)
  const reading = await readingOf(folder)
  const ada = four(relay.url, 'note')
  const written: string[] = []
  ada.doc.on('update', (update: Uint8Array) => written.push(...idsOf(update)))
  await confirmed(ada)
  let times = 0
  const early: string[] = []
  ada.onConfirmed = () => {
    times++
    const committed = committedIds(reading, 'note')
    early.push(...written.filter((id) => !committed.has(id)))
    if (times < 30) for (let burst = 0; burst < 3; burst++) ada.text.insert(0, `${times}.${burst} `)
  }
  ada.text.insert(0, 'first ')
  expect(ada.unconfirmed).toBe(true)
  await ada.until(() => times === 30)
  expect([early, written.length > 300]).toEqual([[], true])
})

test('[DU-1] a relay that is killed while version 4 clients type has afterwards whatever they called confirmed', async () => {
  const folder = folderHere()
  const killed = await relayProcess(folder)
  const typists = [four(killed.url, 'note'), four(killed.url, 'note')]
  const words = typists.map((): string[] => [])
  /** How many words of a typist were typed when it last had nothing unconfirmed. */
  const promised = typists.map(() => 0)
  for (const [index, typist] of typists.entries()) typist.onConfirmed = () => (promised[index] = words[index]!.length)
  const type = (): void => {
    for (const [index, typist] of typists.entries()) {
      for (let burst = 0; burst < 5; burst++) {
        const word = `${index}.${words[index]!.length}`
        words[index]!.push(word)
        typist.doc.get('typed').push([word as never])
      }
    }
  }
  const typing = setInterval(type, 25)
  cleanups.push(() => clearInterval(typing))
  await Promise.all(typists.map((typist, index) => typist.until(() => promised[index]! > 50)))
  await typists[0]!.until(() => typists[0]!.unconfirmed)
  await killed.end('SIGKILL')
  clearInterval(typing)
  type()
  const due = words.flatMap((typed, index) => typed.slice(0, promised[index]))
  // The typists stay away: what the relay has now, it has from its own disk.
  for (const typist of typists) typist.provider.disconnect()
  const relay = await relayProcess(folder, killed.port)
  const reader = three(relay.url, 'note')
  await docWhere(reader.doc, () => reader.provider.synced || reader.doc.getArray('typed').length > 0)
  const stored = new Set(reader.doc.getArray<string>('typed').toArray())
  expect(due.filter((word) => !stored.has(word))).toEqual([])
  expect(typists.map((typist) => typist.unconfirmed)).toEqual([true, true])
  // And what was only with them arrives when they come back.
  for (const typist of typists) typist.provider.connect()
  await docWhere(reader.doc, () => reader.doc.getArray('typed').length === words.flat().length)
  expect(reader.doc.getArray<string>('typed').toArray().sort()).toEqual(words.flat().sort())
})

test('[YW-6] a version 4 client, which comes back after every code, is refused once, then hears the others and is not heard; nothing of it is confirmed', async () => {
  const refused: string[] = []
  const { url, replica } = await relayHere({ limits: { documentBytesMax: 5_000 }, onRefused: (_, code) => refused.push(code) })
  const [ada, ben] = [four(url, 'note'), three(url, 'note')]
  await confirmed(ada)
  ada.text.insert(0, 'too much '.repeat(1_000))
  await ada.until(() => ada.closings.length > 0 && ada.denials === 2 && ada.provider.wsconnected)
  ada.text.insert(0, 'unheard')
  ben.text.insert(0, 'healthy')
  await ada.until(() => wordsOf(ada.text).includes('healthy'))
  expect([ada.closings, refused, ada.unconfirmed]).toEqual([[4413], ['doc-too-large', 'doc-too-large'], true])
  expect(replica.openDocument(parseDocId('note')).doc.getText('body').toString()).toBe('healthy')
})

test('[AD-2] a version 4 client without a good token is told so once, then refused at the upgrade', async () => {
  const clock = nodeClock()
  const authenticator = await jwtAuthenticator({ key: { secret: 'a secret of this test, long enough for HS256' }, clock })
  const policy = parsePolicy(JSON.stringify({ version: 1, roles: { editor: [{ allow: 'all', space: '**', doc: '**' }] } }))
  const { url } = await relayHere({ doorman: createDoorman({ authenticator, policy, clock, anonymous: false }) })
  const eve = four(url, 'note', { token: 'rubbish' })
  await eve.until(() => eve.closings.length === 3)
  expect([eve.closings, eve.provider.synced]).toEqual([[4401, 1006, 1006], false])
  const good = await new SignJWT({ roles: ['editor'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode('a secret of this test, long enough for HS256'))
  const ada = four(url, 'note', { token: good })
  ada.text.insert(0, 'mine')
  await confirmed(ada)
})
