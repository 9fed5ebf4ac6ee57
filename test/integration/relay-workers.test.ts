// A relay that is spread over worker processes, started as a user starts it: whose a connection is, what the loss of one worker does to the others, how all of them end, and
// what operators see. The decisions alone: packages/relay/test/workers.test.ts.

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test, vi } from 'vitest'
import { createReplica, type Replica } from '@syncline/client'
import { WebSocket } from 'ws'
import { ownerOf } from '../../packages/relay/src/workers/owner.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { clientOf, saved } from '../compat/hocuspocus-client.ts'
import { runCommand, spawnCommand, startRelay, temporaryFolder, type RelayProcess } from './relay-process.ts'
import { BareClient, freshUpdate, refusedUpgrade, stockClient, synced } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Of two workers: the first has `default` and `acme`, the second `bolt`. */
const ARGS = ['--space-prefix', '/s/', '--insecure', '--durability', 'process', '--doors-y-sweet', '--admin-port', '0']

interface Pool extends RelayProcess {
  readonly folder: string
  /** Of the admin port. */
  readonly admin: string
}

async function poolHere(...more: readonly string[]): Promise<Pool> {
  const folder = folderHere()
  const relay = await startRelay(folder, { args: [...ARGS, ...more, '--workers', '2'] })
  cleanups.push(() => relay.end('SIGKILL'))
  const admin = await vi.waitFor(() => /^admin port on (\S+)$/m.exec(relay.troubles())![1]!)
  return Object.assign(relay, { folder, admin })
}

function folderHere(): string {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  return folder.path
}

/** Of the process that has the file of a space. */
const ownerPid = (folder: string, space: string): number => Number.parseInt(readFileSync(join(folder, `${space}.db.lock.pid`), 'utf8'), 10)

async function write(url: string, space: string, words: string): Promise<BareClient> {
  const page = await room(url, space)
  const update = freshUpdate(words)
  page.send(codec.updateFrame(update))
  await page.echoOf(update)
  return page
}

async function room(url: string, space: string): Promise<BareClient> {
  const page = new BareClient(`${url}/s/${space}/note`)
  cleanups.push(() => page.terminate())
  await page.opened
  return page
}

function native(url: string, space: string, named: boolean): Replica {
  const replica = createReplica({
    ...{ name: `replica-${cleanups.length}`, storage: { kind: 'memory' }, space, backoff: { firstMs: 20, maxMs: 100 } },
    peers: [named ? `${url}/s/${space}` : url],
  })
  cleanups.push(() => replica.close())
  return replica
}

async function textIn(url: string, space: string): Promise<string> {
  const client = stockClient(`${url}/s/${space}`, 'note')
  await synced(client)
  const text = client.text.toString()
  client.destroy()
  return text
}

const json = async (address: string): Promise<[number, Record<string, unknown>]> => {
  const answer = await fetch(address)
  return [answer.status, (await answer.json()) as Record<string, unknown>]
}

async function metrics({ admin }: Pool): Promise<(series: string) => number | null> {
  const text = await (await fetch(`${admin}/metrics`)).text()
  const escaped = (series: string): string => series.replace(/[{}]/g, '\\$&')
  return (series) => {
    const found = new RegExp(`^${escaped(series)} (\\S+)$`, 'm').exec(text)
    return found === null ? null : Number(found[1])
  }
}

