// What the tests that run seeds share: a range of them, all checks on, every situation met in at least 1 % of them. Read by simulation-*.test.ts. Rules: CV-1, SM-2.

import { expect } from 'vitest'
import { campaign } from '../src/campaign.ts'

/** Runs `runs` seeds and fails with the command that replays each that broke a rule. Prints rate and counters. */
export function expectSeedsHold(from: number, runs: number): void {
  const done = campaign(from, runs)
  console.log(`${done.summary()}\n${done.table()}`)
  const failures = done.failures.map(({ seed, message }) => `seed ${seed}: ${message}\n  replay: pnpm sim --seed ${seed}`)
  expect(failures).toEqual([])
  expect(done.runs).toBe(runs)
  expect(done.replicasMin).toBeGreaterThanOrEqual(3)
  expect(done.operationsMin).toBeGreaterThanOrEqual(200)
  expect(done.faultKindsMin).toBeGreaterThanOrEqual(3)
  expect(done.rare(), 'situations that fewer than 1 % of the seeds met').toEqual([])
}
