// The hooks of a relay, through real sockets at every door: documents that begin elsewhere, who comes and goes, and what has changed. When and how often a hook is called is
// tested in packages/relay/test/hooks.test.ts; here is what a connection feels of it.

import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { createReplica } from '@syncline/client'
import { docKeyOf, parseDocId, SynclineError, type DocId } from '@syncline/protocol'
import {
  createDoorman,
  createRelay,
  isSigned,
  parsePolicy,
  type Doorman,
  type Relay,
  type RelayHooks,
  type RelayOptions,
} from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { clientOf, saved, socketTo } from '../compat/hocuspocus-client.ts'
import { startRelay, temporaryFolder } from './relay-process.ts'
import { BareClient, freshUpdate, refusedUpgrade } from './room-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const NOTE = parseDocId('note')
/** The token is the subject. */
const known: Doorman = createDoorman({
  authenticator: async ({ token }) => ({ subject: token, roles: [], claims: {}, expiresAtMs: null }),
  policy: parsePolicy('{"version":1,"roles":{"authenticated":[{"allow":"all","space":"**","doc":"**"}]}}'),
  clock: nodeClock(),
  anonymous: false,
})
const soon = { debounceMs: 10, maxDebounceMs: 20, retryMs: 10 }

async function relayWith(hooks: RelayHooks, options: Partial<RelayOptions> = {}): Promise<Relay> {
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const relay = await createRelay({
    ...{ data: folder.path, port: 0, durability: 'process', admin: { port: 0 }, doorman: known, ySweet: true, hooks, hookLimits: soon },
    ...options,
  })
  cleanups.push(() => relay.close())
  return relay
}

/** One client of a door, in the document `note`. */
interface Visitor {
  text(): Promise<string>
  write(words: string): Promise<unknown>
  leave(): unknown
}

async function room(url: string): Promise<Visitor> {
  const bare = new BareClient(url)
  cleanups.push(() => bare.terminate())
  await bare.opened
  return {
    async text() {
      bare.send(codec.step1Frame(Uint8Array.of(0)))
      const answer = await bare.messageWhere(({ kind }) => kind === 'step-2')
      return textIn((answer as { update: Uint8Array }).update)
    },
    write(words) {
      const update = freshUpdate(words)
      bare.send(codec.updateFrame(update))
      return bare.echoOf(update)
    },
    leave: () => bare.terminate(),
  }
}

const doors: Record<string, (relay: Relay, subject: string) => Promise<Visitor>> = {
  'y-websocket': ({ url }, subject) => room(`${url}/note?token=${subject}`),
  'y-sweet': ({ url }, subject) => room(`${url}/d/note/ws/note?token=${subject}`),
  hocuspocus: async ({ url }, subject) => {
    const client = clientOf(url, 'note', { token: subject })
    cleanups.push(() => client.destroy())
    await saved(client)
    return {
      text: async () => client.text.toString(),
      write(words) {
        client.text.insert(client.text.length, words)
        return saved(client)
      },
      leave: () => client.destroy(),
    }
  },
}

/** Requests, which come and go without being told. */
const requests: Record<string, (relay: Relay, subject: string) => Visitor> = {
  'y-sweet over HTTP': ({ url }, subject) => visitorBy(url.replace('ws', 'http'), '/d/note/as-update', '/d/note/update', subject),
  'the HTTP API': ({ adminUrl }, subject) => visitorBy(adminUrl!, '/api/documents/note/update', '/api/documents/note/update', subject),
}

function visitorBy(base: string, read: string, write: string, subject: string): Visitor {
  const headers = { authorization: `Bearer ${subject}` }
  return {
    text: async () => textIn(new Uint8Array(await (await fetch(base + read, { headers })).arrayBuffer())),
    async write(words) {
      const answer = await fetch(base + write, { method: 'POST', headers, body: Buffer.from(freshUpdate(words)) })
      expect(answer.status).toBe(200)
    },
    leave: () => undefined,
  }
}

const everywhere: [string, (relay: Relay, subject: string) => Promise<Visitor> | Visitor][] = [
  ...Object.entries(doors),
  ...Object.entries(requests),
]

function textIn(update: Uint8Array): string {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc.getText('body').toString()
}

