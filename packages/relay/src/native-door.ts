// The door for Syncline replicas. Without authentication and with one space a socket becomes a link at once. Otherwise the first frame is read here: its HELLO names the
// space and carries the token, and the link is attached to that space with what the pass allows. A frame that is no HELLO is for the engine to refuse, on a link that may
// do nothing. Read by relay-doors.ts. Rules: AD-1 to AD-4, LK-1, SP-2, SP-3.

import { decodeFrame, LIMITS, SynclineError, type MessageOf, type SpaceId } from '@syncline/protocol'
import { closeCodeOf, closeReason, type Clock, type Replica } from '@syncline/replica'
import { acceptSocket, type SocketLink } from '@syncline/replica/ws'
import { WebSocket, type RawData } from 'ws'
import { accountOf, type Doorman, type Pass } from './access/access.ts'
import { linkAccess, NO_ACCESS, OpenAccess } from './access/link-access.ts'
import { meterOf } from './rate-limits.ts'
import { spaceOrNull } from './data-folder.ts'
import type { SpaceHeld, SpaceSource } from './visit.ts'

export interface NativeDoor {
  /** Of the default space. */
  readonly replica: Replica
  /** Null: there is only the default space, and the engine refuses links that ask for another. */
  readonly spaces: SpaceSource | null
  readonly clock: Clock
  readonly doorman: Doorman
  /** Somebody was turned away, or lost what it had: for logs and counters. */
  onTurnedAway(error: SynclineError): void
}

/** A greeting is one frame; what follows before the answer is either impatience or an attack. */
const EARLY_FRAMES_MAX = 16

export interface NativeEntrance {
  readonly address: string
  /** That the address of the connection names; null: none. */
  readonly space: SpaceId | null
}

/** Takes over an open WebSocket. Throws "replica-closed". */
export function openNative(ws: WebSocket, entrance: NativeEntrance, door: NativeDoor): void {
  if (door.doorman.authenticates || door.spaces !== null) new Greeting(ws, entrance, door).listen()
  else acceptSocket(door.replica, ws, { access: new OpenAccess(door.replica.space, meterOf(ws)) })
}

class Greeting {
  private readonly ws: WebSocket
  private readonly entrance: NativeEntrance
  private readonly door: NativeDoor
  private readonly early: RawData[] = []
  private readonly stopWaiting: () => void

  constructor(ws: WebSocket, entrance: NativeEntrance, door: NativeDoor) {
    this.ws = ws
    this.entrance = entrance
    this.door = door
    this.stopWaiting = door.clock.after(LIMITS.helloDeadlineMs, () =>
      this.turnAway(new SynclineError('hello-timeout', 'No HELLO came in time.')),
    )
  }

  listen(): void {
    this.ws.on('error', ignore)
    this.ws.on('close', this.stopWaiting)
    this.ws.on('message', this.read)
  }

  private readonly read = (data: RawData, binary: boolean): void => {
    if (!binary) return this.turnAway(new SynclineError('message-malformed', 'A text message came.'))
    this.early.push(data)
    if (this.early.length > EARLY_FRAMES_MAX)
      return this.turnAway(new SynclineError('message-unexpected', 'More came before HELLO was answered.'))
    if (this.early.length > 1) return
    this.ws.pause()
    const hello = helloOf(data as Uint8Array)
    if (hello === null) this.attach(null, null)
    else void this.admit(hello)
  }

  private async admit({ auth, space: asked }: MessageOf<'hello'>): Promise<void> {
    const { doorman, replica, spaces } = this.door
    const { address, space: named } = this.entrance
    try {
      // Where there is one space, another is for the engine to refuse, once it is clear who asks.
      const space = spaces === null ? replica.space : spaceOrNull(asked)
      if (space === null || (named !== null && named !== space))
        throw new SynclineError(
          'space-unknown',
          `HELLO names the space ${JSON.stringify(asked.slice(0, 128))}, which is not the one of this address.`,
        )
      const pass = await doorman.admit({ token: tokenOf(auth), door: 'native', space, address })
      const held = await this.enter(space, pass).catch((error: unknown) => {
        pass.drop()
        throw error
      })
      if (this.ws.readyState === WebSocket.OPEN) return this.attach(pass, held)
      held?.release()
      pass.drop()
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      this.turnAway(error)
    }
  }

