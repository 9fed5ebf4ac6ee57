// Links in virtual time. A connection is what a WebSocket is: two ordered directions, cut or closed as a whole, with latency and bandwidth. On top
// come the faults: cuts that lose what is in flight, stalls and partitions (one way or both), half-open ends whose sends vanish, and, while
// hostility is on, frames lost, duplicated, reordered, corrupted and truncated inside a connection. Read by world.ts and faults.ts.

import type { Access, LinkId } from '@syncline/replica'
import type { Counters } from './counters.ts'
import type { Random } from './random.ts'
import type { Schedule, Timer } from './schedule.ts'

/** A replica as the network sees it. */
export interface Endpoint {
  readonly name: string
  /** Counts starts: frames for an earlier life are lost. */
  readonly life: number
  readonly isUp: boolean
  linkOpened(port: Port): void
  linkReceived(port: Port, bytes: Uint8Array): void
  linkClosed(port: Port): void
  linkDrained(port: Port): void
  accessFor(peer: Endpoint): Access | undefined
}

export interface Weather {
  readonly latencyMs: number
  readonly latencyMaxMs: number
  /** Infinity: as fast as it gets. */
  readonly bytesPerMs: number
}

export interface Hostility {
  readonly lose: number
  readonly duplicate: number
  readonly reorder: number
  readonly corrupt: number
  readonly truncate: number
}

export interface Traffic {
  sent(port: Port, bytes: Uint8Array): void
  delivered(port: Port, bytes: Uint8Array): void
}

type Item = { readonly bytes: Uint8Array } | { readonly close: string }

/** One end of a connection. */
export class Port {
  readonly id: LinkId
  readonly owner: Endpoint
  readonly ownerLife: number
  readonly dialled: boolean
  readonly connection: Connection
  /** This end still believes in the connection. */
  open = true
  framesSent = 0

  constructor(id: LinkId, owner: Endpoint, dialled: boolean, connection: Connection) {
    this.id = id
    this.owner = owner
    this.ownerLife = owner.life
    this.dialled = dialled
    this.connection = connection
  }

  get peer(): Port {
    return this.connection.other(this)
  }
}

class Direction {
  lastAtMs = 0
  busyUntilMs = 0
  /** Frames vanish from here on: a half-open connection. */
  silent = false
  readonly stalled: Item[] = []
  drain: Timer | null = null
}

export class Connection {
  readonly dialler: Port
  readonly listener: Port
  readonly dialer: Dialer
  /** Nothing arrives any more. */
  cut = false
  readonly #up = new Direction()
  readonly #down = new Direction()

  constructor(network: Network, dialer: Dialer) {
    this.dialer = dialer
    this.dialler = new Port(network.newLinkId(), dialer.from, true, this)
    this.listener = new Port(network.newLinkId(), dialer.to, false, this)
  }

  other(port: Port): Port {
    return port === this.dialler ? this.listener : this.dialler
  }

  direction(from: Port): Direction {
    return from === this.dialler ? this.#up : this.#down
  }
}

export class Network {
  readonly schedule: Schedule
  readonly random: Random
  readonly counters: Counters
  readonly connections = new Set<Connection>()
  readonly dialers: Dialer[] = []
  weather: Weather = { latencyMs: 10, latencyMaxMs: 100, bytesPerMs: Infinity }
  hostility: Hostility | null = null
  traffic: Traffic | null = null
  #blocked = new Map<string, 'stall' | 'refuse'>()
  #linkIds = 0

  constructor(schedule: Schedule, random: Random, counters: Counters) {
    this.schedule = schedule
    this.random = random
    this.counters = counters
  }

  newLinkId(): LinkId {
    return ++this.#linkIds
  }

  /** `from` keeps one connection to `to` alive from now on. */
  keepLinked(from: Endpoint, to: Endpoint): Dialer {
    const dialer = new Dialer(this, from, to)
    this.dialers.push(dialer)
    dialer.dialSoon(this.random.between(0, 100))
    return dialer
  }

  /** Its own dialers run again, and those that gave it up try once more. */
  started(endpoint: Endpoint): void {
    for (const dialer of this.dialers) {
      if (dialer.from !== endpoint && !(dialer.to === endpoint && dialer.stopped)) continue
      dialer.stopped = false
      dialer.dialSoon(this.random.between(0, 50))
    }
  }

  connect(dialer: Dialer): Connection {
    const connection = new Connection(this, dialer)
    this.connections.add(connection)
    dialer.to.linkOpened(connection.listener)
    dialer.from.linkOpened(connection.dialler)
    return connection
  }

  // ---- sending

  send(port: Port, bytes: Uint8Array): void {
    if (!port.open) return
    this.traffic?.sent(port, bytes)
    port.framesSent++
    this.#transmit(port, { bytes })
  }

