// Catalogue 102 to 108: what a program may do to a document through the client, and what became of it: the answer to the program, and what the relay and with it
// every other replica holds afterwards. A plain Y.Doc cannot be guarded, so some of these change the document; none makes replicas differ in silence or wedges them.

import * as Y from 'yjs'

export interface ClientCase {
  readonly number: number
  readonly what: string
  /** What the program does with the document; `map` and `text` are root types of it. */
  readonly edit: (doc: Y.Doc, map: Y.Map<unknown>, text: Y.Text) => void
  /** What the program hears: what `edit` threw, then what whenSaved('relay') answered. */
  readonly answer: string
  /** What the relay holds then. */
  readonly remote: { readonly map: unknown; readonly text: string }
}

class Point {
  readonly x = 1
}

function cyclic(): object {
  const object: Record<string, unknown> = {}
  object['self'] = object
  return object
}

const nothing = { map: {}, text: '' }

export const clientCases: readonly ClientCase[] = [
  {
    number: 102,
    what: 'transact throws midway',
    edit: (doc, map, text) =>
      doc.transact(() => {
        text.insert(0, 'half')
        map.set('k', 1)
        throw new Error('midway')
      }),
    // Yjs has no rollback: what was done before is an edit like any other.
    answer: 'threw midway, saved',
    remote: { map: { k: 1 }, text: 'half' },
  },
  {
    number: 103,
    what: 'an observer throws',
    edit: (_, __, text) => {
      text.observe(() => {
        throw new Error('observer')
      })
      text.insert(0, 'seen')
    },
    answer: 'threw observer, saved',
    remote: { map: {}, text: 'seen' },
  },
  {
    number: 104,
    what: 'a cyclic value',
    edit: (_, map) => map.set('k', cyclic()),
    answer: 'threw Maximum call stack size exceeded, not saved: update-forbidden',
    remote: nothing,
  },
  { number: 105, what: 'a Date', edit: (_, map) => map.set('k', new Date(0)), answer: 'saved', remote: { map: { k: {} }, text: '' } },
  {
    number: 105,
    what: 'a Map',
    edit: (_, map) => map.set('k', new Map([[1, 2]])),
    answer: 'threw Unexpected content type, saved',
    remote: nothing,
  },
  {
    number: 105,
    what: 'an instance of a class',
    edit: (_, map) => map.set('k', new Point()),
    answer: 'threw Unexpected content type, saved',
    remote: nothing,
  },
  {
    number: 105,
    what: 'a function',
    edit: (_, map) => map.set('k', () => 1),
    answer: 'threw Unexpected content type, saved',
    remote: nothing,
  },
  {
    number: 105,
    what: 'a function inside a value',
    edit: (_, map) => map.set('k', { f: () => 1 }),
    answer: 'saved',
    remote: { map: { k: {} }, text: '' },
  },
  {
    number: 106,
    what: 'a value changed after it was set',
    edit: (_, map) => {
      const value = { a: 1 }
      map.set('k', value)
      value.a = 99
    },
    answer: 'saved',
    remote: { map: { k: { a: 1 } }, text: '' },
  },
  {
    number: 108,
    what: 'types nested three hundred deep',
    edit: (_, map) => {
      const outer = new Y.Array()
      let inner = outer
      for (let depth = 1; depth < 300; depth++) {
        const next = new Y.Array()
        inner.insert(0, [next])
        inner = next
      }
      map.set('k', outer)
    },
    answer: 'not saved: update-limit',
    remote: nothing,
  },
  {
    number: 108,
    what: 'a value nested a hundred deep',
    edit: (_, map) => {
      let value: unknown = 1
      for (let depth = 0; depth < 100; depth++) value = [value]
      map.set('k', value)
    },
    answer: 'not saved: update-limit',
    remote: nothing,
  },
  {
    number: 108,
    what: 'the key __proto__',
    edit: (_, map) => map.set('__proto__', 1),
    answer: 'not saved: update-forbidden',
    remote: nothing,
  },
]
