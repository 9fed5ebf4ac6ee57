// One sample a second of what a relay does, in all its spaces or in one: commits, rows, bytes, how long acknowledgements took, how far the peers are behind; kept for ten
// minutes. Bounded, whatever the load: some 60 KB. Told as an observer of replicas; taken by api.ts, read by relay-api.ts and events-stream.ts. Rule: HA-9.

import type { Clock, ObservedCommit, ObservedWrite, ReplicaObserver } from '@syncline/replica'
import { API_LIMITS } from './api-limits.ts'

export interface Sample {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly commitsPerS: number
  readonly rowsPerS: number
  readonly bytesPerS: number
  /** From the arrival of a write to its commit, of the writes of this second; null without any. */
  readonly ackP50Ms: number | null
  readonly ackP99Ms: number | null
  /** Of all doors; of a space: its native links, and documents attached by connections of the others. */
  readonly connections: number
  /** Rows that the peer which is furthest behind has not acknowledged. */
  readonly lagMax: number
}

/** Before the first second is over. */
const NOTHING = { commitsPerS: 0, rowsPerS: 0, bytesPerS: 0, ackP50Ms: null, ackP99Ms: null, connections: 0, lagMax: 0 } as const

export class Sampler implements ReplicaObserver {
  private readonly clock: Clock
  private ring: Sample[] = []
  private commits = 0
  private rows = 0
  private bytes = 0
  private ackTimes: number[] = []
  private sinceMs: number

  constructor(clock: Clock) {
    this.clock = clock
    this.sinceMs = clock.now()
  }

  committed({ rows, bytes, sinceReceivedMs }: ObservedCommit): void {
    this.commits++
    this.rows += rows
    this.bytes += bytes
    if (sinceReceivedMs !== null) this.acked(sinceReceivedMs)
  }

  written({ outcome, durationMs }: ObservedWrite): void {
    if (outcome.kind === 'committed') this.acked(durationMs)
  }

  /** The last ten minutes, oldest first. */
  get samples(): readonly Sample[] {
    return this.ring
  }

  get latest(): Sample {
    return this.ring.at(-1) ?? { atMs: this.clock.wallMs(), ...NOTHING }
  }

  private acked(ms: number): void {
    if (this.ackTimes.length < API_LIMITS.ackTimesMax) this.ackTimes.push(ms)
  }

  /** The sample since the last one; to be taken every second. `lagMax`: of the peer that is furthest behind. */
  take(connections: number, lagMax: number): Sample {
    const nowMs = this.clock.now()
    const seconds = Math.max(1, nowMs - this.sinceMs) / 1000
    const times = this.ackTimes.sort((a, b) => a - b)
    const sample: Sample = {
      atMs: this.clock.wallMs(),
      commitsPerS: perSecond(this.commits, seconds),
      rowsPerS: perSecond(this.rows, seconds),
      bytesPerS: perSecond(this.bytes, seconds),
      ackP50Ms: percentile(times, 0.5),
      ackP99Ms: percentile(times, 0.99),
      connections,
      lagMax,
    }
    this.commits = this.rows = this.bytes = 0
    this.ackTimes = []
    this.sinceMs = nowMs
    this.ring.push(sample)
    if (this.ring.length > API_LIMITS.samplesMax) this.ring.shift()
    return sample
  }
}

function perSecond(count: number, seconds: number): number {
  return Math.round((count / seconds) * 10) / 10
}

/** `sorted` ascending; to a hundredth of a millisecond. */
function percentile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  return value === undefined ? null : Math.round(value * 100) / 100
}
