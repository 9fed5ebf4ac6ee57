// Where an edit falls: drawn numbers are wrapped at the length that is found, and boundaries in a text are kept between code points. Decides
// what a position means. Read by the perform files. Rules: TS-1, TS-3.

import * as Y from 'yjs'
import type { Json } from './workload.ts'

/** Drawn positions lie below this. */
export const POSITION_BOUND: number = 2 ** 20

/** A number from 0 to `bound` - 1, whatever is given. `bound`: 1 or more. */
export function wrapped(json: Json | undefined, bound: number): number {
  if (typeof json !== 'number' || !Number.isFinite(json)) return 0
  return Math.abs(Math.trunc(json)) % bound
}

/** A whole number from 0 to `max`, whatever is given. */
export function counted(json: Json | undefined, max: number): number {
  if (typeof json !== 'number' || !(json > 0)) return 0
  return Math.min(max, Math.trunc(json))
}

/** Part of a text, and whether one of its ends is inside a surrogate pair. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly inPair: boolean
}

/** `length` characters after `at`. A boundary inside a surrogate pair stays there with `inPair`; else the span grows to hold both halves, or, when empty, moves before them. */
export function spanIn(text: Y.Text, at: Json | undefined, length: Json | undefined, inPair: boolean): Span {
  const from = wrapped(at, text.length + 1)
  const to = from + counted(length, text.length - from)
  const fromInside = isInsidePair(text, from)
  const toInside = to === from ? fromInside : isInsidePair(text, to)
  if (inPair) return { from, to, inPair: fromInside || toInside }
  const start = fromInside ? from - 1 : from
  if (to === from) return { from: start, to: start, inPair: false }
  return { from: start, to: toInside ? to + 1 : to, inPair: false }
}

/** Whether the boundary before `position` has both halves of one pair on its sides. Embeds count 1, as in Y.Text. */
function isInsidePair(text: Y.Text, position: number): boolean {
  if (position === 0) return false
  let at = 0
  let before = 0
  for (let item = text._start; item !== null; item = item.right) {
    if (item.deleted || !item.countable) continue
    const { content, length } = item
    if (at + length < position) {
      at += length
      continue
    }
    const str = content instanceof Y.ContentString ? content.str : null
    if (position - at < length) {
      if (str === null) return false
      const high = position === at ? before : str.charCodeAt(position - at - 1)
      return isHigh(high) && isLow(str.charCodeAt(position - at))
    }
    before = str === null ? 0 : str.charCodeAt(length - 1)
    at += length
  }
  return false
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000
