// What a link that resumes by cursor is sent of what it missed: the rows of the log joined, a piece at a time, with everything that a log promises still true of them.

import {
  epochNonceFromBytes,
  frameUpdates,
  isRefusal,
  judge,
  Knowledge,
  parseDocId,
  parseSpaceId,
  docKeyOf,
  unframeUpdates,
  walkUpdate,
  type DocKey,
  type EpochNonce,
} from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { joinRows, type JoinableRow } from '../src/joined-rows.ts'
import { World, type Node, type Wire } from './core-world.ts'

const NOTE = 'note/long'

/** Types letter by letter. */
function typist(node: Node, name: string, clientId: number): (letters: string) => Y.Doc {
  const doc = new Y.Doc()
  doc.clientID = clientId
  return (letters) => {
    Y.applyUpdate(doc, node.core.diffFor(parseDocId(name), Y.encodeStateVector(doc)))
    for (const letter of letters) {
      const before = Y.encodeStateVector(doc)
      doc.getText('body').insert(doc.getText('body').length, letter)
      node.write(name, Y.encodeStateAsUpdate(doc, before))
    }
    return doc
  }
}

/** Eight letters a commit. */
function typeSlowly(world: World, type: (letters: string) => Y.Doc, letters: string): void {
  for (let from = 0; from < letters.length; from += 8) {
    type(letters.slice(from, from + 8))
    world.settle()
  }
}

interface Sent {
  readonly bytes: number
  readonly rows: number
  readonly largest: number
}

function sentBy(world: World, from: string, mark: number): Sent {
  const frames = world.frames.slice(mark).filter((frame) => frame.from === from)
  const rows = frames.flatMap(({ messages }) => messages.flatMap((message) => (message.kind === 'entries' ? message.rows : [])))
  const sizes = frames.map(({ bytes }) => bytes.length)
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), rows: rows.length, largest: Math.max(0, ...sizes) }
}

/** Links, exchanges everything, and parts. */
function meet(world: World, a: Node, b: Node): void {
  const wire: Wire = world.connect(a, b)
  world.settle()
  world.pass(1_000)
  world.cut(wire)
}

const wasMissed = [
  { title: 'comes back to', writer: 'relay' },
  { title: 'brings', writer: 'device' },
] as const

for (const { title, writer } of wasMissed) {
  test(`[RS-4] who ${title} a thousand edits is sent them joined, in an eighth of their bytes, and both are equal`, () => {
    const world = new World()
    const [relay, device] = [
      world.node('relay', { limits: { recentBytesMax: 0 } }),
      world.node('device', { limits: { recentBytesMax: 0 } }),
    ]
    const author = writer === 'relay' ? relay : device
    const type = typist(author, NOTE, 2 ** 41 + 7)
    typeSlowly(world, type, 'known')
    meet(world, relay, device)
    typeSlowly(world, type, 'a thousand edits, '.repeat(70))
    const raw = author.store.reader.log(1, 10_000, 10_000_000).reduce((sum, row) => sum + row.data.length, 0)
    const mark = world.frames.length
    meet(world, device, relay)
    const sent = sentBy(world, writer, mark)
    expect(sent.bytes).toBeLessThan(raw / 8)
    expect(sent.rows).toBeLessThanOrEqual(4)
    expect(device.core.root).toBe(relay.core.root)
    expect(device.text(NOTE)).toBe(relay.text(NOTE))
    // What it has now it is not sent again.
    const again = world.frames.length
    meet(world, device, relay)
    expect(sentBy(world, 'relay', again).rows + sentBy(world, 'device', again).rows).toBe(0)
  })
}

test('[RS-4] joining is work for some turns: who types meanwhile is not kept waiting until all of it is read', () => {
  const world = new World()
  const relay = world.node('relay', { limits: { recentBytesMax: 0, tailRowsHardMax: 1_000_000 } })
  const device = world.node('device')
  const type = typist(relay, NOTE, 7)
  typeSlowly(world, type, 'known')
  meet(world, relay, device)
  // As pasted, so that it is much in few rows.
  const doc = type('')
  for (let i = 0; i < 60; i++) {
    const before = Y.encodeStateVector(doc)
    doc.getText('body').insert(0, 'x'.repeat(40_000))
    relay.write(NOTE, Y.encodeStateAsUpdate(doc, before))
    world.settle()
  }
  const mark = world.frames.length
  world.connect(device, relay)
  let typed = false
  for (let round = 0; round < 2_000 && world.step(); round++) {
    if (typed || sentBy(world, 'relay', mark).rows === 0) continue
    // Here the device has had a part of it: the letter does not wait for the rest.
    typed = true
    expect(relay.core.digestOf(parseDocId(NOTE))).not.toBe(device.core.digestOf(parseDocId(NOTE)))
    relay.type('note/other', 'meanwhile')
  }
  expect(typed).toBe(true)
  expect(device.core.root).toBe(relay.core.root)
  // No flush took more of the log than its share, or it would be one frame.
  expect(sentBy(world, 'relay', mark).largest).toBeLessThan(800_000)
})

