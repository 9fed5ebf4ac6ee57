// Compaction in a space that never rests: documents that every commit touches are compacted all the same.

import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { DocId } from '@syncline/protocol'
import { World } from './core-world.ts'

test('[I4] a document that is written without a pause is compacted, and nothing of it is lost', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: 2_000 } })
  for (let i = 0; i < 300; i++) {
    // One write is always waiting when the commit before it lands.
    a.type('hot', `${i} `)
    a.type('other', `${i} `)
    world.holdCommits = true
    world.settle()
    a.write('hot', emptyWrite(i))
    world.releaseCommits()
    world.settle()
    world.pass(100)
  }
  const tail = a.store.reader.content(a.core.keyOf('hot' as DocId))!
  expect(a.events.some((event) => event.type === 'swept' && event.documents > 0)).toBe(true)
  expect(tail.tail.length).toBeLessThan(300)
  expect(
    a
      .text('hot')
      .split(' ')
      .filter((word) => word !== '' && !word.startsWith('w')),
  ).toEqual(Array.from({ length: 300 }, (_, i) => String(i)))
})

function emptyWrite(i: number): Uint8Array {
  const doc = new Y.Doc()
  doc.getMap('writes').set(String(i % 5), i)
  return Y.encodeStateAsUpdate(doc)
}
