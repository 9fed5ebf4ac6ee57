// Links over real sockets: who is let in, how dialling goes on and where it stops, and what one socket can cost.

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { errorTable, LIMITS, parseSpaceId, SUBPROTOCOL, type ErrorCode } from '@syncline/protocol'
import { createMemoryStore } from '@syncline/store/memory'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { redialAfter } from '../src/ws/backoff.ts'
import {
  acceptSocket,
  DEFAULT_BACKOFF,
  dial,
  listen,
  nodeCompression,
  nodeRandom,
  socketOptions,
  type Dial,
  type DialOptions,
  type DialState,
  type Listener,
  type ListenOptions,
} from '../src/ws/index.ts'
import { clock, eventually, open, openHost, scratchFolder, sqliteStore, textOf, type, type Host } from './hosts.ts'

async function openDoor(host: Host, options: Partial<ListenOptions> = {}): Promise<Listener & { readonly url: string }> {
  const door = await listen(host.replica, { port: 0, ...options })
  onTestFinished(() => door.close())
  return Object.assign(door, { url: `ws://${door.host}:${door.port}` })
}

interface RecordedDial extends Dial {
  readonly states: DialState[]
}

function startDial(host: Host, url: string, options: Partial<DialOptions> = {}): RecordedDial {
  const states: DialState[] = []
  const dialling = dial(host.replica, {
    url,
    backoff: { firstMs: 20, maxMs: 200, resetAfterMs: 300 },
    ...options,
    onState: (state) => states.push(state),
  })
  onTestFinished(() => dialling.close())
  return Object.assign(dialling, { states })
}

/** A WebSocket server that is no replica: what a test wants a peer to do. */
async function strangePeer(onSocket: (socket: WebSocket) => void): Promise<{ url: string; dials: () => number }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => SUBPROTOCOL })
  let dials = 0
  server.on('connection', (socket) => {
    dials++
    onSocket(socket)
  })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, dials: () => dials }
}

test('[CV-2] two replicas with SQLite files sync over a socket on this machine, catch up after the listener restarted, and end equal', async () => {
  const folder = scratchFolder()
  const a = openHost({ store: await sqliteStore(`${folder}/a.db`) })
  let b = openHost({ store: await sqliteStore(`${folder}/b.db`), role: 'relay' })
  const left = open(a)
  type(left, 'one;')
  const door = await openDoor(b)
  const dialling = startDial(a, door.url)
  await eventually(() => expect(textOf(open(b))).toBe('one;'))
  expect(dialling.state).toMatchObject({ phase: 'connected', error: null, peer: b.replica.replicaId })
  await b.replica.close()
  await door.close()
  await eventually(() => expect(dialling.state.phase).toBe('waiting'))
  type(left, 'two;')
  b = openHost({ store: await sqliteStore(`${folder}/b.db`), role: 'relay' })
  const right = open(b)
  expect(textOf(right)).toBe('one;')
  type(right, 'three;')
  await openDoor(b, { port: door.port })
  await eventually(() => {
    expect(textOf(left)).toHaveLength(14)
    expect(textOf(right)).toBe(textOf(left))
  })
  await eventually(() => expect(a.replica.status().peers).toMatchObject([{ synced: true, lag: 0 }]))
  await eventually(() => expect(dialling.state.attempt).toBe(0))
}, 20_000)

test('[CV-2] a document of 3 MB crosses a socket in frames of at most 1 MiB', async () => {
  const [a, b] = [openHost(), openHost()]
  const left = open(a)
  const chunk = Array.from(nodeRandom(10_000), (byte) => String.fromCharCode(97 + (byte % 26))).join('')
  for (let part = 0; part < 300; part++) type(left, chunk)
  await left.saved()
  const door = await openDoor(b)
  startDial(a, door.url)
  const right = open(b)
  await eventually(() => expect(right.doc.getText('body').length).toBe(3_000_000))
  expect(textOf(right)).toBe(textOf(left))
})

