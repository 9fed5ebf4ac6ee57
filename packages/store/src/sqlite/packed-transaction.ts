// A transaction on its way to the writer thread. Decides: rows become one array of numbers and one run of bytes, both transferred, because cloning
// each row's bytes would copy the whole frame it is a view of; documents become columns; the rest is small and cloned as it is. Packed on the main thread, read by
// space-writer.ts. Cost on the main thread: one copy of the bytes.

import { DURABILITIES, type Digest, type DocId, type DocKey, type EpochNonce } from '@syncline/protocol/stored'
import type { CompactedDoc, DocWrite, HeldRow, Transaction } from '../store.ts'
import { KIND } from './stored-rows.ts'

/** Numbers per row: index into `keys`, document epoch, index into `origins`, n, kind, bytes. */
export const ROW_FIELDS = 6

export interface PackedTransaction extends Omit<Transaction, 'rows' | 'docs' | 'held'> {
  readonly docs: PackedDocs
  readonly keys: readonly DocKey[]
  readonly origins: readonly EpochNonce[]
  readonly rows: Float64Array<ArrayBuffer>
  /** The rows' bytes, one after another, then those of the held updates. */
  readonly data: Uint8Array<ArrayBuffer>
  readonly held: readonly (Omit<HeldRow, 'data'> & { readonly bytes: number })[]
}

/** Columns, one entry per document: arrays of texts clone several times faster than objects do. */
export interface PackedDocs {
  readonly keys: readonly DocKey[]
  readonly names: readonly DocId[]
  readonly docEpochs: readonly number[]
  readonly digests: readonly Digest[]
  readonly healed: readonly boolean[]
}

export function packTransaction(tx: Transaction): PackedTransaction {
  const keys = new Numbered<DocKey>()
  const origins = new Numbered<EpochNonce>()
  const rows = new Float64Array(tx.rows.length * ROW_FIELDS)
  let at = 0
  for (const row of tx.rows) {
    rows[at++] = keys.numberOf(row.doc)
    rows[at++] = row.docEpoch
    rows[at++] = origins.numberOf(row.origin)
    rows[at++] = row.n
    rows[at++] = KIND[row.kind]
    rows[at++] = row.data.length
  }
  return {
    firstSeq: tx.firstSeq,
    totals: tx.totals,
    docs: packDocs(tx.docs),
    keys: keys.list,
    origins: origins.list,
    rows,
    data: joined([...tx.rows, ...tx.held]),
    held: tx.held.map(({ data, ...row }) => ({ ...row, bytes: data.length })),
    heldDropped: tx.heldDropped,
    cursors: tx.cursors,
    cursorsDropped: tx.cursorsDropped,
    acks: tx.acks,
    refusals: tx.refusals,
    refusalsDropped: tx.refusalsDropped,
  }
}

function packDocs(docs: readonly DocWrite[]): PackedDocs {
  return {
    keys: docs.map((doc) => doc.key),
    names: docs.map((doc) => doc.name),
    docEpochs: docs.map((doc) => doc.docEpoch),
    digests: docs.map((doc) => doc.digest),
    healed: docs.map((doc) => doc.healed === true),
  }
}

/** Copies, so that the caller keeps what it gave. */
export function packCompacted(docs: readonly CompactedDoc[]): CompactedDoc[] {
  return docs.map((doc) => ({ ...doc, update: Uint8Array.from(doc.update), knowledge: Uint8Array.from(doc.knowledge) }))
}

/** Buffers that a message gives away. */
export function buffersOf(views: readonly Uint8Array[]): ArrayBuffer[] {
  return views.map((view) => view.buffer as ArrayBuffer)
}

export function durabilityNumber(durability: (typeof DURABILITIES)[number]): number {
  return DURABILITIES.indexOf(durability)
}

function joined(parts: readonly { readonly data: Uint8Array }[]): Uint8Array<ArrayBuffer> {
  let size = 0
  for (const { data } of parts) size += data.length
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
  let at = 0
  for (const { data } of parts) {
    bytes.set(data, at)
    at += data.length
  }
  return bytes
}

class Numbered<T> {
  readonly list: T[] = []
  private readonly numbers = new Map<T, number>()

  numberOf(value: T): number {
    const known = this.numbers.get(value)
    if (known !== undefined) return known
    this.numbers.set(value, this.list.length)
    return this.list.push(value) - 1
  }
}
