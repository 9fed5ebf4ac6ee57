// What a peer that has nothing of a document is sent: the same for all of them, so it is put together once for many who come at once (a relay was restarted). Kept while the document is
// what it was, bounded in bytes, oldest first out. Filled and read by document-diff.ts. Rule: CV-1.

import type { Digest, DocKey } from '@syncline/protocol'

const BYTES_MAX = 4 * 1024 * 1024
/** Larger ones come seldom, and would push out the others. */
const EACH_BYTES_MAX = 256 * 1024

interface Kept {
  /** Of the document's knowledge. */
  readonly digest: Digest
  readonly framed: Uint8Array
}

export class WholeDiffs {
  readonly #kept = new Map<DocKey, Kept>()
  #bytes = 0

  get(key: DocKey, digest: Digest): Uint8Array | null {
    const kept = this.#kept.get(key)
    return kept?.digest === digest ? kept.framed : null
  }

  keep(key: DocKey, digest: Digest, framed: Uint8Array): void {
    this.forget(key)
    if (framed.length > EACH_BYTES_MAX) return
    this.#kept.set(key, { digest, framed })
    this.#bytes += framed.length
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= BYTES_MAX) return
      this.forget(oldest)
    }
  }

  /** The document may come back with other content under the same digest. */
  forget(key: DocKey): void {
    this.#bytes -= this.#kept.get(key)?.framed.length ?? 0
    this.#kept.delete(key)
  }
}