test('[LK-7] two replicas that dial each other end with one live link, whichever dials first, and redial when it goes', async () => {
  const [a, b] = [openHost(), openHost()]
  const [doorA, doorB] = [await openDoor(a), await openDoor(b)]
  const dials = [
    startDial(a, doorB.url, { backoff: { firstMs: 20, maxMs: 300 } }),
    startDial(b, doorA.url, { backoff: { firstMs: 20, maxMs: 300 } }),
  ]
  const links = (host: Host): number => host.replica.status().peers.length
  const settled = (): void => {
    expect([links(a), links(b)]).toEqual([1, 1])
    expect(dials.map(({ state }) => state.phase).sort()).toEqual(['connected', 'waiting'])
  }
  await eventually(settled)
  type(open(a), 'x')
  await eventually(() => expect(textOf(open(b))).toBe('x'))
  // The dial that gave way knocks again now and then, and always gives way.
  const gaveWay = dials.find(({ state }) => state.phase === 'waiting')!
  const stays = dials.find((one) => one !== gaveWay)!
  expect(gaveWay.state.error?.code).toBe('link-replaced')
  // The link that stayed is ended by its own side: the other dial takes over.
  await stays.close()
  await eventually(() => expect(gaveWay.state.phase).toBe('connected'))
  expect([links(a), links(b)]).toEqual([1, 1])
  type(open(a), 'y')
  await eventually(() => expect(textOf(open(b))).toBe('xy'))
})

test('[LK-6] dialling stops at an own address, at another space, and goes on otherwise', async () => {
  const a = openHost()
  const own = startDial(a, (await openDoor(a)).url)
  await eventually(() => expect(own.state).toMatchObject({ phase: 'stopped', error: { code: 'self-link' } }))
  const elsewhere = openHost({ store: createMemoryStore({ space: parseSpaceId('elsewhere'), random: nodeRandom }) })
  const wrong = startDial(a, (await openDoor(elsewhere)).url)
  await eventually(() => expect(wrong.state).toMatchObject({ phase: 'stopped', error: { code: 'space-unknown' } }))
  const b = openHost()
  const right = startDial(a, (await openDoor(b)).url)
  await eventually(() => expect(right.state.phase).toBe('connected'))
  // The reason a peer gives in its close frame counts as well as one that this side found.
  const old = await strangePeer((socket) => socket.close(4426, 'protocol-mismatch: too old'))
  const mismatch = startDial(a, old.url)
  await eventually(() => expect(mismatch.state).toMatchObject({ phase: 'stopped', error: { code: 'protocol-mismatch' } }))
  expect(old.dials()).toBe(1)
})

test('[LK-5] dialling goes on for ever with full jitter, and starts anew after a link that stayed', async () => {
  const a = openHost()
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  const dialling = startDial(a, `ws://127.0.0.1:${port}`, { backoff: { firstMs: 10, maxMs: 40, resetAfterMs: 100 } })
  await eventually(() => expect(dialling.state.attempt).toBeGreaterThan(8))
  expect(dialling.state.error).toMatchObject({ code: 'peer-unreachable', retry: 'later' })
  const waits = dialling.states.filter((state) => state.phase === 'waiting').map((state) => state.retryInMs!)
  expect(Math.max(...waits)).toBeLessThanOrEqual(40)
  expect(new Set(waits).size).toBeGreaterThan(4)
  await openDoor(openHost(), { port })
  await eventually(() => expect(dialling.state).toMatchObject({ phase: 'connected', attempt: 0, error: null }))
})

test('[LK-5] the delay is uniform up to a doubling bound; only wrong addresses and versions stop, and misbehaving peers are dialled slowly', () => {
  const delay = (attempt: number, chance: number): number => {
    const next = redialAfter(null, attempt, DEFAULT_BACKOFF, chance)
    return next.kind === 'after' ? next.ms : NaN
  }
  expect([0, 1, 2, 3].map((attempt) => delay(attempt, 0.5))).toEqual([125, 250, 500, 1000])
  expect(delay(50, 0.999)).toBeLessThan(LIMITS.backoffMaxMs)
  expect(delay(5_000, 1)).toBe(LIMITS.backoffMaxMs)
  expect(delay(50, 0)).toBe(0)
  const stops = (Object.keys(errorTable) as ErrorCode[]).filter((code) => redialAfter(code, 0, DEFAULT_BACKOFF, 0.5).kind === 'stop')
  expect(stops.sort()).toEqual(['protocol-mismatch', 'self-link', 'space-unknown'])
  expect(stops.every((code) => errorTable[code].retry === 'never')).toBe(true)
  expect(redialAfter('message-malformed', 0, DEFAULT_BACKOFF, 0.5)).toEqual({ kind: 'after', ms: 22_500 })
  expect(redialAfter('link-replaced', 0, DEFAULT_BACKOFF, 0.5)).toEqual({ kind: 'when-unlinked', ms: 30_000 })
})

