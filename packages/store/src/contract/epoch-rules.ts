// Rules of identity and epochs, of sweeps, and of damage.

import { LIMITS, WHOLE_RANGE, ZERO_DIGEST, replicaIdFromBytes, type EpochNonce } from '@syncline/protocol'
import type { CompactedDoc, Store } from '../store.ts'
import { Author, madeUpBytes } from './author.ts'
import { wholeLog } from './commit-rules.ts'
import { check, checkEqual, checkThrows, type Rule } from './rule.ts'

const PEER = replicaIdFromBytes(madeUpBytes(16, 7))
const CURSOR = { peer: PEER, scope: '*', nonce: 'ffee00112233aabb' as EpochNonce, seq: 17 }

function compacted(store: Store, author: Author, doc: string): CompactedDoc {
  const { key, lastSeq } = store.reader.doc(author.key(doc))!
  return { key, expectedLastSeq: lastSeq, update: madeUpBytes(6000, lastSeq), knowledge: madeUpBytes(40, lastSeq) }
}

function endOf(store: Store, nonce: EpochNonce): number | null | undefined {
  return store.reader.epoch(nonce)?.endSeq
}

export const epochRules: readonly Rule[] = [
  {
    id: 'ST-26',
    guarantee: 'a store keeps its replica id and space, and says whether it was created or opened',
    async run(harness) {
      let store = await harness.open()
      const { replicaId, space } = store
      checkEqual([store.openReason, space], ['created', harness.space], 'a new store')
      for (const again of [() => harness.reopen(), () => harness.crash()]) {
        store = await again()
        checkEqual([store.openReason, store.replicaId, store.space], ['opened', replicaId, space], 'the same store')
      }
    },
  },
  {
    id: 'ST-27',
    guarantee: 'each open starts an epoch under a fresh nonce and fixes the end of the one before, which still answers',
    async run(harness) {
      let store = await harness.open()
      const nonces = [store.reader.nonce()]
      checkEqual(store.reader.epoch(nonces[0]!), { nonce: nonces[0], startSeq: 0, endSeq: null }, 'the first epoch')
      await new Author(store).commit([{ doc: 'a' }, { doc: 'a' }])
      for (const again of [() => harness.reopen(), () => harness.crash(), () => harness.reopen()]) {
        const head = store.reader.head()
        store = await again()
        const nonce = store.reader.nonce()
        check(!nonces.includes(nonce), 'a nonce came back')
        checkEqual(endOf(store, nonces.at(-1)!), head, 'end of the epoch before')
        checkEqual(store.reader.epoch(nonce), { nonce, startSeq: head, endSeq: null }, 'the current epoch')
        nonces.push(nonce)
        await new Author(store).commit([{ doc: 'a' }])
      }
      checkEqual(
        nonces.map((nonce) => endOf(store, nonce)),
        [2, 3, 4, null],
        'ends',
      )
      checkEqual(store.reader.epoch('0000000000000000' as EpochNonce), undefined, 'an unknown nonce')
    },
  },
  {
    id: 'ST-28',
    guarantee: 'rotateEpoch() ends the epoch at the head and starts another',
    async run(harness) {
      let store = await harness.open()
      const before = store.reader.nonce()
      await new Author(store).commit([{ doc: 'a' }])
      const nonce = await store.rotateEpoch()
      check(nonce !== before, 'the nonce did not change')
      checkEqual([store.reader.nonce(), endOf(store, before), endOf(store, nonce)], [nonce, 1, null], 'epochs')
      store = await harness.crash()
      checkEqual([endOf(store, before), endOf(store, nonce)], [1, 1], 'epochs after a crash')
    },
  },
  {
    id: 'ST-29',
    guarantee: 'epochs answer for 90 days after their end, and not much longer',
    async run(harness) {
      let store = await harness.open()
      const first = store.reader.nonce()
      store = await harness.reopen()
      harness.advance(LIMITS.epochKeptMs - 1000)
      const second = store.reader.nonce()
      store = await harness.reopen()
      checkEqual([endOf(store, first), endOf(store, second)], [0, 0], 'ends within 90 days')
      harness.advance(2000)
      store = await harness.reopen()
      checkEqual([endOf(store, first), endOf(store, second)], [undefined, 0], 'ends after 90 days')
    },
  },
  {
    id: 'ST-30',
    guarantee: 'a sweep moves a document into a snapshot behind one marker row at a higher position, and changes no digest or total',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'a' }, { doc: 'c' }])
      const [old, totals] = [store.reader.nonce(), store.reader.totals()]
      const { digest } = store.reader.doc(author.key('a'))!
      const docs = [compacted(store, author, 'a'), compacted(store, author, 'c')]
      const result = await store.sweep(docs)
      const installed = [
        { key: author.key('a'), seq: 5, coveredSeq: 3 },
        { key: author.key('c'), seq: 6, coveredSeq: 4 },
      ]
      checkEqual(result, { installed, nonce: result.nonce, head: 6 }, 'result')
      store = await harness.crash()
      const [b, markerA, markerC] = wholeLog(store)
      checkEqual(
        [b, markerA, markerC].map((row) => [row?.seq, row?.doc, row?.kind, row?.prev, row?.data.length]),
        [
          [2, author.key('b'), 'updates', 0, 24],
          [5, author.key('a'), 'snapshot', 3, 0],
          [6, author.key('c'), 'snapshot', 4, 0],
        ],
        'rows',
      )
      checkEqual(
        store.reader.content(author.key('a')),
        { snapshot: { seq: 5, update: docs[0]!.update, knowledge: docs[0]!.knowledge }, tail: [] },
        'content',
      )
      checkEqual([store.reader.doc(author.key('a'))!.digest, store.reader.totals()], [digest, totals], 'digest and totals')
      checkEqual([endOf(store, old), endOf(store, result.nonce)], [4, 6], 'ends of the epochs before and after the sweep')
      checkEqual(store.reader.epoch(result.nonce)?.startSeq, 4, 'start of the epoch of the sweep')
    },
  },
  {
    id: 'ST-31',
    guarantee: 'a sweep leaves alone a document that was written, quarantined or is unknown, and installs the others',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'q' }])
      const docs = ['a', 'b', 'q'].map((doc) => compacted(store, author, doc))
      const unknown = { ...docs[0]!, key: author.key('nobody') }
      await author.commit([{ doc: 'a' }])
      await store.quarantine(author.key('q'))
      const { installed, head } = await store.sweep([...docs, unknown])
      checkEqual([installed, head], [[{ key: author.key('b'), seq: 5, coveredSeq: 2 }], 5], 'result')
      checkEqual(
        store.reader.content(author.key('a'))?.tail.map((row) => row.seq),
        [1, 4],
        'rows of the document that was written',
      )
      checkEqual(store.reader.content(author.key('a'))?.snapshot, null, 'its snapshot')
    },
  },
  {
    id: 'ST-32',
    guarantee: 'however often a document is swept, its content never moves to a lower position, it has one marker, and its chain holds',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      let lowest = 0
      for (let round = 0; round < 6; round++) {
        const writer = new Author(store)
        await writer.commit([{ doc: 'a' }, { doc: 'other' }, { doc: 'a' }])
        const content = store.reader.content(author.key('a'))!
        const positions = content.tail.map((row) => row.seq)
        check(Math.min(...positions, content.snapshot?.seq ?? Infinity) >= lowest, `content at ${positions.join()} below ${lowest}`)
        checkEqual(content.tail[0]!.prev, content.snapshot?.seq ?? 0, 'the first row points at the snapshot')
        const { installed } = await store.sweep([compacted(store, author, 'a')])
        lowest = installed[0]!.seq
        checkEqual(
          wholeLog(store)
            .filter((row) => row.doc === author.key('a'))
            .map((row) => row.seq),
          [lowest],
          'rows of the document',
        )
        if (round % 2 === 1) store = await harness.crash()
      }
    },
  },
  {
    id: 'ST-33',
    guarantee: 'quarantine forgets one document, drops every receive cursor, starts an epoch and corrects the totals, at once',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'a' }], { cursors: [CURSOR, { ...CURSOR, scope: 'n/*' }] })
      await store.sweep([compacted(store, author, 'a')])
      const before = store.reader.nonce()
      const kept = store.reader.content(author.key('b'))
      const nonce = await store.quarantine(author.key('a'))
      store = await harness.crash()
      checkEqual([endOf(store, before), endOf(store, nonce)], [4, 4], 'epochs')
      checkEqual([store.reader.cursor(PEER, '*'), store.reader.cursor(PEER, 'n/*')], [undefined, undefined], 'cursors')
      checkEqual(store.reader.content(author.key('a')), { snapshot: null, tail: [] }, 'content')
      checkEqual(store.reader.knowledgeParts(author.key('a')), { base: null, tail: [] }, 'knowledge')
      const doc = store.reader.doc(author.key('a'))!
      checkEqual([doc.name, doc.digest, doc.lastSeq, doc.quarantined], ['a', ZERO_DIGEST, 0, true], 'document')
      checkEqual(store.reader.content(author.key('b')), kept, 'another document')
      checkEqual(store.reader.head(), 4, 'head')
      checkEqual(
        wholeLog(store).map((row) => row.seq),
        [2],
        'log',
      )
    },
  },
  {
    id: 'ST-34',
    guarantee: 'a quarantined document takes rows again, and is healed by the transaction that says so',
    async run(harness) {
      let store = await harness.open()
      await new Author(store).commit([{ doc: 'a' }])
      const key = new Author(store).key('a')
      await store.quarantine(key)
      await new Author(store).commit([{ doc: 'a' }])
      checkEqual(store.reader.doc(key)?.quarantined, true, 'quarantined after a part of it')
      const tx = new Author(store).transaction([{ doc: 'a' }])
      await store.commit({ ...tx, docs: tx.docs.map((doc) => ({ ...doc, healed: true })) })
      store = await harness.reopen()
      checkEqual(store.reader.doc(key)?.quarantined, false, 'quarantined after healing')
      checkEqual(
        store.reader.content(key)?.tail.map((row) => [row.seq, row.prev]),
        [
          [2, 0],
          [3, 2],
        ],
        'rows',
      )
    },
  },
  {
    id: 'ST-35',
    guarantee:
      'damaged content is "doc-quarantined" to whoever reads it, never wrong data; other documents are served; quarantine clears it',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      await author.commit([{ doc: 'a' }, { doc: 'b' }, { doc: 'a' }, { doc: 'b' }])
      const key = author.key('a')
      const kept = store.reader.content(author.key('b'))
      store = await harness.damage(key)
      checkThrows(() => store.reader.content(key), ['doc-quarantined'], 'content')
      checkThrows(() => store.reader.tailPart(key, null, store.reader.tailEnd(key)!, 9, 1e6), ['doc-quarantined'], 'a part of the tail')
      checkThrows(() => store.reader.knowledgeParts(key), ['doc-quarantined'], 'knowledge')
      checkThrows(() => wholeLog(store), ['doc-quarantined'], 'a log scan')
      checkEqual(store.reader.content(author.key('b')), kept, 'another document')
      await store.quarantine(key)
      checkEqual(
        wholeLog(store).map((row) => row.seq),
        [2, 4],
        'log after quarantine',
      )
      checkEqual(store.reader.content(key), { snapshot: null, tail: [] }, 'content after quarantine')
      await new Author(store).commit([{ doc: 'a' }])
      store = await harness.crash()
      checkEqual(store.reader.content(key)?.tail.length, 1, 'rows written afterwards')
    },
  },
  {
    id: 'ST-36',
    guarantee: 'a copy is another replica: new id, no receive cursors, acks or refusals; documents, log and epochs are its own',
    async run(harness) {
      let store = await harness.open()
      const author = new Author(store)
      const key = author.key('a')
      const refusal = { peer: PEER, doc: key, direction: 'in' as const, code: 'read-only', retryable: false, digest: ZERO_DIGEST }
      const ack = { peer: PEER, scope: '*', seq: 1, durability: 'disk' as const }
      await author.commit([{ doc: 'a' }, { doc: 'b' }], { cursors: [CURSOR], acks: [ack], refusals: [refusal] })
      const { replicaId } = store
      const [nonce, log, totals] = [store.reader.nonce(), wholeLog(store), store.reader.totals()]
      store = await harness.openCopy()
      checkEqual(store.openReason, 'copied', 'reason')
      check(store.replicaId !== replicaId, 'the copy kept the replica id')
      checkEqual(
        [store.reader.cursor(PEER, '*'), store.reader.acks(), store.reader.refusals()],
        [undefined, [], []],
        'agreements with peers',
      )
      checkEqual([wholeLog(store), store.reader.totals()], [log, totals], 'log and totals')
      checkEqual(endOf(store, nonce), 2, 'end of the epoch it was copied in')
      const copyId = store.replicaId
      store = await harness.reopen()
      checkEqual([store.openReason, store.replicaId], ['opened', copyId], 'the copy opened again')
    },
  },
  {
    id: 'ST-37',
    guarantee: 'an older copy put over the store in place is the same replica, behind itself: fresh nonce, and later nonces unknown',
    async run(harness) {
      let store = await harness.open()
      const { replicaId } = store
      await new Author(store).commit([{ doc: 'a' }], { cursors: [CURSOR] })
      store = await harness.backup()
      await new Author(store).commit([{ doc: 'a' }, { doc: 'b' }], { cursors: [{ ...CURSOR, seq: 99 }] })
      const later = store.reader.nonce()
      store = await harness.restore()
      checkEqual([store.openReason, store.replicaId, store.reader.head()], ['opened', replicaId, 1], 'the restored store')
      check(store.reader.nonce() !== later, 'a nonce came back')
      checkEqual(endOf(store, later), undefined, 'the nonce that was issued after the backup')
      checkEqual(store.reader.cursor(PEER, '*')?.seq, 17, 'cursor')
      checkEqual(store.reader.docs(WHOLE_RANGE, 9).length, 1, 'documents')
    },
  },
]
