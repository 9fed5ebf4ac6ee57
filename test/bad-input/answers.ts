// The relay's answers in short words, one form for all cases: `ERROR code, closed 4400`, `closed 4413 frame-too-large`, `HTTP 403`, `ignored`, `REFUSED code: reason`.
// Also the ways to send a case's bytes and to learn that they were handled. Read by the tables of cases.

import { BareClient } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { frames, HocuspocusPeer } from '../integration/hocuspocus-frames.ts'
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

/** The address of a document at the y-sweet door, as a room. */
export function ySweetRoom(doc: string): string {
  return `d/${encodeURIComponent(doc)}/ws/${doc}`
}

/** Speaks over a Hocuspocus connection whose document is open; the answer is IGNORED when the relay still answers a ping afterwards, else how the connection ended. */
export async function inHocuspocus(port: number, doc: string, attack: (peer: HocuspocusPeer) => unknown): Promise<string> {
  const peer = await HocuspocusPeer.authenticated(port, doc, '')
  await attack(peer)
  return hocuspocusGoesOn(peer)
}

export async function hocuspocusGoesOn(peer: HocuspocusPeer): Promise<string> {
  const alive = peer.handled().then(
    () => IGNORED,
    () => ending(peer.socket),
  )
  const answer = await Promise.race([alive, ending(peer.socket)])
  peer.destroy()
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

/** The doors that are WebSockets. */
export const socketDoors = ['native', 'room', 'hocuspocus', 'y-sweet'] as const
export type SocketDoor = (typeof socketDoors)[number]

/** At each of these doors, the same frames: what WebSocket itself forbids. */
export async function onSocket(port: number, door: SocketDoor, doc: string, attack: (socket: RawSocket) => void): Promise<string> {
  if (door === 'room') return inRoom(port, doc, attack)
  if (door === 'y-sweet') return inRoom(port, ySweetRoom(doc), attack)
  if (door === 'hocuspocus') return inHocuspocus(port, doc, ({ socket }) => attack(socket))
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

/** Sends updates into a room over a connection of its own, and says what became of the last of them. `path`: where the room of the document is. */
export async function payloadInRoom(url: string, doc: string, updates: readonly Uint8Array[], path: string = doc): Promise<PayloadAnswer> {
  const client = new BareClient(`${url}/${path}`)
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

/** Sends an update over a Hocuspocus connection of its own. A provider that is asked for more than it has answers with nothing. */
export async function payloadOverHocuspocus(port: number, doc: string, update: Uint8Array): Promise<PayloadAnswer> {
  const peer = await HocuspocusPeer.authenticated(port, doc, '')
  const status = (): string | null => peer.answers.find(({ words }) => words.startsWith('status '))?.words ?? null
  let questions = 0
  peer.say(frames.update(doc, update))
  peer.onAnswer = ({ words }) => {
    if (words === 'step-1' && questions++ === 0) peer.say(frames.step2(doc, Uint8Array.of(0, 0)))
  }
  await peer.until(() => status() !== null || questions > 0)
  await peer.handled()
  peer.destroy()
  if (questions > 0) return { kind: 'held', words: '' }
  return status() === 'status 1' ? { kind: 'accepted', words: '' } : { kind: 'refused', words: '' }
}

/** Posts an update to y-sweet's address for it. */
export async function payloadToYSweet(port: number, doc: string, update: Uint8Array): Promise<PayloadAnswer> {
  const response = await fetch(`http://127.0.0.1:${port}/d/${encodeURIComponent(doc)}/update`, { method: 'POST', body: update as BodyInit })
  const words = (await response.text()).trim()
  if (response.status === 200) return { kind: 'accepted', words: '' }
  if (response.status !== 422) throw new Error(`HTTP ${response.status} ${words}`)
  return words.startsWith('The update needs others') ? { kind: 'held', words: '' } : { kind: 'refused', words }
}

/** Posts an update to the HTTP API. */
export async function payloadToApi(adminPort: number, doc: string, update: Uint8Array): Promise<PayloadAnswer> {
  const url = `http://127.0.0.1:${adminPort}/api/documents/${encodeURIComponent(doc)}/update`
  const response = await fetch(url, { method: 'POST', body: update as BodyInit })
  const { code, message } = (await response.json()) as { code?: string; message?: string }
  if (response.status === 200) return { kind: 'accepted', words: '' }
  if (response.status === 409) return { kind: 'held', words: '' }
  if (response.status !== 422) throw new Error(`HTTP ${response.status} ${code}`)
  return { kind: 'refused', words: `${code}: ${/^The update was refused: (.*)\.$/.exec(message ?? '')?.[1]}` }
}
