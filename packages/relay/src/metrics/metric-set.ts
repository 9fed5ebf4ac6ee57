// The metrics of metric-table.ts in a registry of their own, so that two relays in one process do not share any. A name or label that is not in the table does
// not compile. Used by relay-metrics.ts and space-metrics.ts. Rule: MT-1.

import { errorTable } from '@syncline/protocol'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { DURATION_BUCKETS_SECONDS, metricTable, type LabelsOf, type MetricName, type MetricOf, type MetricRow } from './metric-table.ts'

export class MetricSet {
  readonly registry: Registry = new Registry()
  private readonly counters = new Map<MetricName, Counter>()
  private readonly gauges = new Map<MetricName, Gauge>()
  private readonly histograms = new Map<MetricName, Histogram>()

  constructor() {
    for (const [name, row] of Object.entries(metricTable) as [MetricName, MetricRow][]) {
      const settings = { name, help: row.help, labelNames: Object.keys(row.labels), registers: [this.registry] }
      if (row.type === 'counter') this.counters.set(name, new Counter(settings))
      else if (row.type === 'gauge') this.gauges.set(name, new Gauge({ ...settings, aggregator: row.together ?? 'sum' }))
      else this.histograms.set(name, new Histogram({ ...settings, buckets: [...DURATION_BUCKETS_SECONDS] }))
    }
  }

  /** Adds to a counter. */
  add<N extends MetricOf<'counter'>>(name: N, labels: LabelsOf<N>, by = 1): void {
    this.counters.get(name)!.inc(labels, by)
  }

  /** Sets a gauge. */
  set<N extends MetricOf<'gauge'>>(name: N, labels: LabelsOf<N>, value: number): void {
    this.gauges.get(name)!.set(labels, value)
  }

  /** Forgets the series of a gauge: those that are set next are all there are. */
  clear(name: MetricOf<'gauge'>): void {
    this.gauges.get(name)!.reset()
  }

  /** Adds a duration to a histogram; taken in milliseconds, told in seconds. */
  took<N extends MetricOf<'histogram'>>(name: N, labels: LabelsOf<N>, ms: number): void {
    this.histograms.get(name)!.observe(labels, ms / 1000)
  }
}

/** A code as a label: peers may send any text, labels are bounded. */
export function codeLabel(code: string): string {
  return Object.hasOwn(errorTable, code) || code === 'lost' ? code : 'other'
}
