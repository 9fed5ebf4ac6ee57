// The pinned seed of each mutant, in killing-seeds.json: the first one that fails with it, and the rule that failed. Written by run.ts --pin; read
// by mutants.test.ts. Rule: OR-0.

import { readFileSync, writeFileSync } from 'node:fs'

export interface KillingSeed {
  readonly seed: number
  readonly rule: string
}

const file = new URL('killing-seeds.json', import.meta.url)

/** By mutant id. */
export function readKillingSeeds(): Readonly<Record<string, KillingSeed>> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, KillingSeed>
}

/** One mutant a line, in the order given. */
export function writeKillingSeeds(seeds: readonly (readonly [id: string, pinned: KillingSeed])[]): void {
  const lines = seeds.map(([id, { seed, rule }]) => `  ${JSON.stringify(id)}: { "seed": ${seed}, "rule": ${JSON.stringify(rule)} }`)
  writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`)
}
