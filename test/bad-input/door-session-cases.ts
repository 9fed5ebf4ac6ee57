// What a Hocuspocus provider, a y-sweet client or a program of the HTTP API may say once it is let in, catalogue 20 to 28, 42, 43, 71 to 78 and 85 to 94: names, tokens and closes
// without end, questions whose answers nobody reads, presence, patches, positions, tokens of y-sweet.

import * as encoding from 'lib0/encoding'
import { rooted, run, s, update, v } from '../../packages/protocol/test/update-bytes.ts'
import { REF } from '../../packages/protocol/src/update-reader.ts'
import { API_LIMITS } from '../../packages/relay/src/admin/api-limits.ts'
import { RELAY_LIMITS } from '../../packages/relay/src/relay-limits.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { frame, frames, HocuspocusPeer, TYPE } from '../integration/hocuspocus-frames.ts'
import { freshUpdate } from '../integration/room-client.ts'
import { ending, hocuspocusGoesOn, IGNORED, inHocuspocus, inRoom, upgradeAnswer, ySweetRoom } from './answers.ts'
import type { AttackCase } from './catalogue.ts'
import { OPCODE, RawSocket, webSocketFrame } from './raw-socket.ts'
import type { RelayUnderAttack } from './relay-under-attack.ts'
import { awarenessOf, stuck, unread } from './session-cases.ts'

const MALFORMED = 'closed 4400 message-malformed'
const EMPTY = Uint8Array.of(0)
const BIG_BYTES = 500_000
const MIB = 1024 * 1024

type Attack = AttackCase['attack']

function hocuspocus(number: number, what: string, answer: string, attack: Attack, leaves?: AttackCase['leaves']): AttackCase {
  return { number, door: 'hocuspocus', what, answer, attack, ...(leaves === undefined ? {} : { leaves }) }
}

/** Frames over a connection whose document is open. */
function says(
  number: number,
  what: string,
  answer: string,
  make: (doc: string) => readonly Uint8Array[],
  leaves?: AttackCase['leaves'],
): AttackCase {
  return hocuspocus(number, what, answer, ({ port }, doc) => inHocuspocus(port, doc, (peer) => peer.say(...make(doc))), leaves)
}

const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index))

/** What the relay answers to an Auth under a name of these bytes. */
function named(what: string, name: readonly number[], answer: string): AttackCase {
  return hocuspocus(42, `a document name ${what}`, answer, async ({ port }) => {
    const peer = await HocuspocusPeer.connected(port)
    peer.say(
      encoding.encode((encoder) => {
        encoding.writeVarUint8Array(encoder, Uint8Array.from(name))
        for (const number of [TYPE.auth, 0]) encoding.writeVarUint(encoder, number)
        encoding.writeVarString(encoder, '')
      }),
    )
    const denied = (): string => peer.answers.find(({ words }) => words.startsWith('denied '))?.words.split(':', 1)[0] ?? ''
    const goesOn = await hocuspocusGoesOn(peer)
    return [denied(), goesOn].filter((words) => words !== '').join(', ')
  })
}

const letters = (count: number): number[] => many(count, () => 97)

const nameCases: readonly AttackCase[] = [
  named('of no bytes', [], 'denied doc-id-invalid, ignored'),
  named('of 513 bytes', letters(513), 'denied doc-id-invalid, ignored'),
  named('of 10 kB', letters(10_000), MALFORMED),
  named('that is not UTF-8', [0xed, 0xa0, 0x80], MALFORMED),
  // What stands before it is the name; provider 4 puts its session behind.
  named('that begins with NUL', [0, 97], 'denied doc-id-invalid, ignored'),
  named('with .. in it', [...Buffer.from('../../etc/passwd')], IGNORED),
  hocuspocus(43, 'fifteen hundred documents on one connection', '1000 open, 500 denied, ignored', async ({ port }, doc) => {
    const peer = await HocuspocusPeer.connected(port)
    for (let i = 0; i < 1_500; i++) peer.say(frames.auth(`${doc}/${i}`, ''))
    const count = (words: string): number => peer.answers.filter((answer) => answer.words.startsWith(words)).length
    await peer.until(() => count('authenticated') + count('denied') === 1_500)
    const goesOn = await hocuspocusGoesOn(peer)
    return `${count('authenticated')} open, ${count('denied')} denied, ${goesOn}`
  }),
]