  /** Bytes handed over that the wire has not taken yet. */
  buffered(port: Port): number {
    const { busyUntilMs } = port.connection.direction(port)
    return busyUntilMs <= this.schedule.nowMs ? 0 : Math.ceil((busyUntilMs - this.schedule.nowMs) * this.weather.bytesPerMs)
  }

  /** Ends the connection in order: what was sent before still arrives. */
  close(port: Port, code: string): void {
    if (!port.open) return
    this.#transmit(port, { close: code })
    this.#endPort(port, code)
  }

  #transmit(port: Port, item: Item): void {
    const { connection } = port
    const direction = connection.direction(port)
    if (connection.cut || direction.silent) return
    if (this.#blocked.get(pair(port.owner, port.peer.owner)) !== undefined) {
      direction.stalled.push(item)
      return
    }
    this.#launch(port, direction, item)
  }

  #launch(port: Port, direction: Direction, item: Item): void {
    const { nowMs } = this.schedule
    const size = 'bytes' in item ? item.bytes.length : 0
    if (this.weather.bytesPerMs !== Infinity) {
      direction.busyUntilMs = Math.max(direction.busyUntilMs, nowMs) + size / this.weather.bytesPerMs
      this.#announceDrain(port, direction)
    }
    const ready = Math.max(direction.busyUntilMs, nowMs) + this.random.latency(this.weather.latencyMs, this.weather.latencyMaxMs)
    const hostility = this.hostility
    if (hostility === null || !('bytes' in item)) {
      direction.lastAtMs = Math.max(direction.lastAtMs, ready)
      this.#arriveAt(direction.lastAtMs, port, item)
      return
    }
    this.#launchHostile(port, direction, item.bytes, ready, hostility)
  }

  #launchHostile(port: Port, direction: Direction, bytes: Uint8Array, ready: number, hostility: Hostility): void {
    if (this.random.chance(hostility.lose)) {
      this.counters.add('frame lost inside a link')
      return
    }
    let mangled = bytes
    if (this.random.chance(hostility.corrupt)) {
      this.counters.add('frame corrupted')
      mangled = bytes.slice()
      mangled[this.random.below(bytes.length)]! ^= 1 << this.random.below(8)
    } else if (this.random.chance(hostility.truncate)) {
      this.counters.add('frame truncated')
      mangled = bytes.slice(0, this.random.below(bytes.length))
    }
    let at = Math.max(direction.lastAtMs, ready)
    if (this.random.chance(hostility.reorder)) {
      this.counters.add('frame reordered')
      at = ready + this.random.latency(100, 1000)
    } else {
      direction.lastAtMs = at
    }
    this.#arriveAt(at, port, { bytes: mangled })
    if (this.random.chance(hostility.duplicate)) {
      this.counters.add('frame duplicated')
      this.#arriveAt(at + this.random.latency(50, 1000), port, { bytes: mangled })
    }
  }

  #announceDrain(port: Port, direction: Direction): void {
    if (direction.drain !== null) return
    direction.drain = this.schedule.after(direction.busyUntilMs - this.schedule.nowMs, () => {
      direction.drain = null
      if (direction.busyUntilMs > this.schedule.nowMs) this.#announceDrain(port, direction)
      else if (port.open) port.owner.linkDrained(port)
    })
  }

  #arriveAt(atMs: number, from: Port, item: Item): void {
    this.schedule.after(atMs - this.schedule.nowMs, () => this.#arrive(from, item))
  }

  #arrive(from: Port, item: Item): void {
    const to = from.peer
    if (from.connection.cut || !to.open) return
    if ('close' in item) {
      this.#endPort(to, item.close)
    } else {
      this.traffic?.delivered(to, item.bytes)
      to.owner.linkReceived(to, item.bytes)
    }
  }

  #endPort(port: Port, code: string): void {
    if (!port.open) return
    port.open = false
    const { connection } = port
    if (!connection.dialler.open && !connection.listener.open) this.connections.delete(connection)
    if (port.owner.isUp && port.owner.life === port.ownerLife) port.owner.linkClosed(port)
    if (port.dialled) connection.dialer.ended(connection, code)
  }

  // ---- faults

  /** Loses what is in flight; both ends notice a little later. */
  cut(connection: Connection): void {
    if (connection.cut) return
    connection.cut = true
    for (const port of [connection.dialler, connection.listener]) {
      this.schedule.after(this.random.latency(20, 200), () => this.#endPort(port, 'lost'))
    }
  }

  /** From now on nothing that `port` sends arrives, and nobody is told. */
  silence(port: Port): void {
    port.connection.direction(port).silent = true
  }

  /** The process at one end is gone. `quietly`: the other end is not told (a power cut, not a kill). */
  endpointDied(endpoint: Endpoint, quietly: boolean): void {
    for (const connection of [...this.connections]) {
      const port =
        connection.dialler.owner === endpoint ? connection.dialler : connection.listener.owner === endpoint ? connection.listener : null
      if (port === null) continue
      port.open = false
      this.silence(port)
      if (!port.peer.open) this.connections.delete(connection)
      else if (!quietly) this.schedule.after(this.random.latency(20, 200), () => this.#endPort(port.peer, 'lost'))
    }
  }

  /** `stall`: frames wait for unblock. `refuse`: connections over it are cut and dials fail. */
  block(from: Endpoint, to: Endpoint, how: 'stall' | 'refuse'): void {
    this.#blocked.set(pair(from, to), how)
    if (how === 'stall') return
    for (const connection of [...this.connections]) {
      const { dialler, listener } = connection
      if ((dialler.owner === from && listener.owner === to) || (dialler.owner === to && listener.owner === from)) this.cut(connection)
    }
  }

  isBlocked(from: Endpoint, to: Endpoint): boolean {
    return this.#blocked.has(pair(from, to)) || this.#blocked.has(pair(to, from))
  }

  unblock(from: Endpoint, to: Endpoint): void {
    if (!this.#blocked.delete(pair(from, to))) return
    for (const connection of [...this.connections]) {
      for (const port of [connection.dialler, connection.listener]) {
        if (port.owner !== from || port.peer.owner !== to) continue
        const direction = connection.direction(port)
        if (direction.silent || connection.cut) continue
        for (const item of direction.stalled.splice(0)) this.#launch(port, direction, item)
      }
    }
  }

  /** Ends every partition and all hostility. Connections that died without notice stay so: noticing is the engine's work. */
  heal(): void {
    this.hostility = null
    this.weather = { ...this.weather, bytesPerMs: Infinity }
    for (const dialer of this.dialers) {
      this.unblock(dialer.from, dialer.to)
      this.unblock(dialer.to, dialer.from)
    }
  }

  /** Two ends that both believe in one connection that carries frames both ways. */
  isLinked(a: Endpoint, b: Endpoint): boolean {
    for (const { dialler, listener } of this.connections) {
      const joins = (dialler.owner === a && listener.owner === b) || (dialler.owner === b && listener.owner === a)
      if (joins && dialler.open && listener.open) return true
    }
    return false
  }
}

/** Keeps one connection alive: full-jitter backoff, and no second link where another one serves. */
export class Dialer {
  readonly from: Endpoint
  readonly to: Endpoint
  connection: Connection | null = null
  stopped = false
  readonly #network: Network
  #timer: Timer | null = null
  #attempt = 0

  constructor(network: Network, from: Endpoint, to: Endpoint) {
    this.#network = network
    this.from = from
    this.to = to
  }

  dialSoon(delayMs: number): void {
    if (this.#timer !== null) this.#timer.cancelled = true
    this.#timer = this.#network.schedule.after(delayMs, () => this.#dial())
  }

  stop(): void {
    this.stopped = true
    if (this.#timer !== null) this.#timer.cancelled = true
  }

  #dial(): void {
    this.#timer = null
    if (this.stopped || !this.from.isUp) return
    if (this.connection !== null && this.connection.dialler.open && this.connection.dialler.ownerLife === this.from.life) return
    if (!this.to.isUp || this.#network.isBlocked(this.from, this.to)) {
      this.#backOff()
      return
    }
    this.connection = this.#network.connect(this)
  }

  ended(connection: Connection, code: string): void {
    if (connection !== this.connection) return
    this.connection = null
    if (code === 'self-link') this.stopped = true
    else if (code === 'link-replaced') this.#waitForNeed()
    else this.#backOff()
  }

  /** Another link serves this pair: dial again only when it is gone. */
  #waitForNeed(): void {
    this.#network.counters.add('double link resolved')
    const look = (): void => {
      if (this.stopped || !this.from.isUp) return
      if (this.#network.isLinked(this.from, this.to)) this.#timer = this.#network.schedule.after(1000, look)
      else this.#dial()
    }
    this.#timer = this.#network.schedule.after(1000, look)
  }

  #backOff(): void {
    const bound = Math.min(2000, 100 * 2 ** this.#attempt)
    this.#attempt = Math.min(this.#attempt + 1, 8)
    this.dialSoon(10 + this.#network.random.below(bound))
  }

  /** A connection that lived makes the next backoff short again. */
  lived(): void {
    this.#attempt = 0
  }
}

function pair(from: Endpoint, to: Endpoint): string {
  return `${from.name}>${to.name}`
}
