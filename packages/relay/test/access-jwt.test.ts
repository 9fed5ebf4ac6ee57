// JSON Web Tokens with real keys, signed by jose: what is taken, what is refused with which code, and key sets from a real server that rotate and go away.

import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_SPACE, SynclineError } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import type { Identity } from '../src/access/access.ts'
import { ACCESS_LIMITS } from '../src/access/access-limits.ts'
import type { Authenticator } from '../src/access/authenticator.ts'
import {
  jwtAuthenticator,
  PUBLIC_KEY_ALGORITHMS,
  secretFromFile,
  type JwtOptions,
  type PublicKeyAlgorithm,
} from '../src/access/jwt-authenticator.ts'
import { loopbackServer, type LoopbackServer } from './access-http.ts'

type Pair = Awaited<ReturnType<typeof generateKeyPair>>

const secret = 'a secret of at least thirty-two bytes'
const nowS = 1_800_000_000
/** Real timers, with a wall clock and a monotonic clock that the test sets. */
const clock = { ...nodeClock(), wallMs: () => nowS * 1000 + movedMs, now: () => movedMs }
let movedMs = 0
const pairs = new Map<PublicKeyAlgorithm, Pair>()
const servers: LoopbackServer[] = []

beforeAll(async () => {
  for (const algorithm of PUBLIC_KEY_ALGORITHMS) pairs.set(algorithm, await generateKeyPair(algorithm, { extractable: true }))
})
afterEach(async () => {
  movedMs = 0
  for (const server of servers.splice(0)) await server.away()
})

function claims(more: JWTPayload = {}): JWTPayload {
  return { sub: 'ada', roles: ['editor'], iat: nowS, exp: nowS + 900, ...more }
}

function signed(payload: JWTPayload, key: Parameters<SignJWT['sign']>[0], alg: string, kid?: string): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, ...(kid !== undefined && { kid }) }).sign(key)
}

function bySecret(payload: JWTPayload): Promise<string> {
  return signed(payload, new TextEncoder().encode(secret), 'HS256')
}

function here(options: Partial<JwtOptions> = {}): Promise<Authenticator> {
  return jwtAuthenticator({ key: { secret }, clock, ...options })
}

async function outcome(authenticator: Authenticator, token: string): Promise<Identity | string> {
  try {
    return (await authenticator({ token, door: 'native', space: DEFAULT_SPACE, address: '127.0.0.1' })) ?? 'null'
  } catch (error) {
    expect(error).toBeInstanceOf(SynclineError)
    for (const part of token.split('.').filter(({ length }) => length > 20))
      expect(String(error), 'nothing of the token').not.toContain(part)
    return (error as SynclineError).code
  }
}

