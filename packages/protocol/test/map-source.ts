// A TreeSource over a Map: what the store's reader is to the document tree, with the reads counted.

import { documentPoint, Sum128 } from '../src/digest.ts'
import type { PackedSource, TreeSource } from '../src/document-tree.ts'
import { idBytes, type Digest, type DocKey } from '../src/ids.ts'
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

/** A source with a faster way, whose contents may run ahead of what is announced, as a store's do, and whose bytes may be damaged. */
export class PackedMapSource implements TreeSource, PackedSource {
  readonly stored: MapSource
  readonly announced: MapSource
  /** Where keys came first. */
  private readonly places: DocKey[]
  /** Of the next piece that is read, one bit. */
  damages = false
  pieces = 0
  readonly packed: PackedSource = this

  constructor(entries: readonly (readonly [DocKey, Digest])[]) {
    this.stored = new MapSource(entries)
    this.announced = new MapSource(entries)
    this.places = entries.map(([key]) => key)
  }

  store(key: DocKey, digest: Digest | null): void {
    if (digest !== null && !this.places.includes(key)) this.places.push(key)
    this.stored.set(key, digest)
  }

  docs(range: KeyRange, limit: number, after?: DocKey): { key: DocKey; digest: Digest }[] {
    return this.announced.docs(range, limit, after)
  }

  piece(after: number, limit: number): { bytes: Uint8Array; next: number | null } {
    this.pieces++
    const places = this.places.slice(after, after + limit)
    const docs = places.flatMap((key) => (this.stored.get(key) === null ? [] : [[...idBytes(key), ...idBytes(this.stored.get(key)!)]]))
    const bytes = Uint8Array.from(docs.flat())
    if (this.damages && bytes.length > 0) bytes[bytes.length >> 1]! ^= 16
    return { bytes, next: places.length < limit ? null : after + limit }
  }

  *unannounced(): Generator<readonly [DocKey, Digest | null]> {
    for (const key of this.places) if (this.stored.get(key) !== this.announced.get(key)) yield [key, this.announced.get(key)]
  }

  root(): Digest {
    const sum = new Sum128()
    for (const key of this.announced.keys()) sum.add(documentPoint(key, this.announced.get(key)!))
    return sum.toHex()
  }
}
