// When positions of a log were committed: coarse and long, for how far a peer is behind in time, and exact and short, for how long its acknowledgements take.
// Bounded: old marks are thinned out, so that an old position may look older than it is, by a few hundredths. Read by peer-watch.ts. Rule: MT-3.

import type { LinkId } from '@syncline/replica'

const MARK_EVERY_MS = 1_000
const MARKS_MAX = 2_048
/** Thinned marks of a month are some 1,400. */
const MARKS_PER_AGE = 128
const RECENT_MAX = 1_024

export interface CommitTime {
  readonly head: number
  readonly atMs: number
  /** Links by which its rows came. */
  readonly links: ReadonlySet<LinkId>
}

export class CommitTimes {
  private marks: { head: number; readonly atMs: number }[] = []
  private recent: CommitTime[] = []

  /** Everything up to `head` is committed. Heads and times grow. */
  note(head: number, atMs: number, links: ReadonlySet<LinkId> = new Set()): void {
    const last = this.marks.at(-1)
    if (last !== undefined && atMs - last.atMs < MARK_EVERY_MS) last.head = head
    else this.marks.push({ head, atMs })
    if (this.marks.length > MARKS_MAX) this.thin(atMs)
    this.recent.push({ head, atMs, links })
    if (this.recent.length > 2 * RECENT_MAX) this.recent = this.recent.slice(-RECENT_MAX)
  }

  /** When the row at `seq` was committed, rather too early than too late; null when it is newer than what was noted. */
  committedAtMs(seq: number): number | null {
    let low = 0
    let high = this.marks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.marks[middle]!.head < seq) low = middle + 1
      else high = middle
    }
    return this.marks[low]?.atMs ?? null
  }

  /** The commits whose newest position is over `after` and at most `upTo`, of the last thousand. */
  *between(after: number, upTo: number): Generator<CommitTime, void, undefined> {
    for (let index = this.recent.length - 1; index >= 0; index--) {
      const commit = this.recent[index]!
      if (commit.head <= after) return
      if (commit.head <= upTo) yield commit
    }
  }

  /** Marks that are close to each other for their age become one: what they stand for counts as committed with the oldest of them. */
  private thin(nowMs: number): void {
    const thinned: typeof this.marks = []
    for (const mark of this.marks) {
      const last = thinned.at(-1)
      if (last !== undefined && mark.atMs - last.atMs <= (nowMs - mark.atMs) / MARKS_PER_AGE) last.head = mark.head
      else thinned.push(mark)
    }
    this.marks = thinned
  }
}
