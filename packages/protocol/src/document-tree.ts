// The committed documents of a space as a tree of sums, so that the fingerprint of any key range costs a few steps. Decides how the key space
// is cut; reads a TreeSource (the store); read by reconciliation.ts. In memory only, built at the first reconciliation. Rules: CV-2.
//
// A trie over the hex digits of the keys. Keys of one collection share 8 digits, so depth adapts: a leaf holds count and sum of some dozens
// of documents, not the documents, and splits when a read needs its inside. Cuts go by count, not by digit, so that the shape
// of the trie (long single-child chains under a collection) never shows on the wire.
//
// A source may hide documents: they are counted, so that a leaf is never long to read, but no sum, list or bound knows of them. That makes a tree
// of what one peer may read. It can be built piece by piece (tree-building.ts, tree-growth.ts).

import { documentPoint, Sum128 } from './digest.ts'
import { ZERO_DIGEST, type Digest, type DocKey } from './ids.ts'
import { boundAfter, boundBetween, type KeyBound } from './key-bounds.ts'
import { WHOLE_RANGE, type KeyRange } from './scope.ts'
import { TreeBuilding, type TreeSource } from './tree-building.ts'
import { DEPTH_MAX, emptyNode, isTooLong, TreeGrowth, type SourceDoc, type TreeNode } from './tree-growth.ts'

export type { PackedSource, TreeSource } from './tree-building.ts'
export { PACKED_DOC_BYTES, type SourceDoc } from './tree-growth.ts'

/** A document and its share of every sum that covers it. */
export interface TreeDoc {
  readonly key: DocKey
  readonly point: Sum128
}

export interface RangeSummary {
  readonly count: number
  readonly sum: Sum128
}

/** What a walk over a key range meets, in key order: whole subtrees of at most `wholeMax` documents, and single documents. `bound` separates it from
 *  all before it (null: must not be separated). False stops the walk. */
interface Visitor {
  readonly wholeMax: number
  node(node: TreeNode, bound: KeyBound): void
  doc(doc: TreeDoc, bound: KeyBound | null): boolean
}

const PAGE_DOCS = 1000
/** Some 3 MB: what a round of a hundred thousand documents with some hundred differences goes through again at each of its messages. */
const OPEN_DOCS_MAX = 16_384

export class DocumentTree {
  readonly #source: TreeSource
  readonly #range: KeyRange
  #root: TreeNode | null = null
  #building: TreeBuilding | null = null
  /** Announced since the building has read all documents, and not in it. */
  #late: Change[] = []
  /** The leaves read last: neighbouring ranges cut the same ones, and so does the next message of a round. Until something changes. */
  readonly #open = new Map<TreeNode, readonly TreeDoc[]>()
  #openDocs = 0

  /** `range`: nothing outside is read. */
  constructor(source: TreeSource, range: KeyRange = WHOLE_RANGE) {
    this.#source = source
    this.#range = range
  }

  get built(): boolean {
    return this.#root !== null
  }

  /** Builds in one go, when not built yet. 100,000 documents: about 0.1 s from packed pieces, else 0.8 s; 1 MB. */
  ensureBuilt(): void {
    while (!this.built) this.build(PAGE_DOCS)
  }

