// What a peer or a client may say once it is let in, catalogue 42, 43 and 86 to 94: names, scopes, lies about positions, endless requests, answers that nobody reads,
// presence. Each row speaks over a connection of its own.

import {
  epochNonceFromBytes,
  boundAfter,
  boundOf,
  DEFAULT_SPACE,
  docKeyOf,
  LIMITS,
  parseDocId,
  ZERO_DIGEST,
  type Message,
  type MessageOf,
} from '@syncline/protocol'
import { freshUpdate } from '../integration/room-client.ts'
import { v } from '../../packages/protocol/test/update-bytes.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { goesOn, IGNORED, inRoom, linkEnding, onLink } from './answers.ts'
import type { AttackCase } from './catalogue.ts'
import { NativePeer } from './native-peer.ts'
import { RawSocket } from './raw-socket.ts'
import type { RelayUnderAttack } from './relay-under-attack.ts'

const UNEXPECTED = 'ERROR message-unexpected, closed 4400 message-unexpected'
const MALFORMED = 'ERROR message-malformed, closed 4400 message-malformed'
const BIG_BYTES = 500_000
/** What one connection may make the relay hold, with the garbage that it collects when it likes. Each case would be 200 MiB and more without a bound. */
const BOUNDED_MIB = 128
const MIB = 1024 * 1024

function native(number: number, what: string, answer: string, attack: AttackCase['attack'], leaves?: AttackCase['leaves']): AttackCase {
  return { number, door: 'native', what, answer, attack, ...(leaves === undefined ? {} : { leaves }) }
}

function room(number: number, what: string, answer: string, attack: AttackCase['attack'], leaves?: AttackCase['leaves']): AttackCase {
  return { number, door: 'room', what, answer, attack, ...(leaves === undefined ? {} : { leaves }) }
}

/** Messages on a live link of the document's scope. */
function says(number: number, what: string, answer: string, messages: (peer: NativePeer, doc: string) => Message[]): AttackCase {
  return native(number, what, answer, ({ port }, doc) => onLink(port, doc, (peer) => peer.say(...messages(peer, doc))))
}

/** PRESENCE for a document whose name is these bytes. */
function presenceNamed(name: readonly number[]): Uint8Array {
  const payload = [1, ...v(name.length), ...name, 0, 1, 0]
  return Uint8Array.from([14, ...v(payload.length), ...payload])
}

function named(what: string, name: readonly number[]): AttackCase {
  return native(42, `a document name ${what}`, MALFORMED, ({ port }, doc) =>
    onLink(port, doc, (peer) => peer.sayBytes(presenceNamed(name))),
  )
}

const COMPOSED = 'case/caf\u00e9'
const DECOMPOSED = 'case/cafe\u0301'
const UPWARD = '../../etc/passwd'

const nameCases: readonly AttackCase[] = [
  named('of no bytes', []),
  named('with NUL', [97, 0, 98]),
  named('that is not UTF-8', [0xed, 0xa0, 0x80]),
  named(
    'of 10 kB',
    Array.from({ length: 10_000 }, () => 97),
  ),
  native(
    42,
    'document names with .. and in two normal forms',
    IGNORED,
    async ({ port }) => {
      const peer = await NativePeer.live(port, '*')
      const rows = [UPWARD, COMPOSED, DECOMPOSED].map((name) => peer.row(name, [freshUpdate(name)]))
      peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows })
      return goesOn(peer)
    },
    // Names are bytes, and a document is stored under their hash.
    { documents: [UPWARD, COMPOSED, DECOMPOSED] },
  ),
  says(43, 'more scopes than a link may open', UNEXPECTED, (peer) =>
    Array.from({ length: LIMITS.scopesPerLinkMax + 1 }, (_, i) => peer.open(i + 1, `=case/subscribed/${i}`)),
  ),
  says(43, 'one scope twice', UNEXPECTED, (peer, doc) => [peer.open(1, `=${doc}`)]),
  says(43, 'a scope that is none', UNEXPECTED, (peer) => [peer.open(1, 'no scope')]),
]

