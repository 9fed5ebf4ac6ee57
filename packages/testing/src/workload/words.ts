// What gets written: words of several scripts, characters outside the basic plane, keys and leaf values that have broken sync layers before.
// Decides nothing. Read by draw-edit.ts and draw-value.ts.

import type { Json } from './workload.ts'

export const WORDS: readonly string[] = [
  'alpha ',
  'beta',
  ' gamma',
  'δέλτα ',
  'εψιλον',
  'x',
  '.',
  '\n',
  '    ',
  'naïve ',
  'שלום',
  '中文',
  'e\u0301',
]

/** Each holds at least one surrogate pair. */
export const ASTRAL: readonly string[] = ['😀', '👩‍👩‍👧', '𝒳', '🇩🇪', '🏽', '😀😀😀', 'a😀b']

/** Keys of records. */
export const KEYS: readonly string[] = ['title', 'state', 'k', 'ключ', '😀']

/** JSON values of every shape. */
export const JSON_VALUES: readonly Json[] = [1, -2.5, 2 ** 40, true, null, 'text', '😀', { a: [1, { b: null }] }, [1, 2]]

export const NUMBERS: readonly number[] = [0, 1, -1, 7, 100, -2.5, 0.1, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]

/** As text: JSON has no bigint. All fit in 64 bits, which is what Yjs writes. */
export const BIGINTS: readonly string[] = ['0', '-1', '1000000000000000', '9223372036854775807']
