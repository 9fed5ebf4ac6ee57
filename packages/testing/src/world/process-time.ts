// Time as one simulated process has it: a monotonic clock that drifts and leaps, and a process that stands still now and then. What is due while it stands
// still happens when it goes on; what a process planned dies with it. Read by simulated-replica.ts.

import type { Schedule } from './schedule.ts'

export class ProcessTime {
  readonly #schedule: Schedule
  readonly #driftPpm: number
  #life = 0
  #jumpedMs = 0
  #pausedUntilMs = 0
  #backlog: (() => void)[] = []

  constructor(schedule: Schedule, driftPpm: number) {
    this.#schedule = schedule
    this.#driftPpm = driftPpm
  }

  /** Monotonic milliseconds as this machine counts them. */
  get clockMs(): number {
    return this.#schedule.nowMs * (1 + this.#driftPpm / 1e6) + this.#jumpedMs
  }

  get isPaused(): boolean {
    return this.#schedule.nowMs < this.#pausedUntilMs
  }

  jump(jumpMs: number): void {
    this.#jumpedMs += jumpMs
  }

  pause(durationMs: number): void {
    this.#pausedUntilMs = this.#schedule.nowMs + durationMs
    const life = this.#life
    this.#schedule.after(durationMs, () => {
      if (life !== this.#life) return
      for (const run of this.#backlog.splice(0)) run()
    })
  }

  whenAwake(run: () => void): void {
    if (this.isPaused) this.#backlog.push(run)
    else run()
  }

  /** In this life, after a while. */
  later(delayMs: number, run: () => void): void {
    const life = this.#life
    this.#schedule.after(delayMs, () => {
      if (life === this.#life) this.whenAwake(run)
    })
  }

  /** The process is gone; its clock goes on. */
  died(): void {
    this.#life++
    this.#backlog = []
    this.#pausedUntilMs = 0
  }
}
