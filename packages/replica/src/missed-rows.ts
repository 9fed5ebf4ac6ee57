// What guests that did not drain have missed of a document: from memory where the newest rows are still there, else from the store. One read of a document serves all
// guests that lag behind in it, or a crowd that wakes up would read it whole at every step of each. Used by guest-table.ts. Rule: RS-1.

import { unframeUpdates, type DocKey } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import type { RecentRow } from './recent-rows.ts'

export interface MissedPart {
  readonly seq: number
  readonly updates: readonly Uint8Array[]
}

/** Ascending. Whoever took all parts has everything up to `upTo`. */
export interface Missed {
  readonly parts: Iterable<MissedPart>
  readonly upTo: number
  /** Bytes that had to be read for it. */
  readonly bytesRead: number
}

export interface MissedSource {
  /** Settled rows of all documents after a position; null when memory does not reach that far back. */
  recentAfter(seq: number): Iterable<RecentRow> | null
  /** Position of the newest settled row. */
  head(): number
  lastSeq(key: DocKey): number
  content(key: DocKey): DocContent | undefined
}

interface Read {
  readonly content: DocContent
  readonly lastSeq: number
  readonly bytes: number
}

/** Reads that are kept for the next guest, all documents together; one that is larger is kept alone. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024

/** Looking at a row in memory costs about as much time as reading this many bytes. */
const ROW_COST_BYTES = 64

export class MissedRows {
  readonly #source: MissedSource
  /** Oldest first. */
  readonly #reads = new Map<DocKey, Read>()
  #bytes = 0

  constructor(source: MissedSource) {
    this.#source = source
  }

  /** What a guest that has everything up to `position` missed, or a first part of it; null for nothing. */
  after(key: DocKey, position: number): Missed | null {
    const recent = this.#source.recentAfter(position)
    if (recent !== null) {
      const upTo = this.#source.head()
      // All rows since are looked at, whatever document they are of.
      return upTo <= position ? null : { parts: recentParts(key, recent), upTo, bytesRead: (upTo - position) * ROW_COST_BYTES }
    }
    const newest = this.#source.lastSeq(key)
    if (newest <= position) return null
    const kept = this.#reads.get(key)
    if (kept !== undefined && kept.lastSeq > position)
      return { parts: storedParts(kept.content, position), upTo: kept.lastSeq, bytesRead: 0 }
    const read = this.#read(key, newest)
    return read && { parts: storedParts(read.content, position), upTo: read.lastSeq, bytesRead: read.bytes }
  }

  /** Nobody lags behind any more. */
  clear(): void {
    this.#reads.clear()
    this.#bytes = 0
  }

  #read(key: DocKey, lastSeq: number): Read | null {
    const content = this.#source.content(key)
    if (content === undefined) return null
    this.#bytes -= this.#reads.get(key)?.bytes ?? 0
    this.#reads.delete(key)
    const { snapshot, tail } = content
    const bytes = (snapshot?.update.length ?? 0) + tail.reduce((sum, row) => sum + row.data.length, 0)
    for (const [other, { bytes: held }] of this.#reads) {
      if (this.#bytes + bytes <= KEPT_BYTES_MAX) break
      this.#reads.delete(other)
      this.#bytes -= held
    }
    const read = { content, lastSeq, bytes }
    this.#reads.set(key, read)
    this.#bytes += bytes
    return read
  }
}

function* recentParts(key: DocKey, rows: Iterable<RecentRow>): Generator<MissedPart, void> {
  for (const { doc, seq, kind, data } of rows) if (doc === key && kind === 'updates') yield { seq, updates: unframeUpdates(data) ?? [] }
}

/** A snapshot that missed rows were moved into repeats what the guest has, and loses nothing. */
function* storedParts({ snapshot, tail }: DocContent, position: number): Generator<MissedPart, void> {
  if (snapshot !== null && snapshot.seq > position) yield { seq: snapshot.seq, updates: [snapshot.update] }
  for (const { seq, kind, data } of tail) if (seq > position && kind === 'updates') yield { seq, updates: unframeUpdates(data) ?? [] }
}
