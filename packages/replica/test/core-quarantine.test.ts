// Stored content that fails its checksum: never served, fetched again from a peer, and the roots agree afterwards.

import { docKeyOf, DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { expect, test } from 'vitest'
import { World } from './core-world.ts'

test('[CV-2] a damaged document is fetched again from a peer, and roots are equal and true to the documents afterwards', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  let wire = world.connect(a, b)
  a.type('note/1', 'kept')
  a.type('note/2', 'whole')
  world.settle()
  world.pass(6_000)
  a.store.damage(docKeyOf(DEFAULT_SPACE, parseDocId('note/1')))
  try {
    a.text('note/1')
    expect.fail('damaged content was served')
  } catch (error) {
    a.core.readFailed(error)
  }
  world.settle()
  expect(a.events.some((event) => event.type === 'quarantined')).toBe(true)
  world.cut(wire)
  wire = world.connect(a, b)
  world.settle()
  world.pass(3_000)
  expect(a.text('note/1')).toBe(b.text('note/1'))
  expect(a.text('note/1')).toContain('kept')
  expect(a.core.root).toBe(b.core.root)
  expect(a.store.reader.totals()).toEqual(b.store.reader.totals())
  expect(a.store.reader.doc(docKeyOf(DEFAULT_SPACE, parseDocId('note/1')))!.quarantined).toBe(false)
})
