// Sets of clocks as flat, sorted, normalised arrays [from, to, from, to, ...]: half-open, never touching. The deleted clocks of one client.
// Pure arithmetic, read by knowledge.ts, update-parts.ts and content-digest.ts.

/** Offset of the first range that ends after `clock` (ranges.length: none). */
export function rangeAfter(ranges: readonly number[], clock: number): number {
  let low = 0
  let high = ranges.length >>> 1
  // new ranges mostly lie at the end
  if (high > 0 && ranges[2 * high - 1]! <= clock) return ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ranges[2 * middle + 1]! <= clock) low = middle + 1
    else high = middle
  }
  return 2 * low
}

/** True when every clock of [from, to) is in the set. */
export function coversRange(ranges: readonly number[], from: number, to: number): boolean {
  if (from >= to) return true
  const at = rangeAfter(ranges, from)
  return at < ranges.length && ranges[at]! <= from && ranges[at + 1]! >= to
}

/** Calls `gap(from, to)` for each stretch of [from, to) that is not in the set, ascending. */
export function eachGap(ranges: readonly number[], from: number, to: number, gap: (from: number, to: number) => void): void {
  let clock = from
  for (let at = rangeAfter(ranges, from); clock < to && at < ranges.length && ranges[at]! < to; at += 2) {
    if (ranges[at]! > clock) gap(clock, ranges[at]!)
    clock = ranges[at + 1]!
  }
  if (clock < to) gap(clock, to)
}

/** Adds [from, to) to the set in place. Cost: a binary search, and one splice unless a range merely grows. */
export function addRange(ranges: number[], from: number, to: number): void {
  // a range that ends exactly at `from` is touched, too
  const first = rangeAfter(ranges, from - 1)
  let last = first
  let start = from
  let end = to
  for (; last < ranges.length && ranges[last]! <= to; last += 2) {
    if (ranges[last]! < start) start = ranges[last]!
    if (ranges[last + 1]! > end) end = ranges[last + 1]!
  }
  if (last === first + 2) {
    ranges[first] = start
    ranges[first + 1] = end
  } else {
    ranges.splice(first, last - first, start, end)
  }
}

/** The normalised union of a normalised set and of ranges in any order, overlapping or not. Cost: linear where they ascend, else O(n + m log m). */
export function unionRanges(ranges: readonly number[], more: readonly number[]): number[] {
  const sorted: number[] = []
  let at = 0
  const ascending = ascends(more) ? more : sortedPairs(more).flat()
  for (let i = 0; i < ascending.length; i += 2) {
    for (; at < ranges.length && ranges[at]! <= ascending[i]!; at += 2) appendRange(sorted, ranges[at]!, ranges[at + 1]!)
    appendRange(sorted, ascending[i]!, ascending[i + 1]!)
  }
  for (; at < ranges.length; at += 2) appendRange(sorted, ranges[at]!, ranges[at + 1]!)
  return sorted
}

/** As Yjs writes them: then there is nothing to sort, and no pair to allocate. */
function ascends(flat: readonly number[]): boolean {
  for (let i = 2; i < flat.length; i += 2) if (flat[i]! < flat[i - 2]!) return false
  return true
}

function sortedPairs(flat: readonly number[]): [number, number][] {
  const pairs: [number, number][] = []
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i]!, flat[i + 1]!])
  return pairs.sort((a, b) => a[0] - b[0])
}

function appendRange(ranges: number[], from: number, to: number): void {
  const last = ranges.length - 1
  if (last > 0 && from <= ranges[last]!) {
    if (to > ranges[last]!) ranges[last] = to
  } else {
    ranges.push(from, to)
  }
}