const positionCases: readonly AttackCase[] = [
  native(
    87,
    'a cursor of an epoch that never was',
    'START reconcile',
    async (scene, doc) => {
      await scene.honestEdit(doc)
      const peer = await NativePeer.silent(scene.port)
      peer.say(peer.hello(), peer.open(0, `=${doc}`, { nonce: epochNonceFromBytes(new Uint8Array(8)), seq: 1e9 }))
      const { mode } = await peer.messageWhere('start')
      peer.socket.destroy()
      return `START ${mode}`
    },
    { updates: 1 },
  ),
  says(87, 'entries that end before the last ones', UNEXPECTED, () => [
    { kind: 'advance', channel: 0, toSeq: 9, nonce: null, root: null },
    { kind: 'advance', channel: 0, toSeq: 8, nonce: null, root: null },
  ]),
  says(87, 'START twice', UNEXPECTED, (peer) => [{ kind: 'start', channel: 0, mode: 'stream', nonce: peer.nonce, seq: 0 }]),
  says(87, 'entries of a document outside the scope', UNEXPECTED, (peer) => [
    { kind: 'entries', channel: 0, toSeq: 1, rows: [peer.row('case/elsewhere', [freshUpdate('x')])] },
  ]),
  says(87, 'an alias that was never introduced', UNEXPECTED, () => [
    { kind: 'want', channel: 0, doc: { alias: 9, fresh: null }, digest: ZERO_DIGEST, stateVector: new Uint8Array(0), buckets: [] },
  ]),
  native(
    88,
    'a state vector of a quarter of a million clients',
    IGNORED,
    async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'))
      return onLink(scene.port, doc, (peer) => peer.say(want(peer, doc, stateVector(250_000))))
    },
    { updates: 1 },
  ),
  native(88, 'a state vector that is none', IGNORED, ({ port }, doc) =>
    onLink(port, doc, (peer) => peer.say(want(peer, doc, Uint8Array.of(9, 9)))),
  ),
  room(88, 'a state vector of a million clients', 'closed 4400 message-malformed', ({ port }, doc) =>
    inRoom(port, doc, (socket) => socket.binary(codec.step1Frame(stateVector(1_000_000))), { valid: true }),
  ),
  says(90, 'an ack for what was never sent', UNEXPECTED, () => [{ kind: 'ack', channel: 0, seq: 2 ** 52 }]),
]

const requestCases: readonly AttackCase[] = [
  native(
    89,
    'more requests than may wait',
    UNEXPECTED,
    async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'.repeat(BIG_BYTES)))
      const peer = await NativePeer.live(scene.port, `=${doc}`)
      for (let i = 0; i < 2; i++) peer.say(...Array.from({ length: 2_500 }, () => want(peer, doc, new Uint8Array([0]))))
      return linkEnding(peer)
    },
    { updates: 1 },
  ),
  says(89, 'the same reconciliation begun five hundred times', IGNORED, (peer, doc) =>
    Array.from({ length: 500 }, (_, round): MessageOf<'recon'> => ({
      kind: 'recon',
      channel: 0,
      round: round + 1,
      first: true,
      nonce: peer.nonce,
      seq: 0,
      from: boundOf(docKeyOf(DEFAULT_SPACE, parseDocId(doc))),
      // The scope is one document: its range ends after its key.
      ranges: [{ to: boundAfter(docKeyOf(DEFAULT_SPACE, parseDocId(doc))), kind: 'skip' }],
    })),
  ),
  native(89, 'sixty thousand keys asked for at once', UNEXPECTED, ({ port }, doc) =>
    onLink(port, doc, (peer) =>
      peer.say({ kind: 'ask', channel: 0, keys: Array.from({ length: 60_000 }, (_, i) => i.toString(16).padStart(16, '0')) }),
    ),
  ),
  ...[1, 20].map((times) =>
    native(89, `four thousand absent keys asked for ${times} times in a frame`, times === 1 ? IGNORED : UNEXPECTED, ({ port }, doc) =>
      onLink(port, doc, (peer) => {
        const keys = Array.from({ length: 4_000 }, (_, i) => i.toString(16).padStart(16, '0'))
        peer.say(...Array.from({ length: times }, (): Message => ({ kind: 'ask', channel: 0, keys })))
      }),
    ),
  ),
  native(
    93,
    'a content digest that differs, four thousand times',
    '4000 COMPARE, ignored',
    async (scene, doc) => {
      const update = freshUpdate('x'.repeat(BIG_BYTES))
      await scene.honestEdit(doc, update)
      const peer = await NativePeer.live(scene.port, `=${doc}`)
      const digest = scene.digestOf(doc)
      peer.say(
        ...Array.from({ length: 4_000 }, (): Message => ({ kind: 'verify', doc: peer.ref(doc), digest, content: new Uint8Array(32) })),
      )
      const answer = await goesOn(peer)
      return `${peer.messages.filter(({ kind }) => kind === 'compare').length} COMPARE, ${answer}`
    },
    { updates: 1 },
  ),
  says(93, 'COMPARE that answers no VERIFY', UNEXPECTED, (peer, doc) => [{ kind: 'compare', doc: peer.ref(doc) }]),
]

