// The second half of the seeds of the normal test run, in a file of its own so that it runs beside the first.

import { test } from 'vitest'
import { expectSeedsHold } from './simulated-seeds.ts'

test(
  '[CV-1] replicas under crashes, partitions, restores and compaction are safe all along and equal in the end: seeds 501 to 1000',
  { timeout: 300_000 },
  () => {
    expectSeedsHold(501, 500)
  },
)
