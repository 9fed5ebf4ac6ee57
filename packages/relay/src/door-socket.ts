// One WebSocket of a foreign protocol, as its session sees it: batching of one turn's frames into one write, the frame limit, liveness, and the last close. Decides
// nothing about documents. Read by y-websocket-door.ts and hocuspocus/door.ts. Rules: YW-8, HP-8, RS-1.
//
// A relay has thousands of these, most of them idle: one object each, listeners that all share, and nothing that is not needed before something happens.

import type { Socket } from 'node:net'
import type { Clock } from '@syncline/replica'
import { WebSocket, type RawData } from 'ws'
import { closingFor, type Closing } from './close-code.ts'
import type { MessageRun } from './message-run.ts'
import type { UpgradeRequest } from './plain-upgrade.ts'
import { MeteredWebSocket } from './rate-limits.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { TurnEnds } from './turn-ends.ts'

/** What a session needs of its socket. */
export interface SessionSocket {
  send(frame: Uint8Array): void
  /** Sends messages that others are sent, too. */
  sendRun(run: MessageRun): void
  /** Sends what is queued, then closes. */
  close(closing: Closing): void
  /** Closes after `limits.retryCloseMs`, so that a client without backoff does not storm. */
  closeLater(closing: Closing): void
  /** Asks for a sign of life; the session's `alive` is called when it comes. */
  ping(): void
  pause(): void
  resume(): void
  /** Bytes sent and not yet taken by the network. */
  buffered(): number
  /** A ping has gone unanswered for a while: the client reads nothing now, though the network may still take some MiB for it. */
  readonly silent: boolean
}

/** What a session is told. */
export interface SocketSession {
  /** Takes one binary frame. Total. */
  received(bytes: Uint8Array): void
  /** What no client sends (a text frame, too). */
  malformed(problem: string): void
  /** A pong arrived. */
  alive(): void
  /** The network took bytes. Called at most once per turn, and after everything that was sent. */
  drained(): void
  /** Called at every ping interval. */
  beat(): void
  /** Stops reading and resolves when all that was read is committed and answered, or was refused. */
  settle(): Promise<void>
  /** Ends the session from this side. */
  end(closing: Closing): void
  /** The socket is gone. */
  closed(): void
}

/** One connection as the front sees it. */
export interface RoomConnection {
  /** Ping time: asks for a sign of life, and ends a connection that gave none for too long. */
  beat(): void
  unsent(): number
  /** Ends it at once (memory emergency, shutdown that took too long). */
  terminate(): void
  /** Commits and answers what was read, then closes with "shutting-down". Resolves when the socket is closed. */
  finish(): Promise<void>
}

/** A frame over the limit ends ws's socket with 1009, after which a y-websocket client comes back with the same frame at once; 4413 tells it to stop. */
export class RoomWebSocket extends MeteredWebSocket {
  /** Once a door has taken it. */
  door: DoorSocket | null = null

  override close(code?: number, reason?: string | Buffer): void {
    if (code === 1009) super.close(4413, closingFor('frame-too-large', 'this relay takes smaller messages').reason)
    else super.close(code, reason)
  }
}

export interface DoorSocketOptions {
  readonly clock: Clock
  readonly limits: RelayLimits
  /** One for all sockets of a relay. */
  readonly turnEnds: TurnEnds
}

/** What a frame that waits counts beside its bytes: small ones are mostly this, and many of them cost everybody time (docs/performance.md). */
const FRAME_COST_BYTES = 4096

/** Takes an open WebSocket over, of which nobody heard anything yet. Longer frames than `frameBytesMax` end the connection until limitFrames() is called. To be
 *  served in the same turn. */
export class DoorSocket implements SessionSocket, RoomConnection {
  private readonly ws: RoomWebSocket
  private readonly socket: Socket
  private readonly options: DoorSocketOptions
  private session: SocketSession | null = null
  // Signs of life, in whole ms: those need no object of their own.
  private heardMs: number
  /** Of the first ping since then; negative: none. */
  private pingedMs = -1
  private isAsked = false
  // What is sent in a turn is one write.
  private isCorked = false
  private isDrained = false
  private awaitsTurnEnd = false
  private frames = 0

  constructor(ws: RoomWebSocket, { socket }: UpgradeRequest, options: DoorSocketOptions, frameBytesMax: number) {
    this.ws = ws
    this.socket = socket
    this.options = options
    this.heardMs = this.now()
    ws.door = this
    this.limitFrames(frameBytesMax)
  }

  /** Longer frames end the connection from now on. ws has one limit per server; a connection's own is a private field of its receiver. Where that is not found, the
   *  server's limit stands. */
  limitFrames(bytesMax: number): void {
    const receiver = (this.ws as unknown as { _receiver?: { _maxPayload?: unknown } })._receiver
    if (typeof receiver?._maxPayload === 'number') receiver._maxPayload = bytesMax
  }

