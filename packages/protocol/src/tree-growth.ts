// How a trie of sums (document-tree.ts) comes to be from many documents in any order: all are gathered as words, then parted by the digits of their keys, so that
// each document is hashed once and added once. Decides where leaves are cut. Goes on piece by piece. Read by document-tree.ts alone. Rule: CV-2.

import { documentPointOfWords, hexOfWord, Sum128, wordOfHex } from './digest.ts'
import type { Digest, DocKey } from './ids.ts'
import { KEY8_DIGITS } from './key-bounds.ts'

/** A subtree: what lies below one prefix of keys. */
export interface TreeNode {
  /** Documents that show. */
  count: number
  hidden: number
  readonly sum: Sum128
  /** By hex digit; null: a leaf. */
  children: (TreeNode | undefined)[] | null
}

/** A document as a source has it. */
export interface SourceDoc {
  readonly key: DocKey
  readonly digest: Digest
  /** True: no sum and no list knows of it. */
  readonly hidden?: boolean
}

/** Bytes of a packed document: its key, and its digest. */
export const PACKED_DOC_BYTES = 32

const LEAF_DOCS = 48
/** Where nothing shows, leaves are this long, so that memory follows what shows. */
const HIDDEN_LEAF_DOCS = 1024
/** No deeper than what the wire carries of a key: one key8 is never in two leaves. */
export const DEPTH_MAX = KEY8_DIGITS

/** Of a gathered document: the key, then its point. */
const DOC_WORDS = 8
/** Documents of a chunk, as a power of two: so many that its memory is a mapping of its own, which goes back when it is done. */
const CHUNK_BITS = 12
const CHUNK_BITS_OF_FEW = 7
/** Parting a document costs about so much less than reading it. */
const PARTED_PER_READ = 4
const RUN_DOCS = 16_384

/** What is not parted yet: the documents of `order` in [from, to) are those of `node`. */
interface Part {
  readonly node: TreeNode
  readonly depth: number
  readonly from: number
  readonly to: number
  readonly above: Part | null
}

/** Memory: 41 bytes a document until it is done. */
export class TreeGrowth {
  readonly root: TreeNode = emptyNode()
  readonly #depth: number
  readonly #bits: number
  readonly #mask: number
  #filling = new Int32Array(0)
  #chunks: Int32Array[] = []
  /** By chunk; none where nothing is hidden. */
  #veils: (Uint8Array | undefined)[] = []
  #count = 0
  /** Numbers of gathered documents, as far as they are parted; empty until all are gathered. */
  #order = new Uint32Array(0)
  #scratch = new Uint32Array(0)
  readonly #parts: Part[] = []
  #work: Generator<number, void> | null = null
  /** Of those in `order`, the one that they are parted by. */
  #digits = new Uint8Array(0)

  /** `depth`: how many digits all keys share with the root. `few`: some dozens of documents are expected. */
  constructor(depth = 0, few = false) {
    this.#depth = depth
    this.#bits = few ? CHUNK_BITS_OF_FEW : CHUNK_BITS
    this.#mask = (1 << this.#bits) - 1
  }

  add({ key, digest, hidden }: SourceDoc): void {
    const at = this.#next(hidden === true)
    const words = this.#filling
    for (let i = 0; i < 4; i++) {
      words[at + i] = wordOfHex(key, 8 * i)
      words[at + 4 + i] = wordOfHex(digest, 8 * i)
    }
    documentPointOfWords(words, at)
  }

  /** Documents that show, PACKED_DOC_BYTES each; answers how many. */
  addPacked(bytes: Uint8Array): number {
    const before = this.#count
    for (let from = 0; from + PACKED_DOC_BYTES <= bytes.length; from += PACKED_DOC_BYTES) {
      const at = this.#next(false)
      const words = this.#filling
      for (let i = 0, byte = from; i < DOC_WORDS; i++, byte += 4)
        words[at + i] = (bytes[byte]! << 24) | (bytes[byte + 1]! << 16) | (bytes[byte + 2]! << 8) | bytes[byte + 3]!
      documentPointOfWords(words, at)
    }
    return this.#count - before
  }

