import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createReplica, type ListedDocument, type SyncStatus } from '@syncline/client'
import { expect, test } from 'vitest'
import { nodeVersionProblem } from '../src/node/check-node.ts'
import { codeOf, listeningReplica, scratchFolder, scratchReplica, statusWhere } from './scratch.ts'

async function listed(rows: AsyncIterable<ListedDocument>): Promise<ListedDocument[]> {
  const found: ListedDocument[] = []
  for await (const row of rows) found.push(row)
  return found.sort((a, b) => (a.id < b.id ? -1 : 1))
}

test('[AP-6] what no durable peer has is pending, also right after a restart, until one acknowledges it', async () => {
  const storage = scratchFolder()
  const alone = scratchReplica({ storage })
  for (const id of ['a/1', 'a/2', 'b/1']) {
    const note = await alone.open(id)
    note.doc.getText('body').insert(0, id)
    await note.whenSaved()
  }
  expect(alone.status.get().pending).toEqual({ local: 0, relay: 3 })
  await alone.close()

  const server = await listeningReplica({ storage: scratchFolder() })
  const device = scratchReplica({ storage, peers: [server.url] })
  await device.whenReady()
  expect(device.status.get().pending).toEqual({ local: 0, relay: 3 })
  await statusWhere(device, ({ pending }) => pending.relay === 0)
  expect((await listed(device.list())).map(({ id, pending }) => [id, pending])).toEqual([
    ['a/1', false],
    ['a/2', false],
    ['b/1', false],
  ])
  await device.close()
  await server.replica.close()

  const again = scratchReplica({ storage })
  await again.whenReady()
  expect(again.status.get().pending).toEqual({ local: 0, relay: 0 })
  const note = await again.open('a/2')
  expect(note.status.get().pending).toEqual({ local: false, relay: false })
  note.doc.getText('body').insert(0, 'more ')
  expect(note.status.get().pending).toEqual({ local: true, relay: true })
  expect(again.status.get().pending.local).toBe(1)
  await note.whenSaved()
  expect(again.status.get().pending).toEqual({ local: 0, relay: 1 })
  expect((await listed(again.list({ prefix: 'a/' }))).map(({ id, pending }) => [id, pending])).toEqual([
    ['a/1', false],
    ['a/2', true],
  ])
})

test('[AP-6] what a peer wrote is not pending here', async () => {
  const server = await listeningReplica({ storage: scratchFolder() })
  const device = scratchReplica({ storage: scratchFolder(), peers: [server.url] })
  const mine = await device.open('note')
  await mine.whenSynced()
  const counts = new Set<number>()
  device.status.subscribe(({ pending }) => counts.add(pending.relay))
  const theirs = await server.replica.open('note')
  theirs.doc.getText('body').insert(0, 'from the other side')
  await new Promise<void>((resolve) => mine.doc.once('update', () => resolve()))
  await theirs.whenSaved('relay')
  expect(mine.doc.getText('body').toString()).toBe('from the other side')
  expect([...counts]).toEqual([0])
})

test('[AP-7] the status is one object until something in it changes, and listeners hear each change once', async () => {
  const { replica: server, url } = await listeningReplica()
  const device = scratchReplica({ peers: [url] })
  const heard: SyncStatus[] = []
  const stop = device.status.subscribe((status) => heard.push(status))
  expect(heard).toEqual([device.status.get()])
  await statusWhere(device, ({ synced }) => synced)
  expect(device.status.get()).toBe(device.status.get())
  expect(device.status.get()).toMatchObject({
    connection: 'connected',
    peers: [{ url, state: 'connected', role: 'device', durability: 'memory', synced: true, error: null }],
  })
  expect(new Set(heard).size).toBe(heard.length)
  stop()
  await server.close()
  await statusWhere(device, ({ connection }) => connection !== 'connected')
  expect(heard.at(-1)!.connection).toBe('connected')
  expect(device.status.get().peers[0]).toMatchObject({ url, synced: false, error: { code: expect.any(String) } })
})

