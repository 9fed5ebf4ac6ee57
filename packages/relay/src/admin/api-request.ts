// What a request names: the document in its path, and numbers, names and bytes in its query, checked. Pure. Read by the routes. Rule: HA-5.

import { parseDocId, SynclineError, type DocId } from '@syncline/protocol'
import type { Context } from 'hono'
import { API_LIMITS } from './api-limits.ts'

/** What stands before the name of a document, for the default space and for others. */
const DOCUMENTS = /^.*?\/api\/(?:spaces\/[^/]*\/)?documents\//

/** The document of /api/documents/NAME/..., percent-encoded, slashes too. Throws "doc-id-invalid". */
export function docOf(context: Context): DocId {
  return parseDocId(decoded(segments(context)[0] ?? '', 'doc-id-invalid', 'document'))
}

/** ROOT of /api/documents/NAME/maps/ROOT. Throws "argument-invalid". */
export function rootOf(context: Context): string {
  const root = decoded(segments(context)[2] ?? '', 'argument-invalid', 'root')
  if (Buffer.byteLength(root) > API_LIMITS.rootBytesMax)
    throw new SynclineError('argument-invalid', `The name of the root is longer than ${API_LIMITS.rootBytesMax} bytes.`)
  return root
}

/** Of the path as it was sent: a router decodes too early. */
function segments(context: Context): string[] {
  const { pathname } = new URL(context.req.url)
  return pathname.replace(DOCUMENTS, '').split('/')
}

function decoded(text: string, code: 'doc-id-invalid' | 'argument-invalid', what: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw new SynclineError(code, `The name of the ${what} is not percent-encoded UTF-8.`, { cause: error })
  }
}

/** A whole number from 1 to `max` of the query; `otherwise` when it is not there. Throws "argument-invalid". */
export function numberOf(context: Context, name: string, otherwise: number, max: number): number {
  const text = context.req.query(name)
  if (text === undefined) return otherwise
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > max) throw new SynclineError('argument-invalid', `${name} is a whole number from 1 to ${max}.`)
  return value
}

/** Bytes in base64 of either alphabet; null when they are not there. Throws "argument-invalid". */
export function bytesOf(context: Context, name: string): Uint8Array | null {
  const text = context.req.query(name)
  if (text === undefined) return null
  // A plus sign that was not percent-encoded arrives as a blank.
  const plain = text.replaceAll(' ', '+').replace(/=+$/, '')
  if (!/^[\w+/-]*$/.test(plain)) throw new SynclineError('argument-invalid', `${name} is no base64.`)
  return new Uint8Array(Buffer.from(plain, 'base64url'))
}
