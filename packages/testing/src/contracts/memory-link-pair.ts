// A link between two replicas of one process, without a network: the reference implementation of a LinkPort, and what tests of policies and applications link
// replicas with. Each message arrives in a later turn of the receiver's clock. Decides nothing beyond the link contract. Rules: LN-1 to LN-20.

import { LIMITS, SynclineError, type ErrorCode } from '@syncline/protocol'
import { closeErrorCode, type Access, type AttachedLink, type LinkId, type LinkPort, type Replica } from '@syncline/replica'
import type { LinkConnection, LinkSide } from './link-harness.ts'

/** A close that the other end does not read takes at most this long. */
const CLOSE_WITHIN_MS = 500
/** One turn hands over at most this much, so that a burst does not hold up the event loop. */
const TURN_BYTES = LIMITS.nativeFrameBytesMax

/** What a link needs of a Replica. */
export type LinkHost = Pick<Replica, 'attachLink' | 'clock'>

export interface MemoryLinkOptions {
  /** What the identity behind the listener may do at the dialler. Default everything. */
  readonly diallerAccess?: Access
  /** What the identity behind the dialler may do at the listener. Default everything. */
  readonly listenerAccess?: Access
  /** Called with every message as `from` sends it. The bytes are not yours to change. */
  readonly onMessage?: (from: LinkSide, bytes: Uint8Array) => void
}

export interface MemoryLinkPair extends LinkConnection {
  hold(side: LinkSide, held: boolean): void
  endCode(side: LinkSide): ErrorCode | null | undefined
  /** Number of the link at that side's replica, for Replica.accessChanged. */
  linkId(side: LinkSide): LinkId
}

/** Links two replicas at once. Throws "replica-closed". */
export function memoryLinkPair(dialler: LinkHost, listener: LinkHost, options: MemoryLinkOptions = {}): MemoryLinkPair {
  const { diallerAccess, listenerAccess, onMessage } = options
  const ends = {
    dialler: new MemoryEnd(dialler, true, diallerAccess, (bytes) => onMessage?.('dialler', bytes)),
    listener: new MemoryEnd(listener, false, listenerAccess, (bytes) => onMessage?.('listener', bytes)),
  }
  ends.dialler.join(ends.listener)
  ends.listener.join(ends.dialler)
  try {
    ends.dialler.attach()
    ends.listener.attach()
  } catch (error) {
    ends.dialler.break()
    throw error
  }
  return {
    cut: () => ends.dialler.break(),
    hold: (side, held) => ends[side].hold('network', held),
    endCode: (side) => ends[side].endCode,
    linkId: (side) => ends[side].linkId,
    async close() {
      ends.dialler.close(1000, '')
      await Promise.all([ends.dialler.ended, ends.listener.ended])
    },
  }
}

type Arrival = { readonly kind: 'message'; readonly bytes: Uint8Array } | { readonly kind: 'end'; readonly reason: string }

class MemoryEnd implements LinkPort {
  readonly dialled: boolean
  readonly access?: Access
  /** Resolves when this end is gone. */
  readonly ended: Promise<void>
  endCode: ErrorCode | null | undefined = null
  readonly #host: LinkHost
  readonly #onSend: (bytes: Uint8Array) => void
  #other!: MemoryEnd
  #link: AttachedLink | null = null
  #state: 'open' | 'closing' | 'ended' = 'open'
  #arrivals: Arrival[] = []
  readonly #heldBy = new Set<'port' | 'network'>()
  #scheduled = false
  #unsentBytes = 0
  #full = false
  #cancelDeadline: () => void = () => undefined
  #resolveEnded: () => void = () => undefined

  constructor(host: LinkHost, dialled: boolean, access: Access | undefined, onSend: (bytes: Uint8Array) => void) {
    this.#host = host
    this.dialled = dialled
    if (access !== undefined) this.access = access
    this.#onSend = onSend
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve))
  }

  join(other: MemoryEnd): void {
    this.#other = other
  }

  attach(): void {
    this.#link = this.#host.attachLink(this)
  }

  get linkId(): LinkId {
    return this.#link!.id
  }

  // What the replica calls

  send(bytes: Uint8Array): void {
    if (this.#state !== 'open') return
    if (bytes.length > LIMITS.nativeFrameBytesMax) {
      throw new SynclineError('frame-too-large', `A message of ${bytes.length} bytes was given to a link in memory.`)
    }
    this.#onSend(bytes)
    this.#unsentBytes += bytes.length
    this.#full ||= this.#unsentBytes >= LIMITS.frameTargetBytes
    this.#other.arrive({ kind: 'message', bytes: bytes.slice() })
  }

  close(_code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#cancelDeadline = this.#host.clock.after(CLOSE_WITHIN_MS, () => this.break())
    this.#other.arrive({ kind: 'end', reason })
  }

  buffered(): number {
    return this.#unsentBytes
  }

  pause(paused: boolean): void {
    this.hold('port', paused)
  }

  // The network between the ends

  hold(by: 'port' | 'network', held: boolean): void {
    if (held) this.#heldBy.add(by)
    else this.#heldBy.delete(by)
    this.#deliverSoon()
  }

  /** Both ends are gone, with what was under way. */
  break(): void {
    this.end(null)
    this.#other.end(null)
  }

  arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival)
    this.#deliverSoon()
  }

  #deliverSoon(): void {
    if (this.#scheduled || this.#arrivals.length === 0 || this.#heldBy.size > 0) return
    this.#scheduled = true
    this.#host.clock.soon(() => {
      this.#scheduled = false
      this.#deliver()
      this.#deliverSoon()
    })
  }

  #deliver(): void {
    for (let bytes = 0; bytes < TURN_BYTES && this.#heldBy.size === 0;) {
      const arrival = this.#arrivals.shift()
      if (arrival === undefined) return
      if (arrival.kind === 'end') return this.#endBoth(closeErrorCode(arrival.reason))
      bytes += arrival.bytes.length
      this.#other.taken(arrival.bytes.length)
      if (this.#state === 'open') this.#link?.received(arrival.bytes)
    }
  }

  /** The other end took so many bytes. */
  taken(bytes: number): void {
    this.#unsentBytes -= bytes
    if (!this.#full || this.#unsentBytes >= LIMITS.frameTargetBytes / 2 || this.#state !== 'open') return
    this.#full = false
    this.#link?.drained()
  }

  /** The other end closed, and all it sent before is here. */
  #endBoth(code: ErrorCode | null): void {
    this.end(code)
    this.#other.end(null)
  }

  end(code: ErrorCode | null): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.endCode = code
    this.#arrivals = []
    this.#unsentBytes = 0
    this.#cancelDeadline()
    // Not inside a call of the port: the replica may be in the middle of sending.
    this.#host.clock.soon(() => {
      this.#link?.closed()
      this.#resolveEnded()
    })
  }
}
