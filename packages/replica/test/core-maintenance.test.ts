// Compaction in a space that never rests: it takes its time in small pieces, gets to documents that every commit touches all the same, and lets go of what changed
// under its hands.

import { parseSpaceId, type DocId, type DocKey } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import { createMemoryStore, type MemoryStore } from '@syncline/store/memory'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { STEP } from '../src/compaction-run.ts'
import { seeded, World, type Node } from './core-world.ts'

const SWEEP_MS = 2_000

/** Types into a document of a node, a letter and a row at a time. */
class Typist {
  readonly doc = new Y.Doc()
  readonly #node: Node
  readonly #name: string
  #updates: Uint8Array[] = []

  constructor(node: Node, name: string) {
    this.#node = node
    this.#name = name
    this.doc.on('update', (update: Uint8Array) => this.#updates.push(update))
  }

  /** One commit for each. */
  type(world: World, letters: number): void {
    for (let i = 0; i < letters; i++) {
      this.write(String.fromCharCode(97 + (i % 26)))
      world.settle()
    }
  }

  write(text: string): void {
    const body = this.doc.getText('body')
    body.insert(body.length, text)
    for (const update of this.#updates.splice(0)) this.#node.write(this.#name, update)
  }

  get text(): string {
    return this.doc.getText('body').toString()
  }
}

interface Reads {
  /** Rows of tails since it was last set to 0. */
  rows: number
}

/** A store that counts what is read of tails. */
function countingStore(seed: number, reads: Reads): MemoryStore {
  const store = createMemoryStore({ space: parseSpaceId('default'), random: seeded(seed) })
  const { reader } = store
  const counted =
    <A extends unknown[], R>(read: (...args: A) => R, rows: (result: R) => number) =>
    (...args: A): R => {
      const result = read.apply(reader, args)
      reads.rows += rows(result)
      return result
    }
  Object.defineProperty(reader, 'tailPart', {
    value: counted<Parameters<StoreReader['tailPart']>, ReturnType<StoreReader['tailPart']>>(
      reader.tailPart,
      (part) => part?.rows.length ?? 0,
    ),
  })
  Object.defineProperty(reader, 'content', {
    value: counted<[DocKey], ReturnType<StoreReader['content']>>(reader.content, (content) => content?.tail.length ?? 0),
  })
  return store
}

function sweeps(node: Node): number {
  return node.events.filter((event) => event.type === 'swept' && event.documents > 0).length
}

/** Ticks until a sweep is under way, and lets it take `steps` steps. Carries out nothing else. */
function beginSweep(world: World, node: Node, steps: number): void {
  world.nowMs += 2 * SWEEP_MS
  node.core.tick(world.nowMs)
  for (let i = 0; i < steps; i++) {
    const effects = node.core.flush()
    expect(effects.map(({ kind }) => kind)).toEqual(['again'])
  }
}

test('[RS-2] a sweep reads a long tail in steps, commits go on between them, and it is installed with what came meanwhile', () => {
  const world = new World()
  const reads = { rows: 0 }
  const a = world.node('a', { limits: { sweepEveryMs: SWEEP_MS }, store: countingStore(1, reads) })
  const typist = new Typist(a, 'long')
  typist.type(world, 3_000)
  const key = a.core.keyOf('long' as DocId)
  world.nowMs += 2 * SWEEP_MS
  a.core.tick(world.nowMs)
  let [flushes, commits, most] = [0, 0, 0]
  for (; sweeps(a) === 0; flushes++) {
    expect(flushes).toBeLessThan(100)
    typist.write('!')
    reads.rows = 0
    for (const effect of a.core.flush()) {
      if (effect.kind === 'event') a.events.push(effect.event)
      if (effect.kind === 'commit') {
        commits++
        a.store.commitNow(effect.transaction)
        most = Math.max(most, reads.rows)
        a.core.committed()
      } else if (effect.kind === 'maintain' && effect.work.kind === 'sweep') {
        most = Math.max(most, reads.rows)
        a.core.maintained(a.store.sweepNow(effect.work.docs))
      }
    }
  }
  // Six portions of rows and two of updates, a commit after each.
  expect(flushes).toBeGreaterThan(3_000 / STEP.rows)
  expect(commits).toBeGreaterThanOrEqual(flushes - 2)
  expect(most).toBeLessThanOrEqual(STEP.rows)
  world.settle()
  expect(a.store.reader.content(key)!.tail.length).toBeLessThan(5)
  expect(a.text('long')).toBe(typist.text)
})

test('[RS-2] what is deleted, damaged, or stands in another epoch while it is prepared is let go, and nothing is lost', () => {
  const before = new World()
  const author = before.node('author')
  const typist = new Typist(author, 'one')
  typist.type(before, 1_500)
  new Typist(author, 'other').type(before, 3)
  const stored = author.store.snapshot()
  for (const ending of ['deleted', 'damaged', 'rotated', 'quarantined beside'] as const) {
    for (const steps of [1, 2, 4]) {
      const world = new World()
      const store = createMemoryStore({ space: parseSpaceId('default'), random: seeded(7), from: stored })
      const a = world.node('a', { limits: { sweepEveryMs: SWEEP_MS }, store })
      beginSweep(world, a, steps)
      const one = a.core.keyOf('one' as DocId)
      if (ending === 'deleted') a.delete('one')
      if (ending === 'damaged') a.store.damage(one)
      if (ending === 'rotated') a.store.rotateEpochNow()
      if (ending === 'quarantined beside') {
        a.store.damage(a.core.keyOf('other' as DocId))
        expect(() => a.core.diffFor('other' as DocId, null)).toThrow('damaged')
      }
      world.pass(3 * SWEEP_MS)
      const doc = a.store.reader.doc(one)!
      // Three portions of rows; what was read whole is stored anew.
      expect([ending, steps, doc.quarantined]).toEqual([ending, steps, ending === 'damaged' && steps < 3])
      expect([ending, steps, doc.digest]).toEqual([ending, steps, a.digest('one')])
      if (ending === 'deleted') expect(doc.docEpoch).toBe(1)
      if (ending === 'rotated' || ending === 'quarantined beside') {
        expect(a.text('one')).toBe(typist.text)
        expect([ending, steps, doc.tailRows]).toEqual([ending, steps, 0])
      }
    }
  }
})

test('[I4] a document that is written without a pause is compacted, and nothing of it is lost', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: SWEEP_MS } })
  const [hot, other] = [new Typist(a, 'hot'), new Typist(a, 'other')]
  for (let i = 0; i < 300; i++) {
    // One write is always waiting when the commit before it lands.
    hot.write(`${i} `)
    other.write(`${i} `)
    world.holdCommits = true
    world.settle()
    hot.write('.')
    world.releaseCommits()
    world.settle()
    world.pass(100)
  }
  expect(sweeps(a)).toBeGreaterThan(0)
  expect(a.store.reader.content(a.core.keyOf('hot' as DocId))!.tail.length).toBeLessThan(300)
  expect(a.text('hot')).toBe(hot.text)
  expect(a.text('other')).toBe(other.text)
})

test('[H5] two writers who contest a key all the time: what Yjs derives is appended, and the document is compacted all the same', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: SWEEP_MS } })
  for (let i = 0; i < 400; i++) {
    const doc = new Y.Doc()
    doc.getMap('map').set(`key ${i % 3}`, i)
    a.write('contested', Y.encodeStateAsUpdate(doc))
    world.settle()
    world.pass(20)
  }
  const { tailRows, digest } = a.store.reader.doc(a.core.keyOf('contested' as DocId))!
  expect(sweeps(a)).toBeGreaterThan(0)
  expect(tailRows).toBeLessThan(400)
  expect(digest).toBe(a.digest('contested'))
})