  /** Null where there is only the default space. A link names no document yet, so it is asked what its identity may do at all: a space that is forbidden and one that is
   *  absent look the same. */
  private async enter(space: SpaceId, pass: Pass): Promise<SpaceHeld | null> {
    const { spaces } = this.door
    if (spaces === null) return null
    const refused = outOfReach(pass)
    if (refused !== null) throw refused
    return await spaces.use(space, pass.reaches('write') && pass.reaches('create'))
  }

  private attach(pass: Pass | null, held: SpaceHeld | null): void {
    const { ws, early, door } = this
    const replica = held?.replica ?? door.replica
    this.stopWaiting()
    const meter = meterOf(ws)
    if (pass !== null) meter.speaksFor(accountOf(pass))
    ws.off('message', this.read)
    const access = pass === null ? NO_ACCESS : linkAccess(pass, replica, meter)
    try {
      const bound: SocketLink = acceptSocket(replica, ws, { access, early, onRenewed: (auth) => renewal?.take(auth) })
      const renewal = pass === null ? null : new Renewal(pass, (error) => void bound.close(error.code, error.message))
      const unfollow = pass?.onChange(() => {
        const lost = pass.ended ?? (held === null ? null : outOfReach(pass))
        if (lost === null) return replica.accessChanged(bound.link.id)
        door.onTurnedAway(lost)
        void bound.close(lost.code, pass.ended === null ? lost.message : 'the pass ended')
      })
      void bound.ended.then(() => {
        unfollow?.()
        held?.release()
        pass?.drop()
      })
      ws.resume()
    } catch (error) {
      // The replica is closed, and the socket with it.
      held?.release()
      pass?.drop()
      if (!(error instanceof SynclineError)) throw error
    }
  }

  private turnAway(error: SynclineError): void {
    this.stopWaiting()
    this.ws.off('message', this.read)
    this.door.onTurnedAway(error)
    // A paused socket would never read the other side's answer.
    this.ws.resume()
    this.ws.close(closeCodeOf(error.code), closeReason(error.code, error.message))
  }
}

/** Fresh tokens of one link, one after the other: of those that come while one is looked at, only the last counts. */
class Renewal {
  private readonly pass: Pass
  private readonly failed: (error: SynclineError) => void
  private next: Uint8Array | null = null
  private busy = false

  constructor(pass: Pass, failed: (error: SynclineError) => void) {
    this.pass = pass
    this.failed = failed
  }

  take(auth: Uint8Array): void {
    this.next = auth
    if (!this.busy) void this.work()
  }

  private async work(): Promise<void> {
    this.busy = true
    while (this.next !== null) {
      const token = tokenOf(this.next) ?? ''
      this.next = null
      try {
        await this.pass.renew(token)
      } catch (error) {
        if (!(error instanceof SynclineError)) throw error
        // Nobody could look at it: the old token stays good until it expires, and the client asks again.
        if (error.code !== 'auth-unavailable') this.failed(error)
      }
    }
    this.busy = false
  }
}

/** Why a pass keeps nobody in a space: it may nothing there. Null: it may. */
function outOfReach(pass: Pass): SynclineError | null {
  if (pass.reaches('read') || pass.reaches('write')) return null
  return pass.ended ?? new SynclineError('access-denied', 'This space cannot be used here.')
}

function ignore(): void {
  // ws closes the socket after every error.
}

function helloOf(bytes: Uint8Array): MessageOf<'hello'> | null {
  const frame = decodeFrame(bytes)
  const first = frame.ok ? frame.messages[0] : undefined
  return first?.kind === 'hello' ? first : null
}

/** Null: none. Bytes that are no text are a token that nobody gave out. */
function tokenOf(auth: Uint8Array): string | null {
  return auth.length === 0 ? null : new TextDecoder().decode(auth)
}
