// Which Hocuspocus connections of a relay have which document open: for broadcasts and for closing a document from this side. One per relay. Read by document.ts and
// by whoever makes the relay. Rules: HP-7, HP-9.

import type { DocId, SpaceId } from '@syncline/protocol'

export interface RosterEntry {
  stateless(payload: string): void
  /** Tells the provider that the document is closed, and asks for its token: it comes back by itself, if it may. */
  close(reason: string): void
}

export class HocuspocusRoster {
  /** By space and name: no space has a blank in its name. */
  private readonly entries = new Map<string, Set<RosterEntry>>()

  /** Returns the way out. */
  enter(space: SpaceId, doc: DocId, entry: RosterEntry): () => void {
    const key = keyOf(space, doc)
    const present = this.entries.get(key) ?? new Set()
    this.entries.set(key, present.add(entry))
    return () => {
      present.delete(entry)
      if (present.size === 0 && this.entries.get(key) === present) this.entries.delete(key)
    }
  }

  broadcast(space: SpaceId, doc: DocId, payload: string): void {
    for (const entry of this.entries.get(keyOf(space, doc)) ?? []) entry.stateless(payload)
  }

  /** All connections that have the document open are told, and asked for their tokens anew. */
  closeDocument(space: SpaceId, doc: DocId, reason: string): void {
    for (const entry of [...(this.entries.get(keyOf(space, doc)) ?? [])]) entry.close(reason)
  }
}

function keyOf(space: SpaceId, doc: DocId): string {
  return `${space} ${doc}`
}
