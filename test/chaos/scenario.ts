// What a scenario of `pnpm chaos` is: one fault done to real processes, what is expected of them, and what was observed. Read by every file of faults/,
// by run-scenarios.ts (which bounds and cleans up) and by scenarios.ts (the table of all).

import type { Scene } from './scene.ts'

export interface Scenario {
  /** In kebab-case; names it on the command line and in docs/faults.md. */
  readonly id: string
  /** What is broken, in words. */
  readonly fault: string
  /** How it is broken, in words. */
  readonly how: string
  /** What must hold all the same: one line. */
  readonly expected: string
  /** A run that takes longer has failed. */
  readonly deadlineMs: number
  /** Rejects where it cannot get to its verdict: that is a failure with its words. */
  run(scene: Scene): Promise<ScenarioResult>
}

export interface ScenarioResult {
  readonly ok: boolean
  /** What was measured: one line. */
  readonly observed: string
  /** What went wrong, line by line. */
  readonly details?: readonly string[]
  /** Why this machine cannot do it. Then it is neither passed nor failed. */
  readonly skipped?: string
}

/** A verdict from a list of what went wrong. `observed` says how it is where nothing did. */
export function verdict(observed: string, problems: readonly string[]): ScenarioResult {
  if (problems.length === 0) return { ok: true, observed }
  return { ok: false, observed: problems[0]!, details: [...problems.slice(1, 20), `the rest, had it held: ${observed}`] }
}
