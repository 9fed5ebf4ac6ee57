// The door for Hocuspocus providers: binds one WebSocket to a HocuspocusSession, which decides everything. Read by relay.ts. Rules: HP-1, HP-2, HP-8.

import type { DocId, ErrorCode, SpaceId, SynclineError } from '@syncline/protocol'
import type { Doorman } from '../access/access.ts'
import { DoorSocket, type DoorSocketOptions, type RoomConnection, type RoomWebSocket } from '../door-socket.ts'
import type { Entrance } from '../front.ts'
import { meterOf } from '../rate-limits.ts'
import { visit, type SpaceSource } from '../visit.ts'
import type { HocuspocusHooks } from './hooks.ts'
import { HocuspocusRoster } from './roster.ts'
import { HocuspocusSession } from './session.ts'

export interface HocuspocusDoor extends DoorSocketOptions {
  /** The address of the connection names it: all its documents are of this space. */
  readonly space: SpaceId
  readonly spaces: SpaceSource
  readonly doorman: Doorman
  readonly hooks?: HocuspocusHooks
  /** One for all connections of a relay. Without it a broadcast reaches the connection of its sender alone. */
  readonly roster?: HocuspocusRoster
  /** An update was refused. */
  onRefused(doc: DocId, code: ErrorCode, reason: string): void
  /** A document was denied, or taken away. */
  onTurnedAway?(error: SynclineError): void
}

/** Takes over an open WebSocket. */
export function openHocuspocus(ws: RoomWebSocket, { request, address }: Entrance, door: HocuspocusDoor): RoomConnection {
  const { space, spaces, clock, limits, doorman, hooks = {}, roster = new HocuspocusRoster() } = door
  const socket = new DoorSocket(ws, request, door, limits.hocuspocusFirstFrameBytesMax)
  const meter = meterOf(ws)
  const session = new HocuspocusSession({
    socket,
    space,
    limits,
    hooks,
    roster,
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    admit: (token) => doorman.admit({ token, door: 'hocuspocus', space, address }),
    visit: (doc, pass) => visit(spaces, { space, doc, door: 'hocuspocus' }, pass),
    onAuthenticated: () => socket.limitFrames(limits.hocuspocusFrameBytesMax),
    onHeard: (account, bytes) => meter.spokenBy(account, bytes),
    onWrites: (doc, bytes) => meter.updates(space, doc, 1, bytes),
    onRefused: (doc, code, reason) => door.onRefused(doc, code, reason),
    onTurnedAway: (error) => door.onTurnedAway?.(error),
  })
  const stopWaiting = clock.after(limits.hocuspocusAuthDeadlineMs, () => session.authDeadline())
  ws.on('close', stopWaiting)
  return socket.serve(session)
}
