// The document tree: its sums are those of its documents, however it grew, and its cuts tile a range evenly.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { documentPoint, Sum128 } from '../src/digest.ts'
import { DocumentTree } from '../src/document-tree.ts'
import type { Digest, DocKey } from '../src/ids.ts'
import { boundAfter, boundBetween, boundOf, isKeyBound, KEY_END, startOf, endOf, type KeyBound } from '../src/key-bounds.ts'
import { scopeRange, WHOLE_RANGE, rangeHolds, type KeyRange } from '../src/scope.ts'
import { docKeyOf, parseDocId, DEFAULT_SPACE } from '../src/ids.ts'
import { boundIn, spaceOf, type Space } from './document-keys.ts'
import { MapSource, PackedMapSource } from './map-source.ts'

const anySpace = fc
  .record({
    seed: fc.integer({ min: 1 }),
    count: fc.nat({ max: 400 }),
    collections: fc.constantFrom(1, 2, 7, 100),
    tails: fc.constantFrom(0, 0, 3),
  })
  .map(({ seed, count, collections, tails }) => spaceOf(seed, count, collections, tails))

function sourceOf(space: Space): MapSource {
  return new MapSource(space.keys.map((key) => [key, space.digest()] as const))
}

function naive(source: MapSource, lower: KeyBound, upper: KeyBound): { count: number; sum: string } {
  const sum = new Sum128()
  const keys = source
    .keys()
    .filter((key) => key.padEnd(32, '0') >= lower.padEnd(32, '0') && (upper === KEY_END || key < upper.padEnd(32, '0')))
  for (const key of keys) sum.add(documentPoint(key, source.get(key)!))
  return { count: keys.length, sum: sum.toHex() }
}

function summaryOf(tree: DocumentTree, lower: KeyBound, upper: KeyBound): { count: number; sum: string } {
  const { count, sum } = tree.summary(lower, upper)
  return { count, sum: sum.toHex() }
}

test('[CV-2] the summary of any key range is that of its documents', () => {
  fc.assert(
    fc.property(
      anySpace.chain((space) =>
        fc.record({
          space: fc.constant(space),
          bounds: fc.array(fc.tuple(boundIn(space), fc.oneof(boundIn(space), fc.constant(KEY_END))), { minLength: 1, maxLength: 20 }),
        }),
      ),
      ({ space, bounds }) => {
        const source = sourceOf(space)
        const tree = new DocumentTree(source)
        for (const [lower, upper] of bounds) expect(summaryOf(tree, lower, upper)).toEqual(naive(source, lower, upper))
        expect(summaryOf(tree, '', KEY_END)).toEqual(naive(source, '', KEY_END))
        expect(tree.docs('', KEY_END, 1e6).map(({ key }) => key)).toEqual(source.keys())
      },
    ),
  )
})

test('[CV-2] a tree that followed every change equals one built afresh, whenever it was read between', () => {
  const change = fc.record({ at: fc.nat(), what: fc.constantFrom('put', 'put', 'put', 'drop', 'read'), upper: fc.nat() })
  fc.assert(
    fc.property(anySpace, fc.nat({ max: 60 }), fc.array(change, { maxLength: 500 }), (space, present, changes) => {
      fc.pre(space.keys.length > 0)
      const source = new MapSource(space.keys.slice(0, present).map((key) => [key, space.digest()] as const))
      const tree = new DocumentTree(source)
      tree.ensureBuilt()
      for (const { at, what, upper } of changes) {
        const key = space.keys[at % space.keys.length]!
        if (what === 'read') {
          const bounds = [boundOf(key), boundOf(space.keys[upper % space.keys.length]!.slice(0, upper % 20))].toSorted()
          expect(summaryOf(tree, bounds[0]!, bounds[1]!)).toEqual(naive(source, bounds[0]!, bounds[1]!))
        } else {
          const before = source.get(key)
          source.set(key, what === 'put' ? space.digest() : null)
          tree.update(key, before, source.get(key))
        }
      }
      const fresh = new DocumentTree(source)
      for (const [lower, upper] of [
        ['', KEY_END],
        ['', '8'],
        ['8', KEY_END],
        ...space.keys.slice(0, 9).map((key) => ['', boundOf(key)]),
      ] as [string, string][]) {
        expect(summaryOf(tree, lower, upper)).toEqual(summaryOf(fresh, lower, upper))
      }
      expect(tree.docs('', KEY_END, 1e6).map(({ key }) => key)).toEqual(source.keys())
    }),
  )
})

