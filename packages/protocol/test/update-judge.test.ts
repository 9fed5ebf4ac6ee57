// The gate's second half: known, new, missing or refused, against what the document has.

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { Knowledge } from '../src/knowledge.ts'
import { LIMITS } from '../src/limits.ts'
import { isRefusal, judge, walkUpdate, type UpdateFacts, type Verdict } from '../src/update-walker.ts'
import { after, between, deletes, gc, inside, rooted, run, s, skip, update } from './update-bytes.ts'

function factsOf(bytes: Uint8Array): UpdateFacts {
  const result = walkUpdate(bytes)
  if (isRefusal(result)) throw new Error(`refused: ${result.reason}`)
  return result
}

/** A document with clients 7 (clocks 0 to 9, 2 to 3 deleted) and 9 (0 to 4). */
function base(): Knowledge {
  const knowledge = new Knowledge()
  knowledge.admit(factsOf(update([run(9, 0, rooted(4, s('abcde'))), run(7, 0, rooted(4, s('0123456789')))], [deletes(7, [2, 2])])))
  return knowledge
}

const NEW: Verdict = { kind: 'new', overlaps: false }
const OVERLAPS: Verdict = { kind: 'new', overlaps: true }
const KNOWN: Verdict = { kind: 'known' }
const CIRCULAR: Verdict = { kind: 'refused', refusal: { code: 'update-malformed', reason: 'circular' } }
const missing = (client: number, clock: number): Verdict => ({ kind: 'missing', client, clock })

const TOO_DEEP: Verdict = { kind: 'refused', refusal: { code: 'update-limit', reason: 'type-depth' } }

function nestedTypes(depth: number): Uint8Array {
  return update([run(8, 0, rooted(7, [0]), ...Array.from({ length: depth - 1 }, (_, i) => inside(8, i, 7, [0])))])
}

const x = s('x')
const cases: [title: string, bytes: Uint8Array, verdict: Verdict][] = [
  ['an empty update is known', update([]), KNOWN],
  ['the next clock of a client is new', update([run(7, 10, after(7, 9, 4, x))]), NEW],
  ['an unknown client from clock 0 is new', update([run(8, 0, after(7, 9, 4, x))]), NEW],
  ['what is there is known', update([run(7, 4, after(7, 3, 4, s('4567')))]), KNOWN],
  ['what is there and deleted is known', update([run(7, 2, gc(2))], [deletes(7, [2, 1], [3, 1])]), KNOWN],
  ['what is there and then more is new and overlaps', update([run(7, 8, after(7, 7, 4, s('89a')))]), OVERLAPS],
  ['62 a gap of a known client is missing', update([run(7, 11, after(7, 9, 4, x))]), missing(7, 10)],
  ['62 a gap of an unknown client is missing', update([run(8, 3, gc(1))]), missing(8, 0)],
  ['63 an unknown origin is missing', update([run(8, 0, after(5, 2, 4, x))]), missing(5, 2)],
  ['63 an origin beyond what is known is missing', update([run(8, 0, after(9, 5, 4, x))]), missing(9, 5)],
  ['63 an unknown right origin is missing', update([run(8, 0, between([7, 1], [9, 7], 4, x))]), missing(9, 7)],
  ['63 an unknown parent is missing', update([run(8, 0, inside(9, 5, 4, x))]), missing(9, 5)],
  ['a delete of what is known and live is new', update([], [deletes(7, [0, 2])]), NEW],
  ['a delete of which part is known is new', update([], [deletes(7, [1, 3])]), NEW],
  ['known deletes beside new ones overlap', update([], [deletes(7, [2, 2], [5, 1])]), OVERLAPS],
  ['57 a delete of what comes next is missing', update([], [deletes(7, [8, 3])]), missing(7, 10)],
  ['57 a delete of a client that never wrote is missing', update([], [deletes(6, [0, 1])]), missing(6, 0)],
  ['57 a delete beyond what the update brings is missing', update([run(7, 10, gc(2))], [deletes(7, [11, 2])]), missing(7, 12)],
  ['a delete of what the update brings is new', update([run(7, 10, after(7, 9, 4, x))], [deletes(7, [10, 1])]), NEW],
  ['deleted structs over live ids are new: Yjs would ignore them', update([run(7, 4, gc(2))]), OVERLAPS],
  ['61 a Skip over what is missing is missing', update([run(7, 10, after(7, 9, 4, x), skip(1), gc(1))]), missing(7, 11)],
  ['61 a Skip over what is known overlaps', update([run(7, 4, gc(1), skip(5), after(7, 9, 4, x))]), OVERLAPS],
  ['61 a Skip in front overlaps', update([run(7, 8, skip(2), after(7, 9, 4, x))]), OVERLAPS],
  [
    'clients that build on each other in turn are new',
    update([run(8, 0, after(3, 0, 4, x), after(3, 1, 4, x)), run(3, 0, after(7, 1, 4, x), after(8, 0, 4, x))]),
    NEW,
  ],
  ['64 clients that need each other first are refused', update([run(8, 0, after(3, 0, 4, x)), run(3, 0, after(8, 0, 4, x))]), CIRCULAR],
  [
    '64 a circle of three is refused',
    update([run(8, 0, after(3, 0, 4, x)), run(3, 0, after(2, 0, 4, x)), run(2, 0, inside(8, 0, 4, x))]),
    CIRCULAR,
  ],
  [
    '64 a circle through the order of a run is refused',
    update([run(8, 0, after(3, 1, 4, x)), run(3, 0, after(8, 0, 4, x), after(7, 0, 4, x))]),
    CIRCULAR,
  ],
  [
    '64 a circle that also lacks something is missing that',
    update([run(8, 0, after(3, 0, 4, x)), run(3, 0, after(8, 0, 4, x), after(6, 0, 4, x)), run(2, 0, after(5, 1, 4, x))]),
    missing(5, 1),
  ],
  ['72 types nested 4,000 deep are refused', nestedTypes(4_000), TOO_DEEP],
  ['72 types nested one too deep are refused', nestedTypes(LIMITS.typeDepthMax + 1), TOO_DEEP],
  ['72 types nested as deep as may be are new', nestedTypes(LIMITS.typeDepthMax), NEW],
  ['a merged text that is needed in its middle is new', update([run(8, 0, after(3, 4, 4, x)), run(3, 0, rooted(4, s('abcdef')))]), NEW],
]

