// Bad tokens, and rights that change in the middle of a write, catalogue 31 to 36, 40, 41, 46 and 47: at every door of a relay with a policy file, and with the same answer.

import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { frameUpdates, LIMITS, ZERO_DIGEST } from '@syncline/protocol'
import { jwtAuthenticator } from '@syncline/relay'
import { nodeClock } from '@syncline/replica/ws'
import { openScope } from '../integration/access-cells-native.ts'
import { encoded, guardedRelay, tokenFor, type GuardedRelay, type Roles } from '../integration/guarded-relay.ts'
import { frames, HocuspocusPeer } from '../integration/hocuspocus-frames.ts'
import { BareClient, freshUpdate } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { NativePeer } from './native-peer.ts'
import { OPCODE, RawSocket, upgradeRequest } from './raw-socket.ts'
import { freshPublicKey, goodClaims, signed, tokenCases } from './token-cases.ts'

const documents = ['read', 'write', 'create', 'presence']
const roles: Roles = {
  editor: [{ allow: documents, space: 'default', doc: 'case/**' }],
  owner: [{ allow: documents, space: 'default', doc: 'case/{subject}/**' }],
}

let relay: GuardedRelay
beforeAll(async () => {
  relay = await guardedRelay(roles)
})
afterAll(() => relay?.close())

let names = 0
const freshName = (): string => `case/of/tokens/${++names}`

const codeOf = (reason: string): string => reason.split(':', 1)[0]!

async function closingCode(url: string): Promise<string> {
  const client = new BareClient(url)
  const open = client
    .messageWhere(({ kind }) => kind === 'step-1')
    .then(
      () => 'let in',
      () => null,
    )
  const answer = (await open) ?? codeOf((await client.closed).reason)
  client.terminate()
  return answer
}

