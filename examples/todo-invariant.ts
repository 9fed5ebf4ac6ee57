// A to-do list in which at most one item may be "next". Does it hold when people are offline? Five lines of schema, one invariant, and the real engine under faults:
// it does not. Prints the smallest history that was found, and saves it with a timeline; `npx syncline-sim --scenario FILE` runs it on all cores. Repair: todo-invariant-repaired.ts.

import { invariant, simulate, workload, type Random, type SimulateOptions } from '@syncline/testing'
import type * as Y from 'yjs'

interface Todo {
  readonly text: string
  readonly next: boolean
}

const todosOf = (doc: Y.Doc): Y.Map<Todo> => doc.getMap<Todo>('todos')

const todoList = workload({
  name: 'to-do list',
  roots: { todos: 'map' },
  edits: {
    add: {
      draw: (random: Random) => random.below(5),
      perform: (doc, id) => todosOf(doc).set(`${id}`, { text: `item ${id}`, next: false }),
    },
    makeNext: {
      draw: (random: Random) => random.below(5),
      perform(doc, id) {
        const todos = todosOf(doc)
        if (!todos.has(`${id}`)) return
        for (const [key, todo] of todos.entries()) if (todo.next !== (key === `${id}`)) todos.set(key, { ...todo, next: key === `${id}` })
      },
    },
  },
})

const atMostOneNext = invariant('at most one item is next', (doc) => [...todosOf(doc).values()].filter((todo) => todo.next).length <= 1)

const options: SimulateOptions = { workload: todoList, invariants: [atMostOneNext], runs: 200, seed: process.env['SYNCLINE_SEED'] }
export default options

if (process.argv[1] === import.meta.filename) {
  const report = await simulate({ ...options, saveTo: process.env['SYNCLINE_FAILURES'] ?? 'syncline-failures' })
  console.log(report.text)
}
