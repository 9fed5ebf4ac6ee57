// What the process with the port decides about a connection before a worker has it: whose it is, from its head or its greeting, and how many there may be. Over real
// processes: test/integration/relay-workers.test.ts.

import { createHash, randomBytes } from 'node:crypto'
import { createServer, connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { encodeFrame, encodeMessage, parseSpaceId, type EpochNonce, type ReplicaId, type SpaceId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import type { Verdict } from '../src/admin/health.ts'
import { readConfig } from '../src/config/load-config.ts'
import { MergedMetrics } from '../src/metrics/merged-metrics.ts'
import { MetricSet } from '../src/metrics/metric-set.ts'
import type { MetricReadings } from '../src/metrics/relay-metrics.ts'
import { adminErrand } from '../src/workers/admin-errand.ts'
import { Arrivals } from '../src/workers/arrivals.ts'
import { closeFrame, greetedSpace, GREETING_BYTES_MAX, handshakeAnswer } from '../src/workers/greeting.ts'
import { GuestBook } from '../src/workers/guest-book.ts'
import { Handover, TAKEN_TOLD_EVERY } from '../src/workers/handover.ts'
import { ownerOf } from '../src/workers/owner.ts'
import { PoolHealth } from '../src/workers/pool-health.ts'
import type { GivenGuest } from '../src/workers/porter.ts'
import { readUntil, SOCKET_OPTIONS } from '../src/workers/read-until.ts'
import { readHead } from '../src/workers/request-head.ts'
import type { SeatPhase } from '../src/workers/seat.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const headOf = (text: string): NonNullable<ReturnType<typeof readHead>> => readHead(Buffer.from(text))!

test('[WK-1] a space has one worker, the same in every process, and spaces are spread evenly', () => {
  // Written down: another answer would move the spaces of every relay that is restarted.
  expect(['default', 'acme', 'bolt', 'tenant-1'].map((name) => ownerOf(parseSpaceId(name), 4))).toEqual([2, 2, 3, 0])
  for (const workers of [2, 3, 8]) {
    const counts = Array.from({ length: workers }, () => 0)
    for (let at = 0; at < 8_000; at++) counts[ownerOf(`tenant-${at}` as SpaceId, workers)]!++
    for (const count of counts) expect(count / (8_000 / workers)).toBeCloseTo(1, 0.7)
  }
})

test('[WK-1] the head of a request is read as Node reads it, and not before it is whole', () => {
  const text =
    'GET /s/acme/note?token=x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nUpgrade: websocket\r\n\r\n'
  for (let cut = 0; cut < text.length; cut++) expect(readHead(Buffer.from(text.slice(0, cut)))).toBeNull()
  const head = headOf(`${text}body`)
  expect(head).toMatchObject({ method: 'GET', target: '/s/acme/note?token=x', bytes: text.length })
  expect({ ...head.headers }).toEqual({ host: 'a', 'x-forwarded-for': '1.1.1.1, 2.2.2.2', upgrade: 'websocket' })
  for (const odd of [
    '\r\n\r\n',
    'GET /x\r\n\r\n',
    'GET  /x HTTP/1.1\r\n\r\n',
    'get /x HTTP/1.1\r\n\r\n',
    'GET /x HTTP/1.0\r\n\r\n',
    '\u0000\u0001 x\r\n\r\n',
  ])
    expect(headOf(odd).target).toBe('')
  // A name that every object has is no header.
  expect(headOf('GET / HTTP/1.1\r\n__proto__: x\r\nconstructor\r\n\r\n').headers['constructor']).toBeUndefined()
})

const HANDSHAKE = [
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const handshake = (lines: readonly string[]): ReturnType<typeof readHead> & object =>
  headOf(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)

test('[WK-2] a handshake is answered where it is one, and left to a worker to refuse where it is not', () => {
  expect(handshakeAnswer(handshake(HANDSHAKE))).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')
  for (let missing = 0; missing < HANDSHAKE.length; missing++)
    expect(handshakeAnswer(handshake(HANDSHAKE.filter((_, at) => at !== missing)))).toBeNull()
  for (const odd of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'Sec-WebSocket-Key: second', 'Sec-WebSocket-Version: 8'])
    expect(handshakeAnswer(handshake([...HANDSHAKE, odd]))).toBeNull()
  expect(handshakeAnswer(headOf(`POST / HTTP/1.1\r\n${HANDSHAKE.join('\r\n')}\r\n\r\n`))).toBeNull()
})

/** As a client sends it. */
function masked(payload: Uint8Array, first = 0x82): Buffer {
  const key = randomBytes(4)
  const length = payload.length < 126 ? Buffer.of(0x80 | payload.length) : Buffer.of(0x80 | 126, payload.length >> 8, payload.length & 0xff)
  return Buffer.concat([Buffer.of(first), length, key, payload.map((byte, at) => byte ^ key[at & 3]!)])
}

const hello = (space: string, auth = 0): Uint8Array =>
  encodeFrame([
    encodeMessage({
      ...{ kind: 'hello', versionMin: 1, versionMax: 1, features: 0, window: 1 << 20, auth: new Uint8Array(auth) },
      ...{ replicaId: 'ab'.repeat(16) as ReplicaId, nonce: 'cd'.repeat(8) as EpochNonce, role: 'device', durability: 'process' },
      space,
    }),
  ])

test('[WK-2] the space of a greeting is read once it is whole, whatever else the first frame may be', () => {
  for (const auth of [0, 50, 3_000]) {
    const frame = masked(hello('acme', auth))
    for (let cut = 0; cut < frame.length; cut += auth > 100 ? 97 : 1) expect(greetedSpace(frame.subarray(0, cut))).toBeNull()
    expect(greetedSpace(Buffer.concat([frame, Buffer.from('more')]))).toBe('acme')
  }
  const whole = masked(hello('acme'))
  const unmasked = Buffer.concat([Buffer.of(0x82, 5), Buffer.from('hello')])
  const long = Buffer.concat([Buffer.of(0x82, 0xff), Buffer.alloc(8, 1)])
  const broken = masked(hello('acme').map((byte, at) => (at === 8 ? byte ^ 1 : byte)))
  const nowhere = masked(hello('.hidden'))
  for (const odd of [
    masked(hello('acme'), 0x81),
    masked(hello('acme'), 0x02),
    unmasked,
    long,
    broken,
    nowhere,
    masked(new Uint8Array(0)),
    Buffer.of(0x89),
  ])
    expect(greetedSpace(odd)).toBe('none')
  expect(greetedSpace(Buffer.concat([Buffer.of(0x82, 0xfe, 0xff, 0xff), whole]))).toBe('none')
  expect(GREETING_BYTES_MAX).toBeLessThanOrEqual(65_536)
  for (let at = 0; at < 2_000; at++) greetedSpace(randomBytes(at % 300))
})

test('[WK-2] who cannot be served after its handshake is told by a close frame', () => {
  expect([...closeFrame(1012, 'x')]).toEqual([0x88, 3, 0x03, 0xf4, 0x78])
})

test('[WK-1] what was read of a connection is all that was read of it, in however many pieces it comes, and what follows stays in it', async () => {
  const heads: Promise<void>[] = []
  const server = createServer(SOCKET_OPTIONS, (socket) => {
    heads.push(
      readUntil(socket, readHead, { bytesMax: 16_384, piecesMax: 256 }).then(async (read) => {
        if (read.kind !== 'known') return void socket.destroy()
        // Time for whatever is on its way.
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
        expect(socket.readableLength).toBe(read.bytes.length)
        const hash = createHash('sha256')
        socket.on('data', (piece: Buffer) => hash.update(piece))
        socket.on('end', () => socket.end(hash.digest('hex')))
        socket.resume()
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => server.close())
  const { port } = server.address() as { port: number }
  const ask = (text: Buffer, pieces: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
      let answer = ''
      socket.setEncoding('utf8').on('data', (piece: string) => (answer += piece))
      socket.on('error', reject).on('close', () => resolve(answer))
      const step = Math.ceil(text.length / pieces)
      const next = (from: number): void => {
        if (from >= text.length) return void socket.end()
        socket.write(text.subarray(from, from + step), () => setImmediate(next, from + step))
      }
      next(0)
    })
  for (const [bytes, pieces] of [
    [10, 3],
    [500_000, 40],
    [200_000, 1],
  ] as const) {
    const text = Buffer.concat([Buffer.from('POST / HTTP/1.1\r\nHost: a\r\n\r\n'), randomBytes(bytes)])
    expect(await ask(text, pieces)).toBe(createHash('sha256').update(text).digest('hex'))
  }
  // Too long, and in too many pieces.
  expect(await ask(Buffer.alloc(20_000, 'x'), 1)).toBe('')
  expect(await ask(Buffer.alloc(600, 'x'), 600).catch(() => '')).toBe('')
  await Promise.all(heads)
})

test('[WK-1] connections are counted over all workers, by address, and those of a lost worker no longer', () => {
  const book = new GuestBook({ connectionsMax: 4, guestsMax: 6, connectionsPerAddressMax: 2 })
  const one = book.enter(0, '10.0.0.1', true)
  const two = book.enter(1, '10.0.0.1', true)
  expect([one, two]).toEqual([1, 2])
  expect(book.enter(0, '10.0.0.1', true)).toBe('address-full')
  expect(book.enter(0, '127.0.0.1', true)).toBe(3)
  expect(book.enter(0, '127.0.0.1', true)).toBe(4)
  expect(book.enter(0, '10.0.0.2', true)).toBe('full')
  // Requests are not connections, and take a place too.
  expect([book.enter(0, '10.0.0.1', false), book.enter(1, '10.0.0.1', false), book.enter(1, '10.0.0.3', false)]).toEqual([5, 6, 'full'])
  book.left(2)
  book.left(2)
  expect(book.enter(1, '10.0.0.1', true)).toBe(7)
  book.lost(0)
  expect([book.enter(1, '10.0.0.1', true), book.enter(1, '10.0.0.1', true)]).toEqual([8, 'address-full'])
})

test('[WK-7] of a crowd a few at a time are on their way to a worker, in order, and all of it is let go when the worker ends', () => {
  const sent: number[] = []
  const destroyed: number[] = []
  let following = false
  const handover = new Handover(({ id }, more) => {
    sent.push(id)
    following = more
  })
  const come = (id: number): boolean => handover.give({ id, socket: { destroy: () => destroyed.push(id) } } as unknown as GivenGuest)
  for (let id = 0; id < 1_000; id++) expect(come(id)).toBe(true)
  // Never none and never many, although the worker does not tell of each.
  for (let taken = 0; sent.length < 1_000; taken += TAKEN_TOLD_EVERY) {
    expect(sent.length - taken).toBe(8)
    handover.taken()
    expect(following).toBe(sent.length < 1_000)
  }
  expect(sent).toEqual(Array.from({ length: 1_000 }, (_, id) => id))
  for (let id = 1_000; id < 1_100; id++) come(id)
  handover.lost()
  expect(destroyed).toEqual(Array.from({ length: 108 }, (_, at) => 992 + at))
  // Whoever comes next is for the one that is started anew.
  expect([come(2_000), sent.at(-1)]).toEqual([true, 2_000])
  for (let id = 0; id < 4_103; id++) come(id)
  expect(come(1)).toBe(false)
})

test('[WK-7] a worker takes a few of a crowd together, one that comes alone at once, and waits for none for long', () => {
  const taken: number[] = []
  let late: () => void = () => undefined
  const clock = { ...nodeClock(), after: (_ms: number, then: () => void) => ((late = then), () => (late = () => undefined)) }
  const arrivals = new Arrivals<number>(clock, (arrived) => void taken.push(arrived))
  arrivals.come(0, false)
  expect(taken).toEqual([0])
  for (let at = 1; at < 8; at++) arrivals.come(at, true)
  expect(taken).toEqual([0])
  arrivals.come(8, true)
  expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  late()
  arrivals.come(9, true)
  late()
  arrivals.come(10, true)
  arrivals.come(11, false)
  late()
  expect(taken.slice(9)).toEqual([9, 10, 11])
})

test('[WK-6] the admin port asks the worker that has the space, and all of them for what concerns all', () => {
  const of = (space: string): object => ({ to: 'worker', worker: ownerOf(parseSpaceId(space), 8) })
  for (const path of ['/metrics', '/livez', '/readyz?x=1']) expect(adminErrand(path, 8)).toEqual({ to: 'keep' })
  expect(adminErrand('/api/spaces/acme/documents/note', 8)).toEqual(of('acme'))
  for (const path of ['/', '/api/status', '/api/documents/spaces', '/api/spaces', '/api/spaces/a%20b/status', '', '/metricsx'])
    expect(adminErrand(path, 8)).toEqual(of('default'))
})

test('[WK-1] with one space there is nothing to spread, which is said before anything is started', () => {
  const problems = (...flags: string[]): readonly string[] =>
    readConfig({ flags: Object.fromEntries(flags.map((flag) => flag.split('='))), environment: {} }).problems
  expect(problems('workers=2')).toEqual([expect.stringMatching(/^--workers needs doors\.spacePrefix/)])
  expect(problems('workers=0')).toEqual([expect.stringContaining('1 to 64')])
  expect([...problems('workers=1'), ...problems('workers=2', 'space-prefix=/s/', 'auth-jwt-secret-file=x')]).toEqual([])
})

const FINE = { live: { ok: true, reasons: [] }, ready: { ok: true, reasons: [] } }
const FULL = { code: 'store-full', words: 'The store has not committed.' } as const
const ILL = { live: { ok: false, reasons: [FULL] }, ready: { ok: false, reasons: [FULL] } }

/** Of three workers, the second has the default space. What each says; null: nothing. */
async function healthOf(
  said: readonly (object | null)[],
  phases: readonly SeatPhase[] = [],
  awayMs = 0,
): Promise<{ ready: Verdict; live: Verdict }> {
  const clock = { ...nodeClock(), now: () => awayMs }
  const seats = said.map((answer, index) => ({
    ...{ index, phase: phases[index] ?? ('serving' as const), awaySinceMs: 0 },
    ask: () => (answer === null ? Promise.reject(new Error('away')) : Promise.resolve(answer as never)),
  }))
  const health = new PoolHealth(seats, 1, clock)
  health.listening = true
  return { ready: await health.ready(), live: await health.live() }
}

test('[WK-6] one worker that is away or troubled is told of and takes nothing from the others, that of the default space or all of them do', async () => {
  const fine = { ok: true, reasons: [] }
  expect(await healthOf([FINE, FINE, FINE])).toEqual({ ready: fine, live: fine })
  const away = { code: 'worker-away', words: expect.any(String) }
  expect(await healthOf([null, FINE, ILL], ['waiting'])).toEqual({
    ready: {
      ...fine,
      workers: [
        { worker: 0, ...away },
        { worker: 2, ...FULL },
      ],
    },
    live: fine,
  })
  expect((await healthOf([FINE, null, FINE], ['serving', 'starting'])).ready).toEqual({ ok: false, reasons: [away] })
  expect(await healthOf([FINE, ILL, FINE])).toEqual({ ready: { ok: false, reasons: [FULL] }, live: { ok: false, reasons: [FULL] } })
  expect((await healthOf([ILL, ILL, null], ['serving', 'serving', 'waiting'])).ready.reasons).toEqual([FULL, FULL, away])
  // Waiting helps one that is started again, not one that hangs, nor one that never comes back.
  expect((await healthOf([null, FINE, FINE])).live).toEqual({ ok: false, reasons: [away] })
  expect((await healthOf([null, FINE, FINE], ['waiting'], 299_000)).live.ok).toBe(true)
  expect((await healthOf([null, FINE, FINE], ['waiting'], 301_000)).live.ok).toBe(false)
  const draining = new PoolHealth([], 0, nodeClock())
  draining.draining = true
  expect([await draining.ready(), await draining.live()]).toEqual([
    { ok: false, reasons: [{ code: 'draining', words: expect.any(String) }] },
    fine,
  ])
})

test('[WK-6] counts of a worker that is lost stay, of one that does not answer are as they were, and gauges come together as their row says', async () => {
  const clock = nodeClock()
  const merged = new MergedMetrics(clock)
  cleanups.push(() => merged.close())
  const readingsOf = async (commits: number, lagRows: number): Promise<MetricReadings> => {
    const set = new MetricSet()
    set.add('syncline_commits_total', {}, commits)
    set.took('syncline_commit_duration_seconds', {}, commits)
    set.set('syncline_documents', {}, commits)
    set.set('syncline_device_lag_rows_max', {}, lagRows)
    set.set('syncline_peer_linked', { peer: 'abcd', role: 'relay' }, lagRows)
    // As it comes from another process.
    return structuredClone(await set.registry.getMetricsAsJSON())
  }
  const told = async (readings: readonly (readonly [number, MetricReadings])[]): Promise<(series: string) => string | undefined> => {
    const { text } = await merged.expose(new Map(readings), { serving: readings.length, starting: 0, waiting: 2 - readings.length }, 7)
    return (series) =>
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.slice(series.length + 1)
  }
  const both = await told([
    [0, await readingsOf(3, 1)],
    [1, await readingsOf(5, 4)],
  ])
  expect(['syncline_commits_total', 'syncline_documents', 'syncline_device_lag_rows_max', 'syncline_spaces_stored'].map(both)).toEqual([
    '8',
    '8',
    '4',
    '7',
  ])
  expect([both('syncline_peer_linked{peer="abcd",role="relay"}'), both('syncline_workers{phase="serving"}')]).toEqual(['1', '2'])
  expect(both('syncline_commit_duration_seconds_count')).toBe('2')
  const silent = await told([[0, await readingsOf(4, 1)]])
  expect([silent('syncline_commits_total'), silent('syncline_documents')]).toEqual(['9', '4'])
  await merged.lost(1)
  const after = await told([
    [0, await readingsOf(4, 1)],
    [1, await readingsOf(2, 0)],
  ])
  expect([after('syncline_commits_total'), after('syncline_documents'), after('syncline_workers_lost_total')]).toEqual(['11', '6', '1'])
  expect(after('syncline_commit_duration_seconds_count')).toBe('3')
})
