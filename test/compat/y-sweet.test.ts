// The unmodified @y-sweet/client 0.9.1, and the @y-sweet/sdk that it depends on, against the y-sweet door. What the client calls saved (hasLocalChanges is
// false) must be on disk, whatever happens to the process.

import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseDocId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { EVENT_CONNECTION_STATUS, EVENT_LOCAL_CHANGES, YSweetProvider } from '@y-sweet/client'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { createDoorman } from '../../packages/relay/src/access/doorman.ts'
import { parsePolicy } from '../../packages/relay/src/access/policy-file.ts'
import { commandHere } from '../integration/command-here.ts'
import { temporaryFolder } from '../integration/relay-process.ts'
import { docWhere } from '../integration/room-client.ts'
import { startYSweetServer, type YSweetServer, type YSweetServerOptions } from './y-sweet-server.ts'

interface ClientToken {
  url: string
  baseUrl: string
  docId: string
  token?: string
  authorization?: 'full' | 'read-only'
}
interface DocumentManager {
  checkStore(): Promise<{ ok: boolean }>
  createDoc(docId?: string): Promise<{ docId: string }>
  getClientToken(docId: string, request?: { authorization?: string; userId?: string; validForSeconds?: number }): Promise<ClientToken>
  getOrCreateDocAndToken(docId?: string): Promise<ClientToken>
  getDocAsUpdate(docId: string): Promise<Uint8Array>
  updateDoc(docId: string, update: Uint8Array): Promise<void>
}
const beside = createRequire(createRequire(import.meta.url).resolve('@y-sweet/client'))
const { DocumentManager } = beside('@y-sweet/sdk') as { DocumentManager: new (connection: string) => DocumentManager }

const cleanups: (() => unknown)[] = []
// The client warns whenever its connection is lost.
beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => undefined))
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

async function serverHere(options: Partial<YSweetServerOptions> = {}): Promise<YSweetServer> {
  const server = await startYSweetServer({ data: folderHere(), ...options })
  cleanups.push(() => server.close())
  return server
}

interface Client {
  readonly doc: Y.Doc
  readonly provider: YSweetProvider
  readonly text: Y.Text
}

function client(authEndpoint: () => Promise<ClientToken>, docId: string, doc: Y.Doc = new Y.Doc()): Client {
  let hasLeft = false
  // Version 0.9.1 has no way to stop dialling: a token that never comes ends it.
  const unlessLeft = (): Promise<ClientToken> => (hasLeft ? new Promise(() => undefined) : authEndpoint())
  const provider = new YSweetProvider(unlessLeft, docId, doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    showDebuggerLink: false,
  })
  cleanups.push(() => {
    hasLeft = true
    leave(provider)
  })
  return { doc, provider, text: doc.getText('body') }
}

/** Version 0.9.1 dials again after its own disconnect(): its listeners are taken off first. */
function leave(provider: YSweetProvider): void {
  const { websocket } = provider as unknown as { websocket: WebSocket | null }
  provider.disconnect()
  if (websocket === null) return provider.destroy()
  Object.assign(websocket, { onopen: null, onmessage: null, onclose: null, onerror: () => undefined })
  provider.destroy()
}

function connected({ provider }: Client): Promise<void> {
  return until(provider, EVENT_CONNECTION_STATUS, () => provider.status === 'connected')
}

function saved({ provider }: Client): Promise<void> {
  return until(provider, EVENT_LOCAL_CHANGES, () => !provider.hasLocalChanges)
}

function until(
  provider: YSweetProvider,
  event: typeof EVENT_CONNECTION_STATUS | typeof EVENT_LOCAL_CHANGES,
  holds: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (!holds()) return
      provider.off(event, check)
      resolve()
    }
    provider.on(event, check)
    check()
  })
}

