// Who gets in and what they may do, over real sockets: native replicas and y-websocket clients against a relay with tokens and a policy, while both change.
// What the policy language says is tested in packages/relay/test; here is what a connection feels.

import { SignJWT } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import { createReplica, type DocHandle, type Replica, type ReplicaOptions } from '@syncline/client'
import { parseDocId } from '@syncline/protocol'
import { createDoorman, createRelay, jwtAuthenticator, parsePolicy, type PolicyDoorman, type Relay } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { BareClient, refusedUpgrade, stockClient, synced } from './room-client.ts'
import { temporaryFolder } from './relay-process.ts'

const secret = 'a secret of this test, long enough for HS256'
const clock = nodeClock()
const everything = { allow: 'all', space: '**', doc: '**' }
const policyOf = (roles: Record<string, unknown[]>) => parsePolicy(JSON.stringify({ version: 1, roles }))
const usual = policyOf({ editor: [everything], viewer: [{ allow: ['read', 'presence'], space: '**', doc: '**' }] })

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A relay that lets in who shows a token of `secret`. */
async function guardedRelay(): Promise<{ relay: Relay; doorman: PolicyDoorman }> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const authenticator = await jwtAuthenticator({ key: { secret }, clock, clockToleranceMs: 0 })
  const doorman = createDoorman({ authenticator, policy: usual, clock, anonymous: false })
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', doorman })
  cleanups.push(() => relay.close())
  return { relay, doorman }
}

/** Expires in whole seconds: the time of a token has no finer steps. */
function token(subject: string, roles: string[], expiresInS = 600): Promise<string> {
  const now = Math.floor(clock.wallMs() / 1000)
  return new SignJWT({ roles })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime(now + expiresInS)
    .sign(new TextEncoder().encode(secret))
}

function replicaAt(url: string, auth?: ReplicaOptions['auth']): Replica {
  const backoff = { firstMs: 20, maxMs: 200 }
  const replica = createReplica({ name: 'here', storage: { kind: 'memory' }, peers: [url], backoff, ...(auth ? { auth } : {}) })
  cleanups.push(() => replica.close())
  return replica
}

const text = ({ doc }: DocHandle): string => doc.getText('body').toString()
const type = ({ doc }: DocHandle, at: number, words: string): void => doc.getText('body').insert(at, words)
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 8_000, interval: 5 })

test('[AD-2] a replica without a token is told so, keeps its edits, and delivers them once it has one', async () => {
  const { relay } = await guardedRelay()
  let mine = ''
  const reasons: string[] = []
  const replica = replicaAt(relay.url, ({ reason }) => {
    reasons.push(reason)
    return mine
  })
  const note = await replica.open('note')
  type(note, 0, 'written before anybody knew me')
  await eventually(() => expect(replica.status.get().peers[0]?.error?.code).toBe('auth-required'))
  expect(relay.replica.has(parseDocId('note'))).toBe(false)
  mine = await token('ada', ['editor'])
  await note.whenSaved('relay')
  expect(relay.replica.has(parseDocId('note'))).toBe(true)
  expect(reasons.slice(0, 2)).toEqual(['connect', 'auth-required'])
})

