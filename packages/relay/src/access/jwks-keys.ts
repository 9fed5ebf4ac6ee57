// The public keys of an issuer, fetched from its JWKS address and kept: fresh ones are used without asking, an unknown key id asks again (keys rotate), and while the
// issuer does not answer the known keys go on for a day. Asked at most once per pause, whatever arrives. Read by jwt-authenticator.ts. Rules: AC-6.

import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { createLocalJWKSet, errors, type FlattenedJWSInput, type JSONWebKeySet, type JWTHeaderParameters } from 'jose'
import { ACCESS_LIMITS } from './access-limits.ts'
import { request } from './outbound-request.ts'

type Lookup = ReturnType<typeof createLocalJWKSet>
type Key = Awaited<ReturnType<Lookup>>

export interface JwksOptions {
  readonly url: URL
  readonly clock: Clock
  readonly timeoutMs: number
}

export class JwksKeys {
  readonly #options: JwksOptions
  #lookup: Lookup | null = null
  /** Key sets had so far. */
  #fetches = 0
  #fetchedMs = -Infinity
  #askedMs = -Infinity
  #failure = ''
  #fetching: Promise<void> | null = null

  constructor(options: JwksOptions) {
    this.#options = options
  }

  /** The keys that may have signed this token, the named one first. Rejects with "auth-unavailable" when keys are needed and cannot be had now, and "auth-invalid"
   *  when the issuer has no such key. */
  async keysFor(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<readonly Key[]> {
    const before = this.#fetches
    const age = this.#options.clock.now() - this.#fetchedMs
    if (age > ACCESS_LIMITS.jwksStaleMsMax) await this.#fetch()
    // Nobody waits for this one: the keys at hand are good meanwhile.
    else if (age > ACCESS_LIMITS.jwksRefreshMs) void this.#fetch()
    const known = await this.#find(header, token)
    if (known.length > 0) return known
    await this.#fetch()
    const found = await this.#find(header, token)
    if (found.length > 0) return found
    // What is known is older than the question: the key may be new, so no is not the final answer.
    if (this.#fetches === before) throw this.#unavailable('The key of the token is not known yet')
    throw new SynclineError('auth-invalid', 'The issuer has no key that the token can be signed with.')
  }

  async #find(header: JWTHeaderParameters, token: FlattenedJWSInput): Promise<Key[]> {
    if (this.#lookup === null || this.#options.clock.now() - this.#fetchedMs > ACCESS_LIMITS.jwksStaleMsMax)
      throw this.#unavailable('The keys of the issuer are not known')
    try {
      return [await this.#lookup(header, token)]
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) return await several(error)
      if (error instanceof errors.JWKSNoMatchingKey) return []
      throw error
    }
  }

  #unavailable(what: string): SynclineError {
    return new SynclineError('auth-unavailable', `${what}${this.#failure === '' ? '' : `; asked for them, ${this.#failure}`}.`)
  }

  /** Asks, unless it was asked within the pause. One question at a time. */
  #fetch(): Promise<void> {
    if (this.#fetching !== null) return this.#fetching
    if (this.#options.clock.now() - this.#askedMs < ACCESS_LIMITS.jwksPauseMs) return Promise.resolve()
    this.#askedMs = this.#options.clock.now()
    return (this.#fetching = this.#ask().finally(() => (this.#fetching = null)))
  }

  async #ask(): Promise<void> {
    const outcome = await request({ ...this.#options, method: 'GET', headers: { accept: 'application/jwk-set+json, application/json' } })
    if (outcome.kind !== 'answer') this.#failure = outcome.words
    else if (outcome.status !== 200) this.#failure = `it answered ${outcome.status}`
    else {
      try {
        this.#lookup = createLocalJWKSet(JSON.parse(outcome.text) as JSONWebKeySet)
        this.#fetches++
        this.#fetchedMs = this.#options.clock.now()
        this.#failure = ''
      } catch {
        this.#failure = 'its answer is no key set'
      }
    }
  }
}

async function several(error: AsyncIterable<Key>): Promise<Key[]> {
  const keys: Key[] = []
  for await (const key of error) if (keys.push(key) === ACCESS_LIMITS.jwksTriesMax) break
  return keys
}
