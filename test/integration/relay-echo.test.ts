// The echo of a y-websocket update is its acknowledgement: it must not leave before the commit. Checked on the wire by ids, against a relay in a process of
// its own, whose file is read at the moment the echo arrives.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, docKeyOf, parseDocId, unframeUpdates } from '@syncline/protocol'
import { openSqliteReader, type SqliteReading } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { startRelay, temporaryFolder, type RelayProcess } from './relay-process.ts'
import { BareClient, freshUpdate, idsOf } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayOn(folder: string, port = 0): Promise<RelayProcess> {
  const relay = await startRelay(folder, { port })
  cleanups.push(() => relay.end('SIGKILL'))
  return relay
}

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

async function readingOf(folder: string): Promise<SqliteReading> {
  const reading = await openSqliteReader(join(folder, 'default.db'))
  cleanups.push(() => reading.close())
  return reading
}

async function roomOf(relay: RelayProcess, room: string): Promise<BareClient> {
  const bare = new BareClient(`${relay.url}/${room}`)
  cleanups.push(() => bare.terminate())
  await bare.opened
  return bare
}

const keyOf = (doc: string) => docKeyOf(DEFAULT_SPACE, parseDocId(doc))

/** Every id that the committed log and snapshot of a document hold. */
function committedIds(reading: SqliteReading, doc: string): Set<string> {
  const content = reading.reader.content(keyOf(doc))
  const updates =
    content === undefined
      ? []
      : [...(content.snapshot === null ? [] : [content.snapshot.update]), ...content.tail.flatMap((row) => unframeUpdates(row.data)!)]
  return new Set(updates.flatMap(idsOf))
}

/** Edits of one writer, each as its own update. */
function edits(count: number): { doc: Y.Doc; updates: Uint8Array[] } {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  const text = doc.getText('body')
  for (let index = 0; index < count; index++) text.insert(index % 7 === 0 ? 0 : text.length, `${index} `)
  return { doc, updates }
}

test('[YW-4] when an echo arrives, all ids of its update are in the committed log, also when the update was sent twice in a row', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  const reading = await readingOf(folder)
  const { updates } = edits(200)
  const bare = await roomOf(relay, 'note')
  const echoes = new Map(updates.map((update) => [Buffer.from(update).toString('hex'), 0]))
  const early: string[] = []
  bare.onMessage = (message) => {
    if (message.kind !== 'update') return
    const committed = committedIds(reading, 'note')
    early.push(...idsOf(message.update).filter((id) => !committed.has(id)))
    const bytes = Buffer.from(message.update).toString('hex')
    echoes.set(bytes, (echoes.get(bytes) ?? Number.NaN) + 1)
  }
  // The second of each finds the first admitted and not yet committed, most of the time.
  for (const update of updates) for (let times = 0; times < 2; times++) bare.send(codec.updateFrame(update))
  await bare.messageWhere(() => [...echoes.values()].every((count) => count === 2))
  expect(early).toEqual([])
})

test('[YW-4] the same update sent twice around a kill -9 is echoed after the restart, committed, and stored once', async () => {
  const folder = folderHere()
  let relay = await relayOn(folder)
  const { doc, updates } = edits(3)
  const state = Y.encodeStateAsUpdate(doc)
  const before = await roomOf(relay, 'note')
  before.send(codec.updateFrame(updates[0]!))
  await before.echoOf(updates[0]!)
  // The rest is under way when the relay dies: committed or not, nobody knows.
  for (const update of updates.slice(1)) before.send(codec.updateFrame(update))
  await relay.end('SIGKILL')
  const echoedBefore = before.messages.filter((message) => message.kind === 'update').length
  expect(echoedBefore).toBeGreaterThanOrEqual(1)

  relay = await relayOn(folder, relay.port)
  const reading = await readingOf(folder)
  const after = await roomOf(relay, 'note')
  const late: string[] = []
  after.onMessage = (message) => {
    if (message.kind !== 'update') return
    const committed = committedIds(reading, 'note')
    late.push(...idsOf(message.update).filter((id) => !committed.has(id)))
  }
  for (const update of updates) after.send(codec.updateFrame(update))
  for (const update of updates) await after.echoOf(update)
  const head = reading.reader.head()
  // And once more: known by now, echoed all the same, and the log does not grow.
  after.send(codec.updateFrame(state))
  await after.echoOf(state)
  expect(late).toEqual([])
  expect(reading.reader.head()).toBe(head)
  expect([...committedIds(reading, 'note')].sort()).toEqual(idsOf(state).sort())
})

test('[YW-4] a repeated update is echoed to whoever sends it, and delivered to nobody again', async () => {
  const relay = await relayOn(folderHere())
  const [writer, reader] = [await roomOf(relay, 'note'), await roomOf(relay, 'note')]
  const [first, second] = [freshUpdate('first', 11), freshUpdate('second', 12)]
  writer.send(codec.updateFrame(first))
  await Promise.all([writer.echoOf(first), reader.echoOf(first)])
  writer.send(codec.updateFrame(first))
  reader.send(codec.step2Frame(first))
  writer.send(codec.updateFrame(second))
  await Promise.all([writer.echoOf(second), reader.echoOf(second)])
  const seen = (bare: BareClient): number =>
    bare.messages.filter((message) => message.kind === 'update' && Buffer.from(message.update).equals(first)).length
  expect(seen(writer)).toBe(2)
  // Delivered once, and the echo of its own step 2, which may still be under way.
  expect(seen(reader)).toBeLessThanOrEqual(2)
})

test('[DU-1] a relay at disk durability says so in its file and keeps what it echoed over kill -9', async () => {
  const folder = folderHere()
  const relay = await relayOn(folder)
  const bare = await roomOf(relay, 'note')
  const { updates } = edits(50)
  for (const update of updates) bare.send(codec.updateFrame(update))
  await bare.echoOf(updates[24]!)
  await relay.end('SIGKILL')
  const echoed = bare.messages.flatMap((message) => (message.kind === 'update' ? idsOf(message.update) : []))
  expect(echoed.length).toBeGreaterThan(0)
  const committed = committedIds(await readingOf(folder), 'note')
  expect(echoed.filter((id) => !committed.has(id))).toEqual([])
  expect(readFileSync(join(folder, 'default.db')).length).toBeGreaterThan(0)
})
