// Guests: foreign doors' connections to one document. What they are given, what waits for them, and when their writes have an outcome.

import { parseDocId } from '@syncline/protocol'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import { eventually, linkHosts, memoryStore, note, open, openHost, recordedGuest, textOf, type, type RecordedGuest } from './hosts.ts'

function edit(doc: Y.Doc, text: string): Uint8Array {
  const before = Y.encodeStateVector(doc)
  doc.getText('body').insert(doc.getText('body').length, text)
  return Y.encodeStateAsUpdate(doc, before)
}

function contentOf(...updates: readonly Uint8Array[]): string {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc.getText('body').toString()
}

function deliveredText(port: RecordedGuest, ...before: Uint8Array[]): string {
  return contentOf(...before, ...port.delivered)
}

test('[GU-1] a guest write resolves after its commit, reaches open documents and other guests, and is not delivered back', async () => {
  const a = openHost()
  const document = open(a)
  const [port, otherPort] = [recordedGuest(), recordedGuest()]
  const guest = a.replica.attachGuest(note, port)
  a.replica.attachGuest(note, otherPort)
  const update = edit(new Y.Doc(), 'hello')
  const headBefore = a.replica.status().head
  const outcome = await guest.write(update)
  expect(outcome).toMatchObject({ kind: 'committed' })
  expect(a.replica.status().head).toBeGreaterThan(headBefore)
  await eventually(() => expect(textOf(document)).toBe('hello'))
  expect(deliveredText(otherPort)).toBe('hello')
  expect(port.delivered).toEqual([])
  // The same again: known, and only once the first is committed.
  expect(await guest.write(update)).toEqual({ kind: 'known' })
  expect(guest.unsettledBytes).toBe(0)
})

test('[GU-1] a repeated write under way resolves with the commit that covers it, not before', async () => {
  const store = memoryStore()
  const commit = store.commit.bind(store)
  let land: (() => void) | undefined
  store.commit = async (transaction) => {
    await new Promise<void>((resolve) => (land = resolve))
    return commit(transaction)
  }
  const a = openHost({ store })
  const guest = a.replica.attachGuest(note, recordedGuest())
  const update = edit(new Y.Doc(), 'hello')
  const settled: string[] = []
  const first = guest.write(update).then((outcome) => settled.push(outcome.kind))
  const second = guest.write(update).then((outcome) => settled.push(outcome.kind))
  await eventually(() => expect(land).toBeDefined())
  const third = guest.write(update).then((outcome) => settled.push(outcome.kind))
  await new Promise((resolve) => setImmediate(resolve))
  expect(settled).toEqual([])
  expect(guest.unsettledBytes).toBe(3 * update.length)
  expect(contentOf(guest.diff(Y.encodeStateVector(new Y.Doc())))).toBe('')
  land!()
  await Promise.all([first, second, third])
  expect(settled).toEqual(['committed', 'known', 'known'])
})

test('[GU-2] stateVector() and diff() show committed content, deletes included', async () => {
  const a = openHost()
  const guest = a.replica.attachGuest(note, recordedGuest())
  const doc = new Y.Doc()
  await guest.write(edit(doc, 'hello'))
  const before = Y.encodeStateVector(doc)
  doc.getText('body').delete(0, 4)
  await guest.write(Y.encodeStateAsUpdate(doc, before))
  expect(Y.decodeStateVector(guest.stateVector())).toEqual(Y.decodeStateVector(Y.encodeStateVector(doc)))
  expect(contentOf(guest.diff(Y.encodeStateVector(new Y.Doc())))).toBe('o')
  // A peer that has all structs still learns the deletes.
  const peer = new Y.Doc()
  const first = new Y.Doc()
  first.clientID = doc.clientID
  Y.applyUpdate(peer, edit(first, 'hello'))
  Y.applyUpdate(peer, guest.diff(Y.encodeStateVector(peer)))
  expect(peer.getText('body').toString()).toBe('o')
  expect(() => guest.diff(new Uint8Array([255]))).toThrow(/argument-invalid/)
})

