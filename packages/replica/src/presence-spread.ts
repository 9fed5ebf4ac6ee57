// How what changes of presence reaches everybody else: to links whose channels hold the document, and to open documents and guests, at a bounded pace. Who sends more than its
// rate waits (presence-pace.ts), and so do the changes of a document that is handed to many: beyond so many messages a second what changed meanwhile goes out together, the
// newest state of each id. So a crowd costs what its document may cost, however many move. What a link that does not drain misses is in missed-presence.ts. Decides nothing about
// who owns what; read by presence-hub.ts. Rules: PR-1, PR-4, PR-6.

import { decodePresence, encodePresence, LIMITS, presenceCount, type PresenceEntry } from '@syncline/protocol'
import { NOBODY } from './commit-batch.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkSession } from './link-session.ts'
import { MissedPresence } from './missed-presence.ts'
import { linkOf, sourceOf, type Owner, type PaceBound, type PresencePace, type PresencePaces } from './presence-pace.ts'
import type { PresenceRoom } from './presence-room.ts'

/** What gathers in one document until it may go out; above it the oldest are forgotten. With the states of all ids it fits into a native frame. */
const GATHERED_MAX = 4096

/** States that did not go on at once since the start, by whose rate was used up. */
export type PresenceDelays = Readonly<Record<PaceBound | 'document', number>>

export class PresenceSpread {
  readonly #context: CoreContext
  readonly #paces: PresencePaces
  readonly #missed = new MissedPresence()
  readonly #waiting = new Set<PresencePace>()
  readonly #gathering = new Set<PresenceRoom>()
  /** To be ended at the next tick: nobody goes in the middle of a message. */
  readonly #abusive = new Set<Owner>()
  readonly #delayed = { connection: 0, subject: 0, document: 0 }

  constructor(context: CoreContext, paces: PresencePaces) {
    this.#context = context
    this.#paces = paces
  }

  /** An awareness update that `from` caused: to all but `from`, in its turn. */
  changed(room: PresenceRoom, bytes: Uint8Array, from: Owner): void {
    const { nowMs } = this.#context
    const pace = this.#paces.of(from)
    const states = pace === null ? 0 : presenceCount(bytes)
    const by = pace?.takes(states, nowMs) ?? null
    if (pace === null || by === null) return this.#pass(room, bytes, from)
    this.#delayed[by] += states
    for (const entry of decodePresence(bytes)!) pace.wait({ owner: from, room, entry })
    this.#waiting.add(pace)
    this.#letGo(pace)
    if (pace.isAbusive(nowMs)) this.#abusive.add(from)
  }

  /** `from` is gone, and this is what goes with it. */
  released(room: PresenceRoom, bytes: Uint8Array, from: Owner): void {
    this.#pass(room, bytes, from)
  }

  linkEnded(link: LinkSession): void {
    this.#missed.forget(link.id)
  }

  tend(): void {
    for (const id of [...this.#missed.links()]) this.#catchUp(this.#context.links.get(id)!)
    for (const pace of this.#waiting) this.#letGo(pace)
    for (const room of this.#gathering) if (this.#mayGo(room)) this.#sendGathered(room)
    for (const owner of this.#abusive) this.#end(owner)
    this.#abusive.clear()
  }

  get delayed(): PresenceDelays {
    return { ...this.#delayed }
  }

  sendTo(link: LinkSession, { key, name }: Pick<PresenceRoom, 'key' | 'name'>, bytes: Uint8Array): void {
    if (!link.live || !link.access.read(name)) return
    if (link.buffered() >= LIMITS.socketBufferBytesMax) return this.#missed.note(link.id, key, name, bytes)
    link.send({ kind: 'presence', doc: link.docRef(key, name, null), bytes })
  }

  #letGo(pace: PresencePace): void {
    for (const { owner, room, entry } of pace.due(this.#context.nowMs)) {
      this.#gather(room, entry, owner)
      if (this.#mayGo(room)) this.#sendGathered(room)
    }
    if (!pace.waits) this.#waiting.delete(pace)
  }

  #pass(room: PresenceRoom, bytes: Uint8Array, from: Owner): void {
    if (room.gathered.size === 0 && this.#mayGo(room)) return this.#send(room, bytes, from)
    const entries = decodePresence(bytes)!
    this.#delayed.document += entries.length
    for (const entry of entries) this.#gather(room, entry, from)
    if (this.#mayGo(room)) this.#sendGathered(room)
  }

  #mayGo(room: PresenceRoom): boolean {
    return room.messages.available(this.#context.nowMs) > 0
  }

  #gather(room: PresenceRoom, entry: PresenceEntry, from: Owner): void {
    const { gathered } = room
    if (!room.isCurrent(entry)) return
    gathered.set(entry.clientId, { entry, from })
    if (gathered.size > GATHERED_MAX) gathered.delete(gathered.keys().next().value!)
    this.#gathering.add(room)
  }

  #sendGathered(room: PresenceRoom): void {
    this.#gathering.delete(room)
    const all = [...room.gathered.values()]
    room.gathered.clear()
    const bytes = encodePresence(all.map(({ entry }) => entry))
    if (bytes === null) return
    const { from } = all[0]!
    // Whoever has it already takes it for what it is: no news.
    this.#send(room, bytes, all.every((one) => one.from === from) ? from : null)
  }

  #send(room: PresenceRoom, bytes: Uint8Array, from: Owner | null): void {
    const { served, effects, nowMs, options } = this.#context
    const { key, name } = room
    let messages = options.guestsOf?.(name) ?? 0
    for (const link of new Set(served.linksServed(key))) {
      if (`link ${link.id}` === from) continue
      messages++
      this.sendTo(link, room, bytes)
    }
    room.messages.take(messages, nowMs)
    const source = from === null ? null : sourceOf(from)
    effects.push({ kind: 'presence', key, doc: name, bytes, source: source ?? NOBODY })
  }

  /** A link that drains again hears what it missed. */
  #catchUp(link: LinkSession): void {
    if (link.buffered() >= LIMITS.socketBufferBytesMax / 2) return
    for (const { key, name, bytes } of this.#missed.take(link.id)) this.sendTo(link, { key, name }, bytes)
  }

  #end(owner: Owner): void {
    const reason = 'more presence comes than is passed on'
    const [link, source] = [linkOf(this.#context, owner), sourceOf(owner)]
    if (link !== undefined) this.#context.endLink(link, 'rate-limited', reason)
    if (source !== null) this.#context.effects.push({ kind: 'close-guest', source, code: 'rate-limited', reason })
  }
}
