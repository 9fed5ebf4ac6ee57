// What those who operate a relay see of it: metrics, probes, the JSON API and its page on the admin port. Everything here listens; nothing decides what a client
// may do. Made by relay.ts. Rules: MT-1 to MT-5, HE-1 to HE-4, HA-1 to HA-9.

import { SynclineError, type DocId, type ErrorCode, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica, ReplicaEvent } from '@syncline/replica'
import type { Dial } from '@syncline/replica/ws'
import type { DoorName, Doorman } from './access/access.ts'
import type * as adminPort from './admin/admin-port.ts'
import type { AdminServer } from './admin/admin-server.ts'
import type { Api, ApiSpaces } from './admin/api.ts'
import { Health } from './admin/health.ts'
import type { RelayFacts } from './admin/relay-api.ts'
import { Sampler } from './admin/sampler.ts'
import type { Share } from './admin/share.ts'
import type { Front } from './front.ts'
import type { RelayMetrics } from './metrics/relay-metrics.ts'
import { isLinked } from './peering.ts'
import type { RateBound } from './rate-limits.ts'
import type { GivenSocket } from './relay-options.ts'
import { relayVersion } from './relay-version.ts'

type AdminModule = typeof adminPort

export interface OperationsOptions {
  readonly clock: Clock
  readonly doorman: Doorman
  /** There will be an admin port. */
  readonly admin: boolean
  /** Paths of the SQLite files of the open spaces. */
  dataFiles(): readonly string[]
  spacesStored(): number
  /** A write of a request was refused. */
  onRefused(doc: DocId, code: ErrorCode, reason: string, space: SpaceId): void
  onError(error: unknown): void
}

export interface Served {
  /** Of the default space. */
  readonly replica: Replica
  readonly spaces: ApiSpaces
  readonly front: Front
  readonly dials: readonly Dial[]
  /** Where clients connect. */
  readonly url: string
  /** Null: no admin port. */
  readonly admin: { readonly host?: string; readonly port: number } | null
  /** Connections to the admin port are given to it: another process listens. Default false. */
  readonly given?: boolean
}

export class Operations {
  readonly health: Health
  /** Null: there is no admin port, and nobody to read them. */
  readonly metrics: RelayMetrics | null
  /** Observes the replicas of all spaces. */
  readonly sampler: Sampler
  private readonly options: OperationsOptions
  private readonly module: AdminModule | null
  private readonly startedMs: number
  private readonly version = relayVersion()
  private dials: readonly Dial[] = []
  private front: Front | null = null
  private api: Api | null = null
  private admin: AdminServer | null = null

  private constructor(options: OperationsOptions, module: AdminModule | null) {
    const { clock } = options
    this.options = options
    this.module = module
    this.startedMs = clock.now()
    this.health = new Health(clock)
    this.sampler = new Sampler(clock)
    this.metrics = module === null ? null : this.relayMetrics(module)
  }

  static async open(options: OperationsOptions): Promise<Operations> {
    return new Operations(options, options.admin ? await import('./admin/admin-port.ts') : null)
  }

  private relayMetrics({ createRelayMetrics }: AdminModule): RelayMetrics {
    const { options } = this
    return createRelayMetrics({
      clock: options.clock,
      version: this.version,
      connections: () => this.front?.connectionsByDoor ?? {},
      unsentBytes: () => this.front?.unsentBytes ?? 0,
      dials: () => this.dials.map(({ state }) => (isLinked(state) ? { ...state, phase: 'connected' } : state)),
      dataFiles: () => options.dataFiles(),
      spacesStored: () => options.spacesStored(),
      spacesUnopened: () => this.health.unopenedCount,
    })
  }

  /** A connection to the admin port that another process accepted. */
  takeAdmin(given: GivenSocket): void {
    if (this.admin === null) given.socket.destroy()
    else this.admin.take(given)
  }

  /** What is told of this process to another one of the same relay. Rejects with "request-failed" without an admin port. */
  async share(names: readonly SpaceId[]): Promise<Share> {
    if (this.api === null) throw new SynclineError('request-failed', 'There is no admin port.')
    return await this.api.share(names)
  }

  /** Where the admin port listens; null: nowhere. */
  get adminUrl(): string | null {
    return this.admin?.url ?? null
  }

  /** The doors are open. Rejects with what createAdminServer rejects with. */
  async serve({ replica, spaces, front, dials, url, admin, given = false }: Served): Promise<void> {
    const { clock, doorman, onRefused, onError } = this.options
    const { module, health, metrics, sampler } = this
    this.front = front
    this.dials = dials
    health.listening = true
    if (admin === null || module === null || metrics === null) return
    const { api, server } = module.openAdminPort(
      {
        replica,
        spaces,
        doorman,
        clock,
        sampler,
        onRefused,
        facts: () => this.facts(url, front, metrics),
        troubleOf: (space) => health.troubleOf(space),
        onTurnedAway: (error) => metrics.accessRefused('http', error.code),
        onError,
      },
      { ...admin, given, clock, health, metrics, onError },
    )
    this.api = api
    this.admin = await server
  }

  turnedAway(error: SynclineError, door: DoorName): void {
    this.metrics?.accessRefused(door, error.code)
    this.api?.turnedAway(error, door)
  }

  refused(doc: DocId, code: ErrorCode, reason: string, door: DoorName, space: SpaceId): void {
    this.api?.refused(doc, code, reason, door, space)
  }

  /** An event of the replica of a space. */
  happened(event: ReplicaEvent, space: SpaceId): void {
    this.api?.happened(event, space)
  }

  throttled(door: DoorName, by: RateBound): void {
    this.metrics?.throttled(door, by)
  }

  /** Probes say so from now on, while the admin port goes on answering. */
  drain(): void {
    this.health.draining = true
  }

  /** What must end before the replica closes. */
  detach(): void {
    this.api?.close()
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.admin?.close()
    this.metrics?.close()
  }

  private facts(url: string, front: Front, metrics: RelayMetrics): RelayFacts {
    const { p50, p99 } = metrics.loopDelays()
    return {
      url,
      version: this.version,
      uptimeMs: this.options.clock.now() - this.startedMs,
      draining: this.health.draining,
      connections: front.connectionsByDoor,
      unsentBytes: front.unsentBytes,
      eventLoop: { p50Ms: p50 * 1000, p99Ms: p99 * 1000 },
    }
  }
}
