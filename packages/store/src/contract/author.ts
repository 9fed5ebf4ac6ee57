// Writes transactions the way the engine does: it counts seq, keeps the totals, and gives each write its (origin, n). The digests are made up (the
// store does not know what a digest means), but the root is summed from them as documents are.

import {
  Sum128,
  ZERO_DIGEST,
  docKeyOf,
  documentPoint,
  isDeletion,
  parseDocId,
  type Digest,
  type DocKey,
  type EpochNonce,
} from '@syncline/protocol'
import type { RowWrite, Store, Totals, Transaction } from '../store.ts'

export interface RowIdea {
  readonly doc: string
  /** Length of made-up bytes, or the bytes. */
  readonly data?: number | Uint8Array
  readonly kind?: RowWrite['kind']
  readonly n?: number
  readonly docEpoch?: number
}

export class Author {
  readonly origin: EpochNonce = 'a0b1c2d3e4f50617' as EpochNonce
  head: number
  private n = 0
  private documents: number
  private readonly root: Sum128
  private readonly written = new Map<string, { readonly digest: Digest; readonly docEpoch: number }>()
  private readonly store: Store

  /** Goes on where the store stands. */
  constructor(store: Store) {
    this.store = store
    this.head = store.reader.head()
    this.documents = store.reader.totals().documents
    this.root = Sum128.fromHex(store.reader.totals().root)
  }

  key(doc: string): DocKey {
    return docKeyOf(this.store.space, parseDocId(doc))
  }

  get totals(): Totals {
    return { documents: this.documents, root: this.root.toHex() }
  }

  /** The next transaction: `rows`, the documents they touch, and whatever else is given. */
  transaction(rows: readonly RowIdea[], rest: Partial<Transaction> = {}): Transaction {
    const firstSeq = this.head + 1
    const n = ++this.n
    const written = rows.map((row, index) => ({
      doc: this.key(row.doc),
      docEpoch: row.docEpoch ?? 0,
      origin: this.origin,
      n: row.n ?? n,
      kind: row.kind ?? ('updates' as const),
      data: typeof row.data === 'object' ? row.data : madeUpBytes(row.data ?? 24, firstSeq + index),
    }))
    this.head += rows.length
    const docs = [...new Set(rows.map((row) => row.doc))].map((doc) =>
      this.describe(doc, Math.max(...rows.map((row) => (row.doc === doc ? (row.docEpoch ?? 0) : 0)))),
    )
    return {
      firstSeq,
      rows: written,
      docs,
      totals: this.totals,
      cursors: [],
      cursorsDropped: [],
      acks: [],
      held: [],
      heldDropped: [],
      refusals: [],
      refusalsDropped: [],
      ...rest,
    }
  }

  async commit(rows: readonly RowIdea[], rest: Partial<Transaction> = {}): Promise<Transaction> {
    const transaction = this.transaction(rows, rest)
    await this.store.commit(transaction)
    return transaction
  }

  /** `count` commits of one row each. */
  async write(doc: string, count: number, data?: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.commit([data === undefined ? { doc } : { doc, data }])
  }

  private describe(doc: string, docEpoch: number): Transaction['docs'][number] {
    const key = this.key(doc)
    const before = this.written.get(doc) ?? this.store.reader.doc(key)
    const digest = (this.head.toString(16).padStart(8, '0') + key.slice(8)) as Digest
    if (before !== undefined) this.root.subtract(documentPoint(key, before.digest))
    if (before !== undefined && !isDeletion(before.docEpoch)) this.documents--
    if (!isDeletion(docEpoch)) this.documents++
    this.root.add(documentPoint(key, digest))
    this.written.set(doc, { digest, docEpoch })
    return { key, name: parseDocId(doc), docEpoch, digest }
  }
}

/** Bytes that differ by seed and do not compress to nothing. */
export function madeUpBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = (Math.imul(seed, 0x9e3779b1) | 1) >>> 0
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 255
  }
  return bytes
}

/** Zero totals of an empty store. */
export const NO_TOTALS: Totals = { documents: 0, root: ZERO_DIGEST }
