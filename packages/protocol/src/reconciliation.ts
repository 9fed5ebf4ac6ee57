// Range reconciliation, as pure steps over two document trees: which ranges open a round, and what answers the ranges that came. Decides how ranges
// are split and which documents differ; read by the engine's channel. Rules: CV-2, I11 of the protocol study.
//
// Both sides speak in turn. A fingerprint that differs is cut into finer ones until few documents are left, which are then listed (items); the side
// that gets the list sees both differences and returns the one the other cannot see (final). What lies beyond the last range of a message
// is settled. Every message is bounded: what does not fit goes out as one coarse fingerprint, which the next message cuts again.
//
// A key8 (leading 8 bytes) may, rarely or by intent, stand for several documents. They are compared and asked for as one group, no bound ever
// cuts between them, and digest8 is taken from documentPoint(key, digest), so that two documents never pass for one.

import type { DocumentTree, RangeSummary, TreeDoc } from './document-tree.ts'
import type { DocKey } from './ids.ts'
import { boundAfter, boundBetween, boundOf, endOf, isKeyBound, KEY8_DIGITS, startOf, type KeyBound } from './key-bounds.ts'
import { LIMITS } from './limits.ts'
import type { ReconItem, ReconRange } from './messages.ts'
import type { KeyRange } from './scope.ts'

export interface ReconAnswer {
  /** Goes out under the same `from`. */
  readonly ranges: ReconRange[]
  /** False: these ranges (none, or final ones) end the round. */
  readonly needsAnswer: boolean
  /** Documents known here that differ. After a message was cut, later ones may name a document again: keep sets. */
  readonly want: DocKey[]
  /** key8 of documents that the peer has and this side lacks. One may stand for several documents. */
  readonly ask: string[]
}

/** A range with at most this many own documents is listed instead of cut: saves a round for 256 bytes. */
const ITEMS_MAX = 16
/** Documents per range of the last cut before a list: the sum of fingerprints sent and items listed is least near it. */
const LAST_CUT_DOCS = 4
const OPENING_RANGES_MIN = 16
const OPENING_RANGES_MAX = 1024
/** Documents per opening range: one more cut reaches LAST_CUT_DOCS, so that up to about 100,000 documents are settled in four messages. */
const OPENING_DOCS = 96
const CUT_MAX = 16

/** The ranges that open a round; they cover `range`, and `startOf(range)` is the `from` of their message. */
export function firstRanges(tree: DocumentTree, range: KeyRange, peerDocuments: number): ReconRange[] {
  const out = new RangeList(tree, LIMITS.frameTargetBytes)
  const { count } = tree.summary(startOf(range), endOf(range))
  const fine = Math.min(Math.ceil(Math.max(count, peerDocuments) / OPENING_DOCS), OPENING_RANGES_MAX)
  out.open(startOf(range), endOf(range), count, Math.min(Math.ceil(count / LAST_CUT_DOCS), Math.max(fine, OPENING_RANGES_MIN)))
  return out.ranges
}

/** Answers the ranges of one message, in about `bytesMax` bytes. Null: malformed (bounds do not ascend or leave the scope, or an item lies outside
 *  its range). Ends with `needsAnswer` false when both sides are honest; a caller bounds the messages of one round all the same. */
export function answerRanges(
  tree: DocumentTree,
  scope: KeyRange,
  from: string,
  ranges: readonly ReconRange[],
  bytesMax: number = LIMITS.frameTargetBytes,
): ReconAnswer | null {
  if (!wellFormed(scope, from, ranges)) return null
  const out = new RangeList(tree, bytesMax)
  const found: Found = { want: [], ask: [] }
  let lower: KeyBound = from
  let rest: KeyBound | null = null
  for (const range of ranges) {
    if (range.kind === 'final') compare(ownOf(tree, range.items, lower, range.to), range.items, found)
    else if (range.kind !== 'skip' && rest === null) {
      const reached = out.full ? lower : answerRange(out, lower, range, found)
      if (reached !== range.to) rest = reached
    }
    if (rest === null) out.skip(range.to)
    lower = range.to
  }
  if (rest !== null) out.fingerprint(lower, tree.summary(rest, lower))
  return { ranges: out.settled(), needsAnswer: out.ranges.some(({ kind }) => kind === 'fingerprint' || kind === 'items'), ...found }
}

function wellFormed(scope: KeyRange, from: string, ranges: readonly ReconRange[]): boolean {
  if (!isKeyBound(from) || from < startOf(scope)) return false
  let lower = from
  for (const range of ranges) {
    if (!isKeyBound(range.to) || range.to <= lower || range.to > endOf(scope)) return false
    if ('items' in range) {
      let before = lower.slice(0, KEY8_DIGITS)
      for (const { key8 } of range.items) {
        if (key8 < before || key8 >= range.to) return false
        before = key8
      }
    }
    lower = range.to
  }
  return true
}

/** Returns the bound up to which the range is answered: its end, unless the message is full. */
function answerRange(out: RangeList, lower: KeyBound, range: ReconRange, found: Found): KeyBound {
  const tree = out.tree
  if (range.kind === 'items') {
    while (lower !== range.to && !out.full) lower = answerItems(out, lower, range.to, range.items, found)
    return lower
  }
  const own = tree.summary(lower, range.to)
  if (range.kind === 'fingerprint' && range.fingerprint8 !== fingerprint8(own)) out.open(lower, range.to, own.count, cutParts(own.count))
  return range.to
}

/** One cut down to LAST_CUT_DOCS, or to what a list takes; two even ones where that is not enough. */
function cutParts(documents: number): number {
  const leaves = documents / LAST_CUT_DOCS
  return Math.min(CUT_MAX, Math.ceil(leaves <= 2 * CUT_MAX ? leaves : Math.sqrt(leaves)))
}

