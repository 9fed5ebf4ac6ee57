// When to dial again, as a pure step: full jitter for what passes, a slow pace for peers that misbehave, an end for what dialling cannot cure, and
// patience when another link to the same peer stayed. Read by dial.ts. Rules: LK-5, LK-6.

import { LIMITS, type ErrorCode } from '@syncline/protocol'

export interface Backoff {
  /** Bound of the first delay; it doubles with every attempt. */
  readonly firstMs: number
  readonly maxMs: number
  /** A link that was live for this long starts the doubling anew. */
  readonly resetAfterMs: number
}

export const DEFAULT_BACKOFF: Backoff = { firstMs: LIMITS.backoffFirstMs, maxMs: LIMITS.backoffMaxMs, resetAfterMs: 5_000 }

export type Redial =
  | { readonly kind: 'after'; readonly ms: number }
  /** Another link to this peer took over: dial when that one is gone. Look again after `ms` in any case. */
  | { readonly kind: 'when-unlinked'; readonly ms: number }
  | { readonly kind: 'stop' }

/** The address or the versions are wrong: the same dial cannot succeed. */
const STOPS: ReadonlySet<ErrorCode> = new Set(['self-link', 'protocol-mismatch', 'space-unknown'])
/** One side sends what the other cannot read. An upgrade of either cures it, and nothing else: no reason to hurry. */
const SLOW: ReadonlySet<ErrorCode> = new Set([
  'message-malformed',
  'message-unexpected',
  'frame-too-large',
  'hello-expected',
  'duplicate-replica',
  // The next token, or the next policy, may be another one.
  'auth-required',
  'auth-invalid',
  'access-denied',
])

/** What follows the end of an attempt. `attempt`: how many ended since a link last stayed live, from 0. `chance`: uniform in [0, 1). */
export function redialAfter(code: ErrorCode | null, attempt: number, backoff: Backoff, chance: number): Redial {
  if (code !== null && STOPS.has(code)) return { kind: 'stop' }
  if (code === 'link-replaced') return { kind: 'when-unlinked', ms: backoff.maxMs }
  if (code !== null && SLOW.has(code)) return { kind: 'after', ms: backoff.maxMs * (0.5 + chance / 2) }
  return { kind: 'after', ms: chance * Math.min(backoff.maxMs, backoff.firstMs * 2 ** attempt) }
}

/** Uniform in [0, 1), from 4 random bytes. */
export function chanceOf(random: (length: number) => Uint8Array): number {
  const [a, b, c, d] = random(4)
  return (a! * 2 ** 24 + b! * 2 ** 16 + c! * 2 ** 8 + d!) / 2 ** 32
}
