// How fast a relay reads: messages and bytes of one connection and of all connections of one person; updates of all connections to one document and to one space; names that
// are remembered although nothing is stored under them. Over the rate nothing is dropped: the socket is not read until the bucket has refilled, and what was read is committed and acknowledged as ever. Only
// who owes more than half a minute is closed ("rate-limited": come back later). Pauses of the doors and these pauses add up. Connections are watched by front.ts; whose a message
// is, its door says. Rules: LI-4 to LI-10, RS-1.

import { DEFAULT_SPACE, errorTable, SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import { closeReason, TokenBucket, type Clock } from '@syncline/replica'
import { WebSocket, type RawData } from 'ws'
import type { DoorName } from './access/access.ts'
import type { RelayLimits } from './relay-limits.ts'

export type RateBound = 'connection' | 'subject' | 'document' | 'space' | 'names'
type SharedBound = Exclude<RateBound, 'connection'>

export interface RateLimitsOptions {
  readonly limits: RelayLimits
  readonly clock: Clock
  /** A socket is not read for a while: for counters. */
  onThrottled(door: DoorName, by: RateBound): void
  /** A connection is closed with "rate-limited". */
  onTurnedAway(error: SynclineError, door: DoorName): void
}

/** What comes over one connection, as its door counts it. */
export interface Meter {
  /** Whom all that comes from now on counts for; null: nobody in particular. */
  speaksFor(account: string | null): void
  /** One message, where a connection speaks for several. */
  spokenBy(account: string | null, bytes: number): void
  /** One update (`messages` 0: more of the one before) of a document. */
  updates(space: SpaceId, doc: DocId, messages: 0 | 1, bytes: number): void
  /** One name that will be remembered: a deletion of what never was, a document that is refused. */
  remembers(account: string | null): void
}

/** Shorter pauses are left until they add up. */
const WAIT_MS_MIN = 10
/** Shared rates are looked through when there are so many, and again at twice as many as were left. */
const SWEEP_AT = 256

const UNLIMITED: Meter = { speaksFor: ignore, spokenBy: ignore, updates: ignore, remembers: ignore }

/** One that can be watched: it is read when neither its door nor its rate forbids. */
export class MeteredWebSocket extends WebSocket {
  meter: ConnectionMeter | null = null

  override pause(): void {
    if (this.meter === null) super.pause()
    else this.meter.pausedByDoor(true)
  }

  override resume(): void {
    if (this.meter === null) super.resume()
    else this.meter.pausedByDoor(false)
  }

  /** Whatever its door says. */
  read(reads: boolean): void {
    if (reads) super.resume()
    else super.pause()
  }
}

/** That of a watched socket; of any other one that counts nothing. */
export function meterOf(ws: WebSocket): Meter {
  return meterWithin(ws) ?? UNLIMITED
}

function meterWithin(ws: WebSocket): ConnectionMeter | null {
  return ws instanceof MeteredWebSocket ? ws.meter : null
}

function onMessage(this: WebSocket, data: RawData): void {
  meterWithin(this)?.took((data as Buffer).length)
}

function onClose(this: WebSocket): void {
  meterWithin(this)?.end()
}

export class RateLimits {
  readonly options: RateLimitsOptions
  private readonly shared: Readonly<Record<SharedBound, Map<string, Rate>>> = {
    subject: new Map(),
    document: new Map(),
    space: new Map(),
    names: new Map(),
  }
  private sweepAt: Record<SharedBound, number> = { subject: SWEEP_AT, document: SWEEP_AT, space: SWEEP_AT, names: SWEEP_AT }
  private watched = 0

  constructor(options: RateLimitsOptions) {
    this.options = options
  }

  /** Call when the socket is open and before its door listens. */
  watch(ws: MeteredWebSocket, door: DoorName): void {
    ws.meter = new ConnectionMeter(ws, door, this, ++this.watched)
    ws.on('message', onMessage)
    ws.on('ping', onMessage)
    ws.on('close', onClose)
  }

  ofConnection(): Rate {
    const { limits, clock } = this.options
    return new Rate(limits.connectionMessagesPerSecondMax, limits.connectionBytesPerSecondMax, limits.rateBurstSeconds, clock.now())
  }

  /** Made anew when it is full: one who reconnects does not begin with a full one. */
  of(bound: SharedBound, name: string, nowMs: number): Rate {
    const rates = this.shared[bound]
    let rate = rates.get(name)
    if (rate === undefined) {
      if (rates.size >= this.sweepAt[bound]) this.sweep(bound, nowMs)
      rate = this.make(bound, nowMs)
      rates.set(name, rate)
    }
    return rate
  }

  private sweep(bound: SharedBound, nowMs: number): void {
    const rates = this.shared[bound]
    for (const [name, rate] of rates) if (rate.isFull(nowMs)) rates.delete(name)
    this.sweepAt[bound] = Math.max(SWEEP_AT, 2 * rates.size)
  }

  private make(bound: SharedBound, nowMs: number): Rate {
    const { limits } = this.options
    const { rateBurstSeconds } = limits
    switch (bound) {
      case 'subject':
        return new Rate(limits.subjectMessagesPerSecondMax, limits.subjectBytesPerSecondMax, rateBurstSeconds, nowMs)
      case 'document':
        return new Rate(limits.documentMessagesPerSecondMax, limits.documentBytesPerSecondMax, rateBurstSeconds, nowMs)
      case 'space':
        return new Rate(limits.spaceMessagesPerSecondMax, limits.spaceBytesPerSecondMax, rateBurstSeconds, nowMs)
      case 'names':
        return new Rate(limits.rememberedNamesPerSecondMax, 1, rateBurstSeconds, nowMs)
    }
  }
}

class Rate {
  private readonly messages: TokenBucket
  private readonly bytes: TokenBucket

  constructor(messagesPerSecond: number, bytesPerSecond: number, burstSeconds: number, nowMs: number) {
    this.messages = new TokenBucket(messagesPerSecond * burstSeconds, messagesPerSecond, nowMs)
    this.bytes = new TokenBucket(bytesPerSecond * burstSeconds, bytesPerSecond, nowMs)
  }

  /** Returns in how many ms what is missing will be refilled. */
  take(messages: number, bytes: number, nowMs: number): number {
    return Math.max(this.messages.take(messages, nowMs), this.bytes.take(bytes, nowMs))
  }

  isFull(nowMs: number): boolean {
    return this.messages.isFull(nowMs) && this.bytes.isFull(nowMs)
  }
}

/** Meters one socket. */
class ConnectionMeter implements Meter {
  private readonly ws: MeteredWebSocket
  private readonly door: DoorName
  private readonly rates: RateLimits
  private readonly own: Rate
  private readonly number: number
  private account: string | null = null
  private doorPauses = false
  /** Not read before; 0: read. */
  private heldUntilMs = 0
  private ended = false
  private cancel: () => void = ignore

  constructor(ws: MeteredWebSocket, door: DoorName, rates: RateLimits, number: number) {
    this.ws = ws
    this.door = door
    this.rates = rates
    this.number = number
    this.own = rates.ofConnection()
  }

  pausedByDoor(pauses: boolean): void {
    this.doorPauses = pauses
    if (pauses || this.heldUntilMs === 0) this.ws.read(!pauses)
  }

  took(bytes: number): void {
    if (this.ended) return
    const now = this.now()
    this.wait('connection', this.own.take(1, bytes, now), now)
    if (this.account !== null) this.spend('subject', this.account, 1, bytes, now)
  }

  speaksFor(account: string | null): void {
    this.account = account
  }

  spokenBy(account: string | null, bytes: number): void {
    if (account !== null) this.spend('subject', account, 1, bytes, this.now())
  }

  updates(space: SpaceId, doc: DocId, messages: 0 | 1, bytes: number): void {
    const now = this.now()
    // Most relays have one space: its names are taken as they are. No name has a NUL in it.
    this.spend('document', space === DEFAULT_SPACE ? doc : `${space}\0${doc}`, messages, bytes, now)
    this.spend('space', space, messages, bytes, now)
  }

  remembers(account: string | null): void {
    // Nobody in particular: by connection. No subject has a control character in it.
    this.spend('names', account ?? `\0link ${this.number}`, 1, 0, this.now())
  }

  /** The socket is gone. */
  end(): void {
    this.ended = true
    this.cancel()
  }

  private now(): number {
    return this.rates.options.clock.now()
  }

  private spend(bound: SharedBound, name: string, messages: number, bytes: number, nowMs: number): void {
    if (!this.ended) this.wait(bound, this.rates.of(bound, name, nowMs).take(messages, bytes, nowMs), nowMs)
  }

  private wait(by: RateBound, waitMs: number, nowMs: number): void {
    if (waitMs < WAIT_MS_MIN || this.ended) return
    if (waitMs > this.rates.options.limits.rateWaitMsMax) this.cut(by)
    else if (nowMs + waitMs > this.heldUntilMs) this.hold(by, waitMs, nowMs)
  }

  private hold(by: RateBound, waitMs: number, nowMs: number): void {
    if (this.heldUntilMs === 0) this.rates.options.onThrottled(this.door, by)
    this.heldUntilMs = nowMs + waitMs
    this.cancel()
    this.ws.read(false)
    this.cancel = this.rates.options.clock.after(waitMs, () => {
      this.heldUntilMs = 0
      if (!this.doorPauses) this.ws.read(true)
    })
  }

  /** Nothing more is read or metered. What was read is committed; its acknowledgement is on its way before the close frame, or the client sends it again. */
  private cut(by: RateBound): void {
    this.end()
    this.heldUntilMs = Infinity
    this.ws.read(false)
    const what = by === 'names' ? 'More names come than are remembered' : `More comes than is read from one ${by}`
    this.rates.options.onTurnedAway(new SynclineError('rate-limited', `${what}.`), this.door)
    this.ws.close(errorTable['rate-limited'].closeCode, closeReason('rate-limited', what.toLowerCase()))
  }
}

function ignore(): void {
  // Nothing is counted, or nothing waits.
}
