// Scenarios of `pnpm chaos` in the small, where no other test does such a fault to real processes.

import { expect, test } from 'vitest'
import { corruptingLink } from '../chaos/faults/corrupting-link.ts'
import { killedWorkers } from '../chaos/faults/killed-workers.ts'
import { lostMinority } from '../chaos/faults/lost-minority.ts'
import { runScenario } from '../chaos/run-scenarios.ts'
import type { Scenario } from '../chaos/scenario.ts'

async function expectHeld(scenario: Scenario, seed = 20_26, rounds = 1): Promise<void> {
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

test('[WK-4] of a relay whose workers and whose port are killed in turn, nothing acknowledged is missing, each space has one owner, and no process is left', async () => {
  // The process with the port first, beside a worker that lives on; then a worker.
  await expectHeld(killedWorkers, 20, 2)
}, 240_000)
