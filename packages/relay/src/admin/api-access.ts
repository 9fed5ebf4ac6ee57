// Who asks the HTTP API, and what they may do there: `Authorization: Bearer` to a pass, and the decisions over it. Without authentication the port is this
// machine's, so pages of other origins are turned away: a browser lets them send what they may not read. Read by api.ts and the routes. Rules: HA-1 to HA-3.
//
//   may not read         404 doc-missing, whether the document is there or not
//   may read, not write  403 read-only, whether the document is there or not
//   writes, not creates  404 doc-missing where there is none

import { parseDocId, SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import type { Replica } from '@syncline/replica'
import type { Context, MiddlewareHandler } from 'hono'
import type { Doorman, Pass } from '../access/access.ts'
import { isLoopbackOrigin } from '../loopback.ts'

/** What the routes find in their context. `keepPass`: the answer goes on after the handler, which drops the pass itself. */
export type ApiEnv = { Variables: { pass: Pass; keepPass: boolean } }

export interface AdmissionOptions {
  readonly doorman: Doorman
  readonly space: SpaceId
  onTurnedAway(error: SynclineError): void
}

/** The name under which rights over the relay itself are asked for. */
export const THE_RELAY: DocId = parseDocId('*')

export function admission({ doorman, space, onTurnedAway }: AdmissionOptions): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    try {
      if (!doorman.authenticates) refuseForeignPages(context)
      const pass = await doorman.admit({
        token: bearerOf(context.req.header('authorization')),
        door: 'http',
        space,
        address: addressOf(context),
      })
      context.set('pass', pass)
    } catch (error) {
      if (error instanceof SynclineError) onTurnedAway(error)
      throw error
    }
    try {
      await next()
    } finally {
      if (context.get('keepPass') !== true) context.get('pass').drop()
    }
  }
}

/** Null: none. */
function bearerOf(header: string | undefined): string | null {
  const token = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1]
  if (header !== undefined && token === undefined)
    throw new SynclineError('auth-invalid', 'The Authorization header is not "Bearer TOKEN".')
  return token ?? null
}

/** A page of the asked host itself is no foreign one; which names the port answers to is decided by admin-server.ts. */
function refuseForeignPages(context: Context): void {
  const origin = context.req.header('origin')
  if (isLoopbackOrigin(origin)) return
  const host = origin !== undefined && URL.canParse(origin) ? new URL(origin).host : ''
  if (host === '' || host !== context.req.header('host'))
    throw new SynclineError('access-denied', 'Pages of other origins may not ask here.')
}

/** Empty where there is no socket behind the request. */
function addressOf(context: Context): string {
  const { incoming } = (context.env ?? {}) as { readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } } }
  return incoming?.socket?.remoteAddress ?? ''
}

/** Throws "access-denied", or why the pass ended. */
export function mustAdminister(pass: Pass): void {
  mustLive(pass)
  if (!pass.may('admin', THE_RELAY)) throw new SynclineError('access-denied', 'What concerns the relay itself is not for this identity.')
}

/** Throws "doc-missing", or why the pass ended. */
export function mustRead(pass: Pass, doc: DocId): void {
  mustLive(pass)
  if (!pass.may('read', doc)) throw missing(doc)
}

/** Throws "doc-missing", "read-only", or why the pass ended. Whoever writes here reads, too: answers to writes tell what is there. */
export function mustWrite(pass: Pass, doc: DocId, replica: Replica): void {
  mustRead(pass, doc)
  if (!pass.may('write', doc)) throw new SynclineError('read-only', `This identity may not write ${JSON.stringify(doc)}.`)
  if (!replica.has(doc) && !pass.may('create', doc)) throw missing(doc)
}

/** Absent and forbidden look the same. */
export function missing(doc: DocId): SynclineError {
  return new SynclineError('doc-missing', `There is no document ${JSON.stringify(doc)}.`)
}

function mustLive(pass: Pass): void {
  if (pass.ended !== null) throw pass.ended
}
