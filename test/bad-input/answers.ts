// The relay's answers in short words, one form for all cases: `ERROR code, closed 4400`, `closed 4413 frame-too-large`, `HTTP 403`, `ignored`, `REFUSED code: reason`.
// Also the ways to send a case's bytes and to learn that they were handled. Read by the tables of cases.

import { BareClient } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { NativePeer } from './native-peer.ts'
import { RawSocket, upgradeRequest, type UpgradeOptions } from './raw-socket.ts'

export const IGNORED = 'ignored'

function codeOf(reason: string): string {
  return reason === '' ? '' : ` ${reason.split(':', 1)[0]}`
}

/** How a connection ended. */
export async function ending(socket: RawSocket): Promise<string> {
  const { code, reason } = await socket.ended
  return `closed ${code}${codeOf(reason)}`
}

/** How a link ended, with the ERROR that came before. */
export async function linkEnding(peer: NativePeer): Promise<string> {
  const end = await ending(peer.socket)
  const error = peer.messages.find((message) => message.kind === 'error')
  return error === undefined ? end : `ERROR ${error.code}, ${end}`
}

/** Speaks on a live link; the answer is its end, or that it goes on. */
export async function onLink(port: number, doc: string, attack: (peer: NativePeer) => void): Promise<string> {
  const peer = await NativePeer.live(port, `=${doc}`)
  attack(peer)
  return goesOn(peer)
}

/** IGNORED when the link still answers, else how it ended. */
export async function goesOn(peer: NativePeer): Promise<string> {
  const alive = peer.handled().then(
    () => IGNORED,
    () => linkEnding(peer),
  )
  const answer = await Promise.race([alive, linkEnding(peer)])
  peer.socket.destroy()
  return answer
}

/** Speaks on an upgraded link that has not said HELLO; the answer is its end. */
export async function beforeHello(port: number, attack: (peer: NativePeer) => void): Promise<string> {
  const peer = await NativePeer.silent(port)
  attack(peer)
  return linkEnding(peer)
}

const STEP_1 = codec.step1Frame(Uint8Array.of(0))

/** Speaks in a room; the answer is IGNORED when the relay still answers a question afterwards, else how the connection ended. */
export async function inRoom(
  port: number,
  doc: string,
  attack: (socket: RawSocket) => void,
  options: { valid?: boolean } = {},
): Promise<string> {
  const socket = await RawSocket.upgraded(port, `/${doc}`)
  let steps = 0
  let answered: () => void = () => undefined
  const alive = new Promise<string>((resolve) => (answered = () => resolve(IGNORED)))
  socket.onBinary = (payload) => {
    if (payload[0] !== 0 || payload[1] !== 1) return
    steps++
    if (steps === (options.valid === true ? 2 : 1)) answered()
  }
  if (options.valid === true) socket.binary(STEP_1)
  attack(socket)
  socket.binary(STEP_1)
  const answer = await Promise.race([alive, ending(socket)])
  socket.destroy()
  return answer
}

/** Writes a request by hand; the answer is its HTTP status. */
export async function httpAnswer(port: number, request: string): Promise<string> {
  const socket = new RawSocket(port)
  socket.write(request)
  const answer = await socket.answered.then(
    ({ status }) => `HTTP ${status}`,
    () => ending(socket),
  )
  socket.destroy()
  return answer
}

export function upgradeAnswer(port: number, target: string, options: UpgradeOptions = {}): Promise<string> {
  return httpAnswer(port, upgradeRequest(target, options))
}

/** On both doors, the same frames: what WebSocket itself forbids. */
export async function onSocket(port: number, door: 'native' | 'room', doc: string, attack: (socket: RawSocket) => void): Promise<string> {
  if (door === 'room') return inRoom(port, doc, attack)
  const peer = await NativePeer.live(port, `=${doc}`)
  attack(peer.socket)
  return goesOn(peer)
}

export interface PayloadAnswer {
  readonly kind: 'refused' | 'held' | 'accepted'
  /** `code: reason`, for a refusal. */
  readonly words: string
  /** How a room's connection ended. */
  readonly closeCode?: number
}

const CHUNK_BYTES = 256 * 1024

/** Sends updates of one document over a native link of its own, and says what became of the last of them. */
export async function payloadOverLink(port: number, doc: string, updates: readonly Uint8Array[]): Promise<PayloadAnswer> {
  const peer = await NativePeer.live(port, `=${doc}`)
  answerWants(peer)
  const rows = updates.map((update) => peer.row(doc, [update]))
  const size = rows.reduce((sum, { bytes }) => sum + bytes.length, 0)
  if (size < 1_000_000) peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows })
  else for (const { bytes } of rows) sendAsDiff(peer, doc, bytes)
  if (size >= 1_000_000) peer.say({ kind: 'advance', channel: 0, toSeq: 1, nonce: null, root: null })
  await peer.messageWhere('ack', ({ seq }) => seq >= 1)
  await peer.handled()
  const refused = peer.messages.find((message) => message.kind === 'refused')
  const wanted = peer.messages.some((message) => message.kind === 'want')
  peer.socket.destroy()
  if (refused !== undefined) return { kind: 'refused', words: `${refused.code}: ${refused.reason}` }
  return { kind: wanted ? 'held' : 'accepted', words: '' }
}

/** Framed updates in chunks, as what does not fit a frame travels. */
export function sendAsDiff(peer: NativePeer, doc: string, framed: Uint8Array): void {
  const digest = peer.open(0, '*').root
  for (let part = 0, at = 0; at < framed.length; part++, at += CHUNK_BYTES) {
    const last = at + CHUNK_BYTES >= framed.length
    const bytes = framed.subarray(at, at + CHUNK_BYTES)
    peer.say({ kind: 'diff', channel: 0, doc: peer.ref(doc), part, last, encoding: 'plain', digest, bytes })
  }
}

/** "I have nothing more of it": the relay goes on without what it asked for. */
export function answerWants(peer: NativePeer): void {
  const before = peer.onMessage
  peer.onMessage = (message) => {
    before(message)
    if (message.kind !== 'want') return
    const { digest } = message
    const doc = peer.ref(peer.nameOf(message.doc))
    peer.say({ kind: 'diff', channel: 0, doc, part: 0, last: true, encoding: 'plain', digest, bytes: new Uint8Array(0) })
  }
}

/** Sends updates into a room over a connection of its own, and says what became of the last of them. */
export async function payloadInRoom(url: string, doc: string, updates: readonly Uint8Array[]): Promise<PayloadAnswer> {
  const client = new BareClient(`${url}/${doc}`)
  await client.opened
  client.send(STEP_1)
  for (const update of updates) client.send(codec.updateFrame(update))
  const closed = client.closed.then(({ code, reason }): PayloadAnswer => ({ kind: 'refused', words: reason, closeCode: code }))
  const held = (async (): Promise<PayloadAnswer> => {
    // The first one is the greeting.
    const questions = (): codec.RoomMessage[] => client.messages.filter(({ kind }) => kind === 'step-1')
    await client.messageWhere((message) => questions().indexOf(message) === 1)
    return { kind: 'held', words: '' }
  })()
  const echoed = client.echoOf(updates.at(-1)!).then((): PayloadAnswer => ({ kind: 'accepted', words: '' }))
  const never = new Promise<never>(() => undefined)
  const answer = await Promise.race([closed, held.catch(() => never), echoed.catch(() => never)])
  client.terminate()
  return answer
}
