// Bytes below the messages, catalogue 1 to 30: HTTP requests, WebSocket frames, frames of the native protocol, handshakes. Each row sends raw bytes and names the answer.

import { deflateRawSync } from 'node:zlib'
import { encodeMessage, LIMITS, parseSpaceId, SUBPROTOCOL, type Message } from '@syncline/protocol'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import {
  beforeHello,
  ending,
  goesOn,
  httpAnswer,
  IGNORED,
  inRoom,
  linkEnding,
  onLink,
  onSocket,
  socketDoors,
  ySweetRoom,
  type SocketDoor,
} from './answers.ts'
import type { AttackCase } from './catalogue.ts'
import { NativePeer } from './native-peer.ts'
import { OPCODE, RawSocket, upgradeRequest, webSocketFrame } from './raw-socket.ts'

const NATIVE = { subprotocol: SUBPROTOCOL }
const MALFORMED_LINK = 'ERROR message-malformed, closed 4400 message-malformed'
const MALFORMED_ROOM = 'closed 4400 message-malformed'
const ROOM_FRAME_BYTES_MAX = 32 * 1024 * 1024

/** A message with a tag and a length of its own, whatever stands in it. */
const rawMessage = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)
const PING_TAG = 19
const LONG_VARINT = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]
const HUGE_VARINT = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]
const HUGER_VARINT = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]

/** The same frames into every door that is a WebSocket. */
function atEach(number: number, what: string, answer: string, attack: (socket: RawSocket) => void): AttackCase[] {
  return socketDoors.map((door) => ({
    number,
    door,
    what,
    answer,
    attack: ({ port }, doc) => onSocket(port, door, doc, attack),
  }))
}

/** One native frame on a live link. */
function onNative(number: number, what: string, answer: string, ...messages: Uint8Array[]): AttackCase {
  return { number, door: 'native', what, answer, attack: ({ port }, doc) => onLink(port, doc, (peer) => peer.sayBytes(...messages)) }
}

/** One frame in a room. */
function inARoom(number: number, what: string, answer: string, frame: Uint8Array): AttackCase {
  return { number, door: 'room', what, answer, attack: ({ port }, doc) => inRoom(port, doc, (socket) => socket.binary(frame)) }
}

const webSocketCases: readonly AttackCase[] = [
  ...atEach(2, 'a text frame', MALFORMED_ROOM, (socket) => socket.frame(OPCODE.text, 'hello')),
  ...atEach(6, 'ten thousand fragments of one byte', 'closed 1008', (socket) => {
    socket.frame(OPCODE.binary, 'x', { fin: false })
    for (let i = 0; i < 10_000; i++) socket.frame(OPCODE.continuation, 'x', { fin: false })
  }),
  ...atEach(8, 'a compressed frame that was not negotiated', 'closed 1002', (socket) =>
    socket.frame(OPCODE.binary, 'xxxx', { rsv1: true }),
  ),
  ...atEach(11, 'reserved opcode 3', 'closed 1002', (socket) => socket.frame(3, 'x')),
  ...atEach(11, 'reserved control opcode 11', 'closed 1002', (socket) => socket.frame(11, 'x')),
  ...atEach(12, 'an unmasked frame', 'closed 1002', (socket) => socket.frame(OPCODE.binary, 'xxxx', { masked: false })),
  ...atEach(13, 'text that is not UTF-8', 'closed 1007', (socket) => socket.frame(OPCODE.text, Uint8Array.of(0xc3, 0x28))),
]

