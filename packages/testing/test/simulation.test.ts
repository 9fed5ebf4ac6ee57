// The first half of the seeds of the normal test run, and that a seed is all that a run depends on. `pnpm sim --runs N` runs more.

import { expect, test } from 'vitest'
import { runSeed } from '../src/campaign.ts'
import { expectSeedsHold } from './simulated-seeds.ts'

test(
  '[CV-1] replicas under crashes, partitions, restores and compaction are safe all along and equal in the end: seeds 1 to 500',
  { timeout: 300_000 },
  () => {
    expectSeedsHold(1, 500)
  },
)

test.each([3, 17, 42])('[SM-1] seed %i run twice gives the same trace', (seed) => {
  const [first, second] = [runSeed(seed), runSeed(seed)]
  expect(first.ok && second.ok).toBe(true)
  if (first.ok && second.ok) expect(second.result.hash).toBe(first.result.hash)
})
