// Who sees whom, and how often, when people use different clients: y-websocket, Hocuspocus and the native client, all unmodified, over real sockets. What the engine
// decides about presence is tested in packages/replica/test and packages/protocol/test.

import { SignJWT } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { createReplica, type Awareness } from '@syncline/client'
import { createDoorman, createRelay, jwtAuthenticator, parsePolicy, type Relay, type RelayOptions } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { clientOf } from '../compat/hocuspocus-client.ts'
import { halfOpenProxy, type HalfOpenProxy } from './half-open-proxy.ts'
import { temporaryFolder } from './relay-process.ts'
import { stockClient } from './room-client.ts'

const doors = ['y-websocket', 'hocuspocus', 'native'] as const
type Door = (typeof doors)[number]

const secret = 'a secret of this test, long enough for HS256'
const clock = nodeClock()

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Whoever has the document open, by name. */
interface Person {
  readonly id: number
  readonly awareness: Awareness
  /** The names of everybody it sees, itself included, sorted: a ghost shows as a name too many. */
  sees(): string[]
  /** Resolves when it sees exactly these. */
  untilSees(...names: readonly string[]): Promise<void>
  /** Resolves when `holds`, looked at after each change of presence. */
  until(holds: () => boolean): Promise<void>
  /** As a page that is closed. */
  leave(): Promise<void>
}

async function relayHere(options: Partial<RelayOptions> = {}): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', ...options })
  cleanups.push(() => relay.close())
  return relay
}

/** A relay that knows who its clients are. */
async function guardedRelay(options: Partial<RelayOptions> = {}): Promise<Relay> {
  const authenticator = await jwtAuthenticator({ key: { secret }, clock })
  const policy = parsePolicy(JSON.stringify({ version: 1, roles: { editor: [{ allow: 'all', space: '**', doc: '**' }] } }))
  return relayHere({ doorman: createDoorman({ authenticator, policy, clock, anonymous: false }), ...options })
}

function tokenOf(subject: string): Promise<string> {
  return new SignJWT({ roles: ['editor'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
}

async function proxyTo({ port }: Relay): Promise<HalfOpenProxy> {
  const proxy = await halfOpenProxy(port)
  cleanups.push(() => proxy.close())
  return proxy
}

/** Opens the document through one door and says its name there. */
async function join(door: Door, url: string, name: string, token = ''): Promise<Person> {
  const { awareness, id, leave } = await opened[door](url, token)
  cleanups.push(leave)
  awareness.setLocalStateField('user', { name })
  const sees = (): string[] =>
    [...awareness.getStates().values()].map((state) => (state['user'] as { name: string } | undefined)?.name ?? 'nobody').sort()
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return
        awareness.off('change', look)
        resolve()
      }
      awareness.on('change', look)
      look()
    })
  return { id, awareness, leave, sees, until, untilSees: (...names) => until(() => sees().join() === names.toSorted().join()) }
}

const opened: Record<Door, (url: string, token: string) => Promise<{ awareness: Awareness; id: number; leave(): Promise<void> }>> = {
  async 'y-websocket'(url, token) {
    const client = stockClient(url, 'note', undefined, { maxBackoffTime: 100, params: { token } })
    return { awareness: client.provider.awareness, id: client.doc.clientID, leave: async () => client.destroy() }
  },
  async hocuspocus(url, token) {
    const client = clientOf(url, 'note', { token })
    return { awareness: client.provider.awareness as Awareness, id: client.doc.clientID, leave: async () => client.destroy() }
  },
  async native(url, token) {
    const replica = createReplica({
      name: 'here',
      storage: { kind: 'memory' },
      peers: [url],
      auth: () => token,
      backoff: { firstMs: 20, maxMs: 100 },
    })
    const { awareness, doc } = await replica.open('note')
    return { awareness, id: doc.clientID, leave: () => replica.close() }
  },
}

async function three(url: string): Promise<[Person, Person, Person]> {
  const people = await Promise.all([join('y-websocket', url, 'Ada'), join('hocuspocus', url, 'Ben'), join('native', url, 'Cas')])
  await Promise.all(people.map((one) => one.untilSees('Ada', 'Ben', 'Cas')))
  return people
}

/** Whether `one` sees this very connection of the other. */
function knows(one: Person, other: Person): boolean {
  return one.awareness.getStates().has(other.id)
}

function cursorOf(person: Person, seenBy: Person): unknown {
  return seenBy.awareness.getStates().get(person.id)?.['cursor']
}

