// Compacting the updates of a document: into one with their content, garbage collected. From bytes where they tell (protocol byte-compactor.ts), else through a Y.Doc, which
// also checks a sample of what was made from bytes; where the two differ the Y.Doc's counts. Pure. When Yjs derives deletes that the log does not have yet (H5) they are
// returned instead, to be appended as an entry first, so that digests never flap. Read by compaction-run.ts. Rules: I4; hole H5.

import { compactBytes, Knowledge, newDeletes, walkUpdate, type CompactedBytes, type Digest } from '@syncline/protocol'
import * as Y from 'yjs'
import { withUpdates } from './document-diff.ts'

/** Of so many documents that are compacted from bytes one is made through a Y.Doc, too ... */
const SAMPLE = 100
/** ... as far as that takes no more than some milliseconds, in which nobody is served: of a long document the beginning. */
const SAMPLED_BYTES_MAX = 32 * 1024

export type Compacted =
  | { readonly kind: 'compacted'; readonly update: Uint8Array; readonly knowledge: Uint8Array }
  /** `made` holds them, and everything else. */
  | { readonly kind: 'derived-deletes'; readonly ranges: readonly number[]; readonly made: CompactedBytes }
  /** The result would not hold what the log holds: the document stays as it is. */
  | { readonly kind: 'unsafe' }

/** What the document is that the updates are of. */
export interface CompactionGoal {
  readonly digest: Digest
  readonly docEpoch: number
  /** Asked for only where a Y.Doc derives deletes. */
  readonly known: () => Knowledge
}

export interface CompactionWays {
  /** Which way a result came. */
  readonly took?: (way: 'bytes' | 'ydoc') => void
  /** What was made from bytes is not what a Y.Doc makes, or could not be made: a fault of the byte compactor. The Y.Doc's result is taken. */
  readonly mismatched?: (reason: string) => void
  /** Default compactBytes. */
  readonly fromBytes?: (updates: readonly Uint8Array[]) => CompactedBytes | null
  /** Checks this document, whatever the sample says. */
  readonly checked?: boolean
}

/** Compacts all updates of a document, oldest first. Cost: linear in the bytes; about 0.7 us for a typed character, 5 us through a Y.Doc. */
export function compact(updates: readonly Uint8Array[], goal: CompactionGoal, ways: CompactionWays = {}): Compacted {
  const made = foldBytes(updates, goal.digest, ways)
  const result = made === null ? null : verify(made, goal)
  if (result !== null) {
    ways.took?.('bytes')
    return result
  }
  const throughDoc = foldThroughDoc(updates)
  if (throughDoc === null) return { kind: 'unsafe' }
  const ranges = newDeletes(throughDoc.facts, goal.known(), 'all')
  if (ranges.length > 0) return { kind: 'derived-deletes', ranges, made: throughDoc }
  const verified = verify(throughDoc, goal)
  if (verified === null) return { kind: 'unsafe' }
  ways.took?.('ydoc')
  return verified
}

/** What `made` holds is what the document is; else null. */
export function verify(
  { update, facts }: CompactedBytes,
  { digest, docEpoch }: CompactionGoal,
): (Compacted & { kind: 'compacted' }) | null {
  const knowledge = new Knowledge(docEpoch)
  knowledge.admit(facts)
  return knowledge.digest() === digest ? { kind: 'compacted', update, knowledge: knowledge.encode() } : null
}

/** The first updates of a document as one, from their bytes. Null when a Y.Doc has to do it. `digest`: the document's, which decides whether it is in the sample. */
export function foldBytes(updates: readonly Uint8Array[], digest: Digest, ways: CompactionWays = {}): CompactedBytes | null {
  const { fromBytes = compactBytes, checked = isSampled(digest) && isShort(updates), mismatched } = ways
  try {
    const made = fromBytes(updates)
    if (made === null || !checked || sameState(updates, made.update)) return made
    mismatched?.('a Y.Doc makes something else of it')
  } catch (error) {
    mismatched?.(String(error))
  }
  return null
}

/** As foldBytes(), with the deletes that Yjs derives. Null when they cannot be made into one. */
export function foldThroughDoc(updates: readonly Uint8Array[]): CompactedBytes | null {
  const update = withUpdates(updates, encodeWhole)
  const facts = update === null ? null : walkUpdate(update)
  return update === null || facts === null || 'code' in facts || facts.hasSkip ? null : { update, facts }
}

/** Depends on what the document holds, not on chance: so that a compaction that is tried again is decided alike. */
export function isSampled(digest: Digest): boolean {
  return Number.parseInt(digest.slice(-8), 16) % SAMPLE === 0
}

function isShort(updates: readonly Uint8Array[]): boolean {
  let bytes = 0
  for (const update of updates) bytes += update.length
  return bytes <= SAMPLED_BYTES_MAX
}

/** A Y.Doc that loads the stored updates encodes the same as one that loads the result. */
function sameState(updates: readonly Uint8Array[], update: Uint8Array): boolean {
  const [stored, made] = [updates, [update]].map((all) => withUpdates(all, encodeWhole))
  return stored !== null && made !== null && stored!.length === made!.length && stored!.every((byte, i) => byte === made![i])
}

/** Null when something is missing. */
function encodeWhole(doc: Y.Doc): Uint8Array | null {
  return doc.store.pendingStructs === null && doc.store.pendingDs === null ? Y.encodeStateAsUpdate(doc) : null
}