const orderCases: readonly AttackCase[] = [
  hocuspocus(
    21,
    'a thousand and one messages before the authentication',
    'closed 4205 too much was sent before its authentication',
    async ({ port }, doc) => {
      const peer = await HocuspocusPeer.connected(port)
      for (let i = 0; i <= RELAY_LIMITS.hocuspocusQueueMessagesMax; i++) peer.say(frames.step1(doc, EMPTY))
      return ending(peer.socket)
    },
  ),
  hocuspocus(
    21,
    'a hundred and one documents before the authentication',
    'closed 4205 too much was sent before its authentication',
    async ({ port }, doc) => {
      const peer = await HocuspocusPeer.connected(port)
      for (let i = 0; i <= RELAY_LIMITS.hocuspocusQueueDocumentsMax; i++) peer.say(frames.step1(`${doc}/${i}`, EMPTY))
      return ending(peer.socket)
    },
  ),
  hocuspocus(21, 'updates before the authentication, which never comes', IGNORED, async ({ port }, doc) => {
    const peer = await HocuspocusPeer.connected(port)
    for (let i = 0; i < 100; i++) peer.say(frames.update(doc, freshUpdate('too early')))
    return hocuspocusGoesOn(peer)
  }),
  hocuspocus(
    21,
    'six megabytes before the authentication, in frames of 60 kB',
    'closed 4205 too much was sent before its authentication',
    async ({ port }, doc) => {
      const peer = await HocuspocusPeer.connected(port)
      for (let i = 0; i < 100; i++) peer.say(frames.update(doc, new Uint8Array(60_000)))
      return ending(peer.socket)
    },
  ),
  says(20, 'Auth two thousand times', IGNORED, (doc) => many(2_000, () => frames.auth(doc, 'again'))),
  says(36, 'a token of a megabyte', IGNORED, (doc) => [frames.auth(doc, 'x'.repeat(MIB))]),
  says(89, 'a close ten thousand times, of documents that were never open', IGNORED, (doc) =>
    many(10_000, (i) => frames.close(`${doc}/${i}`)),
  ),
  says(89, 'one document opened and closed five hundred times', IGNORED, (doc) =>
    many(500, () => [frames.close(doc), frames.auth(doc, ''), frames.step1(doc, EMPTY)]).flat(),
  ),
  says(89, 'twenty thousand stateless messages that nobody takes', IGNORED, (doc) => many(20_000, () => frames.stateless(doc, '{"a":1}'))),
  hocuspocus(89, 'a stateless message of two megabytes', 'CLOSE, ignored', async ({ port }, doc) => {
    const peer = await HocuspocusPeer.authenticated(port, doc, '')
    peer.say(frames.stateless(doc, 'x'.repeat(2 * MIB)))
    const answer = await hocuspocusGoesOn(peer)
    return `${peer.answers.some(({ words }) => words.startsWith('close ')) ? 'CLOSE, ' : ''}${answer}`
  }),
  says(88, 'a state vector of a million clients', MALFORMED, (doc) => [frames.step1(doc, stateVector(1_000_000))]),
  hocuspocus(85, 'ten thousand updates that lack something', 'asked at most 4 times, ignored', gaps, { held: 256 }),
]

async function gaps({ port }: RelayUnderAttack, doc: string): Promise<string> {
  const peer = await HocuspocusPeer.authenticated(port, doc, '')
  for (let i = 0; i < 10_000; i++) peer.say(frames.update(doc, update([run(i + 1, 3, rooted(REF.string, s('x')))])))
  await peer.handled()
  const questions = peer.heard(doc, 'step-1').length
  return `asked ${questions <= 4 ? 'at most 4' : questions} times, ${await hocuspocusGoesOn(peer)}`
}

/** Of clients 1, 2, 3, ..., each at clock 1. */
function stateVector(clients: number): Uint8Array {
  const bytes: number[] = [...v(clients)]
  for (let client = clients; client > 0; client--) bytes.push(...v(client), 1)
  return Uint8Array.from(bytes)
}

/** The same message three hundred thousand times, or until the relay stops reading. */
async function flood(socket: RawSocket, message: Uint8Array): Promise<void> {
  const messages = Buffer.concat(many(10_000, () => webSocketFrame(OPCODE.binary, message)))
  for (let sent = 0; sent < 30 && !(await stuck(socket)); sent++) socket.write(messages)
}

const bounded = 'memory bounded'