test('[LK-5] a peer that goes in order is dialled again soon, however short its links are', async () => {
  const rounds = 6
  const a = openHost()
  let port = 0
  let dialling: RecordedDial | null = null
  for (let round = 0; round < rounds; round++) {
    const b = openHost({ role: 'relay' })
    const door = await openDoor(b, { port })
    port = door.port
    dialling ??= startDial(a, door.url, { backoff: { firstMs: 20, maxMs: 60_000, resetAfterMs: 60_000 } })
    await eventually(() => expect(dialling!.state.phase).toBe('connected'))
    await b.replica.close()
    await door.close()
    await eventually(() => expect(dialling!.state.phase).not.toBe('connected'))
  }
  const cut = dialling!.states.filter(({ phase, error }) => phase === 'waiting' && error?.code === 'shutting-down')
  expect(cut.map(({ attempt }) => attempt)).toEqual(Array.from({ length: rounds }, () => 1))
})

test('[LK-5] an address that is none throws at once, and a closed dial dials no more', async () => {
  const a = openHost()
  for (const url of ['', 'not a url', 'http://127.0.0.1', 'ws://127.0.0.1/#part']) {
    expect(() => dial(a.replica, { url })).toThrow(/argument-invalid/)
  }
  const peer = await strangePeer((socket) => socket.close(1012, 'shutting-down: again and again'))
  const dialling = startDial(a, peer.url)
  await eventually(() => expect(peer.dials()).toBeGreaterThan(3))
  await dialling.close()
  expect(dialling.state.phase).toBe('stopped')
  const told = dialling.states.length
  // Another dial shows that time passes.
  const other = startDial(a, peer.url)
  await eventually(() => expect(other.state.attempt).toBeGreaterThan(3))
  expect(dialling.states).toHaveLength(told)
})

test('[LK-5] a dial of a closed replica stops', async () => {
  const a = openHost()
  const door = await openDoor(openHost())
  const dialling = startDial(a, door.url)
  await eventually(() => expect(dialling.state.phase).toBe('connected'))
  await a.replica.close()
  await eventually(() => expect(dialling.state).toMatchObject({ phase: 'stopped', error: { code: 'replica-closed' } }))
})

async function rawSocket(door: Listener): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${door.port}`, SUBPROTOCOL)
  socket.on('error', () => undefined)
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

async function closeOf(socket: WebSocket): Promise<{ code: number; reason: string }> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  return { code, reason: reason.toString() }
}

test('[IN-1] text frames, garbage and frames over 1 MiB end their link with a code, and the replica serves others on', async () => {
  const a = openHost()
  const door = await openDoor(a)
  const text = await rawSocket(door)
  text.send('hello')
  expect(await closeOf(text)).toMatchObject({ code: 4400, reason: expect.stringMatching(/^message-malformed/) })
  const garbage = await rawSocket(door)
  garbage.send(nodeRandom(200))
  expect(await closeOf(garbage)).toMatchObject({ code: 4400, reason: expect.stringMatching(/^frame-corrupt|^message-malformed/) })
  const large = await rawSocket(door)
  large.send(new Uint8Array(LIMITS.nativeFrameBytesMax + 1))
  expect((await closeOf(large)).code).toBe(1009)
  const fragments = await rawSocket(door)
  for (let part = 0; part < 300 && fragments.readyState === WebSocket.OPEN; part++) fragments.send(new Uint8Array(1), { fin: false })
  expect((await closeOf(fragments)).code).not.toBe(1000)
  const b = openHost()
  type(open(b), 'still here')
  startDial(b, door.url ?? `ws://127.0.0.1:${door.port}`)
  await eventually(() => expect(textOf(open(a))).toBe('still here'))
})

test('[IN-1] a connection that says nothing is closed within the HELLO deadline', async () => {
  const door = await openDoor(openHost())
  const started = clock.now()
  const silent = await rawSocket(door)
  expect(await closeOf(silent)).toMatchObject({ code: 4408, reason: expect.stringMatching(/^hello-timeout/) })
  expect(clock.now() - started).toBeLessThan(LIMITS.helloDeadlineMs + 2_000)
})

async function statusOf(door: Listener, options: { path?: string; protocol?: string; origin?: string }): Promise<number> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    ...(options.protocol === undefined ? {} : { 'sec-websocket-protocol': options.protocol }),
    ...(options.origin === undefined ? {} : { origin: options.origin }),
  }
  const sent = request({ host: '127.0.0.1', port: door.port, path: options.path ?? '/', headers })
  sent.end()
  const status = await Promise.race([
    once(sent, 'response').then(([response]) => response.resume().statusCode as number),
    once(sent, 'upgrade').then(([, socket]) => {
      ;(socket as Socket).destroy()
      return 101
    }),
  ])
  return status
}

