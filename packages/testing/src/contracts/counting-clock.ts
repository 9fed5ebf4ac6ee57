// A clock that knows which of its timers still run, over the clock of a harness: what is left after everything was closed keeps a process alive.

import type { Clock } from '@syncline/replica'

export interface CountingClock extends Clock {
  /** Timers that were set and neither fired nor were cancelled. */
  readonly running: number
}

export function countingClock(clock: Clock): CountingClock {
  const running = new Set<object>()
  const counted = (start: (ended: () => void) => () => void): (() => void) => {
    const timer = {}
    running.add(timer)
    const cancel = start(() => running.delete(timer))
    return () => {
      running.delete(timer)
      cancel()
    }
  }
  return {
    get running() {
      return running.size
    },
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    soon: (fn) => clock.soon(fn),
    every: (ms, fn) => counted(() => clock.every(ms, fn)),
    after: (ms, fn) =>
      counted((ended) =>
        clock.after(ms, () => {
          ended()
          fn()
        }),
      ),
  }
}
