// The door for Hocuspocus providers: binds one WebSocket to a HocuspocusSession, which decides everything. Read by relay.ts. Rules: HP-1, HP-2, HP-8.

import type { DocId, ErrorCode, SpaceId, SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { WebSocket } from 'ws'
import type { Doorman } from '../access/access.ts'
import { doorSocket, type RoomConnection } from '../door-socket.ts'
import type { Entrance } from '../front.ts'
import { meterOf } from '../rate-limits.ts'
import type { RelayLimits } from '../relay-limits.ts'
import { visit, type SpaceSource } from '../visit.ts'
import type { HocuspocusHooks } from './hooks.ts'
import { HocuspocusRoster } from './roster.ts'
import { HocuspocusSession } from './session.ts'

export interface HocuspocusDoor {
  /** The address of the connection names it: all its documents are of this space. */
  readonly space: SpaceId
  readonly spaces: SpaceSource
  readonly clock: Clock
  readonly limits: RelayLimits
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
export function openHocuspocus(ws: WebSocket, { request, address }: Entrance, door: HocuspocusDoor): RoomConnection {
  const { space, spaces, clock, limits, doorman, hooks = {}, roster = new HocuspocusRoster() } = door
  const socket = doorSocket(ws, request, { clock, limits, firstFrameBytesMax: limits.hocuspocusFirstFrameBytesMax })
  const meter = meterOf(ws)
  const session = new HocuspocusSession({
    socket: socket.port,
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
