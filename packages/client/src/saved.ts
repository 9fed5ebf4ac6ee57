// Decides whether an edit is saved: pure, from facts about this replica and its direct peers. Read by doc-handle.ts. Rules: DU-1, AP-3.

import { isErrorCode, type Durability, type ErrorCode, type ReplicaId } from '@syncline/protocol'

/** How far an edit must have come: committed in this replica's own store; committed by one durable peer; committed at `disk` by that many distinct
 *  replicas, this one included if it is at `disk`. */
export type SavedTier = 'local' | 'relay' | { readonly copies: number }

/** A direct peer, with regard to one document and one position of this replica's log. */
export interface PeerCopy {
  readonly peer: ReplicaId
  readonly durability: Durability
  /** It has committed the edit, now or before a restart of this replica. */
  readonly acked: boolean
  /** It may still ack: it is linked, or it is behind a configured address. */
  readonly reachable: boolean
  /** It refused the document. */
  readonly refusal: Refusal | null
}

export interface Refusal {
  readonly code: string
  readonly reason: string
}

export interface SavedFacts {
  readonly durability: Durability
  readonly peers: readonly PeerCopy[]
  /** Configured addresses behind which nobody answered yet: each may turn out to be anything. */
  readonly unknownPeers: number
}

export type SavedVerdict =
  | { readonly kind: 'saved' | 'waiting' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly reason: string }

/** A replica that could be counted only through others does not count: acks are not forwarded. */
export function savedVerdict(tier: Exclude<SavedTier, 'local'>, { durability, peers, unknownPeers }: SavedFacts): SavedVerdict {
  const copies = tier === 'relay' ? 1 : tier.copies
  const own = tier !== 'relay' && durability === 'disk' ? 1 : 0
  const counting = peers.filter((peer) => (tier === 'relay' ? peer.durability !== 'memory' : peer.durability === 'disk'))
  const acked = counting.filter((peer) => peer.acked)
  if (own + acked.length >= copies) return { kind: 'saved' }
  const open = counting.filter((peer) => !peer.acked && peer.reachable)
  const refusing = open.filter((peer) => peer.refusal !== null)
  const possible = own + acked.length + unknownPeers + open.length
  if (possible - refusing.length >= copies) return { kind: 'waiting' }
  if (possible >= copies) return refused(refusing[0]!.refusal!)
  if (tier === 'relay') return { kind: 'waiting' }
  return {
    kind: 'failed',
    code: 'copies-unreachable',
    reason: `${copies} copies were asked for, and this replica and its direct peers can make ${possible}`,
  }
}

function refused({ code, reason }: Refusal): SavedVerdict {
  // A code of a later release than this one: the text still says what it was.
  return isErrorCode(code) ? { kind: 'failed', code, reason } : { kind: 'failed', code: 'read-only', reason: `${code}: ${reason}` }
}
