// Rules of the reader: scans, pages, documents, and the small tables beside them.

import {
  LIMITS,
  Sum128,
  WHOLE_RANGE,
  ZERO_DIGEST,
  docKeyOf,
  documentPoint,
  parseDocId,
  replicaIdFromBytes,
  scopeRange,
  type DocKey,
  type EpochNonce,
} from '@syncline/protocol'
import { urgency } from '../compaction-policy.ts'
import type { DocRow, RefusalRow, Store } from '../store.ts'
import { Author, madeUpBytes } from './author.ts'
import { wholeLog } from './commit-rules.ts'
import { check, checkEqual, type Rule } from './rule.ts'

const [PEER, OTHER] = [replicaIdFromBytes(madeUpBytes(16, 7)), replicaIdFromBytes(madeUpBytes(16, 8))]
const NONCE = 'ffee00112233aabb' as EpochNonce

/** Every document of the range, read in pages. */
function pages(store: Store, limit: number, range: { first: DocKey; last: DocKey } = WHOLE_RANGE): DocRow[] {
  const rows: DocRow[] = []
  for (;;) {
    const page = store.reader.docs(range, limit, rows.at(-1)?.key)
    check(page.length <= limit, `a page of ${page.length} for a limit of ${limit}`)
    if (page.length === 0) return rows
    rows.push(...page)
  }
}

