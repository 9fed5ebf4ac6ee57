// Commits that are waited for on the spot: how long, and what the answer is worth. That the whole storage contract holds with them is in contract.test.ts.

import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { DEFAULT_SPACE } from '@syncline/protocol'
import type { Store, Transaction } from '@syncline/store'
import { openSqliteStore } from '@syncline/store/sqlite'
import { Author } from '../src/contract/author.ts'
import { HandOver } from '../src/sqlite/hand-over.ts'
import { removeFolder, temporaryFolder } from './sqlite-harness.ts'

test('[SQ-17] a disk that is fast enough is waited for, half of the time at most', () => {
  const handOver = new HandOver(0)
  let nowMs = 0
  let waitedMs = 0
  for (let commit = 0; commit < 10_000; commit++) {
    const waitMs = handOver.waitMs(nowMs)
    expect(waitMs).toBeLessThanOrEqual(2)
    if (waitMs > 0) {
      const tookMs = Math.min(waitMs, 0.8)
      handOver.waited(nowMs, nowMs + tookMs, tookMs === 0.8)
      nowMs += tookMs
      waitedMs += tookMs
    }
    // Next to nothing is done in between.
    nowMs += 0.1
  }
  expect(waitedMs / nowMs).toBeGreaterThan(0.4)
  expect(waitedMs).toBeLessThanOrEqual(nowMs / 2 + 2)
})

test('[SQ-17] a disk that is too slow is soon waited for next to never, and again when it has become fast', () => {
  const handOver = new HandOver(0)
  let nowMs = 0
  const waitedMs = (commits: number, tookMs: number): number => {
    let sum = 0
    for (let commit = 0; commit < commits; commit++) {
      const waitMs = handOver.waitMs(nowMs)
      if (waitMs > 0) handOver.waited(nowMs, nowMs + Math.min(waitMs, tookMs), tookMs <= waitMs)
      sum += Math.min(waitMs, tookMs)
      nowMs += Math.max(tookMs, 20)
    }
    return sum
  }
  waitedMs(600, 10)
  const fromMs = nowMs
  expect(waitedMs(2_000, 10) / (nowMs - fromMs)).toBeLessThan(0.001)
  waitedMs(300, 1)
  expect(waitedMs(1_000, 1)).toBe(1_000)
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
    for (let i = 0; i < 400; i++) await author.commit([{ doc: `d${i % 7}` }, { doc: 'a' }])
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
