// Who may say what about presence in one document: the first live connection that announces an awareness id owns it until it is gone. Reads and
// writes y-protocols awareness updates (count, then id, clock, JSON). Pure; read by the engine and the doors. Rules: PR-1, RS-1, IN-1.
//
// Stock clients send back what they were sent: the same id with a clock that is not newer. That is an echo, and neither a claim nor a fault. A newer
// clock for an id of another owner is a claim (reason "owned"): only a client that speaks for the id counts it up, as one does that
// reconnected while its old connection was not yet given up. The latest such claim is kept, so that takeOver() or the owner's release() applies it.

import { WireReader, Malformed } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'
import { LIMITS } from './limits.ts'

export interface PresenceEntry {
  readonly clientId: number
  readonly clock: number
  /** JSON of an object; null: gone. */
  readonly state: string | null
}

/** owned: another connection owns the id; echo: it does, and this is not newer; stale: not newer than what is known; too-large, too-many: over LIMITS. */
export type PresenceRefusal = 'owned' | 'echo' | 'stale' | 'too-large' | 'too-many'

export interface PresenceClaim {
  /** An awareness update of the accepted entries, to forward; null: none. */
  readonly accepted: Uint8Array | null
  readonly refused: readonly { readonly clientId: number; readonly reason: PresenceRefusal }[]
  /** To send back to the claimant: its own entry was removed here at a clock it does not know; a stock client then announces itself anew at once. */
  readonly reply: Uint8Array | null
}

/** Awareness counts up once in 15 s and at every change: no session gets near. Above it, a victim could never speak again. */
const CLOCK_MAX = 2 ** 32 - 2
const ENTRY_BYTES_MIN = 3
/** Id, clock and length, at most. */
const ENTRY_OVERHEAD_BYTES = 16
/** More than one document ever shows. */
const ENTRIES_MAX = LIMITS.presenceBytesPerDocMax / ENTRY_OVERHEAD_BYTES

const encoder = /* @__PURE__ */ new TextEncoder()

/** The entries of an awareness update, or null when no correct encoder sends it. Total: never throws. Texts over LIMITS.presenceBytesMax are not parsed. */
export function decodePresence(bytes: Uint8Array): PresenceEntry[] | null {
  try {
    const input = new WireReader(bytes)
    const entries: PresenceEntry[] = []
    for (let count = input.count(ENTRIES_MAX, ENTRY_BYTES_MIN); count > 0; count--) {
      const clientId = input.varuint()
      const clock = input.varuint()
      const state = input.text(bytes.length)
      if (clock > CLOCK_MAX || !(tooLarge(state) || isObjectOrNull(state))) return null
      entries.push({ clientId, clock, state: state === 'null' ? null : state })
    }
    return input.remaining === 0 ? entries : null
  } catch (error) {
    if (error instanceof Malformed) return null
    throw error
  }
}

/** How many entries an awareness update has that decodePresence has read before. */
export function presenceCount(bytes: Uint8Array): number {
  return new WireReader(bytes).varuint()
}

/** As y-protocols encodes it; null for no entries. */
export function encodePresence(entries: readonly PresenceEntry[]): Uint8Array | null {
  if (entries.length === 0) return null
  const out = new WireWriter()
  out.varuint(entries.length)
  for (const { clientId, clock, state } of entries) {
    out.varuint(clientId)
    out.varuint(clock)
    out.text(state ?? 'null', LIMITS.nativeFrameBytesMax)
  }
  return out.written()
}

function isObjectOrNull(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && !Array.isArray(value) && (value !== null || json === 'null')
  } catch {
    return false
  }
}

function tooLarge(state: string): boolean {
  return state.length > LIMITS.presenceBytesMax || encoder.encode(state).length > LIMITS.presenceBytesMax
}

interface Held<Owner> {
  readonly owner: Owner
  readonly entry: PresenceEntry
}

interface Owned<Owner> extends Held<Owner> {
  contender: Held<Owner> | null
}

/** The presence of one document. `Owner` stands for a live connection and is compared by identity. */
export class PresenceTable<Owner> {
  readonly #ids = new Map<number, Owned<Owner>>()
  /** Clock of removed ids, oldest first. */
  readonly #removed = new Map<number, number>()
  /** Of all entries and contenders. */
  #bytes = 0

  /** The live ids. */
  get size(): number {
    return this.#ids.size
  }

  ownerOf(clientId: number): Owner | null {
    return this.#ids.get(clientId)?.owner ?? null
  }

  /** Of the entry that is shown; null: the id is not live. */
  clockOf(clientId: number): number | null {
    return this.#ids.get(clientId)?.entry.clock ?? null
  }

