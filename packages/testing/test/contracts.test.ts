// The contracts as data, the runner for those who have none, and the page that says them to authors of adapters.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { linkContract, policyContract, runContract, storeContract, type ContractRule } from '@syncline/testing/contracts'
import { storeContract as storeContractOfStore } from '@syncline/store/contract'
import { expect, test } from 'vitest'
import { fixedHarness, everythingAllowed, tableHarness } from './contracts-grant-table.ts'

interface Counted {
  readonly events: string[]
  dispose(): Promise<void>
}

test('[CT-1] docs/contracts.md says every rule of every contract, word for word, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/contracts.md'), 'utf8')
  const said = new Map([...page.matchAll(/^\| ([A-Z]{2}-\d+) \|(?: [a-z]* \|)? (.*) \|$/gm)].map((match) => [match[1]!, match[2]!]))
  const rules = [...storeContract, ...linkContract, ...policyContract]
  expect([...said]).toEqual(rules.map(({ id, guarantee }) => [id, guarantee]))
  for (const { id, needs } of policyContract) if (needs !== undefined) expect(page).toContain(`| ${id} | ${needs} |`)
})

test('[CT-1] rules are plain data with ids of their own, and the store contract is the one of @syncline/store', () => {
  const rules: readonly ContractRule<never>[] = [...storeContract, ...linkContract, ...policyContract]
  expect(new Set(rules.map((rule) => rule.id)).size).toBe(rules.length)
  for (const { id, guarantee, run } of rules) {
    expect(id).toMatch(/^(ST|LN|PO)-\d+$/)
    expect(guarantee).not.toMatch(/\||\n|\.$/)
    expect(run).toBeTypeOf('function')
  }
  expect(storeContract).toBe(storeContractOfStore)
})

test('[CT-2] runContract gives every rule a harness of its own, disposes of each, and says per rule what failed', async () => {
  const events: string[] = []
  let made = 0
  const makeHarness = (): Counted => {
    const number = ++made
    if (number === 4) throw new Error('no harness today')
    const dispose = (): Promise<void> => {
      events.push(`dispose ${number}`)
      return number === 5 ? Promise.reject(new Error('will not go')) : Promise.resolve()
    }
    return { events, dispose }
  }
  const rule = (id: string, run: (harness: Counted) => Promise<void>): ContractRule<Counted> => ({ id, guarantee: `does ${id}`, run })
  const report = await runContract(
    [
      rule('A-1', () => Promise.resolve(void events.push('run 1'))),
      rule('A-2', () => Promise.reject(new Error('lost a byte'))),
      rule('A-3', () => {
        throw new Error('thrown words')
      }),
      rule('A-4', () => Promise.resolve()),
      rule('A-5', () => Promise.resolve()),
    ],
    makeHarness,
  )
  expect(events).toEqual(['run 1', 'dispose 1', 'dispose 2', 'dispose 3', 'dispose 5'])
  expect(report.ok).toBe(false)
  expect(report.results.map(({ id, ok, error }) => [id, ok, error?.message ?? null])).toEqual([
    ['A-1', true, null],
    ['A-2', false, 'lost a byte'],
    ['A-3', false, 'thrown words'],
    ['A-4', false, 'no harness today'],
    ['A-5', false, 'will not go'],
  ])
  expect(report.text).toContain('ok   A-1 does A-1')
  expect(report.text).toContain('FAIL A-2 does A-2\n     lost a byte')
  expect(report.text).toContain('1 of 5 rules kept')
})

test('[CT-2] runContract tells a provider that keeps the policy contract from one that has no grants', async () => {
  const kept = await runContract(policyContract, tableHarness)
  expect(kept).toMatchObject({ ok: true })
  const fixed = await runContract(policyContract, () => fixedHarness(everythingAllowed))
  expect(fixed.results.filter((result) => result.ok).map((result) => result.id)).toEqual(['PO-1', 'PO-2'])
})
