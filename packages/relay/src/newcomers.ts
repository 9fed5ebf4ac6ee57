// Connections that have said nothing yet. One whose first words are a plain upgrade (plain-upgrade.ts) is taken over at once; every other one goes to Node's HTTP server with all that
// came of it. Decides how long silence lasts: as long as the HTTP server has patience for a head. Made by front.ts. Rules: IN-1, RS-1.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '@syncline/replica'
import { readPlainUpgrade, type UpgradeRequest } from './plain-upgrade.ts'

export interface NewcomersOptions {
  readonly server: Server
  /** Connections are encrypted: the server tells of them when that is settled. */
  readonly secure: boolean
  readonly clock: Clock
  readonly silenceMsMax: number
  upgrade(request: UpgradeRequest, socket: Socket, head: Buffer): void
  /** It said nothing for too long. */
  silent(socket: Socket): void
}

export class Newcomers {
  private readonly options: NewcomersOptions
  /** What the server itself does with a connection. */
  private readonly serve: (socket: Socket) => void
  /** Those that are silent, with the time of their arrival. */
  private readonly waiting = new Map<Socket, number>()
  private stopSweep: () => void = () => undefined
  // One of each for all sockets.
  private readonly first: (this: Socket, bytes: Buffer) => void
  private readonly gone: (this: Socket) => void

  /** Takes the place of the server's own listener. */
  constructor(options: NewcomersOptions) {
    const { server, secure, clock } = options
    this.options = options
    const event = secure ? 'secureConnection' : 'connection'
    const listener = server.listeners(event)[0] as (this: Server, socket: Socket) => void
    server.off(event, listener)
    this.serve = (socket) => listener.call(server, socket)
    const begins = (socket: Socket, bytes: Buffer): void => this.begins(socket, bytes)
    const leaves = (socket: Socket): void => this.leaves(socket)
    this.first = function (this: Socket, bytes: Buffer) {
      begins(this, bytes)
    }
    this.gone = function (this: Socket) {
      leaves(this)
      this.destroy()
    }
    server.on(event, (socket: Socket) => {
      this.waiting.set(socket, clock.now())
      socket.on('error', this.gone)
      socket.on('end', this.gone)
      socket.on('close', this.gone)
      socket.on('data', this.first)
    })
  }

  /** Looks after the silent ones until close(). */
  watch(): void {
    const { clock, silenceMsMax } = this.options
    this.stopSweep = clock.every(Math.max(1, silenceMsMax / 2), () => {
      for (const [socket, sinceMs] of this.waiting) {
        if (clock.now() - sinceMs < silenceMsMax) return
        this.leaves(socket)
        this.options.silent(socket)
      }
    })
  }

  /** Ends those that are silent. */
  close(): void {
    this.stopSweep()
    for (const socket of this.waiting.keys()) socket.destroy()
  }

  private begins(socket: Socket, bytes: Buffer): void {
    this.leaves(socket)
    // Whoever listens next begins anew, as after an upgrade of Node's own.
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    const plain = readPlainUpgrade(bytes)
    if (plain !== null) return this.options.upgrade({ ...plain.request, socket }, socket, plain.head)
    socket.unshift(bytes)
    this.serve(socket)
  }

  private leaves(socket: Socket): void {
    this.waiting.delete(socket)
    socket.off('error', this.gone)
    socket.off('end', this.gone)
    socket.off('close', this.gone)
    socket.off('data', this.first)
  }
}
