// Every rule of the storage contract, against every store of this package.

import { afterEach, describe, test } from 'vitest'
import { storeContract, type StoreHarness } from '@syncline/store/contract'
import { memoryHarness } from './memory-harness.ts'
import { sqliteHarness } from './sqlite-harness.ts'

const stores: Record<string, () => StoreHarness> = {
  memory: memoryHarness,
  'sqlite process': () => sqliteHarness('process'),
  'sqlite disk': () => sqliteHarness('disk', true),
}

for (const [name, makeHarness] of Object.entries(stores)) {
  describe(name, () => {
    let harness: StoreHarness
    afterEach(() => harness.dispose())

    for (const rule of storeContract) {
      test(`[${rule.id}] ${name}: ${rule.guarantee}`, async () => {
        harness = makeHarness()
        await rule.run(harness)
      })
    }
  })
}
