// The to-do list of todo-invariant.ts, repaired: which item is next is said once, in one place. Concurrent choices meet in one register, and the last writer wins
// on every replica alike. The same invariant holds in every run.

import { invariant, simulate, sometimes, workload, type Random } from '@syncline/testing'
import type * as Y from 'yjs'

const todosOf = (doc: Y.Doc): Y.Map<string> => doc.getMap<string>('todos')
const chosenIn = (doc: Y.Doc): Y.Map<string> => doc.getMap<string>('chosen')
const nextItems = (doc: Y.Doc): string[] => [...todosOf(doc).keys()].filter((key) => chosenIn(doc).get('next') === key)

const todoList = workload({
  name: 'to-do list, repaired',
  roots: { todos: 'map', chosen: 'map' },
  edits: {
    add: {
      draw: (random: Random) => random.below(5),
      perform: (doc, id) => todosOf(doc).set(`${id}`, `item ${id}`),
    },
    makeNext: {
      draw: (random: Random) => random.below(5),
      perform(doc, id) {
        if (todosOf(doc).has(`${id}`)) chosenIn(doc).set('next', `${id}`)
      },
    },
  },
})

const report = await simulate({
  workload: todoList,
  invariants: [
    // One register cannot name two items; what it names has to exist, though, and deletes could break that.
    invariant('at most one item is next', (doc) => nextItems(doc).length <= 1),
    invariant('what is next exists', (doc) => !chosenIn(doc).has('next') || nextItems(doc).length === 1),
  ],
  sometimes: [sometimes('an item is next', (doc) => nextItems(doc).length === 1)],
  runs: 50,
  seed: process.env['SYNCLINE_SEED'],
})
report.assertPassed()
console.log(`what is next is one item, and exists: held in ${report.runs} runs`)
