// From the request target of a WebSocket upgrade to the document it names. Pure. A stock y-websocket client pastes its room name into a URL, and the
// URL parser of its platform percent-encodes some bytes and leaves others, so the name is what the decoded path says if encoding it again by
// the URL standard gives the same bytes, and the raw path otherwise: `r-%41` and `r-A` stay two documents. Read by doors.ts. Rule: YW-1.

import { docIdOrNull, LIMITS, type DocId } from '@syncline/protocol'

export type RoomName = { readonly doc: DocId } | { readonly problem: string }

/** `target`: the request target as Node gives it (one character per byte). The query string is not part of the name. */
export function roomNameOf(target: string): RoomName {
  if (!target.startsWith('/')) return { problem: 'the request target must be a path' }
  const query = target.indexOf('?')
  const path = query < 0 ? target.slice(1) : target.slice(1, query)
  const name = PLAIN.test(path) ? path : nameOf(bytesOf(path))
  if (name === null) return { problem: 'the room name is not UTF-8; percent-encode it' }
  if (name === '') return { problem: 'the room name is empty' }
  if (name.includes('\0')) return { problem: 'the room name contains NUL' }
  const doc = docIdOrNull(name)
  return doc === null ? { problem: `the room name is longer than ${LIMITS.docIdBytesMax} bytes` } : { doc }
}

/** Nothing in it is encoded, or would be: most names. */
const PLAIN = /^[!$&-;=@-\]_a-z|~]+$/

function nameOf(raw: Uint8Array): string | null {
  const decoded = percentDecode(raw)
  const text = utf8OrNull(decoded)
  if (text !== null && percentEncode(decoded) === latin1Of(raw)) return text
  return utf8OrNull(raw)
}

/** Percent-decode of the URL standard: a `%` without two hex digits stands for itself. */
function percentDecode(bytes: Uint8Array): Uint8Array {
  const decoded = new Uint8Array(bytes.length)
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    const high = bytes[at] === PERCENT ? hexValue(bytes[at + 1]) : -1
    const low = high < 0 ? -1 : hexValue(bytes[at + 2])
    if (low >= 0) at += 2
    decoded[length++] = low < 0 ? bytes[at]! : high * 16 + low
  }
  return decoded.subarray(0, length)
}

const PERCENT = 0x25
/** The path percent-encode set of the URL standard within ASCII (controls and everything above ~ are in it too). Written out and not asked of the
 *  platform: `^` joined it in 2024, and a document's name must not depend on the Node release. */
const ENCODED_IN_PATH = new Set(Array.from(' "#<>?^`{}', (character) => character.charCodeAt(0)))

function percentEncode(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const encoded = byte < 0x20 || byte > 0x7e || ENCODED_IN_PATH.has(byte)
    text += encoded ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : String.fromCharCode(byte)
  }
  return text
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function utf8OrNull(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function bytesOf(latin1: string): Uint8Array {
  return Uint8Array.from(latin1, (character) => character.charCodeAt(0))
}

function latin1Of(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
