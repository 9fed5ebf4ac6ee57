// Presence across links, guests and this replica: who owns an id is decided by the protocol's PresenceTable; here it is challenged, handed over and removed, and presence-spread.ts
// tells the others. An owner that is claimed against is pinged; silent for 2 s, it loses the id; to another connection of the same known person, at once. What came through a relay outlives that link by 30 s,
// and a new link to that relay goes on with it. Rules: PR-1, PR-2, PR-4; DESIGN.md 5.

import {
  decodePresence,
  encodePresence,
  LIMITS,
  rangeHolds,
  type DocId,
  type DocKey,
  type PresenceEntry,
  type ReplicaId,
} from '@syncline/protocol'
import type { Channel } from './channel.ts'
import type { CoreContext } from './core-context.ts'
import type { SourceId } from './effects.ts'
import { ping } from './link-keeper.ts'
import type { LinkSession } from './link-session.ts'
import { linkOf, PresencePaces, sourceOf, type GuestFacts, type Owner } from './presence-pace.ts'
import { PresenceRoom } from './presence-room.ts'
import { PresenceSpread, type PresenceDelays } from './presence-spread.ts'

interface Challenge {
  readonly key: DocKey
  readonly clientId: number
  readonly contender: Owner
  /** What the contender says of the id, where that is that it is gone. */
  readonly removal: PresenceEntry | null
  readonly sinceMs: number
}

/** A relay's link that ended; what it owned is kept for a while. */
interface Departed {
  readonly owner: Owner
  readonly replicaId: ReplicaId
  readonly atMs: number
}

const CHALLENGES_MAX = 4096

export class PresenceHub {
  readonly #context: CoreContext
  readonly #rooms = new Map<DocKey, PresenceRoom>()
  readonly #emptied = new Set<PresenceRoom>()
  #challenges: Challenge[] = []
  #departed: Departed[] = []
  readonly #sourceAliveMs = new Map<SourceId, number>()
  readonly #paces: PresencePaces
  readonly #spread: PresenceSpread

  constructor(context: CoreContext) {
    this.#context = context
    this.#paces = new PresencePaces(context)
    this.#spread = new PresenceSpread(context, this.#paces)
  }

  /** False: no correct encoder sends these bytes. */
  fromLink(link: LinkSession, name: DocId, bytes: Uint8Array): boolean {
    if (!mayBePresent(link, name)) return true
    return this.#claim(`link ${link.id}`, name, bytes)
  }

  fromSource(source: SourceId, name: DocId, bytes: Uint8Array): boolean {
    return this.#claim(`source ${source}`, name, bytes)
  }

  snapshot(key: DocKey): Uint8Array | null {
    return this.#rooms.get(key)?.table.snapshot() ?? null
  }