test('[YS-4] the SDK makes documents, gives tokens for them, reads and writes them; clients meet in them', async () => {
  const { port } = await serverHere()
  const manager = new DocumentManager(`ys://127.0.0.1:${port}`)
  expect(await manager.checkStore()).toEqual({ ok: true })
  expect(await manager.createDoc('note_1')).toEqual({ docId: 'note_1' })
  expect((await manager.createDoc()).docId).toMatch(/^[\w-]{20,}$/)
  const token = await manager.getOrCreateDocAndToken('note_1')
  expect(token).toEqual({
    url: `ws://127.0.0.1:${port}/d/note_1/ws`,
    baseUrl: `http://127.0.0.1:${port}/d/note_1`,
    docId: 'note_1',
    authorization: 'full',
  })

  const [ada, bob] = [client(async () => token, 'note_1'), client(() => manager.getClientToken('note_1'), 'note_1')]
  await Promise.all([connected(ada), connected(bob)])
  ada.text.insert(0, 'räum \u{1F642}')
  ada.provider.awareness.setLocalStateField('user', 'ada')
  await Promise.all([saved(ada), docWhere(bob.doc, () => bob.text.toString() === 'räum \u{1F642}')])
  const read = new Y.Doc()
  Y.applyUpdate(read, await manager.getDocAsUpdate('note_1'))
  expect(read.getText('body').toString()).toBe('räum \u{1F642}')

  read.getText('body').insert(0, 'by the server: ')
  await manager.updateDoc('note_1', Y.encodeStateAsUpdate(read))
  await docWhere(ada.doc, () => ada.text.toString() === 'by the server: räum \u{1F642}')
  await expect(manager.updateDoc('note_1', Uint8Array.of(9, 9, 9))).rejects.toThrow(/422/)
  await until(bob.provider, EVENT_CONNECTION_STATUS, () => true)
  expect([...bob.provider.awareness.getStates().values()]).toContainEqual({ user: 'ada' })
})

test('[YS-4] names with slashes, spaces and percent signs are documents of their own', async () => {
  const { port, replica } = await serverHere()
  const manager = new DocumentManager(`ys://127.0.0.1:${port}`)
  for (const name of ['note/42', 'räum mit leer', 'r-%41']) {
    // The SDK pastes names into its addresses as they are; its callers encode them.
    const token = { ...(await manager.getClientToken(encodeURIComponent(name))), docId: name }
    const one = client(async () => token, name)
    await connected(one)
    one.text.insert(0, name)
    await saved(one)
    expect(replica.has(parseDocId(name)), name).toBe(true)
  }
})

test('[YS-2] edits made off line are called saved only when they are stored', async () => {
  const data = folderHere()
  const first = await startYSweetServer({ data })
  const { port } = first
  const manager = new DocumentManager(`ys://127.0.0.1:${port}`)
  const token = await manager.getOrCreateDocAndToken('note')
  const one = client(async () => token, 'note')
  await connected(one)
  one.text.insert(0, 'on line')
  await saved(one)
  await first.close()
  await until(one.provider, EVENT_CONNECTION_STATUS, () => one.provider.status !== 'connected')
  one.text.insert(0, 'off line, ')
  expect(one.provider.hasLocalChanges).toBe(true)
  const second = await serverHere({ data, port })
  let storedAtSaved = ''
  one.provider.on(EVENT_LOCAL_CHANGES, (hasChanges) => {
    if (hasChanges === false) storedAtSaved = textIn(second)
  })
  await saved(one)
  expect(storedAtSaved).toBe('off line, on line')
})

function textIn({ replica }: YSweetServer): string {
  const guest = replica.attachGuest(parseDocId('note'), {
    deliver: () => undefined,
    presence: () => undefined,
    ping: () => undefined,
    close: () => undefined,
    buffered: () => 0,
  })
  const doc = new Y.Doc()
  Y.applyUpdate(doc, guest.diff(Uint8Array.of(0)))
  guest.detach()
  return doc.getText('body').toString()
}

