// Catalogue 1 to 30 at the doors of other protocols and at the admin port: frames of Hocuspocus and y-sweet, HTTP requests of y-sweet and of the admin port.

import { connect } from 'node:net'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { frame, frames, HocuspocusPeer, TYPE } from '../integration/hocuspocus-frames.ts'
import { ending, httpAnswer, IGNORED, inHocuspocus, inRoom, ySweetRoom } from './answers.ts'
import type { AttackCase, Door } from './catalogue.ts'
import { OPCODE, RawSocket } from './raw-socket.ts'

const MALFORMED = 'closed 4400 message-malformed'
const MIB = 1024 * 1024
const HUGE_VARINT = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]
const HUGER_VARINT = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]

/** Bytes behind the name of the document. */
function behindName(doc: string, ...bytes: number[]): Uint8Array {
  return Uint8Array.from([...frame(doc), ...bytes])
}

function hocuspocus(number: number, what: string, answer: string, make: (doc: string) => Uint8Array): AttackCase {
  return { number, door: 'hocuspocus', what, answer, attack: ({ port }, doc) => inHocuspocus(port, doc, (peer) => peer.say(make(doc))) }
}

function ySweet(number: number, what: string, answer: string, bytes: Uint8Array): AttackCase {
  return {
    number,
    door: 'y-sweet',
    what,
    answer,
    attack: ({ port }, doc) => inRoom(port, ySweetRoom(doc), (socket) => socket.binary(bytes)),
  }
}

const hocuspocusCases: readonly AttackCase[] = [
  hocuspocus(3, 'an empty frame', MALFORMED, () => new Uint8Array(0)),
  hocuspocus(3, 'a name and nothing else', MALFORMED, (doc) => frame(doc)),
  hocuspocus(4, 'a frame of one byte', MALFORMED, () => Uint8Array.of(0)),
  hocuspocus(22, "the server's own message (SyncStatus)", IGNORED, (doc) => frame(doc, 8, 1)),
  hocuspocus(22, "the server's own message (authenticated)", IGNORED, (doc) => frame(doc, TYPE.auth, 2, 'read-write')),
  hocuspocus(22, "the server's own message (permission denied)", IGNORED, (doc) => frame(doc, TYPE.auth, 1, 'no')),
  {
    number: 22,
    door: 'hocuspocus',
    what: 'a broadcast, which only servers send',
    answer: 'CLOSE, ignored',
    attack: async ({ port }, doc) => {
      let closed = false
      const answer = await inHocuspocus(port, doc, (peer) => {
        peer.onAnswer = ({ words }) => (closed ||= words.startsWith('close '))
        peer.say(frames.broadcastStateless(doc, 'forged'))
      })
      return `${closed ? 'CLOSE, ' : ''}${answer}`
    },
  },
  hocuspocus(23, 'an unknown opcode', IGNORED, (doc) => frame(doc, 99, 1)),
  hocuspocus(23, 'an unknown sync step', MALFORMED, (doc) => frame(doc, TYPE.sync, 9, new Uint8Array(0))),
  hocuspocus(24, 'a length prefix of 2^53-1', MALFORMED, (doc) => behindName(doc, TYPE.sync, 2, ...HUGE_VARINT, 0)),
  hocuspocus(24, 'a name of 2^53-1 bytes', MALFORMED, () => Uint8Array.of(...HUGE_VARINT, 97)),
  hocuspocus(24, 'a state vector that announces 2^53-1 clients', MALFORMED, (doc) => frames.step1(doc, Uint8Array.from(HUGE_VARINT))),
  hocuspocus(25, 'a number of eleven bytes', MALFORMED, (doc) => behindName(doc, TYPE.sync, 2, ...HUGER_VARINT)),
  // The update inside is judged strictly; around it lib0 reads what it reads.
  hocuspocus(26, 'a type in a longer form than needed', IGNORED, (doc) => behindName(doc, 0x83, 0x00)),
  hocuspocus(27, 'presence whose JSON is NaN', IGNORED, (doc) => frames.awareness(doc, Uint8Array.of(1, 9, 1, 3, 78, 97, 78))),
  // Provider 4 appended its version to a message: what follows a complete one is passed over.
  hocuspocus(28, 'bytes after the message', IGNORED, (doc) => Uint8Array.from([...frames.queryAwareness(doc), 1, 2, 3])),
  {
    number: 5,
    door: 'hocuspocus',
    what: '64 KiB and a byte before the first authentication',
    answer: 'closed 4413 frame-too-large',
    attack: async ({ port }) => {
      const { socket } = await HocuspocusPeer.connected(port)
      socket.binary(new Uint8Array(65_537))
      return ending(socket)
    },
  },
  {
    number: 5,
    door: 'hocuspocus',
    what: 'one byte over the frame limit',
    answer: 'closed 4413 frame-too-large',
    attack: ({ port }, doc) => inHocuspocus(port, doc, ({ socket }) => socket.frame(OPCODE.binary, 'x', { length: 32 * MIB + 1 })),
  },
  {
    number: 1,
    door: 'hocuspocus',
    what: 'no authentication',
    answer: 'closed 4408 hello-timeout',
    slow: true,
    attack: async ({ port }) => ending((await HocuspocusPeer.connected(port)).socket),
  },
]