test('[AD-2] a token of another key, and rubbish, are refused alike', async () => {
  const { relay } = await guardedRelay()
  const forged = await new SignJWT({ roles: ['editor'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode('another secret that is also long enough'))
  for (const shown of [forged, 'rubbish']) {
    const replica = replicaAt(relay.url, () => shown)
    await eventually(() => expect(replica.status.get().peers[0]?.error?.code).toBe('auth-invalid'))
  }
})

test('[AD-3] a right that is taken away ends within a second on every door, and unsent edits stay', async () => {
  const { relay, doorman } = await guardedRelay()
  const editors = await token('ada', ['editor'])
  const replica = replicaAt(relay.url, () => editors)
  const note = await replica.open('note')
  type(note, 0, 'shared')
  await note.whenSaved('relay')
  const page = stockClient(relay.url, 'note', undefined, { params: { token: editors }, maxBackoffTime: 100 })
  cleanups.push(() => page.destroy())
  await synced(page)
  expect(page.doc.getText('body').toString()).toBe('shared')

  // Read only, at once: what is typed after this line is nowhere but with its author.
  doorman.setPolicy(policyOf({ editor: [{ allow: ['read'], space: '**', doc: '**' }] }))
  const since = performance.now()
  type(note, 6, ', then not')
  page.doc.getText('body').insert(0, 'me too: ')
  await eventually(() => expect(replica.status.get().rejected).toMatchObject([{ doc: 'note', code: 'read-only' }]))
  expect(performance.now() - since).toBeLessThan(1_000)
  expect(relay.replica.openDocument(parseDocId('note')).doc.getText('body').toString()).toBe('shared')

  // Nothing at all.
  doorman.setPolicy(policyOf({}))
  const gone = performance.now()
  await eventually(() => expect(relay.connectionsByDoor['y-websocket']).toBe(0))
  expect(performance.now() - gone).toBeLessThan(1_000)

  // And back: what was kept arrives.
  doorman.setPolicy(usual)
  await eventually(() => expect(replica.status.get().rejected).toEqual([]))
  await note.whenSaved('relay')
  expect(text(note)).toContain('shared, then not')
  await eventually(() =>
    expect(relay.replica.openDocument(parseDocId('note')).doc.getText('body').toString()).toContain('shared, then not'),
  )
})

test('[AD-4] a token is renewed on the living link before it expires', async () => {
  const { relay } = await guardedRelay()
  const reasons: string[] = []
  const replica = replicaAt(relay.url, ({ reason }) => {
    reasons.push(reason)
    return token('ada', ['editor'], reasons.length === 1 ? 2 : 600)
  })
  const ended: unknown[] = []
  relay.replica.onEvent((event) => event.type === 'link-ended' && ended.push(event))
  const note = await replica.open('note')
  type(note, 0, 'one')
  await note.whenSaved('relay')
  await eventually(() => expect(reasons).toEqual(['connect', 'renew']))
  // Past the first token's end.
  const end = performance.now() + 2_200
  await eventually(() => expect(performance.now()).toBeGreaterThan(end))
  type(note, 3, ' two')
  await note.whenSaved('relay')
  expect(ended).toEqual([])
})

test('[AD-4] a connection ends within a second of the expiry of its token, and the next one brings the edits', async () => {
  const { relay } = await guardedRelay()
  const short = await token('ada', ['editor'], 2)
  const shortEndsAtMs = JSON.parse(Buffer.from(short.split('.')[1]!, 'base64url').toString()).exp * 1000
  let fresh: string | null = null
  const replica = replicaAt(relay.url, ({ reason }) => {
    if (reason === 'connect') return short
    if (fresh === null) throw new Error('nobody is at home to log in')
    return fresh
  })
  const page = new BareClient(`${relay.url}/note?token=${short}`)
  const note = await replica.open('note')
  type(note, 0, 'in time')
  await note.whenSaved('relay')
  await page.opened
  await eventually(() => expect(relay.connections).toBe(0))
  expect(clock.wallMs() - shortEndsAtMs).toBeLessThan(1_000)
  expect((await page.closed).code).toBe(4401)
  type(note, 7, ', and late')
  await eventually(() => expect(replica.status.get().peers[0]?.error?.code).toBe('auth-required'))
  fresh = await token('ada', ['editor'])
  await note.whenSaved('relay')
  expect(relay.replica.openDocument(parseDocId('note')).doc.getText('body').toString()).toBe('in time, and late')
})

test('[AD-2] a y-websocket client without a good token is told once with a code that stops it, then refused at the upgrade', async () => {
  const { relay } = await guardedRelay()
  const first = new BareClient(`${relay.url}/note?token=rubbish`)
  await first.opened
  expect((await first.closed).code).toBe(4401)
  expect(await refusedUpgrade(`${relay.url}/note?token=rubbish`)).toMatchObject({ status: 401 })
  const viewers = await token('eve', ['nobody'])
  const second = new BareClient(`${relay.url}/secret?token=${viewers}`)
  expect((await second.closed).code).toBe(4403)
  // What is there and forbidden looks like what is not there.
  type(await replicaAt(relay.url, () => token('ada', ['editor'])).open('there'), 0, 'x')
  await eventually(() => expect(relay.replica.has(parseDocId('there'))).toBe(true))
  const third = new BareClient(`${relay.url}/there?token=${viewers}`)
  expect(await third.closed).toEqual(await second.closed)
})

test('[AD-1] a viewer on y-websocket reads, is told once that it may not write, and its updates are neither stored nor echoed', async () => {
  const { relay } = await guardedRelay()
  const editors = await token('ada', ['editor'])
  const writer = await replicaAt(relay.url, () => editors).open('note')
  type(writer, 0, 'for all to read')
  await writer.whenSaved('relay')
  const page = stockClient(relay.url, 'note', undefined, { params: { token: await token('vic', ['viewer']) } })
  cleanups.push(() => page.destroy())
  await synced(page)
  expect(page.doc.getText('body').toString()).toBe('for all to read')
  page.doc.getText('body').insert(0, 'NOT ')
  type(writer, 15, '.')
  await eventually(() => expect(page.doc.getText('body').toString()).toBe('NOT for all to read.'))
  expect(text(writer)).toBe('for all to read.')
  expect(relay.replica.openDocument(parseDocId('note')).doc.getText('body').toString()).toBe('for all to read.')
})
