// Half of the seeds of the normal test run; the files run beside each other. `pnpm sim --runs N` runs more.

import { test } from 'vitest'
import { expectSeedsHold } from './simulated-seeds.ts'

test(
  '[CV-1] replicas under crashes, partitions, restores and compaction are safe all along and equal in the end: seeds 301 to 600',
  { timeout: 600_000 },
  () => {
    expectSeedsHold(301, 300)
  },
)
