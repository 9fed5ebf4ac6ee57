// Which door a WebSocket upgrade is for, or why it is refused: the one table of DESIGN.md 5. Pure. Read by front.ts. Rules: YW-1, AU-0.

import { SUBPROTOCOL, type DocId } from '@syncline/protocol'
import { isLoopbackOrigin } from './loopback.ts'
import { roomNameOf, type RoomName } from './room-name.ts'
import { ySweetRoomOf } from './y-sweet/route.ts'

export interface Upgrade {
  /** Request target, as Node gives it. */
  readonly target: string
  /** The Sec-WebSocket-Protocol header. */
  readonly subprotocols: string | undefined
  readonly origin: string | undefined
}

export interface Policy {
  /** Whose pages may connect: those of this machine, anybody's, or those of these origins. Programs, which send no Origin, always may. */
  readonly origins: 'loopback' | 'any' | ReadonlySet<string>
  /** The path at which Hocuspocus providers are served, or null: not at all. */
  readonly hocuspocusPath: string | null
  /** Serves y-sweet clients under /d/. */
  readonly ySweet: boolean
  /** What a proxy leaves before the path, without a slash at its end; "" for nothing. */
  readonly pathPrefix: string
}

export type Route =
  | { readonly door: 'native' }
  | { readonly door: 'room' | 'y-sweet'; readonly doc: DocId }
  | { readonly door: 'hocuspocus' }
  | { readonly door: 'none'; readonly status: number; readonly words: string }

export function routeUpgrade(upgrade: Upgrade, policy: Policy): Route {
  const problem = originProblem(upgrade.origin, policy.origins)
  if (problem !== null) return refuse(403, problem)
  if (offered(upgrade.subprotocols).includes(SUBPROTOCOL)) return { door: 'native' }
  const target = withoutPrefix(upgrade.target, policy.pathPrefix)
  const path = target.split('?', 1)[0]
  if (path === policy.hocuspocusPath) return { door: 'hocuspocus' }
  if (path === '/') {
    return refuse(
      400,
      `The path names no document. A y-websocket client appends its room name to the address; a Syncline replica asks for subprotocol ${SUBPROTOCOL}.`,
    )
  }
  const ySweet = policy.ySweet ? ySweetRoomOf(target) : null
  if (ySweet !== null) return roomRoute('y-sweet', ySweet)
  return roomRoute('room', roomNameOf(target))
}

function roomRoute(door: 'room' | 'y-sweet', name: RoomName): Route {
  return 'doc' in name ? { door, doc: name.doc } : refuse(400, `This room cannot be served: ${name.problem}.`)
}

/** Why a page of this origin may not come; null: it may. */
export function originProblem(origin: string | undefined, allowed: Policy['origins']): string | null {
  if (origin === undefined || allowed === 'any') return null
  if (allowed !== 'loopback') {
    return allowed.has(origin.toLowerCase()) ? null : `The Origin ${quoted(origin)} is not on the list of this relay. Add it with --origin.`
  }
  if (isLoopbackOrigin(origin)) return null
  return `The Origin ${quoted(origin)} is not of this machine, and this relay has no authentication. Start it with --insecure to let any page in.`
}

/** A proxy may leave its prefix or take it off itself. */
export function withoutPrefix(target: string, prefix: string): string {
  if (prefix === '' || !target.startsWith(prefix)) return target
  const rest = target.slice(prefix.length)
  if (rest.startsWith('/')) return rest
  return rest === '' || rest.startsWith('?') ? `/${rest}` : target
}

/** Subprotocols in the order of the header. */
function offered(header: string | undefined): string[] {
  return header === undefined ? [] : header.split(',').map((name) => name.trim())
}

function refuse(status: number, words: string): Route {
  return { door: 'none', status, words }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
