// @syncline/testing/contracts: what an adapter must do, as data: a store, a transport (link), a provider of access (policy). Any test runner runs the rules:
//
//   import { linkContract, memoryLinkPair, type LinkHarness } from '@syncline/testing/contracts'
//   import { nodeClock } from '@syncline/replica/ws'
//   import test from 'node:test'
//
//   const makeHarness = (): LinkHarness => ({
//     clock: nodeClock(),
//     connect: async (dialler, listener) => memoryLinkPair(dialler, listener), // your transport here
//     leftOpen: () => [],
//     dispose: async () => undefined,
//   })
//   for (const rule of linkContract) test(`[${rule.id}] mine: ${rule.guarantee}`, () => rule.run(makeHarness()))
//
// and where there is none: `console.log((await runContract(linkContract, makeHarness)).text)`. docs/contracts.md says more.

import type { LinkHarness } from './link-harness.ts'
import { linkEndRules } from './link-end-rules.ts'
import { linkFlowRules } from './link-flow-rules.ts'
import { linkMessageRules } from './link-message-rules.ts'
import { linkReplicaRules } from './link-replica-rules.ts'
import { policyAnswerRules } from './policy-answer-rules.ts'
import type { PolicyHarness } from './policy-harness.ts'
import { policyReplicaRules } from './policy-replica-rules.ts'
import type { ContractRule } from './rule.ts'

export { storeContract, type Rule, type StoreHarness } from '@syncline/store/contract'
export type { LinkConnection, LinkHarness, LinkSide } from './link-harness.ts'
export { memoryLinkPair, type LinkHost, type MemoryLinkOptions, type MemoryLinkPair } from './memory-link-pair.ts'
export type { Grant, PolicyHarness } from './policy-harness.ts'
export type { ContractRule } from './rule.ts'
export { runContract, type Report, type RuleResult } from './run-contract.ts'

/** What a transport must do to be the LinkPort of a Replica. Waits in real time, by the clock of the harness: some 10 s for all rules. */
export const linkContract: readonly ContractRule<LinkHarness>[] = [
  ...linkMessageRules,
  ...linkFlowRules,
  ...linkEndRules,
  ...linkReplicaRules,
]

/** What an Access must answer, and what comes of its answers in the engine. Waits for nothing but the harness. A provider with one fixed answer runs
 *  the rules without `needs`; one that knows no "deny" leaves out those that need "denials". */
export const policyContract: readonly ContractRule<PolicyHarness>[] = [...policyAnswerRules, ...policyReplicaRules]
