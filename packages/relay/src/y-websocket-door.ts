// The door for y-websocket clients: one WebSocket, one document, one RoomSession, which decides everything; the socket's ways are in door-socket.ts. Read by front.ts.
// Rules: YW-2, YW-7, RS-1.

import type { DocId, ErrorCode } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { WebSocket } from 'ws'
import { accountOf, type Pass } from './access/access.ts'
import { mayWrite } from './access/link-access.ts'
import { closingFor } from './close-code.ts'
import { doorSocket, type RoomConnection } from './door-socket.ts'
import type { Entrance } from './front.ts'
import { meterOf } from './rate-limits.ts'
import type { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { Visit } from './visit.ts'
import type { Dialect } from './y-websocket-codec.ts'
import { RoomSession } from './y-websocket-session.ts'

export { RoomWebSocket, type RoomConnection } from './door-socket.ts'

export interface RoomDoor {
  readonly clock: Clock
  readonly limits: RelayLimits
  readonly refusals: RefusalMemory
  /** Default: y-websocket. */
  readonly dialect?: Dialect
  /** What the client may do, and where; both end with the connection. */
  readonly pass: Pass
  readonly visit: Visit
  onRefused(doc: DocId, code: ErrorCode, reason: string): void
}

export function openRoom(ws: WebSocket, { request, address }: Entrance, doc: DocId, door: RoomDoor): RoomConnection {
  const { clock, limits, pass, visit } = door
  const { replica } = visit
  const socket = doorSocket(ws, request, { clock, limits, firstFrameBytesMax: limits.roomFirstFrameBytesMax })
  const meter = meterOf(ws)
  meter.speaksFor(accountOf(pass))
  const writer = `${address} ${replica.space} ${doc}`
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
    onWrites: (bytes) => meter.updates(replica.space, doc, 1, bytes),
    onWrote: (seq) => visit.wrote(seq),
    socket: socket.port,
  })
  const unfollow = pass.onChange(() => {
    if (pass.ended !== null) session.end(closingFor(pass.ended.code, 'the pass ended'))
    else if (!pass.may('read', doc)) session.end(closingFor('auth-revoked', 'this document cannot be read any more'))
    else session.rightsChanged()
  })
  const connection = socket.serve(session)
  ws.on('close', () => {
    unfollow()
    visit.leave()
    pass.drop()
  })
  return connection
}
