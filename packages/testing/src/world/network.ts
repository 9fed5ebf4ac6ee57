// Links in virtual time. A connection is what a WebSocket is: two ordered directions, cut or closed as a whole, with latency and bandwidth. On top
// come the faults: cuts that lose what is in flight, stalls and partitions (one way or both), half-open ends whose sends vanish, and, while
// hostility is on, frames lost, duplicated, reordered, corrupted and truncated inside a connection. What a frame suffers follows from its bytes, its
// direction and the moment, not from how many came before it. Read by world.ts and faults.ts.

import type { Access, LinkId } from '@syncline/replica'
import { CauseRandom, hashText } from '../random.ts'
import type { Counters } from '../situations.ts'
import type { Schedule, Timer } from './schedule.ts'
import { sampleOf } from './trace.ts'

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

export interface NetworkWeather {
  readonly latencyMs: number
  readonly latencyMaxMs: number
  /** Infinity: as fast as it gets. */
  readonly bytesPerMs: number
  /** Without it every frame takes latencyMs. */
  readonly jitter: boolean
}

export interface Hostility {
  readonly lose: number
  readonly duplicate: number
  readonly reorder: number
  readonly corrupt: number
  readonly truncate: number
}

export type FrameFate = 'lost' | 'stalled' | 'late' | 'corrupted' | 'truncated'

export interface Traffic {
  sent(port: Port, bytes: Uint8Array): void
  delivered(port: Port, bytes: Uint8Array, sentMs: number): void
  /** A frame of `port` that suffers something. */
  suffers?(port: Port, bytes: Uint8Array, fate: FrameFate): void
}

type Item = { readonly bytes: Uint8Array; readonly sentMs: number } | { readonly close: string }

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
  /** Names the direction among the causes of chance. */
  readonly cause: number
  lastAtMs = 0
  busyUntilMs = 0
  /** Frames vanish from here on: a half-open connection. */
  silent = false
  readonly stalled: Item[] = []
  drain: Timer | null = null

  constructor(from: string, to: string) {
    this.cause = hashText(`${from}>${to}`)
  }
}

export class Connection {
  readonly dialler: Port
  readonly listener: Port
  readonly dialer: Dialer
  /** Nothing arrives any more. */
  cut = false
  readonly #up: Direction
  readonly #down: Direction

  constructor(network: Network, dialer: Dialer) {
    this.dialer = dialer
    this.#up = new Direction(dialer.from.name, dialer.to.name)
    this.#down = new Direction(dialer.to.name, dialer.from.name)
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
  readonly counters: Counters
  readonly connections = new Set<Connection>()
  readonly dialers: Dialer[] = []
  weather: NetworkWeather = { latencyMs: 10, latencyMaxMs: 100, bytesPerMs: Infinity, jitter: true }
  hostility: Hostility | null = null
  traffic: Traffic | null = null
  #blocked = new Map<string, 'stall' | 'refuse'>()
  #linkIds = 0
  readonly #frames: CauseRandom
  readonly #links: CauseRandom

  constructor(schedule: Schedule, seed: number, counters: Counters) {
    this.schedule = schedule
    this.counters = counters
    this.#frames = new CauseRandom(seed, 'frames')
    this.#links = new CauseRandom(seed, 'links')
  }

  /** Up to `boundMs`, by pair and moment. */
  delay(from: Endpoint, to: Endpoint, boundMs: number): number {
    return this.#links.about(hashText(pair(from, to)), Math.floor(this.schedule.nowMs)).below(boundMs)
  }

  newLinkId(): LinkId {
    return ++this.#linkIds
  }

  /** `from` keeps one connection to `to` alive from now on. */
  keepLinked(from: Endpoint, to: Endpoint): Dialer {
    const dialer = new Dialer(this, from, to)
    this.dialers.push(dialer)
    dialer.dialSoon(this.delay(from, to, 100))
    return dialer
  }

  /** Its own dialers run again, and those that gave it up try once more. */
  started(endpoint: Endpoint): void {
    for (const dialer of this.dialers) {
      if (dialer.from !== endpoint && !(dialer.to === endpoint && dialer.stopped)) continue
      dialer.stopped = false
      dialer.dialSoon(this.delay(dialer.from, dialer.to, 50))
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
    this.#transmit(port, { bytes, sentMs: this.schedule.nowMs })
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
    if (connection.cut || direction.silent) return this.#suffers(port, item, 'lost')
    if (this.#blocked.get(pair(port.owner, port.peer.owner)) !== undefined) {
      direction.stalled.push(item)
      return this.#suffers(port, item, 'stalled')
    }
    this.#launch(port, direction, item)
  }

  #suffers(port: Port, item: Item, fate: FrameFate): void {
    if ('bytes' in item) this.traffic?.suffers?.(port, item.bytes, fate)
  }

  #launch(port: Port, direction: Direction, item: Item): void {
    const { nowMs } = this.schedule
    const size = 'bytes' in item ? item.bytes.length : 0
    if (this.weather.bytesPerMs !== Infinity) {
      direction.busyUntilMs = Math.max(direction.busyUntilMs, nowMs) + size / this.weather.bytesPerMs
      this.#announceDrain(port, direction)
    }
    const { latencyMs, latencyMaxMs, jitter } = this.weather
    const chance = this.#frames.about(direction.cause ^ ('bytes' in item ? sampleOf(item.bytes) : 0), Math.floor(nowMs))
    const ready = Math.max(direction.busyUntilMs, nowMs) + (jitter ? chance.latency(latencyMs, latencyMaxMs) : latencyMs)
    const hostility = this.hostility
    if (hostility === null || !('bytes' in item)) {
      direction.lastAtMs = Math.max(direction.lastAtMs, ready)
      this.#arriveAt(direction.lastAtMs, port, item)
      return
    }
    this.#launchHostile(port, direction, item, ready, hostility, chance)
  }

