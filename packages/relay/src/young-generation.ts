// How much memory V8 keeps for objects that live a moment. By default it lets that grow to 96 MiB in a process that is busy, and keeps it while the process is idle; a
// relay gains nothing from more than some 16 MiB. There is a flag of Node's command line for it, which nobody would give; so it is kept small from within: looked at after
// each collection, and allowed to grow only while it is below the bound. Held by
// bin/syncline.js while it loads, bounded by configured-relay.ts. Rule: RS-3.

import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** It doubles below, so it ends at less than two and a half times as much. */
const GROWS_BELOW_BYTES = 10 * 1024 * 1024
/** Of V8, and one at which it does not grow. */
const [GROWS, STAYS] = [2, 1]

let isBounded = false

/** While a program loads: it does not grow at all until boundYoungGeneration() is called. */
export function holdYoungGeneration(): void {
  growBy(STAYS)
}

/** Once per process, for good. */
export function boundYoungGeneration(): void {
  if (isBounded) return
  isBounded = true
  let factor = 0
  const look = (): void => {
    const wanted = youngBytes() < GROWS_BELOW_BYTES ? GROWS : STAYS
    if (wanted !== factor) growBy(wanted)
    factor = wanted
  }
  look()
  new PerformanceObserver(look).observe({ entryTypes: ['gc'] })
}

/** Bytes that V8 holds for it. */
export function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0
}

function growBy(factor: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`)
}
