// The door for Syncline replicas. Without authentication a socket becomes a link at once. With it, the first frame is read here: its HELLO carries the token, and the
// link is attached with what the pass allows. A frame that is no HELLO is for the engine to refuse, on a link that may do nothing. Read by relay.ts.
// Rules: AD-1 to AD-4, LK-1.

import { decodeFrame, LIMITS, SynclineError, type MessageOf } from '@syncline/protocol'
import { closeCodeOf, closeReason, type Clock, type Replica } from '@syncline/replica'
import { acceptSocket, type SocketLink } from '@syncline/replica/ws'
import { WebSocket, type RawData } from 'ws'
import type { Doorman, Pass } from './access/access.ts'
import { linkAccess, NO_ACCESS } from './access/link-access.ts'

export interface NativeDoor {
  readonly replica: Replica
  readonly clock: Clock
  readonly doorman: Doorman
  /** Somebody was turned away, or lost what it had: for logs and counters. */
  onTurnedAway(error: SynclineError): void
}

/** A greeting is one frame; what follows before the answer is either impatience or an attack. */
const EARLY_FRAMES_MAX = 16

/** Takes over an open WebSocket. Throws "replica-closed". */
export function openNative(ws: WebSocket, address: string, door: NativeDoor): void {
  if (door.doorman.authenticates) new Greeting(ws, address, door).listen()
  else acceptSocket(door.replica, ws)
}

class Greeting {
  private readonly ws: WebSocket
  private readonly address: string
  private readonly door: NativeDoor
  private readonly early: RawData[] = []
  private readonly stopWaiting: () => void

  constructor(ws: WebSocket, address: string, door: NativeDoor) {
    this.ws = ws
    this.address = address
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
    if (hello === null) this.attach(null)
    else void this.admit(hello)
  }

  private async admit({ auth }: MessageOf<'hello'>): Promise<void> {
    const { doorman, replica } = this.door
    try {
      // Another space is for the engine to refuse, once it is clear who asks.
      const pass = await doorman.admit({ token: tokenOf(auth), door: 'native', space: replica.space, address: this.address })
      if (this.ws.readyState === WebSocket.OPEN) this.attach(pass)
      else pass.drop()
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      this.turnAway(error)
    }
  }

  private attach(pass: Pass | null): void {
    const { ws, early, door } = this
    const { replica } = door
    this.stopWaiting()
    ws.off('message', this.read)
    const access = pass === null ? NO_ACCESS : linkAccess(pass, replica)
    try {
      const bound: SocketLink = acceptSocket(replica, ws, { access, early, onRenewed: (auth) => renewal?.take(auth) })
      const renewal = pass === null ? null : new Renewal(pass, (error) => void bound.close(error.code, error.message))
      const unfollow = pass?.onChange(() => {
        if (pass.ended === null) return replica.accessChanged(bound.link.id)
        door.onTurnedAway(pass.ended)
        void bound.close(pass.ended.code, 'the pass ended')
      })
      void bound.ended.then(() => {
        unfollow?.()
        pass?.drop()
      })
      ws.resume()
    } catch (error) {
      // The replica is closed, and the socket with it.
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