test('[GU-3] what a guest may not write is refused with a code, and what lacks a dependency is held with the state to ask from', async () => {
  const a = openHost()
  const guest = a.replica.attachGuest(note, recordedGuest())
  expect(await guest.write(new Uint8Array([1, 2, 3]))).toMatchObject({ kind: 'refused', code: 'update-malformed' })
  const doc = new Y.Doc()
  const first = edit(doc, 'one')
  const second = edit(doc, 'two')
  const held = await guest.write(second)
  expect(held).toMatchObject({ kind: 'held' })
  if (held.kind !== 'held') throw new Error('unreachable')
  expect(contentOf(Y.encodeStateAsUpdate(doc, held.stateVector))).toBe('onetwo')
  await guest.write(first)
  await eventually(() => expect(contentOf(guest.diff(Y.encodeStateVector(new Y.Doc())))).toBe('onetwo'))
})

test('[GU-3] a held update that becomes admissible reaches open documents and other guests', async () => {
  const a = openHost()
  const document = open(a)
  const port = recordedGuest()
  a.replica.attachGuest(note, port)
  const guest = a.replica.attachGuest(note, recordedGuest())
  const doc = new Y.Doc()
  const first = edit(doc, 'one')
  await guest.write(edit(doc, 'two'))
  await guest.write(first)
  await eventually(() => {
    expect(textOf(document)).toBe('onetwo')
    expect(deliveredText(port)).toBe('onetwo')
  })
})

test('[RS-1] a guest that does not drain has nothing queued; when it drains it gets what it missed from the log, in order, then live updates', async () => {
  const a = openHost()
  const document = open(a)
  const port = recordedGuest()
  const guest = a.replica.attachGuest(note, port)
  type(document, 'seen;')
  await document.saved()
  await eventually(() => expect(deliveredText(port)).toBe('seen;'))
  port.unsent = 2 ** 21
  for (let round = 0; round < 20; round++) {
    type(document, `missed ${round};`)
    await document.saved()
  }
  expect(deliveredText(port)).toBe('seen;')
  port.unsent = 0
  guest.drained()
  await eventually(() => expect(deliveredText(port)).toBe(textOf(document)))
  type(document, 'live;')
  await eventually(() => expect(deliveredText(port)).toBe(textOf(document)))
})

test('[RS-1] what a lagging guest reads from the log between a commit and its delivery is not delivered twice', async () => {
  const store = memoryStore()
  const a = openHost({ store })
  const document = open(a)
  const port = recordedGuest()
  const guest = a.replica.attachGuest(note, port)
  port.unsent = 2 ** 21
  type(document, 'missed;')
  await document.saved()
  const commit = store.commit.bind(store)
  store.commit = async (transaction) => {
    await commit(transaction)
    port.unsent = 0
    guest.drained()
  }
  type(document, 'read early;')
  await document.saved()
  type(document, 'live;')
  await eventually(() => expect(deliveredText(port)).toBe(textOf(document)))
  expect(port.delivered).toHaveLength(3)
})

test('[RS-1] a lagging guest is caught up by time too, and no further than its buffer allows', async () => {
  const a = openHost()
  const document = open(a)
  const port = recordedGuest()
  port.unsent = 2 ** 21
  a.replica.attachGuest(note, port)
  for (let round = 0; round < 5; round++) {
    type(document, `${round};`)
    await document.saved()
  }
  // Room for one delivery, then none.
  const deliver = port.deliver
  port.deliver = (updates) => {
    deliver(updates)
    port.unsent = 2 ** 21
  }
  port.unsent = 0
  await eventually(() => expect(deliveredText(port)).toBe('0;'))
  port.deliver = deliver
  port.unsent = 0
  await eventually(() => expect(deliveredText(port)).toBe(textOf(document)))
})

test('[RS-1] a lagging guest whose missed rows were compacted gets the snapshot', async () => {
  const a = openHost({ limits: { sweepEveryMs: 300 } })
  const document = open(a)
  const port = recordedGuest()
  a.replica.attachGuest(note, port)
  type(document, 'seen;')
  await document.saved()
  await eventually(() => expect(deliveredText(port)).toBe('seen;'))
  port.unsent = 2 ** 21
  for (let round = 0; round < 400; round++) {
    type(document, 'a line that is long enough to make the tail due for compaction soon;')
    await document.saved()
  }
  await eventually(() => expect(a.events.some((event) => event.type === 'swept')).toBe(true))
  port.unsent = 0
  await eventually(() => expect(deliveredText(port)).toBe(textOf(document)))
  type(document, 'live;')
  await eventually(() => expect(deliveredText(port)).toBe(textOf(document)))
})

