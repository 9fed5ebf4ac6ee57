// The metrics of metric-table.ts in a registry of their own, so that two relays in one process do not share any. A name or label that is not in the table does
// not compile. Used by relay-metrics.ts and space-metrics.ts. Rule: MT-1.

import { errorTable } from '@syncline/protocol'
import { Counter, Gauge, Registry, type Metric } from 'prom-client'
import { Durations, Tally, type HistogramValue } from './hot-series.ts'
import { DURATION_BUCKETS_SECONDS, metricTable, type LabelsOf, type MetricName, type MetricOf, type MetricRow } from './metric-table.ts'

/** Series of one metric, by the text of their labels. */
type SeriesOf<T> = Map<string, { readonly labels: Readonly<Record<string, string>>; readonly series: T }>

export class MetricSet {
  readonly registry: Registry = new Registry()
  private readonly counters = new Map<MetricName, Counter>()
  private readonly tallies = new Map<MetricName, SeriesOf<Tally>>()
  private readonly gauges = new Map<MetricName, Gauge>()
  private readonly histograms = new Map<MetricName, SeriesOf<Durations>>()

  constructor() {
    for (const [name, row] of Object.entries(metricTable) as [MetricName, MetricRow][]) {
      const settings = { name, help: row.help, labelNames: Object.keys(row.labels), registers: [this.registry] }
      if (row.type === 'counter') this.counters.set(name, new Counter({ ...settings, collect: () => this.takeTallies(name) }))
      else if (row.type === 'gauge') this.gauges.set(name, new Gauge({ ...settings, aggregator: row.together ?? 'sum' }))
      else this.addHistogram(name, row.help, settings.labelNames.length === 0)
    }
  }

  /** Adds to a counter. */
  add<N extends MetricOf<'counter'>>(name: N, labels: LabelsOf<N>, by = 1): void {
    this.counters.get(name)!.inc(labels, by)
  }

  /** One series of a counter, for whoever adds to it often. */
  tally<N extends MetricOf<'counter'>>(name: N, labels: LabelsOf<N>): Tally {
    let ofName = this.tallies.get(name)
    if (ofName === undefined) this.tallies.set(name, (ofName = new Map()))
    return seriesIn(ofName, labels, () => new Tally())
  }

  /** Sets a gauge. */
  set<N extends MetricOf<'gauge'>>(name: N, labels: LabelsOf<N>, value: number): void {
    this.gauges.get(name)!.set(labels, value)
  }

  /** Forgets the series of a gauge: those that are set next are all there are. */
  clear(name: MetricOf<'gauge'>): void {
    this.gauges.get(name)!.reset()
  }

  /** One series of a histogram: it takes milliseconds and tells seconds. */
  durations<N extends MetricOf<'histogram'>>(name: N, labels: LabelsOf<N>): Durations {
    return seriesIn(this.histograms.get(name)!, labels, () => new Durations(DURATION_BUCKETS_SECONDS))
  }

  /** Adds a duration to a histogram; taken in milliseconds, told in seconds. */
  took<N extends MetricOf<'histogram'>>(name: N, labels: LabelsOf<N>, ms: number): void {
    this.durations(name, labels).took(ms)
  }

  private takeTallies(name: MetricName): void {
    for (const { labels, series } of this.tallies.get(name)?.values() ?? []) this.counters.get(name)!.inc(labels, series.take())
  }

  /** prom-client asks a metric for no more than get(); its type asks for the class. */
  private addHistogram(name: MetricName, help: string, hasNoLabels: boolean): void {
    const all: SeriesOf<Durations> = new Map()
    this.histograms.set(name, all)
    if (hasNoLabels) seriesIn(all, {}, () => new Durations(DURATION_BUCKETS_SECONDS))
    const values = (): HistogramValue[] => [...all.values()].flatMap(({ labels, series }) => series.values(name, labels))
    const metric = { name, get: () => Promise.resolve({ name, help, type: 'histogram', values: values(), aggregator: 'sum' }) }
    this.registry.registerMetric(metric as unknown as Metric)
  }
}

function seriesIn<T>(all: SeriesOf<T>, labels: Readonly<Record<string, string>>, make: () => T): T {
  const text = JSON.stringify(labels)
  let found = all.get(text)
  if (found === undefined) all.set(text, (found = { labels, series: make() }))
  return found.series
}

/** A code as a label: peers may send any text, labels are bounded. */
export function codeLabel(code: string): string {
  return Object.hasOwn(errorTable, code) || code === 'lost' ? code : 'other'
}
