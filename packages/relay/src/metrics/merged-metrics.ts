// The metrics of a relay that is spread over workers: those of all its processes together. What is added up, and what is not (a delay, an age, a version), is a column of
// metric-table.ts. Counts of a worker that ended are kept, or a sum would fall and look like a restart of all. Read by workers/pool.ts. Rule: WK-6.

import type { Clock } from '@syncline/replica'
import { AggregatorRegistry } from 'prom-client'
import { LOOP_STATS, LoopDelay } from './loop-delay.ts'
import { MetricSet } from './metric-set.ts'
import { processRegistry, type Exposition, type MetricReadings } from './relay-metrics.ts'

export const WORKER_PHASES = ['serving', 'starting', 'waiting'] as const
export type WorkerPhase = (typeof WORKER_PHASES)[number]

export class MergedMetrics {
  private readonly set = new MetricSet()
  private readonly loop: LoopDelay
  /** As last read. */
  private readonly last = new Map<number, MetricReadings>()
  /** Of workers that ended. */
  private past: MetricReadings = []

  constructor(clock: Clock) {
    this.loop = new LoopDelay(clock)
  }

  /** A worker ended: what it counted since it was last asked is lost. */
  async lost(worker: number): Promise<void> {
    const readings = this.last.get(worker)
    this.last.delete(worker)
    this.set.add('syncline_workers_lost_total', {})
    if (readings !== undefined) this.past = await AggregatorRegistry.aggregate([this.past, readings.filter(counts)]).getMetricsAsJSON()
  }

  /** `readings` by worker; one that did not answer is absent, and its counts are as of the last time. */
  async expose(
    readings: ReadonlyMap<number, MetricReadings>,
    phases: Readonly<Record<WorkerPhase, number>>,
    spacesStored: number,
  ): Promise<Exposition> {
    for (const [worker, read] of readings) this.last.set(worker, read)
    for (const phase of WORKER_PHASES) this.set.set('syncline_workers', { phase }, phases[phase])
    this.set.set('syncline_spaces_stored', {}, spacesStored)
    const delays = this.loop.seconds()
    for (const stat of LOOP_STATS) this.set.set('syncline_event_loop_delay_seconds', { stat }, delays[stat])
    const [own, ofProcess] = await Promise.all([this.set.registry.getMetricsAsJSON(), processRegistry().getMetricsAsJSON()])
    const silent = [...this.last].filter(([worker]) => !readings.has(worker)).map(([, read]) => read.filter(counts))
    const merged = AggregatorRegistry.aggregate([...readings.values(), ...silent, this.past, own, ofProcess])
    return { contentType: merged.contentType, text: await merged.metrics() }
  }

  close(): void {
    this.loop.close()
  }
}

/** Of counters and histograms, which only grow. */
function counts({ type }: MetricReadings[number]): boolean {
  return String(type) === 'counter' || String(type) === 'histogram'
}
