// Cutting and rebuilding updates: what is stored of an update that is not new as a whole, and what waits.

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { Knowledge } from '../src/knowledge.ts'
import { encodeDeletes, newDeletes, replaceDeleteSet, splitAdmissible, splitAtSkips } from '../src/update-parts.ts'
import { isRefusal, judge, walkUpdate, type UpdateFacts } from '../src/update-walker.ts'
import { Random } from './random.ts'
import { after, deletes, gc, rooted, run, s, skip, update } from './update-bytes.ts'
import { visibleContent } from './visible-content.ts'
import { randomHistory } from './yjs-history.ts'

function factsOf(bytes: Uint8Array): UpdateFacts {
  const result = walkUpdate(bytes)
  if (isRefusal(result)) throw new Error(`refused: ${result.reason}`)
  return result
}

function knowledgeOf(...updates: readonly Uint8Array[]): Knowledge {
  const knowledge = new Knowledge()
  for (const bytes of updates) knowledge.admit(factsOf(bytes))
  return knowledge
}

/** Admits what can be admitted of `bytes` and returns the rest. */
function admitPart(bytes: Uint8Array, knowledge: Knowledge, doc: Y.Doc): Uint8Array | null {
  const { ready, rest } = splitAdmissible(bytes, factsOf(bytes), knowledge)
  if (ready !== null) {
    expect(judge(factsOf(ready), knowledge)).toEqual({ kind: 'new', overlaps: false })
    knowledge.admit(factsOf(ready))
    Y.applyUpdate(doc, ready)
  }
  expect(doc.store.pendingStructs).toBeNull()
  expect(doc.store.pendingDs).toBeNull()
  return rest
}

const x = s('x')
const text = update([run(7, 0, rooted(4, s('0123456789')))], [deletes(7, [2, 2])])

describe('[IN-1] splitAdmissible', () => {
  const cases: [title: string, bytes: Uint8Array, ready: Uint8Array | null, rest: Uint8Array | null][] = [
    [
      'what is new stays as it is',
      update([run(7, 10, after(7, 9, 4, x))], [deletes(7, [10, 1])]),
      update([run(7, 10, after(7, 9, 4, x))], [deletes(7, [10, 1])]),
      null,
    ],
    ['what is known leaves nothing', text, null, null],
    [
      'known structs are cut off, the one in the middle as Yjs cuts it',
      update([run(7, 4, after(7, 3, 4, s('45')), after(7, 5, 4, s('6789ab')))]),
      update([run(7, 10, after(7, 9, 4, s('ab')))]),
      null,
    ],
    [
      'an array is cut between its elements',
      update([run(7, 9, after(7, 8, 8, [3, 126, 119, 1, 65, 125, 5]))]),
      update([run(7, 10, after(7, 9, 8, [2, 119, 1, 65, 125, 5]))]),
      null,
    ],
    [
      'legacy content is cut between its texts',
      update([run(7, 9, after(7, 8, 2, [2, ...s('1'), ...s('"b"')]))]),
      update([run(7, 10, after(7, 9, 2, [1, ...s('"b"')]))]),
      null,
    ],
    [
      'deleted content is cut',
      update([run(7, 9, after(7, 8, 1, [3]))]),
      update([run(7, 10, after(7, 9, 1, [2]))], [deletes(7, [9, 1])]),
      null,
    ],
    [
      'collected structs are cut, and what they cover of live ids becomes deletes',
      update([run(7, 1, gc(12))]),
      update([run(7, 10, gc(3))], [deletes(7, [1, 1], [4, 6])]),
      null,
    ],
    ['known deletes are dropped', update([], [deletes(7, [1, 4])]), update([], [deletes(7, [1, 1], [4, 1])]), null],
    [
      'what lacks something waits, with the deletes of what waits',
      update([run(7, 10, after(7, 9, 4, x), after(5, 0, 4, x), after(7, 11, 4, x))], [deletes(7, [9, 3])]),
      update([run(7, 10, after(7, 9, 4, x))]),
      update([run(7, 11, after(5, 0, 4, x), after(7, 11, 4, x))], [deletes(7, [9, 3])]),
    ],
    [
      'a delete of the future waits whole, and takes nothing that is here or comes before its end',
      update([], [deletes(7, [0, 2 ** 40])]),
      null,
      update([], [deletes(7, [0, 2 ** 40])]),
    ],
    [
      'so does what comes after a Skip',
      update([run(7, 10, after(7, 9, 4, x), skip(4), gc(1), skip(2), gc(1))]),
      update([run(7, 10, after(7, 9, 4, x))]),
      update([run(7, 15, gc(1), skip(2), gc(1))]),
    ],
    [
      'a Skip over what is known is dropped',
      update([run(7, 9, after(7, 8, 4, s('9')), skip(1), gc(1))]),
      null,
      update([run(7, 11, gc(1))]),
    ],
    [
      'a circle waits',
      update([run(8, 0, after(3, 0, 4, x)), run(3, 0, after(8, 0, 4, x))]),
      null,
      update([run(8, 0, after(3, 0, 4, x)), run(3, 0, after(8, 0, 4, x))]),
    ],
  ]
  for (const [title, bytes, ready, rest] of cases) {
    test(`[IN-1] ${title}`, () => {
      expect(splitAdmissible(bytes, factsOf(bytes), knowledgeOf(text))).toEqual({ ready, rest })
    })
  }

  test('[IN-1] cuts astral text where Yjs cuts it', () => {
    const [whole, known] = [update([run(7, 0, rooted(4, s('a🙂b')))]), update([run(7, 0, rooted(4, s('a')))])]
    expect(splitAdmissible(whole, factsOf(whole), knowledgeOf(known)).ready).toEqual(Y.diffUpdate(whole, knowledgeOf(known).stateVector()))
  })

  test('[IN-1] an update that overlaps collected ids would make Yjs throw, its admissible part does not', () => {
    const doc = new Y.Doc()
    doc.clientID = 7
    doc.getMap('m').set('k', new Y.Text('abcd'))
    doc.getMap('m').delete('k')
    const knowledge = knowledgeOf(Y.encodeStateAsUpdate(doc))
    const overlapping = update([run(7, 3, rooted(4, s('efgh')))])
    expect(judge(factsOf(overlapping), knowledge)).toEqual({ kind: 'new', overlaps: true })
    const unguarded = new Y.Doc()
    Y.applyUpdate(unguarded, Y.encodeStateAsUpdate(doc))
    expect(() => Y.applyUpdate(unguarded, overlapping)).toThrow()
    expect(admitPart(overlapping, knowledge, doc)).toBeNull()
    expect(knowledge.stateVector()).toEqual(Y.encodeStateVector(doc))
  })

  test('[CV-1] admits from a document with pending updates what it had integrated, and the rest when what was missing comes', () => {
    const random = new Random(21)
    let waited = 0
    for (let round = 0; round < 60; round++) {
      const { events } = randomHistory(random, { steps: 25, sync: 'log' })
      const gappy = new Y.Doc({ gc: random.chance(0.5) })
      const late = events.filter(({ update }) => {
        const withheld = random.chance(0.15)
        if (!withheld) Y.applyUpdate(gappy, update)
        return withheld
      })
      const state = Y.encodeStateAsUpdate(gappy)
      const [knowledge, doc] = [new Knowledge(), new Y.Doc()]
      let rest = admitPart(state, knowledge, doc)
      expect(knowledge.stateVector()).toEqual(Y.encodeStateVector(gappy))
      for (const { update } of late) {
        if (rest !== null) waited++
        const held = [admitPart(update, knowledge, doc), rest].filter((bytes) => bytes !== null)
        rest = held.length === 0 ? null : admitPart(held.length === 1 ? held[0]! : Y.mergeUpdates(held), knowledge, doc)
      }
      expect(rest).toBeNull()
      const whole = new Y.Doc()
      for (const { update } of events) Y.applyUpdate(whole, update)
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(whole))
      Y.applyUpdate(whole, Y.encodeStateAsUpdate(doc))
      expect(visibleContent(doc)).toBe(visibleContent(whole))
    }
    expect(waited).toBeGreaterThan(20)
  })
})

