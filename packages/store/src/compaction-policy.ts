// Which documents a compaction sweep takes. Decides: when a tail is worth compacting, when it can no longer wait for the next sweep, and who
// goes first. Reads LIMITS. Read by the stores' due() and by the engine's sweep schedule; the partial index of the SQLite schema states the
// same predicate. Pure.

import { LIMITS } from '@syncline/protocol'
import type { DocRow } from './store.ts'

export type TailSize = Pick<DocRow, 'tailRows' | 'tailBytes' | 'snapshotBytes'>

/** Tail bytes from which a document is due: a quarter of its snapshot, so that rewriting it is paid for by what the tail weighs. */
export function tailBytesBound(snapshotBytes: number): number {
  return Math.max(LIMITS.tailBytesDue, snapshotBytes / 4)
}

/** True when the next sweep should take the document. */
export function isDue(doc: TailSize): boolean {
  return urgency(doc) >= 1
}

/** A document from this size on costs tens of milliseconds to rewrite. */
const LARGE_BYTES = 256 * 1024

/** False for a large document whose tail has many rows and few bytes: it is due by its rows, but they cost less to read than it costs to rewrite. */
export function isWorthRewriting(doc: TailSize): boolean {
  return doc.snapshotBytes <= LARGE_BYTES || doc.tailBytes >= tailBytesBound(doc.snapshotBytes) || isOverdue(doc)
}

/** True when the document must not wait for the sweep interval: each further row makes its cold reads slower. */
export function isOverdue(doc: TailSize): boolean {
  return doc.tailRows >= LIMITS.tailRowsHardMax
}

/** How far a document is past its bounds; 1 is just due. due() returns the most urgent first. */
export function urgency(doc: TailSize): number {
  return Math.max(doc.tailRows / LIMITS.tailRowsDue, doc.tailBytes / tailBytesBound(doc.snapshotBytes))
}
