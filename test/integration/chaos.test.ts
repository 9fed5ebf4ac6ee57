// Scenarios of `pnpm chaos` in the small, where no other test does such a fault to real processes.

import { expect, test } from 'vitest'
import { corruptingLink } from '../chaos/faults/corrupting-link.ts'
import { lostMinority } from '../chaos/faults/lost-minority.ts'
import { runScenario } from '../chaos/run-scenarios.ts'
import type { Scenario } from '../chaos/scenario.ts'

async function expectHeld(scenario: Scenario): Promise<void> {
  const [seed, rounds] = [20_26, 1]
  const { result } = await runScenario(scenario, { seed, rounds, brief: true, report: (line) => console.log(line) })
  console.log(result.observed)
  expect(result, `replay: pnpm chaos --only ${scenario.id} --rounds ${rounds} --seed ${seed}`).toMatchObject({ ok: true })
}

test('[IN-1] a link that changes bytes is cut with a code, nothing that nobody wrote is stored, and all are equal after it', async () => {
  await expectHeld(corruptingLink)
}, 150_000)

test('[DU-1] edits that two copies acknowledged survive the loss of a relay with its disk, without those who wrote them', async () => {
  await expectHeld(lostMinority)
}, 120_000)
