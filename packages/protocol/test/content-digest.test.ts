// The content digest: the same for the same document however it is carried, another one for a planted fork, which is named.

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { contentDigest, firstDifference } from '../src/content-digest.ts'
import { toHex } from '../src/hex.ts'
import { Random } from './random.ts'
import { after, deletes, entry, gc, rooted, run, s, skip, update } from './update-bytes.ts'
import { randomHistory, syncAll } from './yjs-history.ts'
import { visibleContent } from './visible-content.ts'

const hex = (state: Uint8Array | readonly Uint8Array[]): string => toHex(contentDigest(state) ?? new Uint8Array(0))

function loaded(updates: readonly Uint8Array[], gc: boolean): Y.Doc {
  const doc = new Y.Doc({ gc })
  for (const bytes of updates) Y.applyUpdate(doc, bytes)
  return doc
}

describe('[CV-3] the content digest is equal', () => {
  for (const midPair of [false, true]) {
    test(`[CV-3] for any carriage of a random document${midPair ? ' with edits between the halves of astral characters' : ''}`, () => {
      for (let seed = 0; seed < 40; seed++) {
        const random = new Random(seed)
        const { events } = randomHistory(random, { steps: 40, midPair, sync: 'log' })
        const updates = events.map(({ update }) => update)
        const docs = [
          loaded(updates, true),
          loaded(updates, false),
          loaded([Y.mergeUpdates(updates)], true),
          loaded(random.shuffle(updates), true),
          loaded(random.shuffle(updates), false),
        ]
        // Yjs may derive deletes at load: bring all to the same knowledge
        syncAll(docs)
        const all = [...updates, ...docs.map((doc) => Y.encodeStateAsUpdate(doc, Y.encodeStateVector(doc)))]
        const states = docs.map((doc) => Y.encodeStateAsUpdate(doc))
        const digests = new Set([
          ...states.map(hex),
          hex(Y.mergeUpdates(all)),
          hex(all),
          hex(random.shuffle(all)),
          hex(Y.convertUpdateFormatV2ToV1(Y.convertUpdateFormatV1ToV2(states[0]!))),
        ])
        expect({ seed, digests: digests.size, contents: new Set(docs.map(visibleContent)).size }).toEqual({ seed, digests: 1, contents: 1 })
        expect(hex(states[0]!)).not.toBe('')
        expect(firstDifference(states[0]!, all)).toBeNull()
      }
    })
  }

  const carried = (ref: number, content: readonly number[]): Uint8Array => update([run(7, 0, rooted(ref, content))])
  const pairs: [title: string, a: Uint8Array, b: Uint8Array][] = [
    [
      'for collected, emptied and merely deleted structs',
      update([run(7, 0, gc(3))]),
      update([run(7, 0, rooted(4, s('ab')), rooted(1, [1]))], [deletes(7, [0, 2])]),
    ],
    [
      'for one text and for its characters',
      carried(4, s('abc')),
      update([run(7, 0, rooted(4, s('a')), after(7, 0, 4, s('b')), after(7, 1, 4, s('c')))]),
    ],
    ['for one number in any form', carried(8, [1, 125, 5]), carried(8, [1, 123, 0x40, 0x14, 0, 0, 0, 0, 0, 0])],
    ['for 32 and 64 bits of a fraction', carried(8, [1, 124, 0x3f, 0, 0, 0]), carried(8, [1, 123, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0])],
    ['for keys in any order', carried(8, [1, 118, 2, 1, 97, 126, 1, 98, 120]), carried(8, [1, 118, 2, 1, 98, 120, 1, 97, 126])],
    [
      'for a key that is written twice, of which Yjs keeps the last',
      carried(8, [1, 118, 2, 1, 97, 126, 1, 97, 120]),
      carried(8, [1, 118, 1, 1, 97, 120]),
    ],
    ['for JSON however it is spaced', carried(5, s('{"a":1,"b":[-0]}')), carried(5, s('{ "b":[0.0], "a":1e0 }'))],
    [
      'for subdocument options that Yjs does not keep',
      carried(9, [...s('g'), 118, 2, ...s('gc'), 120, ...s('encoding'), 125, 1]),
      carried(9, [...s('g'), 118, 0]),
    ],
  ]
  for (const [title, a, b] of pairs) {
    test(`[CV-3] ${title}`, () => {
      expect(hex(a)).not.toBe('')
      expect(hex(a)).toBe(hex(b))
    })
  }
})

