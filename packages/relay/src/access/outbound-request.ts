// One request to an issuer or a webhook, bounded in time and bytes, never following a redirect (a token must not travel to where nobody sent it). Read by
// jwks-keys.ts and webhook-authenticator.ts. Rules: AC-6.

import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { isLoopbackHost } from '../loopback.ts'
import { ACCESS_LIMITS } from './access-limits.ts'

export interface OutboundRequest {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly clock: Clock
}

export type Outcome =
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  /** No answer for want of a connection: trying again may help. */
  | { readonly kind: 'unreachable'; readonly words: string }
  /** An answer that is no use, or none in time: trying again at once would only add load. */
  | { readonly kind: 'useless'; readonly words: string }

/** Does not reject. */
export async function request(asked: OutboundRequest): Promise<Outcome> {
  const abort = new AbortController()
  let late = false
  let begun = false
  const cancel = asked.clock.after(asked.timeoutMs, () => {
    late = true
    abort.abort()
  })
  try {
    const answer = await fetch(asked.url, {
      method: asked.method,
      headers: asked.headers,
      redirect: 'manual',
      signal: abort.signal,
      ...(asked.body !== undefined && { body: asked.body }),
    })
    begun = true
    if (answer.status >= 300 && answer.status < 400) {
      abort.abort()
      return { kind: 'useless', words: `it redirects (${answer.status}), which is not followed` }
    }
    const text = await textWithin(answer, ACCESS_LIMITS.answerBytesMax)
    if (text !== null) return { kind: 'answer', status: answer.status, text }
    abort.abort()
    return { kind: 'useless', words: `its answer is larger than ${ACCESS_LIMITS.answerBytesMax} bytes` }
  } catch (error) {
    if (late) return { kind: 'useless', words: `it did not answer within ${asked.timeoutMs} ms` }
    return { kind: begun ? 'useless' : 'unreachable', words: causeOf(error) }
  } finally {
    cancel()
  }
}

async function textWithin(answer: Response, bytesMax: number): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > bytesMax) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What the network said, without addresses of the inside. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection failed'
}

/** An address that tokens or keys travel by: https, or http on this machine, or anywhere if `allowHttp`. Throws "config-invalid". */
export function outboundUrl(name: string, text: string, allowHttp = false): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  const { protocol, hostname } = url ?? { protocol: '', hostname: '' }
  const plain = protocol === 'http:' && (allowHttp || isLoopbackHost(hostname.replace(/^\[(.*)\]$/, '$1')))
  if (url === null || (protocol !== 'https:' && !plain))
    throw new SynclineError(
      'config-invalid',
      `The ${name} ${JSON.stringify(text.slice(0, 200))} is no https address (http passes on this machine only, elsewhere with allowHttp).`,
    )
  if (url.username !== '' || url.password !== '')
    throw new SynclineError('config-invalid', `The ${name} holds a user name or a password; give them as a header.`)
  return url
}
