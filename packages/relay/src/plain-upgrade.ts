// The request by which nearly every WebSocket begins, read in one go: Node's HTTP server takes several times as long for it, and after an outage thousands come in the same instant.
// Only what nobody could read in two ways is taken here: one GET whose head came whole, without a body and with no header twice. Everything else is left to Node's parser, which
// gets all the bytes. Pure. Read by front.ts. Rules: IN-1, RS-1.

import type { IncomingMessage } from 'node:http'

/** What doors and ws read of a request. */
export type UpgradeRequest = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'socket'>

export interface PlainUpgrade {
  readonly request: Pick<UpgradeRequest, 'method' | 'url' | 'headers'>
  /** What came after the head. */
  readonly head: Buffer
}

/** Longer heads are Node's matter, which bounds them. */
const HEAD_BYTES_MAX = 8 * 1024
const END = Buffer.from('\r\n\r\n')
const REQUEST_LINE = /^GET (\/[!-~]*) HTTP\/1\.1$/
const HEADER = /^([-!#$%&'*+.^_`|~0-9A-Za-z]+):(.*)$/
/** Beside the ends of lines. A bare CR or LF fits no line above. */
const ODD = /[^\t\r\n -~]/
const UPGRADE_OPTION = /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i
/** With these a request has a body, or waits for an answer before it. */
const NOT_PLAIN = ['content-length', 'transfer-encoding', 'expect', 'trailer'] as const

/** Null: it is no such request, or not all of it is here. */
export function readPlainUpgrade(bytes: Buffer): PlainUpgrade | null {
  const end = bytes.indexOf(END)
  if (end < 0 || end > HEAD_BYTES_MAX) return null
  const text = bytes.toString('latin1', 0, end)
  if (ODD.test(text)) return null
  const lines = text.split('\r\n')
  const url = REQUEST_LINE.exec(lines[0]!)?.[1]
  if (url === undefined) return null
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (let i = 1; i < lines.length; i++) {
    const header = HEADER.exec(lines[i]!)
    if (header === null) return null
    const name = header[1]!.toLowerCase()
    if (name in headers) return null
    headers[name] = header[2]!.trim()
  }
  if (!isPlain(headers)) return null
  return { request: { method: 'GET', url, headers }, head: bytes.subarray(end + END.length) }
}

function isPlain(headers: Readonly<Record<string, string>>): boolean {
  const { host, upgrade, connection } = headers
  if (host === undefined || upgrade?.toLowerCase() !== 'websocket' || connection === undefined) return false
  return UPGRADE_OPTION.test(connection) && NOT_PLAIN.every((name) => headers[name] === undefined)
}