  #launchHostile(
    port: Port,
    direction: Direction,
    item: Extract<Item, { bytes: Uint8Array }>,
    ready: number,
    hostility: Hostility,
    chance: CauseRandom,
  ): void {
    if (chance.chance(hostility.lose)) {
      this.counters.add('frame lost inside a link')
      return this.#suffers(port, item, 'lost')
    }
    const mangled = { ...item, bytes: this.#mangled(port, item, hostility, chance) }
    let at = Math.max(direction.lastAtMs, ready)
    if (chance.chance(hostility.reorder)) {
      this.counters.add('frame reordered')
      this.#suffers(port, item, 'late')
      at = ready + chance.latency(100, 1000)
    } else {
      direction.lastAtMs = at
    }
    const again = chance.chance(hostility.duplicate) ? at + chance.latency(50, 1000) : null
    this.#arriveAt(at, port, mangled)
    if (again === null) return
    this.counters.add('frame duplicated')
    this.#arriveAt(again, port, mangled)
  }

  #mangled(port: Port, item: Extract<Item, { bytes: Uint8Array }>, hostility: Hostility, chance: CauseRandom): Uint8Array {
    const { bytes } = item
    if (chance.chance(hostility.corrupt)) {
      this.counters.add('frame corrupted')
      this.#suffers(port, item, 'corrupted')
      const mangled = bytes.slice()
      mangled[chance.below(bytes.length)]! ^= 1 << chance.below(8)
      return mangled
    }
    if (chance.chance(hostility.truncate)) {
      this.counters.add('frame truncated')
      this.#suffers(port, item, 'truncated')
      return bytes.slice(0, chance.below(bytes.length))
    }
    return bytes
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
    if (from.connection.cut || !to.open) return this.#suffers(from, item, 'lost')
    if ('close' in item) {
      this.#endPort(to, item.close)
    } else {
      this.traffic?.delivered(to, item.bytes, item.sentMs)
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
      this.schedule.after(this.delay(port.owner, port.peer.owner, 60), () => this.#endPort(port, 'lost'))
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
      else if (!quietly) this.schedule.after(this.delay(port.owner, port.peer.owner, 60), () => this.#endPort(port.peer, 'lost'))
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
    for (const connection of this.connections) {
      const { dialler, listener } = connection
      if (connection.direction(dialler).silent || connection.direction(listener).silent) continue
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
    this.dialSoon(10 + this.#network.delay(this.from, this.to, bound))
  }
}

function pair(from: Endpoint, to: Endpoint): string {
  return `${from.name}>${to.name}`
}
