// Time that stands still until it is told to pass: the policy rules run two replicas through minutes in milliseconds, in any runtime, and alike every time.

import type { Clock } from '@syncline/replica'
import { check } from './rule.ts'

interface Timer {
  atMs: number
  readonly everyMs: number | null
  readonly fn: () => void
}

/** A promise chain inside the engine is shorter than this many steps. */
const MICROTASKS = 24

export class SteppedClock implements Clock {
  #nowMs = 0
  #soon: (() => void)[] = []
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#nowMs
  }

  every(ms: number, fn: () => void): () => void {
    return this.#set({ atMs: this.#nowMs + ms, everyMs: ms, fn })
  }

  after(ms: number, fn: () => void): () => void {
    return this.#set({ atMs: this.#nowMs + ms, everyMs: null, fn })
  }

  soon(fn: () => void): void {
    this.#soon.push(fn)
  }

  #set(timer: Timer): () => void {
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets `ms` milliseconds pass, with all that is due in them. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await this.#settle()
    for (let timer = this.#next(endMs); timer !== null; timer = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.atMs)
      if (timer.everyMs === null) this.#timers.delete(timer)
      else timer.atMs = this.#nowMs + timer.everyMs
      timer.fn()
      await this.#settle()
    }
    this.#nowMs = endMs
  }

  /** Lets time pass until `holds`; throws with `words` when it does not within `withinMs`. */
  async until(holds: () => boolean, words: () => string, withinMs = 10_000): Promise<void> {
    const deadline = this.#nowMs + withinMs
    await this.#settle()
    while (!holds()) {
      check(this.#nowMs < deadline, `after ${withinMs / 1000} s of the rule's time: ${words()}`)
      await this.pass(50)
    }
  }

  /** Lets time pass until `work` is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false
    const ended = work.finally(() => (done = true))
    ended.catch(() => undefined)
    await this.until(
      () => done,
      () => 'what the rule waits for does not end',
    )
    return ended
  }

  #next(endMs: number): Timer | null {
    let next: Timer | null = null
    for (const timer of this.#timers) if (timer.atMs <= endMs && (next === null || timer.atMs < next.atMs)) next = timer
    return next
  }

  /** Runs turns until nothing is due. */
  async #settle(): Promise<void> {
    for (;;) {
      for (let step = 0; step < MICROTASKS; step++) await Promise.resolve()
      const due = this.#soon.splice(0)
      if (due.length === 0) return
      for (const fn of due) fn()
    }
  }
}