test('[GU-4] a door that throws harms nobody else', async () => {
  const a = openHost()
  const document = open(a)
  const bad = recordedGuest()
  bad.deliver = () => {
    throw new Error('door')
  }
  bad.buffered = () => {
    throw new Error('door')
  }
  const good = recordedGuest()
  a.replica.attachGuest(note, bad)
  a.replica.attachGuest(note, good)
  type(document, 'x')
  await eventually(() => expect(deliveredText(good)).toBe('x'))
})

test('[GU-5] writes under way when a guest detaches, or when the replica closes, still have an outcome', async () => {
  const a = openHost()
  const guest = a.replica.attachGuest(note, recordedGuest())
  const written = guest.write(edit(new Y.Doc(), 'x'))
  guest.detach()
  expect(await written).toMatchObject({ kind: 'committed' })
  const port = recordedGuest()
  const second = a.replica.attachGuest(parseDocId('other'), port)
  const last = second.write(edit(new Y.Doc(), 'y'))
  await a.replica.close()
  expect(await last).toMatchObject({ kind: 'committed' })
  expect(port.closes).toEqual(['shutting-down'])
  expect(await second.write(edit(new Y.Doc(), 'z'))).toEqual({ kind: 'failed', code: 'replica-closed' })
})

function awareness(): Awareness {
  const made = new Awareness(new Y.Doc())
  onTestFinished(() => made.destroy())
  return made
}

test('[PR-1] presence crosses from a guest over a link to an open document and back, and goes when its connection goes', async () => {
  const [a, b] = [openHost({ role: 'relay' }), openHost()]
  const link = linkHosts(b, a)
  const right = open(b)
  right.awareness.setLocalStateField('user', 'right')
  const port = recordedGuest()
  const guest = a.replica.attachGuest(note, port)
  const mine = awareness()
  mine.setLocalState({ user: 'guest' })
  guest.presence(encodeAwarenessUpdate(mine, [mine.clientID]))
  await eventually(() => expect(right.awareness.getStates().get(mine.clientID)).toEqual({ user: 'guest' }))
  const seen = awareness()
  await eventually(() => {
    for (const bytes of port.presences) applyAwarenessUpdate(seen, bytes, null)
    expect(seen.getStates().get(right.doc.clientID)).toEqual({ user: 'right' })
  })
  // Who comes later sees who is here.
  const late = awareness()
  applyAwarenessUpdate(late, a.replica.attachGuest(note, recordedGuest()).presenceSnapshot()!, null)
  expect(late.getStates().size).toBe(3)
  guest.detach()
  await eventually(() => expect(right.awareness.getStates().has(mine.clientID)).toBe(false))
  const watching = open(a)
  expect(watching.awareness.getStates().get(right.doc.clientID)).toEqual({ user: 'right' })
  link.cut()
  await eventually(() => expect(watching.awareness.getStates().has(right.doc.clientID)).toBe(false))
})

test('[PR-1] a released document and a closed replica take their presence back at once', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  const id = left.doc.clientID
  left.awareness.setLocalStateField('user', 'left')
  await eventually(() => expect(right.awareness.getStates().has(id)).toBe(true))
  await left.release()
  await eventually(() => expect(right.awareness.getStates().has(id)).toBe(false))
  const again = open(a)
  again.awareness.setLocalStateField('user', 'left again')
  await eventually(() => expect(right.awareness.getStates().has(again.doc.clientID)).toBe(true))
  await a.replica.close()
  await eventually(() => expect(right.awareness.getStates().has(again.doc.clientID)).toBe(false))
})

test('[PR-1] presence listeners that throw keep nothing from being published or removed', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  left.awareness.on('change', () => {
    throw new Error('presence listener')
  })
  expect(() => left.awareness.setLocalStateField('user', 'left')).toThrow('presence listener')
  await eventually(() => expect(right.awareness.getStates().get(left.doc.clientID)).toEqual({ user: 'left' }))
  right.awareness.setLocalStateField('user', 'right')
  await eventually(() => expect(left.awareness.getStates().get(right.doc.clientID)).toEqual({ user: 'right' }))
  await left.release()
  await eventually(() => expect(right.awareness.getStates().has(left.doc.clientID)).toBe(false))
})

test('[PR-1] a document opened without presence publishes none and still sees others', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const left = a.replica.openDocument(note, { presence: false })
  const right = open(b)
  left.awareness.setLocalStateField('user', 'left')
  right.awareness.setLocalStateField('user', 'right')
  await eventually(() => expect(left.awareness.getStates().has(right.doc.clientID)).toBe(true))
  expect(right.awareness.getStates().has(left.doc.clientID)).toBe(false)
})