describe('[IN-1] other cuts', () => {
  test('[IN-1] splitAtSkips gives contiguous parts that together are the update', () => {
    const bytes = update(
      [run(8, 0, rooted(4, s('abc'))), run(7, 2, rooted(4, s('de')), skip(3), gc(2), skip(1), rooted(4, s('f')))],
      [deletes(8, [0, 1]), deletes(7, [0, 4], [7, 3]), deletes(5, [1, 1])],
    )
    expect(splitAtSkips(bytes)).toEqual([
      update([run(8, 0, rooted(4, s('abc'))), run(7, 2, rooted(4, s('de')))], [deletes(8, [0, 1]), deletes(7, [0, 4]), deletes(5, [1, 1])]),
      update([run(7, 7, gc(2))], [deletes(7, [7, 2])]),
      update([run(7, 10, rooted(4, s('f')))], [deletes(7, [9, 1])]),
    ])
    expect(splitAtSkips(text)).toEqual([text])
  })

  test('[IN-1] encodeDeletes normalises and writes what Yjs writes', () => {
    expect(encodeDeletes([])).toEqual(update([]))
    expect(encodeDeletes([7, 5, 8, 9, 1, 2, 7, 0, 3, 7, 2, 6])).toEqual(update([], [deletes(9, [1, 1]), deletes(7, [0, 8])]))
    const doc = new Y.Doc()
    doc.clientID = 7
    doc.getText('t').insert(0, 'abcdef')
    doc.once('update', (bytes: Uint8Array) => expect(bytes).toEqual(encodeDeletes([7, 1, 3])))
    doc.getText('t').delete(1, 2)
    expect.assertions(3)
  })

  test('[IN-1] replaceDeleteSet keeps the structs', () => {
    expect(replaceDeleteSet(text, [7, 0, 1])).toEqual(update([run(7, 0, rooted(4, s('0123456789')))], [deletes(7, [0, 1])]))
    expect(replaceDeleteSet(update([], [deletes(7, [2, 2])]), [])).toEqual(update([]))
  })

  test('[CV-1] newDeletes tells derived deletes, and those that Yjs would ignore', () => {
    const knowledge = knowledgeOf(text)
    const facts = factsOf(update([run(8, 0, gc(2)), run(7, 4, gc(8))], [deletes(7, [0, 4])]))
    expect(newDeletes(facts, knowledge, 'all')).toEqual([8, 0, 2, 7, 0, 2, 7, 4, 12])
    expect(newDeletes(facts, knowledge, 'struct-overlap')).toEqual([7, 4, 10])
    expect(newDeletes(factsOf(text), knowledge, 'all')).toEqual([])
  })
})
