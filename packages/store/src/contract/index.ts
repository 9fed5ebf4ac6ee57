// @syncline/store/contract: what a store promises, as data. Whoever writes a store runs these rules against it, in any test runner:
//
//   for (const rule of storeContract) test(`[${rule.id}] mine: ${rule.guarantee}`, () => rule.run(myHarness()))
import { commitRules } from './commit-rules.ts'
import { deletionRules } from './deletion-rules.ts'
import { digestRules } from './digest-rules.ts'
import { epochRules } from './epoch-rules.ts'
import { readRules } from './read-rules.ts'
import type { Rule } from './rule.ts'
import { tailRules } from './tail-rules.ts'

export type { Rule, StoreHarness } from './rule.ts'

export const storeContract: readonly Rule[] = [...commitRules, ...readRules, ...epochRules, ...deletionRules, ...tailRules, ...digestRules]