describe('tokens', () => {
  test('[AC-6] a good token gives subject, roles, claims and its end', async () => {
    const identity = await outcome(await here(), await bySecret(claims({ team: 'red' })))
    expect(identity).toMatchObject({ subject: 'ada', roles: ['editor'], claims: { team: 'red' }, expiresAtMs: (nowS + 900) * 1000 + 5_000 })
    const named = await here({ rolesClaim: 'realm_access.roles', subjectClaim: 'https://example.com/user', clockToleranceMs: 0 })
    const token = await bySecret(claims({ realm_access: { roles: ['a', 'b'] }, 'https://example.com/user': 'grace' }))
    expect(await outcome(named, token)).toMatchObject({ subject: 'grace', roles: ['a', 'b'], expiresAtMs: (nowS + 900) * 1000 })
    const scope = await outcome(await here({ rolesClaim: 'scope' }), await bySecret(claims({ scope: 'read write' })))
    expect(scope).toMatchObject({ roles: ['read', 'write'] })
  })

  test('[AC-6] what is wrong with the claims of a token has its code', async () => {
    const authenticator = await here({ issuer: 'https://id.example.com', audience: ['notes', 'other'] })
    const good = { iss: 'https://id.example.com', aud: 'notes' }
    const table: readonly (readonly [JWTPayload, string | null])[] = [
      [claims(good), null],
      [claims({ ...good, aud: ['else', 'other'] }), null],
      [claims({ ...good, iss: 'https://id.example.org' }), 'auth-invalid'],
      [claims({ aud: 'notes' }), 'auth-invalid'],
      [claims({ ...good, aud: 'else' }), 'auth-invalid'],
      [claims({ iss: good.iss }), 'auth-invalid'],
      [claims({ ...good, exp: nowS - 4 }), null],
      [claims({ ...good, exp: nowS - 5 }), 'auth-expired'],
      [claims({ ...good, nbf: nowS + 5 }), null],
      [claims({ ...good, nbf: nowS + 6 }), 'auth-invalid'],
      [{ sub: 'ada', ...good }, 'auth-invalid'],
      [{ exp: nowS + 9, ...good }, 'auth-invalid'],
      [claims({ ...good, sub: '' }), 'auth-invalid'],
      [claims({ ...good, sub: 'a\nb' }), 'auth-invalid'],
      [claims({ ...good, sub: 'x'.repeat(513) }), 'auth-invalid'],
      [claims({ ...good, sub: 7 as unknown as string }), 'auth-invalid'],
      [claims({ ...good, exp: '9' as unknown as number }), 'auth-invalid'],
      [claims({ ...good, roles: undefined }), null],
      [claims({ ...good, roles: { editor: true } }), 'auth-invalid'],
      [claims({ ...good, roles: ['editor', 7] }), 'auth-invalid'],
      [claims({ ...good, roles: Array.from({ length: 257 }, (_, i) => `r${i}`) }), 'auth-invalid'],
    ]
    for (const [payload, code] of table) {
      const found = await outcome(authenticator, await bySecret(payload))
      expect(typeof found === 'string' ? found : null, JSON.stringify(payload).slice(0, 150)).toBe(code)
    }
  })

  test('[AC-6] a maximum age ends tokens that live long', async () => {
    const authenticator = await here({ maxAgeMs: 60_000, clockToleranceMs: 0 })
    expect(await outcome(authenticator, await bySecret(claims()))).toMatchObject({ expiresAtMs: (nowS + 60) * 1000 })
    expect(await outcome(authenticator, await bySecret(claims({ iat: nowS - 61 })))).toBe('auth-expired')
    expect(await outcome(authenticator, await bySecret({ sub: 'ada', exp: nowS + 9 }))).toBe('auth-invalid')
    expect(await outcome(authenticator, await bySecret(claims({ iat: nowS + 600 })))).toBe('auth-invalid')
  })

  test('[AC-6] each public key takes its one algorithm and refuses all else', async () => {
    for (const algorithm of PUBLIC_KEY_ALGORITHMS) {
      const pem = await exportSPKI(pairs.get(algorithm)!.publicKey)
      const authenticator = await here({ key: { publicKey: pem, algorithm } })
      expect(await outcome(authenticator, await signed(claims(), pairs.get(algorithm)!.privateKey, algorithm))).toMatchObject({
        subject: 'ada',
      })
      for (const other of PUBLIC_KEY_ALGORITHMS.filter((name) => name !== algorithm))
        expect(await outcome(authenticator, await signed(claims(), pairs.get(other)!.privateKey, other))).toBe('auth-invalid')
      const stranger = await generateKeyPair(algorithm)
      expect(await outcome(authenticator, await signed(claims(), stranger.privateKey, algorithm))).toBe('auth-invalid')
      // Key confusion: the public key, which everybody may have, as the secret of HS256.
      expect(await outcome(authenticator, await signed(claims(), new TextEncoder().encode(pem), 'HS256'))).toBe('auth-invalid')
      expect(await outcome(authenticator, new UnsecuredJWT(claims()).encode())).toBe('auth-invalid')
    }
  })

  test('[AC-6] a token without signature, with another secret, another hash, a changed claim, or none at all is refused', async () => {
    const authenticator = await here()
    const good = await bySecret(claims())
    const [header = '', payload = '', signature = ''] = good.split('.')
    const forged = Buffer.from(JSON.stringify(claims({ sub: 'root' }))).toString('base64url')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const critical = await new SignJWT(claims())
      .setProtectedHeader({ alg: 'HS256', crit: ['b64'], b64: true })
      .sign(new TextEncoder().encode(secret))
    const tokens = [
      new UnsecuredJWT(claims()).encode(),
      `${none}.${payload}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${forged}.${signature}`,
      await signed(claims(), new TextEncoder().encode(`${secret}.`), 'HS256'),
      await signed(claims(), new TextEncoder().encode(secret.repeat(2)), 'HS512'),
      await signed(claims(), pairs.get('EdDSA')!.privateKey, 'EdDSA'),
      'no token',
      '..',
      'a.b.c',
      '\u{1F600}'.repeat(20),
    ]
    for (const token of tokens) expect(await outcome(authenticator, token), token.slice(0, 60)).toBe('auth-invalid')
    expect(await outcome(authenticator, critical)).toMatchObject({ subject: 'ada' })
  })

  test('[AC-6] keys and numbers that cannot protect anything are refused when the relay starts', async () => {
    const pem = await exportSPKI(pairs.get('ES256')!.publicKey)
    const table: readonly Partial<JwtOptions>[] = [
      { key: { secret: 'short' } },
      { key: { secret: pem } },
      { key: { publicKey: pem, algorithm: 'EdDSA' } },
      { key: { publicKey: 'no pem', algorithm: 'EdDSA' } },
      { key: { jwksUrl: 'http://id.example.com/keys' } },
      { key: { jwksUrl: 'https://user:word@id.example.com/keys' } },
      { key: { jwksUrl: 'file:///etc/passwd' } },
      { clockToleranceMs: 60_001 },
      { clockToleranceMs: 0.5 },
      { maxAgeMs: -1 },
    ]
    for (const options of table) await expect(here(options), JSON.stringify(options)).rejects.toMatchObject({ code: 'config-invalid' })
    expect(secretFromFile(Buffer.from(`${secret}\r\n`))).toEqual(new Uint8Array(Buffer.from(secret)))
  })
})