  /** Where the words of the next document go in the chunk that is being filled. */
  #next(hidden: boolean): number {
    const place = this.#count++ & this.#mask
    if (place === 0) {
      this.#chunks.push((this.#filling = new Int32Array(DOC_WORDS << this.#bits)))
    }
    if (hidden) (this.#veils[this.#chunks.length - 1] ??= new Uint8Array(1 << this.#bits))[place] = 1
    return place * DOC_WORDS
  }

  /** All are gathered. `changed`: as these documents are now, whatever was gathered of them; null: they are not there. */
  gathered(changed: ReadonlyMap<DocKey, SourceDoc | null> = new Map()): void {
    const order = new Uint32Array(this.#count + changed.size)
    let kept = 0
    if (changed.size === 0) for (; kept < this.#count; kept++) order[kept] = kept
    else {
      const isChanged = matcher(changed)
      for (let doc = 0; doc < this.#count; doc++)
        if (!isChanged(this.#chunks[doc >>> this.#bits]!, (doc & this.#mask) * DOC_WORDS)) order[kept++] = doc
    }
    for (const doc of changed.values()) {
      if (doc === null) continue
      order[kept++] = this.#count
      this.add(doc)
    }
    this.#order = order.subarray(0, kept)
    this.#scratch = new Uint32Array(kept)
    this.#digits = new Uint8Array(kept)
    let hidden = 0
    if (this.#veils.length > 0) for (let i = 0; i < kept; i++) hidden += this.#veil(order[i]!)
    this.#plan({ node: this.root, depth: this.#depth, from: 0, to: kept, above: null }, hidden)
    this.#work = this.#growing()
  }

  /** 1: hidden. */
  #veil(doc: number): number {
    return this.#veils[doc >>> this.#bits]?.[doc & this.#mask] ?? 0
  }

  #plan(part: Part, hidden: number): void {
    part.node.count = part.to - part.from - hidden
    part.node.hidden = hidden
    this.#parts.push(part)
  }

  /** False: there is more to grow(). */
  get done(): boolean {
    return this.#work === null
  }

  /** Parts further documents, about as much work as reading `docs` of them, and answers as how many that counts. */
  grow(docs: number): number {
    let touched = 0
    while (this.#work !== null && touched < docs * PARTED_PER_READ) {
      const { done, value } = this.#work.next()
      if (done === true) this.#work = null
      else touched += value
    }
    return Math.ceil(touched / PARTED_PER_READ)
  }

  /** Yields how many documents were touched, every few thousand. */
  *#growing(): Generator<number, void> {
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      if (isTooLong(part.node) && part.depth < DEPTH_MAX) yield* this.#split(part)
      else {
        this.#sumUp(part)
        yield 1 + part.to - part.from
      }
    }
    this.#chunks = []
    this.#veils = []
    this.#order = this.#scratch = new Uint32Array(0)
    this.#digits = new Uint8Array(0)
  }

  /** Of a leaf, for all nodes above it, too. */
  #sumUp(leaf: Part): void {
    const { sum, hidden } = leaf.node
    for (let i = leaf.from; i < leaf.to; i++) {
      const doc = this.#order[i]!
      if (hidden === 0 || this.#veil(doc) === 0) sum.addFrom(this.#chunks[doc >>> this.#bits]!, (doc & this.#mask) * DOC_WORDS + 4)
    }
    for (let { above } = leaf; above !== null; above = above.above) above.node.sum.add(sum)
  }

  /** By the next digit of their keys. */
  *#split(part: Part): Generator<number, void> {
    const { node, depth, from, to } = part
    const counts = new Uint32Array(16)
    for (const [start, end] of runsOf(from, to)) {
      this.#countDigits(depth, start, end, counts)
      yield end - start
    }
    if (counts.includes(to - from)) return yield* this.#descend(part)
    const starts = startsOf(counts, from)
    const hidden = new Uint32Array(16)
    const [scratch, next] = [this.#scratch, starts.slice()]
    scratch.set(this.#order.subarray(from, to), from)
    for (const [start, end] of runsOf(from, to)) {
      this.#moveByDigits(start, end, next)
      if (node.hidden > 0) for (let i = start; i < end; i++) hidden[this.#digits[i]!]! += this.#veil(scratch[i]!)
      yield end - start
    }
    node.children = []
    for (let digit = 0; digit < 16; digit++) {
      if (counts[digit] === 0) continue
      const child = (node.children[digit] = emptyNode())
      const start = starts[digit]!
      this.#plan({ node: child, depth: depth + 1, from: start, to: start + counts[digit]!, above: part }, hidden[digit]!)
    }
  }

  #countDigits(depth: number, from: number, to: number, counts: Uint32Array): void {
    const [chunks, bits, mask, order, digits] = [this.#chunks, this.#bits, this.#mask, this.#order, this.#digits]
    const [word, shift] = [depth >> 3, 28 - 4 * (depth & 7)]
    for (let i = from; i < to; i++) {
      const doc = order[i]!
      const digit = (chunks[doc >>> bits]![(doc & mask) * DOC_WORDS + word]! >>> shift) & 15
      digits[i] = digit
      counts[digit]!++
    }
  }

  #moveByDigits(from: number, to: number, next: Uint32Array): void {
    const [order, scratch, digits] = [this.#order, this.#scratch, this.#digits]
    for (let i = from; i < to; i++) order[next[digits[i]!]!++] = scratch[i]!
  }

  /** To where the keys part: those of one collection share many digits. */
  *#descend({ node, depth, from, to, above }: Part): Generator<number, void> {
    let shared = DEPTH_MAX
    for (const [start, end] of runsOf(from, to)) {
      shared = Math.min(shared, this.#sharedDigits(this.#order[from]!, start, end))
      yield end - start
    }
    let last: Part = { node, depth, from, to, above }
    for (let at = depth; at < shared; at++) {
      const child = emptyNode()
      child.count = node.count
      child.hidden = node.hidden
      last.node.children = []
      last.node.children[this.#digit(this.#order[from]!, at)] = child
      last = { node: child, depth: at + 1, from, to, above: last }
    }
    this.#plan(last, node.hidden)
  }

  /** Of the key of one document with those of others. */
  #sharedDigits(one: number, from: number, to: number): number {
    const [chunks, bits, mask, order] = [this.#chunks, this.#bits, this.#mask, this.#order]
    const wordOf = (doc: number, word: number): number => chunks[doc >>> bits]![(doc & mask) * DOC_WORDS + word]!
    const [first, second] = [wordOf(one, 0), wordOf(one, 1)]
    let [inFirst, inSecond] = [0, 0]
    for (let i = from; i < to; i++) {
      inFirst |= wordOf(order[i]!, 0) ^ first
      inSecond |= wordOf(order[i]!, 1) ^ second
    }
    return inFirst === 0 ? 8 + (Math.clz32(inSecond) >> 2) : Math.clz32(inFirst) >> 2
  }

  #digit(doc: number, depth: number): number {
    const word = this.#chunks[doc >>> this.#bits]![(doc & this.#mask) * DOC_WORDS + (depth >> 3)]!
    return (word >>> (28 - 4 * (depth & 7))) & 15
  }
}

/** What is between two steps of a part. */
function* runsOf(from: number, to: number): Generator<readonly [from: number, to: number]> {
  for (let at = from; at < to; at += RUN_DOCS) yield [at, Math.min(to, at + RUN_DOCS)]
}

function startsOf(counts: Uint32Array, from: number): Uint32Array {
  const starts = new Uint32Array(16)
  for (let digit = 0, start = from; digit < 16; start += counts[digit++]!) starts[digit] = start
  return starts
}

/** Whether the document whose words stand there is among the keys. Most are not, and a look at one word tells. */
function matcher(keys: ReadonlyMap<DocKey, unknown>): (words: Int32Array, at: number) => boolean {
  if (keys.size === 0) return () => false
  const seen = new Uint8Array(1 << 16)
  for (const key of keys.keys()) seen[wordOfHex(key, 24) & 0xffff] = 1
  return (words, at) => {
    if (seen[words[at + 3]! & 0xffff] === 0) return false
    const key = hexOfWord(words[at]!) + hexOfWord(words[at + 1]!) + hexOfWord(words[at + 2]!) + hexOfWord(words[at + 3]!)
    return keys.has(key as DocKey)
  }
}

export function emptyNode(): TreeNode {
  return { count: 0, hidden: 0, sum: new Sum128(), children: null }
}

export function isTooLong({ count, hidden }: TreeNode): boolean {
  return count + hidden > (count > 0 ? LEAF_DOCS : HIDDEN_LEAF_DOCS)
}