export const readRules: readonly Rule[] = [
  {
    id: 'ST-13',
    guarantee: 'a log scan gives the rows after a position, ascending, at most as many as asked',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit(Array.from({ length: 30 }, (_, i) => ({ doc: `d${i % 4}` })))
      const seqs = (after: number, rows: number): number[] => store.reader.log(after, rows, 1e9).map((row) => row.seq)
      checkEqual(seqs(0, 3), [1, 2, 3], 'from the start')
      checkEqual(seqs(28, 10), [29, 30], 'at the end')
      checkEqual(seqs(30, 10), [], 'behind the end')
      checkEqual(seqs(1e9, 10), [], 'far behind the end')
      checkEqual(seqs(0, 100).length, 30, 'all')
    },
  },
  {
    id: 'ST-14',
    guarantee: 'a log scan stops at about the bytes asked for, and gives at least one row when there is any',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit(Array.from({ length: 20 }, () => ({ doc: 'a', data: 1000 })))
      const count = (bytes: number): number => store.reader.log(0, 100, bytes).length
      checkEqual(count(1), 1, 'rows for 1 byte')
      check(count(5000) >= 4 && count(5000) <= 6, `${count(5000)} rows of 1000 bytes for 5000 bytes`)
      checkEqual(count(1e6), 20, 'rows for plenty')
    },
  },
  {
    id: 'ST-15',
    guarantee: 'a log scan passes over what compaction took out',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      for (let i = 0; i < 5; i++) await author.commit([{ doc: 'a' }, { doc: 'b' }])
      await store.sweep([{ key: author.key('a'), expectedLastSeq: 9, update: madeUpBytes(50, 1), knowledge: madeUpBytes(5, 1) }])
      checkEqual(
        wholeLog(store).map((row) => [row.seq, row.kind]),
        [2, 4, 6, 8, 10].map((seq) => [seq, 'updates']).concat([[11, 'snapshot']]),
        'rows',
      )
      checkEqual(
        store.reader.log(4, 2, 1e6).map((row) => row.seq),
        [6, 8],
        'a page in the middle',
      )
    },
  },
  {
    id: 'ST-16',
    guarantee: 'paging through documents gives each once, in order of keys, for any page size and any key range',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const names = Array.from({ length: 120 }, (_, i) => `${['note', 'todo', 'x'][i % 3]}/${i}`)
      await author.commit(names.map((doc) => ({ doc })))
      const keys = names.map((name) => author.key(name)).sort()
      for (const limit of [1, 7, 120, 500]) {
        checkEqual(
          pages(store, limit).map((row) => row.key),
          keys,
          `keys in pages of ${limit}`,
        )
      }
      const notes = scopeRange(store.space, { kind: 'collection', collection: 'note' })
      checkEqual(
        pages(store, 9, notes)
          .map((row) => row.name)
          .sort(),
        names.filter((name) => name.startsWith('note/')).sort(),
        'names of one collection',
      )
      const one = author.key('x/2')
      checkEqual(pages(store, 5, { first: one, last: one }).length, 1, 'a range of one key')
      checkEqual(store.reader.docs({ first: one, last: one }, 5, one), [], 'after the last key')
    },
  },
  {
    id: 'ST-17',
    guarantee: 'a document counts its rows: newest position, tail rows and bytes, snapshot bytes',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a', data: 10 }, { doc: 'b' }, { doc: 'a', data: 32 }])
      const sizes = (): unknown => {
        const doc = store.reader.doc(author.key('a'))!
        return [doc.lastSeq, doc.tailRows, doc.tailBytes, doc.snapshotBytes, doc.quarantined]
      }
      checkEqual(sizes(), [3, 2, 42, 0, false], 'before a sweep')
      await store.sweep([{ key: author.key('a'), expectedLastSeq: 3, update: madeUpBytes(9000, 1), knowledge: madeUpBytes(3, 1) }])
      checkEqual(sizes(), [4, 0, 0, 9000, false], 'after a sweep')
      store = await harness.reopen()
      await new Author(store).commit([{ doc: 'a', data: 5 }])
      checkEqual(sizes(), [5, 1, 5, 9000, false], 'after another row')
    },
  },
  {
    id: 'ST-18',
    guarantee: 'content is the snapshot and the rows after it, oldest first; knowledge parts are those of the same state',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const key = author.key('a')
      checkEqual([store.reader.content(key), store.reader.knowledgeParts(key)], [undefined, undefined], 'of an unknown document')
      const agree = (tail: readonly number[], base: boolean): void => {
        const content = store.reader.content(key)!
        const parts = store.reader.knowledgeParts(key)!
        checkEqual(
          content.tail.map((row) => row.seq),
          tail,
          'tail',
        )
        checkEqual(
          parts.tail,
          content.tail.map((row) => row.data),
          'tail of knowledge',
        )
        checkEqual(parts.base, content.snapshot?.knowledge ?? null, 'knowledge of the snapshot')
        checkEqual(parts.base !== null, base, 'has a snapshot')
      }
      await author.commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'a' }, { doc: 'a' }])
      agree([1, 3, 4], false)
      const update = madeUpBytes(20_000, 2)
      await store.sweep([{ key, expectedLastSeq: 4, update, knowledge: madeUpBytes(30, 3) }])
      agree([], true)
      checkEqual(store.reader.content(key)?.snapshot, { seq: 5, update, knowledge: madeUpBytes(30, 3) }, 'snapshot')
      await new Author(store).commit([{ doc: 'a' }, { doc: 'a' }])
      agree([6, 7], true)
    },
  },
  {
    id: 'ST-19',
    guarantee: 'totals are those of the documents: how many, and the sum of their points',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const agree = (): void => {
        const docs = pages(store, 50)
        const root = new Sum128()
        for (const doc of docs) root.add(documentPoint(doc.key, doc.digest))
        checkEqual(store.reader.totals(), { documents: docs.length, root: root.toHex() }, 'totals')
      }
      for (let i = 0; i < 20; i++) await author.commit([{ doc: `d${i % 6}` }, { doc: `e${i}` }])
      agree()
      await store.quarantine(author.key('d3'))
      agree()
      store = await harness.crash()
      agree()
    },
  },
  {
    id: 'ST-20',
    guarantee: 'names of any script keep their bytes and stay apart, up to 512 bytes',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const names = [
        'räum mit leer/zeichen',
        'r-%41',
        'r-A',
        'é',
        'e\u0301',
        '日本/語',
        'ﷺ',
        '🦊/🧪',
        '\u{10ffff}',
        ' ',
        "';--",
        'a'.repeat(512),
        'é'.repeat(256),
      ]
      await author.commit(names.map((doc) => ({ doc })))
      store = await harness.reopen()
      for (const name of names) {
        const doc = store.reader.doc(docKeyOf(store.space, parseDocId(name)))
        checkEqual(doc?.name, name, 'name')
      }
      checkEqual(store.reader.totals().documents, names.length, 'documents')
    },
  },
  {
    id: 'ST-21',
    guarantee: 'three thousand documents written in a few transactions are all there',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      for (let i = 0; i < 3; i++) await author.commit(Array.from({ length: 1000 }, (_, j) => ({ doc: `many/${i}-${j}` })))
      checkEqual(store.reader.totals(), author.totals, 'totals')
      checkEqual(pages(store, 700).length, 3000, 'documents')
      checkEqual(store.reader.content(author.key('many/2-999'))?.tail.length, 1, 'rows of the last one')
    },
  },
  {
    id: 'ST-22',
    guarantee: 'a receive cursor is kept per peer and scope, replaced by the next, and gone when dropped',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const cursors = [
        { peer: PEER, scope: '*', nonce: NONCE, seq: 1 },
        { peer: PEER, scope: 'note/*', nonce: NONCE, seq: 2 },
        { peer: OTHER, scope: '*', nonce: NONCE, seq: 3 },
      ]
      await author.commit([], { cursors })
      const next = { ...cursors[0]!, seq: 9, nonce: '0011223344556677' as EpochNonce }
      await author.commit([], { cursors: [next], cursorsDropped: [{ peer: OTHER, scope: '*' }] })
      store = await harness.reopen()
      const found = [store.reader.cursor(PEER, '*'), store.reader.cursor(PEER, 'note/*'), store.reader.cursor(OTHER, '*')]
      checkEqual(found, [next, cursors[1], undefined], 'cursors')
      checkEqual(store.reader.cursor(OTHER, '=unknown'), undefined, 'an unknown scope')
    },
  },
  {
    id: 'ST-23',
    guarantee: 'held updates are kept per document, in order of their ids, until dropped',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const held = [3, 1, 2].map((id) => {
        const name = parseDocId(id === 2 ? 'b' : 'a')
        return { id, doc: author.key(name), name, origin: NONCE, n: id, data: madeUpBytes(5, id), atMs: 1000 + id }
      })
      await author.commit([], { held })
      store = await harness.reopen()
      const ids = (doc: string): number[] => store.reader.held(author.key(doc)).map((row) => row.id)
      checkEqual([ids('a'), ids('b'), ids('c')], [[1, 3], [2], []], 'ids')
      checkEqual(store.reader.held(author.key('b')), [held[2]], 'row')
      checkEqual([...store.reader.heldDocs()].sort(), [author.key('a'), author.key('b')].sort(), 'documents')
      await new Author(store).commit([], { heldDropped: [1, 2, 77] })
      checkEqual([ids('a'), ids('b')], [[3], []], 'ids after a drop')
    },
  },
  {
    id: 'ST-24',
    guarantee: 'acks are kept per peer and scope, refusals per peer, document and direction, until replaced or dropped',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const refusal: RefusalRow = {
        peer: PEER,
        doc: author.key('a'),
        direction: 'in',
        code: 'read-only',
        retryable: false,
        digest: ZERO_DIGEST,
      }
      const refusals = [refusal, { ...refusal, direction: 'out' as const }, { ...refusal, peer: OTHER }]
      const ack = { peer: PEER, scope: '*', seq: 4, durability: 'process' as const }
      await author.commit([], { refusals, acks: [ack, { ...ack, scope: '=a' }] })
      const changed = { ...refusal, code: 'doc-too-large', retryable: true }
      const dropped = [{ peer: OTHER, doc: refusal.doc, direction: 'in' as const }]
      await author.commit([], { refusals: [changed], refusalsDropped: dropped, acks: [{ ...ack, seq: 8, durability: 'disk' }] })
      store = await harness.reopen()
      const byDirection = [...store.reader.refusals()].sort((a, b) => (a.direction < b.direction ? -1 : 1))
      checkEqual(byDirection, [changed, refusals[1]], 'refusals')
      const byScope = [...store.reader.acks()].sort((a, b) => (a.scope < b.scope ? -1 : 1))
      checkEqual(
        byScope,
        [
          { ...ack, seq: 8, durability: 'disk' },
          { ...ack, scope: '=a' },
        ],
        'acks',
      )
    },
  },
  {
    id: 'ST-25',
    guarantee: 'due() lists what the compaction policy names, most urgent first, and no quarantined document',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit([
        { doc: 'small', data: 100 },
        { doc: 'bytes', data: LIMITS.tailBytesDue },
        { doc: 'large', data: 3 * LIMITS.tailBytesDue },
      ])
      await author.commit(Array.from({ length: LIMITS.tailRowsDue * 2 }, () => ({ doc: 'rows', data: 1 })))
      await author.commit(Array.from({ length: LIMITS.tailRowsDue - 1 }, () => ({ doc: 'almost', data: 1 })))
      await author.commit([{ doc: 'bad', data: 9 * LIMITS.tailBytesDue }])
      await store.quarantine(author.key('bad'))
      const due = store.reader.due(10)
      checkEqual(
        due.map((doc) => doc.name),
        ['large', 'rows', 'bytes'],
        'due',
      )
      check(
        due.every((doc, i) => i === 0 || urgency(due[i - 1]!) >= urgency(doc)),
        'not by urgency',
      )
      checkEqual(store.reader.due(1).length, 1, 'at most one')
      const large = due[0]!
      await store.sweep([{ key: large.key, expectedLastSeq: large.lastSeq, update: madeUpBytes(400_000, 1), knowledge: Uint8Array.of(1) }])
      await new Author(store).commit([{ doc: 'large', data: 2 * LIMITS.tailBytesDue }])
      checkEqual(
        store.reader.due(10).map((doc) => doc.name),
        ['rows', 'bytes'],
        'due when a tail is small beside its snapshot',
      )
    },
  },
]
