// Updates whose dependencies are missing, bounded per document and per space, kept in the store so that a restart forgets nothing. When a
// bound is reached the oldest of the document go: what they carried is asked for again by a document diff. Rules: IN-1; TRAPS T2.

import { LIMITS, type DocKey, type EpochNonce } from '@syncline/protocol'
import type { HeldRow, StoreReader } from '@syncline/store'
import type { CommitBatch } from './commit-batch.ts'
import type { DocState } from './documents.ts'

export class HeldUpdates {
  readonly #reader: StoreReader
  readonly #byDoc = new Map<DocKey, HeldRow[]>()
  #bytes = 0
  #nextId = 1

  constructor(reader: StoreReader) {
    this.#reader = reader
    this.reload()
  }

  /** Forgets what was not committed. */
  reload(): void {
    this.#byDoc.clear()
    this.#bytes = 0
    for (const key of this.#reader.heldDocs()) {
      const rows = [...this.#reader.held(key)]
      this.#byDoc.set(key, rows)
      for (const row of rows) {
        this.#bytes += row.data.length
        this.#nextId = Math.max(this.#nextId, row.id + 1)
      }
    }
  }

  of(key: DocKey): readonly HeldRow[] {
    return this.#byDoc.get(key) ?? []
  }

  get bytes(): number {
    return this.#bytes
  }

  count(): number {
    let count = 0
    for (const rows of this.#byDoc.values()) count += rows.length
    return count
  }

  /** False when the update is too large to hold at all, or held already. */
  hold(
    doc: DocState,
    update: Uint8Array,
    from: { readonly origin: EpochNonce; readonly n: number },
    atMs: number,
    batch: CommitBatch,
  ): boolean {
    if (update.length > LIMITS.heldBytesPerDocMax) return false
    const rows = this.#byDoc.get(doc.key) ?? []
    if (rows.some((row) => sameBytes(row.data, update))) return false
    const row: HeldRow = {
      id: this.#nextId++,
      doc: doc.key,
      name: doc.name,
      origin: from.origin,
      n: from.n,
      data: update.slice(),
      atMs: Math.round(atMs),
    }
    rows.push(row)
    this.#byDoc.set(doc.key, rows)
    this.#bytes += update.length
    batch.held.push(row)
    batch.urgent = true
    let bytes = rows.reduce((sum, held) => sum + held.data.length, 0)
    while (
      rows.length > LIMITS.heldUpdatesPerDocMax ||
      bytes > LIMITS.heldBytesPerDocMax ||
      (this.#bytes > LIMITS.heldBytesMax && rows.length > 1)
    ) {
      const oldest = rows[0]!
      bytes -= oldest.data.length
      this.drop(oldest, batch)
    }
    return true
  }

  drop(row: HeldRow, batch: CommitBatch): void {
    const rows = this.#byDoc.get(row.doc) ?? []
    const rest = rows.filter((held) => held.id !== row.id)
    if (rest.length === rows.length) return
    this.#bytes -= row.data.length
    if (rest.length === 0) this.#byDoc.delete(row.doc)
    else rows.splice(0, rows.length, ...rest)
    const pending = batch.held.findIndex((held) => held.id === row.id)
    if (pending >= 0) batch.held.splice(pending, 1)
    else batch.heldDropped.push(row.id)
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
