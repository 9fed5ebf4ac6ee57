// The webhook against a real server: what it is asked, what its answers mean, what it is when it is slow or away, and what is remembered.

import { afterEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseSpaceId, SynclineError } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import type { Credentials, Identity } from '../src/access/access.ts'
import { ACCESS_LIMITS } from '../src/access/access-limits.ts'
import { webhookAuthenticator, type WebhookOptions } from '../src/access/webhook-authenticator.ts'
import { loopbackServer, type LoopbackServer } from './access-http.ts'

const real = nodeClock()
let movedMs = 0
const clock = { ...real, now: () => real.now() + movedMs, wallMs: () => real.wallMs() + movedMs }
const servers: LoopbackServer[] = []
afterEach(async () => {
  movedMs = 0
  for (const server of servers.splice(0)) await server.away()
})

const ada: LoopbackServer['answer'] = (_, __, response) => response.end(JSON.stringify({ subject: 'ada', roles: ['editor'] }))
const credentials: Credentials = { token: 'opaque', door: 'hocuspocus', space: DEFAULT_SPACE, address: '10.0.0.1' }

async function webhook(
  answer: LoopbackServer['answer'],
  options: Partial<WebhookOptions> = {},
): Promise<{ server: LoopbackServer; ask(more?: Partial<Credentials>): Promise<Identity | string> }> {
  const server = await loopbackServer(answer)
  servers.push(server)
  const authenticator = webhookAuthenticator({ url: server.url, clock, timeoutMs: 500, ...options })
  return {
    server,
    ask: (more = {}) =>
      authenticator({ ...credentials, ...more }).then(
        (identity) => identity ?? 'null',
        (error: unknown) => (error instanceof SynclineError ? error.code : String(error)),
      ),
  }
}

test('[AC-6] the webhook is asked with token, door, space and address, and its answer is the identity', async () => {
  const seen: unknown[] = []
  const { ask } = await webhook(
    ({ method, headers }, body, response) => {
      seen.push([method, headers['content-type'], headers.authorization, JSON.parse(body)])
      response.end(JSON.stringify({ subject: 'ada', roles: ['editor'], claims: { team: 'red' }, expiresAtMs: 4e12, more: 1 }))
    },
    { headers: { authorization: 'Bearer relay' } },
  )
  expect(await ask()).toEqual({ subject: 'ada', roles: ['editor'], claims: { team: 'red' }, expiresAtMs: 4e12 })
  expect(seen).toEqual([
    ['POST', 'application/json', 'Bearer relay', { token: 'opaque', door: 'hocuspocus', space: 'default', address: '10.0.0.1' }],
  ])
})

test('[AC-6] a webhook that refuses is final, and everything that is no answer is: later', async () => {
  const { server, ask } = await webhook(ada)
  const table: readonly (readonly [string, LoopbackServer['answer'], string])[] = [
    ['401', (_, __, response) => void response.writeHead(401).end(), 'auth-invalid'],
    ['403', (_, __, response) => void response.writeHead(403).end(), 'auth-invalid'],
    ['500', (_, __, response) => void response.writeHead(500).end(), 'auth-unavailable'],
    ['404', (_, __, response) => void response.writeHead(404).end(), 'auth-unavailable'],
    ['201', (_, __, response) => void response.writeHead(201).end('{"subject": "ada"}'), 'auth-unavailable'],
    ['a redirect', (_, __, response) => void response.writeHead(307, { location: server.url }).end(), 'auth-unavailable'],
    ['silence', () => undefined, 'auth-unavailable'],
    ['half an answer', (_, __, response) => response.write('{"subject": "ada"'), 'auth-unavailable'],
    ['no JSON', (_, __, response) => response.end('ada'), 'auth-unavailable'],
    ['no subject', (_, __, response) => response.end('{"roles": []}'), 'auth-unavailable'],
    ['nobody', (_, __, response) => response.end('{"subject": null}'), 'auth-unavailable'],
    ['an empty subject', (_, __, response) => response.end('{"subject": ""}'), 'auth-unavailable'],
    ['roles that are none', (_, __, response) => response.end('{"subject": "ada", "roles": "editor"}'), 'auth-unavailable'],
    ['a fraction', (_, __, response) => response.end('{"subject": "ada", "expiresAtMs": 0.5}'), 'auth-unavailable'],
    [
      'too much',
      (_, __, response) => response.end(`{"subject": "ada", "x": "${'x'.repeat(ACCESS_LIMITS.answerBytesMax)}"}`),
      'auth-unavailable',
    ],
  ]
  for (const [index, [name, answer, code]] of table.entries()) {
    server.answer = answer
    const beginMs = real.now()
    expect(await ask(), name).toBe(code)
    expect(real.now() - beginMs, name).toBeLessThan(1_500)
    expect(server.asked, `${name}: an answer is not asked for again`).toBe(index + 1)
  }
})

