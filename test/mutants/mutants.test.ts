// The oracle of the oracles: each deliberate fault of the engine fails its pinned seed of the simulation, and the same seeds pass without it. A title
// that has no seed: `pnpm sim --mutants --pin` finds them. Reads mutants.ts and killing-seeds.json. Rule: OR-0.

import { expect, test } from 'vitest'
import { readKillingSeeds } from './killing-seeds.ts'
import { mutated } from './mutant-loader.ts'
import { findingsOf, inLanes } from './mutant-process.ts'
import { mutants } from './mutants.ts'
import type { Finding } from './seed-hunter.ts'

const PIN = 'pnpm sim --mutants --pin'
const LANES = 2
const TIMEOUT_MS = 120_000

const pinned = readKillingSeeds()
const allSeeds = [...new Set(mutants.flatMap(({ id }) => pinned[id]?.seed ?? []))].sort((a, b) => a - b)

const withoutMutant = 'the engine as it is'
const [honest, ...tried] = inLanes([withoutMutant, ...mutants.map(({ id }) => id)], LANES, async (id): Promise<Finding[]> => {
  const seeds = id === withoutMutant ? allSeeds : [pinned[id]?.seed ?? []].flat()
  if (seeds.length === 0) return []
  return findingsOf({ mutant: id === withoutMutant ? null : id, task: ['seeds', seeds.join(',')], firstSeed: seeds[0]!, stallMs: 60_000 })
})
// A rejection is told by the test that waits for it, which may come later.
for (const end of [honest!, ...tried]) end.catch(() => undefined)

test('[OR-0] there are at least 26 mutants, each with a name of its own and a pinned seed', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(26)
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length)
  expect(
    mutants.filter(({ id }) => pinned[id] === undefined).map(({ id }) => id),
    `mutants without a seed: ${PIN}`,
  ).toEqual([])
  expect(Object.keys(pinned).filter((id) => mutants.every((mutant) => mutant.id !== id))).toEqual([])
})

test('[OR-0] a mutant that does not fit its file exactly once is refused', () => {
  const mutant = { ...mutants[0]!, find: 'one' }
  expect(mutated({ ...mutant, replace: 'two' }, 'one, and more')).toBe('two, and more')
  expect(() => mutated(mutant, 'nothing')).toThrow(/stands 0 times/)
  expect(() => mutated(mutant, 'one and one')).toThrow(/stands 2 times/)
})

test('[OR-0] the pinned seeds pass when the engine has no fault', { timeout: TIMEOUT_MS }, async () => {
  const findings = await honest!
  expect(findings.filter(({ kind }) => kind === 'failed')).toEqual([])
  expect(findings.map(({ seed }) => seed)).toEqual(allSeeds)
})

mutants.forEach(({ id, what }, index) => {
  test(`[OR-0] the mutant ${id} is caught: ${what}`, { timeout: TIMEOUT_MS }, async () => {
    const [finding] = await tried[index]!
    const seed = pinned[id]?.seed
    expect(finding?.kind, `seed ${seed} does not catch it: ${PIN} --only ${id}`).toBe('failed')
    expect(finding).toMatchObject({ seed, rule: pinned[id]!.rule })
  })
})
