// Why whoever gives tokens is asked for one. Read by ws/dial.ts, and by the `auth` option of the client. Rule: AD-4.

import type { ErrorCode } from '@syncline/protocol'

const refusals = ['auth-required', 'auth-invalid', 'auth-expired', 'auth-revoked', 'access-denied'] as const satisfies readonly ErrorCode[]

/** The first attempt, one more, the last token is about to expire, or the code with which the peer refused it. */
export type TokenReason = 'connect' | 'reconnect' | 'renew' | (typeof refusals)[number]

/** After an attempt that ended with this code. */
export function tokenReasonOf(code: ErrorCode | null): TokenReason {
  return refusals.find((refusal) => refusal === code) ?? 'reconnect'
}
