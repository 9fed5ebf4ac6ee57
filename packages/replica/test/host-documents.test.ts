// Open documents: what comes in, what goes out, and what user code cannot break.

import { Knowledge, parseDocId, SynclineError, walkUpdate } from '@syncline/protocol'
import { expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import {
  eventually,
  linkHosts,
  memoryStore,
  note,
  open,
  openHost,
  recordedGuest,
  scratchFolder,
  sqliteStore,
  textOf,
  type,
} from './hosts.ts'

test('[CV-1] two replicas that edit one document while linked end with equal content', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  type(left, 'Hello')
  type(right, 'World')
  await eventually(() => {
    expect(textOf(left)).toHaveLength(10)
    expect(textOf(right)).toBe(textOf(left))
  })
})

test('[CV-1] edits made apart meet when a link comes up, and again after it was lost', async () => {
  const [a, b] = [openHost(), openHost()]
  const [left, right] = [open(a), open(b)]
  type(left, 'aaa')
  type(right, 'bbb')
  await Promise.all([left.saved(), right.saved()])
  const first = linkHosts(a, b)
  await eventually(() => expect(textOf(right)).toBe(textOf(left)))
  first.cut()
  type(left, 'ccc')
  type(right, 'ddd')
  linkHosts(b, a)
  await eventually(() => {
    expect(textOf(left)).toHaveLength(12)
    expect(textOf(right)).toBe(textOf(left))
  })
})

test('[DU-1] saved() resolves with a position that covers the edit, and the edit is there after a restart from SQLite', async () => {
  const path = `${scratchFolder()}/a.db`
  const first = openHost({ store: await sqliteStore(path) })
  const document = open(first)
  type(document, 'kept')
  expect(document.unsaved).toBe(1)
  const seq = await document.saved()
  expect(seq).toBeGreaterThan(0)
  expect(first.replica.status().head).toBeGreaterThanOrEqual(seq)
  expect(document.unsaved).toBe(0)
  await first.replica.close()
  const again = openHost({ store: await sqliteStore(path) })
  const reopened = open(again)
  expect(textOf(reopened)).toBe('kept')
  expect(await reopened.saved()).toBeGreaterThanOrEqual(seq)
})

test('[DU-1] close() saves what was edited just before', async () => {
  const path = `${scratchFolder()}/a.db`
  const first = openHost({ store: await sqliteStore(path) })
  type(open(first), 'last words')
  await first.replica.close()
  expect(textOf(open(openHost({ store: await sqliteStore(path) })))).toBe('last words')
})

test('[OD-1] opening twice gives the same object, and the last release keeps edits and ends the document', async () => {
  const a = openHost()
  const [one, two] = [open(a), open(a)]
  expect(two).toBe(one)
  type(one, 'x')
  await one.release()
  expect(one.doc.isDestroyed).toBe(false)
  await two.release()
  expect(one.doc.isDestroyed).toBe(true)
  const three = open(a)
  expect(three).not.toBe(one)
  expect(textOf(three)).toBe('x')
})

test('[OD-1] a document opened again while its last release waits for the store goes on as the same object', async () => {
  const a = openHost()
  const one = open(a)
  type(one, 'x')
  const releasing = one.release()
  expect(open(a)).toBe(one)
  await releasing
  expect(one.doc.isDestroyed).toBe(false)
  type(one, 'y')
  await one.saved()
  expect(textOf(one)).toBe('xy')
})

test('[ID-1] every opening has a fresh client id of at most 42 bits, which a detected collision replaces together with its presence', async () => {
  const [a, b] = [openHost(), openHost()]
  const ids = new Set<number>()
  for (let opening = 0; opening < 20; opening++) {
    const document = open(a)
    ids.add(document.doc.clientID)
    type(document, '.')
    await document.release()
  }
  expect(ids.size).toBe(20)
  expect(Math.max(...ids)).toBeLessThan(2 ** 42)
  // Somebody else writes under the live id: Yjs notices when the update arrives.
  const document = open(a)
  document.awareness.setLocalStateField('user', { name: 'Ada' })
  const before = document.doc.clientID
  const thief = new Y.Doc()
  thief.clientID = before
  thief.getText('body').insert(0, 'mine')
  const right = open(b)
  linkHosts(a, b)
  await eventually(() => expect(textOf(right)).toHaveLength(20))
  await eventually(() => expect(right.awareness.getStates().get(before)).toEqual({ user: { name: 'Ada' } }))
  vi.spyOn(console, 'log').mockImplementation(() => undefined)
  Y.applyUpdate(right.doc, Y.encodeStateAsUpdate(thief))
  await eventually(() => expect(document.doc.clientID).not.toBe(before))
  vi.restoreAllMocks()
  expect(document.doc.clientID).toBeLessThan(2 ** 42)
  expect(document.awareness.clientID).toBe(document.doc.clientID)
  expect(document.awareness.getLocalState()).toEqual({ user: { name: 'Ada' } })
  expect(document.awareness.getStates().has(before)).toBe(false)
  await eventually(() => {
    expect(right.awareness.getStates().has(before)).toBe(false)
    expect(right.awareness.getStates().get(document.doc.clientID)).toEqual({ user: { name: 'Ada' } })
  })
})

