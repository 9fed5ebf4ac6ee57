// Compaction and diffs from bytes, case by case, on updates written out by hand. That they agree with Yjs in general is the fuzz's business (test/fuzz).

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { compactBytes, diffBytes } from '../src/byte-compactor.ts'
import { after, between, deletes, entry, gc, inside, rooted, run, s, skip, update, v } from './update-bytes.ts'

const DELETED = 1
const STRING = 4
const TYPE = 7
const ANY = 8
const text = (value: string): number[] => s(value)
const any = (...numbers: number[]): number[] => [...v(numbers.length), ...numbers.flatMap((number) => [125, number])]
const ARRAY = v(0)

function compacted(...updates: Uint8Array[]): Uint8Array | null {
  return compactBytes(updates)?.update ?? null
}

/** What a Y.Doc that loads them encodes. */
function throughDoc(...updates: Uint8Array[]): Uint8Array {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const bytes of updates) Y.applyUpdate(doc, bytes)
  })
  return Y.encodeStateAsUpdate(doc)
}

describe('[I4] compaction from bytes', () => {
  test('[I4] typing becomes one item, in clock order, whatever the order of its updates', () => {
    const letters = [
      update([run(5, 0, rooted(STRING, text('a')))]),
      update([run(5, 1, after(5, 0, STRING, text('b')))]),
      update([run(5, 2, after(5, 1, STRING, text('é')))]),
    ]
    const whole = update([run(5, 0, rooted(STRING, text('abé')))])
    expect(compacted(...letters)).toEqual(whole)
    expect(compacted(letters[2]!, letters[0]!, letters[1]!)).toEqual(whole)
    expect(compacted(whole)).toEqual(whole)
  })

  test('[I4] neighbours stay apart where origin, right origin or kind differ', () => {
    const apart = update([
      run(
        5,
        0,
        rooted(STRING, text('ab')),
        after(5, 0, STRING, text('c')),
        between([5, 2], [5, 1], STRING, text('d')),
        between([5, 3], [5, 1], ANY, any(7)),
      ),
    ])
    expect(compacted(apart)).toEqual(apart)
  })

  test('[I4] values are joined and cut at what is deleted, which leaves its length', () => {
    const stored = [
      update([run(5, 0, rooted(ANY, any(1, 2)))]),
      update([run(5, 2, after(5, 1, ANY, any(3, 4)))]),
      update([], [deletes(5, [1, 1])]),
      update([], [deletes(5, [2, 1])]),
    ]
    const expected = update([run(5, 0, rooted(ANY, any(1)), after(5, 0, DELETED, v(2)), after(5, 2, ANY, any(4)))], [deletes(5, [1, 2])])
    expect(compacted(...stored)).toEqual(expected)
    expect(throughDoc(...stored)).toEqual(expected)
  })

  test('[I4] half a surrogate pair that is left is written as Yjs writes it', () => {
    const stored = [update([run(5, 0, rooted(STRING, text('a🙂b🙂')))]), update([], [deletes(5, [2, 1], [4, 1])])]
    expect(compacted(...stored)).toEqual(throughDoc(...stored))
  })

  test('[I4] children of a deleted type are collected, whoever wrote them, and what stood beside them', () => {
    const stored = [
      update([run(5, 0, rooted(TYPE, ARRAY), inside(5, 0, ANY, any(1, 2)))]),
      update([run(7, 0, after(5, 2, ANY, any(3)), between([5, 1], [5, 2], TYPE, ARRAY), inside(7, 1, STRING, text('deep')))]),
      update([], [deletes(7, [0, 6]), deletes(5, [0, 3])]),
    ]
    const expected = update([run(7, 0, gc(6)), run(5, 0, rooted(DELETED, v(1)), gc(2))], [deletes(7, [0, 6]), deletes(5, [0, 3])])
    expect(compacted(...stored)).toEqual(expected)
    expect(throughDoc(...stored)).toEqual(expected)
  })

  test('[I4] of ids that two updates hold, the earlier ones count, and the rest of the later ones', () => {
    const stored = [
      update([run(5, 0, rooted(STRING, text('abc')))]),
      update([run(5, 1, after(5, 0, STRING, text('bcde')))]),
      update([run(5, 0, rooted(STRING, text('ab')))]),
    ]
    expect(compacted(...stored)).toEqual(update([run(5, 0, rooted(STRING, text('abcde')))]))
    // ids that were given twice: what Yjs would apply first
    const forked = ['ab', 'xyz', 'qr'].map((letters) => update([run(5, 0, rooted(STRING, text(letters)))]))
    expect(compacted(...forked)).toEqual(update([run(5, 0, rooted(STRING, text('abz')))]))
  })

  test('[I4] what came as deleted content is in the delete set, whether the update that brought it said so or not', () => {
    const stored = [update([run(5, 0, rooted(DELETED, v(2)), after(5, 1, STRING, text('a')))])]
    expect(compacted(...stored)).toEqual(update([run(5, 0, rooted(DELETED, v(2)), after(5, 1, STRING, text('a')))], [deletes(5, [0, 2])]))
    expect(compacted(...stored)).toEqual(throughDoc(...stored))
  })

  test('[I4] nothing at all, and deletes alone of what is there', () => {
    expect(compacted()).toEqual(update([]))
    expect(compacted(update([run(5, 0, gc(3))], [deletes(5, [0, 3])]), update([], [deletes(5, [1, 1])]))).toEqual(
      update([run(5, 0, gc(3))], [deletes(5, [0, 3])]),
    )
  })

  test.each([
    ['a gap', [update([run(5, 1, rooted(STRING, text('b')))])]],
    ['a gap that is named', [update([run(5, 0, rooted(STRING, text('a')), skip(1), rooted(STRING, text('b')))])]],
    ['a delete of what is not there', [update([run(5, 0, rooted(STRING, text('a')))], [deletes(5, [0, 2])])]],
    ['an origin that is not there', [update([run(5, 0, gc(1), after(6, 0, STRING, text('a')))])]],
    ['a live child of a deleted type', [update([run(5, 0, rooted(TYPE, ARRAY), inside(5, 0, ANY, any(1)))], [deletes(5, [0, 1])])]],
    ['two live entries of one key', [update([run(7, 0, entry(ANY, 'k', any(1))), run(5, 0, entry(ANY, 'k', any(2)))])]],
    [
      'neighbours in two lists',
      [update([run(5, 0, entry(TYPE, 'k', ARRAY), inside(5, 0, ANY, any(1)), rooted(ANY, any(2)), between([5, 1], [5, 2], ANY, any(3)))])],
    ],
    ['bytes that the gate refuses', [Uint8Array.of(1, 1, 5)]],
  ])('[I4] is left to a Y.Doc: %s', (_, stored) => {
    expect(compactBytes(stored)).toBeNull()
    expect(diffBytes(stored, null)).toBeNull()
  })
})