const ySweetCases: readonly AttackCase[] = [
  ySweet(3, 'an empty frame', MALFORMED, new Uint8Array(0)),
  ySweet(4, 'a frame of one byte', MALFORMED, Uint8Array.of(0)),
  ySweet(5, '64 KiB and a byte before the first valid message', 'closed 4413 frame-too-large', new Uint8Array(65_537)),
  ySweet(22, "the server's own message (permission denied)", IGNORED, codec.permissionDeniedFrame('no')),
  ySweet(23, 'an unknown opcode', IGNORED, Uint8Array.of(99, 1, 1)),
  ySweet(23, 'an unknown sync step', MALFORMED, Uint8Array.of(0, 9, 0)),
  ySweet(24, 'a version of 2^53-1 bytes', MALFORMED, Uint8Array.of(102, ...HUGE_VARINT, 0)),
  ySweet(25, 'a version of seventeen bytes', MALFORMED, codec.syncStatusFrame(new Uint8Array(17))),
  ySweet(28, 'bytes after the last message', MALFORMED, Uint8Array.of(0, 0, 1, 0, 0)),
]

/** A request by hand, to the port of a door. */
function request(
  door: Door,
  number: number,
  what: string,
  answer: string,
  lines: (doc: string) => readonly string[],
  slow = false,
): AttackCase {
  return {
    number,
    door,
    what,
    answer,
    slow,
    attack: ({ port, adminPort }, doc) => httpAnswer(door === 'y-sweet' ? port : adminPort, lines(doc).join('\r\n')),
  }
}

const HOST = 'Host: 127.0.0.1'
const END = ['', '']
const update = (doc: string): string => `/d/${encodeURIComponent(doc)}/update`
const jsonUpdate = (doc: string): string => `/api/documents/${encodeURIComponent(doc)}/update`

/** The same at both HTTP servers that take bodies. */
const bodyCases: readonly AttackCase[] = (
  [
    ['y-sweet', update],
    ['json', jsonUpdate],
  ] as const
).flatMap(([door, path]): AttackCase[] => [
  request(door, 5, 'a body that is said to be a byte over its limit', 'HTTP 413', (doc) => [
    `POST ${path(doc)} HTTP/1.1`,
    HOST,
    `Content-Length: ${32 * MIB + 1}`,
    ...END,
  ]),
  {
    number: 5,
    door,
    what: 'a body in chunks that goes over its limit',
    answer: 'cut, with HTTP 413 where that is heard',
    attack: ({ port, adminPort }, doc) => chunkedBeyond(door === 'y-sweet' ? port : adminPort, path(doc)),
  },
  request(door, 24, 'a content length of 2^64', 'HTTP 400', (doc) => [
    `POST ${path(doc)} HTTP/1.1`,
    HOST,
    'Content-Length: 18446744073709551616',
    ...END,
  ]),
  request(door, 24, 'a content length below nothing', 'HTTP 400', (doc) => [
    `POST ${path(doc)} HTTP/1.1`,
    HOST,
    'Content-Length: -1',
    ...END,
  ]),
  request(door, 25, 'a chunk of a size that is none', 'HTTP 400', (doc) => [
    `POST ${path(doc)} HTTP/1.1`,
    HOST,
    'Transfer-Encoding: chunked',
    '',
    'zzzz',
    'x',
    ...END,
  ]),
  request(door, 28, 'a length and chunks at once', 'HTTP 400', (doc) => [
    `POST ${path(doc)} HTTP/1.1`,
    HOST,
    'Content-Length: 4',
    'Transfer-Encoding: chunked',
    '',
    '0',
    ...END,
  ]),
  {
    number: 52,
    door,
    what: 'a body that breaks off',
    answer: 'nothing more',
    attack: async ({ port, adminPort }, doc) => {
      const socket = new RawSocket(door === 'y-sweet' ? port : adminPort)
      socket.write([`POST ${path(doc)} HTTP/1.1`, HOST, 'Content-Length: 1000', '', 'x'].join('\r\n'))
      socket.tcp.end()
      await socket.ended
      return 'nothing more'
    },
  },
])

