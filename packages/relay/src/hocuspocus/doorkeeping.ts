// The tokens of one document of one Hocuspocus connection: one admission or renewal at a time, the newest token wins, and when the provider is asked for another.
// Decides nothing about what a pass allows. Used by document.ts. Rules: HP-2, HP-6, HP-7, AC-5.

import { SynclineError } from '@syncline/protocol'
import type { Pass } from '../access/access.ts'
import type { RelayLimits } from '../relay-limits.ts'
import type { Visit } from '../visit.ts'

/** Somebody is in. */
export interface Stay {
  readonly pass: Pass
  readonly visit: Visit
  /** Ends both. Idempotent. */
  end(): void
}

export interface DoorkeepingHost {
  readonly limits: RelayLimits
  now(): number
  /** Milliseconds since 1970. */
  wallMs(): number
  enter(token: string | null): Promise<Stay>
  /** An admission begins (1) or is over (-1). */
  asking(admissions: 1 | -1): void
}

export interface DoorkeepingEvents {
  /** The pass in force: to be renewed by the next token. Null: none. */
  present(): Pass | null
  admitted(stay: Stay): void
  denied(error: SynclineError): void
  renewed(pass: Pass): void
  /** The old token stays good. */
  notRenewed(pass: Pass, error: SynclineError): void
}

export class Doorkeeping {
  private readonly host: DoorkeepingHost
  private readonly events: DoorkeepingEvents
  private admitting = false
  private renewing = false
  /** Came while another was looked at. */
  private next: { readonly token: string | null } | null = null
  private askedAtMs = -Infinity
  /** Nobody could verify the last token: it is asked for again. */
  private unverified = false
  /** Expiry for which a new token was asked already. */
  private renewalAskedForMs: number | null = null
  private ended = false

  constructor(host: DoorkeepingHost, events: DoorkeepingEvents) {
    this.host = host
    this.events = events
  }

  /** Whoever sent the messages that come is being looked at. */
  get asking(): boolean {
    return this.admitting
  }

  token(token: string | null): void {
    const pass = this.events.present()
    if (this.admitting || this.renewing) this.next = { token }
    else if (pass === null) void this.admit(token)
    else if (token === null) this.events.renewed(pass)
    else void this.renew(pass, token)
  }

  turnedAway(error: SynclineError): void {
    this.unverified = error.retry === 'later'
    // Whoever is denied hears so first, and is asked for another token only after a while.
    this.askedAtMs = this.host.now()
  }

  /** Calls `ask` unless that was done a short while ago. */
  askAgain(ask: () => void): void {
    if (this.admitting || this.host.now() - this.askedAtMs < this.host.limits.hocuspocusTokenAskEveryMs) return
    this.askNow(ask)
  }

  askNow(ask: () => void): void {
    this.askedAtMs = this.host.now()
    ask()
  }

  beat(ask: () => void): void {
    const pass = this.events.present()
    if (pass === null) {
      if (this.unverified) this.askAgain(ask)
      return
    }
    const { expiresAtMs } = pass.identity
    if (expiresAtMs === null || expiresAtMs === this.renewalAskedForMs || this.renewing) return
    if (expiresAtMs - this.host.wallMs() > this.host.limits.hocuspocusRenewBeforeMs) return
    this.renewalAskedForMs = expiresAtMs
    this.askNow(ask)
  }

  end(): void {
    this.ended = true
    this.next = null
  }

  private async admit(token: string | null): Promise<void> {
    this.admitting = true
    this.host.asking(1)
    const found = await outcomeOf(this.host.enter(token))
    this.admitting = false
    if (this.ended) {
      if ('value' in found) found.value.end()
    } else if ('error' in found) {
      this.events.denied(found.error)
    } else {
      this.unverified = false
      this.events.admitted(found.value)
    }
    this.host.asking(-1)
    this.goOn()
  }

  private async renew(pass: Pass, token: string): Promise<void> {
    this.renewing = true
    const found = await outcomeOf(pass.renew(token))
    this.renewing = false
    if (this.ended) return
    if ('error' in found) this.events.notRenewed(pass, found.error)
    else this.events.renewed(pass)
    this.goOn()
  }

  private goOn(): void {
    const { next } = this
    this.next = null
    if (next !== null && !this.ended) this.token(next.token)
  }
}

/** A rejection that is no SynclineError is a bug, and is thrown. */
async function outcomeOf<T>(promise: Promise<T>): Promise<{ readonly value: T } | { readonly error: SynclineError }> {
  try {
    return { value: await promise }
  } catch (error) {
    if (error instanceof SynclineError) return { error }
    throw error
  }
}
