import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { concurrentEdits, editsOf, expectConvergence } from '../src/workload/arbitraries.ts'
import { DocumentAuthor } from '../src/workload/author.ts'
import { everything, fuzzSchema } from '../src/workload/fuzz-schema.ts'
import { workload } from '../src/workload/own-workload.ts'
import { text } from '../src/workload/schema.ts'
import { nasty } from './workload-schemas.ts'

test('[TS-9] three authors of a nasty schema converge, in whatever order their edits arrive', () => {
  const nastyEdits = fuzzSchema(nasty)
  fc.assert(
    fc.property(concurrentEdits(nastyEdits, { authors: 3, maxLength: 80 }), (history) => expectConvergence(nastyEdits, history)),
    { numRuns: 100, seed: 9 },
  )
})

test('[TS-9] four authors of everything converge', () => {
  const all = everything()
  fc.assert(
    fc.property(concurrentEdits(all, { authors: 4, maxLength: 80 }), (history) => expectConvergence(all, history)),
    { numRuns: 100, seed: 10 },
  )
})

test('[TS-9] expectConvergence finds histories whose readers differ, and they shrink to a few edits', () => {
  const midPair = fuzzSchema({ text: text({ formats: ['bold'] }) }, { midPair: true, undo: false })
  const found = fc.check(
    fc.property(concurrentEdits(midPair, { authors: 2, maxLength: 40 }), (history) => expectConvergence(midPair, history)),
    { numRuns: 2_000, seed: 11 },
  )
  expect(found.failed).toBe(true)
  expect(String(found.errorInstance)).toMatch(/does not converge: .* and .* know the same and see different content/)
  const history = found.counterexample![0]
  expect(history.length).toBeLessThanOrEqual(8)
  expect(() => expectConvergence(midPair, JSON.parse(JSON.stringify(history)) as typeof history)).toThrow(/does not converge/)
})

test('[TS-4] editsOf shrinks a failing list to the edit that matters, in its simplest form', () => {
  const list = workload({
    name: 'list',
    roots: { list: 'array' },
    edits: {
      push: { draw: (random) => random.below(1_000), perform: (doc, value) => doc.getArray('list').push([value]) },
      clear: { draw: () => null, perform: (doc) => doc.getArray('list').delete(0, doc.getArray('list').length) },
    },
  })
  const found = fc.check(
    fc.property(editsOf(list), (edits) => {
      const author = new DocumentAuthor(new Y.Doc())
      for (const edit of edits) list.perform(edit, author)
      return (author.doc.getArray('list').toArray() as number[]).every((item) => item < 500)
    }),
    { seed: 12 },
  )
  expect(found.counterexample).toEqual([[{ kind: 'push', value: 500 }]])
})