test('[CV-2] reads between a commit and its announcement leave no trace in the tree', () => {
  const space = spaceOf(5, 320, 3)
  const source = new MapSource(space.keys.slice(0, 40).map((key) => [key, space.digest()] as const))
  const tree = new DocumentTree(source)
  tree.ensureBuilt()
  for (let from = 40; from < 320; from += 70) {
    const batch = space.keys.slice(from, from + 70)
    for (const key of batch) source.set(key, space.digest())
    for (const key of batch) {
      tree.summary('', boundOf(key))
      tree.cuts('', KEY_END, 16)
      tree.update(key, null, source.get(key))
    }
  }
  const fresh = new DocumentTree(source)
  for (const key of space.keys) expect(summaryOf(tree, '', boundOf(key))).toEqual(summaryOf(fresh, '', boundOf(key)))
})

test('[CV-2] an update before the tree is built, or after a reset, is not counted twice', () => {
  const space = spaceOf(6, 100, 1)
  const source = sourceOf(space)
  const tree = new DocumentTree(source)
  tree.update(space.keys[0]!, null, source.get(space.keys[0]!))
  expect(tree.built).toBe(false)
  expect(tree.summary('', KEY_END).count).toBe(100)
  expect(tree.built).toBe(true)
  tree.reset()
  tree.update(space.keys[0]!, source.get(space.keys[0]!), null)
  expect(tree.summary('', KEY_END).count).toBe(100)
})

test('[CV-2] a tree built from packed pieces has each document once, as it was announced last, whatever was stored, announced or read before', () => {
  const change = fc.record({ at: fc.nat(), what: fc.constantFrom('store', 'store', 'store', 'announce', 'build'), by: fc.nat({ max: 60 }) })
  const damage = fc.constantFrom(false, false, true)
  fc.assert(
    fc.property(anySpace, fc.nat({ max: 400 }), damage, fc.array(change, { maxLength: 200 }), (space, present, damages, changes) => {
      fc.pre(space.keys.length > 0)
      const source = new PackedMapSource(space.keys.slice(0, present).map((key) => [key, space.digest()] as const))
      source.damages = damages
      const tree = new DocumentTree(source)
      const waiting: DocKey[] = []
      for (const { at, what, by } of changes) {
        const key = space.keys[at % space.keys.length]!
        if (what === 'build') tree.build(1 + by)
        else if (what === 'announce') {
          for (const one of waiting.splice(0)) {
            const before = source.announced.get(one)
            source.announced.set(one, source.stored.get(one))
            tree.update(one, before, source.announced.get(one))
          }
        } else if (!waiting.includes(key)) {
          source.store(key, by === 0 ? null : space.digest())
          waiting.push(key)
        }
      }
      tree.ensureBuilt()
      // Nothing is read again, unless something is damaged.
      if (!damages) expect(source.announced.reads).toBe(0)
      expect(tree.summary('', KEY_END).sum.toHex()).toBe(source.root())
      const fresh = new DocumentTree(source.announced)
      for (const key of space.keys) expect(summaryOf(tree, '', boundOf(key))).toEqual(summaryOf(fresh, '', boundOf(key)))
    }),
  )
})

