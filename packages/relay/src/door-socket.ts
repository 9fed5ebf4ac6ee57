// One WebSocket of a foreign protocol, as its session sees it: batching of one turn's frames into one write, the frame limit, liveness, and the last close. Decides
// nothing about documents. Read by y-websocket-door.ts and hocuspocus/door.ts. Rules: YW-8, HP-8, RS-1.

import type { IncomingMessage } from 'node:http'
import type { Clock } from '@syncline/replica'
import { WebSocket, type RawData } from 'ws'
import { closingFor, type Closing } from './close-code.ts'
import type { MessageRun } from './message-run.ts'
import type { RelayLimits } from './relay-limits.ts'

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
export class RoomWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    if (code === 1009) super.close(4413, closingFor('frame-too-large', 'this relay takes smaller messages').reason)
    else super.close(code, reason)
  }
}

export interface DoorSocket {
  /** For the session; may be used before `serve`. */
  readonly port: SessionSocket
  /** Longer frames end the connection from now on. */
  limitFrames(bytesMax: number): void
  /** Binds the session: to be called in the turn in which the socket was made. */
  serve(session: SocketSession): RoomConnection
}

/** `firstFrameBytesMax`: the frame limit until `limitFrames` is called. */
export function doorSocket(
  ws: WebSocket,
  request: IncomingMessage,
  { clock, limits, firstFrameBytesMax }: { readonly clock: Clock; readonly limits: RelayLimits; readonly firstFrameBytesMax: number },
): DoorSocket {
  let session: SocketSession | null = null
  limitFrames(ws, firstFrameBytesMax)
  const signs = new SignsOfLife(ws, clock, limits)
  const sender = batchedSender(ws, request, clock, () => session?.drained())
  const port: SessionSocket = {
    send: sender.send,
    sendRun: sender.sendRun,
    close(closing) {
      // A paused socket would never read the other side's answer.
      ws.resume()
      ws.close(closing.code, closing.reason)
    },
    closeLater: (closing) => void clock.after(limits.retryCloseMs, () => session?.end(closing)),
    ping: () => signs.ping(),
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    buffered: sender.unsent,
    get silent() {
      return signs.silent
    },
  }
  return {
    port,
    limitFrames: (bytesMax) => limitFrames(ws, bytesMax),
    serve: (served) => connect(ws, (session = served), signs, limits, sender.unsent),
  }
}

function connect(ws: WebSocket, session: SocketSession, signs: SignsOfLife, limits: RelayLimits, unsent: () => number): RoomConnection {
  ws.on('message', (data: RawData, binary: boolean) => {
    signs.heard()
    if (binary) session.received(data as Buffer)
    else session.malformed('a text frame')
  })
  ws.on('pong', () => {
    signs.heard()
    // One that nobody asked for says nothing of who is there.
    if (signs.answered()) session.alive()
  })
  // ws has closed the socket already, with a code that says why; without a listener the error would end the process.
  ws.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => {
    ws.on('close', () => {
      session.closed()
      resolve()
    })
  })
  return {
    beat() {
      // Nobody can hear a pong while this side does not read; what paused it is the commit, not the client.
      if (ws.isPaused && ws.bufferedAmount === 0) signs.heard()
      const allowedMs = limits.silentCloseMs + (ws.bufferedAmount * 1000) / limits.slowestBytesPerSecond
      if (signs.silentForMs > allowedMs) return ws.terminate()
      if (ws.readyState !== WebSocket.OPEN) return
      const wasSilent = signs.silent
      signs.ping()
      // It reads nothing now: what it is sent only waits.
      if (!wasSilent) session.beat()
    },
    unsent,
    terminate: () => ws.terminate(),
    async finish() {
      await session.settle()
      session.end(closingFor('shutting-down', 'the relay restarts'))
      await closed
    },
  }
}

/** When something was last heard of a client, and whether it owes an answer to a ping. */
class SignsOfLife {
  private readonly ws: WebSocket
  private readonly clock: Clock
  private readonly answerMs: number
  private lastMs: number
  /** Of the first ping since then. */
  private pingedMs: number | null = null
  private asked = false

  constructor(ws: WebSocket, clock: Clock, { pingAnswerMs }: RelayLimits) {
    this.ws = ws
    this.clock = clock
    this.answerMs = pingAnswerMs
    this.lastMs = clock.now()
  }

  get silentForMs(): number {
    return this.clock.now() - this.lastMs
  }

  get silent(): boolean {
    return this.pingedMs !== null && this.clock.now() - this.pingedMs > this.answerMs
  }

  heard(): void {
    this.lastMs = this.clock.now()
    this.pingedMs = null
  }

  /** Whether a ping was sent since the last answer. */
  answered(): boolean {
    const { asked } = this
    this.asked = false
    return asked
  }

  ping(): void {
    this.asked = true
    // One that waits for its answer asks for both.
    if (this.pingedMs !== null) return
    this.pingedMs = this.clock.now()
    this.ws.ping()
  }
}

/** What a frame that waits counts beside its bytes: small ones are mostly this, and many of them cost everybody time (docs/performance.md). */
const FRAME_COST_BYTES = 4096

interface BatchedSender {
  send(frame: Uint8Array): void
  sendRun(run: MessageRun): void
  /** Memory that waiting frames take, about. */
  unsent(): number
}

/** One write per turn, whatever is sent in it, and one call of `drained` per turn in which the network took any of it. */
function batchedSender(ws: WebSocket, { socket }: IncomingMessage, clock: Clock, drained: () => void): BatchedSender {
  let corked = false
  let drainedSoon = false
  let frames = 0
  const taken = (): void => {
    frames--
    if (drainedSoon) return
    drainedSoon = true
    clock.soon(() => {
      drainedSoon = false
      drained()
    })
  }
  const begun = (): boolean => {
    if (ws.readyState !== WebSocket.OPEN) return false
    frames++
    if (corked) return true
    corked = true
    socket.cork()
    clock.soon(() => {
      corked = false
      socket.uncork()
    })
    return true
  }
  return {
    unsent: () => ws.bufferedAmount + frames * FRAME_COST_BYTES,
    send(frame) {
      if (begun()) ws.send(frame, taken)
    },
    // Beside ws, which has nothing to add: no extension is agreed on, and it never holds frames back. What it sends itself goes through the same socket, in order.
    sendRun(run) {
      if (begun()) socket.write(run.frames, taken)
    },
  }
}

/** ws has one limit per server; a connection's own is a private field of its receiver. Where that is not found, the server's limit stands. */
function limitFrames(ws: WebSocket, bytesMax: number): void {
  const receiver = (ws as unknown as { _receiver?: { _maxPayload?: unknown } })._receiver
  if (typeof receiver?._maxPayload === 'number') receiver._maxPayload = bytesMax
}
