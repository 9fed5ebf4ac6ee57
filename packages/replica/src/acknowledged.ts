// Who acknowledged how much of this replica's log, and what role it had when it was last linked. Of the peers that were heard last in memory, of all others in the store: every
// visit of a browser without storage is another replica, and a relay has thousands of them a day. Used by status.ts. Rule: RS-8.

import type { Durability, ReplicaId, Role, ScopeText } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'

/** Peers beside those that are linked. */
const KEPT_MAX = 1024

export interface AcknowledgedBy {
  readonly peer: ReplicaId
  /** Null: not known any more. */
  readonly role: Role | null
  readonly byScope: ReadonlyMap<ScopeText, { readonly seq: number; readonly durability: Durability }>
}

interface Kept {
  role: Role | null
  readonly byScope: Map<ScopeText, { seq: number; durability: Durability }>
}

export class Acknowledged {
  readonly #reader: Pick<StoreReader, 'acks'>
  readonly #linked = new Map<ReplicaId, number>()
  /** Those that were heard longest ago first. */
  readonly #kept = new Map<ReplicaId, Kept>()
  /** The store may know of more. */
  #forgot = false

  constructor(reader: Pick<StoreReader, 'acks'>) {
    this.#reader = reader
    for (const { peer, scope, seq, durability } of reader.acks()) this.note(peer, scope, seq, durability)
  }

  /** Peers in memory. */
  get size(): number {
    return this.#kept.size
  }

  linked(peer: ReplicaId, role: Role): void {
    this.#linked.set(peer, (this.#linked.get(peer) ?? 0) + 1)
    this.#heard(peer).role = role
  }

  unlinked(peer: ReplicaId): void {
    const left = (this.#linked.get(peer) ?? 0) - 1
    if (left > 0) this.#linked.set(peer, left)
    else this.#linked.delete(peer)
    this.#forget()
  }

  note(peer: ReplicaId, scope: ScopeText, seq: number, durability: Durability): void {
    this.#heard(peer).byScope.set(scope, { seq, durability })
    this.#forget()
  }

  /** All of them. Cost: with those that memory has forgotten a read of all that the store has. */
  *[Symbol.iterator](): Generator<AcknowledgedBy, void> {
    for (const [peer, kept] of this.#kept) yield { peer, ...kept }
    if (!this.#forgot) return
    const stored = Map.groupBy(this.#reader.acks(), ({ peer }) => peer)
    for (const [peer, rows] of stored) {
      if (this.#kept.has(peer)) continue
      yield { peer, role: null, byScope: new Map(rows.map(({ scope, seq, durability }) => [scope, { seq, durability }])) }
    }
  }

  #heard(peer: ReplicaId): Kept {
    const kept = this.#kept.get(peer) ?? { role: null, byScope: new Map() }
    this.#kept.delete(peer)
    this.#kept.set(peer, kept)
    return kept
  }

  #forget(): void {
    for (const peer of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_MAX + this.#linked.size) return
      if (this.#linked.has(peer)) continue
      this.#kept.delete(peer)
      this.#forgot = true
    }
  }
}