  /** Applies what `owner` may say. Null: not an awareness update, and nothing of it was applied. */
  claim(owner: Owner, update: Uint8Array): PresenceClaim | null {
    const entries = decodePresence(update)
    if (entries === null) return null
    const accepted: PresenceEntry[] = []
    const refused: { clientId: number; reason: PresenceRefusal }[] = []
    const gone: PresenceEntry[] = []
    for (const entry of entries) {
      const reason = this.#refusal(owner, entry)
      const removedClock = this.#removed.get(entry.clientId)
      if (reason === null) {
        this.#put(owner, entry)
        accepted.push(entry)
      } else {
        refused.push({ clientId: entry.clientId, reason })
        const held = this.#ids.get(entry.clientId)
        if (reason === 'owned' && entry.state !== null) this.#contend(held!, { owner, entry })
        else if (reason === 'owned' && held!.contender?.owner === owner) this.#contend(held!, null)
        if (reason === 'stale' && entry.state !== null && !held) gone.push({ ...entry, clock: removedClock!, state: null })
      }
    }
    return { accepted: encodePresence(accepted), refused, reply: encodePresence(gone) }
  }

  /** The connection is gone: its ids pass to their contenders or are removed. Returns the update to forward, null when nothing changes. */
  release(owner: Owner): Uint8Array | null {
    const changes: PresenceEntry[] = []
    for (const [clientId, held] of [...this.#ids]) {
      if (held.contender?.owner === owner) this.#contend(held, null)
      if (held.owner !== owner) continue
      const next = held.contender
      const entry = next?.entry ?? { clientId, clock: held.entry.clock + 1, state: null }
      this.#put(next?.owner ?? owner, entry)
      changes.push(entry)
    }
    return encodePresence(changes)
  }

  /** Gives an id to another connection, with what that one claimed last. Returns the update to forward, null when nothing it shows changes. */
  takeOver(clientId: number, newOwner: Owner): Uint8Array | null {
    const held = this.#ids.get(clientId)
    if (held === undefined || held.owner === newOwner) return null
    const claimed = held.contender?.owner === newOwner ? held.contender.entry : null
    this.#put(newOwner, claimed ?? held.entry)
    return claimed === null ? null : encodePresence([claimed])
  }

  /** All live entries, for a newcomer; null when there are none. At most about LIMITS.presenceBytesPerDocMax. */
  snapshot(): Uint8Array | null {
    return encodePresence([...this.#ids.values()].map(({ entry }) => entry))
  }

  #refusal(owner: Owner, entry: PresenceEntry): PresenceRefusal | null {
    const held = this.#ids.get(entry.clientId)
    if (entry.state !== null && tooLarge(entry.state)) return 'too-large'
    if (held === undefined) {
      if (entry.state === null || entry.clock <= (this.#removed.get(entry.clientId) ?? -1)) return 'stale'
      if (this.#idsOf(owner) >= LIMITS.presenceIdsPerConnectionMax) return 'too-many'
    } else {
      const newer = entry.clock > held.entry.clock
      if (held.owner !== owner) return newer ? 'owned' : 'echo'
      if (!newer && !(entry.clock === held.entry.clock && entry.state === null)) return 'stale'
    }
    return this.#fits(sizeOf(entry) - sizeOf(held?.entry)) ? null : 'too-many'
  }

  #idsOf(owner: Owner): number {
    let count = 0
    for (const held of this.#ids.values()) if (held.owner === owner) count++
    return count
  }

  #fits(more: number): boolean {
    return this.#bytes + more <= LIMITS.presenceBytesPerDocMax
  }

  #contend(held: Owned<Owner>, contender: Held<Owner> | null): void {
    const more = sizeOf(contender?.entry) - sizeOf(held.contender?.entry)
    if (!this.#fits(more)) return
    held.contender = contender
    this.#bytes += more
  }

  /** The one place where entries change: sizes and the memory of removed ids follow. */
  #put(owner: Owner, entry: PresenceEntry): void {
    const { clientId, clock, state } = entry
    const held = this.#ids.get(clientId)
    // whose claim was applied, or passed by the owner's clock, is no contender any more
    const contender = (state !== null && held?.contender && held.contender.entry.clock > clock && held.contender) || null
    this.#bytes += (state === null ? 0 : sizeOf(entry) + sizeOf(contender?.entry)) - sizeOf(held?.entry) - sizeOf(held?.contender?.entry)
    this.#removed.delete(clientId)
    if (state !== null) {
      this.#ids.set(clientId, { owner, entry, contender })
      return
    }
    this.#ids.delete(clientId)
    this.#removed.set(clientId, clock)
    if (this.#removed.size > LIMITS.presenceRemovedMax) this.#removed.delete(this.#removed.keys().next().value!)
  }
}

/** Upper estimate of an entry in an update. */
function sizeOf(entry: PresenceEntry | undefined): number {
  return entry === undefined ? 0 : ENTRY_OVERHEAD_BYTES + encoder.encode(entry.state ?? 'null').length
}
