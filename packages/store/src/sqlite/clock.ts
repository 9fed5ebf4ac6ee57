// The one place of this package that knows the time and can wait. Everything else takes a Clock, or a time, as an argument.

import { hrtime } from 'node:process'
import { clearTimeout, setTimeout } from 'node:timers'

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `run` once after `delayMs`; the answer cancels it. Does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void
}

/** Milliseconds from an arbitrary start that is that of all threads, with fractions; it never jumps. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
