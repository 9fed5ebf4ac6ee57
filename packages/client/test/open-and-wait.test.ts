import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { codeOf, listeningReplica, scratchFolder, scratchReplica, statusWhere } from './scratch.ts'

/** An address where nobody answers. */
const NOWHERE = 'ws://127.0.0.1:9'

test('[AP-1] createReplica returns at once, and opens in the background', async () => {
  const replica = scratchReplica({ storage: scratchFolder() })
  expect(replica.status.get()).toMatchObject({ loaded: false, storage: { kind: 'sqlite', durability: 'process', state: 'opening' } })
  await replica.whenReady()
  expect(replica.status.get()).toMatchObject({ loaded: true, connection: 'offline', error: null, storage: { state: 'ok' } })
})

test('[AP-1] options that make no sense are named at once', () => {
  const cases = [
    [{ name: '../up' }, 'argument-invalid', 'name'],
    [{ peers: ['https://example.com'] }, 'argument-invalid', 'peers'],
    [{ listen: { port: 70_000 } }, 'argument-invalid', 'listen.port'],
    [{ storage: '' }, 'argument-invalid', 'storage'],
    [{ subscribe: ['a/b/*'] }, 'argument-invalid', 'subscribe'],
    [{ subscribe: [''] }, 'doc-id-invalid', 'empty'],
    [{ space: '..' }, 'space-id-invalid', '..'],
  ] as const
  for (const [options, code, word] of cases) {
    expect(() => scratchReplica(options)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(word) }))
  }
})

test('[AP-1] a failure to open stands in the status, and in every call that waits for it', async () => {
  const folder = scratchFolder()
  const first = scratchReplica({ storage: folder })
  await first.whenReady()
  const second = scratchReplica({ storage: folder })
  expect(await codeOf(second.open('note'))).toBe('store-locked')
  expect(await codeOf(second.whenReady())).toBe('store-locked')
  const status = await statusWhere(second, ({ error }) => error !== null)
  expect(status).toMatchObject({ connection: 'error', loaded: false, error: { code: 'store-locked' }, storage: { state: 'failed' } })
  await second.close()
  expect(await codeOf(first.open('note'))).toBe('resolved')
})

test('[AP-1] a taken port fails the opening in words, and leaves the folder free', async () => {
  const { url } = await listeningReplica()
  const folder = scratchFolder()
  const late = scratchReplica({ storage: folder, listen: { port: Number(new URL(url).port) } })
  expect(await codeOf(late.whenReady())).toBe('port-taken')
  const again = scratchReplica({ storage: folder })
  expect(await codeOf(again.whenReady())).toBe('resolved')
})

test('[AP-2] open waits for local data only, and an edit made alone is there after a restart', async () => {
  const storage = scratchFolder()
  const before = scratchReplica({ storage, peers: [NOWHERE] })
  const note = await before.open('note/1')
  note.doc.getText('body').insert(0, 'alone 🌱')
  await note.whenSaved()
  await before.close()

  const after = scratchReplica({ storage, peers: [NOWHERE] })
  const again = await after.open('note/1')
  expect(again.doc.getText('body').toString()).toBe('alone 🌱')
  expect(after.status.get().synced).toBe(false)
})

test('[AP-2] openers of one document share it, and each gives up its own handle once', async () => {
  const replica = scratchReplica()
  const [one, two] = await Promise.all([replica.open('note'), replica.open('note')])
  expect(one.doc).toBe(two.doc)
  expect(one.awareness).toBe(two.awareness)
  await Promise.all([one.release(), one.release()])
  two.doc.getText('body').insert(0, 'still here')
  await two.whenSaved('local')
  expect(await codeOf(one.whenSaved())).toBe('argument-invalid')
  await two.release()
  const again = await replica.open('note')
  expect(again.doc.getText('body').toString()).toBe('still here')
})