test('[WK-1] each space is of one process, and every door leads to it, with its name in the path or in the greeting', async () => {
  expect(['default', 'acme', 'bolt'].map((space) => ownerOf(space as never, 2))).toEqual([0, 0, 1])
  const pool = await poolHere('--limits-headers-timeout-ms', '3000')
  for (const space of ['acme', 'bolt']) {
    const page = await room(pool.url, space)
    const sweet = new BareClient(`${pool.url}/s/${space}/d/note/ws/note`)
    cleanups.push(() => sweet.terminate())
    await sweet.opened
    const provider = clientOf(`${pool.url}/s/${space}`, 'note', {})
    cleanups.push(() => provider.destroy())
    const notes = await Promise.all([true, false].map((named) => native(pool.url, space, named).open('note')))
    for (const [at, note] of notes.entries()) {
      note.doc.getMap('m').set(`of ${at}`, space)
      await note.whenSaved('relay')
    }
    await saved(provider)
    const update = freshUpdate(space)
    page.send(codec.updateFrame(update))
    await sweet.echoOf(update)
    await vi.waitFor(() => expect(provider.text.toString()).toBe(space))
    for (const { doc } of notes) await vi.waitFor(() => expect(doc.getMap('m').toJSON()).toEqual({ 'of 0': space, 'of 1': space }))
    // Over plain HTTP too: one request each, since the next may be for another process. And through the admin port.
    const read = await fetch(`${pool.url.replace('ws', 'http')}/s/${space}/d/note/as-update`)
    expect([read.status, read.headers.get('connection')]).toEqual([200, 'close'])
    expect(await json(`${pool.admin}/api/spaces/${space}/documents`)).toMatchObject([200, { documents: [{ name: 'note' }] }])
  }
  const pids = ['default', 'acme', 'bolt'].map((space) => ownerPid(pool.folder, space))
  expect(pids[0]).toBe(pids[1])
  expect(new Set([...pids, pool.pid]).size).toBe(3)
  // Whose path names one space and whose greeting another is refused by the worker of the path.
  const stray = createReplica({ name: 'stray', storage: { kind: 'memory' }, space: 'bolt', peers: [`${pool.url}/s/acme`] })
  cleanups.push(() => stray.close())
  await vi.waitFor(() => expect(stray.status.get().peers[0]?.error?.code).toBe('space-unknown'))
  await refusedAsByOne(pool)
  await seenAsOne(pool)

  // Whose port is gone ends, and gives its files back.
  await pool.end('SIGKILL')
  for (const pid of new Set(pids)) await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 10_000 })
  const { code } = await runCommand('verify', pool.folder, '--space', 'bolt')
  expect(code).toBe(0)
}, 120_000)

