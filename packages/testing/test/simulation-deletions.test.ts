// Documents that are deleted and begun anew while everything else goes wrong. `pnpm sim --scenario packages/testing/test/deletions-scenario.ts --runs N` runs more.

import { expect, test } from 'vitest'
import { campaign } from '../src/campaign.ts'
import { deletions } from '../src/scenario.ts'

const RUNS = 250

test(
  `[DD-1] deletions under crashes, partitions, restores and quarantine: nothing comes back, and all are equal in the end: seeds 1 to ${RUNS}`,
  {
    timeout: 300_000,
  },
  () => {
    const done = campaign(1, RUNS, { scenario: deletions })
    console.log(done.summary())
    expect(done.failures.map(({ seed, message }) => `seed ${seed}: ${message}`)).toEqual([])
    expect(done.runs).toBe(RUNS)
    const met = (situation: string): number => done.counters.get(situation)
    expect(
      [met('document deleted'), met('deleted document checked'), met('acknowledged, and deleted since')].every((n) => n > RUNS / 2),
    ).toBe(true)
  },
)
