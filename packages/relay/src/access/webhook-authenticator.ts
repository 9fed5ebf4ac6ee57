// Identities from an HTTP service of the operator: it gets what a connection brought and says who that is. Good answers are remembered for a minute, so that an
// office that reconnects does not stampede it; refusals are not. Asked by doorman.ts. Rules: AC-6.

import { createHash } from 'node:crypto'
import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { z } from 'zod'
import type { Credentials, Identity } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'
import type { Authenticator } from './authenticator.ts'
import { identityOf } from './identity.ts'
import { outboundUrl, request, type Outcome } from './outbound-request.ts'

export interface WebhookOptions {
  /** https, or http on this machine. */
  readonly url: string
  readonly clock: Clock
  /** All attempts of one question; default 5,000. */
  readonly timeoutMs?: number
  /** Sent with each question, such as `authorization`: by it the service knows the relay. */
  readonly headers?: Readonly<Record<string, string>>
  /** Lets tokens travel unencrypted to other machines. Default false. */
  readonly allowHttp?: boolean
}

const answerSchema = z.object({
  subject: z.string(),
  roles: z.array(z.string()).optional(),
  claims: z.record(z.string(), z.json()).optional(),
  expiresAtMs: z.number().int().nullable().optional(),
})

/** POSTs {token, door, space, address} and takes 200 {subject, roles?, claims?, expiresAtMs?}, or 401 or 403. Throws "config-invalid"; the authenticator rejects with
 *  "auth-invalid" (401, 403), "auth-expired", and "auth-unavailable" for everything else, in bounded time. */
export function webhookAuthenticator(options: WebhookOptions): Authenticator {
  const webhook = new Webhook(options)
  return (credentials) => webhook.identify(credentials)
}

class Webhook {
  readonly #options: WebhookOptions
  readonly #url: URL
  readonly #timeoutMs: number
  /** Good answers by digest of the question; the oldest stands first. */
  readonly #known = new Map<string, { readonly identity: Identity; readonly untilMs: number }>()
  readonly #asking = new Map<string, Promise<Identity>>()
  #underWay = 0
  /** Questions that wait for their turn. */
  readonly #waiting: (() => void)[] = []

  constructor(options: WebhookOptions) {
    this.#options = options
    this.#url = outboundUrl('webhook address', options.url, options.allowHttp)
    this.#timeoutMs = options.timeoutMs ?? 5_000
    if (!Number.isSafeInteger(this.#timeoutMs) || this.#timeoutMs < 1 || this.#timeoutMs > ACCESS_LIMITS.authenticateMsMax)
      throw new SynclineError(
        'config-invalid',
        `The webhook's time limit is ${this.#timeoutMs} ms; it takes 1 to ${ACCESS_LIMITS.authenticateMsMax}.`,
      )
  }

  async identify({ token, door, space, address }: Credentials): Promise<Identity> {
    const body = JSON.stringify({ token, door, space, address })
    // By the whole question and not by the token alone: the service may answer by door, space or address. Tokens themselves are not kept.
    const key = createHash('sha256').update(body).digest('base64')
    const known = this.#known.get(key)
    const { clock } = this.#options
    if (known !== undefined && clock.now() < known.untilMs && !expired(known.identity, clock)) return known.identity
    this.#known.delete(key)
    const asking = this.#asking.get(key)
    if (asking !== undefined) return asking
    const answer = this.#ask(body).finally(() => this.#asking.delete(key))
    this.#asking.set(key, answer)
    const identity = await answer
    this.#remember(key, identity)
    return identity
  }

  #remember(key: string, identity: Identity): void {
    if (this.#known.size >= ACCESS_LIMITS.webhookCacheMax) for (const oldest of this.#known.keys()) if (this.#known.delete(oldest)) break
    this.#known.set(key, { identity, untilMs: this.#options.clock.now() + ACCESS_LIMITS.webhookCacheMs })
  }

  /** Asks in its turn: an office that comes at once is no reason to open a connection each. */
  async #ask(body: string): Promise<Identity> {
    const deadlineMs = this.#options.clock.now() + this.#timeoutMs
    if (this.#underWay === ACCESS_LIMITS.webhookAskingMax) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#underWay++
    try {
      return identityFrom(await this.#answer(body, deadlineMs))
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay--
      else next()
    }
  }

  async #answer(body: string, deadlineMs: number): Promise<Outcome> {
    const { clock, headers = {} } = this.#options
    let outcome: Outcome = { kind: 'unreachable', words: 'too many questions were before this one' }
    for (let attempt = 0, pauseMs: number = ACCESS_LIMITS.webhookRetryMs; attempt < ACCESS_LIMITS.webhookAttemptsMax; attempt++) {
      const leftMs = deadlineMs - clock.now()
      // Timers count whole milliseconds.
      if (leftMs < 1) break
      outcome = await request({
        url: this.#url,
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
        body,
        timeoutMs: leftMs,
        clock,
      })
      if (outcome.kind !== 'unreachable' || attempt === ACCESS_LIMITS.webhookAttemptsMax - 1 || deadlineMs - clock.now() <= pauseMs) break
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
      pauseMs *= 2
    }
    return outcome
  }
}

function identityFrom(outcome: Outcome): Identity {
  if (outcome.kind !== 'answer') throw unavailable(outcome.words)
  if (outcome.status === 401 || outcome.status === 403)
    throw new SynclineError('auth-invalid', `The token is not accepted: the webhook answered ${outcome.status}.`)
  if (outcome.status !== 200) throw unavailable(`it answered ${outcome.status}`)
  const answer = answerSchema.safeParse(parsed(outcome.text))
  if (!answer.success) throw unavailable('its answer is no identity')
  try {
    return identityOf(answer.data)
  } catch (error) {
    throw unavailable(`its answer is no identity: ${error instanceof Error ? error.message : ''}`)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unavailable(words: string): SynclineError {
  return new SynclineError('auth-unavailable', `The webhook cannot say who this is: ${words}.`)
}

function expired({ expiresAtMs }: Identity, clock: Clock): boolean {
  return expiresAtMs !== null && clock.wallMs() >= expiresAtMs
}
