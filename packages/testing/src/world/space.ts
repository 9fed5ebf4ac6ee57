// The one space of the simulation, and its keys and ranges, computed once. Read by every file here.

import {
  docKeyOf,
  rangeHolds,
  scopeRange,
  scopeText,
  type DocId,
  type DocKey,
  type KeyRange,
  type Scope,
  type ScopeText,
  type SpaceId,
} from '@syncline/protocol'

export const SPACE = 'simulated' as SpaceId

const keys = new Map<DocId, DocKey>()
const ranges = new Map<ScopeText, KeyRange>()

export function keyOf(doc: DocId): DocKey {
  let key = keys.get(doc)
  if (key === undefined) {
    key = docKeyOf(SPACE, doc)
    keys.set(doc, key)
  }
  return key
}

export function rangeOf(scope: Scope): KeyRange {
  const text = scopeText(scope)
  let range = ranges.get(text)
  if (range === undefined) {
    range = scopeRange(SPACE, scope)
    ranges.set(text, range)
  }
  return range
}

export function scopeHolds(scope: Scope, doc: DocId): boolean {
  return rangeHolds(rangeOf(scope), keyOf(doc))
}
