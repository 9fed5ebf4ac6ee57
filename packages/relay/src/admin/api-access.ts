// Who asks the HTTP API, of which space, and what they may do there: `Authorization: Bearer` to a pass, the space held open while it is answered, and the decisions over both. Without authentication the port is this
// machine's, so pages of other origins are turned away: a browser lets them send what they may not read. Read by api.ts and the routes. Rules: HA-1 to HA-3.
//
//   may not read         404 doc-missing, whether the document is there or not
//   may read, not write  403 read-only, whether the document is there or not
//   writes, not creates  404 doc-missing where there is none
//   nothing in a space   404 space-unknown, whether the space is there or not

import { DEFAULT_SPACE, docIdOrNull, parseDocId, SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import type { Replica } from '@syncline/replica'
import type { Context, MiddlewareHandler } from 'hono'
import type { Doorman, Pass } from '../access/access.ts'
import { spaceOrNull } from '../data-folder.ts'
import { isLoopbackOrigin } from '../loopback.ts'
import type { RelaySpace } from '../relay-space.ts'
import type { SpaceUse } from '../spaces.ts'
import { mayMake } from '../visit.ts'
import type { ApiSpaces } from './api.ts'
import { docOf } from './api-request.ts'

/** What the routes find in their context. `held`: the space that is asked about, except where the route watches a space (WATCHING). `keepPass`: the answer goes on after the handler, which drops the pass itself. */
export type ApiEnv = { Variables: { pass: Pass; space: SpaceId; held: SpaceUse<RelaySpace>; keepPass: boolean } }

export interface AdmissionOptions {
  readonly doorman: Doorman
  readonly spaces: ApiSpaces
  onTurnedAway(error: SynclineError): void
}

/** The name under which rights over the relay itself are asked for. */
export const THE_RELAY: DocId = parseDocId('*')

/** Under which the routes of documents and changes are served for any space. */
export const SPACE_ROUTES = '/api/spaces/:space'

export function admission({ doorman, spaces, onTurnedAway }: AdmissionOptions): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const space = spaceOf(context)
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
    const pass = context.get('pass')
    context.set('space', space)
    try {
      if (WATCHING.test(pathOf(context))) {
        mustReach(spaces, space, pass)
        return await next()
      }
      const held = await heldFor(spaces, space, pass, context)
      context.set('held', held)
      await next().finally(() => held.release())
    } finally {
      if (context.get('keepPass') !== true) pass.drop()
    }
  }
}

/** Routes that tell of a space and never open it. */
const WATCHING = /\/api\/spaces\/[^/]+\/(status|history|events)$/

function pathOf(context: Context): string {
  return new URL(context.req.url).pathname
}

/** Of the path; the default one where it names none. Throws "space-id-invalid". */
function spaceOf(context: Context): SpaceId {
  const name = /\/api\/spaces\/([^/]*)\//.exec(pathOf(context))?.[1]
  if (name === undefined) return DEFAULT_SPACE
  const space = spaceOrNull(name)
  if (space === null) throw new SynclineError('space-id-invalid', `The path names no space: ${JSON.stringify(name.slice(0, 200))}.`)
  return space
}

/** A write makes the space where its document may be made; with `follow` nothing is opened, and an open one is not kept from closing. Throws "space-unknown", "space-closed", and
 *  what Spaces.use rejects with. */
async function heldFor(spaces: ApiSpaces, space: SpaceId, pass: Pass, context: Context): Promise<SpaceUse<RelaySpace>> {
  const { source } = spaces
  if (space === DEFAULT_SPACE) return await source.use(space, true)
  mustReach(spaces, space, pass, false)
  const unknown = unknownSpace(space)
  const { method } = context.req
  if (method === 'GET' && context.req.query('follow') !== undefined) {
    const seen = source.look(space)
    if (seen !== null) return seen
    throw source.isStored(space) ? new SynclineError('space-closed', `The space ${space} is not open: nobody uses it.`) : unknown
  }
  const doc = method === 'POST' || method === 'PATCH' ? docIdOrNull(nameIn(context)) : null
  try {
    return await source.use(space, doc !== null && mayMake(pass, doc))
  } catch (error) {
    throw error instanceof SynclineError && error.code === 'access-denied' ? unknown : error
  }
}

/** Whoever may nothing in a space, and where there is none, hears the same. Throws "space-unknown". */
function mustReach({ source, many }: ApiSpaces, space: SpaceId, pass: Pass, mustBeThere = true): void {
  if (space === DEFAULT_SPACE) return
  const isSomebody = pass.reaches('read') || pass.reaches('write') || pass.may('admin', THE_RELAY)
  if (!many || !isSomebody || (mustBeThere && !source.isStored(space))) throw unknownSpace(space)
}

function unknownSpace(space: SpaceId): SynclineError {
  return new SynclineError('space-unknown', `There is no space ${space}.`)
}

/** Empty where the path names no document; what is wrong with a name the routes say. */
function nameIn(context: Context): string {
  try {
    return docOf(context)
  } catch {
    return ''
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

/** Throws "doc-missing", "delete-forbidden", or why the pass ended. */
export function mustDelete(pass: Pass, doc: DocId): void {
  mustRead(pass, doc)
  if (!pass.may('delete', doc)) throw new SynclineError('delete-forbidden', `This identity may not delete ${JSON.stringify(doc)}.`)
}

/** Absent and forbidden look the same. */
export function missing(doc: DocId): SynclineError {
  return new SynclineError('doc-missing', `There is no document ${JSON.stringify(doc)}.`)
}

function mustLive(pass: Pass): void {
  if (pass.ended !== null) throw pass.ended
}