test('[AP-7] a first sync tells how far it is, in documents and bytes', async () => {
  const server = await listeningReplica({ storage: scratchFolder() })
  for (let i = 0; i < 40; i++) {
    const note = await server.replica.open(`note/${i}`)
    note.doc.getText('body').insert(0, 'x'.repeat(500))
    await note.release()
  }
  const device = scratchReplica({ peers: [server.url] })
  await statusWhere(device, ({ synced }) => synced)
  const { firstSync } = await statusWhere(device, (status) => status.firstSync?.documents === 40)
  expect(firstSync).toMatchObject({ documents: 40, documentsExpected: 40 })
  expect(firstSync!.bytes).toBeGreaterThan(40 * 500)
})

test('[AP-7] an address that can never work is an error, not a try for ever', async () => {
  const { replica, url } = await listeningReplica()
  expect(replica.status.get().connection).toBe('offline')
  const elsewhere = scratchReplica({ peers: [url], space: 'another-space' })
  const status = await statusWhere(elsewhere, ({ connection }) => connection === 'error')
  expect(status.error).toMatchObject({ code: 'space-unknown' })
  expect(status.peers[0]!.state).toBe('stopped')
  expect(await codeOf(elsewhere.open('note'))).toBe('resolved')
})

test('[AP-8] a replica of a part keeps that part, and a document that it opens', async () => {
  const { replica: server, url } = await listeningReplica()
  for (const id of ['a/1', 'b/1', 'c/1', 'c/2']) {
    const note = await server.open(id)
    note.doc.getText('body').insert(0, id)
    await note.whenSaved()
  }
  const device = scratchReplica({ peers: [url], subscribe: ['a/*', 'b/1'] })
  await statusWhere(device, ({ synced }) => synced)
  expect((await listed(device.list())).map(({ id }) => id)).toEqual(['a/1', 'b/1'])

  const opened = await device.open('c/2')
  await opened.whenSynced()
  expect(opened.doc.getText('body').toString()).toBe('c/2')

  device.subscribe('c/*')
  const other = await device.open('c/1')
  await other.whenSynced()
  expect(other.doc.getText('body').toString()).toBe('c/1')

  device.unsubscribe('a/*')
  const there = await server.open('a/1')
  const both = await server.open('c/1')
  there.doc.getText('body').insert(0, 'unseen ')
  both.doc.getText('body').insert(0, 'seen ')
  await new Promise<void>((resolve) => other.doc.once('update', () => resolve()))
  expect(other.doc.getText('body').toString()).toBe('seen c/1')
  expect(() => server.unsubscribe('a/*')).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
})

test('[AP-9] close is bounded, idempotent and safe while opening, and keeps every edit that was made before', async () => {
  const storage = scratchFolder()
  const opening = createReplica({ name: 'test', storage })
  await Promise.all([opening.close(), opening.close()])
  expect(opening.status.get()).toMatchObject({ connection: 'closed', loaded: false, storage: { state: 'closed' } })

  const replica = createReplica({ name: 'test', storage })
  const note = await replica.open('note')
  for (let i = 0; i < 500; i++) note.doc.getText('body').insert(i, 'x')
  await replica.close()
  expect(replica.status.get().pending.local).toBe(0)
  await using again = createReplica({ name: 'test', storage })
  expect((await again.open('note')).doc.getText('body').length).toBe(500)
})

test.skipIf(process.platform === 'win32')(
  '[AP-9] with closeOnSignals a signal ends the process after the replica is closed, with the exit status of the signal',
  async () => {
    const storage = scratchFolder()
    const program = `
    import { createReplica } from '@syncline/client'
    const replica = createReplica({ name: 'test', storage: ${JSON.stringify(storage)}, closeOnSignals: true })
    const note = await replica.open('note')
    replica.status.subscribe(({ connection }) => connection === 'closed' && console.log('closed'))
    for (let i = 0; i < 500; i++) note.doc.getText('body').insert(i, 'x')
    process.kill(process.pid, 'SIGTERM')
  `
    const child = spawn(process.execPath, ['--conditions=syncline-source', '--input-type=module', '--eval', program], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    expect([code, signal, output]).toEqual([null, 'SIGTERM', 'closed\n'])
    const replica = scratchReplica({ storage })
    expect((await replica.open('note')).doc.getText('body').length).toBe(500)
  },
)

test('[AP-11] an old Node is told what is needed', () => {
  expect(nodeVersionProblem('22.0.0')).toBeNull()
  expect(nodeVersionProblem('24.21.0')).toBeNull()
  expect(nodeVersionProblem('20.20.2')).toMatch(/needs Node 22 or newer, and this is Node 20\.20\.2/)
})
