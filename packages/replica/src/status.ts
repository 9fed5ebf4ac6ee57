// What a replica can say about itself, as plain data, kept up to date from the engine's events. Decides nothing. Computed only when asked or when
// somebody listens, and told at most once per turn. Read by client, relay, and anybody's `status` page. Rules: ST in docs/spec.md, CV-3.

import {
  collectionOf,
  type DocId,
  type DocKey,
  type Durability,
  type ErrorCode,
  type IdRange,
  type ReplicaId,
  type Role,
  type ScopeText,
  type SpaceId,
} from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import { Acknowledged } from './acknowledged.ts'
import type { LinkId, ReplicaEvent } from './effects.ts'

export interface PeerStatus {
  readonly replicaId: ReplicaId
  readonly role: Role
  readonly durability: Durability
  /** A full exchange over every scope that both sides subscribe to happened since the link came up. */
  readonly synced: boolean
  /** Rows of this replica's log that the peer has not acknowledged: of the scope that is furthest behind. */
  readonly lag: number
  /** Since something was last heard of the peer; a quiet one is pinged after 15 s. */
  readonly silentMs: number
  /** Of the first exchange over this link; expected is 0 while unknown. */
  readonly documentsReceived: number
  readonly documentsExpected: number
  readonly bytesReceived: number
}

/** in: this replica refused it; out: the peer refused it, or (`peer` null) this replica refused an edit of its own. */
export interface RejectedDocument {
  readonly doc: DocId
  readonly peer: ReplicaId | null
  readonly direction: 'in' | 'out'
  readonly code: string
  readonly reason: string
}

export interface ReplicaStatus {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  readonly durability: Durability
  readonly role: Role
  /** Newest committed position of the log. */
  readonly head: number
  readonly documents: number
  readonly storage: 'ok' | 'failed'
  readonly storageError: { readonly code: ErrorCode; readonly reason: string } | null
  /** Live links, one per peer. */
  readonly peers: readonly PeerStatus[]
  readonly rejected: readonly RejectedDocument[]
  readonly diverged: readonly { readonly doc: DocId; readonly peer: ReplicaId; readonly range: IdRange | null }[]
  readonly quarantined: readonly (DocId | DocKey)[]
  /** Open documents that show less than is committed: release and open them again. */
  readonly stuck: readonly DocId[]
  /** How long one rotation of content verification over all documents takes: documents times verifyEveryMs. Null without documents. */
  readonly verificationRotationMs: number | null
}

/** A direct peer that committed what was asked about. `durability` is what its commit survives; `role` is null when it was not linked since the start. */
export interface Acknowledgement {
  readonly peer: ReplicaId
  readonly durability: Durability
  readonly role: Role | null
  readonly linked: boolean
}

interface PeerRecord {
  readonly link: LinkId
  readonly replicaId: ReplicaId
  readonly role: Role
  readonly durability: Durability
  documentsReceived: number
  documentsExpected: number
  bytesReceived: number
}

export interface StatusFacts {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  readonly durability: Durability
  readonly role: Role
  readonly reader: StoreReader
  readonly verifyEveryMs: number
  /** Scopes that both sides of a link opened, and whether each had its full exchange. */
  channels(link: LinkId): readonly { readonly scope: ScopeText; readonly synced: boolean; readonly acked: number }[]
  silentMs(link: LinkId): number | null
}

export class StatusBoard {
  readonly #facts: StatusFacts
  readonly #peers = new Map<LinkId, PeerRecord>()
  readonly #acknowledged: Acknowledged
  readonly #rejected = new Map<string, RejectedDocument>()
  readonly #diverged = new Map<string, { doc: DocId; peer: ReplicaId; range: IdRange | null }>()
  readonly #quarantined = new Map<DocKey, DocId | null>()
  readonly #stuck = new Set<DocId>()
  #storageError: { code: ErrorCode; reason: string } | null = null

  constructor(facts: StatusFacts) {
    this.#facts = facts
    this.#acknowledged = new Acknowledged(facts.reader)
    for (const refusal of facts.reader.refusals()) {
      const doc = facts.reader.doc(refusal.doc)?.name
      if (doc !== undefined)
        this.reject({ doc, peer: refusal.peer, direction: refusal.direction, code: refusal.code, reason: 'refused before the restart' })
    }
  }