  /** Goes on building, by as much work as reading up to `docsMax` documents, and answers as how many it counts. */
  build(docsMax: number): number {
    if (this.#root !== null) return 0
    const building = (this.#building ??= new TreeBuilding(this.#source, this.#range))
    const met = building.advance(docsMax)
    // What is read again is read as it is now.
    if (building.reads) this.#late = []
    if (building.root !== null) {
      this.#root = building.root
      this.#building = null
      for (const change of this.#late.splice(0)) this.#apply(change)
    }
    return met
  }

  /** Forgets everything, to be built again when needed: for a source that changed without update(), or a total that disagrees with the store's. */
  reset(): void {
    this.#root = null
    this.#building = null
    this.#late = []
    this.#close()
  }

  /** A committed change of a document that shows; null: absent before or after. While it is being built, too: reading may show it before or after. Once built the source
   *  may run ahead: reads between a commit and its announcement leave no trace. Cost: about 1 us. */
  update(key: DocKey, before: Digest | null, after: Digest | null): void {
    if (this.#isRead(key, after === null ? null : { key, digest: after })) this.#change(key, stepOf(before, after), 0, before, after)
  }

  /** A hidden document came to be (1) or is gone (-1). */
  updateHidden(key: DocKey, step: 1 | -1): void {
    if (this.#isRead(key, step < 0 ? null : veiled(key))) this.#change(key, 0, step, null, null)
  }

  /** A document that was hidden (null) or showed `before` is hidden (null) or shows `after` from now on, as the source says. */
  show(key: DocKey, before: Digest | null, after: Digest | null): void {
    const step = stepOf(before, after)
    if (this.#isRead(key, after === null ? veiled(key) : { key, digest: after })) this.#change(key, step, -step, before, after)
  }

  /** False: the sums do not know of the document yet, and will know it as `now`. */
  #isRead(key: DocKey, now: SourceDoc | null): boolean {
    if (this.#root !== null) return true
    if (this.#building?.reads === true) this.#building.changed(key, now)
    return this.#building?.reads === false
  }

  #change(key: DocKey, count: number, hidden: number, before: Digest | null, after: Digest | null): void {
    const change = new Sum128()
    if (after !== null) change.add(documentPoint(key, after))
    if (before !== null) change.subtract(documentPoint(key, before))
    if (this.#root === null) this.#late.push({ key, count, hidden, sum: change })
    else this.#apply({ key, count, hidden, sum: change })
  }

  #apply({ key, count, hidden, sum }: Change): void {
    this.#close()
    for (let node = this.#root, depth = 0; node !== null; depth++) {
      node.count += count
      node.hidden += hidden
      node.sum.add(sum)
      node = node.children && childOf(node.children, key, depth)
    }
  }

  /** Count and sum of documentPoint over the keys in [lower, upper). */
  summary(lower: KeyBound, upper: KeyBound): RangeSummary {
    const total = { count: 0, sum: new Sum128() }
    const add = (count: number, sum: Sum128): boolean => {
      total.count += count
      total.sum.add(sum)
      return true
    }
    this.#visit(lower, upper, { wholeMax: Infinity, node: (node) => add(node.count, node.sum), doc: (doc) => add(1, doc.point) })
    return total
  }

  /** The documents with keys in [lower, upper), ascending, at most `limit`. */
  docs(lower: KeyBound, upper: KeyBound, limit: number): TreeDoc[] {
    const docs: TreeDoc[] = []
    this.#visit(lower, upper, { wholeMax: 0, node: () => {}, doc: (doc) => docs.push(doc) < limit })
    return docs
  }

  /** Bounds that cut [lower, upper) into about `parts` ranges (at most twice as many) of about as many documents each; the last is `upper`. */
  cuts(lower: KeyBound, upper: KeyBound, parts: number): KeyBound[] {
    const target = this.summary(lower, upper).count / parts
    const bounds: KeyBound[] = []
    let held = 0
    const take = (count: number, bound: KeyBound | null): boolean => {
      if (held > 0 && bound !== null && held + count / 2 > target) {
        bounds.push(bound)
        held = 0
      }
      held += count
      return true
    }
    // a subtree up to half over the target stays whole: its bound is shorter than one inside it
    this.#visit(lower, upper, { wholeMax: 1.5 * target, node: (node, bound) => take(node.count, bound), doc: (_, bound) => take(1, bound) })
    bounds.push(upper)
    return bounds
  }

  #visit(lower: KeyBound, upper: KeyBound, visitor: Visitor): void {
    this.ensureBuilt()
    this.#walk(this.#root!, '', '', lower, upper, visitor)
  }

  #walk(node: TreeNode, prefix: string, bound: KeyBound, lower: KeyBound, upper: KeyBound, visitor: Visitor): boolean {
    const end = boundAfter(prefix)
    if (node.count === 0 || prefix >= upper || end <= lower) return true
    if (node.count <= visitor.wholeMax && prefix >= lower && end <= upper) {
      visitor.node(node, bound)
      return true
    }
    this.#split(node, prefix)
    if (node.children === null) return this.#walkLeaf(node, prefix, bound, lower, upper, visitor)
    let inherited: KeyBound | null = bound
    const first = lower.length > prefix.length && lower.startsWith(prefix) ? digitAt(lower, prefix.length) : 0
    for (let digit = first; digit < 16; digit++) {
      const child = node.children[digit]
      if (child === undefined || child.count === 0) continue
      const path = prefix + digit.toString(16)
      if (path >= upper) return true
      if (!this.#walk(child, path, inherited ?? path, lower, upper, visitor)) return false
      inherited = null
    }
    return true
  }

  #walkLeaf(leaf: TreeNode, prefix: string, bound: KeyBound, lower: KeyBound, upper: KeyBound, visitor: Visitor): boolean {
    let before: DocKey | null = null
    for (const doc of this.#read(leaf, prefix)) {
      const inside = doc.key >= lower && doc.key < upper
      if (inside && !visitor.doc(doc, before === null ? bound : boundBetween(before, doc.key))) return false
      before = doc.key
    }
    return true
  }

  /** Gives a leaf that grew its children. When the source shows another state than the sums (a commit is just being announced), the leaf stays. */
  #split(node: TreeNode, prefix: string): void {
    if (node.children !== null || !isTooLong(node) || prefix.length === DEPTH_MAX) return
    const loaded = this.#load(prefix)
    if (loaded.count === node.count && loaded.hidden === node.hidden && loaded.sum.equals(node.sum)) node.children = loaded.children
  }

  #read(leaf: TreeNode, prefix: string): readonly TreeDoc[] {
    let docs = this.#open.get(leaf)
    if (docs === undefined) {
      docs = [...this.#scan(prefix)].filter(({ hidden }) => hidden !== true).map(pointOf)
      this.#open.set(leaf, docs)
      this.#openDocs += docs.length
      for (const [oldest, { length }] of this.#open) {
        if (this.#openDocs <= OPEN_DOCS_MAX || oldest === leaf) break
        this.#open.delete(oldest)
        this.#openDocs -= length
      }
    }
    return docs
  }

  #close(): void {
    this.#open.clear()
    this.#openDocs = 0
  }

  /** The subtree of all keys under `prefix`. */
  #load(prefix: string): TreeNode {
    const growth = new TreeGrowth(prefix.length, true)
    for (const doc of this.#scan(prefix)) growth.add(doc)
    growth.gathered()
    growth.grow(Infinity)
    return growth.root
  }

  *#scan(prefix: string): Generator<SourceDoc, void> {
    const [first, last] = [prefix.padEnd(32, '0') as DocKey, prefix.padEnd(32, 'f') as DocKey]
    const range = { first: first < this.#range.first ? this.#range.first : first, last: last > this.#range.last ? this.#range.last : last }
    for (let after: DocKey | undefined; ;) {
      const page = this.#source.docs(range, PAGE_DOCS, after)
      yield* page
      if (page.length < PAGE_DOCS) return
      after = page.at(-1)!.key
    }
  }
}

interface Change {
  readonly key: DocKey
  readonly count: number
  readonly hidden: number
  readonly sum: Sum128
}

function pointOf({ key, digest }: SourceDoc): TreeDoc {
  return { key, point: documentPoint(key, digest) }
}

function stepOf(before: Digest | null, after: Digest | null): -1 | 0 | 1 {
  if ((before === null) === (after === null)) return 0
  return after === null ? -1 : 1
}

/** Its digest does not matter. */
function veiled(key: DocKey): SourceDoc {
  return { key, digest: ZERO_DIGEST, hidden: true }
}

/** The child on the way to `key`, made when there is none. */
function childOf(children: (TreeNode | undefined)[], key: DocKey, depth: number): TreeNode {
  return (children[digitAt(key, depth)] ??= emptyNode())
}

function digitAt(hex: string, at: number): number {
  const code = hex.charCodeAt(at)
  return code < 58 ? code - 48 : code - 87
}