test('[CV-2] a large tree is built in small steps, and reads no page', () => {
  const space = spaceOf(9, 30_000, 3)
  const source = new PackedMapSource(space.keys.map((key) => [key, space.digest()] as const))
  const tree = new DocumentTree(source)
  let steps = 0
  for (; !tree.built; steps++) tree.build(64)
  expect(steps).toBeGreaterThan(100)
  expect(source.announced.reads).toBe(0)
  expect(tree.cuts('', KEY_END, 40)).toEqual(new DocumentTree(source.announced).cuts('', KEY_END, 40))
})

/** A source some of whose documents are hidden. */
class VeiledSource extends MapSource {
  readonly veiled = new Set<DocKey>()

  override docs(range: KeyRange, limit: number, after?: DocKey): { key: DocKey; digest: Digest; hidden: boolean }[] {
    return super.docs(range, limit, after).map((doc) => ({ ...doc, hidden: this.veiled.has(doc.key) }))
  }

  /** The documents that show, as a source of their own. */
  shown(): MapSource {
    return new MapSource(this.keys().flatMap((key) => (this.veiled.has(key) ? [] : [[key, this.get(key)!] as const])))
  }
}

test('[AU-2] a tree with hidden documents, built in pieces while documents change, says what a tree without them says', () => {
  const change = fc.record({
    at: fc.nat(),
    what: fc.constantFrom('put', 'put', 'drop', 'veil', 'build', 'read'),
    upper: fc.nat({ max: 200 }),
  })
  const veils = fc.constantFrom(0, 30, 50, 97, 100)
  fc.assert(
    fc.property(anySpace, fc.nat({ max: 400 }), veils, fc.array(change, { maxLength: 300 }), (space, present, percent, changes) => {
      fc.pre(space.keys.length > 0)
      const source = new VeiledSource(space.keys.slice(0, present).map((key) => [key, space.digest()] as const))
      for (const key of space.keys) if (parseInt(key.slice(-4), 16) % 100 < percent) source.veiled.add(key)
      const tree = new DocumentTree(source)
      tree.build(1)
      for (const { at, what, upper } of changes) {
        const key = space.keys[at % space.keys.length]!
        const before = source.get(key)
        const hidden = source.veiled.has(key)
        if (what === 'build') tree.build(1 + (upper % 60))
        else if (what === 'read' && tree.built) {
          const bounds = [boundOf(key), boundOf(space.keys[upper % space.keys.length]!.slice(0, upper % 20))].toSorted()
          expect(summaryOf(tree, bounds[0]!, bounds[1]!)).toEqual(naive(source.shown(), bounds[0]!, bounds[1]!))
        } else if (what === 'veil' && before !== null) {
          if (hidden) source.veiled.delete(key)
          else source.veiled.add(key)
          tree.show(key, hidden ? null : before, hidden ? before : null)
        } else if (what === 'put' || what === 'drop') {
          source.set(key, what === 'put' ? space.digest() : null)
          const after = source.get(key)
          if (!hidden) tree.update(key, before, after)
          else if ((before === null) !== (after === null)) tree.updateHidden(key, after === null ? -1 : 1)
        }
      }
      const plain = new DocumentTree(source.shown())
      tree.ensureBuilt()
      expect(tree.docs('', KEY_END, 1e6).map(({ key }) => key)).toEqual(source.shown().keys())
      for (const parts of [1, 7, 40]) {
        for (const upper of tree.cuts('', KEY_END, parts)) expect(summaryOf(tree, '', upper)).toEqual(summaryOf(plain, '', upper))
      }
    }),
  )
})

test('[AU-2] however much is hidden, a short range is read in few rows, and what shows alone decides where is cut', () => {
  const space = spaceOf(8, 20_000, 1)
  const source = new VeiledSource(space.keys.map((key) => [key, space.digest()] as const))
  for (const key of space.keys.slice(10)) source.veiled.add(key)
  const tree = new DocumentTree(source)
  tree.ensureBuilt()
  let rows = 0
  const counted = source.docs.bind(source)
  source.docs = (...how) => {
    const page = counted(...how)
    rows += page.length
    return page
  }
  for (const key of space.keys.slice(0, 10)) {
    rows = 0
    expect(tree.docs(boundOf(key), KEY_END, 1).map((doc) => doc.key)).toEqual([key])
    expect(rows).toBeLessThanOrEqual(48)
  }
  expect(tree.cuts('', KEY_END, 10)).toEqual(new DocumentTree(source.shown()).cuts('', KEY_END, 10))
})

