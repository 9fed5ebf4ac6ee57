// Rules of tails that are read in portions, while commits, sweeps and deletions go on.

import type { DocContent, Store, TailPlace } from '../store.ts'
import { Author, madeUpBytes } from './author.ts'
import { check, checkEqual, type Rule } from './rule.ts'

type Rows = DocContent['tail']

/** All rows between two places, oldest first, read with these bounds; null when a place holds no more. */
function readParts(store: Store, doc: string, after: TailPlace | null, upTo: TailPlace, rows: number, bytes: number): Rows | null {
  const key = new Author(store).key(doc)
  const parts: Rows[] = []
  for (let at = upTo; ;) {
    const part = store.reader.tailPart(key, after, at, rows, bytes)
    if (part === undefined) return null
    if (part.rows.length === 0) return parts.reverse().flat()
    check(part.rows.length <= rows, `a part of ${part.rows.length} rows, wanted at most ${rows}`)
    checkEqual(part.before.rows, at.rows - part.rows.length, 'rows before the part')
    parts.push(part.rows)
    at = part.before
  }
}

export const tailRules: readonly Rule[] = [
  {
    id: 'ST-43',
    guarantee:
      'a tail read in parts, newest first, is that of content(), whatever the size of the parts and whatever is committed meanwhile',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const key = author.key('a')
      checkEqual([store.reader.tailEnd(key), store.reader.snapshot(key)], [undefined, undefined], 'of an unknown document')
      const write = (count: number): Promise<unknown> =>
        author.commit(Array.from({ length: count }, (_, i) => ({ doc: i % 3 === 0 ? 'b' : 'a', data: 10 + i })))
      await write(20)
      for (const swept of [false, true]) {
        if (swept) {
          const [update, knowledge] = [madeUpBytes(9000, 2), madeUpBytes(30, 3)]
          await store.sweep([{ key, expectedLastSeq: store.reader.doc(key)!.lastSeq, update, knowledge }])
          author.head = store.reader.head()
          checkEqual(readParts(store, 'a', null, store.reader.tailEnd(key)!, 3, 1e6), [], 'parts of an empty tail')
          await write(20)
        }
        checkEqual(store.reader.snapshot(key), store.reader.content(key)!.snapshot, 'snapshot')
        const { tail } = store.reader.content(key)!
        const end = store.reader.tailEnd(key)!
        const { lastSeq, tailRows, tailBytes, docEpoch } = store.reader.doc(key)!
        checkEqual(end, { nonce: store.reader.nonce(), docEpoch, seq: lastSeq, rows: tailRows, bytes: tailBytes }, 'end')
        for (const [rows, bytes] of [
          [1, 1e6],
          [4, 1e6],
          [1000, 1e6],
          [1000, 1],
          [1000, 60],
        ] as const) {
          checkEqual(readParts(store, 'a', null, end, rows, bytes), tail, `parts of ${rows} rows and ${bytes} bytes`)
        }
        await write(7)
        checkEqual(readParts(store, 'a', null, end, 4, 1e6), tail, 'parts after more was committed')
        const since = readParts(store, 'a', end, store.reader.tailEnd(key)!, 2, 1e6)
        checkEqual(since, store.reader.content(key)!.tail.slice(tail.length), 'what was committed since')
        checkEqual(readParts(store, 'a', end, end, 2, 1e6), [], 'between a place and itself')
      }
    },
  },
  {
    id: 'ST-44',
    guarantee: 'a place in a tail holds until a sweep, a quarantine or a later life, and no longer: never a part of something else',
    async run(harness) {
      const store = await harness.open()
      const endings = [
        async () => void (await store.sweep([])),
        async () =>
          void (await store.sweep([
            {
              key: keyOf('a'),
              expectedLastSeq: store.reader.doc(keyOf('a'))!.lastSeq,
              update: madeUpBytes(90, 1),
              knowledge: madeUpBytes(9, 1),
            },
          ])),
        async () => void (await store.quarantine(keyOf('a'))),
        async () => void (await store.rotateEpoch()),
        async () => void (await new Author(store).commit([{ doc: 'a', docEpoch: 1, data: 0 }])),
      ]
      const keyOf = (doc: string): ReturnType<Author['key']> => new Author(store).key(doc)
      for (const [i, end] of endings.entries()) {
        await new Author(store).commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'a' }, { doc: 'a' }])
        const place = store.reader.tailEnd(keyOf('a'))!
        const part = store.reader.tailPart(keyOf('a'), null, place, 1, 1e6)!
        await end()
        checkEqual(store.reader.tailPart(keyOf('a'), null, part.before, 9, 1e6), undefined, `the next part, ending ${i}`)
        const now = store.reader.tailEnd(keyOf('a'))!
        checkEqual(store.reader.tailPart(keyOf('a'), place, now, 9, 1e6), undefined, `what came since, ending ${i}`)
        check(store.reader.tailPart(keyOf('a'), null, now, 9, 1e6) !== undefined, `a new place, ending ${i}`)
      }
    },
  },
]
