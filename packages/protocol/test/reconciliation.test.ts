// Range reconciliation between two trees, over the real wire form: it finds exactly what differs, ends, and stays within its bounds.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFrame, encodeFrame, encodeMessage } from '../src/codec.ts'
import { DocumentTree } from '../src/document-tree.ts'
import type { DocKey, EpochNonce } from '../src/ids.ts'
import { KEY_END, startOf } from '../src/key-bounds.ts'
import { LIMITS } from '../src/limits.ts'
import type { MessageOf, ReconRange } from '../src/messages.ts'
import { answerRanges, firstRanges, type ReconAnswer } from '../src/reconciliation.ts'
import { rangeHolds, WHOLE_RANGE, type KeyRange } from '../src/scope.ts'
import { hexSource, scopeOf, spaceOf } from './document-keys.ts'
import { MapSource } from './map-source.ts'

interface Side {
  readonly source: MapSource
  readonly tree: DocumentTree
  readonly want: Set<DocKey>
  readonly ask: Set<string>
}

function sideOf(source: MapSource): Side {
  return { source, tree: new DocumentTree(source), want: new Set(), ask: new Set() }
}

interface Round {
  /** RECON payload bytes of each message, in order. */
  readonly bytes: number[]
  readonly ranges: number[]
}

const MESSAGES_MAX = 5000

/** One round, opened by `a`; each message crosses the wire. */
function reconcile(a: Side, b: Side, scope: KeyRange, bytesMax?: number): Round {
  const round: Round = { bytes: [], ranges: [] }
  const from = startOf(scope)
  let ranges: readonly ReconRange[] = firstRanges(a.tree, scope, b.source.keys().filter((key) => rangeHolds(scope, key)).length)
  let needsAnswer = true
  for (let receiver = b; ; receiver = receiver === a ? b : a) {
    const received = cross(round, from, ranges)
    const answer: ReconAnswer = answerRanges(receiver.tree, scope, received.from, received.ranges, bytesMax)!
    for (const key of answer.want) receiver.want.add(key)
    for (const key8 of answer.ask) receiver.ask.add(key8)
    if (!needsAnswer) expect(answer.ranges).toEqual([])
    if (answer.ranges.length === 0) {
      // an answer was due: an empty message ends the round
      if (needsAnswer) cross(round, from, [])
      return round
    }
    ;({ ranges, needsAnswer } = answer)
    if (round.bytes.length > MESSAGES_MAX) throw new Error('the reconciliation does not end')
  }
}

function cross(round: Round, from: string, ranges: readonly ReconRange[]): MessageOf<'recon'> {
  const sent: MessageOf<'recon'> = {
    kind: 'recon',
    channel: 0,
    round: 1,
    first: round.bytes.length === 0,
    nonce: '0123456789abcdef' as EpochNonce,
    seq: 123_456,
    from,
    ranges,
  }
  const encoded = encodeMessage(sent)
  round.bytes.push(encoded.length)
  round.ranges.push(ranges.length)
  const decoded = decodeFrame(encodeFrame([encoded]))
  expect(decoded).toEqual({ ok: true, messages: [sent] })
  return (decoded as { messages: MessageOf<'recon'>[] }).messages[0]!
}

/** What one side needs of the other, by looking at all of both. */
function naive(own: MapSource, other: MapSource, scope: KeyRange): { want: DocKey[]; ask: string[] } {
  const want: DocKey[] = []
  const ask = new Set<string>()
  for (const key of other.keys()) {
    if (!rangeHolds(scope, key) || own.get(key) === other.get(key)) continue
    if (own.get(key) === null) ask.add(key.slice(0, 16))
    else want.push(key)
  }
  return { want, ask: [...ask].toSorted() }
}

function foundBy(side: Side): { want: DocKey[]; ask: string[] } {
  return { want: [...side.want].toSorted(), ask: [...side.ask].toSorted() }
}

/** Two sources that share `common` documents, of which some differ, and have some of their own. */
function sourcesOf(
  seed: number,
  collections: number,
  tails: number,
  [common, differing, onlyA, onlyB]: readonly number[],
): { a: MapSource; b: MapSource; space: ReturnType<typeof spaceOf> } {
  const space = spaceOf(seed, common! + differing! + onlyA! + onlyB!, collections, tails)
  const a = new MapSource()
  const b = new MapSource()
  space.keys.forEach((key, i) => {
    const digest = space.digest()
    if (i < common! + differing! + onlyA!) a.set(key, digest)
    if (i < common!) b.set(key, digest)
    else if (i < common! + differing! || i >= common! + differing! + onlyA!) b.set(key, space.digest())
  })
  return { a, b, space }
}