test('[LK-8] a listener upgrades only the native subprotocol, on its path, from programs and from pages of this machine', async () => {
  const door = await openDoor(openHost(), { path: '/sync' })
  expect(door.host).toBe('127.0.0.1')
  const ask = (options: Parameters<typeof statusOf>[1]): Promise<number> =>
    statusOf(door, { path: '/sync', protocol: SUBPROTOCOL, ...options })
  expect(await ask({})).toBe(101)
  expect(await ask({ path: '/sync?x=1', protocol: `other, ${SUBPROTOCOL}` })).toBe(101)
  expect(await ask({ origin: 'http://localhost:5173' })).toBe(101)
  expect(await ask({ origin: 'http://[::1]:80' })).toBe(101)
  expect(await ask({ path: '/' })).toBe(400)
  expect(await ask({ protocol: 'other' })).toBe(400)
  expect(await statusOf(door, { path: '/sync' })).toBe(400)
  expect(await ask({ origin: 'https://localhost.example.com' })).toBe(400)
  expect(await ask({ origin: 'null' })).toBe(400)
  const page = await fetch(`http://127.0.0.1:${door.port}/`)
  expect(page.status).toBe(426)
  expect(await page.text()).toContain(SUBPROTOCOL)
})

test('[LK-8] a port that is taken rejects with words', async () => {
  const door = await openDoor(openHost())
  await expect(listen(openHost().replica, { port: door.port })).rejects.toMatchObject({ code: 'argument-invalid' })
})

test('[LC-1] closing a listener is bounded also when a peer does not answer, or never finished its request', async () => {
  const a = openHost()
  const door = await openDoor(a)
  const half = connect(door.port, '127.0.0.1')
  half.on('error', () => undefined)
  await once(half, 'connect')
  half.write('GET / HTTP/1.1\r\n')
  const deaf = await rawSocket(door)
  deaf.pause()
  const started = clock.now()
  await door.close()
  expect(clock.now() - started).toBeLessThan(3_500)
  await expect(rawSocket(door)).rejects.toThrow()
})

test('[RS-1] for a peer that does not read, a socket holds about 1 MiB and the log the rest; when it reads on, it gets everything over the same link', async () => {
  const [a, b] = [openHost(), openHost()]
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => SUBPROTOCOL, ...socketOptions })
  const sockets: WebSocket[] = []
  server.on('connection', (socket) => {
    sockets.push(socket)
    acceptSocket(a.replica, socket)
  })
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  // Between the two, something that can stop reading.
  const pipes: Socket[] = []
  const between = createTcpServer((client) => {
    const upstream = connect((server.address() as AddressInfo).port, '127.0.0.1')
    for (const socket of [upstream, client]) socket.on('error', () => undefined)
    upstream.pipe(client)
    client.pipe(upstream)
    pipes.push(upstream, client)
  })
  between.listen(0, '127.0.0.1')
  await once(between, 'listening')
  onTestFinished(() => {
    for (const socket of pipes) socket.destroy()
    between.close()
  })
  startDial(b, `ws://127.0.0.1:${(between.address() as AddressInfo).port}`)
  await eventually(() => expect(b.replica.isLinkedTo(a.replica.replicaId)).toBe(true))
  const [upstream, client] = pipes
  upstream!.unpipe(client)
  upstream!.pause()
  const lines = open(a).doc.getArray<string>('lines')
  const chunk = Array.from(nodeRandom(20_000), (byte) => String.fromCharCode(97 + (byte % 26))).join('')
  let most = 0
  for (let part = 0; part < 1_500; part++) {
    lines.push([chunk])
    if (part % 10 === 0) await open(a).saved()
    most = Math.max(most, sockets[0]!.bufferedAmount)
  }
  await open(a).saved()
  // It did fill, and then was left alone.
  expect(most).toBeGreaterThan(LIMITS.socketBufferBytesMax / 2)
  expect(most).toBeLessThan(LIMITS.socketBufferBytesMax + 2 * LIMITS.nativeFrameBytesMax)
  expect(open(b).doc.getArray('lines').length).toBeLessThan(1_500)
  upstream!.pipe(client!)
  await eventually(() => expect(open(b).doc.getArray('lines').length).toBe(1_500))
  expect(pipes).toHaveLength(2)
}, 30_000)

test('[WS-1] compression answers null for broken input and for more than it may return', () => {
  const bytes = new TextEncoder().encode('a'.repeat(10_000))
  const packed = nodeCompression.deflate(bytes)
  expect(packed.length).toBeLessThan(200)
  expect(new Uint8Array(nodeCompression.inflate(packed, 10_000)!)).toEqual(bytes)
  expect(nodeCompression.inflate(packed, 9_999)).toBeNull()
  expect(nodeCompression.inflate(packed, 0)).toBeNull()
  expect(nodeCompression.inflate(new Uint8Array([1, 2, 3]), 100)).toBeNull()
})