const sizeCases: readonly AttackCase[] = [
  {
    number: 5,
    door: 'native',
    what: 'one byte over the frame limit',
    answer: 'closed 1009',
    attack: ({ port }, doc) =>
      onSocket(port, 'native', doc, (socket) => socket.frame(OPCODE.binary, 'x', { length: LIMITS.nativeFrameBytesMax + 1 })),
  },
  {
    number: 5,
    door: 'room',
    what: '64 KiB and a byte before the first valid message',
    answer: 'closed 4413 frame-too-large',
    attack: ({ port }, doc) => inRoom(port, doc, (socket) => socket.binary(new Uint8Array(65_537))),
  },
  {
    number: 5,
    door: 'room',
    what: 'one byte over the frame limit',
    answer: 'closed 4413 frame-too-large',
    attack: ({ port }, doc) => overRoomLimit(port, doc),
  },
  ...socketDoors.map((door): AttackCase => ({
    number: 9,
    door,
    what: 'compression offered, then 200 MB deflated',
    answer: 'no extension, closed 1002',
    attack: ({ port }, doc) => deflateBomb(port, door, doc),
  })),
  ...socketDoors.map((door): AttackCase => ({
    number: 10,
    door,
    what: '60 MB of pings by one that reads no pong',
    answer: 'closed 1006, memory bounded',
    attack: (scene, doc) => pingsUnread(scene, door, doc),
  })),
  // ws keeps 60 pongs for the network; a client that pings once in a while is never near.
  ...atEach(10, 'two thousand pings at once', 'closed 1006', (socket) => {
    for (let i = 0; i < 2_000; i++) socket.frame(OPCODE.ping, String(i))
  }),
]

const frameCases: readonly AttackCase[] = [
  {
    number: 3,
    door: 'native',
    what: 'an empty frame',
    answer: 'ERROR frame-corrupt, closed 4400 frame-corrupt',
    attack: ({ port }, doc) => onSocketError(port, doc, (socket) => socket.binary(new Uint8Array(0))),
  },
  inARoom(3, 'an empty frame', MALFORMED_ROOM, new Uint8Array(0)),
  {
    number: 4,
    door: 'native',
    what: 'a frame of one byte',
    answer: 'ERROR frame-corrupt, closed 4400 frame-corrupt',
    attack: ({ port }, doc) => onSocketError(port, doc, (socket) => socket.binary(Uint8Array.of(0))),
  },
  inARoom(4, 'a frame of one byte', MALFORMED_ROOM, Uint8Array.of(0)),
  onNative(3, 'a message without payload where one is due', MALFORMED_LINK, rawMessage(PING_TAG, 0)),
  onNative(23, 'an unknown opcode', IGNORED, rawMessage(99, 2, 1, 1)),
  inARoom(23, 'an unknown opcode', IGNORED, Uint8Array.of(99, 1, 1)),
  inARoom(23, 'an unknown sync step', MALFORMED_ROOM, Uint8Array.of(0, 9, 0)),
  onNative(24, 'a length prefix of 2^53-1', MALFORMED_LINK, rawMessage(PING_TAG, ...HUGE_VARINT, 0)),
  onNative(24, 'a nested length prefix of 2^53-1', MALFORMED_LINK, rawMessage(14, 14, 1, 1, 97, 0, ...HUGE_VARINT, 0)),
  inARoom(24, 'a length prefix of 2^53-1', MALFORMED_ROOM, Uint8Array.of(0, 2, ...HUGE_VARINT, 0)),
  inARoom(24, 'a state vector that announces 2^53-1 clients', MALFORMED_ROOM, Uint8Array.of(0, 0, 8, ...HUGE_VARINT)),
  onNative(25, 'a number of eleven bytes', MALFORMED_LINK, rawMessage(PING_TAG, 11, ...LONG_VARINT)),
  inARoom(25, 'a number of eleven bytes', MALFORMED_ROOM, Uint8Array.of(0, 2, ...HUGER_VARINT)),
  onNative(26, 'a number in a longer form than needed', MALFORMED_LINK, rawMessage(PING_TAG, 2, 0x81, 0x00)),
  // The update inside is judged strictly; around it lib0 reads what it reads.
  inARoom(26, 'a step in a longer form than needed', IGNORED, Uint8Array.of(0x80, 0x00, 0, 1, 0)),
  onNative(27, 'presence whose JSON is NaN', 'ERROR message-unexpected, closed 4400 message-unexpected', presenceMessage('{"a":NaN}')),
  inARoom(27, 'presence whose JSON is NaN', IGNORED, codec.awarenessFrame(awareness('{"a":NaN}'))),
  onNative(28, 'bytes after the fields of a message', MALFORMED_LINK, rawMessage(PING_TAG, 2, 1, 1)),
  onNative(28, 'bytes after the last message', MALFORMED_LINK, rawMessage(PING_TAG, 1, 1), rawMessage(0xff)),
  inARoom(28, 'bytes after the last message', MALFORMED_ROOM, Uint8Array.of(0, 0, 1, 0, 0)),
  {
    number: 29,
    door: 'native',
    what: 'a wrong checksum',
    answer: 'ERROR frame-corrupt, closed 4400 frame-corrupt',
    attack: ({ port }, doc) => onSocketError(port, doc, (socket) => socket.binary(Uint8Array.of(1, 2, 3, 4, PING_TAG, 1, 1))),
  },
]

