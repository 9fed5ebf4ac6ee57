// Tokens that this relay hands out for y-sweet's "get client token": an application's server shows its own token and gets one for a browser, good for one document
// and a while, and never for more than the server itself may at that moment. Kept in memory: after a restart the clients ask their server again, as
// y-sweet's client does by itself. Other tokens, and other doors, go to the doorman behind. Rules: YS-5, AC-1, AC-5.

import { SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { Action, Credentials, Doorman, Identity, Pass } from '../access/access.ts'

export interface GrantRequest {
  /** Of who asks for it. The grant ends with it, and drops it when it ends. */
  readonly parent: Pass
  readonly space: SpaceId
  readonly doc: DocId
  readonly readOnly: boolean
  /** Who it is for, where the application's server says so. */
  readonly subject: string | null
  readonly validForMs: number
}

interface Grant extends GrantRequest {
  readonly endsAtMs: number
  readonly identity: Identity
  /** Where the application's server does not say who it is for, whoever holds the token is one person: limits count by token. */
  readonly account: string
  readonly cancel: () => void
  readonly listeners: Set<() => void>
}

const PREFIX = 'ysg_'

export class Grants implements Doorman {
  private readonly doorman: Doorman
  private readonly clock: Clock
  private readonly grantsMax: number
  private readonly randomText: () => string
  private readonly byToken = new Map<string, Grant>()
  private issued = 0

  /** `randomText`: 128 bits or more, unguessable. Above `grantsMax` the oldest grant ends. */
  constructor(doorman: Doorman, clock: Clock, grantsMax: number, randomText: () => string) {
    this.doorman = doorman
    this.clock = clock
    this.grantsMax = grantsMax
    this.randomText = randomText
  }

  get authenticates(): boolean {
    return this.doorman.authenticates
  }

  issue(request: GrantRequest): string {
    const token = PREFIX + this.randomText()
    const identity: Identity = {
      subject: request.subject,
      roles: [],
      claims: {},
      expiresAtMs: this.clock.wallMs() + request.validForMs,
    }
    const cancel = this.clock.after(request.validForMs, () => this.end(token))
    // No subject has a control character in it.
    const account = `\0y-sweet ${++this.issued}`
    const endsAtMs = this.clock.now() + request.validForMs
    this.byToken.set(token, { ...request, identity, account, endsAtMs, cancel, listeners: new Set() })
    if (this.byToken.size > this.grantsMax) this.end(this.byToken.keys().next().value!)
    return token
  }

  admit(credentials: Credentials): Promise<Pass> {
    const { token, door, space } = credentials
    if (door !== 'y-sweet' || token === null || !token.startsWith(PREFIX)) return this.doorman.admit(credentials)
    const grant = this.byToken.get(token)
    // A token of another space is none here.
    if (grant === undefined || grant.space !== space)
      return Promise.reject(new SynclineError('auth-expired', 'This token is not good any more.'))
    return Promise.resolve(new GrantedPass(grant, () => this.byToken.get(token) === grant))
  }

  /** The relay closes: nobody is told. */
  close(): void {
    for (const grant of this.byToken.values()) {
      grant.cancel()
      grant.parent.drop()
    }
    this.byToken.clear()
  }

  private end(token: string): void {
    const grant = this.byToken.get(token)
    if (grant === undefined) return
    this.byToken.delete(token)
    grant.cancel()
    grant.parent.drop()
    for (const listener of [...grant.listeners]) listener()
  }
}

/** What somebody with the token may do. */
class GrantedPass implements Pass {
  readonly identity: Identity
  readonly account: string
  private readonly grant: Grant
  private readonly isGood: () => boolean
  private readonly unfollow = new Set<() => void>()

  constructor(grant: Grant, isGood: () => boolean) {
    this.grant = grant
    this.isGood = isGood
    this.identity = grant.identity
    this.account = grant.account
  }

  get ended(): SynclineError | null {
    if (!this.isGood()) return new SynclineError('auth-expired', 'The token has expired.')
    return this.grant.parent.ended
  }

  may(action: Action, doc: DocId): boolean {
    const { grant } = this
    if (doc !== grant.doc || !this.isGood() || action === 'admin' || action === 'delete') return false
    if (grant.readOnly && (action === 'write' || action === 'create')) return false
    return grant.parent.may(action, doc)
  }

  reaches(action: Action): boolean {
    return this.may(action, this.grant.doc)
  }

  renew(): Promise<void> {
    return Promise.reject(new SynclineError('auth-invalid', 'Such a token is not renewed: connect with a new one.'))
  }

  onChange(listener: () => void): () => void {
    const { listeners, parent } = this.grant
    const stopParent = parent.onChange(listener)
    listeners.add(listener)
    const stop = (): void => {
      listeners.delete(listener)
      stopParent()
      this.unfollow.delete(stop)
    }
    this.unfollow.add(stop)
    return stop
  }

  drop(): void {
    for (const stop of [...this.unfollow]) stop()
  }
}
