// The one port of a relay: HTTP in, WebSocket connections out to the doors. Counts connections, refuses with words, keeps the beat, and closes everything in
// bounded time. What a door does with a connection is its own business. Read by relay.ts. Rules: RS-1, IN-1, AU-0.

import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { SUBPROTOCOL, SynclineError, type DocId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { socketOptions } from '@syncline/replica/ws'
import { WebSocketServer, type WebSocket } from 'ws'
import { closingFor } from './close-code.ts'
import { routeUpgrade, type Policy } from './doors.ts'
import type { RelayLimits } from './relay-limits.ts'
import { RoomWebSocket, type RoomConnection } from './y-websocket-door.ts'

export interface FrontOptions {
  readonly host: string
  readonly port: number
  readonly policy: Policy
  readonly limits: RelayLimits
  readonly clock: Clock
  native(ws: WebSocket): void
  room(ws: WebSocket, request: IncomingMessage, doc: DocId): RoomConnection
  /** The seam of the Hocuspocus door; absent: off. */
  hocuspocus?(ws: WebSocket, request: IncomingMessage): RoomConnection
}

export class Front {
  private readonly options: FrontOptions
  private readonly http: Server
  private readonly doors: { readonly native: WebSocketServer; readonly room: WebSocketServer }
  private readonly sockets = new Set<WebSocket>()
  private readonly rooms = new Set<RoomConnection>()
  private stopBeat: () => void = () => undefined
  private closing = false

  constructor(options: FrontOptions) {
    this.options = options
    const { limits } = options
    const shared = { noServer: true, clientTracking: false, closeTimeout: limits.closeHandshakeMs }
    this.doors = {
      native: new WebSocketServer({
        ...shared,
        ...socketOptions,
        maxPayload: limits.nativeFrameBytesMax,
        handleProtocols: () => SUBPROTOCOL,
      }),
      room: new WebSocketServer({
        ...shared,
        perMessageDeflate: false,
        maxBufferedChunks: limits.roomChunksMax,
        maxPayload: limits.roomFrameBytesMax,
        maxFragments: limits.roomFragmentsMax,
        handleProtocols: firstOf,
        WebSocket: RoomWebSocket,
      }),
    }
    this.http = createServer({
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.headersTimeoutMs / 2,
    })
    this.http.maxConnections = limits.connectionsMax + limits.backlog
    this.http.on('request', (request, response) => answer(request, response))
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head))
  }

  /** Resolves with the port once it accepts connections. Rejects with "port-taken", "port-forbidden" or "argument-invalid". */
  async listen(): Promise<number> {
    const { host, port, limits, clock } = this.options
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
      this.http.listen({ host, port, backlog: limits.backlog }, resolve)
    })
    this.http.removeAllListeners('error')
    // Later errors are of accept() (out of descriptors): the connection is lost, the relay is not.
    this.http.on('error', () => undefined)
    this.stopBeat = clock.every(limits.pingEveryMs, () => this.beat())
    return (this.http.address() as AddressInfo).port
  }

  get connections(): number {
    return this.sockets.size
  }

  /** Bytes that foreign clients were sent and have not taken yet. */
  get unsentBytes(): number {
    let unsent = 0
    for (const room of this.rooms) unsent += room.unsent()
    return unsent
  }

  /** No further connections; those of foreign doors are committed, echoed and closed. Native links are closed by their replica. */
  async finishRooms(): Promise<void> {
    this.closing = true
    this.http.close()
    this.http.closeIdleConnections()
    await Promise.all([...this.rooms].map((room) => room.finish()))
  }

  /** Ends whatever is left. */
  terminate(): void {
    this.closing = true
    this.stopBeat()
    this.http.close()
    for (const ws of this.sockets) ws.terminate()
    this.http.closeAllConnections()
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    if (this.closing) return refuse(socket, 503, 'This relay is shutting down.')
    if (this.sockets.size >= this.options.limits.connectionsMax)
      return refuse(socket, 503, 'This relay has all the connections it may have. Try again later.')
    const { headers } = request
    const route = routeUpgrade(
      { target: request.url ?? '', subprotocols: headers['sec-websocket-protocol'], origin: headers.origin },
      this.options.policy,
    )
    if (route.door === 'none') return refuse(socket, route.status, route.words)
    const door = route.door === 'native' ? this.doors.native : this.doors.room
    door.handleUpgrade(request, socket, head, (ws) => {
      this.sockets.add(ws)
      ws.on('close', () => this.sockets.delete(ws))
      try {
        if (route.door === 'native') this.options.native(ws)
        else if (route.door === 'room') this.keep(ws, this.options.room(ws, request, route.doc))
        else if (this.options.hocuspocus !== undefined) this.keep(ws, this.options.hocuspocus(ws, request))
      } catch (error) {
        if (!(error instanceof SynclineError)) throw error
        const { code, reason } = closingFor('shutting-down', error.code)
        ws.close(code, reason)
      }
    })
  }

  private keep(ws: WebSocket, room: RoomConnection): void {
    this.rooms.add(room)
    ws.on('close', () => this.rooms.delete(room))
  }

  private beat(): void {
    let most: RoomConnection | null = null
    for (const room of this.rooms) {
      room.beat()
      if (most === null || room.unsent() > most.unsent()) most = room
    }
    if (this.unsentBytes > this.options.limits.unsentBytesMax) most?.terminate()
  }
}

/** Plain HTTP on the port: a person with a browser, or a probe. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const known = (request.method === 'GET' || request.method === 'HEAD') && (request.url ?? '').split('?', 1)[0] === '/'
  const text = known
    ? `This is a Syncline relay. Connect with a WebSocket: subprotocol ${SUBPROTOCOL}, or y-websocket at /room-name.\n`
    : 'Only WebSocket connections are served here.\n'
  response.writeHead(known ? 200 : 426, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    ...(known ? {} : { upgrade: 'websocket', connection: 'upgrade' }),
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}

function refuse(socket: Duplex, status: number, words: string): void {
  const body = `${words}\n`
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function firstOf(offered: Set<string>): string | false {
  for (const subprotocol of offered) return subprotocol
  return false
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): SynclineError {
  const at = `${host}:${port}`
  if (error.code === 'EADDRINUSE') return new SynclineError('port-taken', `Another process listens on ${at}.`, { cause: error })
  if (error.code === 'EACCES') return new SynclineError('port-forbidden', `This user may not listen on ${at}.`, { cause: error })
  return new SynclineError('argument-invalid', `Cannot listen on ${at}: ${error.message}.`, { cause: error })
}
