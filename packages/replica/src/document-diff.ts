// What a peer or a guest lacks of one document, from stored bytes: structs beyond its state vector, and of the deletes those of buckets that differ, or all. Merged and
// cut at the level of bytes (protocol byte-compactor.ts); where bytes do not tell, update by update, or through a short-lived Y.Doc. Rule: CV-1; PROTOCOL 3 step 3.

import { diffBytes, encodeDeletes, frameUpdates, LIMITS, replaceDeleteSet, unframeUpdates, walkUpdate } from '@syncline/protocol'
import type { DocContent, Remains } from '@syncline/store'
import * as Y from 'yjs'
import type { OwedDiff } from './channel.ts'
import type { CoreContext } from './core-context.ts'
import type { DocState } from './documents.ts'

/** Framed updates in an order that admits: structs, then deletes. Empty when the peer lacks nothing: also when its document is of a later epoch. */
export function diffOf(context: CoreContext, doc: DocState, asked: OwedDiff): Uint8Array {
  if (asked.docEpoch > doc.docEpoch) return new Uint8Array(0)
  const owed = asked.docEpoch === doc.docEpoch ? asked : { stateVector: null, buckets: [] }
  // The store may have landed a later life that is not settled yet: nothing is left of this one, and the later one follows as entries.
  if (doc.uncommitted > 0 && context.reader.doc(doc.key)?.docEpoch !== doc.docEpoch) return new Uint8Array(0)
  const isWhole = owed.buckets.length === 0 && (owed.stateVector === null || isEmptyStateVector(owed.stateVector))
  const kept = isWhole ? context.wholeDiffs.get(doc.key, doc.digest) : null
  if (kept !== null) return kept
  const content = context.reader.content(doc.key)
  if (content === undefined) return new Uint8Array(0)
  const known = owed.stateVector === null ? null : decodeStateVector(owed.stateVector)
  const updates = mergedStructs(content, known) ?? separateStructs(content, known, owed.stateVector)
  const deletes = doc.committed.deletesDiffering(owed.buckets)
  if (deletes.length > 0) updates.push(encodeDeletes(deletes))
  const framed = frameUpdates(updates)
  if (isWhole) context.wholeDiffs.keep(doc.key, doc.digest, framed)
  return framed
}

function isEmptyStateVector(stateVector: Uint8Array): boolean {
  return stateVector.length === 1 && stateVector[0] === 0
}

/** One update, or none. Null where bytes do not tell, or where types nest deeper than one update may hold: those came in several (ADR 0005). */
function mergedStructs(content: DocContent, known: ReadonlyMap<number, number> | null): Uint8Array[] | null {
  const merged = diffBytes(storedUpdates(content), known, [])
  const facts = merged === null ? null : walkUpdate(merged)
  if (merged === null || facts === null || 'code' in facts || facts.typeDepth > LIMITS.typeDepthMax) return null
  return facts.structs.length === 0 ? [] : [merged]
}

/** The snapshot's, then the tail's, one by one. */
function separateStructs(content: DocContent, known: ReadonlyMap<number, number> | null, stateVector: Uint8Array | null): Uint8Array[] {
  const updates: Uint8Array[] = []
  if (content.snapshot !== null) {
    const structs = structsBeyond(content.snapshot.update, known, stateVector)
    if (structs !== null) updates.push(structs)
  }
  for (const update of tailUpdates(content)) {
    const structs = structsBeyond(update, known, null)
    if (structs !== null) updates.push(structs)
  }
  return updates
}

/** The update without its delete set, cut to what is beyond `known`; null when nothing is. */
function structsBeyond(update: Uint8Array, known: ReadonlyMap<number, number> | null, stateVector: Uint8Array | null): Uint8Array | null {
  const facts = walkUpdate(update)
  if ('code' in facts) throw new Error('a stored update does not pass the gate')
  let news = false
  for (let i = 0; i < facts.structs.length; i += 3) news ||= facts.structs[i + 2]! > (known?.get(facts.structs[i]!) ?? 0)
  if (!news) return null
  const cut = stateVector === null ? update : Y.diffUpdate(update, stateVector)
  return replaceDeleteSet(cut, [])
}

export function tailUpdates(content: DocContent): Uint8Array[] {
  return content.tail.flatMap((row) => unframeUpdates(row.data) ?? [])
}

/** Everything stored, oldest first, as updates. */
export function storedUpdates(content: DocContent): Uint8Array[] {
  return content.snapshot === null ? tailUpdates(content) : [content.snapshot.update, ...tailUpdates(content)]
}

/** One v1 update with what `stateVector` lacks, with all deletes, as Yjs itself would answer. Throws what Yjs throws for bytes that are no state vector. Cost: two passes
 *  over the stored bytes, about 10 ms for a long document; a Y.Doc where bytes do not tell. */
export function oneUpdate(content: DocContent | undefined, stateVector: Uint8Array | null): Uint8Array {
  if (content === undefined) return Y.encodeStateAsUpdate(new Y.Doc())
  if (content.snapshot !== null && content.tail.length === 0 && stateVector === null) return content.snapshot.update
  const known = stateVector === null ? null : Y.decodeStateVector(stateVector)
  return diffBytes(storedUpdates(content), known) ?? withDocument(content, (doc) => Y.encodeStateAsUpdate(doc, stateVector ?? undefined))
}

/** One v1 update of what a deletion took away. Cost: as oneUpdate. */
export function remainsUpdate({ updates }: Remains): Uint8Array {
  return diffBytes(updates, null) ?? withUpdates(updates, (doc) => Y.encodeStateAsUpdate(doc))
}

/** Runs `use` on a short-lived Y.Doc of the stored content. */
export function withDocument<T>(content: DocContent, use: (doc: Y.Doc) => T): T {
  return withUpdates(storedUpdates(content), use)
}

/** Runs `use` on a short-lived Y.Doc of these updates. */
export function withUpdates<T>(updates: readonly Uint8Array[], use: (doc: Y.Doc) => T): T {
  // A guid of its own would cost a draw of random bytes each time.
  const doc = new Y.Doc({ guid: '' })
  try {
    doc.transact(() => {
      for (const update of updates) Y.applyUpdate(doc, update)
    })
    return use(doc)
  } finally {
    doc.destroy()
  }
}

/** Null when the bytes are no state vector: then the peer is served everything. */
function decodeStateVector(bytes: Uint8Array): ReadonlyMap<number, number> | null {
  try {
    return Y.decodeStateVector(bytes)
  } catch {
    return null
  }
}
