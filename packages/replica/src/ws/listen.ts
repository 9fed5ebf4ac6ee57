// Lets other replicas dial in: an HTTP server that upgrades to the native subprotocol and answers everything else in words. A replica that listens is no
// relay: no other doors, no authentication. Rules: LK-8 (who is let in), AU-0.

import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { SUBPROTOCOL, SynclineError } from '@syncline/protocol'
import { WebSocketServer } from 'ws'
import type { Access } from '../effects.ts'
import type { Replica } from '../replica.ts'
import { nodeHttp } from './node-http.ts'
import { acceptSocket, socketOptions, type SocketLink } from './socket-link.ts'

export interface ListenOptions {
  /** 0 takes a free one. */
  readonly port: number
  /** Default 127.0.0.1. There is no authentication: whoever reaches another address reads and writes everything. */
  readonly host?: string
  /** Upgrades on other paths are refused. Default: any path. */
  readonly path?: string
  /** What those who dial in may read and write; default everything. */
  readonly access?: Access
  /** Whether a page of this Origin may connect. Default: only pages served from this machine; programs, which send no Origin, always may. */
  readonly allowOrigin?: (origin: string) => boolean
  /** Connections that wait to be accepted: after an outage all peers come at once. Default 1024. */
  readonly backlog?: number
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Accepts nothing more, and closes the links that came this way. Done within 3 s. Idempotent. */
  close(): Promise<void>
}

/** Time for a peer to send its request. */
const REQUEST_WITHIN_MS = 5_000
const WORDS = `This is a Syncline replica. Connect by WebSocket with subprotocol ${SUBPROTOCOL}.\n`

/** Listens. Resolves when connections are accepted; rejects with "argument-invalid" when the address cannot be bound. */
export async function listen(replica: Replica, options: ListenOptions): Promise<Listener> {
  const door = new Door(replica, options)
  await door.open()
  return door
}

class Door implements Listener {
  host: string
  port: number
  readonly #replica: Replica
  readonly #options: ListenOptions
  readonly #server: Server
  readonly #upgrader = new WebSocketServer({ noServer: true, ...socketOptions, handleProtocols: () => SUBPROTOCOL })
  readonly #links = new Set<SocketLink>()
  #closing: Promise<void> | null = null

  constructor(replica: Replica, options: ListenOptions) {
    this.#replica = replica
    this.#options = options
    this.host = options.host ?? '127.0.0.1'
    this.port = options.port
    this.#server = nodeHttp.createServer({ headersTimeout: REQUEST_WITHIN_MS, requestTimeout: REQUEST_WITHIN_MS }, (_, response) => {
      response.writeHead(426, { 'content-type': 'text/plain; charset=utf-8', upgrade: 'websocket', connection: 'close' })
      response.end(WORDS)
    })
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(new SynclineError('argument-invalid', `Cannot listen on ${this.host}:${this.port}: ${error.message}.`, { cause: error }))
      })
      this.#server.listen({ host: this.host, port: this.port, backlog: this.#options.backlog ?? 1024 }, () => {
        this.port = (this.#server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined)
    const problem = this.#problemWith(request)
    if (problem !== null) {
      const body = `${problem}\n`
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
      return
    }
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      const { access } = this.#options
      try {
        const link = acceptSocket(this.#replica, webSocket, access === undefined ? {} : { access })
        this.#links.add(link)
        void link.ended.then(() => this.#links.delete(link))
      } catch {
        // The replica is closed, and the socket with it.
      }
    })
  }

  #problemWith(request: IncomingMessage): string | null {
    const { path, allowOrigin = isLocalOrigin } = this.#options
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const { origin } = request.headers
    if (!offered.includes(SUBPROTOCOL)) return `Offer the subprotocol ${SUBPROTOCOL}.`
    if (path !== undefined && (request.url ?? '').split('?', 1)[0] !== path) return `Nothing listens on this path.`
    if (origin !== undefined && !allowOrigin(origin)) return `Pages of this origin may not connect.`
    return this.#closing === null ? null : 'The replica is closing.'
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await Promise.all([...this.#links].map((link) => link.close('shutting-down', 'this replica stops listening')))
    this.#upgrader.close()
    this.#server.closeAllConnections()
    await closed
  }
}

/** A page that this machine serves. Not one that a foreign name serves from here: that name could be anybody's. */
function isLocalOrigin(origin: string): boolean {
  const name = URL.canParse(origin) ? new URL(origin).hostname.replace(/^\[(.*)\]$/, '$1') : ''
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}
