// What the memory store gives simulators beyond the contract: synchronous writes, determinism, and copies that stay as they were taken.

import { expect, test } from 'vitest'
import { DEFAULT_SPACE, WHOLE_RANGE } from '@syncline/protocol'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '@syncline/store/memory'
import { Author, madeUpBytes } from '../src/contract/author.ts'
import { wholeLog } from '../src/contract/commit-rules.ts'
import { seededRandom } from './memory-harness.ts'

function open(seed: number, from?: MemorySnapshot, asCopy = false): MemoryStore {
  return createMemoryStore({ space: DEFAULT_SPACE, random: seededRandom(seed), ...(from && { from, asCopy }) })
}

function write(store: MemoryStore, doc: string, times: number): void {
  for (let i = 0; i < times; i++) store.commitNow(new Author(store).transaction([{ doc }]))
}

test('[SM-1] memory: the same seed and the same writes give the same store, nonces and ids included', () => {
  const runs = [1, 1, 2].map((seed) => {
    const store = open(seed)
    write(store, 'a', 3)
    const { lastSeq, key } = store.reader.docs(WHOLE_RANGE, 1)[0]!
    store.sweepNow([{ key, expectedLastSeq: lastSeq, update: madeUpBytes(9, 1), knowledge: madeUpBytes(3, 1) }])
    store.rotateEpochNow()
    return JSON.stringify([store.replicaId, store.reader.nonce(), wholeLog(store), store.reader.totals()])
  })
  expect(runs[0]).toBe(runs[1])
  expect(runs[0]).not.toBe(runs[2])
})

test('[ST-2] memory: the synchronous writes are done on return, or throw and change nothing', () => {
  const store = open(1)
  const author = new Author(store)
  const tx = author.transaction([{ doc: 'a' }])
  store.commitNow(tx)
  expect(store.reader.head()).toBe(1)
  expect(() => store.commitNow(tx)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
  expect(() => store.commitNow({ ...tx, firstSeq: 2, rows: [{ ...tx.rows[0]!, doc: author.key('b') }] })).toThrow(
    expect.objectContaining({ code: 'argument-invalid' }),
  )
  expect([store.reader.head(), wholeLog(store).length]).toEqual([1, 1])
  const nonce = store.quarantineNow(author.key('a'))
  expect(store.reader.nonce()).toBe(nonce)
  expect(wholeLog(store)).toEqual([])
})

test('[ST-37] memory: a snapshot stays as it was taken, and can be opened again and again, each under a nonce of its own', () => {
  const store = open(1)
  write(store, 'a', 2)
  const kept = store.snapshot()
  write(store, 'a', 5)
  store.quarantineNow(new Author(store).key('a'))
  const again = [2, 3, 4].map((seed) => open(seed, kept))
  for (const opened of again) {
    expect([opened.reader.head(), opened.replicaId, opened.openReason]).toEqual([2, store.replicaId, 'opened'])
    expect(opened.reader.epoch(kept.nonce)).toEqual({ nonce: kept.nonce, startSeq: 0, endSeq: 2 })
    write(opened, 'b', 1)
  }
  expect(new Set([store, ...again].map((opened) => opened.reader.nonce())).size).toBe(4)
  expect(open(9, kept).reader.head()).toBe(2)
  expect(open(9, kept, true).replicaId).not.toBe(store.replicaId)
})

test('[ST-5] memory: commits complete in order, after the call', async () => {
  const store = open(1)
  const author = new Author(store)
  const done = [store.commit(author.transaction([{ doc: 'a' }])), store.commit(author.transaction([{ doc: 'a' }]))]
  expect(store.reader.head()).toBe(0)
  await done[0]
  await done[1]
  expect(store.reader.head()).toBe(2)
  expect(store.durability).toBe('memory')
})
