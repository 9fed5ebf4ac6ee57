// Rules of commit(): order, atomicity, what survives.

import { ZERO_DIGEST, parseDocId, replicaIdFromBytes, type EpochNonce, type ReplicaId } from '@syncline/protocol'
import type { LogRow, Store, Transaction } from '../store.ts'
import { Author, NO_TOTALS, madeUpBytes } from './author.ts'
import { check, checkEqual, checkRejects, checkThrows, type Rule } from './rule.ts'

const PEER: ReplicaId = replicaIdFromBytes(madeUpBytes(16, 7))
const NONCE = 'ffee00112233aabb' as EpochNonce

/** One of every part of a transaction, besides rows and documents. */
function everyPart(author: Author, doc: string): Partial<Transaction> {
  const key = author.key(doc)
  return {
    cursors: [{ peer: PEER, scope: '*', nonce: NONCE, seq: 17 }],
    acks: [{ peer: PEER, scope: '*', seq: 1, durability: 'disk' }],
    held: [{ id: 4, doc: key, name: parseDocId(doc), origin: NONCE, n: 2, data: madeUpBytes(9, 1), atMs: 12 }],
    refusals: [{ peer: PEER, doc: key, direction: 'in', code: 'doc-too-large', retryable: true, digest: ZERO_DIGEST }],
  }
}

function checkNothing(store: Store, author: Author, doc: string): void {
  const { reader } = store
  const key = author.key(doc)
  checkEqual(reader.head(), 0, 'head')
  checkEqual(reader.totals(), NO_TOTALS, 'totals')
  checkEqual(reader.doc(key), undefined, 'document')
  checkEqual(reader.log(0, 100, 1e6), [], 'log')
  checkEqual(reader.cursor(PEER, '*'), undefined, 'cursor')
  checkEqual([reader.acks(), reader.held(key), reader.heldDocs(), reader.refusals()], [[], [], [], []], 'acks, held, refusals')
}

function checkEverything(store: Store, tx: Transaction): void {
  const { reader } = store
  checkEqual(reader.head(), tx.firstSeq + tx.rows.length - 1, 'head')
  checkEqual(reader.totals(), tx.totals, 'totals')
  checkEqual(
    reader.log(0, 100, 1e6).map((row) => row.data),
    tx.rows.map((row) => row.data),
    'log',
  )
  for (const doc of tx.docs) checkEqual(reader.doc(doc.key)?.digest, doc.digest, `digest of ${doc.name}`)
  checkEqual(reader.cursor(PEER, '*'), tx.cursors[0], 'cursor')
  checkEqual(reader.acks(), tx.acks, 'acks')
  checkEqual(reader.held(tx.held[0]!.doc), tx.held, 'held')
  checkEqual(reader.heldDocs(), [tx.held[0]!.doc], 'documents with held updates')
  checkEqual(reader.refusals(), tx.refusals, 'refusals')
}

/** Every row of the log, read in pages. */
export function wholeLog(store: Store): LogRow[] {
  const rows: LogRow[] = []
  for (;;) {
    const page = store.reader.log(rows.at(-1)?.seq ?? 0, 1000, 1e7)
    if (page.length === 0) return rows
    rows.push(...page)
  }
}

