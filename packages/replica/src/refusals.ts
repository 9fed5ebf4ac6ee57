// Documents refused from a peer (in) or by a peer (out). A refused document leaves the root comparison with that peer, so that one bad document never
// makes two healthy spaces look different. What was refused before a restart, or for want of rights, is tried again once per link; a reconciliation that finds
// a document equal ends its refusal. Rules: RF-1; DESIGN.md 4.

import { rangeHolds, ZERO_DIGEST, type Digest, type DocId, type DocKey, type KeyRange, type ReplicaId } from '@syncline/protocol'
import type { RefusalRow, StoreReader } from '@syncline/store'
import type { CommitBatch } from './commit-batch.ts'

export type Direction = RefusalRow['direction']

/** Without its name a document is asked for once more in a link: it is refused again. */
const NAMES_MAX = 16_384
const NO_KEYS: ReadonlySet<DocKey> = new Set()

export class Refusals {
  readonly #reader: StoreReader
  readonly #rows = new Map<string, RefusalRow>()
  /** Refused before this run: limits and rights may have changed since, so one document diff decides anew. */
  readonly #before = new Set<string>()
  /** Of documents that were refused during this run, the last ones. */
  readonly #names = new Map<DocKey, DocId>()
  /** How many times what is refused has changed. */
  changes = 0

  constructor(reader: StoreReader) {
    this.#reader = reader
    this.reload()
    for (const [key, row] of this.#rows) if (row.direction === 'in' && row.retryable) this.#before.add(key)
  }

  /** Back to what is stored: a batch with refusals in it was lost, and what they were about comes again. */
  reload(): void {
    this.changes++
    this.#rows.clear()
    for (const row of this.#reader.refusals()) this.#rows.set(keyOf(row.peer, row.doc, row.direction), row)
  }

  /** Null: not known from a refusal of this run. */
  nameOf(key: DocKey): DocId | null {
    return this.#names.get(key) ?? null
  }

  has(peer: ReplicaId, doc: DocKey, direction: Direction): boolean {
    return this.#rows.size > 0 && this.#rows.has(keyOf(peer, doc, direction))
  }

  /** True when this is news. */
  add(row: RefusalRow, name: DocId, batch: CommitBatch): boolean {
    this.#names.set(row.doc, name)
    if (this.#names.size > NAMES_MAX) this.#names.delete(this.#names.keys().next().value!)
    const key = keyOf(row.peer, row.doc, row.direction)
    const news = this.#rows.get(key)?.code !== row.code
    this.#before.delete(key)
    if (news) {
      this.changes++
      this.#rows.set(key, row)
      batch.refusals.push(row)
    }
    return news
  }

  /** True when there was one. */
  lift(peer: ReplicaId, doc: DocKey, direction: Direction, batch: CommitBatch): boolean {
    if (this.#rows.size === 0 || !this.#rows.delete(keyOf(peer, doc, direction))) return false
    this.changes++
    const pending = batch.refusals.findIndex((row) => row.peer === peer && row.doc === doc && row.direction === direction)
    if (pending >= 0) batch.refusals.splice(pending, 1)
    batch.refusalsDropped.push({ peer, doc, direction })
    return true
  }

  /** Whether this replica refuses any document of the range from this peer. */
  anyFrom(peer: ReplicaId, range: KeyRange): boolean {
    for (const row of this.#rows.values()) if (row.peer === peer && row.direction === 'in' && rangeHolds(range, row.doc)) return true
    return false
  }

  /** Documents of the range that this replica refused from this peer and might take now: for want of rights, or before this run. */
  worthRetrying(peer: ReplicaId, range: KeyRange): DocKey[] {
    const retried = (row: RefusalRow): boolean =>
      ['read-only', 'delete-forbidden'].includes(row.code) || this.#before.has(keyOf(row.peer, row.doc, row.direction))
    return [...this.#rows.values()].flatMap((row) =>
      row.peer === peer && row.direction === 'in' && rangeHolds(range, row.doc) && retried(row) ? [row.doc] : [],
    )
  }

  /** All of the range with this peer, both directions. */
  with(peer: ReplicaId, range: KeyRange): RefusalRow[] {
    return [...this.#rows.values()].filter((row) => row.peer === peer && rangeHolds(range, row.doc))
  }

  /** Keys out of the root comparison with this peer. */
  keysWith(peer: ReplicaId): ReadonlySet<DocKey> {
    if (this.#rows.size === 0) return NO_KEYS
    const keys = new Set<DocKey>()
    for (const row of this.#rows.values()) if (row.peer === peer) keys.add(row.doc)
    return keys
  }

  all(): Iterable<RefusalRow> {
    return this.#rows.values()
  }
}

export function refusal(
  peer: ReplicaId,
  doc: DocKey,
  direction: Direction,
  code: string,
  retryable: boolean,
  digest: Digest = ZERO_DIGEST,
): RefusalRow {
  return { peer, doc, direction, code, retryable, digest }
}

function keyOf(peer: ReplicaId, doc: DocKey, direction: Direction): string {
  return `${direction}${peer}${doc}`
}
