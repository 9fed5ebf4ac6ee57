// Presence across links, guests and this replica: who owns an id is decided by the protocol's PresenceTable; here it is forwarded, challenged and removed. An owner that
// is claimed against is pinged; silent for 2 s, it loses the id; to another connection of the same known person, at once. What came through a relay outlives that link by 30 s. Rules: PR-1; DESIGN.md 5.

import { LIMITS, PresenceTable, rangeHolds, type DocId, type DocKey } from '@syncline/protocol'
import type { Channel } from './channel.ts'
import { NOBODY } from './commit-batch.ts'
import type { CoreContext } from './core-context.ts'
import type { SourceId } from './effects.ts'
import { ping } from './link-keeper.ts'
import type { LinkSession } from './link-session.ts'

type Owner = `link ${number}` | `source ${number}`

interface Challenge {
  readonly key: DocKey
  readonly clientId: number
  readonly contender: Owner
  readonly sinceMs: number
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
  #departed: { readonly owner: Owner; readonly atMs: number }[] = []
  readonly #sourceAliveMs = new Map<SourceId, number>()
  readonly #sourceSubjects = new Map<SourceId, string>()

  constructor(context: CoreContext) {
    this.#context = context
  }

  /** False: no correct encoder sends these bytes. */
  fromLink(link: LinkSession, name: DocId, bytes: Uint8Array): boolean {
    const { access } = link
    if (!(access.presence?.(name) ?? access.write(name))) return true
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
    const owner: Owner = `link ${link.id}`
    if (link.hello?.role === 'relay') this.#departed.push({ owner, atMs: this.#context.nowMs })
    else this.#release(owner)
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
    const claim = room.table.claim(owner, bytes)
    if (claim === null) return false
    if (claim.accepted !== null) {
      this.#rooms.set(key, room)
      this.#spread(key, name, claim.accepted, owner)
    }
    if (claim.reply !== null) this.#answer(key, name, claim.reply, owner)
    for (const { clientId, reason } of claim.refused) {
      if (reason !== 'owned') continue
      const subject = this.#subjectOf(owner)
      const holder = room.table.ownerOf(clientId)
      if (subject !== null && holder !== null && this.#subjectOf(holder) === subject) this.#handOver(key, room, clientId, owner)
      else this.#challenge(key, room, clientId, owner)
    }
    return true
  }

  #subjectOf(owner: Owner): string | null {
    const source = sourceOf(owner)
    if (source !== null) return this.#sourceSubjects.get(source) ?? null
    return this.#linkOf(owner)?.access.subject ?? null
  }

  /** Asks the owner of a contested id for a sign of life. */
  #challenge(key: DocKey, room: Room, clientId: number, contender: Owner): void {
    const owner = room.table.ownerOf(clientId)
    const open = this.#challenges.some((one) => one.key === key && one.clientId === clientId)
    if (owner === null || open || this.#challenges.length >= CHALLENGES_MAX) return
    const { nowMs } = this.#context
    this.#challenges.push({ key, clientId, contender, sinceMs: nowMs })
    const link = this.#linkOf(owner)
    if (link !== undefined) ping(link, nowMs)
    const source = sourceOf(owner)
    if (source !== null && source > 0) this.#context.effects.push({ kind: 'ping-guest', source })
  }

  #decide({ key, clientId, contender, sinceMs }: Challenge): void {
    const room = this.#rooms.get(key)
    const owner = room?.table.ownerOf(clientId) ?? null
    if (room === undefined || owner === null || owner === contender || this.#heardSince(owner, sinceMs)) return
    this.#handOver(key, room, clientId, contender)
  }

  #handOver(key: DocKey, room: Room, clientId: number, to: Owner): void {
    const update = room.table.takeOver(clientId, to)
    if (update !== null) this.#spread(key, room.name, update, to)
  }

  #heardSince(owner: Owner, sinceMs: number): boolean {
    const source = sourceOf(owner)
    if (source !== null) return source === 0 || (this.#sourceAliveMs.get(source) ?? -Infinity) >= sinceMs
    const link = this.#linkOf(owner)
    return link !== undefined && link.heardAtMs >= sinceMs
  }

  #release(owner: Owner): void {
    for (const [key, room] of this.#rooms) {
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
    if (!link.live || !link.access.read(name) || link.buffered() >= LIMITS.socketBufferBytesMax) return
    link.send({ kind: 'presence', doc: link.docRef(key, name, 0), bytes })
  }

  #covers(link: LinkSession, key: DocKey): boolean {
    for (const channel of link.channels.values()) if (channel.serve === 'serving' && rangeHolds(channel.range, key)) return true
    return false
  }

  #linkOf(owner: Owner): LinkSession | undefined {
    return owner.startsWith('link ') ? this.#context.links.get(Number(owner.slice(5))) : undefined
  }
}

function sourceOf(owner: Owner): SourceId | null {
  return owner.startsWith('source ') ? Number(owner.slice(7)) : null
}