const sizes = fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 40 }), fc.nat({ max: 60 }), fc.nat({ max: 60 }))
const skewed = fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 5 }), fc.nat({ max: 900 }), fc.nat({ max: 5 }))
const seed = fc.integer({ min: 1 })
const collections = fc.constantFrom(1, 2, 10, 1000)

test('[CV-2] both sides find exactly what differs, for random sets, scopes and message limits (I11)', () => {
  fc.assert(
    fc.property(
      seed,
      collections,
      fc.oneof(sizes, skewed),
      fc.nat(),
      fc.constantFrom(undefined, 64, 200, 2000),
      (random, spread, counts, choice, bytesMax) => {
        const { a, b, space } = sourcesOf(random, spread, 0, counts)
        const scope = scopeOf(space, choice)
        const [left, right] = [sideOf(a), sideOf(b)]
        reconcile(left, right, scope, bytesMax)
        expect(foundBy(left)).toEqual(naive(a, b, scope))
        expect(foundBy(right)).toEqual(naive(b, a, scope))
      },
    ),
    { numRuns: 200 },
  )
})

test('[CV-2] documents that share a key8 are found too: each is wanted, or asked for by its key8 (I11)', () => {
  fc.assert(
    fc.property(
      seed,
      fc.constantFrom(1, 2),
      fc.constantFrom(1, 3, 20),
      sizes,
      fc.constantFrom(undefined, 64),
      (random, spread, tails, counts, bytesMax) => {
        const { a, b } = sourcesOf(random, spread, tails, counts)
        const [left, right] = [sideOf(a), sideOf(b)]
        reconcile(left, right, WHOLE_RANGE, bytesMax)
        for (const [side, other] of [
          [left, right],
          [right, left],
        ] as const) {
          for (const key of naive(side.source, other.source, WHOLE_RANGE).want) expect(side.want).toContain(key)
          for (const key8 of naive(side.source, other.source, WHOLE_RANGE).ask)
            expect(side.ask.has(key8) || [...side.want].some((key) => key.startsWith(key8))).toBe(true)
        }
      },
    ),
  )
})

test('[CV-2] equal sides say nothing after the opening but that it is over', () => {
  for (const documents of [0, 1, 16, 17, 5000]) {
    const { a } = sourcesOf(3, 4, 0, [documents, 0, 0, 0])
    expect(reconcile(sideOf(a), sideOf(a), WHOLE_RANGE).bytes).toHaveLength(2)
  }
})

test('[CV-2] an empty side learns of every document in messages that stay within a frame', () => {
  const { a, b } = sourcesOf(4, 3, 0, [0, 0, 30_000, 0])
  for (const [first, second] of [
    [a, b],
    [b, a],
  ] as const) {
    const [left, right] = [sideOf(first), sideOf(second)]
    const round = reconcile(left, right, WHOLE_RANGE)
    const empty = first === b ? left : right
    expect(empty.ask.size).toBe(30_000)
    expect(Math.max(...round.bytes)).toBeLessThan(LIMITS.frameTargetBytes + 100_000)
    console.log(`reconciliation, 30,000 documents against none: ${round.bytes.length} messages, ${sum(round.bytes)} bytes`)
  }
})

test('[CV-2] two sides with nothing in common find everything, and no message outgrows its limits', () => {
  const { a, b } = sourcesOf(8, 5, 0, [0, 0, 12_000, 12_000])
  const [left, right] = [sideOf(a), sideOf(b)]
  const round = reconcile(left, right, WHOLE_RANGE)
  expect([left.ask.size, right.ask.size]).toEqual([12_000, 12_000])
  expect(Math.max(...round.bytes)).toBeLessThan(LIMITS.frameTargetBytes + 100_000)
  expect(Math.max(...round.ranges)).toBeLessThanOrEqual(LIMITS.rangesPerReconMax)
  console.log(`reconciliation, 12,000 documents against 12,000 others: ${round.bytes.length} messages, ${sum(round.bytes)} bytes`)
})

