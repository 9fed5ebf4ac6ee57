// The admin port over real HTTP: probes that say why, metrics, refusals in words, and an end in bounded time.

import { request, Agent } from 'node:http'
import { DEFAULT_SPACE, parseDocId, SynclineError, type SpaceId } from '@syncline/protocol'
import { Replica, type Clock, type GuestPort, type WriteOutcome } from '@syncline/replica'
import { nodeClock, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { createAdminServer, type AdminServer, type AdminServerOptions } from '../src/admin/admin-server.ts'
import { Health, STORE_FAILED_MAX_MS } from '../src/admin/health.ts'
import { createRelayMetrics } from '../src/metrics/relay-metrics.ts'

const clock = nodeClock()

interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
}

async function admin(health: Health, options: Partial<AdminServerOptions> = {}): Promise<AdminServer> {
  const metrics = createRelayMetrics({ clock, connections: () => ({ native: 7 }) })
  onTestFinished(() => metrics.close())
  const server = await createAdminServer({ port: 0, clock, health, metrics, ...options })
  onTestFinished(() => server.close())
  return server
}

function ask(url: string, options: { method?: string; host?: string; agent?: Agent } = {}): Promise<Answer> {
  const { method = 'GET', host, agent = false } = options
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, agent, ...(host === undefined ? {} : { headers: { host } }) }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode!, type: response.headers['content-type'] ?? '', text }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** Time that a test moves on by itself. */
function steppedHealthClock(): { clock: Clock; passed: number } {
  const stepped = { passed: 0, clock: { ...clock, now: () => clock.now() + stepped.passed } }
  return stepped
}

test('[HE-1] a relay is ready when it listens and not while it drains, and says why not', async () => {
  const health = new Health(clock)
  const { url } = await admin(health)
  const ready = async (): Promise<unknown[]> => {
    const { status, type, text } = await ask(`${url}/readyz`)
    expect(type).toMatch(/^application\/json/)
    return [status, JSON.parse(text)]
  }
  expect(await ready()).toEqual([
    503,
    { ok: false, reasons: [{ code: 'not-listening', words: 'The relay does not take connections yet.' }] },
  ])
  health.listening = true
  expect(await ready()).toEqual([200, { ok: true, reasons: [] }])
  health.draining = true
  expect(await ready()).toMatchObject([503, { ok: false, reasons: [{ code: 'draining' }] }])
  // It is on its way down by itself: nobody has to end it.
  expect(await ask(`${url}/livez`)).toMatchObject({ status: 200 })
})

type Failing = ReturnType<typeof failingSpace>

/** A space whose disk is full until the test says otherwise. */
function failingSpace(space: SpaceId): { replica: Replica; disk: { full: boolean }; write(): Promise<WriteOutcome> } {
  const store = createMemoryStore({ space, random: nodeRandom, durability: 'process' })
  const commit = store.commit.bind(store)
  const disk = { full: true }
  store.commit = (transaction) => (disk.full ? Promise.reject(new SynclineError('store-full', 'The disk is full.')) : commit(transaction))
  const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom })
  onTestFinished(() => replica.close())
  return {
    replica,
    disk,
    write() {
      const doc = new Y.Doc()
      doc.getText('body').insert(0, 'x')
      const port: GuestPort = {
        deliver: () => undefined,
        presence: () => undefined,
        ping: () => undefined,
        close: () => undefined,
        buffered: () => 0,
      }
      return replica.attachGuest(parseDocId('note/1'), port).write(Y.encodeStateAsUpdate(doc))
    },
  }
}

test('[HE-2] a store that fails takes the relay out of traffic at once and calls for a restart after five minutes; both end when it commits again', async () => {
  const { replica, disk, write } = failingSpace(DEFAULT_SPACE)
  const time = steppedHealthClock()
  const health = new Health(time.clock)
  health.listening = true
  health.watch(replica)
  const { url } = await admin(health)
  expect(await write()).toMatchObject({ kind: 'failed' })
  const { status, text } = await ask(`${url}/readyz`)
  expect([status, JSON.parse(text)]).toMatchObject(
    [503, { reasons: [{ code: 'store-full', words: /space default has not committed/ }] }].map(loose),
  )
  expect(await ask(`${url}/livez`)).toMatchObject({ status: 200 })
  time.passed = STORE_FAILED_MAX_MS + 1_000
  expect(await ask(`${url}/livez`)).toMatchObject({ status: 503, text: expect.stringContaining('store-full') as string })
  disk.full = false
  // The engine tries its store again by itself, after a second.
  await vi.waitFor(async () => expect(await ask(`${url}/readyz`)).toMatchObject({ status: 200 }), { timeout: 10_000, interval: 50 })
  expect(await ask(`${url}/livez`)).toMatchObject({ status: 200 })
})

