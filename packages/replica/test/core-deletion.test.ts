// Deleting documents, on real engines over memory stores: a deletion reaches everybody by every way that content does, and nothing comes back.

import { DOC_EPOCH_MAX, parseDocId } from '@syncline/protocol'
import { createMemoryStore, type MemoryStore } from '@syncline/store/memory'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { seeded, World, type Node } from './core-world.ts'

const NOTE = 'note'

function update(text: string): Uint8Array {
  const doc = new Y.Doc()
  doc.getText('body').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

/** Every id that a node stores, of whatever document: to look for what was deleted. */
function storedRows(node: Node): number {
  return node.store.reader.log(0, 10_000, 1e9).filter((row) => row.data.length > 0).length
}

function epochOf(node: Node): number {
  return node.core.docEpoch(parseDocId(NOTE))
}

function expectDeletedEverywhere(...nodes: readonly Node[]): void {
  for (const node of nodes) {
    expect([node.name, epochOf(node), node.text(NOTE)]).toEqual([node.name, 1, ''])
    expect(node.core.root).toBe(nodes[0]!.core.root)
  }
}

function copyOf(node: Node, seed: number): MemoryStore {
  return createMemoryStore({ space: node.store.space, random: seeded(seed), from: node.store.snapshot() })
}

test('[DD-2] a deletion flows like an edit: live, from a cursor, and by reconciliation', () => {
  const world = new World()
  const [a, b, c] = [world.node('a'), world.node('b'), world.node('c')]
  a.type(NOTE, 'one')
  a.type('other', 'stays')
  const wire = world.connect(a, b)
  const chain = world.connect(b, c)
  world.settle()
  expect(c.text(NOTE)).toBe('one')
  world.cut(chain)
  a.delete(NOTE)
  world.settle()
  expectDeletedEverywhere(a, b)
  expect(c.text(NOTE)).toBe('one')
  world.connect(b, c)
  world.settle()
  expectDeletedEverywhere(a, b, c)
  world.cut(wire)
  const late = world.node('late')
  late.type('mine', 'text')
  world.settle()
  world.connect(late, b)
  world.settle()
  expectDeletedEverywhere(b, late)
  expect([late.text('other'), b.text('mine')]).toEqual(['stays', 'text'])
})

test('[DD-1] edits made elsewhere before they heard of the deletion add nothing, whichever side dials, and the deletion reaches their writers', () => {
  for (const dialler of ['deleter', 'writer'] as const) {
    const world = new World()
    const [deleter, writer] = [world.node('deleter'), world.node('writer')]
    deleter.type(NOTE, 'one')
    world.settle()
    const wire = world.connect(deleter, writer)
    world.settle()
    world.cut(wire)
    deleter.delete(NOTE)
    for (let i = 0; i < 20; i++) writer.type(NOTE, `offline ${i}`)
    world.settle()
    const before = storedRows(deleter)
    if (dialler === 'deleter') world.connect(deleter, writer)
    else world.connect(writer, deleter)
    world.settle()
    world.pass(120_000)
    expectDeletedEverywhere(deleter, writer)
    expect(storedRows(deleter), 'the edits were not stored').toBe(before)
    expect([...deleter.core.refusals().all(), ...writer.core.refusals().all()]).toEqual([])
  }
})

test('[DD-1] a copy from before the deletion that comes back edits and all brings nothing back', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  a.type(NOTE, 'one')
  world.settle()
  const wire = world.connect(a, b)
  world.settle()
  const old = copyOf(b, 77)
  a.delete(NOTE)
  world.settle()
  world.cut(wire)
  const restored = world.node('restored', { store: old })
  restored.type(NOTE, 'from the backup')
  world.settle()
  world.connect(restored, a)
  world.settle()
  world.pass(120_000)
  expectDeletedEverywhere(a, b, restored)
})

