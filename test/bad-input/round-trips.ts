// Starts the honest pair and judges its round trips: how long before an attack, how long during, and beside which case the worst one was.

import { Worker } from 'node:worker_threads'
import type { RoundTrip } from './honest-pair.ts'

/** So long the relay may be at work on others before it serves a round trip, whatever is sent. Generous: the machine may be slow. */
export const STALL_MS_MAX = 1_000

export interface Window {
  readonly label: string
  readonly from: number
  readonly to: number
}

export interface Spread {
  readonly count: number
  readonly median: number
  readonly max: number
  /** Most time in which the relay was at work during one of them. */
  readonly busyMax: number
}

export const timeNow = (): number => performance.timeOrigin + performance.now()

export class RoundTrips {
  readonly #worker: Worker
  #failure: Error | null = null
  #waiting: { resolve: (trips: readonly RoundTrip[]) => void; reject: (error: Error) => void }[] = []

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', ({ trips }: { trips: readonly RoundTrip[] }) => this.#waiting.shift()?.resolve(trips))
    worker.on('error', (error: Error) => {
      this.#failure = error
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    })
  }

  /** Resolves when the pair has found each other. */
  static async start(port: number, pid: number): Promise<RoundTrips> {
    const worker = new Worker(new URL('./honest-pair.ts', import.meta.url), { workerData: { role: 'honest-pair', port, pid } })
    const pair = new RoundTrips(worker)
    await pair.#answer()
    return pair
  }

  /** All finished round trips so far. Rejects when the pair lost a connection. */
  trips(): Promise<readonly RoundTrip[]> {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage('report')
    return this.#answer()
  }

  #answer(): Promise<readonly RoundTrip[]> {
    return new Promise((resolve, reject) => {
      if (this.#failure === null) this.#waiting.push({ resolve, reject })
      else reject(this.#failure)
    })
  }

  /** Resolves when `count` more round trips are finished. */
  async more(count: number): Promise<void> {
    const before = (await this.trips()).length
    while ((await this.trips()).length < before + count) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}

export function spreadOf(trips: readonly RoundTrip[], from = -Infinity, to = Infinity): Spread {
  const chosen = trips.filter(({ startedAt, ms }) => startedAt + ms >= from && startedAt <= to)
  const times = chosen.map(({ ms }) => ms).sort((a, b) => a - b)
  const busyMax = Math.max(0, ...chosen.map(({ busyMs }) => busyMs))
  return { count: times.length, median: times[times.length >> 1] ?? 0, max: times.at(-1) ?? 0, busyMax }
}

/** The longest round trips and the cases that ran meanwhile. */
export function worstOf(trips: readonly RoundTrip[], windows: readonly Window[], count: number): string[] {
  const worst = [...trips].sort((a, b) => b.ms - a.ms).slice(0, count)
  return worst.map(({ startedAt, ms, busyMs }) => {
    const during = windows.filter(({ from, to }) => startedAt + ms >= from && startedAt <= to).map(({ label }) => label)
    return `${ms.toFixed(0)} ms (relay at work ${busyMs.toFixed(0)}) during ${during.slice(0, 3).join(', ') || 'nothing'}`
  })
}
