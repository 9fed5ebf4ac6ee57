// What an application shows its user, as plain data, and how it follows from facts about storage, links and log. Pure; replica.ts brings the facts.
// Rule: AP-7.

import type { Durability, IdRange, ReplicaId, Role, SynclineError } from '@syncline/protocol'

/** Network and disk are separate axes: `connection` says nothing about `storage`, nor the other way round. */
export interface SyncStatus {
  /** connected: at least one peer. connecting: trying at this moment. offline: nobody to talk to, or between two tries. error: see `error`. */
  readonly connection: 'offline' | 'connecting' | 'connected' | 'error' | 'closed'
  /** Why the replica did not open, why its storage fails, or why no peer can be reached ever (a wrong address, another protocol version). */
  readonly error: SynclineError | null
  /** Null until storage is open. */
  readonly replicaId: ReplicaId | null
  /** Local state can be read: `open` does not wait any more. */
  readonly loaded: boolean
  /** A full exchange with at least one peer happened since it connected. */
  readonly synced: boolean
  /** Documents with edits that are not committed here (local), or by no durable peer (relay). Right after a reload too. */
  readonly pending: { readonly local: number; readonly relay: number }
  readonly storage: {
    readonly kind: 'sqlite' | 'memory'
    readonly durability: Durability
    readonly state: 'opening' | 'ok' | 'failed' | 'closed'
  }
  /** How far the newest exchange that fetches documents has come; null before there was one. */
  readonly firstSync: { readonly documents: number; readonly documentsExpected: number; readonly bytes: number } | null
  readonly peers: readonly PeerStatus[]
  /** Documents that a peer refused (out), or that this replica refused from a peer (in; peer null: a local edit). */
  readonly rejected: readonly RejectedDocument[]
  /** Documents of which a peer holds other content under the same ids. */
  readonly diverged: readonly { readonly doc: string; readonly peer: ReplicaId; readonly range: IdRange | null }[]
  /** Where other replicas may dial in; null unless `listen` was asked for and is in place. */
  readonly listening: { readonly host: string; readonly port: number; readonly url: string } | null
}

export interface PeerStatus {
  /** The configured address, or null for a peer that dialled in. */
  readonly url: string | null
  /** waiting: between two tries. stopped: not tried again, see `error`. */
  readonly state: 'connecting' | 'connected' | 'waiting' | 'stopped'
  /** These three are null until the peer was met. */
  readonly replicaId: ReplicaId | null
  readonly role: Role | null
  readonly durability: Durability | null
  readonly synced: boolean
  /** Rows of this replica's log that the peer has not acknowledged; null while not connected. */
  readonly lag: number | null
  readonly error: SynclineError | null
}

export interface RejectedDocument {
  readonly doc: string
  readonly peer: ReplicaId | null
  readonly direction: 'in' | 'out'
  readonly code: string
  readonly reason: string
}

/** The status of one open document. */
export interface DocStatus {
  /** A full exchange with at least one peer that shares this document happened since it connected. */
  readonly synced: boolean
  /** There are edits that are not committed here (local), or by no durable peer (relay). */
  readonly pending: { readonly local: boolean; readonly relay: boolean }
  /** It was deleted, here or elsewhere: `doc` keeps what was in it, and its edits go nowhere. */
  readonly deleted: boolean
  readonly rejected: readonly RejectedDocument[]
}

/** Of a whole replica, from the state of its peers. */
export function connectionOf(peers: readonly PeerStatus[]): 'offline' | 'connecting' | 'connected' | 'error' {
  if (peers.some((peer) => peer.state === 'connected')) return 'connected'
  if (peers.some((peer) => peer.state === 'connecting')) return 'connecting'
  return peers.length > 0 && peers.every((peer) => peer.state === 'stopped') ? 'error' : 'offline'
}