describe('[CV-3] a fork is seen and named', () => {
  const base = rooted(4, s('0123456789'))
  const forks: [title: string, a: Uint8Array, b: Uint8Array, from: number, to: number][] = [
    [
      'another text of equal length',
      update([run(7, 0, base, after(7, 9, 4, s('AAAA')))]),
      update([run(7, 0, base, after(7, 9, 4, s('ABBA')))]),
      11,
      13,
    ],
    [
      'one of two texts that were one',
      update([run(7, 0, rooted(4, s('abcdef')))]),
      update([run(7, 0, rooted(4, s('abc')), after(7, 2, 4, s('dXf')))]),
      4,
      5,
    ],
    [
      'the same text at another place',
      update([run(7, 0, base, after(7, 4, 4, s('x')))]),
      update([run(7, 0, base, after(7, 5, 4, s('x')))]),
      10,
      11,
    ],
    ['a value', update([run(7, 0, entry(8, 'k', [1, 125, 5]))]), update([run(7, 0, entry(8, 'k', [1, 125, 6]))]), 0, 1],
    ['a minus zero', update([run(7, 0, entry(8, 'k', [1, 125, 0]))]), update([run(7, 0, entry(8, 'k', [1, 125, 0x40]))]), 0, 1],
    ['a map key', update([run(7, 0, entry(8, 'k', [1, 126]))]), update([run(7, 0, entry(8, 'l', [1, 126]))]), 0, 1],
    ['a kind of type', update([run(7, 0, rooted(7, [0]))]), update([run(7, 0, rooted(7, [1]))]), 0, 1],
    ['a delete', update([run(7, 0, base)], [deletes(7, [3, 2])]), update([run(7, 0, base)], [deletes(7, [3, 3])]), 3, 6],
    ['a length', update([run(7, 0, base, after(7, 9, 4, s('a')))]), update([run(7, 0, base)]), 10, 11],
  ]
  for (const [title, a, b, from, to] of forks) {
    test(`[CV-3] ${title}`, () => {
      expect(hex(a)).not.toBe(hex(b))
      expect(firstDifference(a, b)).toEqual({ client: 7, from, to })
      expect(firstDifference(b, a)).toEqual({ client: 7, from, to })
    })
  }

  test('[CV-3] a client that only one side has', () => {
    const [one, two] = [update([run(9, 0, gc(1))]), update([run(9, 0, gc(1)), run(7, 0, gc(2))])]
    expect(firstDifference(one, two)).toEqual({ client: 7, from: 0, to: 2 })
  })

  test('[CV-3] two copies of a backup that wrote under one client id: equal snapshots, other content', () => {
    const base = new Y.Doc()
    base.getText('t').insert(0, 'base ')
    const copies = ['AAAA', 'BBBB'].map((written) => {
      const copy = new Y.Doc()
      Y.applyUpdate(copy, Y.encodeStateAsUpdate(base))
      copy.clientID = 7
      copy.getText('t').insert(5, written)
      return copy
    })
    syncAll(copies)
    const [a, b] = copies.map((copy) => Y.encodeStateAsUpdate(copy))
    expect(Y.equalSnapshots(Y.snapshot(copies[0]!), Y.snapshot(copies[1]!))).toBe(true)
    expect(firstDifference(a!, b!)).toEqual({ client: 7, from: 0, to: 4 })
  })
})

describe('[CV-3] what is no whole document has no digest', () => {
  const cases: [title: string, state: Uint8Array][] = [
    ['bytes the gate refuses', Uint8Array.from([0])],
    ['a document that starts late', update([run(7, 1, gc(1))])],
    ['a document with a hole', update([run(7, 0, gc(1), skip(1), gc(1))])],
    ['a delete of what is not there', update([run(7, 0, gc(1))], [deletes(7, [1, 1])])],
    ['a delete by a client that is not there', update([], [deletes(7, [0, 1])])],
  ]
  for (const [title, state] of cases) {
    test(`[CV-3] ${title}`, () => {
      expect(contentDigest(state)).toBeNull()
      expect(firstDifference(state, update([]))).toBeNull()
    })
  }

  test('[CV-3] the empty document has one', () => {
    expect(contentDigest(update([]))).toHaveLength(32)
    expect(contentDigest([])).toEqual(contentDigest(update([])))
  })
})
