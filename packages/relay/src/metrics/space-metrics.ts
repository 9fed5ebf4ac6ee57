// The metrics of one open space: what its replica tells as it happens is counted at once, what it can say about itself is read at a scrape. Spaces share one
// set: counters add up, and no series names a space. Made by relay-metrics.ts, once per replica. Rules: MT-1, MT-3, MT-5.

import type { ReplicaId } from '@syncline/protocol'
import type {
  Clock,
  ObservedCommit,
  ObservedWrite,
  Replica,
  ReplicaEvent,
  ReplicaLoad,
  ReplicaObserver,
  ReplicaStatus,
} from '@syncline/replica'
import type { Durations, Tally } from './hot-series.ts'
import { codeLabel, type MetricSet } from './metric-set.ts'
import { PeerWatch, type PeerReading } from './peer-watch.ts'

/** What one space says at a scrape. */
export interface SpaceReading {
  readonly status: ReplicaStatus
  readonly load: ReplicaLoad
  readonly peers: readonly PeerReading[]
}

export interface SpaceMetricsOptions {
  readonly set: MetricSet
  readonly clock: Clock
  /** Configured peers. */
  pinned(): ReadonlySet<ReplicaId>
}

const PRESENCE_BOUNDS = ['connection', 'subject', 'document'] as const

export class SpaceMetrics {
  /** For ReplicaOptions.observer. */
  readonly observer: ReplicaObserver
  private readonly set: MetricSet
  private readonly clock: Clock
  private readonly watch: PeerWatch
  private readonly committedWrites: Tally
  private readonly doorAcks: Durations
  private replica: Replica | null = null
  private delayed: ReplicaLoad['presenceDelayed'] = { connection: 0, subject: 0, document: 0 }
  private stopListening: () => void = () => undefined

  constructor({ set, clock, pinned }: SpaceMetricsOptions) {
    this.set = set
    this.clock = clock
    this.committedWrites = set.tally('syncline_writes_total', { outcome: 'committed' })
    this.doorAcks = set.durations('syncline_ack_duration_seconds', { tier: 'relay', from: 'door' })
    this.watch = new PeerWatch(pinned, (ms) => set.took('syncline_ack_duration_seconds', { tier: 'copies', from: 'peer' }, ms))
    this.observer = {
      committed: (commit) => this.committed(commit),
      written: (write) => this.written(write),
      maintained: ({ work, durationMs }) => set.took('syncline_maintenance_duration_seconds', { work }, durationMs),
    }
  }

  /** Call in the turn in which the replica was made, with the observer above: so that no event is missed. */
  opened(replica: Replica): void {
    this.replica = replica
    const { head } = replica.status()
    if (head > 0) this.watch.times.note(head, this.clock.now())
    this.stopListening = replica.onEvent((event) => this.happened(event))
  }

  /** Counted since the last look. */
  private countDelays({ presenceDelayed }: ReplicaLoad): void {
    for (const by of PRESENCE_BOUNDS) this.set.add('syncline_presence_delayed_total', { by }, presenceDelayed[by] - this.delayed[by])
    this.delayed = presenceDelayed
  }

  closed(): void {
    if (this.replica !== null) this.countDelays(this.replica.load())
    this.stopListening()
    this.replica = null
  }

  /** Null when the space is not open. Cost: that of status(), which grows with peers and refused documents. */
  read(): SpaceReading | null {
    if (this.replica === null || this.replica.closed) return null
    const status = this.replica.status()
    const load = this.replica.load()
    this.countDelays(load)
    return { status, load, peers: this.watch.read(status, this.clock.now()) }
  }

  private committed({ head, rows, bytes, links, durationMs, sinceReceivedMs }: ObservedCommit): void {
    const { set } = this
    set.add('syncline_commits_total', {})
    set.took('syncline_commit_duration_seconds', {}, durationMs)
    if (rows === 0) return
    set.add('syncline_commit_rows_total', {}, rows)
    set.add('syncline_commit_bytes_total', {}, bytes)
    if (sinceReceivedMs !== null) set.took('syncline_ack_duration_seconds', { tier: 'relay', from: 'link' }, sinceReceivedMs)
    this.watch.times.note(head, this.clock.now(), links)
  }

  private written({ outcome, durationMs }: ObservedWrite): void {
    if (outcome.kind === 'committed') this.committedWrites.add()
    else this.set.add('syncline_writes_total', { outcome: outcome.kind })
    if (outcome.kind === 'committed' || outcome.kind === 'known') this.doorAcks.took(durationMs)
    if (outcome.kind === 'refused') this.set.add('syncline_updates_refused_total', { from: 'door', code: codeLabel(outcome.code) })
  }

  private happened(event: ReplicaEvent): void {
    const { set } = this
    this.watch.note(event, this.clock.now())
    switch (event.type) {
      case 'link-ended':
        return set.add('syncline_links_ended_total', { code: codeLabel(event.code) })
      case 'reconcile':
        return set.add('syncline_reconciliations_total', { why: event.why })
      case 'rejected':
        // Without a peer it is a write of this relay, which was counted with its outcome.
        if (event.direction === 'in') set.add('syncline_updates_refused_total', { from: 'link', code: codeLabel(event.code) })
        else if (event.peer !== null) set.add('syncline_peer_refusals_total', { code: codeLabel(event.code) })
        return
      case 'divergence':
        return set.add('syncline_divergences_total', {})
      case 'quarantined':
        return set.add('syncline_quarantines_total', {})
      case 'rollback-detected':
        return set.add('syncline_rollbacks_total', {})
      case 'storage-failed':
        return set.add('syncline_storage_failures_total', { code: codeLabel(event.code) })
      case 'compacted':
        return set.add('syncline_compactions_total', { way: event.way })
      case 'compaction-mismatch':
        return set.add('syncline_compactions_total', { way: 'mismatch' })
      case 'swept':
        set.add('syncline_sweeps_total', {})
        set.add('syncline_swept_documents_total', {}, event.documents)
        // Its marker rows are no commit.
        if (this.replica !== null) this.watch.times.note(this.replica.status().head, this.clock.now())
        return
      case 'link-live':
      case 'synced':
      case 'acked':
      case 'progress':
      case 'accepted-again':
      case 'agreed-again':
      case 'epoch':
      case 'storage-recovered':
      case 'document-stuck':
        // The watch and the gauges have what there is to tell of these.
        return
    }
  }
}