test('[AP-4] every wait ends with its signal, and at close', async () => {
  const replica = scratchReplica({ peers: [NOWHERE] })
  const note = await replica.open('note')
  note.doc.getText('body').insert(0, 'x')
  const waits = (signal?: AbortSignal): Promise<string>[] =>
    [note.whenSaved('relay', { signal }), note.whenSynced({ signal }), note.whenSaved({ copies: 1 }, { signal })].map(codeOf)

  const abort = new AbortController()
  const aborted = waits(abort.signal)
  abort.abort(new Error('changed my mind'))
  expect(await Promise.all(aborted)).toEqual(['wait-aborted', 'wait-aborted', 'wait-aborted'])
  expect(await Promise.all(waits(AbortSignal.abort()))).toEqual(['wait-aborted', 'wait-aborted', 'wait-aborted'])
  expect(await codeOf(replica.open('other', { signal: AbortSignal.abort() }))).toBe('wait-aborted')

  const open = waits()
  await replica.close()
  expect(await Promise.all(open)).toEqual(['replica-closed', 'replica-closed', 'replica-closed'])
  expect(await Promise.all([codeOf(replica.open('note')), ...waits()])).toEqual(Array(4).fill('replica-closed'))
})

test('[AP-5] whenSynced resolves after a full exchange, and the document then shows what the peer had', async () => {
  const { replica: server, url } = await listeningReplica()
  const there = await server.open('note/1')
  there.doc.getText('body').insert(0, 'from the server')
  await there.whenSaved()

  const device = scratchReplica({ peers: [url] })
  const note = await device.open('note/1')
  await note.whenSynced()
  expect(note.doc.getText('body').toString()).toBe('from the server')
  expect(device.status.get()).toMatchObject({ synced: true, connection: 'connected' })
  expect(note.status.get().synced).toBe(true)

  await server.close()
  await statusWhere(device, ({ connection }) => connection !== 'connected')
  expect(note.status.get().synced).toBe(false)
})

test('[DU-1] relay resolves with the ack of a peer that keeps it, and not with that of one in memory', async () => {
  const memory = await listeningReplica()
  const device = scratchReplica({ peers: [memory.url] })
  const note = await device.open('note')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSynced()
  const early = note.whenSaved('relay', { signal: AbortSignal.timeout(300) })
  expect(await codeOf(early)).toBe('wait-aborted')

  const durable = await listeningReplica({ storage: scratchFolder() })
  const other = scratchReplica({ peers: [durable.url] })
  const copy = await other.open('note')
  Y.applyUpdate(copy.doc, Y.encodeStateAsUpdate(note.doc))
  await copy.whenSaved('relay')
  const kept = await durable.replica.open('note')
  expect(kept.doc.getText('body').toString()).toBe('x')
})

test('[AP-3] copies waits for distinct disks, and says when there cannot be as many', async () => {
  const disk = await listeningReplica({ name: 'disk', storage: scratchFolder(), durability: 'disk' })
  const device = scratchReplica({ name: 'device', storage: scratchFolder(), durability: 'disk', peers: [disk.url] })
  const note = await device.open('note')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSaved({ copies: 2 })
  note.doc.getText('body').insert(0, 'y')
  expect(await codeOf(note.whenSaved({ copies: 3 }))).toBe('copies-unreachable')
  expect(await codeOf(note.whenSaved({ copies: 0 }))).toBe('argument-invalid')
})

test('[AP-3] a replica that can be counted only through others does not count', async () => {
  const far = await listeningReplica({ name: 'far', storage: scratchFolder(), durability: 'disk' })
  const middle = await listeningReplica({ name: 'middle', storage: scratchFolder(), durability: 'disk', peers: [far.url] })
  const device = scratchReplica({ name: 'device', storage: scratchFolder(), durability: 'disk', peers: [middle.url] })
  const note = await device.open('note')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSaved({ copies: 2 })
  expect(await codeOf(note.whenSaved({ copies: 3 }))).toBe('copies-unreachable')
})

test('[AP-10] a read-only replica follows, and refuses edits with a code', async () => {
  const { replica: server, url } = await listeningReplica({ storage: join(scratchFolder(), 'server') })
  const source = await server.open('note')
  source.doc.getText('body').insert(0, 'read me')
  await source.whenSaved()

  const reader = scratchReplica({ peers: [url], readOnly: true })
  const note = await reader.open('note')
  await note.whenSynced()
  expect(note.doc.getText('body').toString()).toBe('read me')
  note.doc.getText('body').insert(0, 'not me: ')
  expect(await codeOf(note.whenSaved())).toBe('read-only')
  await statusWhere(reader, ({ rejected }) => rejected.some((row) => row.doc === 'note' && row.code === 'read-only'))
  expect(source.doc.getText('body').toString()).toBe('read me')
})
