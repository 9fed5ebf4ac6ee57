// The engine alone, two or three of them: ladder, refusal, acks, wire costs. Scripted; the random worlds are in packages/testing.

import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { World } from './core-world.ts'

test('[CV-1] two replicas that wrote apart are equal after they meet', () => {
  const world = new World()
  const a = world.node('a')
  const b = world.node('b')
  a.type('note/1', 'hello ')
  b.type('note/1', 'world')
  b.type('note/2', 'only here')
  world.settle()
  world.connect(a, b)
  world.settle()
  expect(a.core.root).toBe(b.core.root)
  expect(a.text('note/1')).toBe(b.text('note/1'))
  expect(a.text('note/2')).toBe('only here')
  a.type('note/1', '!')
  world.settle()
  expect(b.text('note/1')).toContain('!')
  expect(a.core.root).toBe(b.core.root)
})

test('[CV-2] a chain carries edits through a replica in the middle', () => {
  const world = new World()
  const [a, b, c] = [world.node('a'), world.node('b'), world.node('c')]
  world.connect(a, b)
  world.connect(b, c)
  world.settle()
  for (let i = 0; i < 20; i++) {
    a.type(`doc/${i % 3}`, `a${i} `)
    c.type(`doc/${i % 3}`, `c${i} `)
    world.settle()
  }
  world.pass(3_000)
  expect(new Set([a.core.root, b.core.root, c.core.root]).size).toBe(1)
  expect(a.text('doc/1')).toBe(c.text('doc/1'))
})

test('[CV-2] a peer that was away resumes from the log by its cursor', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  const wire = world.connect(a, b)
  a.type('n', 'one ')
  world.settle()
  world.pass(2_000)
  world.cut(wire)
  a.type('n', 'two ')
  world.settle()
  const before = world.frames.length
  world.connect(a, b)
  world.settle()
  const starts = world.frames
    .slice(before)
    .flatMap((frame) => frame.messages.filter((message) => message.kind === 'start').map((message) => message.mode))
  expect(starts.toSorted()).toEqual(['stream', 'stream'])
  expect(b.text('n')).toBe('one two ')
})

test('[RF-1] a document over its limit is refused alone: 100 healthy ones behind it arrive and are acknowledged', () => {
  const world = new World()
  const a = world.node('a')
  const b = world.node('b', { limits: { documentBytesMax: 2_000 } })
  world.connect(a, b)
  world.settle()
  a.type('big', 'x'.repeat(5_000))
  for (let i = 0; i < 100; i++) a.type(`small/${i}`, `text ${i}`)
  world.settle()
  world.pass(2_000)
  for (let i = 0; i < 100; i++) expect(b.text(`small/${i}`)).toBe(`text ${i}`)
  expect(b.text('big')).toBe('')
  expect(a.core.channels(1)[0]!.acked).toBe(a.core.head)
  expect(a.events.filter((event) => event.type === 'rejected')).toMatchObject([{ doc: 'big', direction: 'out', code: 'doc-too-large' }])
  // The refused document leaves the comparison: no reconciliation runs over and over.
  world.pass(200_000)
  expect(a.events.filter((event) => event.type === 'reconcile').length).toBeLessThanOrEqual(1)
})

test('[DU-1] a write is answered only after its commit, and a repeated one with the commit that covers it', () => {
  const world = new World()
  const a = world.node('a')
  const y = new Y.Doc()
  y.getText('body').insert(0, 'x')
  const update = Y.encodeStateAsUpdate(y)
  world.holdCommits = true
  const first = a.write('n', update, 7)
  world.settle()
  const again = a.write('n', update, 8)
  world.settle()
  expect([a.outcomes.get(first), a.outcomes.get(again)]).toEqual([undefined, undefined])
  world.releaseCommits()
  world.settle()
  expect(a.outcomes.get(first)).toEqual({ kind: 'committed', seq: 1 })
  expect(a.outcomes.get(again)).toEqual({ kind: 'known' })
})

test('[CV-2] compaction keeps digests, and a client away meanwhile resumes by cursor', () => {
  const world = new World()
  const [a, b] = [world.node('a', { limits: { sweepEveryMs: 1_000 } }), world.node('b')]
  const wire = world.connect(a, b)
  a.type('n', 'start ')
  world.settle()
  world.pass(2_000)
  world.cut(wire)
  const root = (): string => a.core.root
  for (let i = 0; i < 300; i++) {
    a.type('n', `${i} `)
    world.settle()
  }
  const before = root()
  world.pass(5_000)
  expect(a.events.some((event) => event.type === 'swept')).toBe(true)
  expect(root()).toBe(before)
  const mark = world.frames.length
  world.connect(a, b)
  world.settle()
  const starts = world.frames
    .slice(mark)
    .flatMap((frame) => frame.messages.filter((message) => message.kind === 'start').map((message) => message.mode))
  expect(starts).not.toContain('reconcile')
  expect(b.core.root).toBe(a.core.root)
  expect(b.text('n')).toBe(a.text('n'))
})

test('[CV-2] steady traffic in one direction is no reason to reconcile', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  world.connect(a, b)
  world.settle()
  for (let second = 0; second < 90; second++) {
    a.type('n', `${second} `)
    world.settle()
    world.pass(1_000)
  }
  expect([...a.events, ...b.events].filter((event) => event.type === 'reconcile')).toEqual([])
  expect(b.core.root).toBe(a.core.root)
})
