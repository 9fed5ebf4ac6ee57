// Which Hocuspocus connections of a relay have which document open: for broadcasts and for closing a document from this side. One per relay. Read by document.ts and
// by whoever makes the relay. Rules: HP-7, HP-9.

import type { DocId } from '@syncline/protocol'

export interface RosterEntry {
  stateless(payload: string): void
  /** Tells the provider that the document is closed, and asks for its token: it comes back by itself, if it may. */
  close(reason: string): void
}

export class HocuspocusRoster {
  private readonly entries = new Map<DocId, Set<RosterEntry>>()

  /** Returns the way out. */
  enter(doc: DocId, entry: RosterEntry): () => void {
    const present = this.entries.get(doc) ?? new Set()
    this.entries.set(doc, present.add(entry))
    return () => {
      present.delete(entry)
      if (present.size === 0 && this.entries.get(doc) === present) this.entries.delete(doc)
    }
  }

  broadcast(doc: DocId, payload: string): void {
    for (const entry of this.entries.get(doc) ?? []) entry.stateless(payload)
  }

  /** All connections that have the document open are told, and asked for their tokens anew. */
  closeDocument(doc: DocId, reason: string): void {
    for (const entry of [...(this.entries.get(doc) ?? [])]) entry.close(reason)
  }
}