describe('[CV-1] a diff from bytes', () => {
  const stored = [
    update([run(7, 0, rooted(STRING, text('x'))), run(5, 0, rooted(STRING, text('ab')))]),
    update([run(5, 2, after(5, 1, STRING, text('🙂c')))]),
    update([], [deletes(7, [0, 1])]),
  ]

  test.each([
    ['nothing', new Map<number, number>()],
    ['one client', new Map([[7, 1]])],
    [
      'part of an item',
      new Map([
        [7, 1],
        [5, 1],
      ]),
    ],
    ['half a pair', new Map([[5, 3]])],
    [
      'everything',
      new Map([
        [7, 1],
        [5, 5],
      ]),
    ],
    [
      'more than there is',
      new Map([
        [9, 4],
        [5, 99],
      ]),
    ],
  ])('[CV-1] holds what Yjs would send to a peer that has %s', (_, has) => {
    const doc = new Y.Doc()
    for (const bytes of stored) Y.applyUpdate(doc, bytes)
    const vector = Uint8Array.from([...v(has.size), ...[...has].flatMap((pair) => pair.flatMap(v))])
    expect(diffBytes(stored, has)).toEqual(Y.encodeStateAsUpdate(doc, vector))
  })

  test('[CV-1] takes the deletes it is given in place of all', () => {
    expect(
      diffBytes(
        stored,
        new Map([
          [7, 1],
          [5, 5],
        ]),
        [],
      ),
    ).toEqual(update([]))
    expect(
      diffBytes(
        stored,
        new Map([
          [7, 1],
          [5, 5],
        ]),
        [5, 0, 1, 5, 3, 4],
      ),
    ).toEqual(update([], [deletes(5, [0, 1], [3, 1])]))
  })
})
