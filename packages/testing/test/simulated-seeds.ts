// What the tests that run seeds share: a range of them, all checks on, every situation met. Read by simulation.test.ts and simulation-more.test.ts. Rules: CV-1, SM-2.

import { expect } from 'vitest'
import { campaign, replayCommand } from '../src/campaign.ts'

/** Runs `runs` seeds and fails with the command that replays the first that broke a rule. Prints rate and counters. */
export function expectSeedsHold(from: number, runs: number): void {
  const done = campaign(from, runs)
  console.log(`${done.summary()}\n${done.counters.table()}`)
  const failures = done.failures.map(({ seed, error }) => `seed ${seed}: ${error.message}\n  ${replayCommand(seed)}`)
  expect(failures).toEqual([])
  expect(done.operationsMin).toBeGreaterThanOrEqual(200)
  expect(done.faultKindsMin).toBeGreaterThanOrEqual(3)
  expect(done.counters.missing(), 'situations that were never met').toEqual([])
}
