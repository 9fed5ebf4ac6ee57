// Identities from JSON Web Tokens. The algorithm is the relay's choice and never the token's: a shared secret means HS256, a public key the one algorithm that is
// configured for it, a key set the asymmetric ones listed. Time comes from the clock. Asked by doorman.ts. Rules: AC-6.

import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { decodeProtectedHeader, errors, importSPKI, importX509, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose'
import type { Claim, Identity } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'
import type { Authenticator } from './authenticator.ts'
import { claimAt } from './condition.ts'
import { identityOf } from './identity.ts'
import { JwksKeys } from './jwks-keys.ts'
import { outboundUrl } from './outbound-request.ts'

export const PUBLIC_KEY_ALGORITHMS = ['EdDSA', 'ES256', 'RS256', 'PS256'] as const
export type PublicKeyAlgorithm = (typeof PUBLIC_KEY_ALGORITHMS)[number]

export type JwtKey =
  /** HS256. At least 32 bytes; text is taken as UTF-8. */
  | { readonly secret: string | Uint8Array }
  /** PEM (a public key or a certificate), and the one algorithm that it is for. */
  | { readonly publicKey: string; readonly algorithm: PublicKeyAlgorithm }
  /** Address of a JWKS. Default algorithms: all four. */
  | {
      readonly jwksUrl: string
      readonly algorithms?: readonly PublicKeyAlgorithm[]
      readonly allowHttp?: boolean
      readonly timeoutMs?: number
    }

export interface JwtOptions {
  readonly key: JwtKey
  readonly clock: Clock
  /** Who must have issued the token (`iss`), and whom it must be for (`aud`): one of them is enough where several are given. Default: not looked at. */
  readonly issuer?: string | readonly string[]
  readonly audience?: string | readonly string[]
  /** How far the clocks of issuer and relay may differ, 0 to 60,000 ms; default 5,000. A token is good for that much longer. */
  readonly clockToleranceMs?: number
  /** Tokens older than this (by `iat`, then required) are refused, and connections with them end at that age. Default: only `exp` counts. */
  readonly maxAgeMs?: number
  /** Claims that hold the roles and the subject; `a.b` finds b within a. Defaults `roles`, `sub`. */
  readonly rolesClaim?: string
  readonly subjectClaim?: string
}

type Verify = (token: string, options: JWTVerifyOptions) => Promise<JWTPayload>

/** Throws "config-invalid" for a key or a number that cannot be used; fetches nothing yet. The authenticator rejects with "auth-invalid", "auth-expired" and, for key
 *  sets, "auth-unavailable". Cost: one verification, 20 to 200 us. */
export async function jwtAuthenticator(options: JwtOptions): Promise<Authenticator> {
  const { clock, clockToleranceMs = 5_000, maxAgeMs, rolesClaim = 'roles', subjectClaim = 'sub' } = options
  wholeWithin('clock tolerance', clockToleranceMs, ACCESS_LIMITS.clockToleranceMsMax)
  if (maxAgeMs !== undefined) wholeWithin('maximum age of tokens', maxAgeMs, Number.MAX_SAFE_INTEGER)
  const verify = await verifier(options.key, clock)
  const claims: JWTVerifyOptions = {
    requiredClaims: ['exp'],
    clockTolerance: clockToleranceMs / 1000,
    ...(options.issuer !== undefined && { issuer: listed(options.issuer) }),
    ...(options.audience !== undefined && { audience: listed(options.audience) }),
    ...(maxAgeMs !== undefined && { maxTokenAge: maxAgeMs / 1000 }),
  }
  return async ({ token }): Promise<Identity> => {
    if (token === null) throw new SynclineError('auth-required', 'There is no token.')
    const payload = await verify(token, { ...claims, currentDate: new Date(clock.wallMs()) }).catch((error: unknown) => {
      throw refusalOf(error)
    })
    const endsMs = Math.min(payload.exp! * 1000, maxAgeMs === undefined ? Infinity : payload.iat! * 1000 + maxAgeMs) + clockToleranceMs
    return identityOf({
      subject: named(payload, subjectClaim),
      roles: named(payload, rolesClaim),
      claims: payload,
      expiresAtMs: Math.floor(Math.min(endsMs, Number.MAX_SAFE_INTEGER)),
    })
  }
}

async function verifier(key: JwtKey, clock: Clock): Promise<Verify> {
  if ('secret' in key) {
    const secret = secretOf(key.secret)
    return async (token, options) => (await jwtVerify(token, secret, { ...options, algorithms: ['HS256'] })).payload
  }
  if ('publicKey' in key) {
    const read = key.publicKey.includes('-----BEGIN CERTIFICATE') ? importX509 : importSPKI
    const publicKey = await read(key.publicKey, key.algorithm).catch((cause: unknown) => {
      throw new SynclineError(
        'config-invalid',
        `The public key is no PEM for ${key.algorithm} ("BEGIN PUBLIC KEY" or "BEGIN CERTIFICATE").`,
        { cause },
      )
    })
    return async (token, options) => (await jwtVerify(token, publicKey, { ...options, algorithms: named25519([key.algorithm]) })).payload
  }
  const { timeoutMs = 5_000, algorithms = PUBLIC_KEY_ALGORITHMS } = key
  const keys = new JwksKeys({ url: outboundUrl('JWKS address', key.jwksUrl, key.allowHttp), clock, timeoutMs })
  const allowed = named25519(algorithms)
  return (token, options) => verifyWithSet(keys, token, { ...options, algorithms: allowed })
}

async function verifyWithSet(keys: JwksKeys, token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
  const header = decodeProtectedHeader(token)
  // Before the issuer is asked for anything: a token that it cannot have signed costs no request.
  if (header.alg === undefined || !options.algorithms!.includes(header.alg))
    throw new errors.JOSEAlgNotAllowed('its algorithm is not accepted')
  const [protectedPart = '', payload = '', signature = ''] = token.split('.')
  const candidates = await keys.keysFor({ ...header, alg: header.alg }, { protected: protectedPart, payload, signature })
  for (const [index, key] of candidates.entries()) {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed) || index === candidates.length - 1) throw error
    }
  }
  throw new errors.JWKSNoMatchingKey()
}

