// Documents are deleted over the HTTP API while people have them open at every door: everybody is told and stays away, old copies bring nothing back, and whoever may
// delete can export what was in it, and begin it anew.

import { createReplica, type Replica } from '@syncline/client'
import { parseDocId } from '@syncline/protocol'
import { createDoorman, createRelay, jwtAuthenticator, parsePolicy, type Relay } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { SignJWT } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import * as Y from 'yjs'
import { clientOf } from '../compat/hocuspocus-client.ts'
import { temporaryFolder } from './relay-process.ts'
import { freshUpdate, refusedUpgrade, stockClient, synced } from './room-client.ts'

const secret = 'a secret of this test, long enough for HS256'
const clock = nodeClock()
const note = parseDocId('note')
const anyDocument = { space: '**', doc: '**' }
const policy = parsePolicy(
  JSON.stringify({
    version: 1,
    roles: {
      owner: [{ allow: ['read', 'write', 'create', 'delete', 'presence'], ...anyDocument }],
      editor: [{ allow: ['read', 'write', 'create', 'presence'], ...anyDocument }],
      stranger: [{ allow: ['read'], space: '**', doc: 'elsewhere/**' }],
    },
  }),
)

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function guardedRelay(): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const authenticator = await jwtAuthenticator({ key: { secret }, clock, clockToleranceMs: 0 })
  const doorman = createDoorman({ authenticator, policy, clock, anonymous: false })
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', doorman, admin: { port: 0 } })
  cleanups.push(() => relay.close())
  return relay
}

function token(role: string): Promise<string> {
  return new SignJWT({ roles: [role] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(`an ${role}`)
    .setExpirationTime(Math.floor(clock.wallMs() / 1000) + 600)
    .sign(new TextEncoder().encode(secret))
}

async function ask(
  relay: Relay,
  method: string,
  path: string,
  role: string,
  body?: Uint8Array,
): Promise<{ status: number; bytes: Uint8Array; json: Record<string, unknown> | null }> {
  const answer = await fetch(`${relay.adminUrl}/api/documents/${path}`, {
    method,
    headers: { authorization: `Bearer ${await token(role)}`, ...(body && { 'content-type': 'application/octet-stream' }) },
    ...(body && { body: new Uint8Array(body) }),
  })
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const isJson = answer.headers.get('content-type')?.includes('json') === true
  return { status: answer.status, bytes, json: isJson ? JSON.parse(new TextDecoder().decode(bytes)) : null }
}

function native(url: string, auth: () => Promise<string>): Replica {
  const replica = createReplica({ name: 'here', storage: { kind: 'memory' }, peers: [url], backoff: { firstMs: 20, maxMs: 200 }, auth })
  cleanups.push(() => replica.close())
  return replica
}

const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 8_000, interval: 5 })

test('[DD-3] a deletion by HTTP is told at every door, and nobody brings the document back', async () => {
  const relay = await guardedRelay()
  const editor = await token('editor')
  const replica = native(relay.url, () => token('editor'))
  const open = await replica.open('note')
  open.doc.getText('body').insert(0, 'shared')
  await open.whenSaved('relay')

  const page = stockClient(relay.url, 'note', new Y.Doc(), { params: { token: editor }, maxBackoffTime: 100 })
  cleanups.push(() => page.destroy())
  const closes: number[] = []
  page.provider.on('connection-close', (event: { code: number } | null) => void (event !== null && closes.push(event.code)))
  await synced(page)
  const tiptap = clientOf(relay.url, 'note', { token: editor })
  cleanups.push(() => tiptap.destroy())
  await tiptap.until(() => tiptap.text.toString() === 'shared')
  expect(page.text.toString()).toBe('shared')

  expect(await ask(relay, 'DELETE', 'note', 'owner')).toMatchObject({ status: 200, json: { deleted: true } })
  await eventually(() => expect(open.status.get()).toMatchObject({ deleted: true, rejected: [{ code: 'doc-deleted' }] }))
  await eventually(() => expect([...new Set(closes)]).toEqual([4404]))
  await tiptap.until(() => tiptap.denials.some((words) => words.startsWith('doc-deleted')))
  for (const doc of [open.doc, page.doc, tiptap.doc]) {
    doc.getText('body').insert(0, 'late ')
    expect(doc.getText('body').toString()).toBe('late shared')
  }

  // New ones, with old content and without.
  const old = stockClient(relay.url, 'note', page.doc, { params: { token: editor }, maxBackoffTime: 50 })
  cleanups.push(() => old.destroy())
  const another = clientOf(relay.url, 'note', { token: editor, doc: tiptap.doc })
  cleanups.push(() => another.destroy())
  await another.until(() => another.denials.length > 0)
  await eventually(async () => expect((await refusedUpgrade(`${relay.url}/note?token=${editor}`)).status).toBe(410))
  expect(await ask(relay, 'POST', 'note/update', 'editor', freshUpdate('by HTTP'))).toMatchObject({
    status: 410,
    json: { code: 'doc-deleted' },
  })
  const late = native(relay.url, () => token('editor'))
  await eventually(async () =>
    expect(
      await late.open('note').then(
        () => 'opened',
        (error: { code: string }) => error.code,
      ),
    ).toBe('doc-deleted'),
  )
  expect([relay.replica.has(note), relay.replica.isDeleted(note)]).toEqual([false, true])
})

