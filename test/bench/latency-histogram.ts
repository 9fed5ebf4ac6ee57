// Latencies counted in tenths of a millisecond, the last bucket for all beyond four seconds: millions cost no memory.

const BUCKETS = 40_000

export class LatencyHistogram {
  count = 0
  private readonly buckets = new Uint32Array(BUCKETS)

  add(ms: number): void {
    const bucket = Math.floor(ms * 10)
    this.buckets[bucket < 0 ? 0 : bucket < BUCKETS ? bucket : BUCKETS - 1]!++
    this.count++
  }

  merge(other: LatencyHistogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.buckets[bucket]! += other.buckets[bucket]!
    this.count += other.count
  }

  /** In ms; null of nothing. */
  percentile(share: number): number | null {
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.buckets[bucket]!
      if (seen > 0 && seen >= this.count * share) return bucket / 10
    }
    return null
  }
}
