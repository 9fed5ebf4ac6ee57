// Series that are added to for every update: plain numbers here, which the registry reads at a scrape. prom-client looks its series up by a text made of all labels, which took six
// percent of a busy relay's time. Made by metric-set.ts, one for each series that is asked for. Rule: MT-1.

/** One series of a counter. */
export class Tally {
  private count = 0

  add(by = 1): void {
    this.count += by
  }

  /** What was added since the last call. */
  take(): number {
    const { count } = this
    this.count = 0
    return count
  }
}

/** One value of a histogram as the registry takes it. */
export interface HistogramValue {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** One series of a histogram of durations. */
export class Durations {
  private readonly boundsSeconds: readonly number[]
  /** By bound, and beyond the last one: not cumulated. */
  private readonly counts: Float64Array
  private sumSeconds = 0

  /** `boundsSeconds`: ascending. */
  constructor(boundsSeconds: readonly number[]) {
    this.boundsSeconds = boundsSeconds
    this.counts = new Float64Array(boundsSeconds.length + 1)
  }

  took(ms: number): void {
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < this.boundsSeconds.length && seconds > this.boundsSeconds[bucket]!) bucket++
    this.counts[bucket]!++
    this.sumSeconds += seconds
  }

  /** All values of the series: the buckets, each with those below it, then sum and count. */
  values(name: string, labels: Readonly<Record<string, string>>): HistogramValue[] {
    let count = 0
    const buckets = [...this.boundsSeconds, '+Inf'].map((le, bucket) => {
      count += this.counts[bucket]!
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count }
    })
    const sum = { metricName: `${name}_sum`, labels, value: this.sumSeconds }
    return [...buckets, sum, { metricName: `${name}_count`, labels, value: count }]
  }
}
