// The metrics of one relay: gathers what its spaces, doors, dials and disk say into the set of metric-table.ts, and writes it out for Prometheus. Counts happen
// as things happen; gauges are read at a scrape. Wired in relay.ts, served by admin/admin-server.ts. Rules: MT-1 to MT-5.

import { DEFAULT_SPACE, PROTOCOL_VERSION, type Role } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { DialState } from '@syncline/replica/ws'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { DoorName } from '../access/access.ts'
import type { RateBound } from '../rate-limits.ts'
import { dataSizes } from './data-sizes.ts'
import { LoopDelay, LOOP_STATS, type LoopDelays } from './loop-delay.ts'
import { codeLabel, MetricSet } from './metric-set.ts'
import type { LabelsOf } from './metric-table.ts'
import { PEER_SERIES_MAX, type PeerReading } from './peer-watch.ts'
import { SpaceMetrics, type SpaceReading } from './space-metrics.ts'

export interface RelayMetricsOptions {
  readonly clock: Clock
  /** Open connections; a door that is not served may be absent. */
  connections(): Readonly<Partial<Record<DoorName, number>>>
  /** Bytes that foreign clients were sent and have not taken yet. */
  unsentBytes?(): number
  /** Of the configured peers. */
  dials?(): readonly DialState[]
  /** Paths of the SQLite files of the open spaces. */
  dataFiles?(): readonly string[]
  /** With a file in the data folder. */
  spacesStored?(): number
  /** That could not be opened when it was last tried. */
  spacesUnopened?(): number
  /** Of this package. */
  readonly version?: string
}

export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/** As prom-client gives them. */
export type MetricReadings = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

const ROLES: readonly Role[] = ['device', 'relay', 'follower']
const DOORS: readonly DoorName[] = ['native', 'y-websocket', 'hocuspocus', 'y-sweet', 'http']
const PHASES: readonly DialState['phase'][] = ['connecting', 'connected', 'waiting', 'stopped']

export function createRelayMetrics(options: RelayMetricsOptions): RelayMetrics {
  return new RelayMetrics(options)
}

export class RelayMetrics {
  private readonly options: RelayMetricsOptions
  private readonly set: MetricSet = new MetricSet()
  private readonly spaces = new Set<SpaceMetrics>()
  private readonly loop: LoopDelay
  private scraping: Promise<Exposition> | null = null

  constructor(options: RelayMetricsOptions) {
    this.options = options
    this.loop = new LoopDelay(options.clock)
    this.set.set('syncline_build_info', { version: options.version ?? '', protocol: String(PROTOCOL_VERSION) }, 1)
  }

  /** The relay's own metrics, without those of the process. Its gauges are as of the last scrape. */
  get registry(): Registry {
    return this.set.registry
  }

  /** For one replica that is about to be made: give it `observer`, then call opened(replica), and ended() here at its end. */
  space(): SpaceMetrics {
    const pinned = (): ReadonlySet<NonNullable<DialState['peer']>> =>
      new Set(this.dials().flatMap(({ peer }) => (peer === null ? [] : [peer])))
    const space = new SpaceMetrics({ set: this.set, clock: this.options.clock, pinned })
    this.spaces.add(space)
    return space
  }

  /** The replica of it was closed. What was counted stays. */
  ended(space: SpaceMetrics): void {
    space.closed()
    this.spaces.delete(space)
  }

  /** A door turned somebody away: authentication, policy, or a limit. */
  accessRefused(door: DoorName, code: string): void {
    this.set.add('syncline_access_refused_total', { door, code: codeLabel(code) })
  }

  /** A connection is not read for a while: more comes than its rate, its person's or its document's. */
  throttled(door: DoorName, by: RateBound): void {
    this.set.add('syncline_throttled_total', { door, by })
  }

  /** What the watched peers of all spaces are up to, now. */
  peers(): readonly PeerReading[] {
    return this.readings().flatMap(({ peers }) => peers)
  }

  /** Delay of the event loop, in seconds, of the last 15 to 30. */
  loopDelays(): LoopDelays {
    return this.loop.seconds()
  }

  /** The text for Prometheus, of this relay and of its process. Scrapes that overlap share one. Cost: status() of each space, two stats a space. */
  scrape(): Promise<Exposition> {
    this.scraping ??= this.expose().finally(() => (this.scraping = null))
    return this.scraping
  }

  close(): void {
    this.loop.close()
    for (const space of this.spaces) space.closed()
    this.spaces.clear()
  }

  /** The same as data, for whoever sums up several processes. */
  async gather(): Promise<MetricReadings> {
    await this.read()
    const [own, ofProcess] = await Promise.all([this.registry.getMetricsAsJSON(), processRegistry().getMetricsAsJSON()])
    return [...own, ...ofProcess]
  }

  private async expose(): Promise<Exposition> {
    await this.read()
    const [own, ofProcess] = await Promise.all([this.registry.metrics(), processRegistry().metrics()])
    return { contentType: this.registry.contentType, text: `${own}\n${ofProcess}` }
  }

  /** Sets the gauges. */
  private async read(): Promise<void> {
    const readings = this.readings()
    this.setDoors(readings)
    this.setDocuments(readings)
    this.setPeers(readings)
    const delays = this.loop.seconds()
    for (const stat of LOOP_STATS) this.set.set('syncline_event_loop_delay_seconds', { stat }, delays[stat])
    await this.setSizes()
  }

  private readings(): SpaceReading[] {
    return [...this.spaces].flatMap((space) => space.read() ?? [])
  }

