// One WebSocket of the npm package ws as a link of a replica. Decides what of WebSocket may reach the engine (whole binary messages), when a socket counts as
// drained, and that closing takes bounded time. Used by dial.ts, listen.ts and the relay's native door. Rules: IN-1, RS-1; TRAPS T24.

import type { Writable } from 'node:stream'
import { LIMITS, type ErrorCode } from '@syncline/protocol'
import { WebSocket, type ClientOptions, type RawData, type ServerOptions } from 'ws'
import type { Clock } from '../clock.ts'
import type { Access } from '../effects.ts'
import { closeCodeOf, closeErrorCode, closeReason, type AttachedLink, type LinkPort } from '../hosted-link.ts'
import type { Replica } from '../replica.ts'
import { SERVER_FRAME_BYTES_MAX, serverFrame } from './server-frame.ts'

/** Options of every socket that speaks the native protocol, client or server. Fragments and chunks are bounded because each costs far more memory than its
 *  bytes: a frame of 1 MiB from a browser has at most some dozen fragments, and a few thousand TCP segments. */
export const socketOptions = {
  perMessageDeflate: false,
  maxPayload: LIMITS.nativeFrameBytesMax,
  maxFragments: 256,
  maxBufferedChunks: 16_384,
} as const satisfies ClientOptions & ServerOptions

/** A peer that does not answer a close frame is cut off after this time. */
const CLOSE_WITHIN_MS = 2_000
/** A received message that pins a much larger network buffer is copied out of it. */
const PINNED_FACTOR = 4

export interface SocketEnd {
  /** Why: from this side's close, or from the peer's reason; null when the connection just ended. */
  readonly code: ErrorCode | null
  readonly reason: string
}

export interface SocketLink {
  readonly link: AttachedLink
  /** Resolves when the connection is gone. Never rejects. */
  readonly ended: Promise<SocketEnd>
  /** Closes with a code; the connection is gone within 2 s. */
  close(code: ErrorCode, reason: string): Promise<SocketEnd>
}

export interface SocketOptions {
  /** What the identity behind the socket may read and write; default everything. */
  readonly access?: Access
  /** Said to the peer's doorman in HELLO. */
  readonly auth?: Uint8Array
  /** The peer shows a fresh token. */
  onRenewed?: ((auth: Uint8Array) => void) | undefined
  /** True on the side that dialled; default false. */
  readonly dialled?: boolean
  /** Messages that were read from the socket already, in order. */
  readonly early?: readonly RawData[]
}

/** Makes an open WebSocket a link of `replica`. When the replica is closed, so is the socket, and "replica-closed" is thrown. */
export function acceptSocket(replica: Replica, socket: WebSocket, options: SocketOptions = {}): SocketLink {
  return new SocketBinding(replica, socket, options)
}

/** Where a socket keeps its port: the listeners of all sockets are the same functions, and one of thousands of idle links is two small objects here. */
const PORT = Symbol('port')
type BoundSocket = WebSocket & { [PORT]?: SocketPort }

/** For whoever made the link; nothing else holds it. */
class SocketBinding implements SocketLink {
  readonly #port: SocketPort

  constructor(replica: Replica, socket: WebSocket, options: SocketOptions) {
    this.#port = new SocketPort(replica.clock, socket, options)
    this.#port.attach(replica, options.early ?? [])
  }

  get link(): AttachedLink {
    return this.#port.link
  }

  get ended(): Promise<SocketEnd> {
    return this.#port.ended
  }

  close(code: ErrorCode, reason: string): Promise<SocketEnd> {
    this.#port.close(closeCodeOf(code), closeReason(code, reason))
    return this.ended
  }
}

class SocketPort implements LinkPort {
  readonly dialled: boolean
  readonly access: Access | undefined
  readonly auth: Uint8Array | undefined
  link!: AttachedLink
  readonly #socket: WebSocket
  readonly #clock: Clock
  readonly #onRenewed: ((auth: Uint8Array) => void) | undefined
  /** Where a server's frames can be written beside ws, which has nothing to add to them; null: they cannot. */
  readonly #stream: Writable | null
  #closedHere: SocketEnd | null = null
  #end: SocketEnd | null = null
  /** Made for the first who asks. */
  #ended: PromiseWithResolvers<SocketEnd> | null = null
  #full = false

