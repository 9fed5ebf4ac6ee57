// The gate's first half, reason by reason. Numbers in the titles are those of the bad-input catalogue in the threat study.

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { isRefusal, walkUpdate, UpdateFacts } from '../src/update-walker.ts'
import { LIMITS } from '../src/limits.ts'
import { Random } from './random.ts'
import { after, between, deletes, entry, gc, inside, rooted, run, s, skip, update, v } from './update-bytes.ts'
import { randomHistory } from './yjs-history.ts'

const TEXT = s('hi')
const MAX_ID = Number.MAX_SAFE_INTEGER

function factsOf(bytes: Uint8Array): UpdateFacts {
  const result = walkUpdate(bytes)
  if (isRefusal(result)) throw new Error(`refused: ${result.code} ${result.reason}`)
  return result
}

function nestedArrays(depth: number): number[] {
  return [...Array.from({ length: depth }, () => [117, 1]).flat(), 126]
}

const refused: [title: string, bytes: Uint8Array | readonly number[], code: string, reason: string][] = [
  ['48 no bytes', [], 'update-malformed', 'truncated'],
  ['49 a lone zero', [0], 'update-malformed', 'truncated'],
  ['50 an update in V2', Y.convertUpdateFormatV1ToV2(update([run(7, 0, rooted(4, TEXT))])), 'update-malformed', 'trailing-bytes'],
  ['54 thirty million structs', [1, ...v(3e7), 7, 0, 0], 'update-malformed', 'count-beyond-bytes'],
  ['55 five thousand million runs', v(5e9), 'update-malformed', 'count-beyond-bytes'],
  ['56 a delete set of a thousand million clients', [0, ...v(1e9), 1, 1], 'update-malformed', 'count-beyond-bytes'],
  ['58 a GC struct of 2^53-1', update([run(7, 0, gc(MAX_ID))]), 'update-limit', 'clock'],
  ['59 a clock at 2^53-2', update([run(7, MAX_ID - 1, gc(2))]), 'update-limit', 'clock'],
  ['a clock over the limit by its last struct', update([run(7, LIMITS.clockMax - 1, gc(1), gc(1))]), 'update-limit', 'clock'],
  ['57 a delete beyond the highest clock', update([], [deletes(7, [1, LIMITS.clockMax])]), 'update-limit', 'clock'],
  ['60 a GC struct of nothing', update([run(7, 0, gc(0))]), 'update-malformed', 'zero-length'],
  ['60 an empty text', update([run(7, 0, rooted(4, s('')))]), 'update-malformed', 'zero-length'],
  ['60 an empty array content', update([run(7, 0, rooted(8, [0]))]), 'update-malformed', 'zero-length'],
  ['60 deleted content of nothing', update([run(7, 0, rooted(1, [0]))]), 'update-malformed', 'zero-length'],
  ['60 a delete of nothing', update([run(7, 0, gc(1))], [deletes(7, [0, 0])]), 'update-malformed', 'zero-length'],
  ['a run of no structs', [1, 0, 7, 0, 0, 0, 0, 0], 'update-malformed', 'empty-run'],
  ['64 an origin that is the struct itself', update([run(7, 3, after(7, 3, 4, TEXT))]), 'update-malformed', 'self-reference'],
  ['64 a right origin that comes later', update([run(7, 3, between([7, 1], [7, 4], 4, TEXT))]), 'update-malformed', 'self-reference'],
  ['64 a type inside itself', update([run(7, 0, inside(7, 0, 7, [0]))]), 'update-malformed', 'self-reference'],
  ['one id on both sides', update([run(7, 3, between([7, 1], [7, 1], 4, TEXT))]), 'update-malformed', 'same-origins'],
  ['66 two runs of one client', update([run(7, 0, gc(1)), run(7, 1, gc(1))]), 'update-malformed', 'client-order'],
  ['clients ascending', update([run(7, 0, gc(1)), run(8, 0, gc(1))]), 'update-malformed', 'client-order'],
  ['69 client 0', update([run(0, 0, gc(1))]), 'update-forbidden', 'reserved-client'],
  ['69 client 0 deleted', update([], [deletes(0, [0, 1])]), 'update-forbidden', 'reserved-client'],
  ['69 client 0 as origin', update([run(7, 0, after(0, 0, 4, TEXT))]), 'update-forbidden', 'reserved-client'],
  ['69 a client of 2^53', update([run(2 ** 53, 0, gc(1))]), 'update-malformed', 'varint'],
  ['71 a value nested 10,000 deep', update([run(7, 0, rooted(8, [1, ...nestedArrays(10_000)]))]), 'update-limit', 'value-depth'],
  ['71 a value nested one too deep', update([run(7, 0, rooted(8, [1, ...nestedArrays(65)]))]), 'update-limit', 'value-depth'],
  ['71 an embed nested one too deep', update([run(7, 0, rooted(5, s('['.repeat(65) + ']'.repeat(65))))]), 'update-limit', 'value-depth'],
  ['71 an embed nested 100,000 deep', update([run(7, 0, rooted(5, s('['.repeat(1e5) + ']'.repeat(1e5))))]), 'update-limit', 'value-depth'],
  ['75 a lone surrogate as text', update([run(7, 0, rooted(4, [3, 0xed, 0xa0, 0xbd]))]), 'update-malformed', 'utf8'],
  ['75 a surrogate pair in six bytes', update([run(7, 0, rooted(4, [6, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]))]), 'update-malformed', 'utf8'],
  ['an overlong slash', update([run(7, 0, rooted(4, [2, 0xc0, 0xaf]))]), 'update-malformed', 'utf8'],
  ['a code point above U+10FFFF', update([run(7, 0, rooted(4, [4, 0xf4, 0x90, 0x80, 0x80]))]), 'update-malformed', 'utf8'],
  ['a text that ends in the middle of a character', update([run(7, 0, rooted(4, [2, 0xe2, 0x82]))]), 'update-malformed', 'utf8'],
  ['78 a map key __proto__', update([run(7, 0, entry(8, '__proto__', [1, 126]))]), 'update-forbidden', 'proto-key'],
  ['78 a root name __proto__', update([run(7, 0, [4, 1, ...s('__proto__'), ...TEXT])]), 'update-forbidden', 'proto-key'],
  ['78 a format named __proto__', update([run(7, 0, rooted(6, [...s('__proto__'), ...s('true')]))]), 'update-forbidden', 'proto-key'],
  ['78 an element named __proto__', update([run(7, 0, rooted(7, [3, ...s('__proto__')]))]), 'update-forbidden', 'proto-key'],
  ['78 __proto__ inside a value', update([run(7, 0, rooted(8, [1, 118, 1, ...s('__proto__'), 126]))]), 'update-forbidden', 'proto-key'],
  ['78 __proto__ inside an embed', update([run(7, 0, rooted(5, s('{"a":[{"\\u005f_proto__":1}]}')))]), 'update-forbidden', 'proto-key'],
  ['78 __proto__ inside legacy content', update([run(7, 0, rooted(2, [1, ...s('{"__proto__":1}')]))]), 'update-forbidden', 'proto-key'],
  [
    '78 __proto__ inside subdocument options',
    update([run(7, 0, rooted(9, [...s('g'), 118, 1, ...s('__proto__'), 126]))]),
    'update-forbidden',
    'proto-key',
  ],
  [
    '80 a subdocument that replaces its guid',
    update([run(7, 0, rooted(9, [...s('g'), 118, 1, ...s('guid'), 119, ...s('x')]))]),
    'update-forbidden',
    'subdoc-options',
  ],
  ['80 subdocument options that are no object', update([run(7, 0, rooted(9, [...s('g'), 126]))]), 'update-forbidden', 'subdoc-options'],
  [
    '80 a subdocument whose gc is no boolean',
    update([run(7, 0, rooted(9, [...s('g'), 118, 1, ...s('gc'), 126]))]),
    'update-forbidden',
    'subdoc-options',
  ],
  [
    '80 a subdocument with a filter',
    update([run(7, 0, rooted(9, [...s('g'), 118, 1, ...s('gcFilter'), 126]))]),
    'update-forbidden',
    'subdoc-options',
  ],
  ['81 a text in a map', update([run(7, 0, entry(4, 'k', TEXT))]), 'update-forbidden', 'map-content'],
  ['81 a format in a map', update([run(7, 0, entry(6, 'k', [...s('b'), ...s('true')]))]), 'update-forbidden', 'map-content'],
  ['81 an embed in a map', update([run(7, 0, entry(5, 'k', s('1')))]), 'update-forbidden', 'map-content'],
  ['82 content 11', update([run(7, 0, rooted(11, [1]))]), 'update-malformed', 'content-ref'],
  ['82 content 31', update([run(7, 0, rooted(31, [1]))]), 'update-malformed', 'content-ref'],
  ['83 type 7', update([run(7, 0, rooted(7, [7]))]), 'update-malformed', 'type-ref'],
  ['83 type 130', update([run(7, 0, rooted(7, v(130)))]), 'update-malformed', 'type-ref'],
  ['a parent that is neither name nor id', update([run(7, 0, [4, 2, ...s('t'), ...TEXT])]), 'update-malformed', 'parent-info'],
  ['a GC struct with an origin', update([run(7, 1, [0x80, 1])]), 'update-malformed', 'info-byte'],
  ['a Skip with a map key', update([run(7, 1, [0x2a, 1])]), 'update-malformed', 'info-byte'],
  ['a value of unknown kind', update([run(7, 0, rooted(8, [1, 115]))]), 'update-malformed', 'value-tag'],
  ['an embed that is no JSON', update([run(7, 0, rooted(5, s('{a:1}')))]), 'update-malformed', 'json'],
  ['an embed that becomes null when written again', update([run(7, 0, rooted(5, s('1e999')))]), 'update-malformed', 'json'],
  ['an embed that is undefined', update([run(7, 0, rooted(5, s('undefined')))]), 'update-malformed', 'json'],
  ['25 a number of eleven bytes', [1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 0], 'update-malformed', 'varint'],
  ['26 a number in more bytes than it needs', [1, 0x81, 0, 7, 0, 0, 1, 0], 'update-malformed', 'varint'],
  ['28 trailing bytes', [...update([run(7, 0, rooted(4, TEXT))]), 0], 'update-malformed', 'trailing-bytes'],
]

