// Asks the application for tokens: one question at a time, bounded in time, and an answer to an older question is not heard. Also when to ask for the next one.
// Used by dial.ts. Rule: AD-4.

import type { Clock } from '../clock.ts'
import type { TokenReason } from '../token-reason.ts'

export type TokenSource = (reason: TokenReason) => string | Promise<string>

/** Whoever gives tokens may ask a person first; a dial does not wait for ever. */
const ANSWER_WITHIN_MS = 60_000
/** Of the time that a token has left when it is given: a part of it remains for asking, sending and checking the next one. */
const RENEW_AT = 0.8
const TIMER_MS_MAX = 2 ** 31 - 1

export class TokenAsker {
  readonly #source: TokenSource
  readonly #clock: Clock
  #questions = 0
  #stopWaiting: () => void = () => undefined

  constructor(source: TokenSource, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  /** Calls `told` once, in a later turn, unless another question or cancel() comes first. A string: the token. An error: why there is none. */
  ask(reason: TokenReason, told: (token: string | Error) => void): void {
    this.cancel()
    const question = this.#questions
    const tell = (token: string | Error): void => {
      if (question !== this.#questions) return
      this.cancel()
      told(token)
    }
    this.#stopWaiting = this.#clock.after(ANSWER_WITHIN_MS, () => tell(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)))
    // The application's code: it may throw as well as reject.
    void new Promise<string>((resolve) => resolve(this.#source(reason))).then(tell, (error: unknown) =>
      tell(error instanceof Error ? error : new Error(String(error))),
    )
  }

  cancel(): void {
    this.#questions++
    this.#stopWaiting()
  }
}

/** When to ask for the next token: before this one expires. Null for one that does not say when it does: only a JSON Web Token says it. `nowMs`: since 1970. */
export function renewAfterMs(token: string, nowMs: number): number | null {
  const expiresAtMs = expiryOf(token)
  if (expiresAtMs === null) return null
  return Math.min(Math.max(0, (expiresAtMs - nowMs) * RENEW_AT), TIMER_MS_MAX)
}

/** Of a JSON Web Token, unverified: it only says when to ask again. */
function expiryOf(token: string): number | null {
  const payload = token.split('.')[1]
  if (payload === undefined) return null
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown }
    return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : null
  } catch {
    return null
  }
}
