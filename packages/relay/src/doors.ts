// Which door a WebSocket upgrade is for, or why it is refused: the one table of DESIGN.md 5. Pure. Read by front.ts. Rules: YW-1, AU-0.

import { SUBPROTOCOL, type DocId } from '@syncline/protocol'
import { isLoopbackOrigin } from './loopback.ts'
import { roomNameOf } from './room-name.ts'

export interface Upgrade {
  /** Request target, as Node gives it. */
  readonly target: string
  /** The Sec-WebSocket-Protocol header. */
  readonly subprotocols: string | undefined
  readonly origin: string | undefined
}

export interface Policy {
  /** Connections and pages of this machine only: a relay without authentication. */
  readonly loopbackOnly: boolean
  /** The path at which Hocuspocus providers are served, or null: not at all. */
  readonly hocuspocusPath: string | null
}

export type Route =
  | { readonly door: 'native' }
  | { readonly door: 'room'; readonly doc: DocId }
  | { readonly door: 'hocuspocus' }
  | { readonly door: 'none'; readonly status: number; readonly words: string }

export function routeUpgrade(upgrade: Upgrade, policy: Policy): Route {
  if (policy.loopbackOnly && !isLoopbackOrigin(upgrade.origin)) {
    return refuse(
      403,
      `The Origin ${quoted(upgrade.origin ?? '')} is not of this machine, and this relay has no authentication. Start it with --insecure to let any page in.`,
    )
  }
  if (offered(upgrade.subprotocols).includes(SUBPROTOCOL)) return { door: 'native' }
  const path = upgrade.target.split('?', 1)[0]
  if (path === policy.hocuspocusPath) return { door: 'hocuspocus' }
  if (path === '/') {
    return refuse(
      400,
      `The path names no document. A y-websocket client appends its room name to the address; a Syncline replica asks for subprotocol ${SUBPROTOCOL}.`,
    )
  }
  const name = roomNameOf(upgrade.target)
  return 'doc' in name ? { door: 'room', doc: name.doc } : refuse(400, `This room cannot be served: ${name.problem}.`)
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
