// One building of a document tree, piece by piece, while documents change: reading, then parting (tree-growth.ts). Decides what a document that changed meanwhile counts as:
// what was announced of it, whatever was read of it before or after, so that it is in the tree exactly once. Driven by document-tree.ts. Rule: CV-2.
//
// Packed pieces are not checked row by row: the root, which the source vouches for, is the sum of all points, and 128 bits of it say more than a checksum of each row. Where
// it is not what was read, everything is read again the careful way, which finds the damage or knows better (ADR 0012).

import type { Digest, DocKey } from './ids.ts'
import type { KeyRange } from './scope.ts'
import { TreeGrowth, type SourceDoc, type TreeNode } from './tree-growth.ts'

/** Where the documents are: the store's reader satisfies it. Ascending by key, from `range.first` or after `after`, at most `limit`, hidden ones among them. */
export interface TreeSource {
  docs(range: KeyRange, limit: number, after?: DocKey): readonly SourceDoc[]
  /** All documents a faster way, where there is one: where none is hidden, and the tree is of the whole range. */
  readonly packed?: PackedSource
}

export interface PackedSource {
  /** Documents in an order of its own, tree-growth's PACKED_DOC_BYTES each, about `limit`. `after`: 0, then `next` of the piece before; null: that was the last. A document
   *  that is there all the while comes once, another one at most once. */
  piece(after: number, limit: number): { readonly bytes: Uint8Array; readonly next: number | null }
  /** What a piece may show before update() announces it, as it was announced last; null: not there. */
  unannounced(): Iterable<readonly [DocKey, Digest | null]>
  /** What the points of all documents add up to, as announced. */
  root(): Digest
}

/** Packed documents cost about so much less than those of pages. */
const PACKED_PER_READ = 8

export class TreeBuilding {
  readonly #source: TreeSource
  readonly #range: KeyRange
  #growth = new TreeGrowth()
  #packed: PackedSource | null
  #phase: 'reading' | 'parting' | 'done' = 'reading'
  #afterPiece = 0
  #afterKey: DocKey | undefined
  /** What was announced since reading began. */
  readonly #changed = new Map<DocKey, SourceDoc | null>()
  #rootThen: Digest | null = null

  constructor(source: TreeSource, range: KeyRange) {
    this.#source = source
    this.#range = range
    this.#packed = source.packed ?? null
  }

  /** Not before all is read: the tree. Changes from then on are not in it. */
  get root(): TreeNode | null {
    return this.#phase === 'done' ? this.#growth.root : null
  }

  /** False: it is too late for changed(). */
  get reads(): boolean {
    return this.#phase === 'reading'
  }

  /** A document is announced to be like this from now on; null: gone. */
  changed(key: DocKey, doc: SourceDoc | null): void {
    this.#changed.set(key, doc)
  }

  /** Goes on by as much work as reading up to `docsMax` documents from pages, and answers as how many it counts. */
  advance(docsMax: number): number {
    if (this.#phase === 'reading') return this.#packed === null ? this.#readPage(docsMax) : this.#readPiece(this.#packed, docsMax)
    const met = this.#growth.grow(docsMax)
    if (this.#growth.done) this.#finish()
    return met
  }

  #readPiece(packed: PackedSource, docsMax: number): number {
    const { bytes, next } = packed.piece(this.#afterPiece, 1 + (docsMax - 1) * PACKED_PER_READ)
    const met = Math.ceil(this.#growth.addPacked(bytes) / PACKED_PER_READ)
    if (next !== null) this.#afterPiece = next
    else {
      for (const [key, digest] of packed.unannounced()) this.#changed.set(key, digest === null ? null : { key, digest })
      this.#rootThen = packed.root()
      this.#allRead()
    }
    return met
  }

  #readPage(docsMax: number): number {
    const page = this.#source.docs(this.#range, docsMax, this.#afterKey)
    for (const doc of page) this.#growth.add(doc)
    this.#afterKey = page.at(-1)?.key
    if (page.length < docsMax) this.#allRead()
    return page.length
  }

  #allRead(): void {
    this.#growth.gathered(this.#changed)
    this.#changed.clear()
    this.#phase = 'parting'
  }

  #finish(): void {
    const isTrue = this.#packed === null || this.#growth.root.sum.toHex() === this.#rootThen
    this.#phase = isTrue ? 'done' : 'reading'
    if (isTrue) return
    this.#packed = null
    this.#growth = new TreeGrowth()
  }
}
