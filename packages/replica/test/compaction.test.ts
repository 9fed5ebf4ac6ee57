// Which way a document is compacted, and that a fault of the faster way costs nothing but time.

import { compactBytes, Knowledge, frameUpdates, isRefusal, walkUpdate, type EpochNonce, type DocKey } from '@syncline/protocol'
import type { DocContent } from '@syncline/store'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { compact, type CompactionWays } from '../src/compaction.ts'
import { oneUpdate } from '../src/document-diff.ts'
import { World } from './core-world.ts'

/** Somebody writes, and takes back. */
function edits(write: (doc: Y.Doc) => void): Uint8Array[] {
  const updates: Uint8Array[] = []
  const doc = new Y.Doc()
  doc.on('update', (update: Uint8Array) => updates.push(update))
  write(doc)
  return updates
}

function typed(): Uint8Array[] {
  return edits((doc) => {
    const text = doc.getText('body')
    for (const letter of 'a long way') text.insert(text.length, letter)
    text.delete(2, 5)
  })
}

/** Two authors who do not know of each other set one key: Yjs takes back the one that loses, and says so to nobody. */
function contested(): Uint8Array[] {
  return [1, 2].flatMap((value) => edits((doc) => doc.getMap('map').set('key', value)))
}

function stored(updates: readonly Uint8Array[]): DocContent {
  const data = frameUpdates(updates)
  return {
    snapshot: null,
    tail: [{ seq: 1, doc: '' as DocKey, docEpoch: 0, prev: 0, origin: '' as EpochNonce, n: 1, kind: 'updates', data }],
  }
}

function knowledgeOf(updates: readonly Uint8Array[]): Knowledge {
  const knowledge = new Knowledge()
  for (const update of updates) {
    const facts = walkUpdate(update)
    if (isRefusal(facts)) throw new Error(facts.reason)
    knowledge.admit(facts)
  }
  return knowledge
}

function run(updates: readonly Uint8Array[], ways: CompactionWays = {}): { told: string[]; result: ReturnType<typeof compact> } {
  const told: string[] = []
  const known = knowledgeOf(updates)
  const goal = { digest: known.digest(), docEpoch: 0, known: () => known }
  const result = compact(updates, goal, {
    took: (way) => told.push(way),
    mismatched: (reason) => told.push(`mismatch: ${reason}`),
    ...ways,
  })
  return { told, result }
}

function throughDoc(updates: readonly Uint8Array[]): Uint8Array {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return Y.encodeStateAsUpdate(doc)
}

test('[I4] a document is compacted from its bytes, and a check finds nothing', () => {
  const updates = typed()
  expect(run(updates, { checked: true })).toEqual({
    told: ['bytes'],
    result: { kind: 'compacted', update: throughDoc(updates), knowledge: knowledgeOf(updates).encode() },
  })
})

test('[I4] where the byte compactor gives something else the check tells, and what a Y.Doc makes is taken', () => {
  const updates = typed()
  const liar = edits((doc) => doc.getText('body').insert(0, 'wrong way'))
  // The same ids and deletes, other content: only the check can see that.
  const forge = (): ReturnType<typeof compactBytes> => {
    const right = compactBytes(updates)!
    const at = right.update.indexOf('y'.charCodeAt(0))
    const update = right.update.slice()
    update[at] = 'z'.charCodeAt(0)
    return { update, facts: right.facts }
  }
  const checked = run(updates, { checked: true, fromBytes: forge })
  expect(checked.told).toEqual(['mismatch: a Y.Doc makes something else of it', 'ydoc'])
  expect(checked.result).toMatchObject({ kind: 'compacted', update: throughDoc(updates) })
  // Other ids are seen without a check.
  const other = run(updates, { checked: false, fromBytes: () => compactBytes(liar) })
  expect(other.result).toMatchObject({ kind: 'compacted', update: throughDoc(updates) })
})

test('[I4] a byte compactor that throws is told, and a Y.Doc does its work', () => {
  const updates = typed()
  const { told, result } = run(updates, {
    fromBytes: () => {
      throw new RangeError('out of luck')
    },
  })
  expect(told).toEqual(['mismatch: RangeError: out of luck', 'ydoc'])
  expect(result).toMatchObject({ kind: 'compacted', update: throughDoc(updates) })
})

test('[H5] deletes that Yjs derives are returned, not invented, and once they are stored bytes suffice', () => {
  const updates = contested()
  const { told, result } = run(updates)
  expect(told).toEqual([])
  expect(result).toMatchObject({ kind: 'derived-deletes' })
  const derived = edits((doc) => {
    for (const update of updates) Y.applyUpdate(doc, update)
  }).slice(-1)
  expect(run([...updates, ...derived], { checked: true }).told).toEqual(['bytes'])
})

test('[CV-1] one update for a guest is what Yjs would answer, with a tail or without, to any state vector', () => {
  const updates = typed()
  const content = stored(updates)
  for (let known = 0; known <= updates.length; known++) {
    const doc = new Y.Doc()
    for (const update of updates.slice(0, known)) Y.applyUpdate(doc, update)
    const vector = Y.encodeStateVector(doc)
    const whole = new Y.Doc()
    Y.applyUpdate(whole, throughDoc(updates))
    expect(oneUpdate(content, vector)).toEqual(Y.encodeStateAsUpdate(whole, vector))
  }
  expect(oneUpdate(content, null)).toEqual(throughDoc(updates))
})

test('[MT-1] a sweep tells which way each document went', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: 2_000 } })
  for (let i = 0; i < 300; i++) {
    a.type('doc', `${i} `)
    world.settle()
    world.pass(20)
  }
  expect(a.events.filter(({ type }) => type.startsWith('compact'))).toContainEqual({ type: 'compacted', doc: 'doc', way: 'bytes' })
  expect(a.events.some(({ type }) => type === 'compaction-mismatch')).toBe(false)
})
