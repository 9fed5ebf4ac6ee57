// The one port of a relay: HTTP in, WebSocket connections out to the doors. Counts connections, refuses with words, keeps the beat, and closes everything in
// bounded time. What a door does with a connection is its own business. Read by relay.ts. Rules: RS-1, IN-1, AU-0, AD-2.

import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Server as SecureServer, TLSSocket } from 'node:tls'
import { SUBPROTOCOL, SynclineError, type ErrorCode } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { nodeHttp, socketOptions } from '@syncline/replica/ws'
import { WebSocketServer, type Server as SocketServer, type WebSocket } from 'ws'
import type { DoorName, Doorman, Pass } from './access/access.ts'
import { Newcomers } from './newcomers.ts'
import { closingFor } from './close-code.ts'
import { routeUpgrade, withoutPrefix, type Policy, type Route } from './doors.ts'
import { clientOf, type TrustedProxies } from './forwarded.ts'
import { giveSocket } from './given-socket.ts'
import { listenError } from './listen-error.ts'
import { isLoopbackHost } from './loopback.ts'
import { MeteredWebSocket, RateLimits, type RateBound } from './rate-limits.ts'
import type { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { GivenSocket } from './relay-options.ts'
import type { UpgradeRequest } from './plain-upgrade.ts'
import type { Certificate } from './tls-files.ts'
import { permissionDeniedFrame } from './y-websocket-codec.ts'
import type { Visit } from './visit.ts'
import { RoomWebSocket, type RoomConnection, type RoomStay } from './y-websocket-door.ts'

/** A connection that a door takes over. */
export interface Entrance {
  /** Of the client; behind a trusted proxy, the forwarded one. */
  readonly address: string
  readonly request: UpgradeRequest
}

export interface FrontOptions {
  readonly host: string
  readonly port: number
  readonly tls: Certificate | null
  readonly policy: Policy
  readonly proxies: TrustedProxies
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly doorman: Doorman
  readonly refusals: RefusalMemory
  native(ws: WebSocket, entrance: Entrance, route: Extract<Route, { door: 'native' }>): void
  /** Somebody comes to a document: visit.ts. */
  visit(route: RoomRoute, pass: Pass): Promise<Visit>
  room(ws: RoomWebSocket, entrance: Entrance, route: RoomRoute, stay: RoomStay): RoomConnection
  hocuspocus(ws: RoomWebSocket, entrance: Entrance, route: Extract<Route, { door: 'hocuspocus' }>): RoomConnection
  /** Plain HTTP that a door answers; false: it does not. */
  http?(request: IncomingMessage, response: ServerResponse): boolean
  /** Somebody was turned away: for logs and counters. */
  onTurnedAway(error: SynclineError, door: DoorName): void
  /** A connection is not read for a while: for counters. */
  onThrottled(door: DoorName, by: RateBound): void
}

export type RoomRoute = Extract<Route, { door: 'room' | 'y-sweet' }>

/** A document may be large, and a thousand clients may ask for it and read nothing. */
const RELIEVE_EVERY_MS = 1_000
const BEATS_PER_TURN = 16
const BEAT_PAUSE_MS = 5
/** Of refusals at the upgrade; 401 for the others. */
const REFUSED_FOR_GOOD: Partial<Record<ErrorCode, number>> = { 'access-denied': 403, 'doc-deleted': 410 }

export class Front {
  private readonly options: FrontOptions
  private readonly server: Server
  private readonly newcomers: Newcomers
  private readonly doors: { readonly native: SocketServer<typeof MeteredWebSocket>; readonly room: SocketServer<typeof RoomWebSocket> }
  private readonly sockets = new Map<WebSocket, DoorName>()
  private readonly rooms = new Map<WebSocket, RoomConnection>()
  /** One listener for all sockets. */
  private readonly gone: (this: WebSocket) => void
  private readonly rates: RateLimits
  /** Upgrades whose token is being looked at. */
  private entering = 0
  /** Connections, and upgrades under way, by client address. */
  private readonly byAddress = new Map<string, number>()
  private stopBeat: () => void = () => undefined
  private stopRelief: () => void = () => undefined
  private closing = false

  constructor(options: FrontOptions) {
    this.options = options
    this.rates = new RateLimits(options)
    const { sockets, rooms } = this
    this.gone = function (this: WebSocket) {
      sockets.delete(this)
      rooms.delete(this)
    }
    const { limits, tls } = options
    const shared = { noServer: true, clientTracking: false, closeTimeout: limits.closeHandshakeMs }
    this.doors = {
      native: new WebSocketServer({
        ...shared,
        ...socketOptions,
        maxPayload: limits.nativeFrameBytesMax,
        handleProtocols: () => SUBPROTOCOL,
        WebSocket: MeteredWebSocket,
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
    const timeouts: ServerOptions = {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.headersTimeoutMs / 2,
    }
    this.server =
      tls === null
        ? nodeHttp.createServer(timeouts)
        : createSecureServer({ ...timeouts, ...tls, handshakeTimeout: limits.headersTimeoutMs })
    this.server.maxConnections = limits.connectionsMax + limits.backlog
    this.newcomers = new Newcomers({
      server: this.server,
      secure: tls !== null,
      clock: options.clock,
      silenceMsMax: limits.headersTimeoutMs,
      upgrade: (request, socket, head) => this.upgrade(request, socket, head),
      silent: (socket) => refuse(socket, 408, 'Nothing was asked for.'),
    })
    this.server.on('request', (request, response) => this.answer(request, response))
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head))
  }

  /** Resolves with the port once it accepts connections. Rejects with "port-taken", "port-forbidden" or "argument-invalid". */
  async listen(): Promise<number> {
    const { host, port, limits } = this.options
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
      this.server.listen({ host, port, backlog: limits.backlog }, resolve)
    })
    this.server.removeAllListeners('error')
    // Later errors are of accept() (out of descriptors): the connection is lost, the relay is not.
    this.server.on('error', () => undefined)
    this.watch()
    return (this.server.address() as AddressInfo).port
  }

  /** Instead of listening: connections are given to it. Each brings one request, since the next may be for another process. */
  takeGiven(): (given: GivenSocket) => void {
    const { server } = this
    this.watch()
    // What it does when it listens: from then on Node holds requests to the time that they have.
    server.emit('listening')
    server.prependListener('request', (_, response) => response.setHeader('connection', 'close'))
    return (given) => giveSocket(server, given)
  }

  private watch(): void {
    const { limits, clock } = this.options
    this.stopBeat = clock.every(limits.pingEveryMs, () => this.beat())
    this.newcomers.watch()
    this.stopRelief = clock.every(Math.min(limits.pingEveryMs, RELIEVE_EVERY_MS), () => this.relieve())
  }

  /** For connections from now on. Throws what Node throws for a pair that does not fit; the old one stays then. No effect without TLS. */
  setCertificate(certificate: Certificate): void {
    if (this.options.tls !== null) (this.server as unknown as SecureServer).setSecureContext(certificate)
  }

  get connections(): number {
    return this.sockets.size
  }

  get connectionsByDoor(): Readonly<Record<DoorName, number>> {
    const counts: Record<DoorName, number> = { native: 0, 'y-websocket': 0, hocuspocus: 0, 'y-sweet': 0, http: 0 }
    for (const door of this.sockets.values()) counts[door]++
    return counts
  }

  /** Bytes that foreign clients were sent and have not taken yet. */
  get unsentBytes(): number {
    let unsent = 0
    for (const room of this.rooms.values()) unsent += room.unsent()
    return unsent
  }

  /** No further connections; those of foreign doors are committed, echoed and closed. Native links are closed by their replica. */
  async finishRooms(): Promise<void> {
    this.closing = true
    this.server.close()
    this.server.closeIdleConnections()
    this.newcomers.close()
    await Promise.all(Array.from(this.rooms.values(), (room) => room.finish()))
  }

  /** Ends whatever is left. */
  terminate(): void {
    this.closing = true
    this.stopBeat()
    this.stopRelief()
    this.server.close()
    this.newcomers.close()
    for (const ws of this.sockets.keys()) ws.terminate()
    this.server.closeAllConnections()
  }

  private upgrade(request: UpgradeRequest, socket: Duplex, head: Buffer): void {
    socket.on('error', destroyed)
    if (this.closing) return refuse(socket, 503, 'This relay is shutting down.')
    if (this.sockets.size + this.entering >= this.options.limits.connectionsMax)
      return refuse(socket, 503, 'This relay has all the connections it may have. Try again later.')
    const { headers } = request
    const route = routeUpgrade(
      { target: request.url ?? '', subprotocols: headers['sec-websocket-protocol'], origin: headers.origin },
      this.options.policy,
    )
    if (route.door === 'none') return refuse(socket, route.status, route.words)
    const entrance = { request, address: this.addressOf(request) }
    if (!this.countAddress(entrance.address, socket))
      return refuse(socket, 429, 'This address has all the connections it may have. Try again later.')
    if (route.door === 'native')
      this.open(this.doors.native, 'native', socket, head, entrance, (ws) => this.options.native(ws, entrance, route))
    else if (route.door === 'hocuspocus')
      this.open(this.doors.room, 'hocuspocus', socket, head, entrance, (ws) =>
        this.rooms.set(ws, this.options.hocuspocus(ws, entrance, route)),
      )
    else void this.enterRoom(route, socket, head, entrance)
  }

  /** False: it has too many. This machine's own are not counted: behind a proxy that is not trusted, everybody is. */
  private countAddress(address: string, socket: Duplex): boolean {
    if (isLoopbackHost(address)) return true
    const { byAddress } = this
    const held = byAddress.get(address) ?? 0
    if (held >= this.options.limits.connectionsPerAddressMax) return false
    byAddress.set(address, held + 1)
    socket.once('close', () => {
      const left = byAddress.get(address)! - 1
      if (left > 0) byAddress.set(address, left)
      else byAddress.delete(address)
    })
    return true
  }

  private addressOf(request: UpgradeRequest): string {
    const { socket, headers } = request
    return clientOf(socket.remoteAddress ?? '', (socket as TLSSocket).encrypted, headers, this.options.proxies).address
  }

  /** A room says who comes in the query of its address, so it is decided before the WebSocket opens. */
  private async enterRoom(route: RoomRoute, socket: Duplex, head: Buffer, entrance: Entrance): Promise<void> {
    const door = route.door === 'y-sweet' ? 'y-sweet' : 'y-websocket'
    const { address, request } = entrance
    this.entering++
    try {
      const pass = await this.options.doorman.admit({ token: queryToken(request.url ?? ''), door, space: route.space, address })
      const visit = await this.options.visit(route, pass).catch((error: unknown) => {
        pass.drop()
        throw error
      })
      if (socket.destroyed || this.closing) {
        visit.leave()
        pass.drop()
        return refuse(socket, 503, 'This relay is shutting down.')
      }
      const entered = this.open(this.doors.room, door, socket, head, entrance, (ws) =>
        this.rooms.set(ws, this.options.room(ws, entrance, route, { pass, visit })),
      )
      if (entered) return
      visit.leave()
      pass.drop()
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      this.turnAway(error, door, `${address} ${route.space} ${route.doc}`, socket, head, entrance)
    } finally {
      this.entering--
    }
  }

  /** The first time with a close code at which y-websocket 3.1 stops. Older ones come back after every code: the second time at the upgrade, which costs little. */
  private turnAway(error: SynclineError, door: DoorName, who: string, socket: Duplex, head: Buffer, entrance: Entrance): void {
    this.options.onTurnedAway(error, door)
    const { refusals, clock } = this.options
    if (error.retry === 'later') return refuse(socket, 503, error.message)
    if (refusals.refusedBefore(`door ${who}`, clock.now())) return refuse(socket, REFUSED_FOR_GOOD[error.code] ?? 401, error.message)
    this.open(this.doors.room, door, socket, head, entrance, (ws) => {
      ws.on('error', () => undefined)
      ws.send(permissionDeniedFrame(error.message))
      const { code, reason } = closingFor(error.code, error.message)
      ws.close(code, reason)
    })
  }

  /** False: it was no proper handshake, or nobody took it. */
  private open<S extends typeof MeteredWebSocket>(
    server: SocketServer<S>,
    door: DoorName,
    socket: Duplex,
    head: Buffer,
    { request }: Entrance,
    take: (ws: InstanceType<S>) => void,
  ): boolean {
    let taken = false
    // The answer to the upgrade goes out with what the door says first.
    socket.cork()
    // Answers at once.
    server.handleUpgrade(request as IncomingMessage, socket, head, (ws) => {
      // ws listens itself.
      socket.off('error', destroyed)
      this.sockets.set(ws, door)
      this.rates.watch(ws, door)
      try {
        take(ws)
        taken = true
      } catch (error) {
        if (!(error instanceof SynclineError)) throw error
        const { code, reason } = closingFor('shutting-down', error.code)
        ws.close(code, reason)
      }
      ws.on('close', this.gone)
    })
    socket.uncork()
    return taken
  }

  /** Not all in one turn: a thousand pings are a thousand writes. */
  private beat(left: WebSocket[] = [...this.rooms.keys()]): void {
    for (const ws of left.splice(0, BEATS_PER_TURN)) this.rooms.get(ws)?.beat()
    if (left.length > 0 && !this.closing) this.options.clock.after(BEAT_PAUSE_MS, () => this.beat(left))
  }

  /** Memory emergency: those with most unread are cut, until the rest is within the bound. */
  private relieve(): void {
    let unsent = this.unsentBytes
    if (unsent <= this.options.limits.unsentBytesMax) return
    for (const [ws, room] of [...this.rooms].sort(([, one], [, other]) => other.unsent() - one.unsent())) {
      if (unsent <= this.options.limits.unsentBytesMax) return
      unsent -= room.unsent()
      this.rooms.delete(ws)
      room.terminate()
    }
  }

  /** Plain HTTP on the port: a door's own, a person with a browser, or a probe. */
  private answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.options.http?.(request, response) === true) return
    const path = withoutPrefix(request.url ?? '', this.options.policy.pathPrefix).split('?', 1)[0]
    const known = (request.method === 'GET' || request.method === 'HEAD') && path === '/'
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
}

/** The `token` of a query string; null: none. */
function queryToken(target: string): string | null {
  const query = target.indexOf('?')
  const token = query < 0 ? null : new URLSearchParams(target.slice(query)).get('token')
  return token === '' ? null : token
}

/** For all sockets that no WebSocket has taken over yet. */
function destroyed(this: Duplex): void {
  this.destroy()
}

function refuse(socket: Duplex, status: number, words: string): void {
  const body = `${words}\n`
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${nodeHttp.STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function firstOf(offered: Set<string>): string | false {
  for (const subprotocol of offered) return subprotocol
  return false
}
