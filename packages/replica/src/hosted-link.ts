// One link as the host sees it: a port to the outside (a WebSocket, or the other end of a test) and the engine's inputs. Decides only that a
// port that fails or throws harms nobody, that nothing is sent or received once a link is closing, and when a peer outruns the store. Read by replica.ts,
// implemented by ws/. Rules: RS-1, IN-1.

import { errorTable, isErrorCode, LIMITS, type ErrorCode } from '@syncline/protocol'
import type { Access, LinkId } from './effects.ts'
import type { LinkOptions } from './link-session.ts'

/** What a transport gives: one ordered, message-preserving, two-way channel. */
export interface LinkPort {
  /** True on the side that opened the connection. */
  readonly dialled: boolean
  /** What the identity behind the link may read and write; default everything. Asked anew each time; see Replica.accessChanged. */
  readonly access?: Access | undefined
  /** A token for the peer's doorman, said in HELLO. */
  readonly auth?: Uint8Array | undefined
  /** The peer shows a fresh token: for whoever let it in. */
  renewed?(auth: Uint8Array): void
  /** Sends one message. May be called on a port that is closed already. */
  send(bytes: Uint8Array): void
  /** Closes after what was sent, within bounded time; then the transport calls AttachedLink.closed(). */
  close(code: number, reason: string): void
  /** Bytes accepted by send() that the network has not taken yet. */
  buffered(): number
  /** Stop reading, or read on: messages come faster than the store takes them. Without it they are received as they come. */
  pause?(paused: boolean): void
}

/** What the transport calls. All calls are harmless after closed(). */
export interface AttachedLink {
  readonly id: LinkId
  /** One whole message, whatever its bytes. They are not changed, and may be kept: hand over bytes that nobody reuses. */
  received(bytes: Uint8Array): void
  /** The connection is gone. */
  closed(): void
  /** buffered() fell: more may be sent. */
  drained(): void
}

export interface LinkInputs {
  received(link: LinkId, bytes: Uint8Array): void
  closed(link: LinkId): void
  drained(link: LinkId): void
}

/** What one link may deliver while the store is busy: two windows, so that an honest peer, which stops at one, never notices. */
const AHEAD_BYTES_MAX = 2 * LIMITS.windowBytes
/** What one link may deliver in one turn of the event loop; Node reads up to 2 MiB of a socket at once, and tiny rows cost far more than their bytes. */
const TURN_BYTES_MAX = LIMITS.frameTargetBytes / 2
/** A peer that dialled in and leaves this much unread is not read from: it could ask without end for what it never takes. The side that dialled
 *  reads always, or two that owe each other a large document would wait for each other. */
const UNREAD_BYTES_MAX = 4 * LIMITS.socketBufferBytesMax
/** A WebSocket close reason holds at most this many bytes of UTF-8. */
const CLOSE_REASON_BYTES_MAX = 123
/** For codes that have no close code of their own. */
const CLOSE_CODE_OTHER = 4500

/** What the engine is given of a link, too. */
export class HostedLink implements AttachedLink, LinkOptions {
  readonly id: LinkId
  readonly #port: LinkPort
  readonly #inputs: LinkInputs
  #state: 'open' | 'closing' | 'closed' = 'open'
  #aheadBytes = 0
  #turnBytes = 0
  #paused = false

  constructor(id: LinkId, port: LinkPort, inputs: LinkInputs) {
    this.id = id
    this.#port = port
    this.#inputs = inputs
  }

  get dialled(): boolean {
    return this.#port.dialled
  }

  get access(): Access | undefined {
    return this.#port.access
  }

  get auth(): Uint8Array | undefined {
    return this.#port.auth
  }

  received(bytes: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#aheadBytes += bytes.length
    this.#turnBytes += bytes.length
    this.#bound()
    this.#inputs.received(this.id, bytes)
  }

  /** The store is idle again: nothing that was received waits any more. */
  caughtUp(): void {
    this.#aheadBytes = 0
    this.#bound()
  }

  /** A turn is over: what was received in it is handled. */
  turned(): void {
    this.#turnBytes = 0
    this.#bound()
  }

  #bound(): void {
    const tooMuch = this.#aheadBytes > AHEAD_BYTES_MAX || this.#turnBytes > TURN_BYTES_MAX
    const paused = tooMuch || (!this.#port.dialled && this.buffered() > UNREAD_BYTES_MAX)
    if (paused === this.#paused) return
    this.#paused = paused
    try {
      this.#port.pause?.(paused)
    } catch {
      // A port that cannot is not bounded by it.
    }
  }

  /** It is not read from: its bounds have to be looked at again. */
  get paused(): boolean {
    return this.#paused
  }

  closed(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#inputs.closed(this.id)
  }

  drained(): void {
    if (this.#state !== 'open') return
    this.#bound()
    this.#inputs.drained(this.id)
  }

  renewed(auth: Uint8Array): void {
    if (this.#state === 'open') this.#port.renewed?.(auth)
  }

  /** Sends unless the link is closing. A port that throws is closed. */
  send(bytes: Uint8Array): void {
    if (this.#state !== 'open') return
    try {
      this.#port.send(bytes)
    } catch {
      this.#closePort(CLOSE_CODE_OTHER, 'send failed')
      this.closed()
    }
  }

  close(code: ErrorCode, reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    if (!this.#closePort(closeCodeOf(code), closeReason(code, reason))) this.closed()
  }

  /** A port that cannot tell is taken as full: it is left alone. */
  buffered(): number {
    try {
      return this.#port.buffered()
    } catch {
      return Infinity
    }
  }

  #closePort(code: number, reason: string): boolean {
    try {
      this.#port.close(code, reason)
      return true
    } catch {
      return false
    }
  }
}

export function closeCodeOf(code: ErrorCode): number {
  return errorTable[code].closeCode ?? CLOSE_CODE_OTHER
}

/** `code: reason`, cut at a character to what a close frame holds. The part before the colon is for programs (closeErrorCode reads it). */
export function closeReason(code: ErrorCode, reason: string): string {
  const text = `${code}: ${reason}`
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(CLOSE_REASON_BYTES_MAX)).read)
}

/** The code of a close reason that closeReason made, here or at the peer; null for any other text. */
export function closeErrorCode(reason: string): ErrorCode | null {
  const code = reason.split(':', 1)[0]!
  return isErrorCode(code) ? code : null
}
