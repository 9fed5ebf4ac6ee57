// Runs a contract where there is no test runner. Decides only what a run that fails looks like. Rule: CT-2.

import type { ContractRule } from './rule.ts'

export interface RuleResult {
  readonly id: string
  readonly guarantee: string
  readonly ok: boolean
  /** Why it failed: what the rule, the harness or its dispose() threw. */
  readonly error: Error | null
}

export interface Report {
  /** True when every rule was kept. */
  readonly ok: boolean
  /** In the order of the rules. */
  readonly results: readonly RuleResult[]
  /** For people: one line per rule, and the count. */
  readonly text: string
}

/** Runs every rule on a harness of its own, one after the other, and disposes of the harness. Never rejects: what goes wrong stands in the report. A rule that
 *  waits has a bound of its own; a harness that hangs hangs this too. */
export async function runContract<Harness extends { dispose(): Promise<void> }>(
  rules: readonly ContractRule<Harness>[],
  makeHarness: () => Harness | Promise<Harness>,
): Promise<Report> {
  const results: RuleResult[] = []
  for (const rule of rules) {
    const error = await failureOf(rule, makeHarness)
    results.push({ id: rule.id, guarantee: rule.guarantee, ok: error === null, error })
  }
  const kept = results.filter((result) => result.ok).length
  const lines = results.map(
    ({ id, guarantee, ok, error }) => `${ok ? 'ok  ' : 'FAIL'} ${id} ${guarantee}${ok ? '' : `\n     ${error?.message}`}`,
  )
  return { ok: kept === results.length, results, text: [...lines, `${kept} of ${results.length} rules kept`].join('\n') }
}

async function failureOf<Harness extends { dispose(): Promise<void> }>(
  rule: ContractRule<Harness>,
  makeHarness: () => Harness | Promise<Harness>,
): Promise<Error | null> {
  const failures: unknown[] = []
  let harness: Harness | null = null
  try {
    harness = await makeHarness()
    await rule.run(harness)
  } catch (error) {
    failures.push(error)
  }
  try {
    await harness?.dispose()
  } catch (error) {
    failures.push(error)
  }
  if (failures.length === 0) return null
  return failures[0] instanceof Error ? failures[0] : new Error(String(failures[0]))
}