const handshakeCases: readonly AttackCase[] = [
  hello(19, 'protocol version 0', { versionMin: 0, versionMax: 0 }, 'ERROR protocol-mismatch, closed 4426 protocol-mismatch'),
  hello(19, 'protocol version 999', { versionMin: 999, versionMax: 999 }, 'ERROR protocol-mismatch, closed 4426 protocol-mismatch'),
  hello(
    19,
    'a range of versions that ends before it starts',
    { versionMin: 9, versionMax: 1 },
    'ERROR protocol-mismatch, closed 4426 protocol-mismatch',
  ),
  hello(35, 'a space that is not served', { space: parseSpaceId('elsewhere') }, 'ERROR space-unknown, closed 4404 space-unknown'),
  hello(36, 'a token over its bound', { auth: new Uint8Array(LIMITS.authBytesMax + 1) }, MALFORMED_LINK),
  {
    number: 20,
    door: 'native',
    what: 'HELLO twice',
    answer: 'ERROR hello-expected, closed 4400 hello-expected',
    attack: ({ port }, doc) => onLink(port, doc, (peer) => peer.say(peer.hello())),
  },
  {
    number: 21,
    door: 'native',
    what: 'data before HELLO',
    answer: 'ERROR hello-expected, closed 4400 hello-expected',
    attack: ({ port }) => beforeHello(port, (peer) => peer.say(peer.open(0, '*'))),
  },
  {
    number: 22,
    door: 'native',
    what: 'START on a scope that was never opened',
    answer: 'ERROR message-unexpected, closed 4400 message-unexpected',
    attack: ({ port }, doc) =>
      onLink(port, doc, (peer) => peer.say({ kind: 'start', channel: 7, mode: 'equal', nonce: peer.nonce, seq: 0 })),
  },
  inARoom(22, "the server's own message (permission denied)", IGNORED, codec.permissionDeniedFrame('no')),
  {
    number: 30,
    door: 'native',
    what: 'a second link of a replica that lives',
    answer: 'ERROR duplicate-replica, closed 4409 duplicate-replica; the first goes on',
    attack: ({ port }, doc) => twoLinks(port, doc, false),
  },
  {
    number: 30,
    door: 'native',
    what: 'a second link of the same run of a replica',
    answer: 'ignored; the first ERROR link-replaced, closed 4410 link-replaced',
    attack: ({ port }, doc) => twoLinks(port, doc, true),
  },
  {
    number: 30,
    door: 'native',
    what: 'a second link of a replica that does not answer',
    answer: 'ignored; the first ERROR link-silent, closed 4408 link-silent',
    slow: true,
    attack: ({ port }, doc) => silentFirst(port, doc),
  },
]

