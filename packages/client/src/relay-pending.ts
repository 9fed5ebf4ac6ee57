// Which documents hold edits of this replica that no durable peer has committed: what `status.pending.relay` counts. Follows the log with a cursor of
// its own, reading each row once, and forgets a document when an ack covers its newest own row. Acks are stored, so the answer is right after a
// restart. What other replicas wrote is theirs to count. Errs on the side of "pending" after a restart: a compacted document whose new row the peers
// have not acknowledged counts. Rule: AP-6.

import {
  parseScope,
  rangeHolds,
  scopeRange,
  type Digest,
  type DocKey,
  type Durability,
  type KeyRange,
  type ScopeText,
  type SpaceId,
} from '@syncline/protocol'
import type { LogRow, StoreReader } from '@syncline/store'

const ROWS_PER_LOOK = 512
const BYTES_PER_LOOK = 1024 * 1024

interface Ack {
  readonly scope: ScopeText
  readonly seq: number
  readonly durability: Durability
}

export class RelayPending {
  readonly #reader: StoreReader
  readonly #space: SpaceId
  /** Best position that a durable peer acknowledged, by scope. */
  readonly #acked = new Map<ScopeText, { readonly range: KeyRange; seq: number }>()
  /** Newest own row of each pending document. */
  readonly #newestRow = new Map<DocKey, number>()
  readonly #headAtStart: number
  #lookedAt: number

  constructor(reader: StoreReader, space: SpaceId) {
    this.#reader = reader
    this.#space = space
    this.#headAtStart = reader.head()
    for (const ack of reader.acks()) this.acked(ack)
    // What a durable peer of the whole space acknowledged needs no look.
    this.#lookedAt = this.#acked.get('*')?.seq ?? 0
  }

  get count(): number {
    return this.#newestRow.size
  }

  has(key: DocKey): boolean {
    return this.#newestRow.has(key)
  }

  acked({ scope, seq, durability }: Ack): void {
    const parsed = parseScope(scope)
    if (durability === 'memory' || parsed === null) return
    const best = this.#acked.get(scope) ?? { range: scopeRange(this.#space, parsed), seq: 0 }
    if (best.seq >= seq && this.#acked.has(scope)) return
    best.seq = Math.max(best.seq, seq)
    this.#acked.set(scope, best)
    for (const [key, row] of this.#newestRow) if (row <= best.seq && rangeHolds(best.range, key)) this.#newestRow.delete(key)
  }

  /** Reads on in the log, a bounded piece. True when there is more to read. */
  look(): boolean {
    if (this.#lookedAt >= this.#reader.head()) return false
    const rows = this.#reader.log(this.#lookedAt, ROWS_PER_LOOK, BYTES_PER_LOOK)
    for (const row of rows) if (this.#isOwn(row) && !this.#isCovered(row)) this.#newestRow.set(row.doc, row.seq)
    this.#lookedAt = rows.at(-1)?.seq ?? this.#reader.head()
    return this.#lookedAt < this.#reader.head()
  }

  /** A row of an epoch of this store. A compacted one stands for all there was: own edits among it are known while this runs, and supposed before. */
  #isOwn(row: LogRow): boolean {
    if (row.kind === 'snapshot') return row.seq <= this.#headAtStart || this.#newestRow.has(row.doc)
    return this.#reader.epoch(row.origin) !== undefined
  }

  #isCovered(row: LogRow): boolean {
    for (const { range, seq } of this.#acked.values()) if (seq >= row.seq && rangeHolds(range, row.doc)) return true
    return false
  }
}

/** One document as `list` tells it. */
export interface ListedDocument {
  readonly id: string
  /** What is stored of it: snapshot and log rows. */
  readonly bytes: number
  /** It holds edits of this replica that no durable peer has committed. */
  readonly pending: boolean
  /** 128-bit digest of what is known of it, 32 hex characters: equal on two replicas that hold the same updates. */
  readonly digest: Digest
}
