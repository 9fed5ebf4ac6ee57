// A TreeSource over a Map: what the store's reader is to the document tree, with the reads counted.

import type { TreeSource } from '../src/document-tree.ts'
import type { Digest, DocKey } from '../src/ids.ts'
import type { KeyRange } from '../src/scope.ts'

export class MapSource implements TreeSource {
  reads = 0
  private readonly digests = new Map<DocKey, Digest>()
  private sorted: DocKey[] | null = null

  constructor(entries: Iterable<readonly [DocKey, Digest]> = []) {
    for (const [key, digest] of entries) this.set(key, digest)
  }

  get(key: DocKey): Digest | null {
    return this.digests.get(key) ?? null
  }

  set(key: DocKey, digest: Digest | null): void {
    this.sorted = null
    if (digest === null) this.digests.delete(key)
    else this.digests.set(key, digest)
  }

  /** Ascending. */
  keys(): readonly DocKey[] {
    return (this.sorted ??= [...this.digests.keys()].toSorted())
  }

  docs(range: KeyRange, limit: number, after?: DocKey): { key: DocKey; digest: Digest }[] {
    this.reads++
    const keys = this.keys()
    let low = 0
    for (let high = keys.length; low < high;) {
      const middle = (low + high) >> 1
      const key = keys[middle]!
      if (after === undefined ? key < range.first : key <= after) low = middle + 1
      else high = middle
    }
    const docs: { key: DocKey; digest: Digest }[] = []
    for (; docs.length < limit && low < keys.length && keys[low]! <= range.last; low++)
      docs.push({ key: keys[low]!, digest: this.get(keys[low]!)! })
    return docs
  }
}
