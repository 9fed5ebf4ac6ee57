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
  onRenewed?(auth: Uint8Array): void
  /** True on the side that dialled; default false. */
  readonly dialled?: boolean
  /** Messages that were read from the socket already, in order. */
  readonly early?: readonly RawData[]
}

/** Makes an open WebSocket a link of `replica`. When the replica is closed, so is the socket, and "replica-closed" is thrown. */
export function acceptSocket(replica: Replica, socket: WebSocket, options: SocketOptions = {}): SocketLink {
  return new SocketBinding(replica, socket, options)
}

class SocketBinding implements SocketLink {
  readonly link: AttachedLink
  readonly ended: Promise<SocketEnd>
  readonly #socket: WebSocket
  readonly #clock: Clock
  /** Where a server's frames can be written beside ws, which has nothing to add to them; null: they cannot. */
  readonly #stream: Writable | null
  #closedHere: SocketEnd | null = null
  #full = false

  constructor(replica: Replica, socket: WebSocket, options: SocketOptions) {
    const { access, auth, dialled = false, early = [] } = options
    this.#socket = socket
    this.#stream = dialled || socket.extensions !== '' ? null : streamOf(socket)
    this.#clock = replica.clock
    // 'close' follows every 'error'.
    socket.on('error', () => undefined)
    const port: LinkPort = {
      dialled,
      ...(access === undefined ? {} : { access }),
      ...(auth === undefined ? {} : { auth }),
      renewed: (fresh) => options.onRenewed?.(fresh),
      send: (bytes) => this.#send(bytes),
      close: (code, reason) => this.#close(code, reason),
      buffered: () => socket.bufferedAmount,
      pause: (paused) => (paused ? socket.pause() : socket.resume()),
    }
    try {
      this.link = replica.attachLink(port)
    } catch (error) {
      this.#close(closeCodeOf('shutting-down'), closeReason('shutting-down', 'the replica is closed'))
      throw error
    }
    for (const data of early) this.#received(data, true)
    socket.on('message', (data, isBinary) => this.#received(data, isBinary))
    this.ended = new Promise((resolve) => {
      const end = (code: number, reason: string): void => {
        this.link.closed()
        resolve(this.#closedHere ?? { code: closeErrorCode(reason), reason: reason === '' ? `WebSocket close code ${code}` : reason })
      }
      if (socket.readyState === WebSocket.CLOSED) end(1006, '')
      else socket.once('close', (code, reason) => end(code, reason.toString()))
    })
  }

  close(code: ErrorCode, reason: string): Promise<SocketEnd> {
    this.#close(closeCodeOf(code), closeReason(code, reason))
    return this.ended
  }

  #send(bytes: Uint8Array): void {
    if (this.#stream === null || bytes.length > SERVER_FRAME_BYTES_MAX) this.#socket.send(bytes, this.#sent)
    else if (this.#socket.readyState === WebSocket.OPEN) this.#stream.write(serverFrame(bytes), this.#sent)
    this.#full ||= this.#socket.bufferedAmount >= LIMITS.frameTargetBytes
  }

  /** The network took a message. */
  readonly #sent = (): void => {
    if (!this.#full || this.#socket.bufferedAmount >= LIMITS.frameTargetBytes / 2) return
    this.#full = false
    this.link.drained()
  }

  #received(data: RawData, isBinary: boolean): void {
    if (this.#closedHere !== null) return
    if (!isBinary || !(data instanceof Uint8Array)) {
      this.#close(closeCodeOf('message-malformed'), closeReason('message-malformed', 'a text message'))
      return
    }
    const pinned = data.buffer.byteLength > PINNED_FACTOR * data.length
    this.link.received(pinned ? Uint8Array.from(data) : new Uint8Array(data.buffer, data.byteOffset, data.length))
  }

  #close(code: number, reason: string): void {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    this.#closedHere ??= { code: closeErrorCode(reason), reason }
    this.#socket.close(code, reason)
    const cancel = this.#clock.after(CLOSE_WITHIN_MS, () => this.#socket.terminate())
    this.#socket.once('close', cancel)
  }
}

/** The stream under an open socket of ws, a private field there: what ws itself sends (pings, large messages, the close frame) goes through it, too, in order, as long as no
 *  extension holds messages back. Null where it is not found. */
function streamOf(socket: WebSocket): Writable | null {
  const stream = (socket as unknown as { _socket?: Partial<Writable> | null })._socket
  return typeof stream?.write === 'function' ? (stream as Writable) : null
}