test('[OD-2] an observer that throws on a remote update loses nothing, there or later, and the error is reported', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  right.doc.getText('body').observe(() => {
    throw new Error('observer')
  })
  type(left, 'one')
  await eventually(() => expect(textOf(right)).toBe('one'))
  type(left, 'two')
  await eventually(() => expect(textOf(right)).toBe('onetwo'))
  await eventually(() => expect(b.errors).toHaveLength(2))
  expect(() => type(right, 'three')).toThrow('observer')
  await eventually(() => expect(textOf(left)).toBe('onetwothree'))
})

const events = ['beforeObserverCalls', 'afterTransaction', 'afterTransactionCleanup', 'update', 'afterAllTransactions'] as const

test.each(events)(
  '[OD-2] a listener that throws out of "%s" loses no edit: this one, the next ones, and remote ones arrive',
  async (name) => {
    const [a, b] = [openHost(), openHost()]
    linkHosts(a, b)
    const [left, right] = [open(a), open(b)]
    let throws = true
    left.doc.on(name, () => {
      if (throws) throw new Error(name)
    })
    expect(() => type(left, 'one')).toThrow(name)
    await left.saved()
    await eventually(() => expect(textOf(right)).toBe('one'))
    type(right, 'two')
    await eventually(() => expect(textOf(left)).toBe('onetwo'))
    throws = false
    type(left, 'three')
    await left.saved()
    await eventually(() => expect(textOf(right)).toBe('onetwothree'))
    expect(a.replica.status().stuck).toEqual([])
  },
)

test.each(['beforeAllTransactions', 'beforeTransaction'] as const)(
  '[OD-2] a listener that throws before every transaction ("%s") makes the document stuck, says so, and nothing is lost when it stops',
  async (name) => {
    const [a, b] = [openHost(), openHost()]
    linkHosts(a, b)
    const [left, right] = [open(a), open(b)]
    let throws = true
    left.doc.on(name, () => {
      if (throws) throw new Error(name)
    })
    expect(() => type(left, 'one')).toThrow(name)
    type(right, 'two')
    await eventually(() => expect(a.replica.status().stuck).toEqual([note]))
    expect(a.events.filter((event) => event.type === 'document-stuck')).toHaveLength(1)
    throws = false
    type(left, 'three')
    await eventually(() => {
      expect(textOf(left)).toHaveLength(8)
      expect(textOf(right)).toBe(textOf(left))
    })
    expect(a.replica.status().stuck).toEqual([])
  },
)

test('[OD-2] saved() inside a transaction covers the edits made before it and disturbs nothing', async () => {
  const a = openHost()
  const document = open(a)
  let updates = 0
  document.doc.on('update', () => updates++)
  let saved: Promise<number> | undefined
  document.doc.transact(() => {
    type(document, 'one')
    saved = document.saved()
    type(document, 'two')
  })
  expect(await saved).toBeGreaterThan(0)
  expect(updates).toBe(1)
  expect(document.unsaved).toBe(0)
})

test('[OD-3] remote updates carry an origin that no UndoManager tracks: my undo removes my text only', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  const undo = new Y.UndoManager(left.doc.getText('body'))
  type(left, 'mine')
  type(right, 'theirs')
  await eventually(() => {
    expect(textOf(left)).toHaveLength(10)
    expect(textOf(right)).toBe(textOf(left))
  })
  undo.undo()
  expect(textOf(left)).toBe('theirs')
  await eventually(() => expect(textOf(right)).toBe('theirs'))
})

/** What a document's knowledge digest must be when it holds exactly what this Y.Doc shows. */
function digestOf(doc: Y.Doc): string {
  const facts = walkUpdate(Y.encodeStateAsUpdate(doc))
  if ('code' in facts) throw new Error(facts.reason)
  const knowledge = new Knowledge()
  knowledge.admit(facts)
  return knowledge.digest()
}

test('[CV-1] deletes that Yjs derives from remote updates become log entries: the store knows what open documents show', async () => {
  const stores = [memoryStore(), memoryStore()] as const
  const [a, b] = [openHost({ store: stores[0] }), openHost({ store: stores[1] })]
  const [left, right] = [open(a), open(b)]
  // Concurrent sets of one key: whoever integrates both deletes the loser. Concurrent formats: whoever integrates both removes the redundant marks.
  left.doc.getMap('m').set('k', 'left')
  right.doc.getMap('m').set('k', 'right')
  type(left, 'abcd')
  left.doc.getText('body').format(1, 2, { bold: true })
  const first = linkHosts(a, b)
  await eventually(() => expect(textOf(right)).toBe('abcd'))
  first.cut()
  left.doc.getText('body').format(0, 4, { bold: true })
  right.doc.getText('body').format(0, 4, { bold: true })
  linkHosts(a, b)
  await eventually(() => {
    expect(right.doc.getMap('m').get('k')).toBe(left.doc.getMap('m').get('k'))
    expect(digestOf(right.doc)).toBe(digestOf(left.doc))
    for (const store of stores) expect(store.reader.doc(left.key)?.digest).toBe(digestOf(left.doc))
  })
})