/** Answers that nobody reads: what the relay keeps for one connection stays bounded. */
const unreadCases: readonly AttackCase[] = [
  hocuspocus(
    86,
    'a thousand questions, whose answers nobody reads',
    bounded,
    async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'.repeat(BIG_BYTES)))
      const { socket } = await HocuspocusPeer.authenticated(scene.port, doc, '')
      return unread(scene, socket, () => many(1_000, () => socket.binary(frames.step1(doc, EMPTY))))
    },
    { updates: 1 },
  ),
  hocuspocus(86, 'application pings without end, whose answers nobody reads', bounded, async (scene, doc) => {
    const { socket } = await HocuspocusPeer.authenticated(scene.port, doc, '')
    return unread(scene, socket, () => flood(socket, frames.ping))
  }),
  hocuspocus(86, 'denials without end, which nobody reads', bounded, async (scene, doc) => {
    const { socket } = await HocuspocusPeer.authenticated(scene.port, doc, '')
    return unread(scene, socket, () => flood(socket, frame('', TYPE.auth, 0, '')))
  }),
  {
    number: 86,
    door: 'y-sweet',
    what: 'a thousand questions of three bytes, whose answers nobody reads',
    answer: bounded,
    leaves: { updates: 1 },
    attack: async (scene, doc) => {
      await scene.honestEdit(doc, freshUpdate('x'.repeat(BIG_BYTES)))
      return unread(scene, await RawSocket.upgraded(scene.port, `/${ySweetRoom(doc)}`), (socket) =>
        socket.binary(Buffer.concat(many(1_000, () => codec.step1Frame(EMPTY)))),
      )
    },
  },
]

const PRESENCE_BAD: readonly (readonly [what: string, bytes: () => Uint8Array])[] = [
  ['clock 2^53-1', () => awarenessOf([9, 2 ** 53 - 1, '{}'])],
  ['a state that is a list', () => awarenessOf([9, 1, '[]'])],
  ['bad JSON in the second entry', () => awarenessOf([9, 1, '{}'], [10, 1, '{'])],
  ['more entries announced than there are', () => Uint8Array.from([...v(100_000), 9, 1, 2, 123, 125])],
  ['a state over its bound', () => awarenessOf([9, 1, JSON.stringify({ x: 'x'.repeat(5_000) })])],
]

const presenceCases: readonly AttackCase[] = [
  ...PRESENCE_BAD.flatMap(([what, bytes]): AttackCase[] => [
    says(94, `presence: ${what}`, IGNORED, (doc) => [frames.awareness(doc, bytes())]),
    ySweet(94, `presence: ${what}`, IGNORED, () => codec.awarenessFrame(bytes())),
  ]),
  says(94, 'ten thousand ids of one connection', IGNORED, (doc) => [frames.awareness(doc, manyIds())], { presence: 4 }),
  { ...ySweet(94, 'ten thousand ids of one connection', IGNORED, () => codec.awarenessFrame(manyIds())), leaves: { presence: 4 } },
]

const manyIds = (): Uint8Array => awarenessOf(...many(10_000, (id) => [id + 100, 1, '{}'] as const))

/** A frame after a valid one, so that it may be large. */
function ySweet(number: number, what: string, answer: string, make: () => Uint8Array): AttackCase {
  return {
    number,
    door: 'y-sweet',
    what,
    answer,
    attack: ({ port }, doc) => inRoom(port, ySweetRoom(doc), (socket) => socket.binary(make()), { valid: true }),
  }
}

interface Request {
  readonly method?: string
  readonly path: (doc: string) => string
  readonly body?: (doc: string) => string | Uint8Array
}

