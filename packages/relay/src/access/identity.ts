// An identity as an authenticator gives it, checked and made unchangeable: after this file nobody checks again. A token whose roles cannot be read is refused, not
// stripped of them: a lost role could be one that denies. Read by the authenticators and the doorman. Rules: AC-4.

import { SynclineError } from '@syncline/protocol'
import type { Claim, Identity } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'

export interface IdentityParts {
  readonly subject: unknown
  readonly roles?: unknown
  readonly claims?: unknown
  readonly expiresAtMs?: unknown
}

export const ANONYMOUS: Identity = Object.freeze({ subject: null, roles: [], claims: {}, expiresAtMs: null })

/** Throws "auth-invalid". `roles`: a list of texts, or one text of words between blanks. */
export function identityOf(parts: IdentityParts): Identity {
  const { subject, claims = {}, expiresAtMs = null } = parts
  if (!isSubject(subject)) throw invalid(`its subject is no text of 1 to ${ACCESS_LIMITS.subjectBytesMax} bytes without control characters`)
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw invalid('its claims are no object')
  if (expiresAtMs !== null && !(Number.isSafeInteger(expiresAtMs) && (expiresAtMs as number) >= 0))
    throw invalid('the time of its end is no whole number of milliseconds')
  return Object.freeze({
    subject,
    roles: rolesFrom(parts.roles),
    claims: claims as Readonly<Record<string, Claim>>,
    expiresAtMs: expiresAtMs as number | null,
  })
}

function rolesFrom(value: unknown): readonly string[] {
  if (value === undefined || value === null) return []
  const roles: unknown = typeof value === 'string' ? value.split(' ').filter((word) => word !== '') : value
  if (!Array.isArray(roles) || roles.length > ACCESS_LIMITS.rolesMax)
    throw invalid(`its roles are no list of at most ${ACCESS_LIMITS.rolesMax}`)
  if (!roles.every(isRoleName)) throw invalid(`one of its roles is no text of 1 to ${ACCESS_LIMITS.roleCharactersMax} characters`)
  return Object.freeze([...new Set(roles)])
}

/** True for a name that a role may have, in a token and in a policy. */
export function isRoleName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= ACCESS_LIMITS.roleCharactersMax && isPlain(value)
}

function isSubject(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= ACCESS_LIMITS.subjectBytesMax && isPlain(value)
}

function isPlain(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text)
}

function invalid(why: string): SynclineError {
  return new SynclineError('auth-invalid', `The identity cannot be used: ${why}.`)
}
