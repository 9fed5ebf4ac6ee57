// The link contract, against every transport of this repository.

import { afterEach, describe, test } from 'vitest'
import { linkContract, type LinkHarness } from '@syncline/testing/contracts'
import { memoryLinkHarness, socketLinkHarness } from './contracts-link-harnesses.ts'

const transports: Record<string, () => LinkHarness> = {
  memory: () => memoryLinkHarness(),
  'dial and listen': socketLinkHarness,
}

for (const [name, makeHarness] of Object.entries(transports)) {
  describe(name, () => {
    let harness: LinkHarness
    afterEach(() => harness.dispose())

    for (const rule of linkContract) {
      test(`[${rule.id}] ${name}: ${rule.guarantee}`, async () => {
        harness = makeHarness()
        await rule.run(harness)
      })
    }
  })
}
