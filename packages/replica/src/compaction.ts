// Compacting one document through a Y.Doc: one update with the content, garbage collected. Pure over stored bytes. When Yjs derives deletes that the log does not
// have yet (H5) they are returned instead, to be appended as an entry first, so that digests never flap. Rules: I4; hole H5.

import { Knowledge, newDeletes, walkUpdate, type Digest } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import * as Y from 'yjs'
import { withDocument } from './document-diff.ts'

export type Compacted =
  | { readonly kind: 'compacted'; readonly update: Uint8Array; readonly knowledge: Uint8Array }
  | { readonly kind: 'derived-deletes'; readonly ranges: readonly number[] }
  /** The result would not hold what the log holds: the document stays as it is. */
  | { readonly kind: 'unsafe' }

export function compact(content: DocContent, digest: Digest, known: Knowledge): Compacted {
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