/** Answers that nobody reads: what the relay keeps for one connection stays bounded. */
const unreadCases: readonly AttackCase[] = [
  room(
    86,
    'a thousand questions of three bytes, whose answers nobody reads',
    'memory bounded',
    async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'.repeat(BIG_BYTES)))
      return unread(scene, await RawSocket.upgraded(scene.port, `/${doc}`), (socket) =>
        socket.binary(Buffer.concat(Array.from({ length: 1_000 }, () => codec.step1Frame(Uint8Array.of(0))))),
      )
    },
    { updates: 1 },
  ),
  native(
    86,
    'four thousand WANTs, whose answers nobody reads',
    'memory bounded',
    async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'.repeat(BIG_BYTES)))
      const peer = await NativePeer.live(scene.port, `=${doc}`)
      return unread(scene, peer.socket, () => peer.say(...Array.from({ length: 4_000 }, () => want(peer, doc, new Uint8Array([0])))))
    },
    { updates: 1 },
  ),
  native(86, 'refusals without end, which nobody reads', 'memory bounded', async (scene, doc) => {
    const peer = await NativePeer.live(scene.port, `=${doc}`)
    const bad = peer.row(doc, [Uint8Array.of(0)])
    const rows = Array.from({ length: 4_000 }, () => ({ ...bad, doc: { alias: 0, fresh: null } }))
    return unread(scene, peer.socket, async (socket) => {
      peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows: [bad] })
      for (let sent = 0; sent < 50 && !(await stuck(socket)); sent++) peer.say({ kind: 'entries', channel: 0, toSeq: 2 + sent, rows })
    })
  }),
  native(
    86,
    'a thousand COMPAREs, whose answers nobody reads',
    'memory bounded',
    async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'.repeat(BIG_BYTES)))
      const peer = await NativePeer.live(scene.port, `=${doc}`)
      return unread(scene, peer.socket, () =>
        peer.say(...Array.from({ length: 1_000 }, (): Message => ({ kind: 'compare', doc: peer.ref(doc) }))),
      )
    },
    { updates: 1 },
  ),
  native(86, 'DIFFs that are never finished', 'memory bounded', async (scene, doc) => {
    const peer = await NativePeer.live(scene.port, '*')
    const bytes = new Uint8Array(MIB - 4096)
    return unread(scene, peer.socket, async (socket) => {
      for (let i = 0; i < 250 && !(await stuck(socket)); i++) {
        peer.say({
          kind: 'diff',
          channel: 0,
          doc: peer.ref(`${doc}/${i}`),
          part: 0,
          last: false,
          encoding: 'plain',
          digest: ZERO_DIGEST,
          bytes,
        })
      }
    })
  }),
]

const presenceCases: readonly AttackCase[] = [
  ...presence('clock 2^53-1', UNEXPECTED, () => awarenessOf([9, 2 ** 53 - 1, '{}'])),
  ...presence('a state that is a list', UNEXPECTED, () => awarenessOf([9, 1, '[]'])),
  ...presence('a state that is a text', UNEXPECTED, () => awarenessOf([9, 1, '"x"'])),
  ...presence('bad JSON in the second entry', UNEXPECTED, () => awarenessOf([9, 1, '{}'], [10, 1, '{'])),
  ...presence('more entries announced than there are', UNEXPECTED, () => Uint8Array.from([...v(100_000), 9, 1, 2, 123, 125])),
  ...presence('a state over its bound', IGNORED, () => awarenessOf([9, 1, JSON.stringify({ x: 'x'.repeat(LIMITS.presenceBytesMax) })])),
  ...presence('the removal of an id that nobody has', IGNORED, () => awarenessOf([9, 1, 'null'])),
  native(94, 'presence of 50 MB', 'closed 1009', ({ port }, doc) =>
    onLink(port, doc, ({ socket }) => socket.frame(2, new Uint8Array(1), { length: 50_000_000 })),
  ),
  native(94, 'ten thousand ids of one connection', IGNORED, ({ port }, doc) => onLink(port, doc, (peer) => peer.say(manyIds(peer, doc))), {
    // What its bound lets through, and their removal when it leaves, to both observers.
    presence: 4,
  }),
  native(94, "another one's id with a newer clock", 'ignored', foreignId, { presence: 4 }),
  room(
    94,
    'ten thousand ids of one connection',
    IGNORED,
    ({ port }, doc) => inRoom(port, doc, (socket) => socket.binary(codec.awarenessFrame(idsOf(10_000))), { valid: true }),
    { presence: 4 },
  ),
]