  /** Binds the session. */
  serve(session: SocketSession): RoomConnection {
    this.session = session
    this.ws.on('message', onMessage)
    this.ws.on('pong', onPong)
    // ws has closed the socket already, with a code that says why; without a listener the error would end the process.
    this.ws.on('error', ignore)
    this.ws.on('close', onClose)
    return this
  }

  // For the session

  send(frame: Uint8Array): void {
    if (this.begin()) this.ws.send(frame, this.taken)
  }

  /** Beside ws, which has nothing to add: no extension is agreed on, and it never holds frames back. What it sends itself goes through the same socket, in order. */
  sendRun(run: MessageRun): void {
    if (this.begin()) this.socket.write(run.frames, this.taken)
  }

  close({ code, reason }: Closing): void {
    // A paused socket would never read the other side's answer.
    this.ws.resume()
    this.ws.close(code, reason)
  }

  closeLater(closing: Closing): void {
    const { clock, limits } = this.options
    clock.after(limits.retryCloseMs, () => this.session?.end(closing))
  }

  ping(): void {
    this.isAsked = true
    // One that waits for its answer asks for both.
    if (this.pingedMs >= 0) return
    this.pingedMs = this.now()
    this.ws.ping()
  }

  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  buffered(): number {
    return this.unsent()
  }

  get silent(): boolean {
    return this.pingedMs >= 0 && this.now() - this.pingedMs > this.options.limits.pingAnswerMs
  }

  // For the front

  beat(): void {
    const { ws } = this
    const { limits } = this.options
    // Nobody can hear a pong while this side does not read; what paused it is the commit, not the client.
    if (ws.isPaused && ws.bufferedAmount === 0) this.heard()
    const allowedMs = limits.silentCloseMs + (ws.bufferedAmount * 1000) / limits.slowestBytesPerSecond
    if (this.now() - this.heardMs > allowedMs) return ws.terminate()
    if (ws.readyState !== WebSocket.OPEN) return
    const wasSilent = this.silent
    this.ping()
    // It reads nothing now: what it is sent only waits.
    if (!wasSilent) this.session?.beat()
  }

  /** Memory that waiting frames take, about. */
  unsent(): number {
    return this.ws.bufferedAmount + this.frames * FRAME_COST_BYTES
  }

  terminate(): void {
    this.ws.terminate()
  }

  async finish(): Promise<void> {
    await this.session?.settle()
    this.session?.end(closingFor('shutting-down', 'the relay restarts'))
    if (this.ws.readyState !== WebSocket.CLOSED) await new Promise<void>((resolve) => this.ws.once('close', () => resolve()))
  }

  // For the listeners below

  received(bytes: Uint8Array, isBinary: boolean): void {
    this.heard()
    if (isBinary) this.session?.received(bytes)
    else this.session?.malformed('a text frame')
  }

  answered(): void {
    this.heard()
    const { isAsked } = this
    this.isAsked = false
    // One that nobody asked for says nothing of who is there.
    if (isAsked) this.session?.alive()
  }

  closed(): void {
    this.session?.closed()
  }

  /** For TurnEnds: all that was sent in a callback is one write. */
  callbackEnded(): void {
    this.isCorked = false
    this.socket.uncork()
  }

  /** For TurnEnds: the session hears, after all that was sent, that the network took something. */
  turnEnded(): void {
    this.awaitsTurnEnd = false
    if (!this.isDrained) return
    this.isDrained = false
    this.session?.drained()
  }

  private heard(): void {
    this.heardMs = this.now()
    this.pingedMs = -1
  }

  private now(): number {
    return Math.floor(this.options.clock.now())
  }

  /** False: nothing can be sent any more. */
  private begin(): boolean {
    if (this.ws.readyState !== WebSocket.OPEN) return false
    this.frames++
    if (this.isCorked) return true
    this.isCorked = true
    this.socket.cork()
    this.options.turnEnds.addWriter(this)
    return true
  }

  private awaitTurnEnd(): void {
    if (this.awaitsTurnEnd) return
    this.awaitsTurnEnd = true
    this.options.turnEnds.add(this)
  }

  /** The network took a frame. */
  private readonly taken = (): void => {
    this.frames--
    this.isDrained = true
    this.awaitTurnEnd()
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  doorOf(this)?.received(data as Buffer, isBinary)
}

function onPong(this: WebSocket): void {
  doorOf(this)?.answered()
}

function onClose(this: WebSocket): void {
  doorOf(this)?.closed()
}

function doorOf(ws: WebSocket): DoorSocket | null {
  return (ws as RoomWebSocket).door
}

function ignore(): void {
  // 'close' follows.
}
