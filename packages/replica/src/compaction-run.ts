// One document on its way into a sweep, in steps of a few milliseconds while commits go on: its tail is read part by part, then its updates are folded into one, a
// slice at a time. What was committed meanwhile joins at the end, in one go, while commits wait. Decides the order of that; holds what was made so far. Where a sweep, a
// quarantine or a later life came in between, the run is over ("gone") and nothing of it is used. Driven by maintenance.ts. Rules: I4; hole H5.

import { unframeUpdates, type CompactedBytes, type DocKey, type Knowledge, newDeletes } from '@syncline/protocol'
import type { DocRow, LogRow, StoreReader, TailPlace } from '@syncline/store'
import {
  compact,
  foldBytes,
  foldThroughDoc,
  isSampled,
  verify,
  type Compacted,
  type CompactionGoal,
  type CompactionWays,
} from './compaction.ts'

/** How much a step does at most, so that it takes some 3 ms: rows and bytes to read ... */
export interface StepSize {
  readonly rows: number
  readonly bytes: number
  /** ... updates to fold. A fold passes over what was made before, too: it takes at least half as many bytes as that has. */
  readonly updates: number
}

export const STEP: StepSize = { rows: 512, bytes: 256 * 1024, updates: 2048 }

/** Updates to fold of a document that is checked, which takes ten times as long. */
const SAMPLED_UPDATES = 256

/** more: call step() again. ready: everything up to the place where the run was going is one update. stuck: bytes do not tell, a Y.Doc has to. gone: start anew. */
export type Step = 'more' | 'ready' | 'stuck' | 'gone'

export class CompactionRun {
  readonly key: DocKey
  readonly #reader: StoreReader
  readonly #ways: CompactionWays
  /** What was made, and of what: everything up to this place. Null: nothing yet. */
  #made: CompactedBytes | null = null
  #done: TailPlace | null = null
  /** Where this round leads, and where its reading stands: null when all is read. */
  #upTo: TailPlace
  #at: TailPlace | null
  /** Read, newest part first; then, oldest first, what is to be folded, from #next on. The first is the snapshot, in the first round. */
  #parts: Uint8Array[][] = []
  #waiting: readonly Uint8Array[] = []
  #next = 0
  /** A slice was not to be folded without what follows it. */
  #whole = false
  /** How often it began: once, and each time that it was extended. */
  rounds = 1
  /** How it was made; ydoc: any part of it. */
  way: 'bytes' | 'ydoc' = 'bytes'

  /** Null when there is no tail. */
  static begin(reader: StoreReader, key: DocKey, ways: CompactionWays): CompactionRun | null {
    const end = reader.tailEnd(key)
    return end === undefined || end.rows === 0 ? null : new CompactionRun(reader, key, end, ways)
  }

  private constructor(reader: StoreReader, key: DocKey, end: TailPlace, ways: CompactionWays) {
    this.#reader = reader
    this.key = key
    this.#ways = ways
    this.#upTo = this.#at = end
  }

  /** Bytes of what was made. */
  get bytes(): number {
    return this.#made?.update.length ?? 0
  }

  /** Rows of the document that came after what was made. */
  behind({ lastSeq, tailRows }: DocRow): number {
    return lastSeq === this.#done?.seq ? 0 : tailRows - (this.#done?.rows ?? 0)
  }

