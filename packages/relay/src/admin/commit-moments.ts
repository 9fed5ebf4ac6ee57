// When which stretch of the log of one space was committed, for "last changed". Bounded, whatever the load. Told as an observer of the replica; read by documents-api.ts.
// Rule: HA-9.

import type { Clock, ObservedCommit, ReplicaObserver } from '@syncline/replica'
import { API_LIMITS } from './api-limits.ts'

interface Stretch {
  readonly first: number
  last: number
  readonly atMs: number
}

export class CommitMoments implements ReplicaObserver {
  private readonly clock: Clock
  private stretches: Stretch[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  committed({ head, rows }: ObservedCommit): void {
    if (rows > 0) this.note(head - rows + 1, head)
  }

  /** Milliseconds since 1970, to the second; null when it was before the space opened, too long ago, or not by a commit (compaction). */
  committedAtMs(seq: number): number | null {
    let low = 0
    let high = this.stretches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.stretches[middle]!.last < seq) low = middle + 1
      else high = middle
    }
    const found = this.stretches[low]
    return found !== undefined && found.first <= seq ? found.atMs : null
  }

  private note(first: number, last: number): void {
    const atMs = this.clock.wallMs()
    const newest = this.stretches.at(-1)
    if (newest?.last === first - 1 && atMs - newest.atMs < API_LIMITS.sampleEveryMs) newest.last = last
    else this.stretches.push({ first, last, atMs })
    if (this.stretches.length > 2 * API_LIMITS.commitTimesMax) this.stretches = this.stretches.slice(-API_LIMITS.commitTimesMax)
  }
}
