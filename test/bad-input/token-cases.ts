// Bad tokens, catalogue 31 to 36, 41 and 47, as data: how each is made, and the one code that every door answers with. `let in`: the token is good, and what it says
// beyond that does nothing.

import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { tokenFor } from '../integration/guarded-relay.ts'

export interface TokenCase {
  readonly number: number
  readonly what: string
  readonly token: () => string | Promise<string>
  readonly answer: 'auth-invalid' | 'auth-expired' | 'access-denied' | 'let in'
}

const EDITOR = { roles: ['editor'] }
const DAY_S = 24 * 60 * 60
const now = (): number => Math.floor(Date.parse(new Date().toISOString()) / 1000)

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token with a header and claims as they stand, signed by HMAC with `key`; without one, not at all. */
export function signed(header: object, claims: object, key: string | null): string {
  const text = `${part(header)}.${part(claims)}`
  return `${text}.${key === null ? '' : createHmac('sha256', key).update(text).digest('base64url')}`
}

export const goodClaims = (more: object = {}): object => ({
  sub: 'mallory',
  roles: ['editor'],
  iss: 'https://issuer.example',
  aud: 'the relay of these tests',
  exp: now() + 600,
  ...more,
})

async function changed(change: (parts: string[]) => string[]): Promise<string> {
  return change((await tokenFor('ada', EDITOR)).split('.')).join('.')
}

const WRONG = 'another secret that is also long enough'

const timeCases: readonly TokenCase[] = [
  { number: 31, what: 'an expired token', token: () => tokenFor('ada', { ...EDITOR, expiresInS: -1 }), answer: 'auth-expired' },
  {
    number: 31,
    what: 'a token that ended in 1970',
    token: () => tokenFor('ada', { ...EDITOR, expiresInS: -now() }),
    answer: 'auth-expired',
  },
  {
    number: 32,
    what: 'a token until the year 9999',
    token: () => tokenFor('ada', { ...EDITOR, expiresInS: 253_402_300_799 - now() }),
    answer: 'let in',
  },
  { number: 32, what: 'a token until 1e300', token: () => tokenFor('ada', { ...EDITOR, expiresInS: 1e300 }), answer: 'let in' },
  {
    number: 33,
    what: 'a token that is good from tomorrow',
    token: () => tokenFor('ada', { ...EDITOR, claims: { nbf: now() + DAY_S } }),
    answer: 'auth-invalid',
  },
]

const forgedCases: readonly TokenCase[] = [
  { number: 34, what: 'alg none', token: () => signed({ alg: 'none' }, goodClaims(), null), answer: 'auth-invalid' },
  {
    number: 34,
    what: 'alg none, with a signature',
    token: () => changed(([, claims, signature]) => [part({ alg: 'none' }), claims!, signature!]),
    answer: 'auth-invalid',
  },
  { number: 34, what: 'no signature', token: () => changed(([header, claims]) => [header!, claims!, '']), answer: 'auth-invalid' },
  { number: 34, what: 'a signature of another key', token: () => tokenFor('ada', { ...EDITOR, secret: WRONG }), answer: 'auth-invalid' },
  {
    number: 34,
    what: 'claims that were changed after they were signed',
    token: () => changed(([header, , signature]) => [header!, part(goodClaims()), signature!]),
    answer: 'auth-invalid',
  },
  {
    number: 34,
    what: 'a header that brings its own key',
    token: () => signed({ alg: 'HS256', jwk: { kty: 'oct', k: Buffer.from(WRONG).toString('base64url') } }, goodClaims(), WRONG),
    answer: 'auth-invalid',
  },
  {
    number: 34,
    what: 'a header that names a file and an address for its key',
    token: () => signed({ alg: 'HS256', kid: '../../../../dev/null', jku: 'http://127.0.0.1:9/keys' }, goodClaims(), WRONG),
    answer: 'auth-invalid',
  },
  {
    number: 34,
    what: 'an algorithm of another family',
    token: () => changed(([, claims, signature]) => [part({ alg: 'RS256' }), claims!, signature!]),
    answer: 'auth-invalid',
  },
]

const realmCases: readonly TokenCase[] = [
  {
    number: 35,
    what: 'a token for another audience',
    token: () => tokenFor('ada', { ...EDITOR, audience: 'another relay' }),
    answer: 'auth-invalid',
  },
  {
    number: 35,
    what: 'a token of another issuer',
    token: () => tokenFor('ada', { ...EDITOR, issuer: 'https://evil.example' }),
    answer: 'auth-invalid',
  },
  { number: 36, what: 'a text that is no token', token: () => 'rubbish', answer: 'auth-invalid' },
  { number: 36, what: 'two dots', token: () => '..', answer: 'auth-invalid' },
  { number: 36, what: 'random letters of 12 kB', token: () => randomBytes(9_000).toString('base64url'), answer: 'auth-invalid' },
]

const nameCases: readonly TokenCase[] = [
  {
    number: 41,
    what: 'the roles __proto__ and constructor',
    token: () => tokenFor('ada', { roles: ['__proto__', 'constructor', 'toString'] }),
    answer: 'access-denied',
  },
  {
    number: 41,
    what: 'roles that everybody has by what they are',
    token: () => tokenFor('ada', { roles: ['everyone', 'authenticated', 'anonymous'] }),
    answer: 'access-denied',
  },
  {
    number: 41,
    what: 'a claim __proto__ with roles',
    token: () => signedWith('{"__proto__":{"roles":["editor"]}}'),
    answer: 'access-denied',
  },
  {
    number: 41,
    what: 'roles that are an object',
    token: () => tokenFor('ada', { claims: { roles: { editor: true } } }),
    answer: 'auth-invalid',
  },
  {
    number: 41,
    what: 'a thousand roles',
    token: () => tokenFor('ada', { roles: Array.from({ length: 1_000 }, () => 'editor') }),
    answer: 'auth-invalid',
  },
  { number: 41, what: 'a subject of 600 bytes', token: () => tokenFor('s'.repeat(600), EDITOR), answer: 'auth-invalid' },
  { number: 41, what: 'a subject that is a star', token: () => tokenFor('**', { roles: ['owner'] }), answer: 'access-denied' },
  { number: 41, what: 'a subject with a slash', token: () => tokenFor('case/of', { roles: ['owner'] }), answer: 'access-denied' },
]

/** Claims with these besides, as they stand in the text. */
function signedWith(more: string): Promise<string> {
  return tokenFor('ada', { roles: [], claims: JSON.parse(more) as Record<string, unknown> })
}

export const tokenCases: readonly TokenCase[] = [...timeCases, ...forgedCases, ...realmCases, ...nameCases]

/** PEM of a public key, which anybody may know. */
export function freshPublicKey(): string {
  return generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()
}
