// A relay behind a real HAProxy with the configuration of deploy/: whose connection it is, whatever the client says of itself, and which relay gets it.

import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createRelay, type Relay } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { createDoorman } from '../../packages/relay/src/access/doorman.ts'
import { parsePolicy } from '../../packages/relay/src/access/policy-file.ts'
import { createAdminServer } from '../../packages/relay/src/admin/admin-server.ts'
import { Health } from '../../packages/relay/src/admin/health.ts'
import { isHaproxyHere, startProxy, until } from './haproxy.ts'
import { temporaryFolder } from './relay-process.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Addresses that the doorman of a relay was told, in order. */
interface Watched {
  readonly relay: Relay
  readonly addresses: string[]
  readonly adminPort: number
  readonly health: Health
}

async function relayBehindProxy(): Promise<Watched> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const clock = nodeClock()
  const addresses: string[] = []
  const doorman = createDoorman({
    authenticator: ({ address }) => {
      addresses.push(address)
      return Promise.resolve({ subject: 'ada', roles: [], claims: {}, expiresAtMs: null })
    },
    policy: parsePolicy(JSON.stringify({ version: 1, roles: { everyone: [{ allow: 'all', space: '**', doc: '**' }] } })),
    clock,
    anonymous: false,
  })
  const relay = await createRelay({ data: folder.path, port: 0, doorman, trustedProxies: ['127.0.0.1'] })
  cleanups.push(() => relay.close())
  const health = new Health(clock)
  health.listening = true
  const admin = await createAdminServer({
    port: 0,
    clock,
    health,
    metrics: { scrape: () => Promise.resolve({ contentType: 'text/plain', text: '' }) },
  })
  cleanups.push(() => admin.close())
  return { relay, addresses, adminPort: admin.port, health }
}

async function connect(url: string, localAddress: string, headers: Record<string, string> = {}): Promise<WebSocket> {
  const ws = new WebSocket(`${url}/room?token=x`, { headers, localAddress })
  cleanups.push(() => ws.terminate())
  await new Promise((resolve, reject) => {
    ws.on('open', resolve)
    ws.on('error', reject)
  })
  return ws
}

test.skipIf(!isHaproxyHere)(
  '[FW-5] behind HAProxy a relay knows the address of each client, and a relay that is not ready gets none',
  async () => {
    const [a, b] = [await relayBehindProxy(), await relayBehindProxy()]
    const proxy = await startProxy({ port: a.relay.port, adminPort: a.adminPort }, { port: b.relay.port, adminPort: b.adminPort })
    cleanups.push(() => proxy.end())
    const { url } = proxy
    const lies = { 'X-Forwarded-For': '127.0.0.1', Forwarded: 'for=127.0.0.1;proto=https', 'X-Forwarded-Proto': 'https' }
    const clients = ['127.0.0.7', '127.0.0.8', '127.0.0.9', '127.0.0.10']
    for (const address of clients) await connect(url, address, lies)
    expect([...a.addresses, ...b.addresses].toSorted()).toEqual(clients.toSorted())
    // The fewest connections get the next client.
    expect([a.relay.connections, b.relay.connections]).toEqual([2, 2])

    a.health.draining = true
    // Each probe is a connection that is closed at once; the relay that is not ready stops getting them.
    await until(async () => {
      const before = a.addresses.length
      const probes = [await connect(url, '127.0.0.20'), await connect(url, '127.0.0.20'), await connect(url, '127.0.0.20')]
      for (const probe of probes) probe.terminate()
      return a.addresses.length === before
    })
    const before = a.addresses.length
    for (const address of clients) await connect(url, address)
    expect(a.addresses.length).toBe(before)
    expect(b.addresses.slice(-clients.length)).toEqual(clients)
  },
)
