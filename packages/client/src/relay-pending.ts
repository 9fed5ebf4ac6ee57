// Which documents hold something that no durable peer has committed: what `status.pending.relay` counts. Follows the log with one cursor of its
// own, reading each row once, and forgets a document when an ack covers its newest row. Acks are stored, so the answer is right after a restart.
// Errs on the side of "pending": compaction writes a document's content anew, and until the peers acknowledge the new row it counts. Rule: AP-6.

import { parseScope, rangeHolds, scopeRange, type Digest, type DocKey, type Durability, type KeyRange, type ReplicaId, type ScopeText, type SpaceId } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'

const ROWS_PER_LOOK = 512
const BYTES_PER_LOOK = 1024 * 1024

export interface Ack {
  readonly peer: ReplicaId
  readonly scope: ScopeText
  readonly seq: number
  readonly durability: Durability
}

export class RelayPending {
  readonly #reader: StoreReader
  readonly #space: SpaceId
  /** Best position that a durable peer acknowledged, by scope. */
  readonly #acked = new Map<ScopeText, { readonly range: KeyRange; seq: number }>()
  readonly #newestRow = new Map<DocKey, number>()
  #lookedAt: number

  constructor(reader: StoreReader, space: SpaceId) {
    this.#reader = reader
    this.#space = space
    for (const ack of reader.acks()) this.acked(ack)
    // What a peer of the whole space acknowledged needs no look.
    this.#lookedAt = this.#acked.get('*')?.seq ?? 0
  }

  /** Documents pending among those looked at. */
  get count(): number {
    return this.#newestRow.size
  }

  /** Whether the newest row of a document, at `lastSeq`, is covered by no durable peer. */
  isPending(key: DocKey, lastSeq: number): boolean {
    for (const { range, seq } of this.#acked.values()) if (seq >= lastSeq && rangeHolds(range, key)) return false
    return lastSeq > 0
  }

  acked({ scope, seq, durability }: Ack): void {
    const parsed = parseScope(scope)
    if (durability === 'memory' || parsed === null) return
    const best = this.#acked.get(scope) ?? { range: scopeRange(this.#space, parsed), seq: 0 }
    best.seq = Math.max(best.seq, seq)
    this.#acked.set(scope, best)
  }

  /** Reads on in the log, a bounded piece. True when there is more to read. */
  look(): boolean {
    const rows = this.#reader.log(this.#lookedAt, ROWS_PER_LOOK, BYTES_PER_LOOK)
    for (const row of rows) this.#newestRow.set(row.doc, row.seq)
    this.#lookedAt = rows.at(-1)?.seq ?? this.#lookedAt
    for (const [key, seq] of this.#newestRow) if (!this.isPending(key, seq)) this.#newestRow.delete(key)
    return rows.length > 0 && this.#lookedAt < this.#reader.head()
  }
}

/** One document as `list` tells it. */
export interface ListedDocument {
  readonly id: string
  /** What is stored of it: snapshot and log rows. */
  readonly bytes: number
  /** It holds something that no durable peer has committed. */
  readonly pending: boolean
  /** 128-bit digest of what is known of it, 32 hex characters: equal on two replicas that hold the same updates. */
  readonly digest: Digest
}