test('[PR-3] people on y-websocket, Hocuspocus and the native client see each other exactly once, wherever their cursors go, and see who leaves go', async () => {
  const { url } = await relayHere()
  const people = await three(url)
  for (let at = 1; at <= 5; at++) for (const one of people) one.awareness.setLocalStateField('cursor', at)
  for (const one of people) for (const other of people) await one.until(() => cursorOf(other, one) === 5)
  for (const one of people) expect(one.sees()).toEqual(['Ada', 'Ben', 'Cas'])
  await people[0].leave()
  await Promise.all([people[1].untilSees('Ben', 'Cas'), people[2].untilSees('Ben', 'Cas')])
  await people[2].leave()
  await people[1].untilSees('Ben')
})

describe.each(doors)('%s', (door) => {
  test('[PR-4] a page that is loaded again, its line cut without a word, leaves no ghost', async () => {
    const relay = await relayHere()
    const proxy = await proxyTo(relay)
    const others = await Promise.all(doors.map((other) => join(other, relay.url, `on ${other}`)))
    const names = doors.map((other) => `on ${other}`)
    const before = await join(door, proxy.url, 'Ada')
    await Promise.all(others.map((one) => one.untilSees('Ada', ...names)))
    // Nothing that the old page says from now on comes through.
    await proxy.close()
    const after = await join(door, relay.url, 'Ada')
    await Promise.all([after, ...others].map((one) => one.until(() => knows(one, after) && !knows(one, before))))
    for (const one of [after, ...others]) expect(one.sees()).toEqual(['Ada', ...names].sort())
  })

  test('[PR-4] who comes back with the same id after both sides saw the line break is there again at once, and once', async () => {
    const relay = await relayHere()
    const proxy = await proxyTo(relay)
    const [ada, ben] = [await join(door, proxy.url, 'Ada'), await join('native', relay.url, 'Ben')]
    await ben.untilSees('Ada', 'Ben')
    proxy.moveTo(relay.port)
    await ben.untilSees('Ben')
    await proxy.nextClient()
    const since = performance.now()
    await ben.untilSees('Ada', 'Ben')
    expect(performance.now() - since).toBeLessThan(1_500)
    expect(knows(ben, ada)).toBe(true)
  })

  test('[PR-2] who comes back before the relay knows that the old line is dead is seen once and moves: at once with an identity', async () => {
    const relay = await guardedRelay()
    const proxy = await proxyTo(relay)
    const [ada, ben] = [
      await join(door, proxy.url, 'Ada', await tokenOf('ada')),
      await join('native', relay.url, 'Ben', await tokenOf('ben')),
    ]
    await Promise.all([ada, ben].map((one) => one.untilSees('Ada', 'Ben')))
    proxy.loseClients()
    await proxy.nextClient()
    const since = performance.now()
    ada.awareness.setLocalStateField('cursor', 1)
    await ben.until(() => cursorOf(ada, ben) === 1)
    expect(performance.now() - since).toBeLessThan(1_500)
    proxy.endLost()
    ada.awareness.setLocalStateField('cursor', 2)
    await ben.until(() => cursorOf(ada, ben) === 2)
    // Her client takes no notice of what she knew before her line broke, until it is newer.
    ben.awareness.setLocalStateField('cursor', 1)
    await Promise.all([ada, ben].map((one) => one.untilSees('Ada', 'Ben')))
  })

  test('[PR-2] the same without an identity: once the old line has missed a ping of 2 s', async () => {
    const relay = await relayHere()
    const proxy = await proxyTo(relay)
    const [ada, ben] = [await join(door, proxy.url, 'Ada'), await join('native', relay.url, 'Ben')]
    await Promise.all([ada, ben].map((one) => one.untilSees('Ada', 'Ben')))
    proxy.loseClients()
    await proxy.nextClient()
    ada.awareness.setLocalStateField('cursor', 1)
    await ben.until(() => cursorOf(ada, ben) === 1)
    proxy.endLost()
    ada.awareness.setLocalStateField('cursor', 2)
    await ben.until(() => cursorOf(ada, ben) === 2)
    // Her client takes no notice of what she knew before her line broke, until it is newer.
    ben.awareness.setLocalStateField('cursor', 1)
    await Promise.all([ada, ben].map((one) => one.untilSees('Ada', 'Ben')))
  })
})