export const sessionCases: readonly AttackCase[] = [...nameCases, ...positionCases, ...requestCases, ...unreadCases, ...presenceCases]

function want(peer: NativePeer, doc: string, stateVector: Uint8Array): MessageOf<'want'> {
  return { kind: 'want', channel: 0, doc: peer.ref(doc), digest: ZERO_DIGEST, stateVector, buckets: [] }
}

/** Of clients 1, 2, 3, ..., each at clock 1. */
function stateVector(clients: number): Uint8Array {
  const bytes: number[] = [...v(clients)]
  for (let client = clients; client > 0; client--) bytes.push(...v(client), 1)
  return Uint8Array.from(bytes)
}

/** Sends, reads nothing back for a while, and weighs the relay. */
export async function unread(scene: RelayUnderAttack, socket: RawSocket, send: (socket: RawSocket) => unknown): Promise<string> {
  const before = await scene.memoryMiB()
  socket.tcp.pause()
  await send(socket)
  // The relay has read what it wants to read when the honest pair went round a few times.
  await scene.pair.more(10)
  const after = await scene.memoryMiB()
  socket.destroy()
  if (before === null || after === null) return 'memory bounded'
  return after - before < BOUNDED_MIB ? 'memory bounded' : `${(after - before).toFixed(0)} MiB more`
}

/** False when the network took what was written; true when the relay has stopped reading, or the connection is gone. */
export function stuck({ tcp }: RawSocket): Promise<boolean> {
  return new Promise((resolve) => {
    if (tcp.destroyed || tcp.writableLength < MIB) return resolve(tcp.destroyed)
    const timeUp = setTimeout(() => resolve(true), 500)
    tcp.once('drain', () => {
      clearTimeout(timeUp)
      resolve(false)
    })
  })
}

export function awarenessOf(...list: readonly (readonly [id: number, clock: number, json: string])[]): Uint8Array {
  const bytes: number[] = [...v(list.length)]
  for (const [id, clock, json] of list) {
    const text = new TextEncoder().encode(json)
    bytes.push(...v(id), ...v(clock), ...v(text.length))
    for (const byte of text) bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

const idsOf = (count: number): Uint8Array => awarenessOf(...Array.from({ length: count }, (_, id) => [id + 100, 1, '{}'] as const))

function manyIds(peer: NativePeer, doc: string): MessageOf<'presence'> {
  return { kind: 'presence', doc: peer.ref(doc), bytes: idsOf(10_000) }
}

/** A link is closed for what no encoder sends. A y-websocket client only gets its own message back: nobody else hears of it. */
function presence(what: string, answer: string, bytes: () => Uint8Array): AttackCase[] {
  return [
    says(94, `presence: ${what}`, answer, (peer, doc) => [{ kind: 'presence', doc: peer.ref(doc), bytes: bytes() }]),
    room(94, `presence: ${what}`, IGNORED, ({ port }, doc) =>
      inRoom(port, doc, (socket) => socket.binary(codec.awarenessFrame(bytes())), { valid: true }),
    ),
  ]
}

/** The owner says who it is, another one claims the id with a newer clock while the owner lives. */
async function foreignId({ port }: RelayUnderAttack, doc: string): Promise<string> {
  const owner = await NativePeer.live(port, `=${doc}`)
  owner.say({ kind: 'presence', doc: owner.ref(doc), bytes: awarenessOf([7, 1, '{"name":"owner"}']) })
  await owner.handled()
  const answer = await onLink(port, doc, (peer) =>
    peer.say({ kind: 'presence', doc: peer.ref(doc), bytes: awarenessOf([7, 5, '{"name":"thief"}']) }),
  )
  await owner.handled()
  const told = owner.messages.some((message) => message.kind === 'presence')
  owner.socket.destroy()
  return told ? 'the owner was told' : answer
}
