// The door for y-websocket clients: one WebSocket, one document, one RoomSession, which decides everything; the socket's ways are in door-socket.ts. Read by front.ts.
// Rules: YW-2, YW-7, RS-1.

import type { DocId, ErrorCode, SpaceId, SynclineError } from '@syncline/protocol'
import type { Guest, GuestPort } from '@syncline/replica'
import { accountOf, type Pass } from './access/access.ts'
import { mayWrite } from './access/link-access.ts'
import { closingFor } from './close-code.ts'
import { DoorSocket, type DoorSocketOptions, type RoomConnection, type RoomWebSocket } from './door-socket.ts'
import type { Entrance } from './front.ts'
import { meterOf, type Meter } from './rate-limits.ts'
import type { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { Visit } from './visit.ts'
import type { Dialect } from './y-websocket-codec.ts'
import { RoomSession, type RoomSessionOptions } from './y-websocket-session.ts'

export { RoomWebSocket, type RoomConnection } from './door-socket.ts'

/** The same for all rooms of a relay. */
export interface RoomDoor extends DoorSocketOptions {
  readonly refusals: RefusalMemory
  readonly dialect: Dialect
  onRefused(space: SpaceId, doc: DocId, code: ErrorCode, reason: string): void
  onTurnedAway?(error: SynclineError): void
}

/** What the client may do, and where; both end with the connection. */
export interface RoomStay {
  readonly pass: Pass
  readonly visit: Visit
}

export function openRoom(ws: RoomWebSocket, { request, address }: Entrance, doc: DocId, door: RoomDoor, stay: RoomStay): RoomConnection {
  const socket = new DoorSocket(ws, request, door, door.limits.roomFirstFrameBytesMax)
  return new Visitor(door, stay, doc, address, ws, socket).connection
}

/** Who is in a room, as its session asks for it. */
class Visitor implements RoomSessionOptions {
  readonly socket: DoorSocket
  readonly connection: RoomConnection
  private readonly door: RoomDoor
  private readonly pass: Pass
  private readonly visit: Visit
  private readonly doc: DocId
  private readonly address: string
  private readonly meter: Meter
  private readonly session: RoomSession
  private readonly unfollow: () => void

  constructor(door: RoomDoor, { pass, visit }: RoomStay, doc: DocId, address: string, ws: RoomWebSocket, socket: DoorSocket) {
    this.door = door
    this.pass = pass
    this.visit = visit
    this.doc = doc
    this.address = address
    this.socket = socket
    this.meter = meterOf(ws)
    this.meter.speaksFor(accountOf(pass))
    this.session = new RoomSession(this)
    this.unfollow = pass.onChange(() => this.passChanged())
    this.connection = socket.serve(this.session)
  }

  get limits(): RelayLimits {
    return this.door.limits
  }

  get dialect(): Dialect {
    return this.door.dialect
  }

  get subject(): string | null {
    return this.pass.identity.subject
  }

  attach(port: GuestPort): Guest {
    return this.visit.replica.attachGuest(this.doc, port)
  }

  mayWrite(): boolean {
    return mayWrite(this.pass, this.visit.replica, this.doc)
  }

  mayBePresent(): boolean {
    return this.pass.may('presence', this.doc)
  }

  refusedBefore(): boolean {
    const { refusals, clock } = this.door
    return refusals.refusedBefore(`${this.address} ${this.visit.replica.space} ${this.doc}`, clock.now())
  }

  onValid(): void {
    this.socket.limitFrames(this.door.limits.roomFrameBytesMax)
  }

  onRefused(code: ErrorCode, reason: string): void {
    this.door.onRefused(this.visit.replica.space, this.doc, code, reason)
  }

  onTurnedAway(error: SynclineError): void {
    this.door.onTurnedAway?.(error)
  }

  onWrites(bytes: number): void {
    this.meter.updates(this.visit.replica.space, this.doc, 1, bytes)
  }

  onWrote(seq: number): void {
    this.visit.wrote(seq)
  }

  onClosed(): void {
    this.unfollow()
    this.visit.leave()
    this.pass.drop()
  }

  private passChanged(): void {
    const { pass, session, doc } = this
    if (pass.ended !== null) session.end(closingFor(pass.ended.code, 'the pass ended'))
    else if (!pass.may('read', doc)) session.end(closingFor('auth-revoked', 'this document cannot be read any more'))
    else session.rightsChanged()
  }
}
