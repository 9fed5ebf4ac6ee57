// Many updates at once through the doors of a real relay: one honest update cut at every byte and with every bit flipped (catalogue 52, 53), and ten thousand that lack
// something (85). What is right for each is told by the gate, which is pure, and for what it lets through by Yjs, which must take it without an error.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { isRefusal, judge, Knowledge, splitAdmissible, walkUpdate } from '@syncline/protocol'
import * as Y from 'yjs'
import { rooted, run, s, update } from '../../packages/protocol/test/update-bytes.ts'
import { REF } from '../../packages/protocol/src/update-reader.ts'
import { BareClient } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import {
  answerWants,
  payloadInRoom,
  payloadOverHocuspocus,
  payloadToApi,
  payloadToYSweet,
  ySweetRoom,
  type PayloadAnswer,
} from './answers.ts'
import { NativePeer } from './native-peer.ts'
import { RelayUnderAttack, STALL_MS_MAX } from './relay-under-attack.ts'

let scene: RelayUnderAttack
beforeAll(async () => {
  scene = await RelayUnderAttack.start()
})
afterAll(() => scene?.stop())

/** An honest update with text, a map entry, an embed and deletes. */
function honest(): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = 300
  doc.getText('t').insert(0, 'abc')
  doc.getMap('m').set('k', [1, 'x'])
  doc.getText('t').delete(1, 1)
  return Y.encodeStateAsUpdate(doc)
}

const truncated = (): Uint8Array[] => {
  const whole = honest()
  return Array.from({ length: whole.length - 1 }, (_, length) => whole.slice(0, length + 1))
}

const flipped = (): Uint8Array[] => {
  const whole = honest()
  return Array.from({ length: whole.length * 8 }, (_, bit) => {
    const copy = whole.slice()
    copy[bit >> 3]! ^= 1 << (bit & 7)
    return copy
  })
}

/** What an empty document makes of it: refused with these words, held, or accepted. */
function verdictOf(bytes: Uint8Array): string {
  const facts = walkUpdate(bytes)
  if (isRefusal(facts)) return `refused ${facts.code}: ${facts.reason}`
  const verdict = judge(facts, new Knowledge())
  if (verdict.kind === 'refused') return `refused ${verdict.refusal.code}: ${verdict.refusal.reason}`
  return verdict.kind === 'missing' ? 'held' : 'accepted'
}

/** What of it an empty document can take: all, the part that lacks nothing, or nothing. */
function admissible(bytes: Uint8Array): Uint8Array | null {
  const facts = walkUpdate(bytes)
  if (isRefusal(facts)) return null
  const verdict = judge(facts, new Knowledge())
  return verdict.kind === 'refused' ? null : splitAdmissible(bytes, facts, new Knowledge()).ready
}

const answerText = ({ kind, words }: PayloadAnswer): string => (kind === 'refused' ? `refused ${words}` : kind)

/** Each update in a document of its own, all over one link. */
async function overOneLink(prefix: string, updates: readonly Uint8Array[]): Promise<string[]> {
  const peer = await NativePeer.live(scene.port, `${prefix}/*`)
  answerWants(peer)
  const rows = updates.map((bytes, index) => peer.row(`${prefix}/${index}`, [bytes]))
  peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows })
  await peer.messageWhere('ack', ({ seq }) => seq === 1)
  await peer.handled()
  const answers = updates.map(() => 'accepted')
  for (const message of peer.messages) {
    if (message.kind !== 'refused' && message.kind !== 'want') continue
    const index = Number(peer.nameOf(message.doc).slice(prefix.length + 1))
    answers[index] = message.kind === 'want' ? 'held' : `refused ${message.code}: ${message.reason}`
  }
  peer.socket.destroy()
  return answers
}

async function inManyRooms(prefix: string, updates: readonly Uint8Array[]): Promise<string[]> {
  return Promise.all(updates.map(async (bytes, index) => answerText(await payloadInRoom(scene.relay.url, `${prefix}/${index}`, [bytes]))))
}