test('[CV-1] deletes that Yjs derives while a document is loaded become log entries too', async () => {
  const store = memoryStore()
  const a = openHost({ store })
  const guest = a.replica.attachGuest(note, recordedGuest())
  for (const value of ['one', 'two']) {
    const doc = new Y.Doc()
    doc.getMap('m').set('k', value)
    await guest.write(Y.encodeStateAsUpdate(doc))
  }
  const document = open(a)
  await document.saved()
  expect(store.reader.doc(document.key)?.digest).toBe(digestOf(document.doc))
})

test('[OD-2] what a listener writes inside the transaction of a remote update is an edit like any other', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  right.doc.once('beforeTransaction', () => void right.doc.getMap('seen').set('by', 'right'))
  type(left, 'x')
  await eventually(() => expect(left.doc.getMap('seen').get('by')).toBe('right'))
})

test('[RF-1] an edit over the document limit stays in the Y.Doc, is marked rejected with its code, and is saved once it fits', async () => {
  const a = openHost({ limits: { documentBytesMax: 2_000 } })
  const document = open(a)
  type(document, 'fits')
  await document.saved()
  const big = 'x'.repeat(5_000)
  type(document, big)
  await expect(document.saved()).rejects.toMatchObject({ code: 'doc-too-large' })
  expect(document.rejection).toBeInstanceOf(SynclineError)
  expect(textOf(document)).toBe(`fits${big}`)
  expect(a.replica.status().rejected).toMatchObject([{ doc: note, peer: null, direction: 'out', code: 'doc-too-large' }])
  // Smaller by a delete: what was refused is offered again, as it is now.
  document.doc.getText('body').delete(4, big.length)
  expect(await document.saved()).toBeGreaterThan(0)
  expect(document.rejection).toBeNull()
  expect(a.replica.status().rejected).toEqual([])
  await document.release()
  expect(textOf(open(a))).toBe('fits')
})

test('[RF-1] a follower refuses local edits as read-only and keeps what Yjs derives to itself', async () => {
  const [a, b] = [openHost(), openHost()]
  const store = memoryStore()
  const follower = openHost({ store, readOnly: true, role: 'follower' })
  linkHosts(a, follower)
  const [left, right, copy] = [open(a), open(b), open(follower)]
  type(left, 'abcd')
  left.doc.getText('body').format(1, 2, { bold: true })
  const first = linkHosts(a, b)
  await eventually(() => {
    expect(textOf(right)).toBe('abcd')
    expect(textOf(copy)).toBe('abcd')
  })
  first.cut()
  let derived = 0
  copy.doc.on('update', (update, origin) => (derived += origin === null && update[0] === 0 ? 1 : 0))
  left.doc.getText('body').format(0, 4, { bold: true })
  right.doc.getText('body').format(0, 4, { bold: true })
  linkHosts(a, b)
  await eventually(() => expect(derived).toBeGreaterThan(0))
  expect(copy.rejection).toBeNull()
  expect(follower.replica.status().rejected).toEqual([])
  type(copy, 'no')
  await expect(copy.saved()).rejects.toMatchObject({ code: 'read-only' })
  expect(textOf(left)).toBe('abcd')
})

test('[OD-4] a document is loaded when openDocument() returns, and says so to Yjs', async () => {
  const a = openHost()
  const first = open(a)
  for (let line = 0; line < 300; line++) type(first, `line ${line}\n`)
  await first.release()
  const second = open(a)
  expect(second.doc.isLoaded).toBe(true)
  expect(second.doc.guid).toBe(note)
  expect(textOf(second)).toContain('line 299')
})

test('[OD-4] documents() lists stored documents by prefix', async () => {
  const a = openHost()
  for (const name of ['note/1', 'note/2', 'notes', 'other/1']) {
    const document = a.replica.openDocument(parseDocId(name))
    type(document, name)
    await document.release()
  }
  const names = (prefix?: string): string[] =>
    [...a.replica.documents(prefix === undefined ? {} : { prefix })].map((row) => row.name).sort()
  expect(names()).toEqual(['note/1', 'note/2', 'notes', 'other/1'])
  expect(names('note/')).toEqual(['note/1', 'note/2'])
  expect(names('note')).toEqual(['note/1', 'note/2', 'notes'])
  expect(names('nothing/')).toEqual([])
})