test('[AC-6] a connection that fails is tried again, in bounded number and time', async () => {
  const { server, ask } = await webhook((request) => void request.socket.destroy(), { timeoutMs: 2_000 })
  expect(await ask()).toBe('auth-unavailable')
  expect(server.asked).toBe(ACCESS_LIMITS.webhookAttemptsMax)
  server.answer = (request, body, response) => (server.asked === 4 ? void request.socket.destroy() : ada(request, body, response))
  expect(await ask()).toMatchObject({ subject: 'ada' })
  expect(server.asked).toBe(5)
  await server.away()
  const beginMs = real.now()
  expect(await ask({ token: 'other' })).toBe('auth-unavailable')
  expect(real.now() - beginMs).toBeLessThan(2_500)
})

test('[AC-6] a good answer is used again for a minute or until it expires, for the same question only; refusals are asked for each time', async () => {
  const { server, ask } = await webhook(ada)
  await Promise.all(Array.from({ length: 50 }, () => ask()))
  await ask()
  expect(server.asked, 'fifty at once and one later').toBe(1)
  await ask({ space: parseSpaceId('acme') })
  await ask({ address: '10.0.0.2' })
  await ask({ token: 'other' })
  expect(server.asked, 'other questions').toBe(4)
  movedMs += ACCESS_LIMITS.webhookCacheMs
  await ask()
  expect(server.asked, 'a minute later').toBe(5)
  server.answer = (_, __, response) => response.end(JSON.stringify({ subject: 'ada', expiresAtMs: Math.ceil(clock.wallMs()) + 10_000 }))
  await ask({ token: 'short' })
  movedMs += 11_000
  await ask({ token: 'short' })
  expect(server.asked, 'after its end').toBe(7)
  server.answer = (_, __, response) => void response.writeHead(403).end()
  expect([await ask({ token: 'bad' }), await ask({ token: 'bad' })]).toEqual(['auth-invalid', 'auth-invalid'])
  expect(server.asked).toBe(9)
})

test('[AC-6] hundreds of people at once are asked for a few at a time, and all are answered', async () => {
  let [open, most] = [0, 0]
  const { server, ask } = await webhook(
    (_, body, response) => {
      most = Math.max(most, ++open)
      setImmediate(() => {
        open--
        response.end(JSON.stringify({ subject: (JSON.parse(body) as Credentials).token }))
      })
    },
    { timeoutMs: 8_000 },
  )
  const found = await Promise.all(Array.from({ length: 300 }, (_, i) => ask({ token: `person ${i}` })))
  for (const [index, identity] of found.entries()) expect(identity).toMatchObject({ subject: `person ${index}` })
  expect(server.asked).toBe(300)
  expect(most).toBeLessThanOrEqual(ACCESS_LIMITS.webhookAskingMax)
  const silent = await webhook(() => undefined, { timeoutMs: 500 })
  const codes = await Promise.all(Array.from({ length: 200 }, (_, i) => silent.ask({ token: `late ${i}` })))
  expect(new Set(codes)).toEqual(new Set(['auth-unavailable']))
  expect(silent.server.asked, 'hardly any time was left for the others').toBeLessThan(2 * ACCESS_LIMITS.webhookAskingMax)
})

test('[AC-6] tokens travel encrypted, or on this machine', () => {
  expect(() => webhookAuthenticator({ url: 'http://auth.example.com/', clock })).toThrow(/https/)
  expect(() => webhookAuthenticator({ url: 'nonsense', clock })).toThrow(SynclineError)
  expect(() => webhookAuthenticator({ url: 'https://auth.example.com/', clock, timeoutMs: 60_000 })).toThrow(SynclineError)
  for (const url of ['https://auth.example.com/', 'http://[::1]:9/', 'http://localhost:9/']) webhookAuthenticator({ url, clock })
  webhookAuthenticator({ url: 'http://auth.internal/', clock, allowHttp: true })
})
