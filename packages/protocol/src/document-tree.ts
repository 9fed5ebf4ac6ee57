// The committed documents of a space as a tree of sums, so that the fingerprint of any key range costs a few steps. Decides how the key space
// is cut; reads a TreeSource (the store); read by reconciliation.ts. In memory only, built at the first reconciliation. Rules: CV-2.
//
// A trie over the hex digits of the keys. Keys of one collection share 8 digits, so depth adapts: a leaf holds count and sum of at most
// LEAF_DOCS documents, not the documents, and splits when a read needs its inside. Cuts go by count, not by digit, so that the shape
// of the trie (long single-child chains under a collection) never shows on the wire.

import { documentPoint, Sum128 } from './digest.ts'
import type { Digest, DocKey } from './ids.ts'
import { boundAfter, boundBetween, KEY8_DIGITS, type KeyBound } from './key-bounds.ts'
import type { KeyRange } from './scope.ts'

/** Where the documents are: the store's reader satisfies it. Ascending by key, from `range.first` or after `after`, at most `limit`. */
export interface TreeSource {
  docs(range: KeyRange, limit: number, after?: DocKey): readonly { readonly key: DocKey; readonly digest: Digest }[]
}

/** A document and its share of every sum that covers it. */
export interface TreeDoc {
  readonly key: DocKey
  readonly point: Sum128
}

export interface RangeSummary {
  readonly count: number
  readonly sum: Sum128
}

interface Node {
  count: number
  readonly sum: Sum128
  /** By hex digit; null: a leaf. */
  children: (Node | undefined)[] | null
}

/** What a walk over a key range meets, in key order: whole subtrees of at most `wholeMax` documents, and single documents. `bound` separates it from
 *  all before it (null: must not be separated). False stops the walk. */
interface Visitor {
  readonly wholeMax: number
  node(node: Node, bound: KeyBound): void
  doc(doc: TreeDoc, bound: KeyBound | null): boolean
}

const LEAF_DOCS = 48
const PAGE_DOCS = 1000
const OPEN_LEAVES_MAX = 8
/** No deeper than what the wire carries of a key: one key8 is never in two leaves. */
const DEPTH_MAX = KEY8_DIGITS

export class DocumentTree {
  readonly #source: TreeSource
  #root: Node | null = null
  /** The leaves read last: neighbouring ranges cut the same ones. */
  readonly #open = new Map<Node, readonly TreeDoc[]>()

  constructor(source: TreeSource) {
    this.#source = source
  }

  get built(): boolean {
    return this.#root !== null
  }

  /** Builds by one paged scan, when not built yet. 100,000 documents: about 0.2 s, 1 MB. */
  ensureBuilt(): void {
    this.#root ??= this.#load('')
  }

  /** Forgets everything, to be built again when needed: for a source that changed without update(), or a total that disagrees with the store's. */
  reset(): void {
    this.#root = null
    this.#open.clear()
  }

  /** A committed change; null: absent before or after. Ignored while not built: a scan that builds must not show what a later
   *  update() announces. After that the source may run ahead: reads between a commit and its announcement leave no trace. Cost: about 1 us. */
  update(key: DocKey, before: Digest | null, after: Digest | null): void {
    if (this.#root === null) return
    const step = (after === null ? 0 : 1) - (before === null ? 0 : 1)
    const change = new Sum128()
    if (after !== null) change.add(documentPoint(key, after))
    if (before !== null) change.subtract(documentPoint(key, before))
    this.#open.clear()
    for (let node: Node | null = this.#root, depth = 0; node !== null; depth++) {
      node.count += step
      node.sum.add(change)
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

  #walk(node: Node, prefix: string, bound: KeyBound, lower: KeyBound, upper: KeyBound, visitor: Visitor): boolean {
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

  #walkLeaf(leaf: Node, prefix: string, bound: KeyBound, lower: KeyBound, upper: KeyBound, visitor: Visitor): boolean {
    let before: DocKey | null = null
    for (const doc of this.#read(leaf, prefix)) {
      const inside = doc.key >= lower && doc.key < upper
      if (inside && !visitor.doc(doc, before === null ? bound : boundBetween(before, doc.key))) return false
      before = doc.key
    }
    return true
  }

  /** Gives a leaf that grew its children. When the source shows another state than the sums (a commit is just being announced), the leaf stays. */
  #split(node: Node, prefix: string): void {
    if (node.children !== null || node.count <= LEAF_DOCS || prefix.length === DEPTH_MAX) return
    const loaded = this.#load(prefix)
    if (loaded.count === node.count && loaded.sum.equals(node.sum)) node.children = loaded.children
  }

  #read(leaf: Node, prefix: string): readonly TreeDoc[] {
    let docs = this.#open.get(leaf)
    if (docs === undefined) {
      docs = [...this.#scan(prefix)]
      if (this.#open.size === OPEN_LEAVES_MAX) this.#open.delete(this.#open.keys().next().value!)
      this.#open.set(leaf, docs)
    }
    return docs
  }

  /** The subtree of all keys under `prefix`. Keys arrive in order, so only the documents of the one leaf that still grows are kept. */
  #load(prefix: string): Node {
    const root = emptyNode()
    let growing: TreeDoc[] = []
    let leaf = root
    for (const doc of this.#scan(prefix)) {
      let node = root
      let depth = prefix.length
      include(node, doc)
      for (; node.children !== null; depth++) include((node = childOf(node.children, doc.key, depth)), doc)
      if (node !== leaf) growing = []
      leaf = node
      growing.push(doc)
      for (; growing.length > LEAF_DOCS && depth < DEPTH_MAX; depth++) {
        leaf.children = []
        for (const each of growing) include(childOf(leaf.children, each.key, depth), each)
        leaf = childOf(leaf.children, doc.key, depth)
        growing = growing.filter((each) => each.key[depth] === doc.key[depth])
      }
    }
    return root
  }

  *#scan(prefix: string): Generator<TreeDoc, void> {
    const range = { first: prefix.padEnd(32, '0') as DocKey, last: prefix.padEnd(32, 'f') as DocKey }
    for (let after: DocKey | undefined; ;) {
      const page = this.#source.docs(range, PAGE_DOCS, after)
      for (const { key, digest } of page) yield { key, point: documentPoint(key, digest) }
      if (page.length < PAGE_DOCS) return
      after = page.at(-1)!.key
    }
  }
}

function emptyNode(): Node {
  return { count: 0, sum: new Sum128(), children: null }
}

function include(node: Node, doc: TreeDoc): void {
  node.count++
  node.sum.add(doc.point)
}

/** The child on the way to `key`, made when there is none. */
function childOf(children: (Node | undefined)[], key: DocKey, depth: number): Node {
  return (children[digitAt(key, depth)] ??= emptyNode())
}

function digitAt(hex: string, at: number): number {
  const code = hex.charCodeAt(at)
  return code < 58 ? code - 48 : code - 87
}
