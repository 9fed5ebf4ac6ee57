// What the peer behind one link may read of one scope, as a tree of sums: roots, ranges and lists toward it are taken from here, so that nothing of a hidden document
// leaves. Made only where the link's identity may not read all of the scope (Access.readsAll); built piece by piece, followed at every commit, built again when rights change.
// Read by channel-root.ts, reconciler.ts and verifier.ts; driven by link-desk.ts. Rules: AU-2, CV-2, CV-3.
//
// A document that the peer may not read and still brings itself (it may write there, or lost the right to read) stands in the view as the peer told it: both sides then
// agree on it, and the peer hears nothing but its own words.

import { DocumentTree, rangeHolds, type Digest, type DocId, type DocKey, type KeyRange } from '@syncline/protocol'
import type { Access } from './effects.ts'
import type { SettledDocuments } from './settled-documents.ts'

export class ReadView {
  /** Must not be read before it is built. */
  readonly tree: DocumentTree
  readonly #access: Access
  readonly #range: KeyRange
  /** Digests that the peer told of documents that are hidden from it. */
  readonly #told: Map<DocKey, Digest>

  /** `before`: the view of the same scope that this one takes the place of. */
  constructor(settled: SettledDocuments, access: Access, range: KeyRange, before: ReadView | null) {
    this.#access = access
    this.#range = range
    this.#told = new Map(before === null ? [] : before.#told)
    const source = {
      docs: (within: KeyRange, limit: number, after?: DocKey) =>
        settled.docs(within, limit, after).map(({ key, name, digest }) => {
          const shown = this.shownDigest(key, name, digest)
          return { key, digest: shown ?? digest, hidden: shown === null }
        }),
    }
    this.tree = new DocumentTree(source, range)
  }

  /** What the peer is shown of a document whose digest here is `digest`; null: nothing. */
  shownDigest(key: DocKey, name: DocId, digest: Digest): Digest | null {
    return this.#access.read(name) ? digest : (this.#told.get(key) ?? null)
  }

  /** A committed change; null: absent before or after. Cost: one decision and about 1 us. */
  update(key: DocKey, name: DocId, before: Digest | null, after: Digest | null): void {
    if (!rangeHolds(this.#range, key)) return
    if (this.#access.read(name)) return this.tree.update(key, before, after)
    if (before === null && after !== null) this.tree.updateHidden(key, 1)
    if (before === null || after !== null) return
    this.#show(key, null)
    this.tree.updateHidden(key, -1)
  }

  /** The peer brought all that it has of a document, `digest` by its own account, and it is stored here. */
  told(key: DocKey, name: DocId, digest: Digest): void {
    if (rangeHolds(this.#range, key) && !this.#access.read(name)) this.#show(key, digest)
  }

  #show(key: DocKey, digest: Digest | null): void {
    const before = this.#told.get(key) ?? null
    if (digest === null) this.#told.delete(key)
    else this.#told.set(key, digest)
    this.tree.show(key, before, digest)
  }
}