describe('key sets', () => {
  async function issuer(): Promise<{ server: LoopbackServer; keys: object[]; authenticator: Authenticator }> {
    const keys: object[] = []
    const server = await loopbackServer((_, __, response) => response.end(JSON.stringify({ keys })))
    servers.push(server)
    return { server, keys, authenticator: await here({ key: { jwksUrl: server.url, timeoutMs: 500 } }) }
  }
  const jwk = async (algorithm: PublicKeyAlgorithm, more: object = {}): Promise<object> => ({
    ...(await exportJWK(pairs.get(algorithm)!.publicKey)),
    ...more,
  })
  const by = (algorithm: PublicKeyAlgorithm, kid?: string): Promise<string> =>
    signed(claims(), pairs.get(algorithm)!.privateKey, algorithm, kid)

  test('[AC-6] keys are fetched once, and again when a token names one that is not known', async () => {
    const { server, keys, authenticator } = await issuer()
    keys.push(await jwk('ES256', { kid: 'one' }))
    const many = await Promise.all(Array.from({ length: 20 }, async () => outcome(authenticator, await by('ES256', 'one'))))
    for (const found of many) expect(found).toMatchObject({ subject: 'ada' })
    expect(server.asked).toBe(1)
    keys.splice(0, 1, await jwk('EdDSA', { kid: 'two' }))
    expect(await outcome(authenticator, await by('EdDSA', 'two')), 'within the pause').toBe('auth-unavailable')
    movedMs += ACCESS_LIMITS.jwksPauseMs
    expect(await outcome(authenticator, await by('EdDSA', 'two'))).toMatchObject({ subject: 'ada' })
    expect(await outcome(authenticator, await by('ES256', 'one')), 'taken back by the issuer').not.toHaveProperty('subject')
    movedMs += ACCESS_LIMITS.jwksPauseMs
    expect(await outcome(authenticator, await by('ES256', 'one'))).toBe('auth-invalid')
    expect(server.asked).toBe(3)
  })

  test('[AC-6] tokens that no key of the set can have signed cost no request', async () => {
    const { server, keys, authenticator } = await issuer()
    keys.push(await jwk('RS256', { kid: 'one' }), { kty: 'oct', kid: 'shared', k: Buffer.from(secret).toString('base64url') })
    for (const token of [
      await bySecret(claims()),
      await signed(claims(), new TextEncoder().encode(secret), 'HS256', 'shared'),
      new UnsecuredJWT(claims()).encode(),
      'a.b.c',
    ])
      expect(await outcome(authenticator, token)).toBe('auth-invalid')
    expect(server.asked).toBe(0)
  })

  test('[AC-6] a token that names no key is tried with each that fits', async () => {
    const { keys, authenticator } = await issuer()
    const other = await generateKeyPair('ES256', { extractable: true })
    keys.push(await jwk('EdDSA'), await exportJWK(other.publicKey), await jwk('ES256'))
    expect(await outcome(authenticator, await by('ES256'))).toMatchObject({ subject: 'ada' })
    const stranger = await generateKeyPair('ES256')
    expect(await outcome(authenticator, await signed(claims(), stranger.privateKey, 'ES256'))).toBe('auth-invalid')
  })

  test('[AC-6] while the issuer is away known keys go on for a day, and without any the answer is: later', async () => {
    const { server, keys, authenticator } = await issuer()
    keys.push(await jwk('ES256', { kid: 'one' }))
    await server.away()
    const token = await signed(claims({ exp: nowS + 200_000 }), pairs.get('ES256')!.privateKey, 'ES256', 'one')
    expect(await outcome(authenticator, token)).toBe('auth-unavailable')
    await server.back()
    movedMs += ACCESS_LIMITS.jwksPauseMs
    expect(await outcome(authenticator, token)).toMatchObject({ subject: 'ada' })
    await server.away()
    movedMs += ACCESS_LIMITS.jwksRefreshMs + 1
    expect(await outcome(authenticator, token)).toMatchObject({ subject: 'ada' })
    expect(await outcome(authenticator, await by('ES256', 'two'))).toBe('auth-unavailable')
    movedMs += ACCESS_LIMITS.jwksStaleMsMax
    expect(await outcome(authenticator, token)).toBe('auth-unavailable')
  })

  test('[AC-6] an issuer that answers slowly, wrongly, endlessly or from elsewhere is unavailable, in bounded time', async () => {
    const { server, authenticator } = await issuer()
    const answers: readonly LoopbackServer['answer'][] = [
      () => undefined,
      (_, __, response) => response.write('{"keys": ['),
      (_, __, response) => void response.writeHead(500).end('{"keys": []}'),
      (_, __, response) => void response.writeHead(302, { location: server.url }).end(),
      (_, __, response) => response.end('<html>'),
      (_, __, response) => response.end('[]'),
      (_, __, response) => response.end(`{"keys": [], "x": "${'x'.repeat(ACCESS_LIMITS.answerBytesMax)}"}`),
    ]
    const token = await by('ES256', 'one')
    const beginMs = performance.now()
    for (const [index, answer] of answers.entries()) {
      server.answer = answer
      movedMs += ACCESS_LIMITS.jwksPauseMs
      expect(await outcome(authenticator, token)).toBe('auth-unavailable')
      expect(server.asked, 'redirects are not followed').toBe(index + 1)
    }
    expect(performance.now() - beginMs).toBeLessThan(5_000)
  })
})
