// What is forbidden and what is absent look alike: whoever has no right on a document gets, at every door, the same bytes about one that is there as about one that is
// not. Names are of equal length and stand for each other; what differs with every connection (dates, keys) is left out.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { boundAfter, boundOf, ZERO_DIGEST, type Message } from '@syncline/protocol'
import { NativePeer } from '../bad-input/native-peer.ts'
import { RawSocket, upgradeRequest } from '../bad-input/raw-socket.ts'
import { announcement, CONTENT, keyOf, matrixRoles, tokenOf } from './access-cells.ts'
import { openScope } from './access-cells-native.ts'
import { guardedRelay, type GuardedRelay } from './guarded-relay.ts'
import { frames } from './hocuspocus-frames.ts'
import { freshUpdate } from './room-client.ts'

let relay: GuardedRelay
let token: string
beforeAll(async () => {
  relay = await guardedRelay(matrixRoles)
  token = (await tokenOf('no right'))!
})
afterAll(() => relay?.close())

const EMPTY = Uint8Array.of(0)
const encoded = (doc: string): string => encodeURIComponent(doc)

let pairs = 0
/** A document that is there, and a name of the same length that holds nothing. */
async function pair(): Promise<{ there: string; gone: string }> {
  const number = String(++pairs).padStart(4, '0')
  await relay.seed(`m/there-${number}`, freshUpdate(CONTENT))
  return { there: `m/there-${number}`, gone: `m/gone--${number}` }
}

/** Everything that comes back until the connection ends, or until `enough` says so. */
function bytesBack(socket: RawSocket, enough: (text: string) => boolean = () => false): Promise<string> {
  let text = ''
  return new Promise((resolve) => {
    socket.tcp.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (enough(text)) resolve(text)
    })
    void socket.ended.then(() => resolve(text))
  })
}

function neutral(text: string, doc: string): string {
  return text
    .replaceAll(encoded(doc), 'NAME')
    .replaceAll(doc, 'NAME')
    .replace(/^(date|sec-websocket-accept): .*$/gim, '$1')
}

const PONG = '\x82\x01\x0a'

/** Bytes of one exchange, without what names the document. */
type Exchange = (doc: string) => Promise<string>

