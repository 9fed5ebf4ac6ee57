// The head of an HTTP request, read as far as it takes to know which worker it is for. What is odd is left to the worker's own parser, which refuses it in words: nothing
// is let in by this reading, and a worker serves none but its own spaces, whatever it is handed. Pure. Read by porter.ts. Rules: WK-1, IN-1.

import type { HeaderMap } from '../forwarded.ts'

export interface RequestHead {
  readonly method: string
  /** As Node would give it. */
  readonly target: string
  /** Repeated ones joined with a comma. */
  readonly headers: HeaderMap
  /** Up to the end of the blank line. */
  readonly bytes: number
}

/** Node's own bound of request line and headers. */
export const HEAD_BYTES_MAX: number = 16 * 1024

const END = Buffer.from('\r\n\r\n')

/** Null: the blank line has not come. A head that is none has the target "". */
export function readHead(bytes: Buffer): RequestHead | null {
  const end = bytes.indexOf(END)
  if (end < 0) return null
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const [, method = '', target = ''] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(first) ?? []
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  return { method, target, headers, bytes: end + END.length }
}
