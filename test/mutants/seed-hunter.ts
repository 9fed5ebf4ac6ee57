// A process of its own that runs seeds of the simulation on the engine as mutant-loader.ts loaded it, and tells its parent of each: forked by
// mutant-process.ts. Arguments: `hunt FROM SEEDS` ends with the first seed that fails; `seeds N,N,...` runs each of these. Rule: OR-0.

import process from 'node:process'
import { assertMutantApplied } from './mutant-loader.ts'

/** What the hunter tells. `rule`: of the broken promise, or what the simulator calls an error that is none. */
export type Finding =
  | { readonly kind: 'passed'; readonly seed: number }
  | { readonly kind: 'failed'; readonly seed: number; readonly rule: string; readonly message: string }

export type Message = Finding | { readonly kind: 'done' }

const { runSeed } = await import('../../packages/testing/src/campaign.ts')
assertMutantApplied()
const [how, from, count] = process.argv.slice(2)
if (how === 'hunt') hunt(Number(from), Number(count))
else for (const seed of from!.split(',')) tell(tried(Number(seed)))
// A fault may leave timers behind, and they would keep the process.
process.send!({ kind: 'done' } satisfies Message, () => process.exit())

function hunt(from: number, seeds: number): void {
  for (let seed = from; seed < from + seeds; seed++) {
    const finding = tried(seed)
    tell(finding)
    if (finding.kind === 'failed') return
  }
}

function tried(seed: number): Finding {
  const outcome = runSeed(seed)
  return outcome.ok ? { kind: 'passed', seed } : { kind: 'failed', seed, rule: outcome.rule, message: outcome.error.message }
}

function tell(finding: Finding): void {
  process.send!(finding)
}