const httpCases: readonly AttackCase[] = [
  http(14, 'two thousand headers of a few bytes', 'HTTP 431', (doc) =>
    upgradeRequest(`/${doc}`, { headersFirst: Array.from({ length: 2_000 }, (_, i) => `a${i % 10}:`) }),
  ),
  http(14, 'two thousand headers of some bytes', 'HTTP 431', (doc) =>
    upgradeRequest(`/${doc}`, { headers: Array.from({ length: 2_000 }, (_, i) => `x-header-${i}: value`) }),
  ),
  http(15, 'a URL of 64 kB', 'HTTP 431', (doc) => upgradeRequest(`/${doc}${'x'.repeat(65_536)}`)),
  http(16, 'a foreign Origin', 'HTTP 403', (doc) => upgradeRequest(`/${doc}`, { headers: ['Origin: https://evil.example'] })),
  http(16, 'a foreign Origin on the native door', 'HTTP 403', () =>
    upgradeRequest('/', { ...NATIVE, headers: ['Origin: https://evil.example'] }),
  ),
  http(16, 'an opaque Origin', 'HTTP 403', (doc) => upgradeRequest(`/${doc}`, { headers: ['Origin: null'] })),
  // No browser leaves it out, and no page can; a program without one is of this machine.
  http(17, 'no Origin', 'HTTP 101', (doc) => upgradeRequest(`/${doc}`, { headers: ['Sec-Fetch-Mode: websocket'] })),
  http(19, 'WebSocket version 7', 'HTTP 400', (doc) => upgradeRequest(`/${doc}`, { version: 7 })),
  http(36, 'a token in the URL', 'HTTP 101', (doc) => upgradeRequest(`/${doc}?token=secret`)),
  // Of Hocuspocus, whose frames name their documents: an empty name is refused there (packages/relay/test/hocuspocus-codec.test.ts).
  http(42, 'no document name', 'HTTP 101', () => upgradeRequest('/')),
  http(42, 'a document name with NUL', 'HTTP 400', () => upgradeRequest('/a%00b')),
  http(42, 'a document name of 10 kB', 'HTTP 400', () => upgradeRequest(`/${'x'.repeat(10_000)}`)),
  http(42, 'a document name that is not UTF-8', 'HTTP 400', () => upgradeRequest('/\xff\xfe')),
  http(18, 'bytes that are no HTTP', 'HTTP 400', () => '\x16\x03\x01\x00\x00 no HTTP\r\n\r\n'),
  {
    number: 18,
    door: 'http',
    what: 'an upgrade that is never finished',
    answer: 'HTTP 408',
    slow: true,
    attack: ({ port }, doc) => httpAnswer(port, `GET /${doc} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: `),
  },
]

const slowCases: readonly AttackCase[] = [
  {
    number: 1,
    door: 'native',
    what: 'no HELLO',
    answer: 'ERROR hello-timeout, closed 4408 hello-timeout',
    slow: true,
    attack: ({ port }) => beforeHello(port, () => undefined),
  },
  {
    number: 7,
    door: 'native',
    what: 'a frame that is never finished',
    answer: 'ERROR hello-timeout, closed 4408 hello-timeout',
    slow: true,
    attack: ({ port }) => beforeHello(port, ({ socket }) => socket.frame(OPCODE.binary, new Uint8Array(60_000), { fin: false })),
  },
  {
    number: 1,
    door: 'native',
    what: 'a link of which one side says nothing but pings of WebSocket',
    answer: 'ERROR hello-timeout, closed 4408 hello-timeout',
    slow: true,
    attack: ({ port }) =>
      beforeHello(port, ({ socket }) => {
        for (let i = 0; i < 20; i++) socket.frame(OPCODE.ping, 'x')
      }),
  },
]

export const transportCases: readonly AttackCase[] = [
  ...webSocketCases,
  ...sizeCases,
  ...frameCases,
  ...handshakeCases,
  ...httpCases,
  ...slowCases,
]

function http(number: number, what: string, answer: string, request: (doc: string) => string): AttackCase {
  return { number, door: 'http', what, answer, attack: ({ port }, doc) => httpAnswer(port, request(doc)) }
}

function hello(number: number, what: string, change: Parameters<NativePeer['hello']>[0], answer: string): AttackCase {
  return {
    number,
    door: 'native',
    what,
    answer,
    attack: async ({ port }) => {
      const peer = await NativePeer.silent(port)
      peer.say(peer.hello(change))
      return goesOn(peer)
    },
  }
}

/** As onSocket, for what the engine answers with an ERROR. */
async function onSocketError(port: number, doc: string, attack: (socket: RawSocket) => void): Promise<string> {
  const peer = await NativePeer.live(port, `=${doc}`)
  attack(peer.socket)
  return linkEnding(peer)
}

