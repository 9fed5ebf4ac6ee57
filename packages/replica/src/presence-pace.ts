// How fast each connection may change its presence: so many states a second on average, and so many of one person. Beyond it the newest state of each id waits until there is room
// again, and the older ones are forgotten: presence is of the moment. A connection that sends many times as much for half a minute is ended. A link to another relay speaks for many
// and gets more; this replica itself is not bounded. Knows links and guests by number; read by presence-spread.ts. Rule: PR-6.

import type { PresenceEntry } from '@syncline/protocol'
import { LOCAL } from './commit-batch.ts'
import type { CoreContext } from './core-context.ts'
import type { SourceId } from './effects.ts'
import type { LinkSession } from './link-session.ts'
import type { PresenceRoom } from './presence-room.ts'
import { TokenBucket } from './token-bucket.ts'

export type Owner = `link ${number}` | `source ${number}`

/** What a host knows of a guest. */
export interface GuestFacts {
  /** As GuestPort.subject. */
  readonly subject?: string | null
  /** As GuestPort.connection. */
  readonly connection?: object
}

/** A state that waits. */
export interface Waiting {
  readonly owner: Owner
  readonly room: PresenceRoom
  readonly entry: PresenceEntry
}

export type PaceBound = 'connection' | 'subject'

/** What comes at once after a pause: whoever reconnects announces itself in all its documents. */
const BURST_SECONDS = 10
/** Who sends this many times its rate ... */
const ABUSE_FACTOR = 8
/** ... for this long, is ended. */
const ABUSE_SECONDS = 30
/** Ids of one connection whose newest state waits; above it the oldest are forgotten. */
const WAITING_MAX = 1024
/** Rates of persons are looked through when there are so many, and again at twice as many as were left. */
const SWEEP_AT = 256

export class PresencePace {
  readonly #states: TokenBucket
  readonly #endurance: TokenBucket
  readonly #ofSubject: () => TokenBucket | null
  readonly #waiting = new Map<string, Waiting>()

  constructor(perSecond: number, ofSubject: () => TokenBucket | null, nowMs: number) {
    this.#states = new TokenBucket(perSecond * BURST_SECONDS, perSecond, nowMs)
    this.#endurance = new TokenBucket(perSecond * ABUSE_FACTOR * ABUSE_SECONDS, perSecond * ABUSE_FACTOR, nowMs)
    this.#ofSubject = ofSubject
  }

  get waits(): boolean {
    return this.#waiting.size > 0
  }

  /** Null: so many states may go on at once. Otherwise which rate is used up: they are to wait. */
  takes(states: number, nowMs: number): PaceBound | null {
    this.#endurance.take(states, nowMs)
    if (this.#waiting.size > 0) return this.#states.available(nowMs) < 1 ? 'connection' : 'subject'
    if (this.#states.available(nowMs) < states) return 'connection'
    const ofSubject = this.#ofSubject()
    if (ofSubject !== null && ofSubject.available(nowMs) < states) return 'subject'
    this.#states.take(states, nowMs)
    ofSubject?.take(states, nowMs)
    return null
  }

  isAbusive(nowMs: number): boolean {
    return this.#endurance.available(nowMs) < 0
  }

  /** In place of what waits of the same id. */
  wait(one: Waiting): void {
    this.#waiting.set(`${one.room.key} ${one.entry.clientId}`, one)
    if (this.#waiting.size > WAITING_MAX) this.#waiting.delete(this.#waiting.keys().next().value!)
  }

  /** What may go on by now: those that wait longest, first. */
  due(nowMs: number): Waiting[] {
    const ofSubject = this.#ofSubject()
    const room = Math.min(this.#states.available(nowMs), ofSubject?.available(nowMs) ?? Infinity)
    const due: Waiting[] = []
    for (const [id, one] of this.#waiting) {
      if (due.length + 1 > room) break
      this.#waiting.delete(id)
      due.push(one)
    }
    this.#states.take(due.length, nowMs)
    ofSubject?.take(due.length, nowMs)
    return due
  }
}

/** The paces of all who are connected, made when they first announce anything. */
export class PresencePaces {
  readonly #context: CoreContext
  readonly #facts = new Map<SourceId, GuestFacts>()
  readonly #ofSources = new Map<SourceId, PresencePace>()
  /** Of links, and of connections that have several documents. */
  readonly #ofConnections = new WeakMap<object, PresencePace>()
  readonly #bySubject = new Map<string, TokenBucket>()
  #sweepAt = SWEEP_AT

  constructor(context: CoreContext) {
    this.#context = context
  }

  sourceIs(source: SourceId, facts: GuestFacts): void {
    this.#facts.set(source, facts)
  }

  sourceLeft(source: SourceId): void {
    this.#facts.delete(source)
    this.#ofSources.delete(source)
  }

  subjectOf(owner: Owner): string | null {
    const source = sourceOf(owner)
    return source === null ? (linkOf(this.#context, owner)?.access.subject ?? null) : (this.#facts.get(source)?.subject ?? null)
  }

  /** Null: not bounded. */
  of(owner: Owner): PresencePace | null {
    const source = sourceOf(owner)
    const connection = this.#connectionOf(owner)
    // This replica itself, or a link that is gone.
    if (source === LOCAL || (source === null && connection === undefined)) return null
    const known = connection === undefined ? this.#ofSources.get(source!) : this.#ofConnections.get(connection)
    if (known !== undefined) return known
    const pace = this.#make(owner)
    if (connection === undefined) this.#ofSources.set(source!, pace)
    else this.#ofConnections.set(connection, pace)
    return pace
  }

  #connectionOf(owner: Owner): object | undefined {
    const source = sourceOf(owner)
    return source === null ? linkOf(this.#context, owner) : this.#facts.get(source)?.connection
  }

  #make(owner: Owner): PresencePace {
    const { limits, nowMs } = this.#context
    const isRelay = linkOf(this.#context, owner)?.hello?.role === 'relay'
    const subject = isRelay ? null : this.subjectOf(owner)
    const perSecond = isRelay ? limits.relayPresencePerSecondMax : limits.presencePerSecondMax
    return new PresencePace(perSecond, () => (subject === null ? null : this.#ofSubject(subject)), nowMs)
  }

  #ofSubject(subject: string): TokenBucket {
    const { limits, nowMs } = this.#context
    const known = this.#bySubject.get(subject)
    if (known !== undefined) return known
    if (this.#bySubject.size >= this.#sweepAt) {
      for (const [name, bucket] of this.#bySubject) if (bucket.isFull(nowMs)) this.#bySubject.delete(name)
      this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#bySubject.size)
    }
    const perSecond = limits.subjectPresencePerSecondMax
    const bucket = new TokenBucket(perSecond * BURST_SECONDS, perSecond, nowMs)
    this.#bySubject.set(subject, bucket)
    return bucket
  }
}

export function sourceOf(owner: Owner): SourceId | null {
  return owner.startsWith('source ') ? Number(owner.slice(7)) : null
}

export function linkOf(context: CoreContext, owner: Owner): LinkSession | undefined {
  return owner.startsWith('link ') ? context.links.get(Number(owner.slice(5))) : undefined
}