export const commitRules: readonly Rule[] = [
  {
    id: 'ST-1',
    guarantee: 'rows get gapless positions in order, and each points at the row of its document before it',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'a' }])
      await author.commit([{ doc: 'b' }, { doc: 'c' }])
      await author.commit([{ doc: 'a' }])
      checkEqual(
        wholeLog(store).map((row) => [row.seq, row.prev]),
        [
          [1, 0],
          [2, 0],
          [3, 1],
          [4, 2],
          [5, 0],
          [6, 3],
        ],
        'seq and prev',
      )
      checkEqual(store.reader.head(), 6, 'head')
    },
  },
  {
    id: 'ST-2',
    guarantee: 'a transaction that does not follow the head is refused and leaves nothing of any of its parts',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const tx = author.transaction([{ doc: 'a' }], everyPart(author, 'a'))
      for (const firstSeq of [0, 2, 99]) await checkRejects(store.commit({ ...tx, firstSeq }), ['argument-invalid'], `firstSeq ${firstSeq}`)
      const unknown = { ...tx, docs: [] }
      await checkRejects(store.commit(unknown), ['argument-invalid'], 'a row of an unknown document')
      checkNothing(store, author, 'a')
      await store.commit(tx)
      checkEverything(store, tx)
    },
  },
  {
    id: 'ST-3',
    guarantee: 'what commit() resolved for survives a crash, whole and unchanged',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const tx = await author.commit([{ doc: 'a' }, { doc: 'b' }], everyPart(author, 'a'))
      checkEverything(store, tx)
      checkEverything(await harness.crash(), tx)
      checkEverything(await harness.crash(), tx)
      checkEverything(await harness.reopen(), tx)
    },
  },
  {
    id: 'ST-4',
    guarantee: 'after a crash with commits under way the store is a prefix of their order and holds every resolved one',
    async run(harness) {
      let store = await harness.open()
      let written: Uint8Array[] = []
      for (let round = 0; round < 3; round++) {
        const author = new Author(store)
        let resolved = author.head
        for (let i = 0; i < 60; i++) {
          const tx = author.transaction([{ doc: `d${i % 7}` }, { doc: 'shared' }])
          written.push(...tx.rows.map((row) => row.data))
          const last = author.head
          const done = store.commit(tx).then(
            () => (resolved = Math.max(resolved, last)),
            () => undefined,
          )
          if (i === 20) await done
        }
        store = await harness.crash()
        const head = store.reader.head()
        check(head >= resolved, `head ${head} is behind the resolved ${resolved}`)
        checkEqual(head % 2, 0, 'half a transaction')
        const rows = wholeLog(store)
        written = written.slice(0, head)
        checkEqual(
          rows.map((row) => row.data),
          written,
          'rows',
        )
        checkEqual(store.reader.content(author.key('shared'))?.tail.length, head / 2, 'rows of the shared document')
      }
    },
  },
  {
    id: 'ST-5',
    guarantee: 'commits resolve in call order',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const resolved: number[] = []
      const all = Array.from({ length: 50 }, (_, i) => store.commit(author.transaction([{ doc: `d${i}` }])).then(() => resolved.push(i)))
      await Promise.all(all)
      checkEqual(
        resolved,
        Array.from({ length: 50 }, (_, i) => i),
        'order',
      )
      checkEqual(store.reader.head(), 50, 'head')
    },
  },
  {
    id: 'ST-6',
    guarantee: 'a refused transaction takes those queued behind it with it, keeps those before it, and the next one follows the head',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const first = store.commit(author.transaction([{ doc: 'a' }]))
      const refused = store.commit({ ...author.transaction([{ doc: 'b' }]), docs: [] })
      // it has no rows, so its firstSeq would fit even though what it builds on is gone
      const behind = [store.commit(author.transaction([{ doc: 'c' }])), store.commit({ ...author.transaction([]), firstSeq: 2 })]
      const outcomes = await Promise.allSettled([first, refused, ...behind])
      checkEqual(
        outcomes.map((outcome) => outcome.status),
        ['fulfilled', 'rejected', 'rejected', 'rejected'],
        'outcomes',
      )
      checkEqual(store.reader.head(), 1, 'head')
      const again = new Author(store)
      await again.commit([{ doc: 'b' }])
      checkEqual(
        wholeLog(store).map((row) => row.doc),
        [author.key('a'), author.key('b')],
        'log',
      )
    },
  },
  {
    id: 'ST-7',
    guarantee: 'reads see a transaction whole or not at all, and whole once commit() resolved',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      for (let i = 1; i <= 20; i++) {
        const tx = author.transaction(Array.from({ length: 10 }, (_, j) => ({ doc: `d${j}` })))
        const done = store.commit(tx)
        const doc = store.reader.content(author.key('d9'))
        checkEqual(store.reader.head() % 10, 0, 'rows of half a transaction')
        check((doc?.tail.length ?? 0) >= i - 1, 'a resolved row is not there')
        await done
        checkEqual(store.reader.head(), i * 10, 'head after commit')
        checkEqual(store.reader.content(author.key('d9'))?.tail.length, i, 'rows after commit')
        checkEqual(store.reader.totals(), tx.totals, 'totals after commit')
      }
    },
  },
  {
    id: 'ST-8',
    guarantee: 'a row keeps its bytes, kind, document epoch, origin and number exactly, up to the largest number',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const rows = [
        { doc: 'a', data: new Uint8Array(0), docEpoch: 5 },
        { doc: 'a', data: Uint8Array.from([0, 255, 128]), kind: 'batch' as const, n: Number.MAX_SAFE_INTEGER, docEpoch: 5 },
        { doc: 'a', data: madeUpBytes(70_000, 3), docEpoch: 5 },
      ]
      const tx = await author.commit(rows)
      const wanted = tx.rows.map((row, i) => ({ ...row, seq: i + 1, prev: i }))
      const inOrder = (row: LogRow): unknown => ({ ...wanted[0], ...row })
      checkEqual(wholeLog(store).map(inOrder), wanted, 'rows')
      store = await harness.crash()
      checkEqual(wholeLog(store).map(inOrder), wanted, 'rows after a crash')
      checkEqual(store.reader.content(author.key('a'))?.tail.map(inOrder), wanted, 'tail')
    },
  },
  {
    id: 'ST-9',
    guarantee: 'the caller may change its buffers once commit() or sweep() was called',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      const frame = madeUpBytes(100, 1)
      const data = frame.subarray(10, 20)
      const wanted = data.slice()
      const done = store.commit(author.transaction([{ doc: 'a', data }]))
      frame.fill(0)
      await done
      checkEqual(wholeLog(store)[0]!.data, wanted, 'bytes')
      const update = Uint8Array.from([1, 2, 3])
      const swept = store.sweep([{ key: author.key('a'), expectedLastSeq: 1, update, knowledge: update }])
      update.fill(0)
      await swept
      checkEqual(store.reader.content(author.key('a'))?.snapshot?.update, Uint8Array.of(1, 2, 3), 'snapshot')
    },
  },
  {
    id: 'ST-10',
    guarantee: 'a row of 8 MB is stored and read back whole',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const big = madeUpBytes(8 * 1024 * 1024, 5)
      await author.commit([{ doc: 'big', data: big }, { doc: 'small' }])
      store = await harness.crash()
      const [row] = store.reader.content(author.key('big'))!.tail
      check(row!.data.length === big.length && row!.data.every((byte, i) => byte === big[i]), 'the bytes differ')
      await store.sweep([{ key: author.key('big'), expectedLastSeq: 1, update: big, knowledge: Uint8Array.of(1) }])
      store = await harness.reopen()
      const { update } = store.reader.content(author.key('big'))!.snapshot!
      check(update.length === big.length && update.every((byte, i) => byte === big[i]), 'the bytes of the snapshot differ')
    },
  },
  {
    id: 'ST-11',
    guarantee: 'a transaction without rows stores its other parts',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }])
      const tx = await author.commit([], everyPart(author, 'a'))
      checkEqual(store.reader.head(), 1, 'head')
      checkEqual(store.reader.cursor(PEER, '*'), tx.cursors[0], 'cursor')
      checkEqual(store.reader.totals(), tx.totals, 'totals')
    },
  },
  {
    id: 'ST-12',
    guarantee: 'close() keeps what was queued, can be called again, and ends reads and writes with "store-closed"',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const queued = [1, 2, 3].map(() => store.commit(author.transaction([{ doc: 'a' }])))
      const late = author.transaction([{ doc: 'a' }])
      const closing = [store.close(), store.close()]
      await checkRejects(store.commit(late), ['store-closed'], 'commit while closing')
      await Promise.all([...queued, ...closing])
      await store.close()
      await checkRejects(store.commit(late), ['store-closed'], 'commit')
      await checkRejects(store.sweep([]), ['store-closed'], 'sweep')
      await checkRejects(store.rotateEpoch(), ['store-closed'], 'rotateEpoch')
      await checkRejects(store.quarantine(author.key('a')), ['store-closed'], 'quarantine')
      for (const read of [() => store.reader.head(), () => store.reader.content(author.key('a')), () => store.reader.log(0, 1, 1)]) {
        checkThrows(read, ['store-closed'], 'a read')
      }
      store = await harness.reopen()
      checkEqual(store.reader.head(), 3, 'head after reopening')
    },
  },
]
