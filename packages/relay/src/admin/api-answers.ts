// What goes wrong, as an HTTP answer: one shape for every route, and a status that fits the code. Decides nothing else. Read by api.ts and the routes. Rule: HA-5.

import { errorTable, SynclineError, type ErrorCode } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { API_LIMITS } from './api-limits.ts'

export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 410 | 413 | 422 | 500 | 503

const STATUS_OF: Partial<Record<ErrorCode, ErrorStatus>> = {
  'access-denied': 403,
  'argument-invalid': 400,
  'auth-expired': 401,
  'auth-invalid': 401,
  'auth-required': 401,
  'auth-revoked': 401,
  'doc-id-invalid': 400,
  'delete-forbidden': 403,
  'doc-deleted': 410,
  'doc-missing': 404,
  'doc-too-large': 413,
  'position-unknown': 410,
  'read-only': 403,
  'replica-closed': 503,
  'request-failed': 500,
  'space-closed': 409,
  'space-id-invalid': 400,
  'space-unknown': 404,
  'store-closed': 503,
  'update-incomplete': 409,
  'update-limit': 413,
}

export function errorAnswer(
  error: SynclineError,
  status: ErrorStatus = statusOf(error.code),
  more: Record<string, unknown> = {},
): Response {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' }
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  if (status === 503) headers['retry-after'] = '1'
  return new Response(JSON.stringify({ code: error.code, message: wordsOf(error), todo: error.todo, ...more }), { status, headers })
}

function statusOf(code: ErrorCode): ErrorStatus {
  const { retry } = errorTable[code]
  return STATUS_OF[code] ?? (retry === 'later' || retry === 'now' ? 503 : 422)
}

/** What happened, without the code and the remedy that SynclineError appends. */
function wordsOf(error: SynclineError): string {
  const at = error.message.lastIndexOf(` [${error.code}]`)
  return at < 0 ? error.message : error.message.slice(0, at)
}

export function binaryAnswer(bytes: Uint8Array, more: Readonly<Record<string, string>> = {}): Response {
  return new Response(Buffer.from(bytes), {
    headers: { 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff', ...more },
  })
}

/** A commit that does not come in time is answered "storage-failed": one may still come. */
export function within<T>(clock: Clock, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void =>
      reject(new SynclineError('storage-failed', `No commit came within ${API_LIMITS.writeWithinMs} ms; one may still come.`))
    const cancel = clock.after(API_LIMITS.writeWithinMs, late)
    work.then(resolve, reject).finally(cancel)
  })
}