test('[HE-5] the stores of some tenants take nothing from the others, those of all of them do, and a file that nobody asks for is forgotten', async () => {
  const time = steppedHealthClock()
  const health = new Health(time.clock)
  health.listening = true
  const [own, acme, bolt] = [DEFAULT_SPACE, 'acme' as SpaceId, 'bolt' as SpaceId].map(failingSpace) as [Failing, Failing, Failing]
  for (const { replica } of [own, acme, bolt]) health.watch(replica)
  await acme.write()
  expect(health.ready()).toMatchObject({ ok: true, reasons: [], failing: [{ space: 'acme', code: 'store-full' }] })
  time.passed = STORE_FAILED_MAX_MS + 1_000
  expect(health.live()).toEqual({ ok: true, reasons: [] })
  await bolt.write()
  expect(health.ready()).toMatchObject({ ok: false, reasons: [{ code: 'store-full' }, { code: 'store-full' }] })
  time.passed *= 2
  expect(health.live().ok).toBe(false)
  acme.disk.full = bolt.disk.full = false
  await vi.waitFor(() => expect(health.ready()).toEqual({ ok: true, reasons: [] }), { timeout: 10_000, interval: 50 })
  for (let count = 0; count < 1_100; count++) health.notOpened(`gone-${count}` as SpaceId, new Error('no words of the disk'))
  expect([health.unopenedCount, health.ready().failing!.length, health.ready().failing![0]!.code]).toEqual([1_000, 20, 'storage-failed'])
  time.passed += 2 * 60 * 60 * 1000
  expect([health.unopenedCount, health.ready()]).toEqual([0, { ok: true, reasons: [] }])
})

test('[HE-3] /metrics is what Prometheus reads, HEAD has no body, and whatever else is asked is refused in words', async () => {
  const { url } = await admin(new Health(clock))
  const metrics = await ask(`${url}/metrics`)
  expect(metrics).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' })
  expect(metrics.text).toContain('syncline_connections{door="native"} 7\n')
  expect(await ask(`${url}/livez`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
  for (const path of ['/', '/metrics/../etc/passwd', '/%00', '/metricsx', '//livez'])
    expect(await ask(`${url}${path}`), path).toMatchObject({
      status: 404,
      text: expect.stringMatching(/\/metrics, \/livez and \/readyz/) as string,
    })
  expect(await ask(`${url}/readyz`, { method: 'POST' })).toMatchObject({ status: 405, text: expect.stringMatching(/GET/) as string })
  // A page whose name was rebound to this machine.
  expect(await ask(`${url}/metrics`, { host: 'evil.example' })).toMatchObject({ status: 421 })
  expect(await ask(`${url}/metrics`, { host: 'localhost:1234' })).toMatchObject({ status: 200 })
})

test('[HE-3] a handler that throws is answered with 500 without its words, and reported', async () => {
  const errors: unknown[] = []
  const { url } = await admin(new Health(clock), {
    metrics: { scrape: () => Promise.reject(new Error('inner detail')) },
    onError: (error) => errors.push(error),
  })
  const { status, text } = await ask(`${url}/metrics`)
  expect(status).toBe(500)
  expect(text).not.toContain('inner detail')
  expect(errors).toMatchObject([{ message: 'inner detail' }])
})

test('[HE-4] routes mount beside the probes, a taken port is told in words, and closing ends idle and open connections', async () => {
  const first = await admin(new Health(clock), {
    mount: (app) => {
      app.get('/api/hello', (context) => context.json({ hello: true }))
      app.get('/api/never', () => new Promise<Response>(() => undefined))
    },
  })
  expect(await ask(`${first.url}/api/hello`)).toMatchObject({ status: 200, text: '{"hello":true}' })
  await expect(admin(new Health(clock), { port: first.port })).rejects.toMatchObject({ code: 'port-taken' })
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  await ask(`${first.url}/livez`, { agent })
  const never = ask(`${first.url}/api/never`, { agent }).catch((error: NodeJS.ErrnoException) => error.code)
  const startedMs = clock.now()
  await first.close()
  expect(clock.now() - startedMs).toBeLessThan(5_000)
  expect(await never).toBe('ECONNRESET')
  await expect(ask(`${first.url}/livez`)).rejects.toThrow(/ECONNREFUSED/)
})

/** Regular expressions in what is expected match texts. */
function loose(value: unknown): unknown {
  if (value instanceof RegExp) return expect.stringMatching(value)
  if (Array.isArray(value)) return value.map(loose)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, loose(inner)]))
}
