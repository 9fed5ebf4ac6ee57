// Presence across links, guests and this replica: who owns an id is decided by the protocol's PresenceTable; here it is forwarded, challenged and removed. An owner that
// is claimed against is pinged; silent for 2 s, it loses the id; to another connection of the same known person, at once. What came through a relay outlives that link by 30 s,
// and a new link to that relay goes on with it. Rules: PR-1, PR-2, PR-4; DESIGN.md 5.

import {
  decodePresence,
  encodePresence,
  LIMITS,
  PresenceTable,
  rangeHolds,
  type DocId,
  type DocKey,
  type PresenceEntry,
  type ReplicaId,
} from '@syncline/protocol'
import type { Channel } from './channel.ts'
import { NOBODY } from './commit-batch.ts'
import type { CoreContext } from './core-context.ts'
import type { SourceId } from './effects.ts'
import { ping } from './link-keeper.ts'
import type { LinkSession } from './link-session.ts'
import { MissedPresence } from './missed-presence.ts'

type Owner = `link ${number}` | `source ${number}`

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

interface Room {
  readonly name: DocId
  readonly table: PresenceTable<Owner>
}

const CHALLENGES_MAX = 4096

export class PresenceHub {
  readonly #context: CoreContext
  readonly #rooms = new Map<DocKey, Room>()
  #challenges: Challenge[] = []
  #departed: Departed[] = []
  readonly #missed = new MissedPresence()
  readonly #sourceAliveMs = new Map<SourceId, number>()
  readonly #sourceSubjects = new Map<SourceId, string>()

  constructor(context: CoreContext) {
    this.#context = context
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
    for (const [key, room] of this.#rooms) {
      const bytes = rangeHolds(channel.range, key) ? room.table.snapshot() : null
      if (bytes !== null) this.#sendTo(link, key, room.name, bytes)
    }
  }

  linkEnded(link: LinkSession): void {
    this.#missed.forget(link.id)
    const owner: Owner = `link ${link.id}`
    const { hello } = link
    if (hello?.role === 'relay') this.#departed.push({ owner, replicaId: hello.replicaId, atMs: this.#context.nowMs })
    else this.#release(owner)
  }

  /** What the link announced where it may not be seen any more goes. */
  accessChanged(link: LinkSession): void {
    this.#release(`link ${link.id}`, (name) => !mayBePresent(link, name))
  }

  sourceIs(source: SourceId, subject: string): void {
    this.#sourceSubjects.set(source, subject)
  }

  sourceLeft(source: SourceId): void {
    this.#sourceAliveMs.delete(source)
    this.#sourceSubjects.delete(source)
    this.#release(`source ${source}`)
  }

  sourceAlive(source: SourceId): void {
    this.#sourceAliveMs.set(source, this.#context.nowMs)
  }

  tend(): void {
    const { nowMs } = this.#context
    for (const id of [...this.#missed.links()]) this.#catchUp(this.#context.links.get(id)!)
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
    const room = this.#rooms.get(key) ?? { name, table: new PresenceTable<Owner>() }
    this.#inherit(owner, key, room, bytes)
    const claim = room.table.claim(owner, bytes)
    if (claim === null) return false
    if (claim.accepted !== null) {
      this.#rooms.set(key, room)
      this.#spread(key, name, claim.accepted, owner)
    }
    if (claim.reply !== null) this.#answer(key, name, claim.reply, owner)
    const removals = new Map(claim.refused.length === 0 ? [] : removalsIn(bytes))
    for (const { clientId, reason } of claim.refused) {
      if (reason !== 'owned') continue
      const removal = removals.get(clientId) ?? null
      const subject = this.#subjectOf(owner)
      const holder = room.table.ownerOf(clientId)
      const isSamePerson = subject !== null && holder !== null && this.#subjectOf(holder) === subject
      if (isSamePerson || this.#departed.some((departed) => departed.owner === holder)) this.#handOver(key, room, clientId, owner, removal)
      else this.#challenge(key, room, clientId, owner, removal)
    }
    if (claim.refused.length > 0 && sourceOf(owner) === null) this.#contradict(owner, key, room, bytes)
    return true
  }

  /** A relay that is linked anew speaks for the ids that it announced over its last link. */
  #inherit(owner: Owner, key: DocKey, room: Room, bytes: Uint8Array): void {
    const replicaId = this.#linkOf(owner)?.hello?.replicaId
    const last = this.#departed.filter((departed) => departed.replicaId === replicaId).map((departed) => departed.owner)
    if (last.length === 0) return
    for (const { clientId } of decodePresence(bytes) ?? []) {
      const holder = room.table.ownerOf(clientId)
      if (holder !== null && last.includes(holder)) this.#handOver(key, room, clientId, owner)
    }
  }

  /** What a peer takes for gone and is here, is told to whoever owns it, who then announces itself anew at a clock that the peer takes, as stock clients do. Only a
   *  clock that a removal of this entry has is passed on: a larger one could silence the owner. */
  #contradict(peer: Owner, key: DocKey, room: Room, bytes: Uint8Array): void {
    for (const entry of decodePresence(bytes) ?? []) {
      const { clientId, clock, state } = entry
      const holder = room.table.ownerOf(clientId)
      const shownClock = room.table.clockOf(clientId)
      if (state !== null || holder === null || holder === peer || shownClock === null) continue
      if (clock === shownClock || clock === shownClock + 1) this.#answer(key, room.name, encodePresence([entry])!, holder)
    }
  }

  #subjectOf(owner: Owner): string | null {
    const source = sourceOf(owner)
    if (source !== null) return this.#sourceSubjects.get(source) ?? null
    return this.#linkOf(owner)?.access.subject ?? null
  }

