// A Syncline replica whose address names no space says in its first frame which one it is of. So its handshake is answered here, in words that ws would use, and its
// first frame is read before its worker is chosen. What cannot be read here is for a worker to refuse. Pure. Read by porter.ts. Rules: WK-2, IN-1.

import { createHash } from 'node:crypto'
import { decodeFrame, SUBPROTOCOL, type SpaceId } from '@syncline/protocol'
import { spaceOrNull } from '../data-folder.ts'
import type { RequestHead } from './request-head.ts'

/** With its token. A greeting that is longer goes to the worker of the default space. */
export const GREETING_BYTES_MAX: number = 64 * 1024

const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const FINAL_BINARY = 0x82
const FINAL_CLOSE = 0x88
const MASKED = 0x80

/** The answer to a handshake of the native protocol; null where ws would refuse it. */
export function handshakeAnswer({ method, headers }: RequestHead): string | null {
  const key = headers['sec-websocket-key']
  const asks =
    method === 'GET' &&
    headers['sec-websocket-version'] === '13' &&
    String(headers['upgrade']).toLowerCase() === 'websocket' &&
    /\bupgrade\b/i.test(String(headers['connection'])) &&
    headers['transfer-encoding'] === undefined &&
    (headers['content-length'] ?? '0') === '0'
  if (!asks || typeof key !== 'string' || !/^[+/0-9A-Za-z]{22}==$/.test(key)) return null
  const accept = createHash('sha1').update(`${key}${HANDSHAKE_GUID}`).digest('base64')
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
  return [...lines, `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`, '', ''].join('\r\n')
}

/** The space that the first frame of a client names. Null: it has not all come. 'none': it is no greeting, or a long one. */
export function greetedSpace(frame: Buffer): SpaceId | 'none' | null {
  if (frame.length < 2) return frame.length === 1 && frame[0] !== FINAL_BINARY ? 'none' : null
  if (frame[0] !== FINAL_BINARY || (frame[1]! & MASKED) === 0) return 'none'
  const short = frame[1]! & 0x7f
  if (short === 127) return 'none'
  const lengthBytes = short === 126 ? 2 : 0
  if (frame.length < 2 + lengthBytes) return null
  const length = lengthBytes === 0 ? short : frame.readUInt16BE(2)
  const from = 2 + lengthBytes + 4
  if (from + length > GREETING_BYTES_MAX) return 'none'
  if (frame.length < from + length) return null
  const payload = new Uint8Array(length)
  for (let at = 0; at < length; at++) payload[at] = frame[from + at]! ^ frame[from - 4 + (at & 3)]!
  const read = decodeFrame(payload)
  const first = read.ok ? read.messages[0] : undefined
  return first?.kind === 'hello' ? (spaceOrNull(first.space) ?? 'none') : 'none'
}

/** `reason`: as it fits into a close frame. */
export function closeFrame(code: number, reason: string): Buffer {
  const words = Buffer.from(reason)
  return Buffer.concat([Buffer.of(FINAL_CLOSE, 2 + words.length, code >> 8, code & 0xff), words])
}
