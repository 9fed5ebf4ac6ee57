// Commits that are waited for on the spot: how long, and what the answer is worth. That the whole storage contract holds with them is in contract.test.ts.

import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { DEFAULT_SPACE } from '@syncline/protocol'
import type { Store, Transaction } from '@syncline/store'
import { openSqliteStore } from '@syncline/store/sqlite'
import { Author } from '../src/contract/author.ts'
import { monotonicMs } from '../src/sqlite/clock.ts'
import { HandOver } from '../src/sqlite/hand-over.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

/** Commits one after the other: how often it was waited, and how long in all. Each takes `tookMs`, after which there are `turnMs` to do before the answer would be taken. */
function commits(handOver: HandOver, count: number, { fromMs, tookMs, turnMs }: { fromMs: number; tookMs: number; turnMs: number }) {
  let [nowMs, waits, waitedMs] = [fromMs, 0, 0]
  for (let commit = 0; commit < count; commit++) {
    const waitMs = handOver.waitMs(nowMs)
    expect(waitMs).toBeLessThanOrEqual(2)
    const stoodMs = Math.min(waitMs, tookMs)
    if (waitMs > 0) handOver.waited(nowMs, nowMs + stoodMs, tookMs <= waitMs)
    else handOver.came(nowMs, nowMs + tookMs, nowMs + Math.max(tookMs, turnMs))
    if (waitMs > 0) waits++
    waitedMs += stoodMs
    nowMs += waitMs > 0 ? stoodMs + turnMs : Math.max(tookMs, turnMs)
  }
  return { waits, waitedMs, ms: nowMs - fromMs, nowMs }
}

test('[SQ-17] where turns are long, commits are waited for, and one in sixteen is not', () => {
  const { waits } = commits(new HandOver(0), 1_000, { fromMs: 0, tookMs: 1, turnMs: 6 })
  expect(waits).toBeGreaterThan(900)
  expect(waits).toBeLessThanOrEqual(938)
})

test('[SQ-17] where turns are short, no commit is waited for', () => {
  expect(commits(new HandOver(0), 1_000, { fromMs: 0, tookMs: 1, turnMs: 1.3 }).waits).toBe(0)
})

test('[SQ-17] whatever the turns, no more than half of the time is waited', () => {
  const handOver = new HandOver(0)
  let nowMs = 0
  let waitedMs = 0
  for (let commit = 0; commit < 10_000; commit++) {
    const waitMs = handOver.waitMs(nowMs)
    // A long turn where it looks, next to none where it waits.
    if (waitMs === 0) handOver.came(nowMs, nowMs + 0.8, nowMs + 20)
    else handOver.waited(nowMs, nowMs + Math.min(waitMs, 0.8), waitMs >= 0.8)
    waitedMs += Math.min(waitMs, 0.8)
    nowMs += Math.min(waitMs, 0.8) + 0.05
  }
  expect(waitedMs / nowMs).toBeGreaterThan(0.4)
  expect(waitedMs).toBeLessThanOrEqual(nowMs / 2 + 2)
})

test('[SQ-17] a disk that is too slow is soon waited for next to never, and again when it has become fast', () => {
  const handOver = new HandOver(0)
  const slow = commits(handOver, 600, { fromMs: 0, tookMs: 10, turnMs: 40 })
  const later = commits(handOver, 2_000, { fromMs: slow.nowMs, tookMs: 10, turnMs: 40 })
  expect(later.waitedMs / later.ms).toBeLessThan(0.001)
  const fast = commits(handOver, 600, { fromMs: later.nowMs, tookMs: 1, turnMs: 40 })
  expect(commits(handOver, 1_600, { fromMs: fast.nowMs, tookMs: 1, turnMs: 40 }).waits).toBe(1_500)
})

test('[SQ-17] sqlite: what commitAndWait says is done is in the file, and one that does not follow is refused', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'space.db')
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process', waits: true })
  const other = new Sqlite(path, { readonly: true })
  const newest = other.prepare('SELECT max(seq) FROM log').pluck()
  let atOnce = 0
  const author = new Author({
    ...{ space: store.space, reader: store.reader },
    commit: async (transaction: Transaction) => {
      const { length } = transaction.rows
      const done = store.commitAndWait!(transaction)
      if (done !== true) return done
      atOnce++
      expect(newest.get()).toBe(transaction.firstSeq + length - 1)
      expect(store.reader.head()).toBe(transaction.firstSeq + length - 1)
    },
  } as unknown as Store)
  try {
    for (let i = 0; i < 400; i++) {
      const committed = author.commit([{ doc: `d${i % 7}` }, { doc: 'a' }])
      // A long turn: the answer lies there meanwhile.
      const untilMs = monotonicMs() + 10
      while (atOnce === 0 && monotonicMs() < untilMs);
      await committed
    }
    expect(atOnce).toBeGreaterThan(0)
    expect(store.reader.head()).toBe(800)
    const stale = store.commitAndWait!({ ...emptyTransaction(store.reader.totals()), firstSeq: 3 })
    await expect(stale).rejects.toMatchObject({ code: 'argument-invalid' })
    await author.commit([{ doc: 'a' }])
  } finally {
    other.close()
    await store.close()
    removeFolder(folder)
  }
})

function emptyTransaction(totals: Transaction['totals']): Transaction {
  const nothing = {
    rows: [],
    docs: [],
    cursors: [],
    cursorsDropped: [],
    acks: [],
    held: [],
    heldDropped: [],
    refusals: [],
    refusalsDropped: [],
  }
  return { firstSeq: 0, totals, ...nothing }
}
