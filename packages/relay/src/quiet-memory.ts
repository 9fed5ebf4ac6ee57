// What a load left behind is given back when nobody has been served for a moment. V8 collects when it needs room, so after a load it keeps what the load took, for ever if
// nothing follows; and of what it has collected it keeps the pages. So when the event loop has been idle for QUIET_MS and there is something to gain, everything is collected
// once, and the pages go back to the system. It takes some 5 ms for each MiB that is in use, and is left alone where that would be long. Used by configured-relay.ts. Rule: RS-6.

import { performance } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from '@syncline/replica'

const QUIET_MS = 2_000
/** Of that time the loop may have worked so much: thousands of connections that do nothing are pinged and verified. */
const QUIET_UTILIZATION_MAX = 0.15
/** More than after the last time, or it is not worth it. */
const WORTH_BYTES = 6 * 1024 * 1024
const USED_BYTES_MAX = 96 * 1024 * 1024
/** What is soon there again was no leftover but is needed by a light load: the next look is twice as far away, up to this many looks. */
const LOOKS_SKIPPED_MAX = 128

/** Until the returned function is called. */
export function collectWhenQuiet(clock: Clock): () => void {
  let seen = performance.eventLoopUtilization()
  let keptBytes = 0
  let pause = 1
  let looks = 0
  return clock.every(QUIET_MS, () => {
    const before = seen
    seen = performance.eventLoopUtilization()
    looks++
    if (looks < pause || performance.eventLoopUtilization(seen, before).utilization > QUIET_UTILIZATION_MAX) return
    const { total_heap_size: heldBytes, used_heap_size: usedBytes } = getHeapStatistics()
    if (heldBytes < keptBytes + WORTH_BYTES || usedBytes > USED_BYTES_MAX) return
    pause = looks < 2 * pause ? Math.min(2 * pause, LOOKS_SKIPPED_MAX) : 1
    looks = 0
    collectAll()
    keptBytes = getHeapStatistics().total_heap_size
    seen = performance.eventLoopUtilization()
  })
}

/** Node has no function for it, unless its command line asks for one: V8 gives one to a context that is made while the flag is set. */
function collectAll(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('typeof gc === "function" ? gc : null') as ((how: object) => void) | null
  setFlagsFromString('--no-expose-gc')
  // The flavour that gives pages back, too.
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