test('[CV-2] ranges that do not ascend, leave the scope or hold items of elsewhere are malformed', () => {
  const { a, space } = sourcesOf(9, 1, 0, [100, 0, 0, 0])
  const tree = new DocumentTree(a)
  const scope = {
    first: (space.keys[0]!.slice(0, 8) + '0'.repeat(24)) as DocKey,
    last: (space.keys[0]!.slice(0, 8) + 'f'.repeat(24)) as DocKey,
  }
  const collection = space.keys[0]!.slice(0, 8)
  const skip = (to: string): ReconRange => ({ to, kind: 'skip' })
  const items = (to: string, ...keys8: string[]): ReconRange => ({
    to,
    kind: 'items',
    items: keys8.map((key8) => ({ key8, digest8: '0'.repeat(16) })),
  })
  const at = startOf(scope)
  const inside = (digits: string): string => collection + digits
  expect(answerRanges(tree, scope, at, [skip(inside('2')), skip(inside('4'))])).toEqual({
    ranges: [],
    needsAnswer: false,
    want: [],
    ask: [],
  })
  expect(answerRanges(tree, scope, at, [])).toEqual({ ranges: [], needsAnswer: false, want: [], ask: [] })
  const malformed: [string, ReconRange[]][] = [
    [at, [skip(inside('4')), skip(inside('2'))]],
    [at, [skip(inside('4')), skip(inside('4'))]],
    [at, [skip('g')]],
    [at, [skip(inside('40'))]],
    [at, [skip('not hex')]],
    ['', [skip(inside('4'))]],
    ['zz', [skip(inside('4'))]],
    [inside('5'), [skip(inside('4'))]],
    [at, [items(inside('4'), inside('40000000'))]],
    [inside('2'), [items(inside('4'), inside('10000000'))]],
    [at, [items(inside('4'), inside('20000000'), inside('10000000'))]],
  ]
  for (const [from, ranges] of malformed) expect(answerRanges(tree, scope, from, ranges), JSON.stringify([from, ranges])).toBe(null)
})

test('[IN-1] ranges from a liar are answered or refused, in bounded messages, and cost at most one pass over the documents', () => {
  const { a, space } = sourcesOf(10, 3, 0, [3000, 0, 0, 0])
  const hex = hexSource(11)
  const tree = new DocumentTree(a)
  tree.ensureBuilt()
  const bounds = Array.from(
    { length: LIMITS.rangesPerReconMax - 1 },
    () => space.keys[parseInt(hex(4), 16) % 3000]!.slice(0, 12) + hex(3) + '1',
  )
  const ranges = [...new Set(bounds)].toSorted().map((to): ReconRange => ({ to, kind: 'fingerprint', fingerprint8: hex(16) }))
  a.reads = 0
  const answer = answerRanges(tree, WHOLE_RANGE, '', ranges)!
  expect(answer.ranges.length).toBeLessThanOrEqual(LIMITS.rangesPerReconMax)
  expect(a.reads).toBeLessThan(1000)
})

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

const distributions: readonly [name: string, collections: number][] = [
  ['one collection', 1],
  ['1,000 collections', 1000],
  ['100,000 collections', 100_000],
]

for (const [name, spread] of distributions) {
  test(`[CV-2] 100,000 documents in ${name}, 50 or 1 of them different: at most 27 KB or 12 KB in at most 4 messages`, () => {
    const documents = spaceOf(spread + 12, 100_000, spread)
    const a = new MapSource(documents.keys.map((key) => [key, documents.digest()] as const))
    const b = new MapSource(documents.keys.map((key) => [key, a.get(key)!] as const))
    const [left, right] = [sideOf(a), sideOf(b)]
    const keys = a.keys().length
    const startMs = performance.now()
    left.tree.ensureBuilt()
    const buildMs = performance.now() - startMs
    expect(left.tree.summary('', KEY_END).count).toBe(keys)
    right.tree.ensureBuilt()
    for (const [differing, bytesMax] of [
      [1, 12_000],
      [50, 27_000],
    ] as const) {
      const changed = new Set(Array.from({ length: differing }, (_, i) => documents.keys[(i * 1999 + differing) % 100_000]!))
      for (const key of changed) {
        const before = b.get(key)
        b.set(key, documents.digest())
        right.tree.update(key, before, b.get(key))
      }
      left.want.clear()
      right.want.clear()
      const round = reconcile(left, right, WHOLE_RANGE)
      console.log(
        `reconciliation, 100,000 documents in ${name}, ${differing} different: ${sum(round.bytes)} bytes in ${round.bytes.length} messages (${round.bytes.join(' + ')}), build ${buildMs.toFixed(0)} ms`,
      )
      expect([left.want, right.want]).toEqual([changed, changed])
      expect(sum(round.bytes)).toBeLessThanOrEqual(bytesMax)
      expect(round.bytes.length).toBeLessThanOrEqual(4)
      for (const key of changed) {
        const before = b.get(key)
        b.set(key, a.get(key))
        right.tree.update(key, before, b.get(key))
      }
    }
  }, 120_000)
}