/** Compares as many own documents as one range may list, and returns the bound above them. */
function answerItems(out: RangeList, lower: KeyBound, to: KeyBound, items: readonly ReconItem[], found: Found): KeyBound {
  const own = out.tree.docs(lower, to, LIMITS.itemsPerRangeMax + 1)
  const cut = own.length > LIMITS.itemsPerRangeMax ? lastBound(own) : to
  const mine = compare(
    own.filter(({ key }) => key < cut),
    items.filter(({ key8 }) => key8 >= lower.slice(0, KEY8_DIGITS) && key8 < cut),
    found,
  )
  if (mine.length > 0) out.list('final', cut, mine)
  else out.skip(cut)
  return cut
}

/** The last place to cut. Between two documents of one key8 only when all share it: then nothing better ends the message. */
function lastBound(docs: readonly TreeDoc[]): KeyBound {
  for (let i = docs.length - 1; i > 0; i--) {
    const bound = boundBetween(docs[i - 1]!.key, docs[i]!.key)
    if (bound !== null) return bound
  }
  return docs.at(-1)!.key
}

/** The own documents in [lower, upper) that items could mean. */
function ownOf(tree: DocumentTree, items: readonly ReconItem[], lower: KeyBound, upper: KeyBound): TreeDoc[] {
  const keys8 = new Set(items.map(({ key8 }) => key8))
  const own = [...keys8].flatMap((key8) => tree.docs(boundOf(key8), boundAfter(key8), LIMITS.itemsPerRangeMax))
  return own.filter(({ key }) => key >= lower && key < upper)
}

interface Found {
  readonly want: DocKey[]
  readonly ask: string[]
}

/** Both differences, group by group of equal key8: adds to `found` what this side needs, and returns the own documents the peer needs to see. */
function compare(own: readonly TreeDoc[], theirs: readonly ReconItem[], found: Found): TreeDoc[] {
  const groups = new Map<string, { own: TreeDoc[]; theirs: Set<string> }>()
  const groupOf = (key8: string): { own: TreeDoc[]; theirs: Set<string> } => {
    let group = groups.get(key8)
    if (group === undefined) groups.set(key8, (group = { own: [], theirs: new Set() }))
    return group
  }
  for (const doc of own) groupOf(key8Of(doc)).own.push(doc)
  for (const item of theirs) groupOf(item.key8).theirs.add(item.digest8)
  const mine: TreeDoc[] = []
  for (const [key8, group] of groups) {
    const differing = group.own.filter((doc) => !group.theirs.delete(doc.point.toHex8()))
    const unknown = group.theirs.size
    if (unknown > 0) found.want.push(...differing.map(({ key }) => key))
    if (unknown > differing.length) found.ask.push(key8)
    if (differing.length > 0) mine.push(...group.own)
  }
  return mine
}

function key8Of(doc: TreeDoc): string {
  return doc.key.slice(0, KEY8_DIGITS)
}

function fingerprint8({ count, sum }: RangeSummary): string {
  const mixed = sum.clone()
  mixed.addPoint(0, count, 0)
  return mixed.toHex8()
}

/** Upper estimates of what a range takes on the wire. */
const RANGE_BYTES = 20
const ITEM_BYTES = 16

/** The ranges of one message, in order. */
class RangeList {
  readonly tree: DocumentTree
  readonly ranges: ReconRange[] = []
  readonly #bytesMax: number
  #bytes = 0

  constructor(tree: DocumentTree, bytesMax: number) {
    this.tree = tree
    this.#bytesMax = bytesMax
  }

  /** True when the next range might not fit: room is kept for the largest answer to one range and for the rest. */
  get full(): boolean {
    return this.#bytes >= this.#bytesMax || this.ranges.length > LIMITS.rangesPerReconMax - 4 * CUT_MAX
  }

  /** Says that [lower, upper), with `count` own documents, differs: lists them when few, else cuts into `parts`. */
  open(lower: KeyBound, upper: KeyBound, count: number, parts: number): void {
    const bounds = count <= ITEMS_MAX ? [] : this.tree.cuts(lower, upper, parts)
    // many documents of one key8 cannot be cut either
    if (bounds.length < 2) return this.list('items', upper, this.tree.docs(lower, upper, LIMITS.itemsPerRangeMax))
    let from = lower
    for (const to of bounds) {
      this.fingerprint(to, this.tree.summary(from, to))
      from = to
    }
  }

  list(kind: 'items' | 'final', to: KeyBound, docs: readonly TreeDoc[]): void {
    this.#add(
      { to, kind, items: docs.map((doc) => ({ key8: key8Of(doc), digest8: doc.point.toHex8() })) },
      RANGE_BYTES + ITEM_BYTES * docs.length,
    )
  }

  fingerprint(to: KeyBound, own: RangeSummary): void {
    this.#add({ to, kind: 'fingerprint', fingerprint8: fingerprint8(own) }, RANGE_BYTES)
  }

  /** Settled up to `to`: nothing to add when a range reaches there already. */
  skip(to: KeyBound): void {
    const last = this.ranges.at(-1)
    if (last !== undefined && last.to >= to) return
    if (last?.kind === 'skip') this.ranges[this.ranges.length - 1] = { to, kind: 'skip' }
    else this.#add({ to, kind: 'skip' }, RANGE_BYTES)
  }

  /** Without the skip at the end, which says nothing. */
  settled(): ReconRange[] {
    if (this.ranges.at(-1)?.kind === 'skip') this.ranges.pop()
    return this.ranges
  }

  #add(range: ReconRange, bytes: number): void {
    this.ranges.push(range)
    this.#bytes += bytes
  }
}