test('[RS-4] of those who come back together nobody waits for another to have everything', () => {
  const world = new World()
  const relay = world.node('relay', { limits: { recentBytesMax: 0, tailRowsHardMax: 1_000_000 } })
  const devices = [world.node('first'), world.node('second')]
  typeSlowly(world, typist(relay, NOTE, 7), 'known')
  for (const device of devices) meet(world, relay, device)
  const doc = relay.document(NOTE)
  for (let i = 0; i < 60; i++) {
    const before = Y.encodeStateVector(doc)
    doc.getText('body').insert(0, 'x'.repeat(40_000))
    relay.write(NOTE, Y.encodeStateAsUpdate(doc, before))
    world.settle()
  }
  const mark = world.frames.length
  for (const device of devices) world.connect(device, relay)
  world.settle()
  for (const device of devices) expect(device.core.root).toBe(relay.core.root)
  const order = world.frames
    .slice(mark)
    .filter(({ from, messages }) => from === 'relay' && messages.some(({ kind }) => kind === 'entries'))
    .map(({ to }) => to)
  expect(order.indexOf('second')).toBeLessThan(order.lastIndexOf('first'))
  expect(order.indexOf('first')).toBeLessThan(order.lastIndexOf('second'))
})

const [DOC, OTHER] = ['note/a', 'note/b'].map((name) => docKeyOf(parseSpaceId('default'), parseDocId(name))) as [DocKey, DocKey]
const [ANN, BEN] = [1, 2].map((byte) => epochNonceFromBytes(new Uint8Array(8).fill(byte))) as [EpochNonce, EpochNonce]

/** A row with one letter of a client at the end of what `doc` holds. */
function letterRow(doc: Y.Doc, client: number, row: Omit<JoinableRow, 'docEpoch' | 'data'>): JoinableRow {
  const author = new Y.Doc()
  Y.applyUpdate(author, Y.encodeStateAsUpdate(doc))
  author.clientID = client
  const before = Y.encodeStateVector(author)
  author.getText('body').insert(author.getText('body').length, 'x')
  const update = Y.encodeStateAsUpdate(author, before)
  Y.applyUpdate(doc, update)
  return { ...row, docEpoch: 0, data: frameUpdates([update]) }
}

test('[RS-4] rows of one origin are joined past those of other documents, and none says that its origin came further than it did', () => {
  const [doc, other] = [new Y.Doc(), new Y.Doc()]
  const rows = [1, 2, 3, 4, 5, 6].map((n) =>
    n % 3 === 0 ? letterRow(other, 1, { doc: OTHER, origin: ANN, n }) : letterRow(doc, 1, { doc: DOC, origin: ANN, n }),
  )
  const joined = joinRows(rows)
  // Of 1, 2, 4, 5 in the one document and 3, 6 in the other: after the first, 3 is still to come.
  expect(joined.map((row) => [row.doc, row.n, unframeUpdates(row.data)!.length])).toEqual([
    [DOC, 3, 1],
    [OTHER, 6, 1],
  ])
  // Alone they stay as they are; 0 says nothing.
  expect(joinRows([rows[0]!, rows[2]!]).map(({ n }) => n)).toEqual([1, 3])
  expect(joinRows([{ ...rows[0]!, n: 0 }, rows[2]!, { ...rows[1]!, n: 0 }]).map(({ n }) => n)).toEqual([0, 3])
})

test('[I2] of several origins nothing is joined into a row that stands before what it refers to', () => {
  const doc = new Y.Doc()
  // Ann, Ben, and Ann again at the end of what Ben wrote.
  const rows = [letterRow(doc, 1, { doc: DOC, origin: ANN, n: 1 }), letterRow(doc, 1, { doc: DOC, origin: ANN, n: 2 })]
  rows.push(letterRow(doc, 2, { doc: DOC, origin: BEN, n: 1 }), letterRow(doc, 1, { doc: DOC, origin: ANN, n: 3 }))
  rows.push(letterRow(doc, 1, { doc: DOC, origin: ANN, n: 4 }), letterRow(doc, 2, { doc: DOC, origin: BEN, n: 2 }))
  const joined = joinRows(rows)
  expect(joined.map(({ origin, n }) => [origin, n])).toEqual([
    [ANN, 2],
    [BEN, 1],
    [ANN, 4],
    [BEN, 2],
  ])
  const knowledge = new Knowledge(0)
  for (const { data } of joined) {
    for (const update of unframeUpdates(data)!) {
      const facts = walkUpdate(update)
      if (isRefusal(facts)) throw new Error(facts.reason)
      expect(judge(facts, knowledge).kind).toBe('new')
      knowledge.admit(facts)
    }
  }
  // Those who do not touch each other are joined past one another.
  const apart = [new Y.Doc(), new Y.Doc()] as const
  const mixed = [1, 2, 3].flatMap((n) => [
    letterRow(apart[0], 1, { doc: DOC, origin: ANN, n }),
    letterRow(apart[1], 2, { doc: DOC, origin: BEN, n }),
  ])
  expect(joinRows(mixed).map(({ origin, n }) => [origin, n])).toEqual([
    [ANN, 3],
    [BEN, 3],
  ])
})
