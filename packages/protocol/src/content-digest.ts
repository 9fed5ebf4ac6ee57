// The content digest: what two replicas compare in turn to notice that they hold the same ids with different content, which knowledge and its
// digest cannot see (TRAPS T3, T5). Decides its form: SHA-256 over canonical runs (canonical-content.ts), clients ascending.
// Read by the verification of links and by `syncline verify`. Rules: CV-3.

import * as encoding from 'lib0/encoding'
import { digest as sha256 } from 'lib0/hash/sha256'
import { canonicalRuns, type CanonicalRun } from './canonical-content.ts'
import type { IdRange } from './messages.ts'

/** 32 bytes, equal for any updates that carry the same whole document: with and without garbage collection, however merged or split, loaded by Yjs
 *  or not. `state`: one full update, or the updates that make up the document, as stored. (Not what a Y.Doc makes of them at load: Yjs may derive
 *  deletes, which are knowledge that only this replica has.) Null when it is not a gapless document. Cost: a few passes and one SHA-256. */
export function contentDigest(state: Uint8Array | readonly Uint8Array[]): Uint8Array | null {
  const runs = canonicalRuns(state)
  if (runs === null) return null
  const out = encoding.createEncoder()
  for (const run of clientsAscending(runs)) {
    encoding.writeVarUint(out, run.client)
    encoding.writeVarUint(out, run.from)
    encoding.writeVarUint(out, run.to)
    encoding.writeVarUint8Array(out, run.bytes)
  }
  return sha256(encoding.toUint8Array(out))
}

/** The first range of ids, by client and clock, in which two documents differ, to name a fork; null when they are equal or one of them is not a
 *  gapless document. Within text it is narrowed to the units that differ. Arguments as for contentDigest. */
export function firstDifference(a: Uint8Array | readonly Uint8Array[], b: Uint8Array | readonly Uint8Array[]): IdRange | null {
  const [runsA, runsB] = [canonicalRuns(a), canonicalRuns(b)]
  if (runsA === null || runsB === null) return null
  const [sortedA, sortedB] = [clientsAscending(runsA), clientsAscending(runsB)]
  for (let i = 0; i < sortedA.length || i < sortedB.length; i++) {
    const [left, right] = [sortedA[i], sortedB[i]]
    if (left === undefined || right === undefined || left.client !== right.client) return rangeOf(lowerOf(left, right))
    if (!sameRun(left, right)) return differenceOf(left, right)
  }
  return null
}

/** canonicalRuns gives clients descending, clocks ascending within each. */
function clientsAscending(runs: readonly CanonicalRun[]): CanonicalRun[] {
  return [...runs].sort((a, b) => a.client - b.client || a.from - b.from)
}

function lowerOf(left: CanonicalRun | undefined, right: CanonicalRun | undefined): CanonicalRun {
  if (left === undefined) return right!
  return right === undefined || left.client < right.client ? left : right
}

function rangeOf({ client, from, to }: CanonicalRun): IdRange {
  return { client, from, to }
}

function sameRun(left: CanonicalRun, right: CanonicalRun): boolean {
  return (
    left.from === right.from &&
    left.to === right.to &&
    left.bytes.length === right.bytes.length &&
    left.bytes.every((byte, i) => byte === right.bytes[i])
  )
}

/** Both start at the same clock: everything before was equal. */
function differenceOf(left: CanonicalRun, right: CanonicalRun): IdRange {
  const range = { client: left.client, from: Math.min(left.from, right.from), to: Math.max(left.to, right.to) }
  if (left.text === null || right.text === null || left.text === right.text) return range
  let first = 0
  while (left.text[first] === right.text[first]) first++
  if (left.to !== right.to) return { ...range, from: left.from + first }
  let last = left.text.length
  while (left.text[last - 1] === right.text[last - 1]) last--
  return { ...range, from: left.from + first, to: left.from + last }
}