/** What no worker can make sense of is refused as a relay of one process refuses it. */
async function refusedAsByOne(pool: Pool): Promise<void> {
  const said = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(pool.port, '127.0.0.1')
      let answer = ''
      socket.on('data', (piece) => (answer += piece.toString('latin1')))
      socket.on('error', () => undefined).on('close', () => resolve(answer.split('\r\n', 1)[0]!))
      socket.write(text)
    })
  const answers = await Promise.all([
    said('rubbish\r\n\r\n'),
    said('GET /s/.x/note HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
    said(`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
    // Never whole.
    said('GET / HTTP/1.1\r\nHost: a\r\n'),
  ])
  expect(answers).toEqual(['HTTP/1.1 400 Bad Request', 'HTTP/1.1 400 Bad Request', 'HTTP/1.1 431 Request Header Fields Too Large', ''])
  // Native, and no greeting comes: a text frame is for the engine of a worker to refuse.
  const rude = new WebSocket(pool.url, ['syncline.1'])
  rude.on('open', () => rude.send('hello'))
  expect(await new Promise((resolve) => rude.on('close', resolve))).toBe(4400)
}

/** What operators see is of all workers. */
async function seenAsOne(pool: Pool): Promise<void> {
  const read = await vi.waitFor(async () => {
    const series = await metrics(pool)
    expect(series('syncline_spaces_open')).toBe(3)
    return series
  })
  expect([read('syncline_workers{phase="serving"}'), read('syncline_spaces_open'), read('syncline_spaces_stored')]).toEqual([2, 3, 3])
  expect([read('syncline_connections{door="y-websocket"}'), read('syncline_connections{door="y-sweet"}')]).toEqual([2, 2])
  expect(read('syncline_connections{door="native"}')).toBeGreaterThanOrEqual(4)
  expect(read('syncline_commit_rows_total')).toBeGreaterThanOrEqual(6)
  // A worker that is kept waiting for a core is left out.
  await vi.waitFor(
    async () => {
      const [, status] = await json(`${pool.admin}/api/status`)
      expect(status).toMatchObject({ space: 'default', spaces: { open: 3, stored: 3 }, connections: { 'y-websocket': 2, 'y-sweet': 2 } })
      expect((await json(`${pool.admin}/api/spaces`))[1]['spaces']).toMatchObject([
        { name: 'acme', open: true, documents: 1 },
        { name: 'bolt', open: true, documents: 1 },
        { name: 'default', open: true, documents: 0 },
      ])
    },
    { timeout: 20_000 },
  )
  for (const probe of ['readyz', 'livez']) expect(await json(`${pool.admin}/${probe}`)).toEqual([200, { ok: true, reasons: [] }])
}

test('[WK-3] kill -9 of a worker loses nothing that was acknowledged, leaves the others alone, and its spaces come back by themselves', async () => {
  const pool = await poolHere()
  const [acme, bolt] = [await write(pool.url, 'acme', 'acme'), await write(pool.url, 'bolt', 'bolt')]
  const counted = (await metrics(pool))('syncline_commit_rows_total')!
  const lost = ownerPid(pool.folder, 'bolt')
  process.kill(lost, 'SIGKILL')
  expect((await bolt.closed).code).toBe(1006)
  await vi.waitFor(() => expect(pool.troubles()).toContain('worker-lost: worker 1'))
  // Until it is back: an answer that says to come again, before the handshake and after it.
  const away = await Promise.all([
    refusedUpgrade(`${pool.url}/s/bolt/note`).catch((error: Error) => error.message),
    fetch(`${pool.url.replace('ws', 'http')}/s/bolt/d/note/as-update`).then((answer) => [answer.status, answer.headers.get('retry-after')]),
    json(`${pool.admin}/readyz`),
    json(`${pool.admin}/livez`),
  ])
  expect(away).toEqual([
    { status: 503, words: expect.stringContaining('Try again') },
    [503, '1'],
    [200, { ok: true, reasons: [], workers: [{ worker: 1, code: 'worker-away', words: expect.any(String) }] }],
    [200, { ok: true, reasons: [] }],
  ])
  const replica = native(pool.url, 'bolt', false)
  await vi.waitFor(() => expect(replica.status.get().peers[0]?.error?.code).toBe('shutting-down'))
  // The other one goes on with the connections that it has.
  const more = freshUpdate('more')
  acme.send(codec.updateFrame(more))
  await acme.echoOf(more)
  await vi.waitFor(() => expect(pool.troubles()).toContain('worker-serving: worker 1'), { timeout: 30_000 })
  expect(await textIn(pool.url, 'bolt')).toBe('bolt')
  expect(ownerPid(pool.folder, 'bolt')).not.toBe(lost)
  expect(acme.socket.readyState).toBe(WebSocket.OPEN)
  await (await replica.open('note')).whenSynced()
  const read = await metrics(pool)
  expect(read('syncline_workers_lost_total')).toBe(1)
  expect(read('syncline_commit_rows_total'), 'what the lost one counted stays').toBeGreaterThan(counted)
}, 120_000)

test('[WK-4] SIGTERM drains all workers, and another number of them serves the same files', async () => {
  const pool = await poolHere()
  const pages = await Promise.all(['acme', 'bolt'].map((space) => write(pool.url, space, space)))
  const last = freshUpdate(' last')
  for (const page of pages) page.send(codec.updateFrame(last))
  // Read by its worker, so it is among what is drained.
  await Promise.all(pages.map((page) => page.echoOf(last)))
  const ended = pool.end('SIGTERM')
  for (const page of pages) expect((await page.closed).code).toBe(1012)
  expect(await ended).toEqual({ code: 0, signal: null })
  const alone = await startRelay(pool.folder, { args: ARGS })
  cleanups.push(() => alone.end('SIGKILL'))
  for (const space of ['acme', 'bolt']) expect(await textIn(alone.url, space)).toContain(' last')
}, 120_000)

test.skipIf(spawnSync('openssl', ['version']).status !== 0)(
  '[WK-5] TLS ends at the port, and what comes through is served as without it',
  async () => {
    const folder = folderHere()
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost']
    execFileSync('openssl', [...args, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    const child = spawnCommand(['serve', '--data', folder, '--port', '0', ...ARGS, '--workers', '2', '--tls-cert', cert, '--tls-key', key])
    cleanups.push(() => child.kill('SIGKILL'))
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => resolve(/ready on (wss:\S+)/.exec(line)![1]!))
      child.on('exit', () => reject(new Error('the relay ended')))
    })
    const open = (space: string): BareClient => {
      const page = new BareClient(`${url}/s/${space}/note`, { rejectUnauthorized: false })
      cleanups.push(() => page.terminate())
      return page
    }
    for (const space of ['acme', 'bolt']) {
      const [one, two] = [open(space), open(space)]
      await Promise.all([one.opened, two.opened])
      for (const update of [freshUpdate('x'), freshUpdate('x'.repeat(3_000_000))]) {
        one.send(codec.updateFrame(update))
        await Promise.all([one.echoOf(update), two.echoOf(update)])
      }
    }
    const told = await new Promise<string>((resolve, reject) => {
      const asking = request(
        `${url.replace('wss', 'https')}/s/acme/doc/note/auth`,
        { method: 'POST', rejectUnauthorized: false },
        (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (text: string) => (body += text))
          response.on('end', () => resolve((JSON.parse(body) as { url: string }).url))
        },
      )
      asking.on('error', reject).end()
    })
    expect(told, 'the worker knows that the client came by TLS').toMatch(/^wss:/)
    const page = open('acme')
    await page.opened
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
    child.kill('SIGTERM')
    expect((await page.closed).code).toBe(1012)
    expect(await ended).toBe(0)
  },
  60_000,
)