test('[DD-1] a late write of the life that is over is refused with doc-deleted, also while the deletion is not committed yet', () => {
  const world = new World()
  const a = world.node('a')
  a.type(NOTE, 'one')
  world.settle()
  world.holdCommits = true
  const deletion = a.delete(NOTE)
  const meanwhile = a.write(NOTE, update('meanwhile'), 5, 0)
  world.settle()
  expect(a.outcomes.get(meanwhile)).toMatchObject({ kind: 'refused', code: 'doc-deleted' })
  expect(a.outcomes.get(deletion)).toBeUndefined()
  world.releaseCommits()
  world.settle()
  expect(a.outcomes.get(deletion)).toMatchObject({ kind: 'committed' })
  const late = a.write(NOTE, update('late'), 5, 0)
  const again = a.delete(NOTE)
  world.settle()
  expect(a.outcomes.get(late)).toMatchObject({ kind: 'refused', code: 'doc-deleted' })
  expect(a.outcomes.get(again)).toEqual({ kind: 'known' })
  expectDeletedEverywhere(a)
})

test('[DD-1] edits and the deletion in one commit: nothing of the edits is left, and what is held for them goes too', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  world.connect(a, b)
  world.settle()
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (bytes: Uint8Array) => updates.push(bytes))
  for (const word of ['one ', 'two ', 'three ']) doc.getText('body').insert(0, word)
  a.write(NOTE, updates[0]!)
  a.write(NOTE, updates[2]!)
  a.delete(NOTE)
  world.settle()
  expectDeletedEverywhere(a, b)
  expect([a.store.reader.heldDocs(), storedRows(a), storedRows(b)]).toEqual([[], 0, 0])
})

test('[DD-5] a document begun anew starts empty, two that begin it apart merge, and nothing of the first life enters the second', () => {
  const world = new World()
  const [a, b, stale] = [world.node('a'), world.node('b'), world.node('stale')]
  a.type(NOTE, 'first life')
  world.settle()
  const wires = [world.connect(a, b), world.connect(a, stale)]
  world.settle()
  world.cut(wires[1]!)
  a.delete(NOTE)
  world.settle()
  world.cut(wires[0]!)
  a.write(NOTE, update('A'), 0, 2)
  b.write(NOTE, update('B'), 0, 2)
  for (let i = 0; i < 5; i++) stale.type(NOTE, 'more of the first life ')
  world.settle()
  for (const node of [a, b]) expect(epochOf(node)).toBe(2)
  world.connect(a, b)
  world.connect(stale, b)
  world.settle()
  world.pass(60_000)
  for (const node of [a, b, stale]) {
    expect([...node.text(NOTE)].sort().join(''), node.name).toBe('AB')
    expect(node.core.root).toBe(a.core.root)
  }
  const again = createMemoryStore({ space: stale.store.space, random: seeded(5), from: stale.store.snapshot() })
  const reopened = world.node('reopened', { store: again })
  reopened.type(NOTE, 'C')
  world.settle()
  expect([...reopened.text(NOTE)].sort().join('')).toBe('ABC')
})

test('[DD-5] compaction keeps the epoch, and peers sync across it', () => {
  const world = new World()
  const a = world.node('a', { limits: { sweepEveryMs: 1_000, tailRowsHardMax: 8 } })
  a.delete(NOTE)
  world.settle()
  a.write(NOTE, update('x'), 0, 2)
  for (let i = 0; i < 600; i++) {
    a.type(NOTE, `${i} `)
    world.settle()
  }
  world.pass(5_000)
  expect(a.store.reader.content(a.core.keyOf(parseDocId(NOTE)))?.snapshot).not.toBeNull()
  const b = world.node('b')
  world.connect(a, b)
  world.settle()
  a.type(NOTE, 'after')
  world.settle()
  expect([epochOf(b), b.text(NOTE)]).toEqual([2, a.text(NOTE)])
  expect(b.core.root).toBe(a.core.root)
  a.delete(NOTE)
  world.settle()
  expect([epochOf(b), b.text(NOTE), b.core.root]).toEqual([3, '', a.core.root])
})