test('[PR-5] two tabs of one person keep two cursors, whatever the doors, and closing one leaves the other', async () => {
  const { url } = await guardedRelay()
  const ada = await tokenOf('ada')
  const ben = await join('native', url, 'Ben', await tokenOf('ben'))
  const tabs = await Promise.all(
    (['y-websocket', 'y-websocket', 'hocuspocus', 'native'] as const).map((door) => join(door, url, 'Ada', ada)),
  )
  for (const [index, tab] of tabs.entries()) tab.awareness.setLocalStateField('cursor', index)
  for (const [index, tab] of tabs.entries()) await ben.until(() => cursorOf(tab, ben) === index)
  expect(ben.sees()).toEqual(['Ada', 'Ada', 'Ada', 'Ada', 'Ben'])
  await tabs[0]!.leave()
  await Promise.all([ben, ...tabs.slice(1)].map((one) => one.untilSees('Ada', 'Ada', 'Ada', 'Ben')))
  expect(tabs.slice(1).map((tab) => cursorOf(tab, ben))).toEqual([1, 2, 3])
})

describe('two relays that peer', () => {
  /** `proxy` is between them. */
  async function pair(): Promise<{ near: Relay; far: Relay; proxy: HalfOpenProxy }> {
    const far = await relayHere()
    const proxy = await proxyTo(far)
    return { far, proxy, near: await relayHere({ peers: [proxy.url] }) }
  }

  test('[PR-3] people at both see each other exactly once, whatever the doors', async () => {
    const { near, far } = await pair()
    const people = await Promise.all([near, far].flatMap(({ url }, at) => doors.map((door) => join(door, url, `${door} at ${at}`))))
    const names = [0, 1].flatMap((at) => doors.map((door) => `${door} at ${at}`))
    await Promise.all(people.map((one) => one.untilSees(...names)))
    for (const one of people) one.awareness.setLocalStateField('cursor', 1)
    for (const one of people) for (const other of people) await one.until(() => cursorOf(other, one) === 1)
    for (const one of people) expect(one.sees()).toEqual(names.toSorted())
  })

  test('[PR-4] who is loaded again at the other relay is seen once', async () => {
    const { near, far } = await pair()
    const [ben, cas] = [await join('hocuspocus', near.url, 'Ben'), await join('native', far.url, 'Cas')]
    const before = await join('y-websocket', near.url, 'Ada')
    await cas.untilSees('Ada', 'Ben', 'Cas')
    await before.leave()
    const after = await join('y-websocket', far.url, 'Ada')
    await Promise.all([ben, cas, after].map((one) => one.until(() => knows(one, after) && !knows(one, before))))
    for (const one of [ben, cas, after]) expect(one.sees()).toEqual(['Ada', 'Ben', 'Cas'])
  })

  test.each(doors)('[PR-4] a %s client that moves to the other relay with its id is seen once, and moves', async (door) => {
    const { near, far } = await pair()
    const way = await proxyTo(near)
    const [ada, ben, cas] = [
      await join(door, way.url, 'Ada'),
      await join('hocuspocus', near.url, 'Ben'),
      await join('native', far.url, 'Cas'),
    ]
    await Promise.all([ada, ben, cas].map((one) => one.untilSees('Ada', 'Ben', 'Cas')))
    way.moveTo(far.port)
    await way.nextClient()
    ada.awareness.setLocalStateField('cursor', 1)
    await Promise.all([ben, cas].map((one) => one.until(() => cursorOf(ada, one) === 1)))
    for (const one of [ben, cas]) one.awareness.setLocalStateField('cursor', 2)
    await Promise.all([ada, ben, cas].map((one) => one.untilSees('Ada', 'Ben', 'Cas')))
  })

  test('[PR-4] after the relays lost each other and met again, who moves is seen moving and who leaves is gone, at once', async () => {
    const { near, far, proxy } = await pair()
    const [ada, ben] = [await join('y-websocket', near.url, 'Ada'), await join('hocuspocus', far.url, 'Ben')]
    const still = await join('y-websocket', near.url, 'Cas')
    await Promise.all([ada, ben].map((one) => one.untilSees('Ada', 'Ben', 'Cas')))
    proxy.loseClients()
    proxy.endLost()
    // Whoever comes now is known at the other relay once they are linked again.
    await join('native', near.url, 'Dan')
    await ben.untilSees('Ada', 'Ben', 'Cas', 'Dan')
    const since = performance.now()
    ada.awareness.setLocalStateField('cursor', 1)
    await ben.until(() => cursorOf(ada, ben) === 1)
    await still.leave()
    await ben.untilSees('Ada', 'Ben', 'Dan')
    expect(performance.now() - since).toBeLessThan(1_500)
  })
})