  /** Live ids in all documents. */
  count(): number {
    let count = 0
    for (const room of this.#rooms.values()) count += room.table.size
    return count
  }

  /** A channel came to life: the peer learns who is here. */
  introduce(link: LinkSession, channel: Channel): void {
    const { scope, range } = channel
    const keys = scope.kind === 'document' ? [range.first] : [...this.#rooms.keys()].filter((key) => rangeHolds(range, key))
    for (const key of keys) {
      const room = this.#rooms.get(key)
      const bytes = room?.table.snapshot() ?? null
      if (room !== undefined && bytes !== null) this.#spread.sendTo(link, room, bytes)
    }
  }

  linkEnded(link: LinkSession): void {
    this.#spread.linkEnded(link)
    const owner: Owner = `link ${link.id}`
    const { hello } = link
    if (hello?.role === 'relay') this.#departed.push({ owner, replicaId: hello.replicaId, atMs: this.#context.nowMs })
    else this.#release(owner)
  }

  /** What the link announced where it may not be seen any more goes. */
  accessChanged(link: LinkSession): void {
    this.#release(`link ${link.id}`, (name) => !mayBePresent(link, name))
  }

  sourceIs(source: SourceId, facts: GuestFacts): void {
    this.#paces.sourceIs(source, facts)
  }

  get delayed(): PresenceDelays {
    return this.#spread.delayed
  }

  sourceLeft(source: SourceId): void {
    this.#sourceAliveMs.delete(source)
    this.#release(`source ${source}`)
    this.#paces.sourceLeft(source)
  }

  sourceAlive(source: SourceId): void {
    this.#sourceAliveMs.set(source, this.#context.nowMs)
  }

  tend(): void {
    const { nowMs } = this.#context
    this.#spread.tend()
    this.#closeRooms()
    const gone = this.#departed.filter((departed) => nowMs - departed.atMs >= LIMITS.relayedPresenceMs)
    this.#departed = this.#departed.filter((departed) => nowMs - departed.atMs < LIMITS.relayedPresenceMs)
    for (const { owner } of gone) this.#release(owner)
    const due = this.#challenges.filter((challenge) => nowMs - challenge.sinceMs >= LIMITS.takeoverPingMs)
    if (due.length === 0) return
    this.#challenges = this.#challenges.filter((challenge) => nowMs - challenge.sinceMs < LIMITS.takeoverPingMs)
    for (const challenge of due) this.#decide(challenge)
  }

  #claim(owner: Owner, name: DocId, bytes: Uint8Array): boolean {
    const key = this.#context.documents.keyOf(name)
    const room = this.#rooms.get(key) ?? this.#newRoom(key, name)
    this.#inherit(owner, room, bytes)
    const claim = room.table.claim(owner, bytes)
    if (claim === null) return false
    if (claim.accepted !== null) {
      this.#rooms.set(key, room)
      this.#spread.changed(room, claim.accepted, owner)
    }
    if (claim.reply !== null) this.#answer(room, claim.reply, owner)
    const removals = new Map(claim.refused.length === 0 ? [] : removalsIn(bytes))
    for (const { clientId, reason } of claim.refused) {
      if (reason !== 'owned') continue
      const removal = removals.get(clientId) ?? null
      const subject = this.#paces.subjectOf(owner)
      const holder = room.table.ownerOf(clientId)
      const isSamePerson = subject !== null && holder !== null && this.#paces.subjectOf(holder) === subject
      if (isSamePerson || this.#departed.some((departed) => departed.owner === holder)) this.#handOver(room, clientId, owner, removal)
      else this.#challenge(room, clientId, owner, removal)
    }
    if (claim.refused.length > 0 && sourceOf(owner) === null) this.#contradict(owner, room, bytes)
    return true
  }

  /** A relay that is linked anew speaks for the ids that it announced over its last link. */
  #inherit(owner: Owner, room: PresenceRoom, bytes: Uint8Array): void {
    const replicaId = linkOf(this.#context, owner)?.hello?.replicaId
    const last = this.#departed.filter((departed) => departed.replicaId === replicaId).map((departed) => departed.owner)
    if (last.length === 0) return
    for (const { clientId } of decodePresence(bytes) ?? []) {
      const holder = room.table.ownerOf(clientId)
      if (holder !== null && last.includes(holder)) this.#handOver(room, clientId, owner)
    }
  }

  /** What a peer takes for gone and is here, is told to whoever owns it, who then announces itself anew at a clock that the peer takes, as stock clients do. Only a
   *  clock that a removal of this entry has is passed on: a larger one could silence the owner. */
  #contradict(peer: Owner, room: PresenceRoom, bytes: Uint8Array): void {
    for (const entry of decodePresence(bytes) ?? []) {
      const { clientId, clock, state } = entry
      const holder = room.table.ownerOf(clientId)
      const shownClock = room.table.clockOf(clientId)
      if (state !== null || holder === null || holder === peer || shownClock === null) continue
      if (clock === shownClock || clock === shownClock + 1) this.#answer(room, encodePresence([entry])!, holder)
    }
  }

  /** Asks the owner of a contested id for a sign of life. */
  #challenge(room: PresenceRoom, clientId: number, contender: Owner, removal: PresenceEntry | null): void {
    const { key } = room
    const owner = room.table.ownerOf(clientId)
    const open = this.#challenges.some((one) => one.key === key && one.clientId === clientId)
    if (owner === null || open || this.#challenges.length >= CHALLENGES_MAX) return
    const { nowMs } = this.#context
    this.#challenges.push({ key, clientId, contender, removal, sinceMs: nowMs })
    const link = linkOf(this.#context, owner)
    if (link !== undefined) ping(link, nowMs)
    const source = sourceOf(owner)
    if (source !== null && source > 0) this.#context.effects.push({ kind: 'ping-guest', source })
  }

  #decide({ key, clientId, contender, removal, sinceMs }: Challenge): void {
    const room = this.#rooms.get(key)
    const owner = room?.table.ownerOf(clientId) ?? null
    if (room === undefined || owner === null || owner === contender || this.#heardSince(owner, sinceMs)) return
    this.#handOver(room, clientId, contender, removal)
  }

  /** Who says that an id is gone does not own it from then on: it goes. */
  #handOver(room: PresenceRoom, clientId: number, to: Owner, removal: PresenceEntry | null = null): void {
    const update = room.table.takeOver(clientId, to)
    if (update !== null) this.#spread.changed(room, update, to)
    const gone = removal === null ? null : (room.table.claim(to, encodePresence([removal])!)?.accepted ?? null)
    if (gone !== null) this.#spread.changed(room, gone, to)
    this.#closeIfEmpty(room)
  }

  #newRoom(key: DocKey, name: DocId): PresenceRoom {
    const { limits, nowMs } = this.#context
    return new PresenceRoom(key, name, limits.documentPresencePerSecondMax, nowMs)
  }

  #closeIfEmpty(room: PresenceRoom): void {
    if (room.table.size === 0) this.#emptied.add(room)
  }

  /** Rooms that nobody has been in for a moment. */
  #closeRooms(): void {
    for (const room of this.#emptied) {
      if (room.table.size > 0) this.#emptied.delete(room)
      if (!room.isIdle(this.#context.nowMs)) continue
      this.#emptied.delete(room)
      this.#rooms.delete(room.key)
    }
  }

  #heardSince(owner: Owner, sinceMs: number): boolean {
    const source = sourceOf(owner)
    if (source !== null) return source === 0 || (this.#sourceAliveMs.get(source) ?? -Infinity) >= sinceMs
    const link = linkOf(this.#context, owner)
    return link !== undefined && link.heardAtMs >= sinceMs
  }

  #release(owner: Owner, where: (name: DocId) => boolean = () => true): void {
    for (const room of this.#rooms.values()) {
      if (!where(room.name)) continue
      const update = room.table.release(owner)
      if (update !== null) this.#spread.released(room, update, owner)
      this.#closeIfEmpty(room)
    }
  }

  #answer(room: PresenceRoom, bytes: Uint8Array, to: Owner): void {
    const link = linkOf(this.#context, to)
    if (link !== undefined) this.#spread.sendTo(link, room, bytes)
    const source = sourceOf(to)
    if (source !== null) this.#context.effects.push({ kind: 'presence-reply', key: room.key, doc: room.name, bytes, source })
  }
}

function removalsIn(bytes: Uint8Array): [clientId: number, entry: PresenceEntry][] {
  return (decodePresence(bytes) ?? []).flatMap((entry) => (entry.state === null ? [[entry.clientId, entry]] : []))
}

function mayBePresent({ access }: LinkSession, name: DocId): boolean {
  return access.presence?.(name) ?? access.write(name)
}
