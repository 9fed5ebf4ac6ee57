// Time in Node. The only place of this package, with nothing beside it, that touches the timers and clocks of the platform.

import { performance } from 'node:perf_hooks'
import type { Clock } from '../clock.ts'

/** Real time. `soon` lets what has arrived on sockets be read first, so that one flush answers a whole burst. Timers keep the process alive: close
 *  what was opened. */
export function nodeClock(): Clock {
  return {
    now: () => performance.now(),
    wallMs: () => Date.now(),
    every(ms, fn) {
      const timer = setInterval(fn, ms)
      return () => clearInterval(timer)
    },
    after(ms, fn) {
      const timer = setTimeout(fn, ms)
      return () => clearTimeout(timer)
    },
    soon(fn) {
      setImmediate(fn)
    },
  }
}
