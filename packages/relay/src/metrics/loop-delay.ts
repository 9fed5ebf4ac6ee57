// How late the event loop is, in the last whole window and the one that is open: a scrape does not reset what another one is about to read, and a delay is told
// for at least one window. Read by relay-metrics.ts. Rule: MT-4.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '@syncline/replica'

export const LOOP_WINDOW_MS = 15_000
const RESOLUTION_MS = 10
const NS_PER_SECOND = 1e9

export const LOOP_STATS = ['p50', 'p99', 'max'] as const
export type LoopDelays = Readonly<Record<(typeof LOOP_STATS)[number], number>>

const NO_DELAYS: LoopDelays = { p50: 0, p99: 0, max: 0 }

export class LoopDelay {
  private readonly histogram: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  private readonly stopTurning: () => void
  private last: LoopDelays = NO_DELAYS

  constructor(clock: Clock) {
    this.histogram.enable()
    this.stopTurning = clock.every(LOOP_WINDOW_MS, () => this.turn())
  }

  /** Seconds. */
  seconds(): LoopDelays {
    const now = this.measured()
    return { p50: Math.max(now.p50, this.last.p50), p99: Math.max(now.p99, this.last.p99), max: Math.max(now.max, this.last.max) }
  }

  close(): void {
    this.stopTurning()
    this.histogram.disable()
  }

  private turn(): void {
    this.last = this.measured()
    this.histogram.reset()
  }

  /** The histogram holds intervals: what is beyond the resolution is delay. */
  private measured(): LoopDelays {
    if (this.histogram.count === 0) return NO_DELAYS
    const delay = (ns: number): number => Math.max(0, ns / NS_PER_SECOND - RESOLUTION_MS / 1000)
    return { p50: delay(this.histogram.percentile(50)), p99: delay(this.histogram.percentile(99)), max: delay(this.histogram.max) }
  }
}
