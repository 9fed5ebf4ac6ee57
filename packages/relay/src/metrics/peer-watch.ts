// How far the other relays and followers of one space are behind, and how long they have been silent: while they are linked, and for a day after, because the
// peer that is gone is the one to know about. Devices come and go, and are only counted. Time is an argument. Read by space-metrics.ts. Rule: MT-3.

import type { ReplicaId, Role } from '@syncline/protocol'
import type { LinkId, ReplicaEvent, ReplicaStatus } from '@syncline/replica'
import { CommitTimes } from './commit-times.ts'

/** Peers that are remembered without a link, and series that are told. */
export const PEER_SERIES_MAX = 64
const FORGOTTEN_AFTER_MS = 24 * 60 * 60 * 1000
/** Whoever stayed for less is not missed: a stranger can take any number of ids. */
const REMEMBERED_FROM_MS = 10_000

export interface PeerReading {
  readonly peer: ReplicaId
  readonly role: Role
  readonly linked: boolean
  readonly lagRows: number
  readonly lagMs: number
  readonly silentMs: number
}

interface Watched {
  readonly peer: ReplicaId
  readonly role: Role
  readonly firstMs: number
  link: LinkId | null
  linkedMs: number
  heardMs: number
  /** Newest position that the peer acknowledged, per scope; the lowest counts. */
  readonly acked: Map<string, number>
  /** As the status said last. */
  ackedSeen: number
}

export class PeerWatch {
  readonly times: CommitTimes = new CommitTimes()
  private readonly peers = new Map<ReplicaId, Watched>()
  private readonly pinned: () => ReadonlySet<ReplicaId>
  private readonly tookMs: (ms: number) => void

  /** `pinned`: peers that are configured, remembered however short they stayed. `tookMs` is told for each commit how long a peer took to acknowledge it. */
  constructor(pinned: () => ReadonlySet<ReplicaId>, tookMs: (ms: number) => void) {
    this.pinned = pinned
    this.tookMs = tookMs
  }

  note(event: ReplicaEvent, nowMs: number): void {
    if (event.type === 'link-live') return this.linked(event.peer, event.role, event.link, nowMs)
    if (event.type === 'link-ended') return this.ended(event.peer, event.link, event.code, nowMs)
    const watched = 'peer' in event && event.peer !== null ? this.peers.get(event.peer) : undefined
    if (watched === undefined) return
    watched.heardMs = nowMs
    if (event.type === 'acked') this.acked(watched, event.scope, event.seq, nowMs)
  }

  private linked(peer: ReplicaId, role: Role, link: LinkId, nowMs: number): void {
    if (role === 'device') return
    const known = this.peers.get(peer)
    const watched = known ?? { peer, role, firstMs: nowMs, link, linkedMs: nowMs, heardMs: nowMs, acked: new Map(), ackedSeen: 0 }
    Object.assign(watched, { link, linkedMs: nowMs, heardMs: nowMs })
    this.peers.set(peer, watched)
  }

  private ended(peer: ReplicaId | null, link: LinkId, code: string, nowMs: number): void {
    const watched = peer === null ? undefined : this.peers.get(peer)
    // A newer link to the same peer may have taken over.
    if (watched === undefined || watched.link !== link) return
    watched.link = null
    if (code !== 'link-silent') watched.heardMs = nowMs
    if (nowMs - watched.firstMs < REMEMBERED_FROM_MS && !this.pinned().has(watched.peer)) this.peers.delete(watched.peer)
    this.forget(nowMs)
  }

  private acked(watched: Watched, scope: string, seq: number, nowMs: number): void {
    const before = watched.acked.get(scope) ?? watched.ackedSeen
    watched.acked.set(scope, seq)
    for (const commit of this.times.between(before, seq))
      // What came by its own link the peer had already, and it acknowledges that in no hurry.
      if (commit.atMs >= watched.linkedMs && !(watched.link !== null && commit.links.has(watched.link))) this.tookMs(nowMs - commit.atMs)
  }

  /** Those that left over a day ago, and the longest gone above the bound. */
  private forget(nowMs: number): void {
    const pinned = this.pinned()
    const gone = [...this.peers.values()]
      .filter(({ link, peer }) => link === null && !pinned.has(peer))
      .sort((a, b) => b.heardMs - a.heardMs)
    gone.forEach(({ peer, heardMs }, index) => {
      if (index >= PEER_SERIES_MAX || nowMs - heardMs > FORGOTTEN_AFTER_MS) this.peers.delete(peer)
    })
  }

  /** All watched peers, now. */
  read(status: ReplicaStatus, nowMs: number): PeerReading[] {
    this.forget(nowMs)
    for (const { replicaId, lag, silentMs } of status.peers) {
      const watched = this.peers.get(replicaId)
      if (watched === undefined || watched.link === null) continue
      watched.ackedSeen = status.head - lag
      watched.heardMs = nowMs - silentMs
    }
    return [...this.peers.values()].map((watched) => this.reading(watched, status.head, nowMs))
  }

  private reading(watched: Watched, head: number, nowMs: number): PeerReading {
    const { peer, role, link, firstMs, heardMs } = watched
    const acked = link === null ? Math.max(watched.ackedSeen, ...minOf(watched.acked.values())) : watched.ackedSeen
    const lagRows = Math.max(0, head - acked)
    // Rows that no commit was noted for (compaction's) count from now.
    const sinceMs = lagRows === 0 ? nowMs : Math.max(this.times.committedAtMs(acked + 1) ?? nowMs, firstMs)
    return { peer, role, linked: link !== null, lagRows, lagMs: nowMs - sinceMs, silentMs: Math.max(0, nowMs - heardMs) }
  }
}

/** The least of them, or nothing. */
function minOf(values: Iterable<number>): number[] {
  const all = [...values]
  return all.length === 0 ? [] : [Math.min(...all)]
}
