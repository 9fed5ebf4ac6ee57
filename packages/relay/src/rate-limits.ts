// How fast a relay reads: messages and bytes of one connection, of all connections of one person, and of all connections to one document. Over the rate nothing is
// dropped: the socket is not read until the bucket has refilled, and what was read is committed and acknowledged as ever. Only who owes more than half a minute is closed
// ("rate-limited": come back later). Pauses of the doors and these pauses add up. Used by front.ts; doors say who a connection speaks for. Rules: LI-4 to LI-6, RS-1.

import { errorTable, SynclineError } from '@syncline/protocol'
import { closeReason, type Clock } from '@syncline/replica'
import type { RawData, WebSocket } from 'ws'
import type { DoorName } from './access/access.ts'
import type { RelayLimits } from './relay-limits.ts'
import { TokenBucket } from './token-bucket.ts'

export type RateBound = 'connection' | 'subject' | 'document'

export interface RateLimitsOptions {
  readonly limits: RelayLimits
  readonly clock: Clock
  /** A socket is not read for a while: for counters. */
  onThrottled(door: DoorName, by: RateBound): void
  /** A connection is closed with "rate-limited". */
  onTurnedAway(error: SynclineError, door: DoorName): void
}

/** Shorter pauses are left until they add up. */
const WAIT_MS_MIN = 10
/** Shared meters that nobody uses are looked for when so many came. */
const SWEEP_EVERY = 256

const meters = new WeakMap<WebSocket, ConnectionMeter>()

/** Whose a connection is, as soon as its door knows. What it sends counts for them too, from then on. `document`: of a connection that has one only. */
export function countsFor(ws: WebSocket, owner: { readonly subject: string | null; readonly document?: string }): void {
  meters.get(ws)?.countsFor(owner)
}

export class RateLimits {
  private readonly options: RateLimitsOptions
  private readonly shared = new Map<string, SharedMeter>()
  private came = 0

  constructor(options: RateLimitsOptions) {
    this.options = options
  }

  /** Call when the socket is open and before its door listens. */
  watch(ws: WebSocket, door: DoorName): void {
    const { limits, clock } = this.options
    const { connectionMessagesPerSecondMax, connectionBytesPerSecondMax } = limits
    const own = new Meter(connectionMessagesPerSecondMax, connectionBytesPerSecondMax, limits.rateBurstSeconds, clock.now())
    const meter = new ConnectionMeter(ws, door, this.options, own, (bound, name) => this.use(bound, name))
    meters.set(ws, meter)
    ws.on('message', (data: RawData) => meter.took((data as Buffer).length))
    ws.on('ping', (data: Buffer) => meter.took(data.length))
    ws.on('close', () => meter.end())
  }

  private use(bound: 'subject' | 'document', name: string): SharedMeter {
    const { limits, clock } = this.options
    if (++this.came % SWEEP_EVERY === 0) for (const [key, meter] of this.shared) if (meter.isIdle(clock.now())) this.shared.delete(key)
    const key = `${bound} ${name}`
    let meter = this.shared.get(key)
    if (meter === undefined) {
      const [messages, bytes] =
        bound === 'subject'
          ? [limits.subjectMessagesPerSecondMax, limits.subjectBytesPerSecondMax]
          : [limits.documentMessagesPerSecondMax, limits.documentBytesPerSecondMax]
      meter = new SharedMeter(messages, bytes, limits.rateBurstSeconds, clock.now())
      this.shared.set(key, meter)
    }
    meter.users++
    return meter
  }
}

class Meter {
  private readonly messages: TokenBucket
  private readonly bytes: TokenBucket

  constructor(messagesPerSecond: number, bytesPerSecond: number, burstSeconds: number, nowMs: number) {
    this.messages = new TokenBucket(messagesPerSecond * burstSeconds, messagesPerSecond, nowMs)
    this.bytes = new TokenBucket(bytesPerSecond * burstSeconds, bytesPerSecond, nowMs)
  }

  take(bytes: number, nowMs: number): number {
    return Math.max(this.messages.take(1, nowMs), this.bytes.take(bytes, nowMs))
  }

  isFull(nowMs: number): boolean {
    return this.messages.isFull(nowMs) && this.bytes.isFull(nowMs)
  }
}

class SharedMeter extends Meter {
  users = 0

  /** Nobody uses it, and it would be made anew as it is: one who reconnects does not begin with a full one. */
  isIdle(nowMs: number): boolean {
    return this.users === 0 && this.isFull(nowMs)
  }
}

/** Meters one socket. Takes over its pause() and resume(): it is read when neither its door nor its rate forbids. */
class ConnectionMeter {
  private readonly door: DoorName
  private readonly options: RateLimitsOptions
  private readonly meters: [RateBound, Meter][]
  private readonly share: (bound: 'subject' | 'document', name: string) => SharedMeter
  private readonly ws: WebSocket
  private readonly pause: () => void
  private readonly resume: () => void
  private pausedByDoor = false
  private held = false
  private ended = false
  private cancel: () => void = () => undefined

  constructor(
    ws: WebSocket,
    door: DoorName,
    options: RateLimitsOptions,
    own: Meter,
    share: (bound: 'subject' | 'document', name: string) => SharedMeter,
  ) {
    this.ws = ws
    this.door = door
    this.options = options
    this.meters = [['connection', own]]
    this.share = share
    this.pause = ws.pause.bind(ws)
    this.resume = ws.resume.bind(ws)
    ws.pause = () => {
      this.pausedByDoor = true
      this.pause()
    }
    ws.resume = () => {
      this.pausedByDoor = false
      if (!this.held) this.resume()
    }
  }

  countsFor({ subject, document }: Parameters<typeof countsFor>[1]): void {
    if (this.ended) return
    if (subject !== null && !this.counts('subject')) this.meters.push(['subject', this.share('subject', subject)])
    if (document !== undefined && !this.counts('document')) this.meters.push(['document', this.share('document', document)])
  }

  took(bytes: number): void {
    const { limits, clock } = this.options
    const now = clock.now()
    let waitMs = 0
    let by: RateBound = 'connection'
    for (const [bound, meter] of this.meters) {
      const missing = meter.take(bytes, now)
      if (missing <= waitMs) continue
      waitMs = missing
      by = bound
    }
    if (waitMs > limits.rateWaitMsMax) this.cut(by)
    else if (waitMs >= WAIT_MS_MIN) this.hold(waitMs, by)
  }

  /** The socket is gone. */
  end(): void {
    this.ended = true
    this.cancel()
    for (const [, meter] of this.meters) if (meter instanceof SharedMeter) meter.users--
    this.meters.length = 0
  }

  private counts(bound: RateBound): boolean {
    return this.meters.some(([counted]) => counted === bound)
  }

  private hold(waitMs: number, by: RateBound): void {
    if (!this.held) this.options.onThrottled(this.door, by)
    this.held = true
    this.cancel()
    this.pause()
    this.cancel = this.options.clock.after(waitMs, () => {
      this.held = false
      if (!this.pausedByDoor) this.resume()
    })
  }

  /** Nothing more is read or metered. What was read is committed; its acknowledgement is on its way before the close frame, or the client sends it again. */
  private cut(by: RateBound): void {
    this.end()
    this.held = true
    this.pause()
    const error = new SynclineError('rate-limited', `More comes than is read from one ${by}.`)
    this.options.onTurnedAway(error, this.door)
    this.ws.close(errorTable['rate-limited'].closeCode, closeReason('rate-limited', `more comes than is read from one ${by}`))
  }
}
