// Bounds of half-open ranges of document keys. A bound is a hex prefix that stands for itself padded with zeros, kept without trailing zeros,
// so that bounds and keys compare as plain strings; KEY_END lies above every key. Read by codec (wire form), document tree and reconciliation.

import type { DocKey } from './ids.ts'
import type { KeyRange } from './scope.ts'

/** Characters of the leading 8 bytes of a key. */
export const KEY8_DIGITS = 16

/** Hex prefix of up to 32 characters without trailing zeros, or KEY_END. "" is the lowest bound. */
export type KeyBound = string

/** The end of the key space: greater than every hex text. */
export const KEY_END: KeyBound = 'g'

/** The bound that stands for `hex`. */
export function boundOf(hex: string): KeyBound {
  let length = hex.length
  while (length > 0 && hex.charCodeAt(length - 1) === 48) length--
  return hex.slice(0, length)
}

/** True for text that is a bound: for values that came from the wire. */
export function isKeyBound(text: string): boolean {
  return text === KEY_END || /^([0-9a-f]{0,31}[1-9a-f])?$/.test(text)
}

/** The bound above everything that starts with `prefix`. */
export function boundAfter(prefix: string): KeyBound {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 'f') length--
  return length === 0 ? KEY_END : prefix.slice(0, length - 1) + (parseInt(prefix[length - 1]!, 16) + 1).toString(16)
}

/** The shortest bound between two document keys, `before` < `after`; null when they share the 8 bytes that the wire carries of a key, since
 *  documents that the wire cannot tell apart must stay in one range. */
export function boundBetween(before: DocKey, after: DocKey): KeyBound | null {
  let length = 0
  while (length < KEY8_DIGITS && before[length] === after[length]) length++
  return length === KEY8_DIGITS ? null : after.slice(0, length + 1)
}

/** Where the keys of an inclusive range start: the `from` of its RECON messages. */
export function startOf(range: KeyRange): KeyBound {
  return boundOf(range.first)
}

/** The bound above an inclusive range. */
export function endOf(range: KeyRange): KeyBound {
  return boundAfter(range.last)
}
