// The contracts themselves under test: an adapter that is broken in a known way must be found, by the rule that speaks of it, and by words.

import { policyContract, linkContract, runContract } from '@syncline/testing/contracts'
import { describe, expect, test } from 'vitest'
import { brokenHarness, brokenLinks } from './contracts-broken-links.ts'
import { brokenPolicies } from './contracts-broken-policies.ts'
import { tableHarness } from './contracts-grant-table.ts'

describe('links', () => {
  for (const link of brokenLinks) {
    test(`[CT-3] ${link.foundBy} finds a link that ${link.fault}`, async () => {
      const rules = linkContract.filter((rule) => rule.id === link.foundBy)
      const report = await runContract(rules, () => brokenHarness(link))
      expect(report.results).toMatchObject([{ id: link.foundBy, ok: false }])
    })
  }

  test('[CT-3] every rule of the link contract finds some broken link', () => {
    expect(new Set(brokenLinks.map((link) => link.foundBy))).toEqual(new Set(linkContract.map((rule) => rule.id)))
  })
})

describe('policies', () => {
  for (const policy of brokenPolicies) {
    test(`[CT-3] ${policy.foundBy.join(', ')} find a provider that ${policy.fault}`, async () => {
      const rules = policyContract.filter((rule) => policy.foundBy.includes(rule.id))
      const report = await runContract(rules, () => tableHarness(policy.make()))
      expect(report.results.filter((result) => !result.ok).map((result) => result.id)).toEqual(policy.foundBy)
    })
  }

  test('[CT-3] every rule of the policy contract finds some broken provider', () => {
    expect(new Set(brokenPolicies.flatMap((policy) => policy.foundBy))).toEqual(new Set(policyContract.map((rule) => rule.id)))
  })
})
