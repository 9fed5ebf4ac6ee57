// A scope is what a link carries: a whole space, one collection, or one document. Each scope is a range of document keys with its own root,
// its own reconciliation and its own cursor (DESIGN.md 4, partial replication).

import { collectionPrefix, docIdOrNull, docKeyOf, collectionOf, type DocId, type DocKey, type SpaceId } from './ids.ts'

export type Scope =
  | { readonly kind: 'space' }
  | { readonly kind: 'collection'; readonly collection: string }
  | { readonly kind: 'document'; readonly doc: DocId }

/** Text form, stable: "*", "collection/*" or "=document". Key of cursor rows, and what the wire carries. */
export type ScopeText = string

export function scopeText(scope: Scope): ScopeText {
  if (scope.kind === 'space') return '*'
  return scope.kind === 'collection' ? `${scope.collection}/*` : `=${scope.doc}`
}

/** Null when the text names no scope. */
export function parseScope(text: string): Scope | null {
  if (text === '*') return { kind: 'space' }
  if (text.startsWith('=')) {
    const doc = docIdOrNull(text.slice(1))
    return doc === null ? null : { kind: 'document', doc }
  }
  if (!text.endsWith('/*')) return null
  const collection = text.slice(0, -2)
  if (collection.includes('/') || (collection !== '' && docIdOrNull(collection) === null)) return null
  return { kind: 'collection', collection }
}

/** Inclusive range of document keys, as hex. */
export interface KeyRange {
  readonly first: DocKey
  readonly last: DocKey
}

export const WHOLE_RANGE: KeyRange = { first: '0'.repeat(32) as DocKey, last: 'f'.repeat(32) as DocKey }

export function scopeRange(space: SpaceId, scope: Scope): KeyRange {
  if (scope.kind === 'space') return WHOLE_RANGE
  if (scope.kind === 'document') {
    const key = docKeyOf(space, scope.doc)
    return { first: key, last: key }
  }
  const prefix = collectionPrefix(space, scope.collection)
  return { first: (prefix + '0'.repeat(24)) as DocKey, last: (prefix + 'f'.repeat(24)) as DocKey }
}

export function rangeHolds(range: KeyRange, key: DocKey): boolean {
  return key >= range.first && key <= range.last
}

/** What two sides that subscribe to `a` and `b` share, or null. */
export function scopeIntersection(a: Scope, b: Scope): Scope | null {
  if (a.kind === 'space') return b
  if (b.kind === 'space') return a
  if (a.kind === 'collection' && b.kind === 'collection') return a.collection === b.collection ? a : null
  if (a.kind === 'document' && b.kind === 'document') return a.doc === b.doc ? a : null
  const [document, collection] = a.kind === 'document' ? [a, b] : [b, a]
  if (document.kind !== 'document' || collection.kind !== 'collection') return null
  return collectionOf(document.doc) === collection.collection ? document : null
}