/** Bytes of a shared secret. Throws "config-invalid" when it is short, or a key that others may know. */
export function secretOf(secret: string | Uint8Array): Uint8Array {
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
  if (bytes.length < ACCESS_LIMITS.secretBytesMin)
    throw new SynclineError(
      'config-invalid',
      `The shared secret has ${bytes.length} bytes; HS256 needs ${ACCESS_LIMITS.secretBytesMin} or more.`,
    )
  if (new TextDecoder().decode(bytes).includes('-----BEGIN'))
    throw new SynclineError(
      'config-invalid',
      'The shared secret is a PEM file; a key pair is configured as a public key with its algorithm.',
    )
  return bytes
}

/** The secret in a file: its text without the line break at its end, so that `openssl rand -base64 32 > FILE` makes one. */
export function secretFromFile(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--
  return secretOf(new Uint8Array(bytes.subarray(0, end)))
}

/** RFC 9864 gives the one algorithm of Ed25519 keys a second name. */
function named25519(algorithms: readonly PublicKeyAlgorithm[]): string[] {
  return algorithms.flatMap((name) => (name === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [name]))
}

/** A claim by its whole name, else by the parts of a dotted one. */
function named(payload: JWTPayload, name: string): unknown {
  return Object.hasOwn(payload, name) ? payload[name] : claimAt(payload as Claim, name.split('.'))
}

function refusalOf(error: unknown): SynclineError {
  if (error instanceof SynclineError) return error
  if (error instanceof errors.JWTExpired) return new SynclineError('auth-expired', 'The token has expired.')
  // The words of jose name claims, never their values.
  const words = error instanceof errors.JOSEError ? error.message : 'it is no JSON Web Token, or none for the key of this relay'
  return new SynclineError('auth-invalid', `The token is not accepted: ${words}.`)
}

function listed(values: string | readonly string[]): string[] {
  return typeof values === 'string' ? [values] : [...values]
}

function wholeWithin(name: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max)
    throw new SynclineError('config-invalid', `The ${name} is ${value} ms; it takes whole milliseconds from 0 to ${max}.`)
}
