// An author on a plain document: for whoever performs edits without a replica. Decides nothing. Read by convergence.ts and by tests.

import type * as Y from 'yjs'
import type { Author } from './workload.ts'

/** An author of `doc`. Its transactions have this object as their origin unless `origin` says otherwise. `destroy` ends what workloads kept, not the document. */
export class DocumentAuthor implements Author {
  readonly doc: Y.Doc
  readonly origin: unknown
  readonly #met: (situation: string) => void
  readonly #kept = new Map<string, { destroy(): void }>()

  constructor(doc: Y.Doc, options: { readonly origin?: unknown; readonly met?: (situation: string) => void } = {}) {
    this.doc = doc
    this.origin = options.origin ?? this
    this.#met = options.met ?? (() => undefined)
  }

  met(situation: string): void {
    this.#met(situation)
  }

  keep<T extends { destroy(): void }>(key: string, make: () => T): T {
    const kept = this.#kept.get(key) ?? make()
    this.#kept.set(key, kept)
    return kept as T
  }

  destroy(): void {
    for (const kept of this.#kept.values()) kept.destroy()
    this.#kept.clear()
  }
}
