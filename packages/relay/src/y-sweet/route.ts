// What of y-sweet a request is for: its WebSocket address names the document twice, because its client appends the name to the address that it was given.
// Pure and total. Read by doors.ts (upgrades) and http.ts (requests). Rule: YS-4.
//
//   /d/:doc/ws/:doc            WebSocket
//   POST /doc/new              POST /doc/:doc/auth         POST /check_store
//   GET  /d/:doc/as-update     POST /d/:doc/update

import { docIdOrNull, LIMITS, type DocId } from '@syncline/protocol'
import { roomNameOf } from '../room-name.ts'

export type YSweetRoom = { readonly doc: DocId } | { readonly problem: string }

export type YSweetRequest =
  | { readonly kind: 'new' | 'check-store' }
  | { readonly kind: 'auth' | 'as-update' | 'update'; readonly doc: DocId }
  | { readonly kind: 'none'; readonly status: number; readonly words: string }

/** `target`: the request target, without the path prefix. Null when it is no address of y-sweet. */
export function ySweetRoomOf(target: string): YSweetRoom | null {
  const match = /^\/d\/([^/]+)\/ws\/(.+)$/.exec(pathOf(target))
  if (match === null) return null
  const name = decoded(match[1]!)
  if (name === null) return { problem: 'the document name is not UTF-8; percent-encode it' }
  // The second one was pasted into a URL, as y-websocket's room names are, so it is read as those are.
  const second = roomNameOf(`/${match[2]!}`)
  if (!('doc' in second) || (second.doc !== name && decoded(match[2]!) !== name))
    return { problem: 'the address names the document twice, and the names differ' }
  return validated(name)
}

/** Null when it is no request of y-sweet. */
export function ySweetRequestOf(method: string, target: string): YSweetRequest | null {
  const path = pathOf(target)
  if (path === '/doc/new') return method === 'POST' ? { kind: 'new' } : wrongMethod('POST')
  if (path === '/check_store') return method === 'POST' || method === 'GET' ? { kind: 'check-store' } : wrongMethod('POST')
  const match = /^\/(d|doc)\/([^/]+)\/(auth|as-update|update)$/.exec(path)
  if (match === null) return null
  const [, base, encoded, verb] = match
  if ((verb === 'auth') !== (base === 'doc')) return null
  const expected = verb === 'as-update' ? 'GET' : 'POST'
  if (method !== expected) return wrongMethod(expected)
  const name = decoded(encoded!)
  const room = name === null ? { problem: 'the document name is not UTF-8' } : validated(name)
  if ('problem' in room) return { kind: 'none', status: 400, words: `This document cannot be served: ${room.problem}.` }
  return { kind: verb as 'auth' | 'as-update' | 'update', doc: room.doc }
}

function pathOf(target: string): string {
  return target.split('?', 1)[0]!
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function validated(name: string): YSweetRoom {
  const doc = docIdOrNull(name)
  return doc === null ? { problem: `a document name has 1 to ${LIMITS.docIdBytesMax} bytes of UTF-8 and no NUL` } : { doc }
}

function wrongMethod(method: string): YSweetRequest {
  return { kind: 'none', status: 405, words: `Use ${method} here.` }
}
