// A flood of presence at every door, over real sockets: others in the document are told no more than the rate of the one who floods, and the newest state in the end; their writes go
// on; and who does not stop is closed. The exact figures are in packages/replica/test/presence-pace.test.ts.

import { decodePresence, encodePresence } from '@syncline/protocol'
import { createRelay, type Relay, type RelayOptions } from '@syncline/relay'
import { afterEach, expect, test } from 'vitest'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { NativePeer } from '../bad-input/native-peer.ts'
import { frames, HocuspocusPeer } from './hocuspocus-frames.ts'
import { temporaryFolder } from './relay-process.ts'
import { BareClient, freshUpdate } from './room-client.ts'

const doors = ['y-websocket', 'y-sweet', 'hocuspocus', 'native'] as const
type Door = (typeof doors)[number]

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function relayHere(limits: NonNullable<RelayOptions['limits']>): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({ data: folder.path, port: 0, durability: 'process', admin: { port: 0 }, ySweet: true, limits })
  cleanups.push(() => relay.close())
  return relay
}

/** Somebody who says what a client of that door says. */
interface Flooder {
  says(bytes: Uint8Array): void
  readonly ended: Promise<{ readonly code: number; readonly reason: string }>
}

async function bare(url: string): Promise<BareClient> {
  const client = new BareClient(url)
  cleanups.push(() => client.terminate())
  await client.opened
  client.send(codec.step1Frame(Uint8Array.of(0)))
  return client
}

async function room(url: string): Promise<Flooder> {
  const client = await bare(url)
  return { says: (bytes) => client.send(codec.awarenessFrame(bytes)), ended: client.closed }
}

const flooders: Record<Door, (relay: Relay) => Promise<Flooder>> = {
  'y-websocket': ({ url }) => room(`${url}/note`),
  'y-sweet': ({ url }) => room(`${url}/d/note/ws/note`),
  async hocuspocus({ port }) {
    const peer = await HocuspocusPeer.authenticated(port, 'note', '')
    cleanups.push(() => peer.destroy())
    return { says: (bytes) => peer.say(frames.awareness('note', bytes)), ended: peer.ended }
  },
  async native({ port }) {
    const peer = await NativePeer.live(port)
    cleanups.push(() => peer.socket.destroy())
    return { says: (bytes) => peer.say({ kind: 'presence', doc: peer.ref('note'), bytes }), ended: peer.ended }
  },
}

function state(clock: number): Uint8Array {
  return encodePresence([{ clientId: 7, clock, state: JSON.stringify({ at: clock }) }])!
}

async function metric(relay: Relay, line: string): Promise<number> {
  const text = await (await fetch(`${relay.adminUrl!}/metrics`)).text()
  const found = text.split('\n').find((one) => one.startsWith(line))
  return Number(found?.split(' ').at(-1) ?? 0)
}

test.each(doors)('[PR-6] a flood of presence through the door %s reaches others at its rate, the newest state in the end', async (door) => {
  const relay = await relayHere({ presencePerSecondMax: 20 })
  const [onlooker, flooder] = [await bare(`${relay.url}/note`), await flooders[door](relay)]
  const heard: number[] = []
  onlooker.onMessage = (message) => {
    if (message.kind === 'awareness')
      for (const { clientId, clock } of decodePresence(message.bytes)!) if (clientId === 7) heard.push(clock)
  }
  const started = performance.now()
  for (let clock = 1; clock <= 1500; clock++) flooder.says(state(clock))
  const update = freshUpdate('meanwhile')
  onlooker.send(codec.updateFrame(update))
  await onlooker.echoOf(update)
  await onlooker.messageWhere(
    (message) => message.kind === 'awareness' && decodePresence(message.bytes)!.some(({ clock }) => clock === 1500),
  )
  const seconds = (performance.now() - started) / 1000
  expect(heard.length).toBeLessThanOrEqual(20 * (10 + seconds) + 1)
  expect(heard).toEqual(heard.toSorted((one, other) => one - other))
  expect(await metric(relay, 'syncline_presence_delayed_total{by="connection"}')).toBeGreaterThan(1_000)
})

test.each(doors)('[PR-6] who floods presence through the door %s without an end is told to come back later', async (door) => {
  const relay = await relayHere({ presencePerSecondMax: 1 })
  const [onlooker, flooder] = [await bare(`${relay.url}/note`), await flooders[door](relay)]
  for (let clock = 1; clock <= 500; clock++) flooder.says(state(clock))
  expect(await flooder.ended).toMatchObject({ code: 1013, reason: expect.stringMatching(/^rate-limited: /) as string })
  // It is gone for the others, too.
  await onlooker.messageWhere(
    (message) =>
      message.kind === 'awareness' && decodePresence(message.bytes)!.some((entry) => entry.clientId === 7 && entry.state === null),
  )
  if (door === 'native') expect(await metric(relay, 'syncline_links_ended_total{code="rate-limited"}')).toBe(1)
  else expect(await metric(relay, `syncline_access_refused_total{door="${door}",code="rate-limited"}`)).toBe(1)
  const update = freshUpdate('on it goes')
  onlooker.send(codec.updateFrame(update))
  await onlooker.echoOf(update)
})
