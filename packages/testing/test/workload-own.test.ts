import { SynclineError } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { Random } from '../src/random.ts'
import { DocumentAuthor } from '../src/workload/author.ts'
import { combine } from '../src/workload/combine.ts'
import { everything, fuzzSchema } from '../src/workload/fuzz-schema.ts'
import { workload } from '../src/workload/own-workload.ts'
import { text } from '../src/workload/schema.ts'

const todos = workload({
  name: 'todos',
  roots: { todos: 'array' },
  edits: {
    add: {
      weight: 3,
      draw: (random: Random) => ({ title: random.pick(['milk', 'bread']), size: random.between(1, 9) }),
      perform(doc, { title, size }) {
        doc.getArray('todos').push([{ title, size: size * 1 }])
      },
    },
    removeFirst: {
      draw: () => null,
      perform(doc) {
        if (doc.getArray('todos').length > 0) doc.getArray('todos').delete(0)
      },
    },
  },
})

test('[TS-8] a workload of named edits gets transaction, origin, situations, visible content and simpler forms by itself', () => {
  const met: string[] = []
  const author = new DocumentAuthor(new Y.Doc(), { met: (situation) => met.push(situation) })
  const origins: unknown[] = []
  author.doc.on('update', (_update: Uint8Array, origin: unknown) => origins.push(origin))
  expect(todos.perform({ kind: 'removeFirst', value: null }, author)).toBe(false)
  expect(todos.perform({ kind: 'add', value: { title: 'milk', size: 2 } }, author)).toBe(true)
  expect(todos.perform({ kind: 'unknown', value: null }, author)).toBe(false)
  expect([met, origins]).toEqual([['add'], [author]])
  expect(todos.visible(author.doc)).toBe('{"todos":{"$array":[{"size":2,"title":"milk"}]}}')
  expect([...todos.simpler({ kind: 'add', value: { title: 'a', size: 2 } })]).toEqual([
    { kind: 'add', value: { title: '', size: 2 } },
    { kind: 'add', value: { title: 'a', size: 0 } },
    { kind: 'add', value: { title: 'a', size: 1 } },
  ])
  expect(todos.situations).toEqual(['add', 'removeFirst'])
})

test('[TS-8] workloads combined draw from all parts, and an edit says which part it belongs to', () => {
  const inner = combine('both', [
    [1, todos],
    [2, fuzzSchema({ title: text() }, { name: 'title' })],
  ])
  const whole = combine('whole', [
    [1, inner],
    [1, everything()],
  ])
  const random = new Random(1)
  const [one, two] = [new DocumentAuthor(new Y.Doc({ guid: 'a' })), new DocumentAuthor(new Y.Doc({ guid: 'a' }))]
  two.doc.clientID = one.doc.clientID
  const kinds = new Set<string>()
  for (let i = 0; i < 500; i++) {
    const edit = whole.draw(random)
    kinds.add(edit.kind)
    kinds.add(String((edit['edit'] as { kind: string }).kind))
    expect(whole.perform(JSON.parse(JSON.stringify(edit)), two)).toBe(whole.perform(edit, one))
    for (const form of whole.simpler(edit)) expect(form.kind).toBe(edit.kind)
  }
  expect([...kinds]).toEqual(expect.arrayContaining(['both', 'everything', 'todos', 'title', 'map.set', 'undo']))
  expect(whole.visible(two.doc)).toBe(whole.visible(one.doc))
  expect(whole.situations).toEqual(expect.arrayContaining(['add', 'text insert', 'xml']))
  for (const author of [one, two]) author.destroy()
})

test('[TS-8] parts of equal name, and workloads without edits, roots or weight, are refused in words', () => {
  const edits = { add: { weight: 0, draw: () => null, perform: () => undefined } }
  expect(() =>
    combine('twice', [
      [1, todos],
      [1, todos],
    ]),
  ).toThrow(/different names/)
  expect(() => combine('none', [])).toThrow(/at least one/)
  expect(() => combine('weightless', [[0, todos]])).toThrow(/positive/)
  expect(() => workload({ name: 'empty', edits: {}, roots: { a: 'map' } })).toThrow(/at least one edit/)
  expect(() => workload({ name: 'weightless', edits, roots: { a: 'map' } })).toThrow(/weight of add/)
  expect(() => workload({ name: 'rootless', edits, roots: {} })).toThrow(SynclineError)
})