/** What is committed. */
function storedText({ replica }: Relay, doc: DocId = NOTE): string {
  const opened = replica.openDocument(doc)
  const text = opened.doc.getText('body').toString()
  void opened.release()
  return text
}

test.for(everywhere)('[HK-1] a document begins with what its hook loads, whoever asks first: %s', async ([, come]) => {
  const asked: string[] = []
  const relay = await relayWith({
    onLoadDocument(doc, { space }) {
      asked.push(`${space} ${doc}`)
      return freshUpdate('from the database', 1)
    },
  })
  const first = await come(relay, 'ada')
  expect(await first.text()).toBe('from the database')
  const second = await come(relay, 'ben')
  await second.write(' and more')
  expect([asked, storedText(relay)]).toEqual([['default note'], expect.stringMatching(/from the database/)])
})

test('[HK-1] a document that is first written by a request begins with what its hook loads, too', async () => {
  for (const [name, come] of Object.entries(requests)) {
    const relay = await relayWith({ onLoadDocument: () => freshUpdate('begun ', 1) })
    await come(relay, 'ada').write('written')
    expect([name, storedText(relay).includes('begun ')]).toEqual([name, true])
  }
})

test('[HK-1] those who come while it loads wait for the same load, at all doors', async () => {
  let give: (update: Uint8Array) => void = () => undefined
  let asked = 0
  const relay = await relayWith({
    onLoadDocument() {
      asked++
      return new Promise((resolve) => (give = resolve))
    },
  })
  const texts = everywhere.map(async ([, come]) => (await come(relay, 'ada')).text())
  await vi.waitFor(() => expect(asked).toBe(1))
  give(freshUpdate('at last', 1))
  expect(await Promise.all(texts)).toEqual(everywhere.map(() => 'at last'))
  expect(asked).toBe(1)
})

test('[HK-1] a document that cannot be loaded is served to nobody, who comes back later', async () => {
  let works = false
  const failures: string[] = []
  const relay = await relayWith(
    {
      onLoadDocument: () => (works ? freshUpdate('good', 1) : new Promise(() => undefined)),
      onHookError: ({ code }, hook, doc, space) => failures.push(`${code} ${hook} ${space} ${doc}`),
    },
    { hookLimits: { ...soon, timeoutMs: 30 }, limits: { retryCloseMs: 20 } },
  )
  for (const path of ['note', 'd/note/ws/note']) {
    const refused = await refusedUpgrade(`${relay.url}/${path}?token=ada`)
    expect(refused).toEqual({ status: 503, words: expect.stringContaining('[hook-failed]') })
  }
  const api = await fetch(`${relay.adminUrl}/api/documents/note`, { headers: { authorization: 'Bearer ada' } })
  expect([api.status, await api.json()]).toMatchObject([503, { code: 'hook-failed' }])
  const sweet = await fetch(`${relay.url.replace('ws', 'http')}/d/note/as-update`, { headers: { authorization: 'Bearer ada' } })
  expect(sweet.status).toBe(503)

  // A stock provider hears no denial: its socket ends and comes back.
  const socket = socketTo(relay.url)
  const closings: { code: number; reason: string }[] = []
  socket.on('close', ({ event }: { event: { code: number; reason: string } }) => closings.push(event))
  const client = clientOf(relay.url, 'note', { token: 'ada', socket })
  cleanups.push(() => socket.destroy())
  cleanups.push(() => client.destroy())
  await vi.waitFor(() => expect(closings[0]).toMatchObject({ code: 1013, reason: expect.stringContaining('hook-failed') }))
  expect(relay.replica.has(NOTE)).toBe(false)
  works = true
  await client.until(() => client.text.toString() === 'good')
  expect(client.denials).toEqual([])
  expect(new Set(failures)).toEqual(new Set(['hook-failed onLoadDocument default note']))
})