test('[CV-2] cuts tile a range, at most twice as many as asked for, of two neighbours not both small, and never between two keys of one key8', () => {
  fc.assert(
    fc.property(anySpace, fc.integer({ min: 1, max: 300 }), (space, parts) => {
      const source = sourceOf(space)
      const tree = new DocumentTree(source)
      const cuts = tree.cuts('', KEY_END, parts)
      expect(cuts.at(-1)).toBe(KEY_END)
      const counts = cuts.map((upper, i) => {
        const lower = cuts[i - 1] ?? ''
        expect(lower < upper && isKeyBound(upper)).toBe(true)
        const inside = source.keys().filter((key) => key >= lower && key < upper)
        const next = source.keys().find((key) => key >= upper)
        if (next) expect(inside.at(-1)!.slice(0, 16)).not.toBe(next.slice(0, 16))
        return inside.length
      })
      const target = space.keys.length / parts
      expect(counts.length).toBeLessThanOrEqual(2 * parts + 1)
      for (let i = 1; i < counts.length; i++) expect(counts[i - 1]! + counts[i]!).toBeGreaterThanOrEqual(target)
    }),
  )
})

test('[CV-2] keys of one collection are cut evenly although they share their first 8 digits', () => {
  const tree = new DocumentTree(sourceOf(spaceOf(7, 5000, 1)))
  const cuts = tree.cuts('', KEY_END, 256)
  const counts = cuts.map((upper, i) => tree.summary(cuts[i - 1] ?? '', upper).count)
  expect(cuts.length).toBeGreaterThan(200)
  expect(Math.max(...counts)).toBeLessThan(50)
})

test('[CV-2] bounds stand between keys, and an inclusive range becomes a half-open one', () => {
  expect([boundAfter(''), boundAfter('ff'), boundAfter('0f'), boundAfter('a9'), boundAfter('af')]).toEqual([
    KEY_END,
    KEY_END,
    '1',
    'aa',
    'b',
  ])
  expect([boundOf('ab00'), boundOf('000'), boundOf('a0b')]).toEqual(['ab', '', 'a0b'])
  expect(['', 'a', 'a0', 'A', 'x', KEY_END, 'gg', 'f'.repeat(32), 'f'.repeat(33)].map(isKeyBound)).toEqual([
    true,
    true,
    false,
    false,
    false,
    true,
    false,
    true,
    false,
  ])
  expect([startOf(WHOLE_RANGE), endOf(WHOLE_RANGE)]).toEqual(['', KEY_END])
  fc.assert(
    fc.property(anySpace, (space) => {
      const keys = space.keys.toSorted()
      for (let i = 1; i < keys.length; i++) {
        const bound = boundBetween(keys[i - 1]!, keys[i]!)
        if (bound === null) expect(keys[i - 1]!.slice(0, 16)).toBe(keys[i]!.slice(0, 16))
        else expect(keys[i - 1]! < bound && keys[i]!.padEnd(32, '0') >= bound && isKeyBound(bound)).toBe(true)
      }
    }),
  )
  const doc = parseDocId('note/1')
  for (const scope of [{ kind: 'space' }, { kind: 'collection', collection: 'note' }, { kind: 'document', doc }] as const) {
    const range = scopeRange(DEFAULT_SPACE, scope)
    for (const key of [range.first, range.last, docKeyOf(DEFAULT_SPACE, doc), '0'.repeat(32) as DocKey, 'f'.repeat(32) as DocKey]) {
      expect(key >= startOf(range) && key < endOf(range)).toBe(rangeHolds(range, key))
    }
  }
})
