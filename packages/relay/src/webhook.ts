// Hooks as HTTP requests: each event is posted as JSON to one address, signed, so that the receiver knows who sent it. Decides bodies, headers and which answers count;
// when and how often is hooks.ts. Rule: HK-5.
//
//   POST URL   content-type: application/json   syncline-signature: sha256=HEX   (HMAC-SHA256 of the body, keyed with the secret)
//   { "event": "change", "space": NAME, "doc": NAME, "seq": N, "subject": TEXT or null, "atMs": T }
//   { "event": "connect" | "disconnect", "space": NAME, "doc": NAME, "door": NAME, "subject": TEXT or null, "atMs": T }
//   { "event": "load", "space": NAME, "doc": NAME, "atMs": T }   answered with 200 and one Yjs v1 update as application/octet-stream, or 204 for none
//
// Everything but 2xx is a failure and is tried again, by hooks.ts.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { ACCESS_LIMITS } from './access/access-limits.ts'
import { outboundUrl } from './access/outbound-request.ts'
import { API_LIMITS } from './admin/api-limits.ts'
import type { HookCall } from './hook-calls.ts'
import type { ConnectionEvent, RelayHooks } from './hooks.ts'

export type WebhookEvent = 'load' | 'change' | 'connect' | 'disconnect'

export interface WebhookOptions {
  readonly clock: Clock
  /** Default: change alone. With `load`, the first connection of every new document waits for the answer. */
  readonly events?: readonly WebhookEvent[]
  readonly onHookError?: RelayHooks['onHookError']
}

const SIGNATURE = 'syncline-signature'

/** `url`: https, or http on this machine. `secret`: 32 bytes or more. Throws "config-invalid". */
export function createWebhook(url: string, secret: string, options: WebhookOptions): RelayHooks {
  const address = outboundUrl('webhook', url)
  if (Buffer.byteLength(secret) < ACCESS_LIMITS.secretBytesMin)
    throw new SynclineError('config-invalid', `The secret of a webhook has at least ${ACCESS_LIMITS.secretBytesMin} bytes.`)
  const { clock, events = ['change'], onHookError } = options
  const post = async (event: WebhookEvent, facts: object, { signal, space }: HookCall): Promise<Response> => {
    const body = JSON.stringify({ event, space, ...facts, atMs: clock.wallMs() })
    const headers = { 'content-type': 'application/json', [SIGNATURE]: signatureOf(secret, body) }
    const answer = await fetch(address, { method: 'POST', headers, body, redirect: 'manual', signal })
    if (answer.ok) return answer
    await answer.body?.cancel()
    throw new SynclineError('hook-failed', `The webhook answered ${answer.status}.`)
  }
  const tell = async (event: WebhookEvent, facts: object, call: HookCall): Promise<void> => {
    const answer = await post(event, facts, call)
    await answer.body?.cancel()
  }
  const connection = ({ doc, door, identity }: ConnectionEvent): object => ({ doc, door, subject: identity.subject })
  return {
    ...(events.includes('load') && {
      onLoadDocument: async (doc, call) => {
        const answer = await post('load', { doc }, call)
        return answer.status === 204 ? null : await updateOf(answer)
      },
    }),
    ...(events.includes('change') && {
      onChange: ({ doc, seq, identity, deleted }, call) => tell('change', { doc, seq, subject: identity?.subject ?? null, deleted }, call),
    }),
    ...(events.includes('connect') && { onConnect: (event, call) => tell('connect', connection(event), call) }),
    ...(events.includes('disconnect') && { onDisconnect: (event, call) => tell('disconnect', connection(event), call) }),
    ...(onHookError !== undefined && { onHookError }),
  }
}

/** What the header syncline-signature holds for this body. */
export function signatureOf(secret: string, body: string | Uint8Array): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}

/** For the receiver: whether the header fits the body as it arrived. Takes the same time whatever differs. Compare atMs with the clock, too, and refuse old ones. */
export function isSigned(secret: string, body: string | Uint8Array, header: string | undefined): boolean {
  const [wanted, given] = [Buffer.from(signatureOf(secret, body)), Buffer.from(header ?? '')]
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

async function updateOf(answer: Response): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > API_LIMITS.updateBytesMax)
      throw new SynclineError('hook-failed', `The webhook's document is larger than ${API_LIMITS.updateBytesMax} bytes.`)
    chunks.push(chunk)
  }
  return bytes === 0 ? null : new Uint8Array(Buffer.concat(chunks))
}
