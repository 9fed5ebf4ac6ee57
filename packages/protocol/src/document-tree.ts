// The committed documents of a space as a tree of sums, so that the fingerprint of any key range costs a few steps. Decides how the key space
// is cut; reads a TreeSource (the store); read by reconciliation.ts. In memory only, built at the first reconciliation. Rules: CV-2.
//
// A trie over the hex digits of the keys. Keys of one collection share 8 digits, so depth adapts: a leaf holds count and sum of at most
// LEAF_DOCS documents, not the documents, and splits when a read needs its inside. Cuts go by count, not by digit, so that the shape
// of the trie (long single-child chains under a collection) never shows on the wire.
//
// A source may hide documents: they are counted, so that a leaf is never long to read, but no sum, list or bound knows of them. That makes a tree
// of what one peer may read. It can be built piece by piece; changes of what was scanned already wait until the end.

import { documentPoint, Sum128 } from './digest.ts'
import type { Digest, DocKey } from './ids.ts'
import { boundAfter, boundBetween, KEY8_DIGITS, type KeyBound } from './key-bounds.ts'
import { WHOLE_RANGE, type KeyRange } from './scope.ts'

/** Where the documents are: the store's reader satisfies it. Ascending by key, from `range.first` or after `after`, at most `limit`, hidden ones among them. */
export interface TreeSource {
  docs(range: KeyRange, limit: number, after?: DocKey): readonly SourceDoc[]
}

export interface SourceDoc {
  readonly key: DocKey
  readonly digest: Digest
  /** True: no sum and no list knows of it. */
  readonly hidden?: boolean
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
  /** Documents that show. */
  count: number
  hidden: number
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
/** Where nothing shows, leaves are this long, so that memory follows what shows. */
const HIDDEN_LEAF_DOCS = 1024
const PAGE_DOCS = 1000
const OPEN_LEAVES_MAX = 8
/** No deeper than what the wire carries of a key: one key8 is never in two leaves. */
const DEPTH_MAX = KEY8_DIGITS

export class DocumentTree {
  readonly #source: TreeSource
  readonly #range: KeyRange
  #root: Node | null = null
  #building: Building | null = null
  /** The leaves read last: neighbouring ranges cut the same ones. */
  readonly #open = new Map<Node, readonly TreeDoc[]>()

  /** `range`: nothing outside is read. */
  constructor(source: TreeSource, range: KeyRange = WHOLE_RANGE) {
    this.#source = source
    this.#range = range
  }

  get built(): boolean {
    return this.#root !== null
  }

  /** Builds by one paged scan, when not built yet. 100,000 documents: about 0.2 s, 1 MB. */
  ensureBuilt(): void {
    while (!this.built) this.build(PAGE_DOCS)
  }