  constructor(clock: Clock, socket: WebSocket, { access, auth, dialled = false, onRenewed }: SocketOptions) {
    this.dialled = dialled
    this.access = access
    this.auth = auth
    this.#onRenewed = onRenewed
    this.#socket = socket
    this.#stream = dialled || socket.extensions !== '' ? null : streamOf(socket)
    this.#clock = clock
  }

  attach(replica: Replica, early: readonly RawData[]): void {
    const socket: BoundSocket = this.#socket
    socket[PORT] = this
    // 'close' follows every 'error'.
    socket.on('error', ignore)
    try {
      this.link = replica.attachLink(this)
    } catch (error) {
      this.close(closeCodeOf('shutting-down'), closeReason('shutting-down', 'the replica is closed'))
      throw error
    }
    for (const data of early) this.received(data, true)
    socket.on('message', onMessage)
    if (socket.readyState === WebSocket.CLOSED) this.gone(1006, '')
    else socket.on('close', onClose)
  }

  /** Resolves when the connection is gone. */
  get ended(): Promise<SocketEnd> {
    if (this.#ended === null) {
      this.#ended = Promise.withResolvers()
      if (this.#end !== null) this.#ended.resolve(this.#end)
    }
    return this.#ended.promise
  }

  // For the link

  send(bytes: Uint8Array): void {
    if (this.#stream === null || bytes.length > SERVER_FRAME_BYTES_MAX) this.#socket.send(bytes, this.#sent)
    else if (this.#socket.readyState === WebSocket.OPEN) this.#stream.write(serverFrame(bytes), this.#sent)
    this.#full ||= this.#socket.bufferedAmount >= LIMITS.frameTargetBytes
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    this.#closedHere ??= { code: closeErrorCode(reason), reason }
    this.#socket.close(code, reason)
    const cancel = this.#clock.after(CLOSE_WITHIN_MS, () => this.#socket.terminate())
    this.#socket.once('close', cancel)
  }

  buffered(): number {
    return this.#socket.bufferedAmount
  }

  pause(paused: boolean): void {
    if (paused) this.#socket.pause()
    else this.#socket.resume()
  }

  renewed(auth: Uint8Array): void {
    this.#onRenewed?.(auth)
  }

  // For the listeners below

  received(data: RawData, isBinary: boolean): void {
    if (this.#closedHere !== null) return
    if (!isBinary || !(data instanceof Uint8Array)) {
      this.close(closeCodeOf('message-malformed'), closeReason('message-malformed', 'a text message'))
      return
    }
    const pinned = data.buffer.byteLength > PINNED_FACTOR * data.length
    this.link.received(pinned ? Uint8Array.from(data) : new Uint8Array(data.buffer, data.byteOffset, data.length))
  }

  gone(code: number, reason: string): void {
    this.link.closed()
    this.#end = this.#closedHere ?? { code: closeErrorCode(reason), reason: reason === '' ? `WebSocket close code ${code}` : reason }
    this.#ended?.resolve(this.#end)
  }

  /** The network took a message. */
  readonly #sent = (): void => {
    if (!this.#full || this.#socket.bufferedAmount >= LIMITS.frameTargetBytes / 2) return
    this.#full = false
    this.link.drained()
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  ;(this as BoundSocket)[PORT]?.received(data, isBinary)
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  ;(this as BoundSocket)[PORT]?.gone(code, reason.toString())
}

function ignore(): void {
  // 'close' follows.
}

/** The stream under an open socket of ws, a private field there: what ws itself sends (pings, large messages, the close frame) goes through it, too, in order, as long as no
 *  extension holds messages back. Null where it is not found. */
function streamOf(socket: WebSocket): Writable | null {
  const stream = (socket as unknown as { _socket?: Partial<Writable> | null })._socket
  return typeof stream?.write === 'function' ? (stream as Writable) : null
}