describe('[IN-1] the gate refuses', () => {
  for (const [title, bytes, code, reason] of refused) {
    test(`[IN-1] ${title}: ${reason}`, () => {
      expect(walkUpdate(Uint8Array.from(bytes))).toEqual({ code, reason })
    })
  }
})

const admitted: [title: string, bytes: Uint8Array][] = [
  ['an empty update', update([])],
  ['69 the highest client', update([run(MAX_ID, 0, gc(1))])],
  ['the highest clock', update([run(7, LIMITS.clockMax - 1, gc(1))])],
  ['a deleted stretch of 2^39 clocks, which merged neighbours may reach', update([run(7, 0, gc(2 ** 39))])],
  ['71 a value nested as deep as may be', update([run(7, 0, rooted(8, [1, ...nestedArrays(64)]))])],
  ['71 an embed nested as deep as may be', update([run(7, 0, rooted(5, s('['.repeat(64) + ']'.repeat(64))))])],
  [
    '72 ten thousand types side by side',
    update([run(7, 0, rooted(7, [0]), ...Array.from({ length: 9999 }, (_, i) => after(7, i, 7, [0])))]),
  ],
  ['73 an array of 100,000 elements', update([run(7, 0, rooted(8, [1, 117, ...v(1e5), ...Array.from({ length: 1e5 }, () => 126)]))])],
  ['75 a lone surrogate escaped in JSON', update([run(7, 0, rooted(5, s('"\\ud800"')))])],
  [
    '77 NaN, infinity and minus zero',
    update([run(7, 0, rooted(8, [3, 123, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0, 124, 0x7f, 0x80, 0, 0, 125, 0x40]))]),
  ],
  ['76 a 64-bit integer', update([run(7, 0, rooted(8, [1, 122, 255, 255, 255, 255, 255, 255, 255, 255]))])],
  [
    'an integer of 53 bits, as other Yjs implementations write it',
    update([run(7, 0, rooted(8, [1, 125, 0xbf, 255, 255, 255, 255, 255, 255, 15]))]),
  ],
  ['78 the keys constructor and empty', update([run(7, 0, entry(8, 'constructor', [1, 126]), entry(8, '', [1, 126]))])],
  [
    '80 a subdocument with options of another implementation',
    update([run(7, 0, rooted(9, [...s('g'), 118, 2, ...s('gc'), 120, ...s('encoding'), 122, 0, 0, 0, 0, 0, 0, 0, 0]))]),
  ],
  ['every legacy JSON value', update([run(7, 0, rooted(2, [3, ...s('undefined'), ...s('{"a":-0}'), ...s('"x"')]))])],
  ['a byte order mark as text', update([run(7, 0, rooted(4, s('\ufeff')))])],
]

