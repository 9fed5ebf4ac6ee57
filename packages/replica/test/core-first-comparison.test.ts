// The first comparison after a start: the sums of all documents are made in pieces. Meanwhile a replica answers, documents change, ranges of the peer wait, and nothing of
// it is lost or counted twice.

import { DEFAULT_SPACE, docKeyOf, parseDocId, SynclineError, WHOLE_RANGE, type Scope } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { World, type Node } from './core-world.ts'

const DOCUMENTS = 150
const nameOf = (index: number): string => `${index % 3 === 0 ? 'todo' : 'note'}/${index}`

/** Two replicas of the same documents, each with edits of its own, that have just started. */
function startedAnew(world: World, interests: readonly Scope[], inBits: boolean): [Node, Node] {
  const shared = new Y.Doc()
  shared.getText('body').insert(0, 'shared text')
  const update = Y.encodeStateAsUpdate(shared)
  const nodes = ['a', 'b'].map((name, side) => {
    const before = world.node(name)
    for (let i = 0; i < DOCUMENTS; i++) before.write(nameOf(i), update)
    world.settle()
    for (let i = side; i < DOCUMENTS; i += 31) before.type(nameOf(i), `edit of ${name}`)
    world.settle()
    const { store } = before
    return world.node(`${name} again`, { store, interests, buggify: (point) => inBits && point === 'tree-in-bits' })
  })
  return [nodes[0]!, nodes[1]!]
}

/** How often all documents were read row by row. */
function countScans({ store }: Node): () => number {
  const docs = store.reader.docs.bind(store.reader)
  let scans = 0
  store.reader.docs = (range, limit, after) => {
    if (range.first === WHOLE_RANGE.first && range.last === WHOLE_RANGE.last && limit > 1) scans++
    return docs(range, limit, after)
  }
  return () => scans
}

const scopes: readonly (readonly [string, Scope])[] = [
  ['all documents', { kind: 'space' }],
  ['a collection', { kind: 'collection', collection: 'note' }],
]
for (const [what, scope] of scopes) {
  test(`[RS-5] while the sums of ${what} are made, writes are committed at once and ranges of the peer wait; then both are equal`, () => {
    const world = new World()
    const [a, b] = startedAnew(world, [scope], true)
    const scans = [countScans(a), countScans(b)]
    world.connect(a, b)
    const isStarted = (): boolean => world.frames.some(({ messages }) => messages.some(({ kind }) => kind === 'recon'))
    let turns = 0
    for (; !isStarted(); turns++) {
      const [node, name] = [turns % 2 === 0 ? a : b, turns % 5 === 0 ? `note/new ${turns}` : nameOf((turns * 7) % DOCUMENTS)]
      const ticket = node.type(name, `typed in turn ${turns}`)
      world.step()
      world.step()
      expect(node.outcomes.get(ticket)?.kind).toBe('committed')
    }
    expect(turns).toBeGreaterThan(DOCUMENTS / 4)
    world.settle()
    world.pass(10_000)
    for (let i = 0; i < DOCUMENTS; i++)
      if (scope.kind === 'space' || nameOf(i).startsWith('note/')) expect(a.digest(nameOf(i))).toBe(b.digest(nameOf(i)))
    for (let turn = 0; turn < turns; turn += 5) expect(a.digest(`note/new ${turn}`)).toBe(b.digest(`note/new ${turn}`))
    if (scope.kind === 'space') expect(a.core.root).toBe(b.core.root)
    expect([...a.events, ...b.events].filter(({ type }) => type === 'reconcile').length).toBeLessThanOrEqual(2)
    // Sums that are wrong would be noticed by the root, and everything read again.
    expect(scans.map((count) => count())).toEqual([0, 0])
  })
}

test('[RS-5] a peer that may not read everything waits for its own sums, and gets what it may read', () => {
  const world = new World()
  const [a, b] = startedAnew(world, [{ kind: 'space' }], true)
  world.connect(a, b, { read: (doc) => doc.startsWith('note/'), write: () => true })
  for (let turn = 0; turn < 60; turn++) {
    b.type(nameOf((turn * 7) % DOCUMENTS), `typed in turn ${turn}`)
    world.step()
  }
  world.settle()
  world.pass(10_000)
  for (let i = 0; i < DOCUMENTS; i++) if (nameOf(i).startsWith('note/')) expect(a.digest(nameOf(i))).toBe(b.digest(nameOf(i)))
})

test('[CV-2] digests that do not add up to the root are read again row by row, and what is damaged is fetched from the peer', () => {
  for (const isDamaged of [false, true]) {
    const world = new World()
    const [a, b] = startedAnew(world, [{ kind: 'space' }], false)
    const { reader } = b.store
    const [digests, docs] = [reader.digests.bind(reader), reader.docs.bind(reader)]
    const key = docKeyOf(DEFAULT_SPACE, parseDocId(nameOf(5)))
    reader.digests = (after, limit) => {
      const { bytes, next } = digests(after, limit)
      bytes[40]! ^= 1
      return { bytes, next }
    }
    reader.docs = (range, limit, after) => {
      if (isDamaged && reader.doc(key)?.quarantined === false && range.first <= key && key <= range.last)
        throw new SynclineError('doc-quarantined', 'its record fails its checksum', { detail: { doc: key } })
      return docs(range, limit, after)
    }
    let wire = world.connect(a, b)
    world.settle()
    world.pass(2_000)
    expect(b.events.some(({ type }) => type === 'quarantined')).toBe(isDamaged)
    if (isDamaged) {
      world.cut(wire)
      reader.docs = docs
      wire = world.connect(a, b)
      world.settle()
      world.pass(10_000)
    }
    expect(wire.open).toBe(true)
    expect(a.core.root).toBe(b.core.root)
    expect(b.text(nameOf(5))).toBe(a.text(nameOf(5)))
  }
})
