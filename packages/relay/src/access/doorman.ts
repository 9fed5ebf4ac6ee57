// The doorman of a relay that knows its people: asks the authenticator who comes, gives out passes, and keeps them true while the policy changes, tokens run out and
// access is revoked. One sweep serves all expiries; what changes is told to the doors in later turns, some at a time. Asked by every door through access.ts.
// Rules: AC-4, AU-1.

import { LIMITS, SynclineError, type DocId, type Scope } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { Action, Credentials, Doorman, Identity, Pass } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'
import type { Authenticator } from './authenticator.ts'
import { DecisionMemory } from './decision-memory.ts'
import { ANONYMOUS, identityOf } from './identity.ts'
import { decisionsOf, type Decider, type Policy } from './policy.ts'

export interface DoormanOptions {
  readonly authenticator: Authenticator
  readonly policy: Policy | Decider
  readonly clock: Clock
  /** True: a connection without a token is let in as nobody in particular, and the policy decides what it may do. */
  readonly anonymous: boolean
}

export interface PolicyDoorman extends Doorman {
  readonly authenticates: true
  /** Live passes. */
  readonly size: number
  /** Answers follow this policy from the next question on; listeners of all live passes are called in later turns. */
  setPolicy(policy: Policy | Decider): void
  /** Later admissions and renewals ask this one: a changed key. Live passes stay as they are. */
  setAuthenticator(authenticator: Authenticator): void
  /** Ends the live passes that `chosen` holds for ("auth-revoked") and says how many. It forbids nothing: whoever still has a good token is admitted again, unless the
   *  policy or the issuer says no. */
  revoke(chosen: (identity: Identity) => boolean): number
  /** Ends all passes ("auth-unavailable" for whoever comes later). Idempotent. */
  close(): void
}

export function createDoorman(options: DoormanOptions): PolicyDoorman {
  return new PolicyKeeper(options)
}

class PolicyKeeper implements PolicyDoorman {
  readonly authenticates = true
  readonly clock: Clock
  readonly #anonymous: boolean
  readonly #passes = new Set<LivePass>()
  #authenticator: Authenticator
  #decider: Decider
  #closed = false
  /** No pass ends earlier. */
  #firstEndMs = Infinity
  #stopSweep: (() => void) | null = null
  readonly #toNotify = new Set<LivePass>()
  #notifying = false

  constructor({ authenticator, policy, clock, anonymous }: DoormanOptions) {
    this.clock = clock
    this.#anonymous = anonymous
    this.#authenticator = authenticator
    this.#decider = deciderOf(policy)
  }

  get size(): number {
    return this.#passes.size
  }