/** The limit of a room rises with its first valid message. Only the header is sent: it says how long the frame would be. */
async function overRoomLimit(port: number, doc: string): Promise<string> {
  const socket = await RawSocket.upgraded(port, `/${doc}`)
  const answered = new Promise<void>((resolve) => (socket.onBinary = ([type, step]) => type === 0 && step === 1 && resolve()))
  socket.binary(codec.step1Frame(Uint8Array.of(0)))
  await answered
  socket.frame(OPCODE.binary, 'x', { length: ROOM_FRAME_BYTES_MAX + 1 })
  return ending(socket)
}

function targetOf(door: SocketDoor, doc: string): string {
  return door === 'hocuspocus' ? '/' : door === 'y-sweet' ? `/${ySweetRoom(doc)}` : `/${doc}`
}

let bomb: Buffer | null = null

async function deflateBomb(port: number, door: SocketDoor, doc: string): Promise<string> {
  bomb ??= deflateRawSync(Buffer.alloc(200_000_000))
  const socket = new RawSocket(port)
  const headers = ['Sec-WebSocket-Extensions: permessage-deflate']
  socket.write(upgradeRequest(targetOf(door, doc), door === 'native' ? { ...NATIVE, headers } : { headers }))
  const { head } = await socket.answered
  const offered = /sec-websocket-extensions/i.test(head) ? 'an extension' : 'no extension'
  socket.frame(OPCODE.binary, bomb.subarray(0, 60_000), { rsv1: true })
  return `${offered}, ${await ending(socket)}`
}

/** Pongs that nobody reads must not pile up at the relay. */
async function pingsUnread(scene: Parameters<AttackCase['attack']>[0], door: SocketDoor, doc: string): Promise<string> {
  const socket = await RawSocket.upgraded(scene.port, targetOf(door, doc), door === 'native' ? NATIVE : {})
  const before = await scene.memoryMiB()
  socket.tcp.pause()
  const ping = Buffer.concat(Array.from({ length: 1_000 }, () => webSocketFrame(OPCODE.ping, new Uint8Array(120))))
  for (let sent = 0; sent < 60_000_000 && !socket.tcp.destroyed; sent += ping.length) await writtenOrStuck(socket, ping)
  const after = await scene.memoryMiB()
  socket.tcp.resume()
  const memory = before === null || after === null || after - before < 40 ? 'memory bounded' : `${(after - before).toFixed(0)} MiB more`
  return `${await ending(socket)}, ${memory}`
}

/** Resolves when the network took the bytes, or when the relay has stopped reading. */
function writtenOrStuck(socket: RawSocket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const stuck = setTimeout(resolve, 200)
    socket.tcp.write(bytes, () => {
      clearTimeout(stuck)
      resolve()
    })
  })
}

async function twoLinks(port: number, doc: string, sameRun: boolean): Promise<string> {
  const first = await NativePeer.live(port, `=${doc}`)
  const ids = sameRun ? { replicaId: first.replicaId, nonce: first.nonce } : { replicaId: first.replicaId }
  const second = await NativePeer.silent(port, ids)
  second.say(second.hello())
  if (!sameRun) {
    const answer = await linkEnding(second)
    return `${answer}; the first ${(await goesOn(first)) === IGNORED ? 'goes on' : 'ended'}`
  }
  const ended = await linkEnding(first)
  return `${await goesOn(second)}; the first ${ended}`
}

async function silentFirst(port: number, doc: string): Promise<string> {
  const first = await NativePeer.live(port, `=${doc}`)
  first.reacts = false
  const second = await NativePeer.silent(port, { replicaId: first.replicaId })
  second.say(second.hello())
  const ended = await linkEnding(first)
  return `${await goesOn(second)}; the first ${ended}`
}

function awareness(json: string): Uint8Array {
  const text = new TextEncoder().encode(json)
  return Uint8Array.of(1, 9, 1, text.length, ...text)
}

function presenceMessage(json: string): Uint8Array {
  const doc = { alias: 0, fresh: { doc: 'case/presence' as never, epoch: 0 } }
  return encodeMessage({ kind: 'presence', doc, bytes: awareness(json) } satisfies Message)
}