describe('[IN-1] judge', () => {
  for (const [title, bytes, verdict] of cases) {
    test(`[IN-1] ${title}`, () => {
      expect(judge(factsOf(bytes), base())).toEqual(verdict)
    })
  }

  test('[IN-1] 72 a document nested too deep step by step stays readable to those who hold it, and is refused to others', () => {
    // two authors take turns, and each level begins with a sibling, so that most parents are inherited
    const docs = [new Y.Doc(), new Y.Doc()]
    const knowledge = new Knowledge()
    for (const doc of docs) {
      doc.on('update', (bytes: Uint8Array, origin: unknown) => {
        if (origin === 'remote') return
        const facts = factsOf(bytes)
        expect(judge(facts, knowledge)).toEqual(NEW)
        knowledge.admit(facts)
        for (const other of docs) if (other !== doc) Y.applyUpdate(other, bytes, 'remote')
      })
    }
    for (let level = 0; level <= LIMITS.typeDepthMax; level++) {
      let array = docs[level % 2]!.getArray<unknown>('t')
      while (array.length > 0) array = array.get(1) as Y.Array<unknown>
      array.insert(0, [null, new Y.Array()])
    }
    const facts = factsOf(Y.encodeStateAsUpdate(docs[0]!))
    expect(facts.typeDepth).toBe(LIMITS.typeDepthMax + 1)
    expect(judge(facts, knowledge)).toEqual(KNOWN)
    expect(judge(facts, new Knowledge())).toEqual(TOO_DEEP)
  })

  test('[IN-1] needs time linear in the update, however its runs refer to each other', () => {
    // 4,000 clients, each needing the whole run of the one before it, and all the last one
    const clients = 4_000
    const chain = Array.from({ length: clients }, (_, i) => {
      const client = 10_000 - i
      const structs =
        i === clients - 1 ? [gc(8)] : [after(client - 1, 7, 4, x), ...Array.from({ length: 7 }, () => after(10_000 - clients + 1, 7, 4, x))]
      return run(client, 0, ...structs)
    })
    const facts = factsOf(update(chain))
    const before = performance.now()
    expect(judge(facts, new Knowledge())).toEqual(NEW)
    expect(performance.now() - before).toBeLessThan(2_000)
  })
})
