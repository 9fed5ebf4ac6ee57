// Many guests at one document: newcomers share an answer, and those that lag behind share what is read for them. What each gets is what it would get alone.

import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Store } from '@syncline/store'
import { eventually, memoryStore, note, openHost, recordedGuest } from './hosts.ts'

/** Counts reads of whole documents. */
function countedReads(store: Store): () => number {
  let reads = 0
  const content = store.reader.content.bind(store.reader)
  store.reader.content = (key) => {
    reads++
    return content(key)
  }
  return () => reads
}

/** Writes and deletes, in turn, and what each step sent. */
function writer(clientId: number): { readonly doc: Y.Doc; step(round: number): Uint8Array } {
  const doc = new Y.Doc()
  doc.clientID = clientId
  const text = doc.getText('body')
  return {
    doc,
    step(round) {
      const before = Y.encodeStateVector(doc)
      if (round % 3 === 2) text.delete(0, 2)
      else text.insert(round % 2 === 0 ? text.length : 0, `${clientId}:${round};`)
      return Y.encodeStateAsUpdate(doc, before)
    },
  }
}

test('[GU-2] newcomers to a document that changes all the time are answered with all that is committed, without a read for each', async () => {
  const store = memoryStore()
  const reads = countedReads(store)
  const a = openHost({ store })
  const guest = a.replica.attachGuest(note, recordedGuest())
  const writers = [writer(1), writer(2)]
  const older: Y.Doc[] = [new Y.Doc()]
  for (let round = 0; round < 60; round++) {
    const { doc, step } = writers[round % 2]!
    await guest.write(step(round))
    const newcomer = a.replica.attachGuest(note, recordedGuest())
    const whole = new Y.Doc()
    Y.applyUpdate(whole, newcomer.diff(Y.encodeStateVector(new Y.Doc())))
    const known = older[round % older.length]!
    const before = Y.encodeStateAsUpdate(known)
    const caughtUp = new Y.Doc()
    Y.applyUpdate(caughtUp, before)
    Y.applyUpdate(caughtUp, newcomer.diff(Y.encodeStateVector(caughtUp)))
    expect(Y.equalSnapshots(Y.snapshot(caughtUp), Y.snapshot(whole))).toBe(true)
    expect(caughtUp.getText('body').toString()).toBe(whole.getText('body').toString())
    // Nothing that this writer did is missing.
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(whole))
    expect(doc.getText('body').toString()).toBe(whole.getText('body').toString())
    expect(newcomer.stateVector()).toEqual(Y.encodeStateVector(whole))
    if (round % 7 === 0) older.push(whole)
    newcomer.detach()
  }
  expect(reads()).toBeLessThan(20)
})

test('[RS-1] a crowd that lags behind is handed what it missed from few reads, whether memory still has it or not', async () => {
  for (const recentBytesMax of [1, 8 * 1024 * 1024]) {
    const store = memoryStore()
    const a = openHost({ store, limits: { recentBytesMax } })
    const writing = a.replica.attachGuest(note, recordedGuest())
    const { doc, step } = writer(1)
    const crowd = Array.from({ length: 40 }, () => {
      const port = recordedGuest()
      return { port, guest: a.replica.attachGuest(note, port) }
    })
    for (const { port } of crowd) port.unsent = 2 ** 21
    for (let round = 0; round < 50; round++) await writing.write(step(round))
    expect(crowd.every(({ port }) => port.delivered.length === 0)).toBe(true)
    const reads = countedReads(store)
    for (const { port, guest } of crowd) {
      port.unsent = 0
      guest.drained()
    }
    await writing.write(step(50))
    await eventually(() => {
      for (const { port } of crowd) {
        const seen = new Y.Doc()
        for (const update of port.delivered) Y.applyUpdate(seen, update)
        expect(seen.getText('body').toString()).toBe(doc.getText('body').toString())
      }
    })
    expect(reads()).toBeLessThan(10)
  }
})
