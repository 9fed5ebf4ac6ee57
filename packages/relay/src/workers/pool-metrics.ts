// The metrics of a relay with workers: asks each, and puts them together. Asked by the admin port. Rule: WK-6.

import type { Clock } from '@syncline/replica'
import { MergedMetrics, type WorkerPhase } from '../metrics/merged-metrics.ts'
import type { Exposition, MetricReadings } from '../metrics/relay-metrics.ts'
import type { Seat, SeatPhase } from './seat.ts'

/** Prometheus waits 10 s by itself. */
const ANSWER_WITHIN_MS = 5_000

const PHASE_OF: Readonly<Record<SeatPhase, WorkerPhase>> = {
  starting: 'starting',
  opened: 'starting',
  serving: 'serving',
  waiting: 'waiting',
  draining: 'serving',
  ended: 'waiting',
}

export class PoolMetrics {
  private readonly seats: readonly Pick<Seat, 'index' | 'phase' | 'ask'>[]
  private readonly spacesStored: () => number
  private readonly merged: MergedMetrics
  private scraping: Promise<Exposition> | null = null

  constructor(seats: PoolMetrics['seats'], spacesStored: () => number, clock: Clock) {
    this.seats = seats
    this.spacesStored = spacesStored
    this.merged = new MergedMetrics(clock)
  }

  /** Scrapes that overlap share one. */
  scrape(): Promise<Exposition> {
    this.scraping ??= this.gather().finally(() => (this.scraping = null))
    return this.scraping
  }

  lost(worker: number): Promise<void> {
    return this.merged.lost(worker)
  }

  close(): void {
    this.merged.close()
  }

  private async gather(): Promise<Exposition> {
    const readings = new Map<number, MetricReadings>()
    const answers = this.seats.map(async (seat) => readings.set(seat.index, await seat.ask('metrics', ANSWER_WITHIN_MS)))
    await Promise.allSettled(answers)
    const phases: Record<WorkerPhase, number> = { serving: 0, starting: 0, waiting: 0 }
    for (const { phase } of this.seats) phases[PHASE_OF[phase]]++
    return await this.merged.expose(readings, phases, this.spacesStored())
  }
}