  /** Bytes that finish() passes over; 0 when nothing came. */
  joinBytes(row: DocRow): number {
    return this.behind(row) === 0 ? 0 : this.bytes + row.tailBytes - (this.#done?.bytes ?? 0)
  }

  /** Goes on with what came since it was ready. */
  extend(): boolean {
    const end = this.#reader.tailEnd(this.key)
    if (end === undefined) return false
    this.#upTo = this.#at = end
    this.rounds++
    return true
  }

  step(size: StepSize, goal: CompactionGoal): Step {
    return this.#at === null ? this.#fold(size, goal) : this.#read(this.#at, size)
  }

  #read(at: TailPlace, { rows, bytes }: StepSize): Step {
    const part = this.#reader.tailPart(this.key, this.#done, at, rows, bytes)
    if (part === undefined) return 'gone'
    this.#parts.push(updatesOf(part.rows))
    this.#at = part.before
    if (part.before.rows > (this.#done?.rows ?? 0)) return 'more'
    this.#at = null
    const snapshot = this.#done === null ? this.#reader.snapshot(this.key) : null
    if (snapshot === undefined) return 'gone'
    if (snapshot !== null) this.#parts.push([snapshot.update])
    this.#waiting = this.#parts.reverse().flat()
    this.#parts = []
    this.#next = 0
    return 'more'
  }

  #fold({ updates }: StepSize, { digest }: CompactionGoal): Step {
    const to = this.#whole ? this.#waiting.length : this.#sliceEnd(isSampled(digest) ? Math.min(updates, SAMPLED_UPDATES) : updates)
    const made = foldBytes(this.#updates(to), digest, this.#ways)
    if (made === null && to < this.#waiting.length) {
      this.#whole = true
      return 'more'
    }
    if (made === null) return 'stuck'
    this.#made = made
    this.#next = to
    return to < this.#waiting.length ? 'more' : this.#ready()
  }

  #sliceEnd(updates: number): number {
    const least = this.bytes / 2
    let bytes = 0
    let to = this.#next
    while (to < this.#waiting.length && (to - this.#next < updates || bytes < least)) bytes += this.#waiting[to++]!.length
    return to
  }

  /** What was made, and what waits up to there. */
  #updates(to: number): Uint8Array[] {
    const waiting = this.#waiting.slice(this.#next, to)
    return this.#made === null ? waiting : [this.#made.update, ...waiting]
  }

  #ready(): Step {
    this.#waiting = []
    this.#next = 0
    this.#done = this.#upTo
    return 'ready'
  }

  /** After "stuck": does the rest through a Y.Doc. Answers the deletes that Yjs derived and `known` does not have: they have to become an entry of the log. Null when the
   *  document cannot be compacted. Cost: as the document is long; nothing bounds it. */
  throughDoc(known: Knowledge): readonly number[] | null {
    const made = foldThroughDoc(this.#updates(this.#waiting.length))
    if (made === null) return null
    this.#made = made
    this.way = 'ydoc'
    this.#ready()
    return newDeletes(made.facts, known, 'all')
  }

  /** The document as it is now: what was made, and what was committed since. Cost: a pass over both, unless nothing was. */
  finish(goal: CompactionGoal): Compacted | { readonly kind: 'gone' } {
    const end = this.#reader.tailEnd(this.key)
    const [made, done] = [this.#made, this.#done]
    if (end === undefined || made === null || done === null) return { kind: 'gone' }
    if (end.seq === done.seq) return verify(made, goal) ?? this.#anew(goal)
    const since = this.#reader.tailPart(this.key, done, end, Infinity, Infinity)
    if (since === undefined) return { kind: 'gone' }
    const result = compact([made.update, ...updatesOf(since.rows)], goal, this.#taking({ checked: false }))
    if (result.kind === 'unsafe') return this.#anew(goal)
    if (result.kind === 'derived-deletes') {
      // They follow, as a row of their own.
      this.#made = result.made
      this.#done = end
    }
    return result
  }

  /** What was made does not add up: a fault of this program. Once more from what is stored, through a Y.Doc. */
  #anew(goal: CompactionGoal): Compacted {
    const { snapshot, tail } = this.#reader.content(this.key)!
    const updates = [...(snapshot === null ? [] : [snapshot.update]), ...updatesOf(tail)]
    return compact(updates, goal, this.#taking({ fromBytes: () => null }))
  }

  #taking(ways: CompactionWays): CompactionWays {
    return { ...this.#ways, ...ways, took: (way) => (this.way = way === 'ydoc' ? way : this.way) }
  }
}

function updatesOf(rows: readonly LogRow[]): Uint8Array[] {
  return rows.flatMap((row) => unframeUpdates(row.data) ?? [])
}