test('[HK-3] a document whose hook fails ends no Hocuspocus connection that serves another, and is there once the hook works', async () => {
  let works = false
  let failures = 0
  const relay = await relayWith(
    {
      onLoadDocument(doc) {
        if (doc !== 'broken') return null
        if (!works) throw new Error('down')
        return freshUpdate('good')
      },
      onHookError: () => void failures++,
    },
    { limits: { pingEveryMs: 50, hocuspocusTokenAskEveryMs: 50 } },
  )
  const socket = socketTo(relay.url)
  const closings: unknown[] = []
  socket.on('close', (event: unknown) => closings.push(event))
  cleanups.push(() => socket.destroy())
  const healthy = clientOf(relay.url, 'healthy', { token: 'ada', socket })
  await saved(healthy)
  const broken = clientOf(relay.url, 'broken', { token: 'ada', socket })
  for (const client of [healthy, broken]) cleanups.push(() => client.destroy())
  for (const failed of [1, 2, 3]) {
    await vi.waitFor(() => expect(failures).toBeGreaterThanOrEqual(failed), { timeout: 5_000 })
    healthy.text.insert(0, 'x')
    await healthy.until(() => healthy.provider.unsyncedChanges === 0)
  }
  works = true
  await broken.until(() => broken.text.toString() === 'good')
  broken.text.insert(0, 'very ')
  await broken.until(() => broken.provider.unsyncedChanges === 0)
  expect([closings, broken.denials]).toEqual([[], []])
})

test.for(Object.entries(doors))('[HK-4] who comes and goes is told once per connection: %s', async ([door, come]) => {
  const told: string[] = []
  const tell =
    (word: string): NonNullable<RelayHooks['onConnect']> =>
    ({ doc, identity, door: by }, { space }) =>
      void told.push(`${word} ${identity.subject} ${space} ${doc} ${by}`)
  const relay = await relayWith({ onConnect: tell('in'), onDisconnect: tell('out') })
  const ada = await come(relay, 'ada')
  const ben = await come(relay, 'ben')
  await ben.write('x')
  ada.leave()
  await vi.waitFor(() => expect(told).toHaveLength(3))
  await relay.close()
  const [inAda, inBen, outAda] = ['in ada', 'in ben', 'out ada'].map((who) => `${who} default note ${door}`)
  expect(told).toEqual([inAda, inBen, outAda, `out ben default note ${door}`])
})

test('[HK-4] a connection that is admitted and then fails its handshake is told as gone', async () => {
  const told: string[] = []
  const relay = await relayWith({ onConnect: () => void told.push('in'), onDisconnect: () => void told.push('out') })
  const asked = request({
    ...{ port: relay.port, path: '/note?token=ada', headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'no' } },
  })
  const status = await new Promise((resolve, reject) => {
    asked.on('response', (response) => resolve(response.statusCode)).on('error', reject)
    asked.end()
  })
  expect(status).toBe(400)
  await vi.waitFor(() => expect(told).toEqual(['in', 'out']))
})

test('[HK-4] documents of one Hocuspocus connection come and go each for itself', async () => {
  const told: string[] = []
  const relay = await relayWith({
    onConnect: ({ doc }) => void told.push(`in ${doc}`),
    onDisconnect: ({ doc }) => void told.push(`out ${doc}`),
  })
  const socket = socketTo(relay.url)
  cleanups.push(() => socket.destroy())
  const [one, two] = ['one', 'two'].map((name) => clientOf(relay.url, name, { token: 'ada', socket }))
  await Promise.all([saved(one!), saved(two!)])
  one!.destroy()
  await vi.waitFor(() => expect(told).toContain('out one'))
  two!.destroy()
  await vi.waitFor(() => expect(told).toHaveLength(4))
  expect([...told].sort()).toEqual(['in one', 'in two', 'out one', 'out two'])
})

test.for(everywhere)('[HK-2] a change is told after its commit, with who wrote it: %s', async ([, come]) => {
  const told: unknown[] = []
  const relay: Relay = await relayWith({
    onChange({ doc, identity, seq }, { space }) {
      const row = relay.replica.reader.doc(docKeyOf(relay.replica.space, doc))
      told.push([space, doc, identity?.subject, seq, row !== undefined && row.lastSeq >= seq, storedText(relay)])
    },
  })
  await (await come(relay, 'ada')).write('written')
  await vi.waitFor(() => expect(told).toEqual([['default', 'note', 'ada', 1, true, 'written']]))
})