/** How a door answers somebody with a token who wants to read a document. */
const doors: Readonly<Record<string, (doc: string, token: string) => Promise<string>>> = {
  async native(_, token) {
    const peer = await NativePeer.silent(relay.port)
    peer.say(peer.hello({ auth: Buffer.from(token) }))
    const letIn = await peer.messageWhere('hello').then(
      () => true,
      () => false,
    )
    peer.socket.destroy()
    return letIn ? 'let in' : codeOf((await peer.ended).reason)
  },
  'y-websocket': (doc, token) => closingCode(`${relay.relay.url}/${doc}?token=${encodeURIComponent(token)}`),
  'y-sweet': (doc, token) => closingCode(`${relay.relay.url}/d/${encoded(doc)}/ws/${doc}?token=${encodeURIComponent(token)}`),
  async Hocuspocus(doc, token) {
    const peer = await HocuspocusPeer.authenticated(relay.port, doc, token)
    const verdict = peer.verdictOf(doc)!
    peer.destroy()
    return verdict.startsWith('authenticated') ? 'let in' : codeOf(verdict.slice('denied '.length))
  },
  async 'y-sweet request'(doc, token) {
    const url = `${relay.relay.url.replace('ws', 'http')}/doc/${encoded(doc)}/auth`
    const response = await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    return response.ok ? 'let in' : (/\[([a-z-]+)\]/.exec(await response.text())?.[1] ?? `HTTP ${response.status}`)
  },
  async 'HTTP API'(doc, token) {
    const response = await fetch(`${relay.adminUrl}/api/documents?prefix=${encoded(doc)}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const { code, documents: found } = (await response.json()) as { code?: string; documents?: unknown[] }
    return found === undefined ? code! : 'let in'
  },
}

/** Doors that let in whoever is known, and decide by document. */
const decideLater = ['native', 'HTTP API']

for (const { number, what, token, answer } of tokenCases) {
  test(`[IN-1] ${number} ${what} at every door: ${answer}`, async () => {
    const shown = await token()
    const answers: Record<string, string> = {}
    const wanted: Record<string, string> = {}
    for (const [door, enter] of Object.entries(doors)) {
      const doc = freshName()
      answers[door] = await enter(doc, shown)
      wanted[door] = answer === 'access-denied' && decideLater.includes(door) ? 'let in' : answer
      expect(relay.has(doc)).toBe(false)
    }
    expect(answers).toEqual(wanted)
  })
}

test('[IN-1] 34 HS256 signed with the public key of the relay, at every door: auth-invalid', async () => {
  const publicPem = freshPublicKey()
  const clock = nodeClock()
  const shared = await relay.authenticator()
  relay.doorman.setAuthenticator(await jwtAuthenticator({ key: { publicKey: publicPem, algorithm: 'EdDSA' }, clock }))
  try {
    for (const [door, enter] of Object.entries(doors))
      for (const alg of ['HS256', 'EdDSA', 'none']) {
        const token = signed({ alg }, goodClaims(), alg === 'none' ? null : publicPem)
        expect(await enter(freshName(), token), `${alg} at ${door}`).toBe('auth-invalid')
      }
  } finally {
    relay.doorman.setAuthenticator(shared)
  }
})

test('[IN-1] 36 a token over its bound: refused at every door before anybody looks into it', async () => {
  const token = await tokenFor('ada', { roles: ['editor'], claims: { x: 'x'.repeat(LIMITS.authBytesMax) } })
  const doc = freshName()
  expect(await doors['native']!(doc, token)).toBe('auth-invalid')
  expect(await doors['Hocuspocus']!(doc, token)).toBe('auth-invalid')
  for (const target of [`/${doc}`, `/d/${encoded(doc)}/ws/${doc}`]) {
    const socket = new RawSocket(relay.port)
    socket.write(upgradeRequest(`${target}?token=${token}`))
    expect((await socket.answered).status, target).toBe(431)
    socket.destroy()
  }
  for (const url of [`${relay.adminUrl}/api/documents`, `${relay.relay.url.replace('ws', 'http')}/check_store`])
    expect((await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status, url).toBe(431)
})

test('[IN-1] 36 a good token in the URL opens no door that has a place of its own for it', async () => {
  const token = await tokenFor('ada', { roles: ['editor'] })
  const doc = freshName()
  const answer = await fetch(`${relay.adminUrl}/api/documents?token=${token}`)
  expect(answer.status).toBe(401)
  const auth = await fetch(`${relay.relay.url.replace('ws', 'http')}/doc/${encoded(doc)}/auth?token=${token}`, { method: 'POST' })
  expect(auth.status).toBe(401)
  const link = new NativePeer(await RawSocket.upgraded(relay.port, `/?token=${token}`, { subprotocol: 'syncline.1' }))
  link.say(link.hello())
  expect(codeOf((await link.ended).reason)).toBe('auth-required')
  const peer = await HocuspocusPeer.authenticated(relay.port, doc, '')
  expect(peer.verdictOf(doc)).toMatch(/^denied auth-required/)
  peer.destroy()
})

test('[IN-1] 36 an Authorization header that is no bearer token: auth-invalid or auth-required, and nobody is let in', async () => {
  const token = await tokenFor('ada', { roles: ['editor'] })
  for (const authorization of [
    `Basic ${token}`,
    `Bearer ${token} ${token}`,
    'Bearer',
    `bearer: ${token}`,
    `Bearer ${token},Bearer ${token}`,
  ]) {
    for (const url of [`${relay.adminUrl}/api/documents`, `${relay.relay.url.replace('ws', 'http')}/check_store`]) {
      const response = await fetch(url, { method: url.endsWith('store') ? 'POST' : 'GET', headers: { authorization } })
      expect(response.status, `${authorization.slice(0, 12)} at ${url}`).toBe(401)
    }
  }
})

test('[IN-1] 40 a policy file of a megabyte, and one with a condition of ten thousand nodes: told once, and the policy before it stays', async () => {
  const condition = { or: Array.from({ length: 10_000 }, () => ({ has: 'subject' })) }
  const bad: readonly (readonly [string, RegExp])[] = [
    [JSON.stringify({ version: 1, roles: {}, note: 'x'.repeat(1024 * 1024) }), /has \d+ bytes/],
    [JSON.stringify({ version: 1, roles: { everyone: [{ allow: 'all', space: '**', doc: '**', when: condition }] } }), /256|nodes/],
  ]
  const stranger = await tokenFor('eve')
  for (const [text, words] of bad) {
    const before = relay.policyProblems.length
    relay.writePolicy(text)
    while (relay.policyProblems.length === before) await new Promise((resolve) => setImmediate(resolve))
    expect(relay.policyProblems.at(-1)!.message).toMatch(words)
    expect(await doors['y-websocket']!(freshName(), stranger)).toBe('access-denied')
    expect(await doors['y-websocket']!(freshName(), await tokenFor('ada', { roles: ['editor'] }))).toBe('let in')
  }
  relay.writePolicy(roles)
})

/** Rights end while an update is on its way: the first part of it is sent, they end, and then comes the rest. */
const halves: Readonly<Record<string, (doc: string, update: Uint8Array, token: string, revoke: () => void) => Promise<string>>> = {
  async native(doc, update, token, revoke) {
    const peer = await NativePeer.silent(relay.port)
    peer.say(peer.hello({ auth: Buffer.from(token) }))
    await openScope(peer, `=${doc}`)
    const framed = frameUpdates([update])
    const middle = framed.length >> 1
    const ref = peer.ref(doc)
    const chunk = { kind: 'diff', channel: 0, encoding: 'plain', digest: ZERO_DIGEST } as const
    peer.say({ ...chunk, doc: ref, part: 0, last: false, bytes: framed.subarray(0, middle) })
    await peer.handled()
    // The change of rights begins a comparison, which this peer would answer with less than it has.
    peer.reacts = false
    revoke()
    peer.say({ ...chunk, doc: { alias: ref.alias, fresh: null }, part: 1, last: true, bytes: framed.subarray(middle) })
    const { code } = await peer.messageWhere('refused')
    peer.socket.destroy()
    return code
  },
  'y-websocket': (doc, update, token, revoke) => inFragments(`/${doc}?token=${token}`, codec.updateFrame(update), revoke),
  'y-sweet': (doc, update, token, revoke) => inFragments(`/d/${encoded(doc)}/ws/${doc}?token=${token}`, codec.updateFrame(update), revoke),
  async Hocuspocus(doc, update, token, revoke) {
    const peer = await HocuspocusPeer.authenticated(relay.port, doc, token)
    const bytes = frames.update(doc, update)
    peer.socket.frame(OPCODE.binary, bytes.subarray(0, 10), { fin: false })
    await peer.handledBetween()
    revoke()
    peer.socket.frame(OPCODE.continuation, bytes.subarray(10))
    await peer.until(() => peer.verdictOf(doc)!.startsWith('denied'))
    await peer.handled()
    peer.destroy()
    return codeOf(peer.verdictOf(doc)!.slice('denied '.length))
  },
  'y-sweet request': (doc, update, token, revoke) =>
    bodyInHalves(`${relay.relay.url.replace('ws', 'http')}/d/${encoded(doc)}/update`, update, token, revoke),
  'HTTP API': (doc, update, token, revoke) => bodyInHalves(`${relay.adminUrl}/api/documents/${encoded(doc)}/update`, update, token, revoke),
}

async function inFragments(target: string, bytes: Uint8Array, revoke: () => void): Promise<string> {
  const socket = await RawSocket.upgraded(relay.port, target)
  const ponged = new Promise<void>((resolve) => (socket.onPong = () => resolve()))
  socket.frame(OPCODE.binary, bytes.subarray(0, 10), { fin: false })
  socket.frame(OPCODE.ping)
  await ponged
  revoke()
  socket.frame(OPCODE.continuation, bytes.subarray(10))
  return codeOf((await socket.ended).reason)
}

function bodyInHalves(url: string, body: Uint8Array, token: string, revoke: () => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-length': body.length, expect: '100-continue' }
    const request = httpRequest(url, { method: 'POST', headers }, (response) => {
      response.resume()
      resolve(`HTTP ${response.statusCode}`)
    })
    request.on('error', reject)
    // The relay has read the head, and let it through.
    request.on('continue', () => {
      request.write(body.subarray(0, 10), () => {
        revoke()
        request.end(body.subarray(10))
      })
    })
    request.flushHeaders()
  })
}

const revokedAnswers: Readonly<Record<string, string>> = {
  native: 'read-only',
  'y-websocket': 'auth-revoked',
  'y-sweet': 'auth-revoked',
  Hocuspocus: 'auth-revoked',
  'y-sweet request': 'HTTP 403',
  'HTTP API': 'HTTP 404',
}

for (const [door, send] of Object.entries(halves)) {
  test(`[IN-1] 46 rights that end in the middle of an update, ${door}: ${revokedAnswers[door]}, and nothing of it is stored`, async () => {
    const doc = freshName()
    await relay.seed(doc, freshUpdate('there'))
    const subject = `reviewed ${door}`
    const token = await tokenFor(subject, { roles: ['editor'] })
    const answer = await send(doc, freshUpdate('half and half'), token, () => relay.denyNow(subject))
    expect(answer).toBe(revokedAnswers[door])
    expect(relay.textOf(doc)).toBe('there')
    relay.allowAgain()
  })
}

test('[IN-1] 47 a renewal by a token of somebody else: the link ends, a provider is denied and goes on as who it was', async () => {
  const doc = freshName()
  const other = await tokenFor('bob', { roles: ['editor'] })
  const peer = await HocuspocusPeer.authenticated(relay.port, doc, await tokenFor('ada', { roles: ['editor'] }))
  peer.say(frames.auth(doc, other))
  await peer.until(() => peer.answers.some(({ words }) => words.startsWith('denied auth-invalid')))
  await peer.until(() => peer.verdictOf(doc) === 'authenticated read-write')
  peer.destroy()
  const link = await NativePeer.silent(relay.port)
  link.say(link.hello({ auth: Buffer.from(await tokenFor('ada', { roles: ['editor'] })) }))
  await link.messageWhere('hello')
  link.say({ kind: 'renew', auth: Buffer.from(other) })
  expect(await link.ended).toMatchObject({ code: 4401, reason: expect.stringMatching(/^auth-invalid/) })
})