test('[DD-6] who may delete by HTTP, and what everybody else hears', async () => {
  const relay = await guardedRelay()
  await ask(relay, 'POST', 'note/update', 'editor', freshUpdate('text'))
  expect(await ask(relay, 'DELETE', 'note', 'editor')).toMatchObject({ status: 403, json: { code: 'delete-forbidden' } })
  const [absent, forbidden] = [await ask(relay, 'DELETE', 'nothing', 'stranger'), await ask(relay, 'DELETE', 'note', 'stranger')]
  expect([absent.status, absent.json?.['code']]).toEqual([forbidden.status, forbidden.json?.['code']])
  expect((await ask(relay, 'DELETE', 'nothing', 'owner')).status).toBe(404)
  expect(relay.replica.has(note)).toBe(true)

  // A native replica without the right: in force there, refused here.
  const replica = native(relay.url, () => token('editor'))
  const open = await replica.open('note')
  await open.whenSynced()
  await replica.delete('note')
  await eventually(() =>
    expect(replica.status.get().rejected.map(({ code, direction }) => [code, direction])).toContainEqual(['delete-forbidden', 'out']),
  )
  expect(relay.replica.has(note)).toBe(true)
  expect(
    await replica.delete('note', { tier: 'relay' }).then(
      () => 'saved',
      (error: { code: string }) => error.code,
    ),
  ).toBe('delete-forbidden')

  const owner = native(relay.url, () => token('owner'))
  await owner.whenReady()
  await owner.delete('note', { tier: 'relay' })
  expect(relay.replica.isDeleted(note)).toBe(true)
})

test('[HA-12] deleting twice, exporting what was there, and beginning anew, by HTTP', async () => {
  const relay = await guardedRelay()
  await ask(relay, 'POST', 'note/update', 'editor', freshUpdate('first life'))
  const list = async (): Promise<string[]> => {
    const answer = await fetch(`${relay.adminUrl}/api/documents`, { headers: { authorization: `Bearer ${await token('owner')}` } })
    return ((await answer.json()) as { documents: { name: string }[] }).documents.map(({ name }) => name)
  }
  expect(await list()).toEqual(['note'])
  expect((await ask(relay, 'GET', 'note/remains', 'owner')).status).toBe(404)
  expect((await ask(relay, 'DELETE', 'note', 'owner')).json).toMatchObject({ deleted: true, seq: 2 })
  expect((await ask(relay, 'DELETE', 'note', 'owner')).json).toEqual({ deleted: true, known: true })
  expect(await list()).toEqual([])
  for (const path of ['note', 'note/log', 'note/update'])
    expect(await ask(relay, 'GET', path, 'editor')).toMatchObject({ status: 410, json: { code: 'doc-deleted' } })
  expect((await ask(relay, 'PATCH', 'note/maps/fields', 'editor', new TextEncoder().encode('{"a":1}'))).status).toBe(410)

  expect((await ask(relay, 'GET', 'note/remains', 'editor')).status).toBe(403)
  const remains = await ask(relay, 'GET', 'note/remains', 'owner')
  const copy = new Y.Doc()
  Y.applyUpdate(copy, remains.bytes)
  expect(copy.getText('body').toString()).toBe('first life')

  const changes = await fetch(`${relay.adminUrl}/api/changes`, { headers: { authorization: `Bearer ${await token('owner')}` } })
  expect(((await changes.json()) as { changes: object[] }).changes).toEqual([{ seq: 2, name: 'note', life: 1, deleted: true, update: '' }])

  expect((await ask(relay, 'POST', 'note/recreate', 'editor')).json).toMatchObject({ recreated: true, seq: 3 })
  expect((await ask(relay, 'POST', 'note/recreate', 'editor')).json).toEqual({ recreated: true, known: true })
  expect((await ask(relay, 'POST', 'nothing/recreate', 'editor')).status).toBe(404)
  expect((await ask(relay, 'GET', 'note', 'editor')).json).toMatchObject({ name: 'note', content: {} })
  expect((await ask(relay, 'PATCH', 'note/maps/fields', 'editor', new TextEncoder().encode('{"a":1}'))).json).toEqual({ seq: 4 })
  const page = stockClient(relay.url, 'note', new Y.Doc(), { params: { token: await token('editor') } })
  cleanups.push(() => page.destroy())
  await synced(page)
  expect(page.doc.getMap('fields').toJSON()).toEqual({ a: 1 })
})
