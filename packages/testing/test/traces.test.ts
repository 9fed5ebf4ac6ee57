// What the simulation once found, shrunk and kept: each trace broke the rule in its name, and holds now. A trace is a list of decisions, so it keeps its meaning when
// the drawing of plans changes. Add one: `pnpm sim --seed N`, mend the cause, move the file from syncline-failures/ to traces/.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replay } from '../src/index.ts'

const folder = join(import.meta.dirname, 'traces')

test.each(readdirSync(folder))('[SM-4] %s holds', async (name) => {
  const report = await replay(readFileSync(join(folder, name), 'utf8'))
  expect(report.failures.map(({ message }) => message)).toEqual([])
})