/** A request, and the status and code of its answer. */
async function asked(port: number, doc: string, { method = 'POST', path, body }: Request): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path(doc)}`, {
    method,
    ...(body === undefined ? {} : { body: body(doc) as BodyInit }),
  })
  const text = await response.text()
  const code =
    response.headers.get('content-type')?.startsWith('application/json') === true ? (JSON.parse(text) as { code?: string }).code : undefined
  return `HTTP ${response.status}${code === undefined ? '' : ` ${code}`}`
}

function ySweetRequest(number: number, what: string, answer: string, request: Request): AttackCase {
  return { number, door: 'y-sweet', what, answer, attack: ({ port }, doc) => asked(port, doc, request) }
}

const auth = (doc: string): string => `/doc/${encodeURIComponent(doc)}/auth`

const ySweetCases: readonly AttackCase[] = [
  ySweet(89, 'fifty thousand questions for what is saved', IGNORED, () =>
    Buffer.concat(many(1_000, () => codec.syncStatusFrame(Uint8Array.of(1)))),
  ),
  ySweetRequest(42, 'a document name that is not UTF-8', 'HTTP 400', { path: () => '/doc/%ff/auth' }),
  ySweetRequest(42, 'a document name with NUL', 'HTTP 400', { path: () => '/d/a%00b/update', body: () => EMPTY }),
  ySweetRequest(42, 'a document name of 10 kB', 'HTTP 400', { path: () => `/doc/${'x'.repeat(10_000)}/auth` }),
  ySweetRequest(42, 'a new document that is named __proto__ in a way that is no text', 'HTTP 400', {
    path: () => '/doc/new',
    body: () => '{"docId":{"__proto__":1}}',
  }),
  ySweetRequest(42, 'a new document without a name', 'HTTP 400', { path: () => '/doc/new', body: () => '{"docId":""}' }),
  {
    number: 42,
    door: 'y-sweet',
    what: 'an address whose two names differ',
    answer: 'HTTP 400',
    attack: ({ port }, doc) => upgradeAnswer(port, `/d/${encodeURIComponent(doc)}/ws/another`),
  },
  ySweetRequest(27, 'a time to live below nothing', 'HTTP 400', { path: auth, body: () => '{"validForSeconds":-1}' }),
  ySweetRequest(27, 'a time to live that is a text', 'HTTP 400', { path: auth, body: () => '{"validForSeconds":"60"}' }),
  ySweetRequest(27, 'a time to live of 1e308 seconds', 'HTTP 200', { path: auth, body: () => '{"validForSeconds":1e308}' }),
  ySweetRequest(27, 'a body that is no JSON', 'HTTP 400', { path: auth, body: () => '{' }),
  ySweetRequest(27, 'a body that is a list', 'HTTP 400', { path: auth, body: () => '[]' }),
  ySweetRequest(27, 'an authorization that is none', 'HTTP 400', { path: auth, body: () => '{"authorization":"root"}' }),
  ySweetRequest(5, 'a body of JSON over its limit', 'HTTP 413', { path: auth, body: () => ' '.repeat(16 * 1024 + 1) }),
  ySweetRequest(71, 'a body of JSON nested five thousand deep', 'HTTP 200', {
    path: auth,
    body: () => `{"x":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
  }),
  ySweetRequest(23, 'a method that is not served', 'HTTP 405', { method: 'DELETE', path: auth }),
  ySweetRequest(31, 'a client token that was never given out', 'HTTP 200', {
    method: 'GET',
    path: (doc) => `/d/${encodeURIComponent(doc)}/as-update?token=ysg_none`,
  }),
]

function json(number: number, what: string, answer: string, request: Request, leaves?: AttackCase['leaves']): AttackCase {
  return {
    number,
    door: 'json',
    what,
    answer,
    attack: ({ adminPort }, doc) => asked(adminPort, doc, request),
    ...(leaves === undefined ? {} : { leaves }),
  }
}

const get = (number: number, what: string, answer: string, path: (doc: string) => string): AttackCase =>
  json(number, what, answer, { method: 'GET', path })

function patch(number: number, what: string, answer: string, body: () => string | Uint8Array, leaves?: AttackCase['leaves']): AttackCase {
  return json(
    number,
    `a patch: ${what}`,
    answer,
    { method: 'PATCH', path: (doc) => `/api/documents/${encodeURIComponent(doc)}/maps/fields`, body },
    leaves,
  )
}

const document = (rest: string) => (doc: string) => `/api/documents/${encodeURIComponent(doc)}${rest}`

function since(what: string, stateVector: string): AttackCase {
  return {
    number: 88,
    door: 'json',
    what: `a state vector ${what}`,
    answer: 'HTTP 400 argument-invalid',
    leaves: { updates: 1 },
    attack: async (scene, doc) => {
      await scene.honestEdit(doc)
      return asked(scene.adminPort, doc, { method: 'GET', path: document(`/update?since=${stateVector}`) })
    },
  }
}

