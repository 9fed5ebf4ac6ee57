// The holes that the protocol's study found, each by its name: scripted on real engines so that reopening one fails here.

import { parseSpaceId, type Message } from '@syncline/protocol'
import { createMemoryStore, type MemorySnapshot, type MemoryStore } from '@syncline/store/memory'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { seeded, World, type Node } from './core-world.ts'
import { eventually, linkHosts, note, open, openHost, textOf, type } from './hosts.ts'

const CUTS = Array.from({ length: 14 }, (_, i) => i + 1)

function restored(snapshot: MemorySnapshot, seed: number): MemoryStore {
  return createMemoryStore({ space: parseSpaceId('default'), random: seeded(seed), from: snapshot })
}

function startsFrom(world: World, name: string, mark: number): string[] {
  const messages: Message[] = world.frames
    .slice(mark)
    .filter((frame) => frame.from === name)
    .flatMap((frame) => [...frame.messages])
  return messages.flatMap((message) => (message.kind === 'start' ? [message.mode] : []))
}

/** I3: whatever of a's log the receiver's cursor covers, the receiver has. */
function expectTrueCursor(a: Node, b: Node): void {
  const cursor = b.store.reader.cursor(a.store.replicaId, '*')
  if (cursor === undefined) return
  for (const row of a.store.reader.docs({ first: '0'.repeat(32), last: 'f'.repeat(32) } as never, 1_000)) {
    if (row.lastSeq <= cursor.seq)
      expect(b.store.reader.doc(row.key)?.digest, `${row.name} at ${row.lastSeq}, cursor ${cursor.seq}`).toBe(row.digest)
  }
}

test.each(CUTS)(
  '[H1] a link cut after %i frames, with a reconciliation outstanding and entries passing by, leaves no cursor that claims too much',
  (cut) => {
    const world = new World()
    const [a, b] = [world.node('a'), world.node('b')]
    for (let i = 0; i < 40; i++) a.type(`old/${i}`, `text ${i}`)
    for (let i = 0; i < 5; i++) b.type(`mine/${i}`, `text ${i}`)
    world.settle()
    const wire = world.connect(a, b)
    for (let i = 0; i < cut; i++) {
      world.step()
      a.type('live', `${i} `)
    }
    world.cut(wire)
    world.settle()
    expectTrueCursor(a, b)
    expectTrueCursor(b, a)
    world.connect(a, b)
    world.settle()
    expect(b.core.root).toBe(a.core.root)
  },
)

test.each(CUTS)('[H2] entries that overtake an outstanding diff are held, not dropped, and start no second round (at frame %i)', (at) => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  for (let i = 0; i < 20; i++) a.type(`doc/${i}`, 'one ')
  world.settle()
  world.connect(a, b)
  for (let i = 0; i < at; i++) world.step()
  for (let i = 0; i < 20; i++) a.type(`doc/${i}`, 'two ')
  world.settle()
  expect(b.core.root).toBe(a.core.root)
  expect(b.text('doc/7')).toBe('one two ')
  const ended = [...a.events, ...b.events].filter((event) => event.type === 'link-ended')
  const rounds = [...a.events, ...b.events].filter((event) => event.type === 'reconcile')
  expect(ended).toEqual([])
  expect(rounds.length).toBeLessThanOrEqual(1)
  expect([...b.store.reader.heldDocs()]).toEqual([])
})

test('[H3] a restored peer gets its own data back', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  a.type('n', 'old ')
  world.settle()
  const yesterday = a.store.snapshot()
  const wire = world.connect(a, b)
  world.settle()
  a.type('n', 'new ')
  a.type('other', 'also new')
  world.settle()
  world.pass(2_000)
  world.cut(wire)
  const again = world.node('a again', { store: restored(yesterday, 77) })
  expect(again.store.replicaId).toBe(a.store.replicaId)
  world.connect(again, b)
  world.settle()
  expect([again.text('n'), again.text('other')]).toEqual(['old new ', 'also new'])
  expect(again.core.root).toBe(b.core.root)
})

test('[H4] a copy from before a compaction is not trusted with a cursor from after it', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: 1_000 } })
  const b = world.node('b')
  const wire = world.connect(a, b)
  for (let i = 0; i < 300; i++) {
    a.type('n', `${i} `)
    world.settle()
  }
  world.cut(wire)
  const before = a.store.snapshot()
  const nonceBefore = a.store.reader.nonce()
  world.pass(3_000)
  expect(a.events.some((event) => event.type === 'swept')).toBe(true)
  expect(a.store.reader.nonce()).not.toBe(nonceBefore)
  const second = world.connect(a, b)
  world.settle()
  world.pass(2_000)
  a.type('n', 'after')
  world.settle()
  world.pass(2_000)
  world.cut(second)
  const again = world.node('a again', { store: restored(before, 78) })
  const mark = world.frames.length
  world.connect(again, b)
  world.settle()
  expect(startsFrom(world, 'a again', mark)).toEqual(['reconcile'])
  expect(again.core.root).toBe(b.core.root)
  expect(again.text('n')).toBe(b.text('n'))
})

test('[H5] deletes that compaction derives are appended as an entry: they reach peers, and digests do not flap', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: 1_000 } })
  const b = world.node('b')
  for (let i = 0; i < 300; i++) {
    const doc = new Y.Doc()
    doc.getMap('m').set('k', i)
    a.write('n', Y.encodeStateAsUpdate(doc))
    world.settle()
  }
  const before = a.core.digestOf('n' as never)
  world.connect(a, b)
  world.settle()
  expect(b.core.digestOf('n' as never)).toBe(before)
  world.pass(10_000)
  expect(a.events.some((event) => event.type === 'swept')).toBe(true)
  const after = a.core.digestOf('n' as never)
  expect(after, 'concurrent values of one key are deleted by whoever loads them').not.toBe(before)
  expect(b.core.digestOf('n' as never)).toBe(after)
  world.pass(130_000)
  expect([a.core.digestOf('n' as never), b.core.digestOf('n' as never)]).toEqual([after, after])
  expect([...a.events, ...b.events].filter((event) => event.type === 'reconcile' && event.why === 'roots-differ')).toEqual([])
})

test('[H6] client ids survive neither a restart nor a restore: two lives of one file never write under one id', async () => {
  const random = seeded(5)
  const store = createMemoryStore({ space: parseSpaceId('default'), random, durability: 'process' })
  const first = openHost({ store })
  const before = open(first)
  type(before, 'base ')
  await before.saved()
  const snapshot = store.snapshot()
  const lives = [1, 2].map((seed) =>
    openHost({ store: createMemoryStore({ space: parseSpaceId('default'), random: seeded(seed), from: snapshot, asCopy: true }) }),
  )
  const documents = lives.map((life) => open(life))
  const ids = [before, ...documents].map((document) => document.doc.clientID)
  expect(new Set(ids).size).toBe(ids.length)
  type(documents[0]!, 'AAAA')
  type(documents[1]!, 'BBBB')
  await Promise.all(documents.map((document) => document.saved()))
  linkHosts(lives[0]!, lives[1]!)
  await eventually(() => expect(textOf(documents[0]!)).toBe(textOf(documents[1]!)))
  expect(textOf(documents[0]!)).toMatch(/^base (AAAABBBB|BBBBAAAA)$/)
  expect(open(lives[0]!, note).doc.clientID).toBe(ids[1])
})