/** One after the other would take long, all at once many sockets. */
async function eachOf(
  prefix: string,
  updates: readonly Uint8Array[],
  send: (doc: string, update: Uint8Array) => Promise<PayloadAnswer>,
): Promise<string[]> {
  const answers: string[] = []
  for (let at = 0; at < updates.length; at += 50) {
    const some = updates.slice(at, at + 50).map((update, index) => send(`${prefix}/${at + index}`, update))
    answers.push(...(await Promise.all(some)).map(answerText))
  }
  return answers
}

const inManyYSweetRooms = (prefix: string, updates: readonly Uint8Array[]): Promise<string[]> =>
  eachOf(prefix, updates, (doc, update) => payloadInRoom(scene.relay.url, doc, [update], ySweetRoom(doc)))

const overHocuspocus = async (prefix: string, updates: readonly Uint8Array[]): Promise<string[]> =>
  (await eachOf(prefix, updates, (doc, update) => payloadOverHocuspocus(scene.port, doc, update))).map((answer) => answer.trim())

const byRequests = (prefix: string, updates: readonly Uint8Array[]): Promise<string[]> =>
  eachOf(prefix, updates, (doc, update) => payloadToYSweet(scene.port, doc, update))

const overApi = (prefix: string, updates: readonly Uint8Array[]): Promise<string[]> =>
  eachOf(prefix, updates, (doc, update) => payloadToApi(scene.adminPort, doc, update))

for (const [number, what, make] of [
  [52, 'one update cut at every byte', truncated],
  [53, 'one update with every bit flipped', flipped],
] as const) {
  for (const [name, over, send] of [
    ['native', 'over the native link', overOneLink],
    ['room', 'over the y-websocket door', inManyRooms],
    ['y-sweet', 'over the y-sweet door', inManyYSweetRooms],
    ['hocuspocus', 'over the Hocuspocus door', overHocuspocus],
    ['request', 'by requests of y-sweet', byRequests],
    ['json', 'over the HTTP API', overApi],
  ] as const) {
    test(`[IN-1] ${number} ${what} ${over}: each answered as the gate says, and only what Yjs takes is stored and forwarded`, async () => {
      const prefix = `swarm-${number}-${name}`
      const updates = make()
      // A provider hears that an update is not saved, and not why.
      const wanted = updates.map(verdictOf).map((verdict) => (name === 'hocuspocus' ? verdict.split(' ', 1)[0]! : verdict))
      const answers = await scene.during(`${number} ${what} (${name})`, () => send(prefix, updates))
      expect(answers).toEqual(wanted)
      await scene.honestEdit('swarm/after')
      const accepted = updates.flatMap((bytes, index) => (admissible(bytes) === null ? [] : [`${prefix}/${index}`]))
      expect(scene.documentsUnder(`${prefix}/`).toSorted()).toEqual(accepted.toSorted())
      expect([...new Set(scene.forwardedUnder(`${prefix}/`))].toSorted()).toEqual(accepted.toSorted())
      for (const name of accepted) expectTaken(admissible(updates[Number(name.slice(prefix.length + 1))]!)!, name)
      if (number === 52) expect(accepted).toEqual([])
      expect(scene.alive).toBe(true)
      expect(scene.observersLost).toEqual([])
    })
  }
}

/** Stored as it can be taken, and a Y.Doc takes it whole. */
function expectTaken(sent: Uint8Array, name: string): void {
  const stored = new Y.Doc()
  for (const bytes of scene.storedIn(name)) Y.applyUpdate(stored, bytes)
  const direct = new Y.Doc()
  Y.applyUpdate(direct, sent)
  expect(stored.store.pendingStructs).toBe(null)
  expect(stored.store.pendingDs).toBe(null)
  expect(Y.encodeStateAsUpdate(stored)).toEqual(Y.encodeStateAsUpdate(direct))
}

