// The memory store's reads. Answers are the stored objects themselves, which nobody changes in place.

import {
  SynclineError,
  idBytes,
  rangeHolds,
  type DocKey,
  type EpochNonce,
  type KeyRange,
  type ReplicaId,
  type ScopeText,
} from '@syncline/protocol'
import { isDue, urgency } from '../compaction-policy.ts'
import type {
  AckRow,
  CursorRow,
  DigestPiece,
  DocContent,
  DocRow,
  Epoch,
  HeldRow,
  LogRow,
  RefusalRow,
  Remains,
  StoreReader,
  TailPart,
  TailPlace,
  Totals,
} from '../store.ts'
import type { MemoryState } from './memory-state.ts'

export class MemoryReader implements StoreReader {
  private readonly state: MemoryState
  private readonly isClosed: () => boolean
  /** Documents whose content was damaged for a test: read as a failed checksum. */
  readonly damaged: Set<DocKey> = new Set()
  private sortedKeys: DocKey[] = []
  private keysAsCame: DocKey[] = []

  constructor(state: MemoryState, isClosed: () => boolean) {
    this.state = state
    this.isClosed = isClosed
  }

  head(): number {
    return this.open().head
  }

  totals(): Totals {
    return this.open().totals
  }

  nonce(): EpochNonce {
    return this.open().nonce
  }

  epoch(nonce: EpochNonce): Epoch | undefined {
    const epoch = this.open().epochs.get(nonce)
    return epoch && { nonce, startSeq: epoch.startSeq, endSeq: epoch.endSeq }
  }

  doc(key: DocKey): DocRow | undefined {
    return this.open().docs.get(key)
  }

  docs(range: KeyRange, limit: number, after?: DocKey): readonly DocRow[] {
    const { docs } = this.open()
    // documents are added and never removed, so equal sizes mean equal sets
    if (this.sortedKeys.length !== docs.size) this.sortedKeys = [...docs.keys()].sort()
    const found: DocRow[] = []
    for (let at = this.firstAt(range.first, after); at < this.sortedKeys.length && found.length < limit; at++) {
      const key = this.sortedKeys[at]!
      if (!rangeHolds(range, key)) break
      found.push(docs.get(key)!)
    }
    return found
  }

  digests(after: number, limit: number): DigestPiece {
    const { docs } = this.open()
    // a Map keeps the order in which keys came
    if (this.keysAsCame.length !== docs.size) this.keysAsCame = [...docs.keys()]
    const keys = this.keysAsCame.slice(after, after + limit)
    const bytes = new Uint8Array(32 * keys.length)
    keys.forEach((key, index) => {
      bytes.set(idBytes(key), 32 * index)
      bytes.set(idBytes(docs.get(key)!.digest), 32 * index + 16)
    })
    return { bytes, next: keys.length < limit ? null : after + limit }
  }

  content(key: DocKey): DocContent | undefined {
    const doc = this.whole(key)
    if (doc === undefined) return undefined
    return { snapshot: this.state.snapshots.get(key) ?? null, tail: this.tail(doc) }
  }

  snapshot(key: DocKey): DocContent['snapshot'] | undefined {
    return this.whole(key) && (this.state.snapshots.get(key) ?? null)
  }

  tailEnd(key: DocKey): TailPlace | undefined {
    const doc = this.open().docs.get(key)
    return doc && { nonce: this.state.nonce, docEpoch: doc.docEpoch, seq: doc.lastSeq, rows: doc.tailRows, bytes: doc.tailBytes }
  }

  tailPart(key: DocKey, after: TailPlace | null, upTo: TailPlace, rows: number, bytes: number): TailPart | undefined {
    const doc = this.whole(key)
    const holds = ({ nonce, docEpoch }: TailPlace): boolean => nonce === this.state.nonce && docEpoch === doc?.docEpoch
    if (doc === undefined || !holds(upTo) || (after !== null && !holds(after))) return undefined
    const end = after?.seq ?? this.state.snapshots.get(key)?.seq ?? 0
    const part: LogRow[] = []
    let before = upTo
    while (before.seq > end && part.length < rows && (part.length === 0 || upTo.bytes - before.bytes < bytes)) {
      const row = this.state.rows.get(before.seq)!
      part.push(row)
      before = { ...before, seq: row.prev, rows: before.rows - 1, bytes: before.bytes - row.data.length }
    }
    return { rows: part.reverse(), before }
  }

  remains(key: DocKey): readonly Remains[] {
    return this.open().remains.get(key) ?? []
  }

  knowledgeParts(key: DocKey): { base: Uint8Array | null; tail: readonly Uint8Array[] } | undefined {
    const content = this.content(key)
    return content && { base: content.snapshot?.knowledge ?? null, tail: content.tail.map((row) => row.data) }
  }

  log(after: number, rows: number, bytes: number): readonly LogRow[] {
    const { head, rows: log } = this.open()
    const found: LogRow[] = []
    let size = 0
    for (let seq = Math.max(after, 0) + 1; seq <= head && found.length < rows && size < bytes; seq++) {
      const row = log.get(seq)
      if (row === undefined) continue
      if (this.damaged.has(row.doc) && found.length > 0) break
      this.whole(row.doc)
      found.push(row)
      size += row.data.length
    }
    return found
  }

  cursor(peer: ReplicaId, scope: ScopeText): CursorRow | undefined {
    return this.open().cursors.get(peer + scope)
  }

  acks(): readonly AckRow[] {
    return [...this.open().acks.values()]
  }

  held(key: DocKey): readonly HeldRow[] {
    const held = [...this.open().held.values()].filter((row) => row.doc === key)
    return held.sort((a, b) => a.id - b.id)
  }

  heldDocs(): readonly DocKey[] {
    return [...new Set([...this.open().held.values()].map((row) => row.doc))]
  }

  refusals(): readonly RefusalRow[] {
    return [...this.open().refusals.values()]
  }

  due(limit: number): readonly DocRow[] {
    const due = [...this.open().docs.values()].filter((doc) => isDue(doc) && !doc.quarantined)
    return due.sort((a, b) => urgency(b) - urgency(a)).slice(0, limit)
  }

  /** Rows after the snapshot, oldest first. */
  tail(doc: DocRow): LogRow[] {
    const snapshotSeq = this.state.snapshots.get(doc.key)?.seq ?? 0
    const tail: LogRow[] = []
    for (let seq = doc.lastSeq; seq > snapshotSeq; seq = tail.at(-1)!.prev) tail.push(this.state.rows.get(seq)!)
    return tail.toReversed()
  }

  /** The document, unless its content is damaged. */
  private whole(key: DocKey): DocRow | undefined {
    const doc = this.open().docs.get(key)
    if (this.damaged.has(key)) {
      throw new SynclineError('doc-quarantined', `The stored content of document ${key} is damaged.`, { detail: { doc: key } })
    }
    return doc
  }

  private open(): MemoryState {
    if (this.isClosed()) throw storeClosed()
    return this.state
  }

  /** Index of the first key in the range, or of the first one after `after`. */
  private firstAt(first: DocKey, after: DocKey | undefined): number {
    let low = 0
    let high = this.sortedKeys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const key = this.sortedKeys[middle]!
      if (key < first || (after !== undefined && key <= after)) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function storeClosed(): SynclineError {
  return new SynclineError('store-closed', 'The store was closed.')
}
