// The HTTP API beside the doors of one relay: a token that is good at one is good at all of them, for the same, and a change counts for all.

import { afterEach, expect, test, vi } from 'vitest'
import { SignJWT } from 'jose'
import { parseDocId } from '@syncline/protocol'
import { createDoorman, createRelay, jwtAuthenticator, parsePolicy, type PolicyDoorman, type Relay } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import { temporaryFolder } from './relay-process.ts'
import { docWhere, freshUpdate, stockClient, synced } from './room-client.ts'

const secret = 'a secret of this test, long enough for HS256'
const clock = nodeClock()
const policyOf = (roles: Record<string, unknown[]>) => parsePolicy(JSON.stringify({ version: 1, roles }))
const anyDocument = { space: '**', doc: '**' }
const usual = policyOf({
  editor: [{ allow: ['read', 'write', 'create', 'presence'], ...anyDocument }],
  viewer: [{ allow: ['read'], ...anyDocument }],
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function guardedRelay(): Promise<{ relay: Relay; doorman: PolicyDoorman }> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const authenticator = await jwtAuthenticator({ key: { secret }, clock, clockToleranceMs: 0 })
  const doorman = createDoorman({ authenticator, policy: usual, clock, anonymous: false })
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', doorman, admin: { port: 0 } })
  cleanups.push(() => relay.close())
  return { relay, doorman }
}

function token(roles: readonly string[], expiresInS = 600, key = secret): Promise<string> {
  return new SignJWT({ roles: [...roles] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime(Math.floor(clock.wallMs() / 1000) + expiresInS)
    .sign(new TextEncoder().encode(key))
}

function post(relay: Relay, doc: string, bearer: string | null, update: Uint8Array): Promise<Response> {
  return fetch(`${relay.adminUrl}/api/documents/${encodeURIComponent(doc)}/update`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }) },
    body: new Uint8Array(update),
  })
}

test('[HA-1] the HTTP API takes the token that every door takes, and refuses those that every door refuses', async () => {
  const { relay } = await guardedRelay()
  const editor = await token(['editor'])
  const client = stockClient(relay.url, 'note', new Y.Doc(), { params: { token: editor } })
  cleanups.push(() => client.destroy())
  await synced(client)
  client.text.insert(0, 'from the room')
  expect((await post(relay, 'note', editor, freshUpdate(' and by HTTP'))).status).toBe(200)
  await docWhere(client.doc, () => client.text.toString().includes('and by HTTP'))
  await vi.waitFor(async () => {
    const answer = await fetch(`${relay.adminUrl}/api/documents/note`, { headers: { authorization: `Bearer ${editor}` } })
    expect(await answer.text()).toContain('from the room')
  })

  const cases: readonly (readonly [string | null, number, string])[] = [
    [null, 401, 'auth-required'],
    ['rubbish', 401, 'auth-invalid'],
    [await token(['editor'], 600, 'another secret that is also long enough'), 401, 'auth-invalid'],
    [await token(['editor'], -60), 401, 'auth-expired'],
    [await token(['viewer']), 403, 'read-only'],
    [await token([]), 404, 'doc-missing'],
  ]
  const before = relay.replica.reader.head()
  for (const [bearer, status, code] of cases) {
    const answer = await post(relay, 'note', bearer, freshUpdate('x'))
    const said = (await answer.json()) as { code: string }
    expect([answer.status, said.code], code).toEqual([status, code])
    expect(relay.replica.has(parseDocId('note'))).toBe(true)
  }
  expect(relay.replica.reader.head()).toBe(before)
})

test('[HA-1] a changed policy counts for the HTTP API as for the doors, within a second', async () => {
  const { relay, doorman } = await guardedRelay()
  const editor = await token(['editor'])
  expect((await post(relay, 'note', editor, freshUpdate('one'))).status).toBe(200)
  doorman.setPolicy(policyOf({ editor: [{ allow: ['read'], ...anyDocument }] }))
  const began = clock.now()
  await vi.waitFor(async () => expect((await post(relay, 'note', editor, freshUpdate('two'))).status).toBe(403), {
    timeout: 5_000,
    interval: 5,
  })
  expect(clock.now() - began).toBeLessThan(1_000)
})