  /** Goes on with the scan that builds, for up to `docsMax` documents, and answers how many it met. */
  build(docsMax: number): number {
    if (this.#root !== null) return 0
    const building = (this.#building ??= { growth: new Growth(0), last: null, late: [] })
    const page = this.#source.docs(this.#range, docsMax, building.last ?? undefined)
    for (const doc of page) building.growth.add(doc)
    building.last = page.at(-1)?.key ?? building.last
    if (page.length < docsMax) {
      this.#root = building.growth.root
      this.#building = null
      for (const change of building.late) this.#apply(change)
    }
    return page.length
  }

  /** Forgets everything, to be built again when needed: for a source that changed without update(), or a total that disagrees with the store's. */
  reset(): void {
    this.#root = null
    this.#building = null
    this.#open.clear()
  }

  /** A committed change of a document that shows; null: absent before or after. Ignored while not built: a scan that builds must not show what a later
   *  update() announces. After that the source may run ahead: reads between a commit and its announcement leave no trace. Cost: about 1 us. */
  update(key: DocKey, before: Digest | null, after: Digest | null): void {
    this.#change(key, stepOf(before, after), 0, before, after)
  }

  /** A hidden document came to be (1) or is gone (-1). */
  updateHidden(key: DocKey, step: 1 | -1): void {
    this.#change(key, 0, step, null, null)
  }

  /** A document that was hidden (null) or showed `before` is hidden (null) or shows `after` from now on, as the source says. */
  show(key: DocKey, before: Digest | null, after: Digest | null): void {
    const step = stepOf(before, after)
    this.#change(key, step, -step, before, after)
  }

  #change(key: DocKey, count: number, hidden: number, before: Digest | null, after: Digest | null): void {
    const building = this.#building
    if (this.#root === null && (building === null || building.last === null || key > building.last)) return
    const change = new Sum128()
    if (after !== null) change.add(documentPoint(key, after))
    if (before !== null) change.subtract(documentPoint(key, before))
    if (building !== null) building.late.push({ key, count, hidden, sum: change })
    else this.#apply({ key, count, hidden, sum: change })
  }

  #apply({ key, count, hidden, sum }: Change): void {
    this.#open.clear()
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
    if (node.children !== null || !isTooLong(node) || prefix.length === DEPTH_MAX) return
    const loaded = this.#load(prefix)
    if (loaded.count === node.count && loaded.hidden === node.hidden && loaded.sum.equals(node.sum)) node.children = loaded.children
  }

  #read(leaf: Node, prefix: string): readonly TreeDoc[] {
    let docs = this.#open.get(leaf)
    if (docs === undefined) {
      docs = [...this.#scan(prefix)].filter(({ hidden }) => hidden !== true).map(pointOf)
      if (this.#open.size === OPEN_LEAVES_MAX) this.#open.delete(this.#open.keys().next().value!)
      this.#open.set(leaf, docs)
    }
    return docs
  }

  /** The subtree of all keys under `prefix`. */
  #load(prefix: string): Node {
    const growth = new Growth(prefix.length)
    for (const doc of this.#scan(prefix)) growth.add(doc)
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

/** A scan under way: documents up to `last` are in. */
interface Building {
  readonly growth: Growth
  last: DocKey | null
  readonly late: Change[]
}

interface Change {
  readonly key: DocKey
  readonly count: number
  readonly hidden: number
  readonly sum: Sum128
}

/** Without a point: hidden. */
interface GrownDoc {
  readonly key: DocKey
  readonly point: Sum128 | null
}

/** A subtree that grows from documents in key order, so that only those of the one leaf that still grows are kept. */
class Growth {
  readonly root: Node = emptyNode()
  readonly #depth: number
  #leaf = this.root
  #growing: GrownDoc[] = []

  constructor(depth: number) {
    this.#depth = depth
  }

  add({ key, digest, hidden }: SourceDoc): void {
    // Once: it is added at every level, of which keys of one collection have a dozen.
    const doc = { key, point: hidden === true ? null : documentPoint(key, digest) }
    let node = this.root
    let depth = this.#depth
    include(node, doc)
    for (; node.children !== null; depth++) include((node = childOf(node.children, doc.key, depth)), doc)
    if (node !== this.#leaf) this.#growing = []
    this.#growing.push(doc)
    for (; isTooLong(node) && depth < DEPTH_MAX; depth++) {
      node.children = []
      for (const each of this.#growing) include(childOf(node.children, each.key, depth), each)
      node = childOf(node.children, doc.key, depth)
      const at = depth
      this.#growing = this.#growing.filter((each) => each.key[at] === doc.key[at])
    }
    this.#leaf = node
  }
}

function emptyNode(): Node {
  return { count: 0, hidden: 0, sum: new Sum128(), children: null }
}

function isTooLong({ count, hidden }: Node): boolean {
  return count + hidden > (count > 0 ? LEAF_DOCS : HIDDEN_LEAF_DOCS)
}

function include(node: Node, { point }: GrownDoc): void {
  if (point === null) node.hidden++
  else {
    node.count++
    node.sum.add(point)
  }
}

function pointOf({ key, digest }: SourceDoc): TreeDoc {
  return { key, point: documentPoint(key, digest) }
}

function stepOf(before: Digest | null, after: Digest | null): -1 | 0 | 1 {
  if ((before === null) === (after === null)) return 0
  return after === null ? -1 : 1
}

/** The child on the way to `key`, made when there is none. */
function childOf(children: (Node | undefined)[], key: DocKey, depth: number): Node {
  return (children[digitAt(key, depth)] ??= emptyNode())
}

function digitAt(hex: string, at: number): number {
  const code = hex.charCodeAt(at)
  return code < 58 ? code - 48 : code - 87
}
