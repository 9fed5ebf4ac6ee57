// Compacting one document: one update with its content, garbage collected. From bytes where they tell (protocol byte-compactor.ts), else through a Y.Doc, which also
// checks a sample of what was made from bytes; where the two differ the Y.Doc's counts. Pure over stored bytes. When Yjs derives deletes that the log does not
// have yet (H5) they are returned instead, to be appended as an entry first, so that digests never flap. Rules: I4; hole H5.

import { compactBytes, Knowledge, newDeletes, walkUpdate, type CompactedBytes, type Digest } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import * as Y from 'yjs'
import { storedUpdates, withDocument, withUpdates } from './document-diff.ts'

/** Of so many documents that are compacted from bytes one is made through a Y.Doc, too. */
const SAMPLE = 100

export type Compacted =
  | { readonly kind: 'compacted'; readonly update: Uint8Array; readonly knowledge: Uint8Array }
  | { readonly kind: 'derived-deletes'; readonly ranges: readonly number[] }
  /** The result would not hold what the log holds: the document stays as it is. */
  | { readonly kind: 'unsafe' }

export interface CompactionWays {
  /** Which way the result came. */
  readonly took?: (way: 'bytes' | 'ydoc') => void
  /** What was made from bytes is not what a Y.Doc makes, or could not be made: a fault of the byte compactor. The Y.Doc's result is taken. */
  readonly mismatched?: (reason: string) => void
  /** Default compactBytes. */
  readonly fromBytes?: (updates: readonly Uint8Array[]) => CompactedBytes | null
  /** Checks this document, whatever the sample says. */
  readonly checked?: boolean
}

/** Compacts stored content whose knowledge is `known`, with its digest. Cost: linear in the bytes; about 0.7 us for a typed character, 5 us through a Y.Doc. */
export function compact(content: DocContent, digest: Digest, known: Knowledge, ways: CompactionWays = {}): Compacted {
  const made = compactFromBytes(content, digest, known, ways)
  if (made !== null) {
    ways.took?.('bytes')
    return made
  }
  const result = compactThroughDoc(content, digest, known)
  if (result.kind === 'compacted') ways.took?.('ydoc')
  return result
}

/** Null when a Y.Doc has to do it. */
function compactFromBytes(content: DocContent, digest: Digest, known: Knowledge, ways: CompactionWays): Compacted | null {
  const { fromBytes = compactBytes, checked = isSampled(digest), mismatched } = ways
  const updates = storedUpdates(content)
  try {
    const made = fromBytes(updates)
    if (made === null) return null
    const knowledge = new Knowledge(known.epoch)
    knowledge.admit(made.facts)
    if (knowledge.digest() !== digest) return null
    if (!checked || sameState(updates, made.update)) return { kind: 'compacted', update: made.update, knowledge: knowledge.encode() }
    mismatched?.('a Y.Doc makes something else of it')
  } catch (error) {
    mismatched?.(String(error))
  }
  return null
}

/** Depends on what the document holds, not on chance: so that a compaction that is tried again is decided alike. */
function isSampled(digest: Digest): boolean {
  return Number.parseInt(digest.slice(-8), 16) % SAMPLE === 0
}

/** A Y.Doc that loads the stored updates encodes the same as one that loads the result. */
function sameState(updates: readonly Uint8Array[], update: Uint8Array): boolean {
  const [stored, made] = [updates, [update]].map((all) =>
    withUpdates(all, (doc) => (doc.store.pendingStructs === null && doc.store.pendingDs === null ? Y.encodeStateAsUpdate(doc) : null)),
  )
  return stored !== null && made !== null && stored!.length === made!.length && stored!.every((byte, i) => byte === made![i])
}

function compactThroughDoc(content: DocContent, digest: Digest, known: Knowledge): Compacted {
  const update = withDocument(content, (doc) =>
    doc.store.pendingStructs === null && doc.store.pendingDs === null ? Y.encodeStateAsUpdate(doc) : null,
  )
  const facts = update === null ? null : walkUpdate(update)
  if (update === null || facts === null || 'code' in facts || facts.hasSkip) return { kind: 'unsafe' }
  const ranges = newDeletes(facts, known, 'all')
  if (ranges.length > 0) return { kind: 'derived-deletes', ranges }
  const knowledge = new Knowledge(known.epoch)
  knowledge.admit(facts)
  return knowledge.digest() === digest ? { kind: 'compacted', update, knowledge: knowledge.encode() } : { kind: 'unsafe' }
}