/** Each of a client of its own that starts after a gap. */
const gapped = (): Uint8Array[] => Array.from({ length: 10_000 }, (_, index) => update([run(index + 1, 3, rooted(REF.string, s('x')))]))
const HELD_MAX = 256

test('[IN-1] 85 ten thousand updates that lack something over the native link: asked for once, at most 256 held, none forwarded', async () => {
  const doc = 'swarm/gaps-native'
  await scene.observe(doc)
  const mark = scene.mark(doc)
  const peer = await NativePeer.live(scene.port, `=${doc}`)
  await scene.during('85 gaps (native)', async () => {
    const rows = gapped().map((bytes) => peer.row(doc, [bytes]))
    answerWants(peer)
    for (let at = 0; at < rows.length; at += 2_500) {
      peer.say({ kind: 'entries', channel: 0, toSeq: at + 1, rows: rows.slice(at, at + 2_500) })
      await peer.messageWhere('ack', ({ seq }) => seq === at + 1)
    }
  })
  await scene.honestEdit(doc)
  const seen = scene.seen(doc, mark)
  expect([seen.stored.length, seen.native.length, seen.room.length, seen.held]).toEqual([1, 1, 1, HELD_MAX])
  expect(peer.messages.filter(({ kind }) => kind === 'want').length).toBeLessThanOrEqual(4)
  peer.socket.destroy()
})

test('[IN-1] 85 ten thousand updates that lack something over the y-websocket door: asked for a few times, at most 256 held, none forwarded', async () => {
  const doc = 'swarm/gaps-room'
  await scene.observe(doc)
  const mark = scene.mark(doc)
  const client = new BareClient(`${scene.relay.url}/${doc}`)
  await client.opened
  await scene.during('85 gaps (room)', async () => {
    for (const bytes of gapped()) client.send(codec.updateFrame(bytes))
    client.send(codec.step1Frame(Uint8Array.of(0)))
    await client.messageWhere(({ kind }) => kind === 'step-2')
  })
  await scene.honestEdit(doc)
  const seen = scene.seen(doc, mark)
  expect([seen.stored.length, seen.native.length, seen.room.length, seen.held]).toEqual([1, 1, 1, HELD_MAX])
  expect(client.messages.filter(({ kind }) => kind === 'step-1').length).toBeLessThanOrEqual(4)
  client.terminate()
})

test('[IN-1] 57 a delete of the future takes nothing of what its client writes later', async () => {
  const doc = 'swarm/future'
  const room = await scene.observe(doc)
  const peer = await NativePeer.live(scene.port, `=${doc}`)
  answerWants(peer)
  const future = Uint8Array.of(0, 1, 7, 1, 0, 128, 128, 128, 128, 128, 32)
  peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows: [peer.row(doc, [future])] })
  await peer.messageWhere('ack', ({ seq }) => seq === 1)
  expect(scene.heldIn(doc)).toBe(1)
  const victim = new Y.Doc()
  victim.clientID = 7
  room.onMessage = (message) => message.kind === 'update' && Y.applyUpdate(victim, message.update)
  victim.getText('t').insert(0, 'mine')
  await scene.honestEdit(doc, Y.encodeStateAsUpdate(victim))
  await scene.honestEdit(doc)
  const stored = new Y.Doc()
  for (const bytes of scene.storedIn(doc)) Y.applyUpdate(stored, bytes)
  expect(victim.getText('t').toString()).toBe('mine')
  expect(stored.getText('t').toString()).toBe('mine')
  expect(scene.heldIn(doc)).toBe(1)
  peer.socket.destroy()
})

test('[IN-1] while all of these came in, an honest pair never waited a second for the relay', async () => {
  const { stallMs } = await scene.verdict('swarm')
  expect(stallMs).toBeLessThan(STALL_MS_MAX)
})
