// What those who have a document open see when it is deleted, here or elsewhere: they are told, they keep what was in it, and nothing of it comes back.

import { parseDocId, type ErrorCode } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { eventually, linkHosts, note, open, openHost, recordedGuest, scratchFolder, sqliteStore, textOf, type, type Host } from './hosts.ts'

function textOfUpdate(update: Uint8Array): string {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc.getText('body').toString()
}

async function code(work: Promise<unknown>): Promise<ErrorCode> {
  return work.then(
    () => Promise.reject(new Error('it resolved')),
    (error: { code: ErrorCode }) => error.code,
  )
}

function names({ replica }: Host): string[] {
  return [...replica.documents()].map((row) => row.name)
}

test('[DD-3] whoever has the document open is told, keeps what was in it, and edits that go nowhere are refused', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const [mine, theirs] = [open(a), open(b)]
  type(mine, 'hello')
  await eventually(() => expect(textOf(theirs)).toBe('hello'))
  await a.replica.deleteDocument(note)
  await eventually(() => expect([mine.isDeleted, theirs.isDeleted]).toEqual([true, true]))
  for (const [host, document] of [[a, mine] as const, [b, theirs] as const]) {
    expect(textOf(document)).toBe('hello')
    type(document, ' again')
    expect(await code(document.saved())).toBe('doc-deleted')
    expect(host.replica.status().rejected).toMatchObject([{ doc: note, peer: null, code: 'doc-deleted' }])
    expect(() => open(host)).toThrow(/was deleted/)
    expect([host.replica.has(note), host.replica.isDeleted(note), names(host)]).toEqual([false, true, []])
    expect(host.events.filter(({ type: kind }) => kind === 'epoch')).toEqual([{ type: 'epoch', doc: note, docEpoch: 1 }])
    await document.release()
    expect(host.replica.status().rejected).toEqual([])
  }
  expect(a.replica.root).toBe(b.replica.root)
})

test('[DD-3] edits that wait for their commit when the deletion comes are settled one way or the other', async () => {
  const host = openHost()
  const document = open(host)
  type(document, 'one')
  const saved = document.saved()
  const deleted = host.replica.deleteDocument(note)
  type(document, 'two')
  const late = document.saved()
  const outcomes = await Promise.allSettled([saved, deleted, late])
  expect(outcomes.map(({ status }) => status).slice(1)).toEqual(['fulfilled', 'rejected'])
  expect(document.isDeleted).toBe(true)
})

test('[DD-3] guests are sent away with doc-deleted, their late writes are refused, and new ones are not let in', async () => {
  const host = openHost()
  const port = recordedGuest()
  const guest = host.replica.attachGuest(note, port)
  const doc = new Y.Doc()
  doc.getText('body').insert(0, 'hi')
  expect((await guest.write(Y.encodeStateAsUpdate(doc))).kind).toBe('committed')
  await host.replica.deleteDocument(note)
  await eventually(() => expect(port.closes).toEqual(['doc-deleted']))
  expect(await guest.write(Y.encodeStateAsUpdate(doc))).toMatchObject({ kind: 'refused', code: 'doc-deleted' })
  expect(() => host.replica.attachGuest(note, recordedGuest())).toThrow(/was deleted/)
  expect(host.replica.load().guests).toBe(1)
  guest.detach()
  expect(host.replica.load().guests).toBe(0)
})

test('[DD-3] a guest that lags behind when the deletion comes is sent away too', async () => {
  const host = openHost()
  const port = recordedGuest()
  host.replica.attachGuest(note, port)
  port.unsent = 1e9
  const document = open(host)
  type(document, 'x')
  await document.saved()
  await host.replica.deleteDocument(note)
  await eventually(() => expect(port.closes).toEqual(['doc-deleted']))
})

test('[DD-4] what was in it can be exported from each replica that had it, with edits that nobody else has seen, after a restart too', async () => {
  const path = `${scratchFolder()}/space.db`
  const [a, b] = [openHost(), openHost({ store: await sqliteStore(path) })]
  const link = linkHosts(a, b)
  const mine = open(a)
  type(mine, 'shared')
  const theirs = open(b)
  await eventually(() => expect(textOf(theirs)).toBe('shared'))
  link.cut()
  type(theirs, ', and two weeks of work')
  await theirs.saved()
  await a.replica.deleteDocument(note)
  linkHosts(b, a)
  await eventually(() => expect(theirs.isDeleted).toBe(true))
  expect(textOfUpdate(a.replica.remains(note)[0]!.update)).toBe('shared')
  expect(textOfUpdate(b.replica.remains(note)[0]!.update)).toBe('shared, and two weeks of work')
  await b.replica.close()
  const again = openHost({ store: await sqliteStore(path) })
  const remains = again.replica.remains(note)[0]!
  expect(textOfUpdate(remains.update)).toBe('shared, and two weeks of work')
  expect(Math.abs(Date.now() - remains.deletedAtMs)).toBeLessThan(60_000)
  expect(again.replica.remains(parseDocId('other'))).toEqual([])
  expect(() => open(again)).toThrow(/was deleted/)
})

test('[DD-5] begun anew on purpose it is empty, syncs, and those who still have the old one open do not disturb it', async () => {
  const [a, b] = [openHost(), openHost()]
  linkHosts(a, b)
  const old = open(a)
  type(old, 'old')
  await old.saved()
  await a.replica.deleteDocument(note)
  await eventually(() => expect(b.replica.isDeleted(note)).toBe(true))
  const mine = a.replica.openDocument(note, { recreate: true })
  const theirs = b.replica.openDocument(note, { recreate: true })
  expect([textOf(mine), textOf(theirs), mine.doc === old.doc]).toEqual(['', '', false])
  expect(a.replica.isDeleted(note), 'nothing is begun before the first edit').toBe(true)
  type(mine, 'new')
  type(old, ' more')
  await mine.saved()
  await eventually(() => expect(textOf(theirs)).toBe('new'))
  type(theirs, 'er')
  await eventually(() => expect(textOf(mine)).toBe('newer'))
  expect([textOf(old), textOf(open(a)), a.replica.has(note), b.replica.isDeleted(note)]).toEqual(['old more', 'newer', true, false])
  expect(a.replica.root).toBe(b.replica.root)
  expect(names(b)).toEqual([note])
})

test('[DD-2] deleting what is not here yet, what is deleted already, and where nothing may be written', async () => {
  const [a, b] = [openHost(), openHost({ role: 'follower', readOnly: true })]
  linkHosts(a, b)
  const seq = await a.replica.deleteDocument(note)
  expect(await a.replica.deleteDocument(note)).toBe(seq)
  await eventually(() => expect(b.replica.isDeleted(note)).toBe(true))
  expect(await code(b.replica.deleteDocument(parseDocId('other')))).toBe('read-only')
  await a.replica.close()
  expect(await code(a.replica.deleteDocument(note))).toBe('replica-closed')
})