const jsonCases: readonly AttackCase[] = [
  get(42, 'a document name that is not UTF-8', 'HTTP 400 doc-id-invalid', () => '/api/documents/%ff'),
  get(42, 'a document name with NUL', 'HTTP 400 doc-id-invalid', () => '/api/documents/a%00b'),
  get(42, 'a document name of 10 kB', 'HTTP 400 doc-id-invalid', () => `/api/documents/${'x'.repeat(10_000)}`),
  get(42, 'no document name', 'HTTP 404 argument-invalid', () => '/api/documents//log'),
  get(27, 'a limit below nothing', 'HTTP 400 argument-invalid', () => '/api/documents?limit=-1'),
  get(27, 'a limit that is NaN', 'HTTP 400 argument-invalid', () => '/api/documents?limit=NaN'),
  get(27, 'a limit of a billion', 'HTTP 400 argument-invalid', () => '/api/changes?limit=1000000000'),
  since('that is none', 'CQk'),
  since('that is no base64', '%21%21'),
  get(91, 'a position that is none', 'HTTP 410 position-unknown', () => '/api/changes?after=rubbish'),
  get(
    91,
    'a position of another log',
    'HTTP 410 position-unknown',
    () => `/api/changes?after=${Buffer.from('0123456789abcdef.1').toString('base64url')}`,
  ),
  get(91, 'a position of 64 kB', 'HTTP 431', () => `/api/changes?after=${'x'.repeat(65_536)}`),
  {
    number: 91,
    door: 'json',
    what: 'a position of the future',
    answer: 'HTTP 410 position-unknown',
    attack: async ({ adminPort }, doc) => {
      const page = (await (await fetch(`http://127.0.0.1:${adminPort}/api/changes?limit=1`)).json()) as { position: string }
      const [nonce] = Buffer.from(page.position, 'base64url').toString().split('.')
      const position = Buffer.from(`${nonce}.${2 ** 40}`).toString('base64url')
      return asked(adminPort, doc, { method: 'GET', path: () => `/api/changes?after=${position}` })
    },
  },
  patch(27, 'no JSON', 'HTTP 400 argument-invalid', () => '{'),
  patch(27, 'a number that is none', 'HTTP 400 argument-invalid', () => '{"a":NaN}'),
  patch(27, 'bytes that are not UTF-8', 'HTTP 400 argument-invalid', () => Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)),
  patch(27, 'a list', 'HTTP 400 argument-invalid', () => '[]'),
  patch(27, 'nothing', 'HTTP 400 argument-invalid', () => ''),
  patch(5, 'a megabyte and a byte', 'HTTP 413 update-limit', () => `{"a":"${'x'.repeat(API_LIMITS.patchBytesMax)}"}`),
  patch(71, 'a value nested ten thousand deep', 'HTTP 400 argument-invalid', () => `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
  patch(75, 'a lone surrogate', 'HTTP 400 argument-invalid', () => '{"a":"\\ud800"}'),
  patch(78, 'the key __proto__', 'HTTP 422 update-forbidden', () => '{"__proto__":{"isAdmin":true}}'),
  patch(78, 'the key __proto__ inside a value', 'HTTP 422 update-forbidden', () => '{"a":{"__proto__":{"isAdmin":true}}}'),
  json(78, 'a root of 600 bytes', 'HTTP 400 argument-invalid', {
    method: 'PATCH',
    path: document(`/maps/${'r'.repeat(600)}`),
    body: () => '{"a":1}',
  }),
  json(23, 'a method that is not served', 'HTTP 404 argument-invalid', { method: 'PUT', path: document('/update'), body: () => EMPTY }),
  get(23, 'a route that is none', 'HTTP 404 argument-invalid', () => '/api/secrets'),
  {
    number: 86,
    door: 'json',
    what: 'more event streams than there may be, which nobody reads',
    answer: `${API_LIMITS.streamsMax} open, then HTTP 503`,
    attack: async ({ adminPort }) => {
      const stop = new AbortController()
      const open = await Promise.all(
        many(API_LIMITS.streamsMax + 4, () => fetch(`http://127.0.0.1:${adminPort}/api/events`, { signal: stop.signal })),
      )
      const answers = open.map(({ status }) => status)
      stop.abort()
      const refused = answers.filter((status) => status !== 200)
      return `${answers.length - refused.length} open, then HTTP ${[...new Set(refused)].join()}`
    },
  },
]

export const doorSessionCases: readonly AttackCase[] = [
  ...nameCases,
  ...orderCases,
  ...unreadCases,
  ...presenceCases,
  ...ySweetCases,
  ...jsonCases,
]