test('[HK-2] what a native link and this process write is told, too, and never before the commit', async () => {
  const told: unknown[] = []
  const relay = await relayWith({ onChange: ({ doc, identity }) => void told.push([doc, identity]) })
  const replica = createReplica({ name: 'here', storage: { kind: 'memory' }, peers: [relay.url], auth: () => 'ada' })
  cleanups.push(() => replica.close())
  const note = await replica.open('by-link')
  note.doc.getText('body').insert(0, 'x')
  await note.whenSaved('relay')
  const handle = relay.replica.openDocument(parseDocId('by-process'))
  handle.doc.getText('body').insert(0, 'x')
  await handle.saved()
  await handle.release()
  await vi.waitFor(() => expect(told).toHaveLength(2))
  expect(new Map(told as [string, unknown][])).toEqual(
    new Map([
      ['by-link', null],
      ['by-process', null],
    ]),
  )
})

test('[HK-3] hooks that fail or hang are tried again, and writers do not wait for them', async () => {
  let calls = 0
  const relay = await relayWith(
    {
      onChange() {
        calls++
        return calls < 3 ? Promise.reject(new Error('receiver is down')) : new Promise(() => undefined)
      },
      onConnect: () => new Promise(() => undefined),
    },
    { hookLimits: { ...soon, callsMax: 2, timeoutMs: 50, closeWithinMs: 50 } },
  )
  const visitor = await doors['y-websocket']!(relay, 'ada')
  for (let at = 0; at < 20; at++) await visitor.write(String(at))
  await vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(3))
  await visitor.write('still here')
})

test('[HK-6] a relay that closes tells what it has committed, after its connections are gone', async () => {
  const told: string[] = []
  const relay = await relayWith(
    {
      onChange: ({ doc }) => void told.push(`change ${doc}`),
      onDisconnect: ({ doc }) => void told.push(`out ${doc}`),
    },
    { hookLimits: { debounceMs: 60_000, maxDebounceMs: 60_000 } },
  )
  await (await doors['y-websocket']!(relay, 'ada')).write('x')
  expect(told).toEqual([])
  await relay.close()
  expect([...told].sort()).toEqual(['change note', 'out note'])
  expect(relay.drained).toBe(true)
})

test('[HP-9] the hook for stateless messages is one of them, and its failures are told', async () => {
  const failures: string[] = []
  const relay = await relayWith({
    onStateless({ space, doc, payload, reply }) {
      if (payload === 'fail') throw new SynclineError('hook-failed', 'No.')
      reply(`${space} ${doc} ${payload}`)
    },
    onHookError: ({ code }, hook, doc, space) => failures.push(`${code} ${hook} ${space} ${doc}`),
  })
  const client = clientOf(relay.url, 'note', { token: 'ada' })
  cleanups.push(() => client.destroy())
  await saved(client)
  client.provider.sendStateless('fail')
  client.provider.sendStateless('hello')
  await client.until(() => client.stateless.length === 1)
  expect([client.stateless, failures]).toEqual([['default note hello'], ['hook-failed onStateless default note']])
})

test('[HK-5] a webhook that is configured gets signed requests of a relay in a process of its own', async () => {
  const secret = 'a secret of at least thirty-two bytes'
  const received: [signed: boolean, event: Record<string, unknown>][] = []
  const server = createServer((asked, response) => {
    const chunks: Buffer[] = []
    asked.on('data', (chunk: Buffer) => chunks.push(chunk))
    asked.on('end', () => {
      const body = Buffer.concat(chunks)
      const event = JSON.parse(body.toString()) as Record<string, unknown>
      received.push([isSigned(secret, body, asked.headers['syncline-signature'] as string), event])
      if (event['event'] === 'load') response.end(freshUpdate('begun', 1))
      else response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const folder = temporaryFolder()
  cleanups.push(folder.remove)
  const secretFile = join(folder.path, 'hooks.secret')
  writeFileSync(secretFile, `${secret}\n`)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const args = ['--hooks-url', url, '--hooks-secret-file', secretFile, '--hooks-events', 'load', '--hooks-events', 'change']
  const relay = await startRelay(join(folder.path, 'data'), { args })
  cleanups.push(() => relay.end('SIGKILL'))
  const visitor = await room(`${relay.url}/note`)
  expect(await visitor.text()).toBe('begun')
  await visitor.write('more')
  expect(await relay.end('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(received).toEqual([
    [true, { event: 'load', space: 'default', doc: 'note', atMs: expect.any(Number) }],
    [true, { event: 'change', space: 'default', doc: 'note', seq: 2, subject: null, deleted: false, atMs: expect.any(Number) }],
  ])
})