  async admit(credentials: Credentials): Promise<Pass> {
    const identity = await this.identify(credentials)
    const pass = new LivePass(this, credentials, identity, this.#decider)
    this.#passes.add(pass)
    this.watchExpiry(identity)
    return pass
  }

  setPolicy(policy: Policy | Decider): void {
    this.#decider = deciderOf(policy)
    for (const pass of this.#passes) {
      pass.decideBy(this.#decider)
      this.notifyLater(pass)
    }
  }

  setAuthenticator(authenticator: Authenticator): void {
    this.#authenticator = authenticator
  }

  revoke(chosen: (identity: Identity) => boolean): number {
    const ended = [...this.#passes].filter((pass) => chosen(pass.identity))
    for (const pass of ended) pass.end(new SynclineError('auth-revoked', 'The access of this connection was revoked.'))
    return ended.length
  }

  close(): void {
    this.#closed = true
    for (const pass of this.#passes) pass.end(new SynclineError('auth-unavailable', 'The relay is closing.'))
  }

  /** Who this is, now. Rejects with what admit rejects with. */
  async identify(credentials: Credentials): Promise<Identity> {
    const { token } = credentials
    if (this.#closed) throw new SynclineError('auth-unavailable', 'The relay is closing.')
    if (token === null) {
      if (this.#anonymous) return ANONYMOUS
      throw new SynclineError('auth-required', 'The connection brought no token.')
    }
    if (Buffer.byteLength(token) > LIMITS.authBytesMax)
      throw new SynclineError('auth-invalid', `The token is longer than ${LIMITS.authBytesMax} bytes.`)
    const identity = await this.#asked(credentials)
    if (this.#closed) throw new SynclineError('auth-unavailable', 'The relay is closing.')
    if (hasEnded(identity, this.clock)) throw expiry()
    return identity
  }

  /** The authenticator's answer, in bounded time and only with codes that admit promises. */
  async #asked(credentials: Credentials): Promise<Identity> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const cancel = this.clock.after(ACCESS_LIMITS.authenticateMsMax, () =>
      reject(new SynclineError('auth-unavailable', `The token was not verified within ${ACCESS_LIMITS.authenticateMsMax} ms.`)),
    )
    try {
      const answer = await Promise.race([(async () => this.#authenticator(credentials))(), late])
      if (answer === null) throw new SynclineError('auth-invalid', 'The token is not accepted.')
      return identityOf(answer)
    } catch (error) {
      if (error instanceof SynclineError && error.code.startsWith('auth-')) throw error
      throw new SynclineError('auth-unavailable', 'The token could not be verified.', { cause: error })
    } finally {
      cancel()
    }
  }

  get decider(): Decider {
    return this.#decider
  }

  /** Sees to it that a pass of this identity ends within 1 s of its time. */
  watchExpiry({ expiresAtMs }: Identity): void {
    if (expiresAtMs === null) return
    this.#firstEndMs = Math.min(this.#firstEndMs, expiresAtMs)
    // A sweep and not a timer each: it costs one comparison, and follows a wall clock that is set or a machine that slept.
    this.#stopSweep ??= this.clock.every(ACCESS_LIMITS.expirySweepMs, () => this.#sweep())
  }

  #sweep(): void {
    if (this.clock.wallMs() < this.#firstEndMs) return
    this.#firstEndMs = Infinity
    for (const pass of this.#passes) {
      const { expiresAtMs } = pass.identity
      if (hasEnded(pass.identity, this.clock)) pass.end(expiry())
      else if (expiresAtMs !== null) this.#firstEndMs = Math.min(this.#firstEndMs, expiresAtMs)
    }
    if (this.#firstEndMs === Infinity) this.#restSweep()
  }

  #restSweep(): void {
    this.#stopSweep?.()
    this.#stopSweep = null
    this.#firstEndMs = Infinity
  }

  forget(pass: LivePass): void {
    this.#passes.delete(pass)
    if (this.#passes.size === 0) this.#restSweep()
  }

  /** Calls the listeners of a pass in a later turn; several reasons make one call. */
  notifyLater(pass: LivePass): void {
    this.#toNotify.add(pass)
    if (this.#notifying) return
    this.#notifying = true
    this.clock.soon(() => this.#notify())
  }

  #notify(): void {
    let left: number = ACCESS_LIMITS.noticesPerTurnMax
    for (const pass of this.#toNotify) {
      if (left-- === 0) return this.clock.soon(() => this.#notify())
      this.#toNotify.delete(pass)
      pass.notify()
    }
    this.#notifying = false
  }
}

class LivePass implements Pass {
  readonly #keeper: PolicyKeeper
  readonly #credentials: Credentials
  readonly #listeners = new Set<() => void>()
  #identity: Identity
  #memory: DecisionMemory
  #ended: SynclineError | null = null
  #dropped = false
  /** Renewals begun, and the one whose token is in force: an older one that is answered late changes nothing. */
  #renewals = 0
  #renewal = 0

  constructor(keeper: PolicyKeeper, credentials: Credentials, identity: Identity, decider: Decider) {
    this.#keeper = keeper
    this.#credentials = { ...credentials, token: null }
    this.#identity = identity
    this.#memory = new DecisionMemory(decider, identity, credentials.space)
  }

  get identity(): Identity {
    return this.#identity
  }

  get ended(): SynclineError | null {
    if (this.#ended === null && !this.#dropped && hasEnded(this.#identity, this.#keeper.clock)) this.end(expiry())
    return this.#ended
  }

  may(action: Action, doc: DocId): boolean {
    return this.ended === null && !this.#dropped && this.#memory.may(action, doc)
  }

  reaches(action: Action): boolean {
    return this.ended === null && !this.#dropped && this.#memory.reaches(action)
  }

  mayAll(action: Action, scope: Scope): boolean {
    return this.ended === null && !this.#dropped && this.#memory.mayAll(action, scope)
  }

  async renew(token: string): Promise<void> {
    const renewal = ++this.#renewals
    const identity = await this.#keeper.identify({ ...this.#credentials, token })
    if (this.ended !== null) throw this.ended
    if (identity.subject !== this.#identity.subject)
      throw new SynclineError('auth-invalid', 'The newer token is for another subject than the connection.')
    if (this.#dropped || renewal < this.#renewal) return
    this.#renewal = renewal
    this.#identity = identity
    this.#keeper.watchExpiry(identity)
    this.decideBy(this.#keeper.decider)
    this.#keeper.notifyLater(this)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    // Whoever comes to listen after the end hears of it too.
    if (this.ended !== null) this.#keeper.notifyLater(this)
    return () => void this.#listeners.delete(listener)
  }

  drop(): void {
    this.#dropped = true
    this.#listeners.clear()
    this.#keeper.forget(this)
  }

  /** Forgets what was decided and decides by this from now on. */
  decideBy(decider: Decider): void {
    this.#memory = new DecisionMemory(decider, this.#identity, this.#credentials.space)
  }

  end(why: SynclineError): void {
    if (this.#ended !== null || this.#dropped) return
    this.#ended = why
    this.#keeper.forget(this)
    this.#keeper.notifyLater(this)
  }

  notify(): void {
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener()
  }
}

function deciderOf(policy: Policy | Decider): Decider {
  return typeof policy === 'function' ? policy : (identity) => decisionsOf(policy, identity)
}

function hasEnded({ expiresAtMs }: Identity, clock: Clock): boolean {
  return expiresAtMs !== null && clock.wallMs() >= expiresAtMs
}

function expiry(): SynclineError {
  return new SynclineError('auth-expired', 'The token has expired.')
}
