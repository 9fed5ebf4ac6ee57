// What one engine does with rows that many links bring and want: to whom each goes, what is stored as one row, and what a link costs to which nothing happens.

import {
  decodeFrame,
  encodeFrame,
  encodeMessage,
  epochNonceFromBytes,
  frameUpdates,
  judge,
  Knowledge,
  LIMITS,
  parseDocId,
  parseSpaceId,
  replicaIdFromBytes,
  unframeUpdates,
  walkUpdate,
  ZERO_DIGEST,
  type EntryRow,
  type Message,
  type Scope,
} from '@syncline/protocol'
import type { LogRow } from '@syncline/store'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { World, type Node } from './core-world.ts'

/** A device that subscribes to one document, by hand: each edit is a commit and a frame of its own. */
class Typist {
  readonly #node: Node
  readonly #link: number
  readonly #doc: string
  readonly #nonce
  readonly document = new Y.Doc()
  #frames = 0
  #n = 0

  constructor(node: Node, link: number, doc: string, buffered: () => number = () => 0) {
    this.#node = node
    this.#link = link
    this.#doc = doc
    this.#nonce = epochNonceFromBytes(new Uint8Array(8).fill(link))
    node.core.linkOpened(link, { dialled: false, buffered })
    this.#say({
      ...{
        kind: 'hello',
        versionMin: 1,
        versionMax: 1,
        features: 0,
        space: parseSpaceId('default'),
        role: 'device',
        durability: 'process',
      },
      ...{
        replicaId: replicaIdFromBytes(new Uint8Array(16).fill(link)),
        nonce: this.#nonce,
        window: LIMITS.windowBytes,
        auth: new Uint8Array(),
      },
    })
    this.#say({ kind: 'open', channel: 0, scope: `=${doc}`, root: ZERO_DIGEST, documents: 0, head: 0, cursor: null })
    this.#say({ kind: 'start', channel: 0, mode: 'equal', nonce: this.#nonce, seq: 0 })
  }

  edit(change: (text: Y.Text) => void): void {
    const before = Y.encodeStateVector(this.document)
    change(this.document.getText('body'))
    const bytes = frameUpdates([Y.encodeStateAsUpdate(this.document, before)])
    const first = this.#n++ === 0
    const row: EntryRow = {
      doc: { alias: 0, fresh: first ? { doc: parseDocId(this.#doc), epoch: 0 } : null },
      origin: { alias: 0, fresh: first ? this.#nonce : null },
      ...{ n: this.#n, kind: 'updates', bytes },
    }
    this.#say({ kind: 'entries', channel: 0, toSeq: this.#n, rows: [row] })
  }

  type(letters: string): void {
    for (const letter of letters) this.edit((text) => text.insert(text.length, letter))
  }

  #say(message: Message): void {
    this.#node.core.linkReceived(this.#link, encodeFrame([encodeMessage(message)], this.#frames++))
  }
}

/** Carries out what the engine wants and answers what it sent, by link. */
function turn(node: Node): Map<number, Message[]> {
  const sent = new Map<number, Message[]>()
  for (let round = 0; round < 3; round++) {
    for (const effect of node.core.flush()) {
      if (effect.kind === 'commit') {
        node.store.commitNow(effect.transaction)
        node.core.committed()
      } else if (effect.kind === 'send') {
        const frame = decodeFrame(effect.bytes, null)
        if (frame.ok) sent.set(effect.link, [...(sent.get(effect.link) ?? []), ...frame.messages])
      }
    }
  }
  return sent
}

function rowsOf(messages: readonly Message[] | undefined): EntryRow[] {
  return (messages ?? []).flatMap((message) => (message.kind === 'entries' ? message.rows : []))
}

function log(node: Node): readonly LogRow[] {
  return node.store.reader.log(0, 1000, 1_000_000)
}

test('[I2] commits of one origin that a link brings together are one row, the newest of them names it, and nothing stands before what it refers to', () => {
  const world = new World()
  const relay = world.node('relay')
  const [ann, ben] = [new Typist(relay, 1, 'note'), new Typist(relay, 2, 'note')]
  turn(relay)
  // Whose runs do not touch each other.
  for (const letter of 'abc') {
    ann.type(letter)
    ben.type(letter.toUpperCase())
  }
  turn(relay)
  expect(log(relay).map(({ n, data }) => [n, unframeUpdates(data)!.length])).toEqual([
    [3, 3],
    [3, 3],
  ])

  // Ben goes on from what Ann just wrote; then she deletes a letter of his.
  ann.type('d')
  Y.applyUpdate(ben.document, Y.encodeStateAsUpdate(ann.document))
  ben.type('e')
  Y.applyUpdate(ann.document, Y.encodeStateAsUpdate(ben.document))
  ann.edit((text) => text.delete(text.length - 1, 1))
  ann.type('f')
  turn(relay)
  const knowledge = new Knowledge(0)
  for (const { data } of log(relay)) {
    for (const update of unframeUpdates(data)!) {
      const facts = walkUpdate(update)
      if ('code' in facts) throw new Error(facts.reason)
      expect(judge(facts, knowledge).kind).not.toBe('missing')
      knowledge.admit(facts)
    }
  }
  expect(relay.text('note')).toBe(ann.document.getText('body').toString())
})

test('[I8] a committed row goes to each link whose scope holds its document, to no other, and not back to where it came from', () => {
  const world = new World()
  const relay = world.node('relay')
  const scoped = (name: string, scope: Scope): Node => world.node(name, { interests: [scope] })
  const [ann, ben] = ['ann', 'ben'].map((name) => scoped(name, { kind: 'document', doc: parseDocId('note/1') }))
  const peers = [
    ...[ann!, ben!, scoped('cleo', { kind: 'document', doc: parseDocId('note/2') })],
    ...[scoped('notes', { kind: 'collection', collection: 'note' }), scoped('todos', { kind: 'collection', collection: 'todo' })],
    world.node('all'),
  ]
  for (const peer of peers) world.connect(peer, relay)
  world.settle()
  const mark = world.frames.length
  ann!.type('note/1', 'a')
  world.settle()
  const told = world.frames.slice(mark).flatMap(({ from, to, messages }) => (from === 'relay' ? rowsOf(messages).map(() => to) : []))
  expect(told.sort()).toEqual(['all', 'ben', 'notes'])
  expect(ben!.text('note/1')).toBe('a')
})

test('[RS-1] a link whose network takes nothing is sent nothing, and everything in order when it drains', () => {
  const world = new World()
  const relay = world.node('relay')
  let buffered = 0
  const writer = new Typist(relay, 1, 'note')
  const reader = new Typist(relay, 2, 'note', () => buffered)
  turn(relay)
  const read: number[] = []
  const takeIn = (): void => {
    const rows = rowsOf(turn(relay).get(2))
    for (const { bytes } of rows) for (const update of unframeUpdates(bytes)!) Y.applyUpdate(reader.document, update)
    read.push(rows.length)
  }
  writer.type('a')
  takeIn()
  buffered = LIMITS.socketBufferBytesMax
  for (const letter of 'bcd') {
    writer.type(letter)
    takeIn()
  }
  buffered = 0
  relay.core.linkDrained(2)
  writer.type('e')
  takeIn()
  expect(read).toEqual([1, 0, 0, 0, 4])
  expect(reader.document.getText('body').toString()).toBe('abcde')
})

test('[AU-2] for who may not read all of a space, nothing is put together but what it asks for', () => {
  const world = new World()
  const relay = world.node('relay')
  for (let i = 0; i < 20; i++) relay.type(`note/${i}`, 'a')
  const ann = world.node('ann', { interests: [{ kind: 'document', doc: parseDocId('note/1') }] })
  const isHers = (doc: string): boolean => doc === 'note/1'
  world.connect(ann, relay, { read: isHers, write: isHers, readsAll: (scope) => scope.kind === 'document' && isHers(scope.doc) })
  world.settle()
  const opened = world.frames.flatMap(({ from, messages }) =>
    from === 'relay' ? messages.flatMap((message) => (message.kind === 'open' ? [message.scope] : [])) : [],
  )
  expect(opened).toEqual(['=note/1'])
  relay.type('note/1', 'b')
  ann.type('note/1', 'c')
  world.settle()
  expect(ann.text('note/1')).toHaveLength(3)
  expect(ann.digest('note/1')).toBe(relay.digest('note/1'))
})
