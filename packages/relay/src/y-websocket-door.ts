// The door for y-websocket clients: one WebSocket, one document, one RoomSession, which decides everything; the socket's ways are in door-socket.ts. Read by front.ts.
// Rules: YW-2, YW-7, RS-1.

import type { DocId, ErrorCode } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import type { WebSocket } from 'ws'
import type { Pass } from './access/access.ts'
import { mayWrite } from './access/link-access.ts'
import { closingFor } from './close-code.ts'
import { doorSocket, type RoomConnection } from './door-socket.ts'
import type { Entrance } from './front.ts'
import type { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { Dialect } from './y-websocket-codec.ts'
import { RoomSession } from './y-websocket-session.ts'

export { RoomWebSocket, type RoomConnection } from './door-socket.ts'

export interface RoomDoor {
  readonly replica: Replica
  readonly clock: Clock
  readonly limits: RelayLimits
  readonly refusals: RefusalMemory
  /** Default: y-websocket. */
  readonly dialect?: Dialect
  /** What the client may do; dropped with the connection. */
  readonly pass: Pass
  onRefused(doc: DocId, code: ErrorCode, reason: string): void
}

export function openRoom(ws: WebSocket, { request, address }: Entrance, doc: DocId, door: RoomDoor): RoomConnection {
  const { clock, limits, pass, replica } = door
  const socket = doorSocket(ws, request, { clock, limits, firstFrameBytesMax: limits.roomFirstFrameBytesMax })
  const writer = `${address} ${doc}`
  const session = new RoomSession({
    limits,
    dialect: door.dialect ?? 'y-websocket',
    attach: (port) => replica.attachGuest(doc, port),
    subject: pass.identity.subject,
    mayWrite: () => mayWrite(pass, replica, doc),
    mayBePresent: () => pass.may('presence', doc),
    refusedBefore: () => door.refusals.refusedBefore(writer, clock.now()),
    onValid: () => socket.limitFrames(limits.roomFrameBytesMax),
    onRefused: (code, reason) => door.onRefused(doc, code, reason),
    socket: socket.port,
  })
  const unfollow = pass.onChange(() => {
    if (pass.ended !== null) session.end(closingFor(pass.ended.code, 'the pass ended'))
    else if (!pass.may('read', doc)) session.end(closingFor('auth-revoked', 'this document cannot be read any more'))
  })
  const connection = socket.serve(session)
  ws.on('close', () => {
    unfollow()
    pass.drop()
  })
  return connection
}