describe('[IN-1] the gate admits', () => {
  for (const [title, bytes] of admitted) {
    test(`[IN-1] ${title}`, () => {
      factsOf(bytes)
      if (bytes.length < 5000) Y.applyUpdate(new Y.Doc(), bytes)
    })
  }

  test('[IN-1] and counts text in UTF-16 units', () => {
    expect(factsOf(update([run(7, 2, after(7, 1, 4, s('aé中🙂')))])).structs).toEqual([7, 2, 7])
  })

  test('[IN-1] and extracts what an update brings, deletes and needs', () => {
    const facts = factsOf(
      update(
        [run(9, 4, after(7, 5, 4, s('ab')), between([9, 5], [8, 3], 1, [2]), skip(3), gc(2), after(7, 4, 4, s('x'))), run(7, 0, gc(6))],
        [deletes(9, [4, 1], [0, 2]), deletes(5, [1, 1])],
      ),
    )
    expect(facts.structs).toEqual([9, 4, 8, 9, 11, 14, 7, 0, 6])
    expect(facts.structDeletes).toEqual([9, 6, 8, 9, 11, 13, 7, 0, 6])
    expect(facts.deletes).toEqual([9, 4, 5, 9, 0, 2, 5, 1, 2])
    expect(facts.dependencies).toEqual([7, 5, 8, 3, 7, 4])
    expect(facts.dependents).toEqual([9, 4, 9, 6, 9, 13])
    expect(facts.hasSkip).toBe(true)
    expect(facts.isEmpty).toBe(false)
  })

  test('[IN-1] facts can be filled again', () => {
    const facts = factsOf(update([run(9, 4, after(7, 5, 4, s('ab')), skip(1), gc(1))], [deletes(9, [4, 1])]))
    expect(walkUpdate(update([]), facts)).toBe(facts)
    expect(facts).toEqual(new UpdateFacts())
    expect(facts.isEmpty).toBe(true)
  })
})

