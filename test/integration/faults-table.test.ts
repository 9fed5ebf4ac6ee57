// docs/faults.md says the same of every fault as the campaign that does it.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { faultRows } from '../chaos/scenarios.ts'
import { repository } from './program.ts'

test('[FI-1] every fault of the chaos campaign has its row in docs/faults.md, with the expected outcome', () => {
  const section = readFileSync(join(repository, 'docs', 'faults.md'), 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith('Faults of real processes'))
  const rows = [...(section ?? '').matchAll(/^\| `.*$/gm)].map(([line]) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const documented = rows.map(([id, fault, how, expected]) => ({ id: id!.replaceAll('`', ''), fault, how, expected }))
  const columns = 'columns: id, fault, how, expected outcome, last measured result; print them with: pnpm chaos --docs'
  expect(documented, columns).toEqual(faultRows())
  for (const [id, , , , measured] of rows) expect(measured, `${id} was never measured`).not.toBe('')
})

test('[FI-1] faults of the chaos campaign have distinct ids in kebab-case, and no cell of theirs breaks the table', () => {
  const rows = faultRows()
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
  for (const { id, ...words } of rows) {
    expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    for (const text of Object.values(words)) expect(text).toMatch(/^[^|\n]{10,}$/)
  }
})
