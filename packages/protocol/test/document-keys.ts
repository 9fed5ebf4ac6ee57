// Random document keys and digests for the reconciliation tests: spread over collections as real ones are, with near misses and shared key8.

import fc, { type Arbitrary } from 'fast-check'
import type { Digest, DocKey } from '../src/ids.ts'
import { boundOf, type KeyBound } from '../src/key-bounds.ts'
import { WHOLE_RANGE, type KeyRange } from '../src/scope.ts'

/** Pseudo-random hex from a seed: the same seed gives the same texts. */
export function hexSource(seed: number): (digits: number) => string {
  let state = seed | 1
  return (digits) => {
    let text = ''
    while (text.length < digits) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      text += (state >>> 0).toString(16).padStart(8, '0')
    }
    return text.slice(0, digits)
  }
}

export interface Space {
  readonly keys: readonly DocKey[]
  readonly digest: () => Digest
}

/** `count` keys in `collections` collections. With `tails` above 0, the 8 bytes that follow the collection take that many values only, so that keys share key8. */
export function spaceOf(seed: number, count: number, collections: number, tails = 0): Space {
  const hex = hexSource(seed)
  const prefixes = Array.from({ length: collections }, () => hex(8))
  const middles = Array.from({ length: tails }, () => hex(8))
  const pick = <T>(from: readonly T[]): T => from[parseInt(hex(6), 16) % from.length]!
  const keys = new Set<DocKey>()
  while (keys.size < count) keys.add((pick(prefixes) + (tails > 0 ? pick(middles) + hex(16) : hex(24))) as DocKey)
  return { keys: [...keys], digest: () => hex(32) as Digest }
}

/** The whole space, a collection of it, or one document, present or absent. */
export function scopeOf(space: Space, choice: number): KeyRange {
  const key = space.keys[choice % space.keys.length] ?? ('ab'.repeat(16) as DocKey)
  if (choice % 4 === 0) return { first: key, last: key }
  if (choice % 4 === 1) return { first: (key.slice(0, 8) + '0'.repeat(24)) as DocKey, last: (key.slice(0, 8) + 'f'.repeat(24)) as DocKey }
  return WHOLE_RANGE
}

/** Bounds in and around real keys. */
export function boundIn(space: Space): Arbitrary<KeyBound> {
  return fc.tuple(fc.nat(), fc.nat({ max: 32 })).map(([at, digits]) => boundOf((space.keys[at % space.keys.length] ?? '').slice(0, digits)))
}