function longText(length: number): Uint8Array {
  const head = [1, 1, 7, 0, 4, 1, ...s('t'), ...v(length)]
  const bytes = new Uint8Array(head.length + length + 1).fill(120)
  bytes.set(head)
  bytes[bytes.length - 1] = 0
  return bytes
}

describe('[IN-1] the gate is total', () => {
  const histories = [1, 2, 3].map((seed) => randomHistory(new Random(seed), { steps: 30 }))

  test('[IN-1] 52 and 53: every truncation and every single bit flip gives facts or a reason, never a throw', () => {
    let walked = 0
    for (const { docs } of histories) {
      const bytes = Y.encodeStateAsUpdate(docs[0]!)
      for (let length = 0; length < bytes.length; length++) {
        expect(isRefusal(walkUpdate(bytes.subarray(0, length)))).toBe(true)
      }
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice()
        flipped[bit >>> 3]! ^= 1 << (bit & 7)
        const result = walkUpdate(flipped)
        if (isRefusal(result)) expect(result.reason).not.toBe('internal')
        walked++
      }
    }
    expect(walked).toBeGreaterThan(10_000)
  })

  test('[IN-1] 51: no 79 random bytes, read as V2 or not, cost more than their length', () => {
    const random = new Random(51)
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from({ length: 79 }, () => random.below(256))
      const result = walkUpdate(bytes)
      if (isRefusal(result)) expect(result.reason).not.toBe('internal')
    }
  })

  test('[IN-1] 70, 74 and 84: large updates cost no more than their size', () => {
    const large = [
      update([], [deletes(7, ...Array.from({ length: 50_000 }, (_, i) => [2 * (50_000 - i), 1] as const))]),
      longText(10_000_000),
      Uint8Array.from([...v(100_000), ...Array.from({ length: 100_000 }, (_, i) => run(200_000 - i, 0, gc(1))).flat(), 0]),
    ]
    const before = performance.now()
    for (const bytes of large) factsOf(bytes)
    // 12 MB: tens of milliseconds, with two orders of magnitude for a busy machine
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})
