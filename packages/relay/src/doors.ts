// Which door of which space a WebSocket upgrade is for, or why it is refused: the one table of DESIGN.md 5. Pure. Read by front.ts. Rules: YW-1, AU-0, SP-1.

import { DEFAULT_SPACE, LIMITS, SUBPROTOCOL, type DocId, type SpaceId } from '@syncline/protocol'
import { spaceOrNull } from './data-folder.ts'
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
  /** What stands before the name of a space in a path, with a slash at both ends; null: there is only the default space. */
  readonly spacePrefix: string | null
}

export type Route =
  /** Null: the path names none; HELLO always does. */
  | { readonly door: 'native'; readonly space: SpaceId | null }
  | { readonly door: 'room' | 'y-sweet'; readonly space: SpaceId; readonly doc: DocId }
  | { readonly door: 'hocuspocus'; readonly space: SpaceId }
  | { readonly door: 'none'; readonly status: number; readonly words: string }

export function routeUpgrade(upgrade: Upgrade, policy: Policy): Route {
  const problem = originProblem(upgrade.origin, policy.origins)
  if (problem !== null) return refuse(403, problem)
  const asked = spaceOf(withoutPrefix(upgrade.target, policy.pathPrefix), policy.spacePrefix)
  if ('problem' in asked) return refuse(400, asked.problem)
  if (offered(upgrade.subprotocols).includes(SUBPROTOCOL)) return { door: 'native', space: asked.space }
  const { target } = asked
  const space = asked.space ?? DEFAULT_SPACE
  const path = target.split('?', 1)[0]
  if (path === policy.hocuspocusPath) return { door: 'hocuspocus', space }
  if (path === '/') {
    return refuse(
      400,
      `The path names no document. A y-websocket client appends its room name to the address; a Syncline replica asks for subprotocol ${SUBPROTOCOL}.`,
    )
  }
  const ySweet = policy.ySweet ? ySweetRoomOf(target) : null
  if (ySweet !== null) return roomRoute('y-sweet', space, ySweet)
  return roomRoute('room', space, roomNameOf(target))
}

function roomRoute(door: 'room' | 'y-sweet', space: SpaceId, name: RoomName): Route {
  return 'doc' in name ? { door, space, doc: name.doc } : refuse(400, `This room cannot be served: ${name.problem}.`)
}

export type SpacePath = { readonly space: SpaceId | null; readonly target: string } | { readonly problem: string }

/** The space that a request target names, and the target within it. `prefix`: with a slash at both ends. Names are not percent-encoded: none needs it. */
export function spaceOf(target: string, prefix: string | null): SpacePath {
  if (prefix === null || !target.startsWith(prefix)) return { space: null, target }
  const rest = target.slice(prefix.length)
  const end = /[/?]|$/.exec(rest)!.index
  const space = spaceOrNull(rest.slice(0, end))
  if (space === null)
    return {
      problem: `After ${prefix} stands the name of a space: 1 to ${LIMITS.spaceIdBytesMax} of A to Z, a to z, 0 to 9, minus, dot and low line, no dot first, and no ".db" at its end or before another dot.`,
    }
  const within = rest.slice(end)
  return { space, target: within.startsWith('/') ? within : `/${within}` }
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
