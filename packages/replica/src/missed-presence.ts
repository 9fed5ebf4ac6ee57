// What a link that did not drain was not told of presence: the newest word on each id, so that nobody who left stays visible beyond it. Bounded. Read by presence-hub.ts.
// Rules: PR-4, RS-1.

import { decodePresence, encodePresence, type DocId, type DocKey, type PresenceEntry } from '@syncline/protocol'
import type { LinkId } from './effects.ts'

/** Of one link; above it the oldest are forgotten. */
const ENTRIES_MAX = 4096

interface Missed {
  readonly key: DocKey
  readonly name: DocId
  readonly entry: PresenceEntry
}

export class MissedPresence {
  readonly #byLink = new Map<LinkId, Map<string, Missed>>()

  links(): Iterable<LinkId> {
    return this.#byLink.keys()
  }

  note(link: LinkId, key: DocKey, name: DocId, bytes: Uint8Array): void {
    const missed = this.#byLink.get(link) ?? new Map<string, Missed>()
    this.#byLink.set(link, missed)
    for (const entry of decodePresence(bytes) ?? []) {
      const id = `${key} ${entry.clientId}`
      missed.delete(id)
      missed.set(id, { key, name, entry })
    }
    for (const oldest of missed.keys()) {
      if (missed.size <= ENTRIES_MAX) break
      missed.delete(oldest)
    }
  }

  /** What to tell the link now, one message per document; it is forgotten here. */
  take(link: LinkId): { readonly key: DocKey; readonly name: DocId; readonly bytes: Uint8Array }[] {
    const missed = [...(this.#byLink.get(link)?.values() ?? [])]
    this.forget(link)
    return [...Map.groupBy(missed, ({ key }) => key)].map(([key, all]) => ({
      key,
      name: all[0]!.name,
      bytes: encodePresence(all.map(({ entry }) => entry))!,
    }))
  }

  forget(link: LinkId): void {
    this.#byLink.delete(link)
  }
}