  private dials(): readonly DialState[] {
    return this.options.dials?.() ?? []
  }

  private setDoors(readings: readonly SpaceReading[]): void {
    const { set, options } = this
    const open = options.connections()
    for (const door of DOORS) set.set('syncline_connections', { door }, open[door] ?? 0)
    set.set('syncline_unsent_bytes', {}, options.unsentBytes?.() ?? 0)
    set.set(
      'syncline_guests',
      {},
      sum(readings, ({ load }) => load.guests),
    )
    set.set(
      'syncline_presence_ids',
      {},
      sum(readings, ({ load }) => load.presenceIds),
    )
    const dials = this.dials()
    for (const phase of PHASES) set.set('syncline_dials', { phase }, dials.filter((dial) => dial.phase === phase).length)
  }

  private setDocuments(readings: readonly SpaceReading[]): void {
    const { set } = this
    set.set('syncline_spaces_open', {}, readings.length)
    set.set('syncline_spaces_stored', {}, this.options.spacesStored?.() ?? readings.length)
    const failed = readings.filter(({ status }) => status.storage === 'failed')
    const ofDefault = failed.filter(({ status }) => status.space === DEFAULT_SPACE).length
    set.set('syncline_spaces_failed', { space: 'default' }, ofDefault)
    set.set('syncline_spaces_failed', { space: 'other' }, failed.length - ofDefault + (this.options.spacesUnopened?.() ?? 0))
    set.set(
      'syncline_documents',
      {},
      sum(readings, ({ status }) => status.documents),
    )
    set.set(
      'syncline_documents_open',
      {},
      sum(readings, ({ load }) => load.openDocuments),
    )
    set.set(
      'syncline_documents_diverged',
      {},
      sum(readings, ({ status }) => status.diverged.length),
    )
    set.set(
      'syncline_documents_quarantined',
      {},
      sum(readings, ({ status }) => status.quarantined.length),
    )
    set.set(
      'syncline_documents_stuck',
      {},
      sum(readings, ({ status }) => status.stuck.length),
    )
    for (const direction of ['in', 'out'] as const) {
      const refused = sum(readings, ({ status }) => status.rejected.filter((one) => one.direction === direction).length)
      set.set('syncline_documents_refused', { direction }, refused)
    }
    set.set(
      'syncline_writes_unsettled',
      {},
      sum(readings, ({ load }) => load.unsettledWrites),
    )
    set.set(
      'syncline_held_updates',
      {},
      sum(readings, ({ load }) => load.heldUpdates),
    )
    set.set(
      'syncline_held_bytes',
      {},
      sum(readings, ({ load }) => load.heldBytes),
    )
  }

  private setPeers(readings: readonly SpaceReading[]): void {
    const { set } = this
    const linked = readings.flatMap(({ status }) => status.peers)
    for (const role of ROLES) {
      const ofRole = linked.filter((peer) => peer.role === role)
      set.set('syncline_peers', { role }, ofRole.length)
      set.set('syncline_peers_unsynced', { role }, ofRole.filter(({ synced }) => !synced).length)
    }
    set.set('syncline_device_lag_rows_max', {}, greatest(linked.map(({ role, lag }) => (role === 'device' ? lag : 0))))
    set.set(
      'syncline_documents_missing',
      {},
      sum(linked, (peer) => Math.max(0, peer.documentsExpected - peer.documentsReceived)),
    )
    for (const name of ['linked', 'lag_rows', 'lag_seconds', 'silence_seconds'] as const) set.clear(`syncline_peer_${name}`)
    for (const [labels, group] of peerSeries(readings.flatMap(({ peers }) => peers))) {
      set.set('syncline_peer_linked', labels, Math.min(...group.map(({ linked: isLinked }) => Number(isLinked))))
      set.set('syncline_peer_lag_rows', labels, greatest(group.map(({ lagRows }) => lagRows)))
      set.set('syncline_peer_lag_seconds', labels, greatest(group.map(({ lagMs }) => lagMs)) / 1000)
      set.set('syncline_peer_silence_seconds', labels, greatest(group.map(({ silentMs }) => silentMs)) / 1000)
    }
  }

  private async setSizes(): Promise<void> {
    const { storeBytes, walBytes, freeBytes } = await dataSizes(this.options.dataFiles?.() ?? [])
    this.set.set('syncline_store_bytes', {}, storeBytes)
    this.set.set('syncline_wal_bytes', {}, walBytes)
    if (freeBytes !== null) this.set.set('syncline_disk_free_bytes', {}, freeBytes)
  }
}

/** Each of the first peers by itself, those beyond the bound together: the worst of them counts. */
function peerSeries(peers: readonly PeerReading[]): [LabelsOf<'syncline_peer_linked'>, PeerReading[]][] {
  const series = new Map<string, [LabelsOf<'syncline_peer_linked'>, PeerReading[]]>()
  peers.forEach((reading, index) => {
    const { role } = reading
    const peer = index < PEER_SERIES_MAX ? reading.peer.slice(0, 8) : 'others'
    const [labels, group] = series.get(`${peer} ${role}`) ?? [{ peer, role }, []]
    series.set(`${peer} ${role}`, [labels, [...group, reading]])
  })
  return [...series.values()]
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0)
}

function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}

let ofProcess: Registry | null = null

/** CPU, memory, descriptors and garbage collection: facts of the process, so all relays in it share them, and they are watched from the first scrape on. */
export function processRegistry(): Registry {
  if (ofProcess === null) {
    ofProcess = new Registry()
    collectDefaultMetrics({ register: ofProcess })
  }
  return ofProcess
}