const manyHeaders = Array.from({ length: 2_000 }, (_, i) => `x-header-${i}: value`)

const adminCases: readonly AttackCase[] = [
  request('admin', 14, 'two thousand headers', 'HTTP 431', () => ['GET /livez HTTP/1.1', HOST, ...manyHeaders, ...END]),
  request('admin', 15, 'a URL of 64 kB', 'HTTP 431', () => [`GET /api/documents/${'x'.repeat(65_536)} HTTP/1.1`, HOST, ...END]),
  request('admin', 16, 'a foreign Origin', 'HTTP 403', () => ['GET /api/status HTTP/1.1', HOST, 'Origin: https://evil.example', ...END]),
  request('admin', 16, 'an opaque Origin', 'HTTP 403', () => ['GET /api/status HTTP/1.1', HOST, 'Origin: null', ...END]),
  request('admin', 16, 'a foreign Origin that writes', 'HTTP 403', (doc) => [
    `POST ${jsonUpdate(doc)} HTTP/1.1`,
    HOST,
    'Origin: https://evil.example',
    'Content-Length: 2',
    '',
    '\0\0',
  ]),
  request('admin', 16, 'a name that was bound to this machine', 'HTTP 421', () => [
    'GET /api/status HTTP/1.1',
    'Host: evil.example',
    ...END,
  ]),
  request('admin', 16, 'no name of a host', 'HTTP 400', () => ['GET /api/status HTTP/1.1', ...END]),
  request('admin', 18, 'bytes that are no HTTP', 'HTTP 400', () => ['\x16\x03\x01\x00\x00 no HTTP', ...END]),
  request('admin', 18, 'a request that is never finished', 'HTTP 408', () => ['GET /livez HTTP/1.1', HOST, 'X-Slow: '], true),
  request('admin', 2, 'an upgrade to WebSocket', 'HTTP 200', () => [
    'GET /livez HTTP/1.1',
    HOST,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Version: 13',
    ...END,
  ]),
  request('admin', 23, 'a method that is none', 'HTTP 400', () => ['STEAL /livez HTTP/1.1', HOST, ...END]),
  request('admin', 23, 'a method that is not served', 'HTTP 405', () => ['DELETE /livez HTTP/1.1', HOST, ...END]),
]

export const doorTransportCases: readonly AttackCase[] = [...hocuspocusCases, ...ySweetCases, ...bodyCases, ...adminCases]

/** Twice the limit: what the relay has not cut by then, it reads. */
const MIB_SENT_MAX = 64

/** An answer that comes in the middle of a body is lost when the connection is reset behind it. */
function said(answer: string): string {
  const status = answer === '' ? '413' : answer.split(' ', 2)[1]
  return `cut, with HTTP ${status} where that is heard`
}

/** Writes one chunk after the other until an answer comes, or the end. */
function chunkedBeyond(port: number, path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunk = Buffer.alloc(MIB)
  return new Promise((resolve) => {
    let answer = ''
    let sent = 0
    socket.on('error', () => undefined)
    socket.on('data', (data) => (answer += data.toString('latin1')))
    socket.on('close', () => resolve(sent > MIB_SENT_MAX ? 'all of it was read' : said(answer)))
    const more = (): void => {
      if (answer !== '' || sent > MIB_SENT_MAX) return void socket.end()
      sent++
      socket.write(Buffer.concat([Buffer.from(`${MIB.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]), () => setImmediate(more))
    }
    socket.write(`POST ${path} HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`, more)
  })
}
