// Rules of document epochs: a row of a higher epoch takes the place of everything before it, and what that was can be exported for a while.

import { frameUpdates, LIMITS } from '@syncline/protocol'
import type { Store } from '../store.ts'
import { Author, madeUpBytes } from './author.ts'
import { wholeLog } from './commit-rules.ts'
import { check, checkEqual, checkRejects, type Rule } from './rule.ts'

const [FIRST, SECOND, THIRD] = [madeUpBytes(40, 1), madeUpBytes(50, 2), madeUpBytes(9000, 3)]
const NOTHING = new Uint8Array(0)

/** Two documents; 'a' has a snapshot of FIRST and a row with SECOND. */
async function fill(store: Store, author: Author): Promise<void> {
  await author.commit([{ doc: 'a', data: frameUpdates([FIRST]) }, { doc: 'b' }])
  const { lastSeq } = store.reader.doc(author.key('a'))!
  const knowledge = madeUpBytes(20, 4)
  await store.sweep([{ key: author.key('a'), expectedLastSeq: lastSeq, update: THIRD, knowledge }])
  author.head = store.reader.head()
  await author.commit([{ doc: 'a', data: frameUpdates([SECOND]) }])
}

export const deletionRules: readonly Rule[] = [
  {
    id: 'ST-38',
    guarantee:
      'a row of a higher document epoch takes the place of snapshot and rows before it, at once and for good; other documents keep theirs',
    async run(harness) {
      let store = await harness.open()
      let author = new Author(store)
      await fill(store, author)
      const before = store.reader.head()
      await author.commit([{ doc: 'a', data: NOTHING, docEpoch: 1 }])
      for (const again of [null, () => harness.crash(), () => harness.reopen()]) {
        if (again !== null) store = await again()
        const content = store.reader.content(author.key('a'))!
        const rows = content.tail.map(({ seq, docEpoch, prev, data }) => ({ seq, docEpoch, prev, data }))
        checkEqual([content.snapshot, rows], [null, [{ seq: before + 1, docEpoch: 1, prev: 0, data: NOTHING }]], 'content')
        checkEqual(store.reader.knowledgeParts(author.key('a')), { base: null, tail: [NOTHING] }, 'knowledge')
        checkEqual(
          wholeLog(store)
            .map((row) => row.doc === author.key('a'))
            .filter(Boolean).length,
          1,
          'rows of the document in the log',
        )
        const { docEpoch, tailRows, tailBytes, snapshotBytes, lastSeq } = store.reader.doc(author.key('a'))!
        checkEqual([docEpoch, tailRows, tailBytes, snapshotBytes, lastSeq], [1, 1, 0, 0, before + 1], 'the document')
        checkEqual(store.reader.totals(), author.totals, 'totals')
        checkEqual(store.reader.content(author.key('b'))?.tail.length, 1, 'rows of the other document')
      }
      author = new Author(store)
      await author.commit([{ doc: 'a', data: frameUpdates([FIRST]), docEpoch: 2 }])
      store = await harness.crash()
      checkEqual(
        store.reader.content(author.key('a'))?.tail.map(({ docEpoch }) => docEpoch),
        [2],
        'the next life',
      )
    },
  },
  {
    id: 'ST-39',
    guarantee: 'rows of both epochs in one transaction: those of the lower one are gone when it is committed',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await author.commit([
        { doc: 'a', data: frameUpdates([FIRST]) },
        { doc: 'b' },
        { doc: 'a', data: NOTHING, docEpoch: 1 },
        { doc: 'a', data: frameUpdates([SECOND]), docEpoch: 2 },
      ])
      for (const again of [null, () => harness.crash()]) {
        if (again !== null) store = await again()
        checkEqual(
          store.reader.content(author.key('a'))?.tail.map(({ seq, data }) => [seq, data]),
          [[4, frameUpdates([SECOND])]],
          'rows',
        )
        checkEqual([store.reader.head(), wholeLog(store).map(({ seq }) => seq)], [4, [2, 4]], 'log')
      }
    },
  },
  {
    id: 'ST-40',
    guarantee: 'a row of a lower epoch than its document is refused, and nothing of its transaction is stored',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a', data: NOTHING, docEpoch: 3 }])
      const late = author.transaction([{ doc: 'b' }, { doc: 'a', docEpoch: 2 }])
      await checkRejects(store.commit(late), ['argument-invalid'], 'a row of the past')
      checkEqual([store.reader.head(), store.reader.doc(author.key('b'))], [1, undefined], 'what is stored')
    },
  },
  {
    id: 'ST-41',
    guarantee: 'what higher epochs took away can be read, life by life, for the time it is kept, through crashes, and is gone afterwards',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await fill(store, author)
      checkEqual(store.reader.remains(author.key('a')), [], 'remains of what lives')
      await author.commit([{ doc: 'a', data: NOTHING, docEpoch: 1 }])
      store = await harness.crash()
      const of = (doc: string): unknown =>
        store.reader.remains(author.key(doc)).map(({ name, docEpoch, updates }) => [name, docEpoch, updates])
      checkEqual([of('a'), of('b')], [[['a', 0, [THIRD, SECOND]]], []], 'remains')
      // an empty life leaves nothing, and what a later one leaves stands beside what the first one left
      const many = Array.from({ length: 70_000 }, (_, i) => Uint8Array.of(i & 255, i >> 8))
      const rows = [many.slice(0, 40_000), many.slice(40_000)].map((updates) => ({ doc: 'a', data: frameUpdates(updates), docEpoch: 4 }))
      await new Author(store).commit([{ doc: 'a', data: NOTHING, docEpoch: 3 }, ...rows, { doc: 'a', data: NOTHING, docEpoch: 5 }])
      store = await harness.reopen()
      const kept = store.reader.remains(author.key('a'))
      checkEqual(
        kept.map(({ docEpoch, updates }) => [docEpoch, updates.length]),
        [
          [4, 70_000],
          [0, 2],
        ],
        'remains of two lives',
      )
      check(
        kept[0]!.updates.every((update, i) => update[0] === (i & 255) && update[1] === ((i >> 8) & 255)),
        'the updates differ',
      )
      harness.advance(LIMITS.remainsKeptMs - 60_000)
      store = await harness.reopen()
      checkEqual(store.reader.remains(author.key('a')).length, 2, 'remains that went too early')
      harness.advance(120_000)
      store = await harness.reopen()
      checkEqual(store.reader.remains(author.key('a')), [], 'remains after their time')
    },
  },
  {
    id: 'ST-42',
    guarantee: 'a deletion comes out of quarantine as what it was: nothing is in it that could be damaged',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a', data: NOTHING, docEpoch: 1 }, { doc: 'b' }])
      await store.quarantine(author.key('a'))
      store = await harness.crash()
      const { docEpoch, quarantined, tailRows } = store.reader.doc(author.key('a'))!
      checkEqual([docEpoch, quarantined, tailRows], [1, false, 0], 'the deletion')
      checkEqual(store.reader.content(author.key('a')), { snapshot: null, tail: [] }, 'content of the deletion')
      checkEqual(store.reader.totals().documents, 1, 'documents that live')
    },
  },
]