const overHttp =
  (base: () => number, method: string, path: (doc: string) => string, body = ''): Exchange =>
  async (doc) => {
    const socket = new RawSocket(base())
    const back = bytesBack(socket)
    const head = [`${method} ${path(doc)} HTTP/1.1`, 'Host: 127.0.0.1', `Authorization: Bearer ${token}`, 'Connection: close']
    socket.write(`${[...head, `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`)
    return back
  }

const upgrade =
  (path: (doc: string) => string): Exchange =>
  async (doc) => {
    const socket = new RawSocket(relay.port)
    const back = bytesBack(socket)
    socket.write(upgradeRequest(`${path(doc)}?token=${token}`))
    return back
  }

const hocuspocus =
  (...messages: readonly ((doc: string) => Uint8Array)[]): Exchange =>
  async (doc) => {
    const socket = new RawSocket(relay.port)
    const back = bytesBack(socket, (text) => text.endsWith(PONG))
    socket.write(upgradeRequest('/'))
    await socket.answered
    const [first, ...rest] = [frames.auth(doc, token), ...messages.map((message) => message(doc))]
    const denied = new Promise<void>((resolve) => (socket.onBinary = () => resolve()))
    socket.binary(first)
    await denied
    for (const message of [...rest, frames.ping]) socket.binary(message)
    const text = await back
    socket.destroy()
    return text
  }

const main = (): number => relay.port
const admin = (): number => Number(new URL(relay.adminUrl).port)
const api =
  (rest: string) =>
  (doc: string): string =>
    `/api/documents/${encoded(doc)}${rest}`

const exchanges: readonly (readonly [what: string, exchange: Exchange])[] = [
  ['y-websocket: a connection', upgrade((doc) => `/${doc}`)],
  ['y-sweet: a connection', upgrade((doc) => `/d/${encoded(doc)}/ws/${doc}`)],
  ['y-sweet: POST /doc/:doc/auth', overHttp(main, 'POST', (doc) => `/doc/${encoded(doc)}/auth`)],
  ['y-sweet: GET as-update', overHttp(main, 'GET', (doc) => `/d/${encoded(doc)}/as-update`)],
  ['y-sweet: POST update', overHttp(main, 'POST', (doc) => `/d/${encoded(doc)}/update`, '\0\0')],
  ['Hocuspocus: Auth', hocuspocus()],
  ['Hocuspocus: step 1', hocuspocus((doc) => frames.step1(doc, EMPTY))],
  ['Hocuspocus: an update', hocuspocus((doc) => frames.update(doc, freshUpdate('x', 7)))],
  ['Hocuspocus: awareness', hocuspocus((doc) => frames.awareness(doc, announcement(9)), frames.queryAwareness)],
  ['HTTP API: GET', overHttp(admin, 'GET', api(''))],
  ['HTTP API: GET log', overHttp(admin, 'GET', api('/log'))],
  ['HTTP API: GET update', overHttp(admin, 'GET', api('/update'))],
  ['HTTP API: POST update', overHttp(admin, 'POST', api('/update'), '\0\0')],
  ['HTTP API: PATCH', overHttp(admin, 'PATCH', api('/maps/fields'), '{"a":1}')],
  ['HTTP API: the list', overHttp(admin, 'GET', (doc) => `/api/documents?prefix=${encoded(doc)}`)],
]

for (const [what, exchange] of exchanges) {
  test(`[AD-2] ${what}: the same bytes about a document that is forbidden and one that is absent`, async () => {
    const { there, gone } = await pair()
    const forbidden = neutral(await exchange(there), there)
    expect(forbidden).not.toBe('')
    expect(neutral(await exchange(gone), gone)).toBe(forbidden)
    // Who comes back is answered otherwise at some doors, and alike again.
    expect(neutral(await exchange(gone), gone)).toBe(neutral(await exchange(there), there))
    expect(relay.has(gone)).toBe(false)
  })
}

/** What the relay says to these messages in the scope of the whole space, without what differs with every link. */
async function saidTo(doc: string, messages: (peer: NativePeer) => Message[]): Promise<unknown[]> {
  const peer = await NativePeer.silent(relay.port)
  peer.reacts = false
  peer.say(peer.hello({ auth: Buffer.from(token) }))
  await openScope(peer, '*')
  await peer.handled()
  const before = peer.messages.length
  peer.say(...messages(peer))
  await peer.handled()
  peer.socket.destroy()
  return peer.messages
    .slice(before)
    .filter(isAnswer)
    .map((message) => withoutName(peer, message, doc))
}

/** What comes by itself does so at its own time. */
function isAnswer(message: Message): boolean {
  return message.kind !== 'pong' && !(message.kind === 'ack' && message.seq === 0)
}

function withoutName(peer: NativePeer, message: Message, doc: string): object {
  if ('doc' in message) return { ...message, doc: peer.nameOf(message.doc) === doc ? 'NAME' : 'ANOTHER' }
  if ('keys' in message) return { ...message, keys: message.keys.map((key) => (keyOf(doc).startsWith(key) ? 'KEY' : 'ANOTHER')) }
  return message
}

const nativeMessages: readonly (readonly [string, (peer: NativePeer, doc: string) => Message[]])[] = [
  ['WANT', (peer, doc) => [{ kind: 'want', channel: 0, doc: peer.ref(doc), digest: ZERO_DIGEST, stateVector: EMPTY, buckets: [] }]],
  ['OFFER', (peer, doc) => [{ kind: 'offer', channel: 0, toSeq: 1, doc: peer.ref(doc), digest: '1'.repeat(32) as never, size: 9 }]],
  ['VERIFY', (peer, doc) => [{ kind: 'verify', doc: peer.ref(doc), digest: ZERO_DIGEST, content: new Uint8Array(32) }]],
  ['PRESENCE', (peer, doc) => [{ kind: 'presence', doc: peer.ref(doc), bytes: announcement(9) }]],
  ['ENTRIES', (peer, doc) => [{ kind: 'entries', channel: 0, toSeq: 1, rows: [peer.row(doc, [freshUpdate('x', 7)])] }]],
]

for (const [what, messages] of nativeMessages) {
  test(`[AD-2] native, ${what}: the same answer about a document that is forbidden and one that is absent`, async () => {
    const { there, gone } = await pair()
    expect(await saidTo(gone, (peer) => messages(peer, gone))).toEqual(await saidTo(there, (peer) => messages(peer, there)))
    expect(relay.has(gone)).toBe(false)
  })
}

test('[AD-2] native, OPEN and RECON in the scope of a document: the same about one that is forbidden and one that is absent', async () => {
  const { there, gone } = await pair()
  const seen = async (doc: string): Promise<unknown> => {
    const peer = await NativePeer.silent(relay.port)
    peer.reacts = false
    peer.say(peer.hello({ auth: Buffer.from(token) }))
    await openScope(peer, `=${doc}`)
    const key = keyOf(doc)
    const ranges = [{ to: boundAfter(key), kind: 'fingerprint', fingerprint8: '0'.repeat(16) }] as const
    peer.say({ kind: 'recon', channel: 0, round: 1, first: true, nonce: peer.nonce, seq: 0, from: boundOf(key), ranges })
    await peer.handled()
    peer.socket.destroy()
    const { root, documents } = await peer.messageWhere('open', ({ scope }) => scope === `=${doc}`)
    const { mode } = await peer.messageWhere('start')
    const kinds = peer.messages.flatMap((message) =>
      message.kind === 'recon' ? message.ranges.map((range) => ({ ...range, to: '' })) : [],
    )
    return { root, documents, mode, kinds }
  }
  expect(await seen(gone)).toEqual(await seen(there))
})

test('[AD-2] native, ASK: documents that are forbidden and documents that are absent are both called absent', async () => {
  const { there, gone } = await pair()
  const keys = [there, gone].map((doc) => keyOf(doc).slice(0, 16))
  const said = await saidTo(there, () => [{ kind: 'ask', channel: 0, keys }])
  expect(said).toEqual([{ kind: 'absent', channel: 0, keys: ['KEY', 'ANOTHER'] }])
})