  /** Takes note of an event; true when the status changed by it. */
  note(event: ReplicaEvent): boolean {
    switch (event.type) {
      case 'link-live':
        this.#acknowledged.linked(event.peer, event.role)
        this.#peers.set(event.link, {
          link: event.link,
          replicaId: event.peer,
          role: event.role,
          durability: event.durability,
          documentsReceived: 0,
          documentsExpected: 0,
          bytesReceived: 0,
        })
        return true
      case 'link-ended':
        return this.#ended(event.link)
      case 'acked':
        this.#acknowledged.note(event.peer, event.scope, event.seq, event.durability)
        return true
      case 'progress':
        for (const peer of this.#peers.values()) {
          if (peer.replicaId === event.peer) {
            Object.assign(peer, {
              documentsReceived: event.documents,
              documentsExpected: event.documentsExpected,
              bytesReceived: event.bytes,
            })
          }
        }
        return true
      case 'rejected':
        this.reject({ doc: event.doc, peer: event.peer, direction: event.direction, code: event.code, reason: event.reason })
        return true
      case 'accepted-again':
        return this.accept(event.doc, event.peer, event.direction)
      case 'epoch': {
        // What differed is gone.
        const differing = [...this.#diverged].filter(([, { doc }]) => doc === event.doc)
        for (const [key] of differing) this.#diverged.delete(key)
        return differing.length > 0
      }
      case 'divergence':
        this.#diverged.set(`${event.peer} ${event.doc}`, { doc: event.doc, peer: event.peer, range: event.range })
        return true
      case 'agreed-again':
        return this.#diverged.delete(`${event.peer} ${event.doc}`)
      case 'quarantined':
        this.#quarantined.set(event.key, event.doc)
        return true
      case 'storage-failed':
        this.#storageError = { code: event.code, reason: event.reason }
        return true
      case 'storage-recovered':
        this.#storageError = null
        return true
      case 'document-stuck':
        this.#stuck.add(event.doc)
        return true
      case 'synced':
      case 'swept':
      case 'reconcile':
      case 'rollback-detected':
        return true
      case 'compacted':
      case 'compaction-mismatch':
        return false
    }
  }

  reject(rejected: RejectedDocument): void {
    this.#rejected.set(rejectionKey(rejected.doc, rejected.peer, rejected.direction), rejected)
  }

  accept(doc: DocId, peer: ReplicaId | null, direction: 'in' | 'out'): boolean {
    return this.#rejected.delete(rejectionKey(doc, peer, direction))
  }

  /** An open document was released: what was said about its Y.Doc is over. */
  released(doc: DocId): void {
    this.unstuck(doc)
    this.accept(doc, null, 'out')
  }

  /** The Y.Doc took what is committed after all. */
  unstuck(doc: DocId): void {
    this.#stuck.delete(doc)
  }

  hasLiveLink(peer: ReplicaId): boolean {
    return [...this.#peers.values()].some((record) => record.replicaId === peer)
  }

  peerOf(link: LinkId): ReplicaId | null {
    return this.#peers.get(link)?.replicaId ?? null
  }

  /** Direct peers that committed this replica's log up to `seq` in a scope that holds `doc`, since ever. */
  acknowledgements(doc: DocId, seq: number): readonly Acknowledgement[] {
    const scopes = ['*', `${collectionOf(doc)}/*`, `=${doc}`]
    const found: Acknowledgement[] = []
    for (const { peer, role, byScope } of this.#acknowledged) {
      // Its cursor passed over what it refused.
      if (this.#rejected.has(rejectionKey(doc, peer, 'out'))) continue
      const ack = scopes.map((scope) => byScope.get(scope)).find((candidate) => candidate !== undefined && candidate.seq >= seq)
      if (ack !== undefined) found.push({ peer, durability: ack.durability, role, linked: this.hasLiveLink(peer) })
    }
    return found
  }

  snapshot(): ReplicaStatus {
    const { replicaId, space, durability, role, reader, verifyEveryMs } = this.#facts
    const { documents } = reader.totals()
    const head = reader.head()
    return {
      replicaId,
      space,
      durability,
      role,
      head,
      documents,
      storage: this.#storageError === null ? 'ok' : 'failed',
      storageError: this.#storageError,
      peers: [...this.#peers.values()].map((record) => this.#peerStatus(record, head)),
      rejected: [...this.#rejected.values()],
      diverged: [...this.#diverged.values()],
      quarantined: [...this.#quarantined].filter(([key]) => reader.doc(key)?.quarantined === true).map(([key, doc]) => doc ?? key),
      stuck: [...this.#stuck],
      verificationRotationMs: documents === 0 ? null : documents * verifyEveryMs,
    }
  }

  #peerStatus(record: PeerRecord, head: number): PeerStatus {
    const { link, ...peer } = record
    const channels = this.#facts.channels(link)
    const acked = channels.length === 0 ? 0 : Math.min(...channels.map((channel) => channel.acked))
    return {
      ...peer,
      synced: channels.length > 0 && channels.every((channel) => channel.synced),
      lag: Math.max(0, head - acked),
      silentMs: this.#facts.silentMs(link) ?? 0,
    }
  }

  #ended(link: LinkId): boolean {
    const peer = this.peerOf(link)
    if (peer !== null) this.#acknowledged.unlinked(peer)
    return this.#peers.delete(link)
  }
}

function rejectionKey(doc: DocId, peer: ReplicaId | null, direction: 'in' | 'out'): string {
  return `${direction} ${peer ?? '-'} ${doc}`
}
