// Which measures the page draws, in which order. Read by relay-view.ts.

import type { Sample } from './answers.ts'
import { LineChart, type Measure } from './line-chart.ts'
import { bytesText, millisecondsText, rateText } from './shown-text.ts'

const measures: readonly Measure[] = [
  { title: 'Commits per second', series: [{ label: '', value: (sample) => sample.commitsPerS }], least: 2, text: rateText },
  { title: 'Rows per second', series: [{ label: '', value: (sample) => sample.rowsPerS }], least: 2, text: rateText },
  { title: 'Bytes per second', series: [{ label: '', value: (sample) => sample.bytesPerS }], least: 512, isBytes: true, text: bytesText },
  {
    title: 'Acknowledged in',
    series: [
      { label: 'p50', value: (sample) => sample.ackP50Ms ?? null },
      { label: 'p99', value: (sample) => sample.ackP99Ms ?? null },
    ],
    least: 2,
    text: (ms) => (ms === 0 ? '0' : millisecondsText(ms)),
  },
  { title: 'Connections', series: [{ label: '', value: (sample) => sample.connections }], least: 2, text: rateText },
  { title: 'Rows behind, furthest peer', series: [{ label: '', value: (sample) => sample.lagMax }], least: 2, text: rateText },
]

export class Charts {
  private readonly charts: readonly LineChart[]

  constructor(host: HTMLElement) {
    this.charts = measures.map((measure) => new LineChart(host, measure))
  }

  show(samples: readonly Sample[], everyMs: number): void {
    for (const chart of this.charts) chart.show(samples, everyMs)
  }
}