test('[DD-6] a peer without the right to delete cannot: the document leaves the comparison, and goes when the right comes', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  let mayDelete = false
  a.type(NOTE, 'one')
  a.type('other', 'text')
  world.settle()
  const access = { read: () => true, write: () => true, delete: () => mayDelete }
  const wire = world.connect(a, b, access)
  world.settle()
  a.delete(NOTE)
  a.type('other', ' more')
  world.settle()
  world.pass(60_000)
  expect([epochOf(a), epochOf(b), b.text(NOTE), b.text('other')]).toEqual([1, 0, 'one', 'text more'])
  expect([...b.core.refusals().all()].map(({ code, direction }) => [code, direction])).toEqual([['delete-forbidden', 'in']])
  expect(a.events.filter(({ type }) => type === 'rejected')).toMatchObject([{ doc: NOTE, code: 'delete-forbidden', direction: 'out' }])
  mayDelete = true
  b.core.accessChanged(wire.ends[1].link)
  world.settle()
  world.pass(60_000)
  expectDeletedEverywhere(a, b)
  expect([...a.core.refusals().all(), ...b.core.refusals().all()]).toEqual([])
})

test('[DD-6] the right to delete is enough to delete, and not to write', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  b.type(NOTE, 'one')
  b.type('other', 'text')
  world.settle()
  world.connect(a, b, { read: () => true, write: () => false, delete: () => true })
  world.settle()
  a.delete(NOTE)
  a.type('other', ' more')
  world.settle()
  expectDeletedEverywhere(b)
  expect(b.text('other')).toBe('text')
})

/** The store lands commits and the engine does not hear of it, until the answer is called. */
function aheadOf(node: Node): () => void {
  const { core } = node
  const committed = core.committed.bind(core)
  let waiting = 0
  core.committed = () => {
    waiting++
    return new Set()
  }
  return () => {
    core.committed = committed
    for (; waiting > 0; waiting--) committed()
  }
}

test('[DD-5] while the store is a life ahead of what is settled, nothing of the later life travels as content of the earlier one', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  a.type(NOTE, 'old')
  world.settle()
  const settle = aheadOf(a)
  a.write(NOTE, update('NEW LIFE'), 0, 2)
  world.settle()
  world.connect(a, b, { read: () => true, write: () => true, delete: () => false })
  world.settle()
  expect([epochOf(b), b.text(NOTE)]).toEqual([0, ''])
  settle()
  world.settle()
  world.pass(120_000)
  expect([epochOf(b), b.text(NOTE)]).toEqual([0, ''])
  const c = world.node('c')
  world.connect(a, c)
  world.settle()
  expect([epochOf(c), c.text(NOTE), c.core.root]).toEqual([2, 'NEW LIFE', a.core.root])
})

test('[DD-5] a name whose epochs are used up stays deleted, and other documents go on', () => {
  const world = new World()
  const [a, b] = [world.node('a'), world.node('b')]
  world.connect(a, b)
  a.write(NOTE, null, 0, DOC_EPOCH_MAX)
  world.settle()
  const ticket = a.write(NOTE, update('again'), 0, DOC_EPOCH_MAX + 1)
  a.type('other', 'text')
  world.settle()
  expect(a.outcomes.get(ticket)).toMatchObject({ kind: 'refused', code: 'doc-deleted' })
  expect([b.text('other'), epochOf(b), a.core.root === b.core.root]).toEqual(['text', DOC_EPOCH_MAX, true])
})

test('[LI-3] beginning a deleted document anew counts against the limit of documents, as making one does', () => {
  const world = new World()
  const a = world.node('a', { limits: { documentsMax: 1 } })
  a.type(NOTE, 'one')
  world.settle()
  a.delete(NOTE)
  world.settle()
  a.type('other', 'two')
  world.settle()
  const ticket = a.write(NOTE, update('again'), 0, 2)
  world.settle()
  expect(a.outcomes.get(ticket)).toMatchObject({ kind: 'refused', code: 'space-full' })
  expect(a.store.reader.totals().documents).toBe(1)
})
