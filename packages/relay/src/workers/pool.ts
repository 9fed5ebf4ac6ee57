// A relay that is spread over worker processes: this one has the ports and no document. Puts together the porter of the doors, that of the admin port, the seats of the
// workers, and what operators see of all of them. Processes and not threads: each has its own heap, its own collector of garbage and its own writer thread, and one that
// ends takes nothing of the others along. Run by commands/serve.ts. Rules: WK-1 to WK-6.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:tls'
import { DEFAULT_SPACE, type SpaceId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { createAdminServer, type AdminServer } from '../admin/admin-server.ts'
import type { Share } from '../admin/share.ts'
import { authenticates } from '../config/config-rules.ts'
import { toRelayOptions } from '../config/relay-options-of.ts'
import type { SettingValues } from '../config/settings.ts'
import { storedSpaces } from '../data-folder.ts'
import { routeUpgrade, spaceOf, withoutPrefix } from '../doors.ts'
import { clientOf, trustedProxies } from '../forwarded.ts'
import type { RelayLog } from '../log.ts'
import { routing } from '../relay-doors.ts'
import { RELAY_LIMITS, type RelayLimits } from '../relay-limits.ts'
import type { Certificate } from '../tls-files.ts'
import { adminErrand } from './admin-errand.ts'
import { GuestBook } from './guest-book.ts'
import { ownerOf } from './owner.ts'
import { PoolHealth } from './pool-health.ts'
import { PoolMetrics } from './pool-metrics.ts'
import { Porter, type Errand } from './porter.ts'
import { SOCKET_OPTIONS } from './read-until.ts'
import type { RequestHead } from './request-head.ts'
import { Seat } from './seat.ts'

export interface PoolParts {
  readonly log: RelayLog
  readonly clock: Clock
  readonly certificate: Certificate | null
}

export interface Pool {
  readonly url: string
  readonly adminUrl: string | null
  /** Of the default space. */
  readonly replicaId: string
  /** Process ids of the workers. */
  readonly workers: readonly number[]
  setCertificate(certificate: Certificate): void
  /** As that of a relay, for all workers. Resolves with whether all of it was done in time. Idempotent. */
  close(): Promise<boolean>
  /** Ends the workers at once. */
  kill(): void
}

/** Somebody looks at the admin page. */
const SHARE_WITHIN_MS = 5_000
const ADMIN_CONNECTIONS_MAX = 256
/** A worker ends by itself within drainMs; what does not is ended. */
const DRAIN_GRACE_MS = 1_500

/** Resolves when all workers serve. Rejects with what a relay's start rejects with, in whichever worker. */
export async function openPool(values: SettingValues, parts: PoolParts): Promise<Pool> {
  const pool = new RunningPool(values, parts)
  try {
    await pool.open()
    return pool
  } catch (error) {
    await pool.close()
    throw error
  }
}

class RunningPool implements Pool {
  url = ''
  adminUrl: string | null = null
  replicaId = ''
  private readonly values: SettingValues
  private readonly parts: PoolParts
  private readonly limits: RelayLimits
  private readonly seats: readonly Seat[]
  private readonly health: PoolHealth
  private readonly metrics: PoolMetrics
  private readonly books: { readonly doors: GuestBook; readonly admin: GuestBook }
  private readonly server: Server
  private readonly porters: Porter[] = []
  private admin: AdminServer | null = null
  private at: { readonly url: string; readonly port: number } | null = null
  private readonly pipes: string | null
  private serving: () => void = () => undefined
  private closing: Promise<boolean> | null = null

  constructor(values: SettingValues, parts: PoolParts) {
    const { clock, certificate } = parts
    this.values = values
    this.parts = parts
    this.limits = { ...RELAY_LIMITS, ...toRelayOptions(values, { certificate: null, doorman: null }).limits }
    const { connectionsMax, backlog, connectionsPerAddressMax, headersTimeoutMs } = this.limits
    this.books = {
      doors: new GuestBook({ connectionsMax, connectionsPerAddressMax, guestsMax: connectionsMax + backlog }),
      admin: new GuestBook({ connectionsMax: 0, connectionsPerAddressMax: 0, guestsMax: ADMIN_CONNECTIONS_MAX }),
    }
    this.server =
      certificate === null
        ? createServer(SOCKET_OPTIONS)
        : createSecureServer({ ...SOCKET_OPTIONS, ...certificate, handshakeTimeout: headersTimeoutMs })
    this.pipes = certificate === null ? null : mkdtempSync(join(tmpdir(), 'syncline-'))
    this.seats = Array.from({ length: values.workers }, (_, index) => this.seatOf(index))
    this.health = new PoolHealth(this.seats, ownerOf(DEFAULT_SPACE, values.workers), clock)
    this.metrics = new PoolMetrics(this.seats, () => storedSpaces(values.data).length, clock)
  }

  async open(): Promise<void> {
    const { values } = this
    // One that cannot start ends all of them.
    await Promise.all(this.seats.map((seat) => seat.opened()))
    const allServe = new Promise<void>((resolve) => (this.serving = resolve))
    const host = values.host.replace(/^\[(.*)\]$/, '$1')
    const port = await this.openDoors(host)
    this.at = { url: `${this.pipes === null ? 'ws' : 'wss'}://${host.includes(':') ? `[${host}]` : host}:${port}`, port }
    this.url = this.at.url
    for (const seat of this.seats) seat.serve()
    await allServe
    if (values['admin.port'] !== undefined) await this.openAdmin(values['admin.port'])
    this.health.listening = true
  }

  setCertificate(certificate: Certificate): void {
    if (this.pipes !== null) (this.server as SecureServer).setSecureContext(certificate)
  }

  get workers(): readonly number[] {
    return this.seats.flatMap(({ pid }) => pid ?? [])
  }

  kill(): void {
    for (const seat of this.seats) seat.kill()
  }

  close(): Promise<boolean> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<boolean> {
    const { clock } = this.parts
    this.health.draining = true
    const [doors, ...others] = this.porters
    doors?.close()
    const cancel = clock.after(this.values.drainMs + DRAIN_GRACE_MS, () => this.kill())
    const ended = await Promise.all(this.seats.map((seat) => seat.drain()))
    cancel()
    for (const porter of [doors, ...others]) porter?.terminate()
    await this.admin?.close()
    this.metrics.close()
    if (this.pipes !== null) rmSync(this.pipes, { recursive: true, force: true })
    return ended.every((inOrder) => inOrder)
  }

  private openDoors(host: string): Promise<number> {
    const { values, limits, server } = this
    const options = toRelayOptions(values, { certificate: null, doorman: null })
    const policy = routing(options, authenticates(values))
    const proxies = trustedProxies(values.trustedProxies)
    const errandOf = ({ target, headers }: RequestHead): Errand => {
      const { 'sec-websocket-protocol': subprotocols, origin, upgrade } = headers as Record<string, string | undefined>
      const asked = spaceOf(withoutPrefix(target, policy.pathPrefix), policy.spacePrefix)
      const space = 'problem' in asked ? DEFAULT_SPACE : (asked.space ?? DEFAULT_SPACE)
      const worker = ownerOf(space, values.workers)
      const route = upgrade === undefined ? null : routeUpgrade({ target, subprotocols, origin }, policy)
      return route?.door === 'native' && route.space === null ? { to: 'greet', otherwise: worker } : { to: 'worker', worker }
    }
    return this.porter('doors', {
      ...{ server, host, port: values.port, backlog: limits.backlog, acceptedMax: limits.connectionsMax + limits.backlog },
      headersTimeoutMs: limits.headersTimeoutMs,
      errandOf,
      addressOf: (socket, { headers }) => clientOf(socket.remoteAddress ?? '', 'encrypted' in socket, headers, proxies).address,
      keep: (socket) => void socket.destroy(),
    })
  }

  /** What is of all workers is answered here, the rest by the worker that has the space. */
  private async openAdmin(port: number): Promise<void> {
    const { values, limits } = this
    const host = values['admin.host'].replace(/^\[(.*)\]$/, '$1')
    const admin = await createAdminServer({
      ...{ host, port, given: true, clock: this.parts.clock, health: this.health, metrics: this.metrics },
      onError: (error) => this.parts.log.error('request-failed', { reason: error instanceof Error ? error.message : String(error) }),
    })
    this.admin = admin
    const actual = await this.porter('admin', {
      ...{ server: createServer(SOCKET_OPTIONS), host, port, backlog: ADMIN_CONNECTIONS_MAX, acceptedMax: ADMIN_CONNECTIONS_MAX },
      headersTimeoutMs: limits.headersTimeoutMs,
      errandOf: ({ target }) => adminErrand(target, values.workers),
      addressOf: (socket) => socket.remoteAddress ?? '',
      // What was read stands at its front.
      keep: (socket) => admin.take({ socket, bytes: new Uint8Array(0), answered: false }),
    })
    this.adminUrl = `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
  }

  private porter(
    name: 'doors' | 'admin',
    options: Omit<ConstructorParameters<typeof Porter>[0], 'clock' | 'workers' | 'book' | 'give'>,
  ): Promise<number> {
    const porter = new Porter({
      ...options,
      clock: this.parts.clock,
      workers: this.values.workers,
      book: this.books[name],
      give: (worker, guest) => this.seats[worker]!.give(name, guest),
    })
    this.porters.push(porter)
    return porter.listen()
  }

  /** What all workers but one say of themselves, and of those of these spaces that they have. */
  private async sharesBeside(asker: number, names: readonly SpaceId[]): Promise<readonly Share[]> {
    const asked = this.seats.map(async (seat) => {
      const own = names.filter((name) => ownerOf(name, this.seats.length) === seat.index)
      return seat.index === asker ? [] : [await seat.ask('share', SHARE_WITHIN_MS, own)]
    })
    const answers = await Promise.allSettled(asked)
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }

  private seatOf(index: number): Seat {
    const { log, clock } = this.parts
    return new Seat({
      ...{ index, workers: this.values.workers, values: this.values, clock },
      pipe: this.pipes === null ? null : join(this.pipes, `${index}`),
      listening: () => this.at,
      onServing: (pid, replicaId) => {
        // Those of the start are told with the ready line.
        if (this.health.listening) log.info('worker-serving', { worker: index, pid })
        if (replicaId !== null) this.replicaId = replicaId
        if (this.seats.every(({ phase }) => phase === 'serving')) this.serving()
      },
      onLost: ({ code, signal }, retryInMs) => {
        log.error('worker-lost', {
          worker: index,
          status: code,
          signal,
          retryInMs,
          meaning: 'its spaces are not served until it is started again',
        })
        void this.metrics.lost(index)
      },
      onFailed: (error) => log.error('worker-failed', { worker: index, reason: error.message }),
      onElsewhere: (names) => this.sharesBeside(index, names),
      onLeft: (port, id) => this.books[port].left(id),
    })
  }
}
