// The door for y-websocket clients: binds one WebSocket to a RoomSession, which decides everything. Here are only the socket's ways: batching of one
// turn's frames into one write, the two frame limits, liveness, and the last close. Read by front.ts. Rules: YW-2, YW-7, RS-1.

import type { IncomingMessage } from 'node:http'
import type { DocId, ErrorCode } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import { WebSocket, type RawData } from 'ws'
import { closingFor, type Closing } from './close-code.ts'
import type { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import { RoomSession } from './y-websocket-session.ts'

export interface RoomDoor {
  readonly replica: Replica
  readonly clock: Clock
  readonly limits: RelayLimits
  readonly refusals: RefusalMemory
  onRefused(doc: DocId, code: ErrorCode, reason: string): void
}

/** One connection as the front sees it. */
export interface RoomConnection {
  /** Ping time: asks for a sign of life, and ends a connection that gave none for too long. */
  beat(): void
  unsent(): number
  /** Ends it at once (memory emergency, shutdown that took too long). */
  terminate(): void
  /** Commits and echoes what was read, then closes with "shutting-down". Resolves when the socket is closed. */
  finish(): Promise<void>
}

/** A frame over the limit ends ws's socket with 1009, after which a y-websocket client comes back with the same frame at once; 4413 tells it to stop. */
export class RoomWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    if (code === 1009) super.close(4413, closingFor('frame-too-large', 'this relay takes smaller messages').reason)
    else super.close(code, reason)
  }
}

export function openRoom(ws: WebSocket, request: IncomingMessage, doc: DocId, door: RoomDoor): RoomConnection {
  const { clock, limits } = door
  let lastSignMs = clock.now()
  limitFrames(ws, limits.roomFirstFrameBytesMax)

  const send = batchedSender(ws, request, clock, () => session.drained())
  const close = (closing: Closing): void => {
    // A paused socket would never read the other side's answer.
    ws.resume()
    ws.close(closing.code, closing.reason)
  }

  const writer = `${request.socket.remoteAddress} ${doc}`
  const session: RoomSession = new RoomSession({
    limits,
    attach: (port) => door.replica.attachGuest(doc, port),
    refusedBefore: () => door.refusals.refusedBefore(writer, clock.now()),
    onValid: () => limitFrames(ws, limits.roomFrameBytesMax),
    onRefused: (code, reason) => door.onRefused(doc, code, reason),
    socket: {
      send,
      close,
      closeLater: (closing) => void clock.after(limits.retryCloseMs, () => session.end(closing)),
      ping: () => ws.ping(),
      pause: () => ws.pause(),
      resume: () => ws.resume(),
      buffered: () => ws.bufferedAmount,
    },
  })

  ws.on('message', (data: RawData, binary: boolean) => {
    lastSignMs = clock.now()
    if (binary) session.received(data as Buffer)
    else session.malformed('a text frame')
  })
  ws.on('pong', () => {
    lastSignMs = clock.now()
    session.alive()
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
      if (ws.isPaused && ws.bufferedAmount === 0) lastSignMs = clock.now()
      const allowedMs = limits.silentCloseMs + (ws.bufferedAmount * 1000) / limits.slowestBytesPerSecond
      if (clock.now() - lastSignMs > allowedMs) return ws.terminate()
      if (ws.readyState !== WebSocket.OPEN) return
      ws.ping()
      session.beat()
    },
    unsent: () => ws.bufferedAmount,
    terminate: () => ws.terminate(),
    async finish() {
      await session.settle()
      session.end(closingFor('shutting-down', 'the relay restarts'))
      await closed
    },
  }
}

/** One write per turn, whatever is sent in it, and one call of `drained` per turn in which the network took any of it. */
function batchedSender(ws: WebSocket, { socket }: IncomingMessage, clock: Clock, drained: () => void): (frame: Uint8Array) => void {
  let corked = false
  let drainedSoon = false
  const taken = (): void => {
    if (drainedSoon) return
    drainedSoon = true
    clock.soon(() => {
      drainedSoon = false
      drained()
    })
  }
  return (frame) => {
    if (ws.readyState !== WebSocket.OPEN) return
    if (!corked) {
      corked = true
      socket.cork()
      clock.soon(() => {
        corked = false
        socket.uncork()
      })
    }
    ws.send(frame, taken)
  }
}

/** ws has one limit per server; a connection's own is a private field of its receiver. Where that is not found, the server's limit stands. */
function limitFrames(ws: WebSocket, bytesMax: number): void {
  const receiver = (ws as unknown as { _receiver?: { _maxPayload?: unknown } })._receiver
  if (typeof receiver?._maxPayload === 'number') receiver._maxPayload = bytesMax
}