  /** Asks the owner of a contested id for a sign of life. */
  #challenge(key: DocKey, room: Room, clientId: number, contender: Owner, removal: PresenceEntry | null): void {
    const owner = room.table.ownerOf(clientId)
    const open = this.#challenges.some((one) => one.key === key && one.clientId === clientId)
    if (owner === null || open || this.#challenges.length >= CHALLENGES_MAX) return
    const { nowMs } = this.#context
    this.#challenges.push({ key, clientId, contender, removal, sinceMs: nowMs })
    const link = this.#linkOf(owner)
    if (link !== undefined) ping(link, nowMs)
    const source = sourceOf(owner)
    if (source !== null && source > 0) this.#context.effects.push({ kind: 'ping-guest', source })
  }

  #decide({ key, clientId, contender, removal, sinceMs }: Challenge): void {
    const room = this.#rooms.get(key)
    const owner = room?.table.ownerOf(clientId) ?? null
    if (room === undefined || owner === null || owner === contender || this.#heardSince(owner, sinceMs)) return
    this.#handOver(key, room, clientId, contender, removal)
  }

  /** Who says that an id is gone does not own it from then on: it goes. */
  #handOver(key: DocKey, room: Room, clientId: number, to: Owner, removal: PresenceEntry | null = null): void {
    const update = room.table.takeOver(clientId, to)
    if (update !== null) this.#spread(key, room.name, update, to)
    const gone = removal === null ? null : (room.table.claim(to, encodePresence([removal])!)?.accepted ?? null)
    if (gone !== null) this.#spread(key, room.name, gone, to)
    if (room.table.size === 0) this.#rooms.delete(key)
  }

  #heardSince(owner: Owner, sinceMs: number): boolean {
    const source = sourceOf(owner)
    if (source !== null) return source === 0 || (this.#sourceAliveMs.get(source) ?? -Infinity) >= sinceMs
    const link = this.#linkOf(owner)
    return link !== undefined && link.heardAtMs >= sinceMs
  }

  #release(owner: Owner, where: (name: DocId) => boolean = () => true): void {
    for (const [key, room] of this.#rooms) {
      if (!where(room.name)) continue
      const update = room.table.release(owner)
      if (update !== null) this.#spread(key, room.name, update, owner)
      if (room.table.size === 0) this.#rooms.delete(key)
    }
  }

  /** To every link whose channels hold the document, and to open documents and guests; not back to `from`. */
  #spread(key: DocKey, name: DocId, bytes: Uint8Array, from: Owner): void {
    for (const link of this.#context.links.values())
      if (`link ${link.id}` !== from && this.#covers(link, key)) this.#sendTo(link, key, name, bytes)
    this.#context.effects.push({ kind: 'presence', key, doc: name, bytes, source: sourceOf(from) ?? NOBODY })
  }

  #answer(key: DocKey, name: DocId, bytes: Uint8Array, to: Owner): void {
    const link = this.#linkOf(to)
    if (link !== undefined) this.#sendTo(link, key, name, bytes)
    const source = sourceOf(to)
    if (source !== null) this.#context.effects.push({ kind: 'presence-reply', key, doc: name, bytes, source })
  }

  #sendTo(link: LinkSession, key: DocKey, name: DocId, bytes: Uint8Array): void {
    if (!link.live || !link.access.read(name)) return
    if (link.buffered() >= LIMITS.socketBufferBytesMax) return this.#missed.note(link.id, key, name, bytes)
    link.send({ kind: 'presence', doc: link.docRef(key, name, null), bytes })
  }

  /** A link that drains again hears what it missed. */
  #catchUp(link: LinkSession): void {
    if (link.buffered() >= LIMITS.socketBufferBytesMax / 2) return
    for (const { key, name, bytes } of this.#missed.take(link.id)) this.#sendTo(link, key, name, bytes)
  }

  #covers(link: LinkSession, key: DocKey): boolean {
    for (const channel of link.channels.values()) if (channel.serve === 'serving' && rangeHolds(channel.range, key)) return true
    return false
  }

  #linkOf(owner: Owner): LinkSession | undefined {
    return owner.startsWith('link ') ? this.#context.links.get(Number(owner.slice(5))) : undefined
  }
}

function removalsIn(bytes: Uint8Array): [clientId: number, entry: PresenceEntry][] {
  return (decodePresence(bytes) ?? []).flatMap((entry) => (entry.state === null ? [[entry.clientId, entry]] : []))
}

function mayBePresent({ access }: LinkSession, name: DocId): boolean {
  return access.presence?.(name) ?? access.write(name)
}

function sourceOf(owner: Owner): SourceId | null {
  return owner.startsWith('source ') ? Number(owner.slice(7)) : null
}