/** The server in a process of its own. */
async function serverProcess(data: string, port: number): Promise<{ child: ChildProcess; port: number; ended: Promise<void> }> {
  const program = join(import.meta.dirname, 'y-sweet-server.ts')
  const child = spawn(process.execPath, ['--conditions=syncline-source', program, data, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cleanups.push(() => child.kill('SIGKILL'))
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const ready = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', resolve)
    child.on('close', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  return { child, port: Number(/^ready on (\d+)$/.exec(ready)?.[1]), ended }
}

test('[YS-1] kill -9 while a client types: everything that it called saved is in the store', async () => {
  const data = folderHere()
  const doc = new Y.Doc()
  let port = 0
  let one: Client | null = null
  for (let round = 0; round < 2; round++) {
    const server = await serverProcess(data, port)
    port = server.port
    one ??= client(async () => ({ url: `ws://127.0.0.1:${port}/d/note/ws`, baseUrl: '', docId: 'note' }), 'note', doc)
    const { provider, text } = one
    // A few updates, of which the last is called saved: then the next ones follow.
    const type = (): void => {
      for (const word of ['some ', 'words ', 'more ']) text.insert(text.length, word)
      text.delete(0, 1)
    }
    let called = new Map<number, number>()
    // In the second round at the first claim: what it covers was written while no server ran.
    let claimsLeft = round === 0 ? 12 : 1
    const claim = (): void => {
      if (provider.hasLocalChanges || claimsLeft === 0) return
      called = Y.decodeStateVector(Y.encodeStateVector(doc))
      if (--claimsLeft === 0) server.child.kill('SIGKILL')
      else setImmediate(type)
    }
    provider.on(EVENT_LOCAL_CHANGES, claim)
    if (round === 0) {
      await connected(one)
      type()
    }
    await server.ended
    provider.off(EVENT_LOCAL_CHANGES, claim)
    expect(await clocksIn(data)).toEqual(expect.toSatisfy((clocks: Map<number, number>) => covers(clocks, called)))
    text.insert(0, 'between the servers ')
    expect(provider.hasLocalChanges).toBe(true)
  }
})

async function clocksIn(data: string): Promise<Map<number, number>> {
  const out = folderHere()
  expect(await commandHere('export', 'note', '--data', data, '--out', out)).toMatchObject({ code: 0 })
  return Y.decodeStateVector(Y.encodeStateVectorFromUpdate(readFileSync(join(out, 'note.yupdate'))))
}

function covers(clocks: Map<number, number>, called: Map<number, number>): boolean {
  return [...called].every(([clientId, clock]) => (clocks.get(clientId) ?? 0) >= clock)
}

test('[YS-5] a token for reading reads; what it writes is neither taken nor called saved; a token that ends is replaced by the client itself', async () => {
  const clock = nodeClock()
  const doorman = createDoorman({
    authenticator: ({ token }) =>
      Promise.resolve(
        token === 'application-token' ? { subject: 'application', roles: ['application'], claims: {}, expiresAtMs: null } : null,
      ),
    policy: parsePolicy(JSON.stringify({ version: 1, roles: { application: [{ allow: 'all', space: '**', doc: '**' }] } })),
    clock,
    anonymous: false,
  })
  cleanups.push(() => doorman.close())
  const { port } = await serverHere({ doorman })
  await expect(new DocumentManager(`ys://127.0.0.1:${port}`).createDoc('note')).rejects.toThrow(/NoAuthProvided/)
  await expect(new DocumentManager(`ys://wrong@127.0.0.1:${port}`).createDoc('note')).rejects.toThrow(/InvalidAuthProvided/)
  const manager = new DocumentManager(`ys://${encodeURIComponent('application-token')}@127.0.0.1:${port}`)
  const full = await manager.getOrCreateDocAndToken('note')
  expect(full.token).not.toContain('application')
  const readOnly = await manager.getClientToken('note', { authorization: 'read-only' })

  let asked = 0
  const writer = client(() => {
    asked++
    return manager.getClientToken('note', { validForSeconds: asked === 1 ? 1 : 600 })
  }, 'note')
  const reader = client(async () => readOnly, 'note')
  await Promise.all([connected(writer), connected(reader)])
  writer.text.insert(0, 'hello')
  await Promise.all([saved(writer), saved(reader), docWhere(reader.doc, () => reader.text.toString() === 'hello')])
  reader.text.insert(0, 'mine ')
  expect(reader.provider.hasLocalChanges).toBe(true)

  await until(writer.provider, EVENT_CONNECTION_STATUS, () => writer.provider.status !== 'connected')
  writer.text.insert(5, ' again')
  await saved(writer)
  expect(asked).toBe(2)
  await docWhere(reader.doc, () => reader.text.toString() === 'mine hello again')
  expect(reader.provider.hasLocalChanges).toBe(true)
  const stored = new Y.Doc()
  Y.applyUpdate(stored, await manager.getDocAsUpdate('note'))
  expect(stored.getText('body').toString()).toBe('hello again')

  const other = client(async () => ({ ...readOnly, docId: 'other', url: readOnly.url.replace('/note/', '/other/') }), 'other')
  await until(other.provider, EVENT_CONNECTION_STATUS, () => other.provider.status === 'error')
  await expect(manager.getClientToken('note', { authorization: 'admin' })).rejects.toThrow(/400/)
  const stale = await fetch(`${readOnly.baseUrl}/update`, {
    method: 'POST',
    body: new Uint8Array(Y.encodeStateAsUpdate(reader.doc)),
    headers: { authorization: `Bearer ${readOnly.token}` },
  })
  expect(stale.status).toBe(403)
  const page = await fetch(`${readOnly.baseUrl}/as-update`, {
    headers: { authorization: `Bearer ${full.token}`, origin: 'https://evil.example' },
  })
  expect(page.status).toBe(403)
})
