// Limits of a relay that are not a door's own: what one address, one person and one space may hold. Real sockets; each refusal has its code.

import { afterEach, expect, test, vi } from 'vitest'
import { createReplica } from '@syncline/client'
import { parseDocId } from '@syncline/protocol'
import { createDoorman, createRelay, parsePolicy, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { BareClient, freshUpdate, refusedUpgrade } from './room-client.ts'
import { temporaryFolder } from './relay-process.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayHere(options: Partial<RelayOptions>): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', ...options })
  cleanups.push(() => relay.close())
  return relay
}

test('[LI-1] one client address gets no more than its connections, others are not touched, and a connection that ends makes room', async () => {
  const { url } = await relayHere({ trustedProxies: ['127.0.0.1'], limits: { connectionsPerAddressMax: 2 } })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  const [one, two] = [new BareClient(`${url}/a`, from('203.0.113.7')), new BareClient(`${url}/b`, from('203.0.113.7'))]
  await Promise.all([one.opened, two.opened])
  expect(await refusedUpgrade(`${url}/c`, from('203.0.113.7'))).toMatchObject({ status: 429 })
  const other = new BareClient(`${url}/c`, from('203.0.113.8'))
  await other.opened
  two.terminate()
  await two.closed
  await vi.waitFor(async () => {
    const again = new BareClient(`${url}/c`, from('203.0.113.7'))
    await again.opened
    again.terminate()
  })
  one.terminate()
  other.terminate()
})

test('[LI-2] one person gets no more than its connections, on whatever door, and the refusal says so', async () => {
  const clock = nodeClock()
  const policy = parsePolicy(JSON.stringify({ version: 1, roles: { everyone: [{ allow: 'all', space: '**', doc: '**' }] } }))
  const identity = { subject: 'ada', roles: [], claims: {}, expiresAtMs: null }
  const doorman = createDoorman({ authenticator: () => Promise.resolve(identity), policy, clock, anonymous: false })
  const relay = await relayHere({ doorman, limits: { connectionsPerSubjectMax: 1 } })
  const page = new BareClient(`${relay.url}/note?token=x`)
  await page.opened
  const replica = createReplica({
    name: 'two',
    storage: { kind: 'memory' },
    peers: [relay.url],
    auth: () => 'x',
    backoff: { firstMs: 20, maxMs: 50 },
  })
  cleanups.push(() => replica.close())
  await vi.waitFor(() => expect(replica.status.get().peers[0]?.error?.code).toBe('too-many-connections'))
  expect(await refusedUpgrade(`${relay.url}/note?token=x`)).toMatchObject({ status: 503 })
  page.terminate()
  await vi.waitFor(() => expect(replica.status.get().connection).toBe('connected'))
})

test('[LI-3] a space that has its documents refuses further ones and goes on with those that it has', async () => {
  const relay = await relayHere({ limits: { documentsMax: 1 } })
  const replica = createReplica({ name: 'here', storage: { kind: 'memory' }, peers: [relay.url] })
  cleanups.push(() => replica.close())
  const first = await replica.open('first')
  first.doc.getText('body').insert(0, 'there is room')
  await first.whenSaved('relay')
  const second = await replica.open('second')
  second.doc.getText('body').insert(0, 'for one')
  await expect(second.whenSaved('relay')).rejects.toMatchObject({ code: 'space-full' })
  const page = new BareClient(`${relay.url}/third`)
  await page.opened
  page.send(codec.updateFrame(freshUpdate('for me?')))
  expect((await page.closed).reason).toContain('space-full')
  first.doc.getText('body').insert(13, ', still')
  await first.whenSaved('relay')
  expect(relay.replica.status().documents).toBe(1)
  expect(relay.replica.has(parseDocId('second'))).toBe(false)
})
