// What V8 keeps for objects that live a moment, in a process of its own: the bound is for good.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const MIB = 1024 * 1024

/** Keeps the newest 300,000 of many objects, turn by turn, and answers the most bytes that the young generation had. */
const PROGRAM = (bound: boolean): string => `
  import { boundYoungGeneration, youngBytes } from ${JSON.stringify(new URL('../src/young-generation.ts', import.meta.url).href)}
  ${bound ? 'boundYoungGeneration()' : ''}
  const kept = new Array(300_000)
  let most = 0
  for (let turn = 0; turn < 80; turn++) {
    for (let at = 0; at < 20_000; at++) kept[(turn * 20_000 + at) % kept.length] = { turn, at, text: String(at) }
    await new Promise((resolve) => setImmediate(resolve))
    most = Math.max(most, youngBytes())
  }
  console.log(most)
`

async function mostBytes(bound: boolean): Promise<number> {
  const args = ['--input-type=module-typescript', '--eval', PROGRAM(bound)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return Number(stdout)
}

test('[RS-3] objects that live a moment take less than 26 MiB, where V8 by itself would take more', async () => {
  const [bounded, unbounded] = await Promise.all([mostBytes(true), mostBytes(false)])
  expect(bounded).toBeLessThan(26 * MIB)
  expect(unbounded).toBeGreaterThan(30 * MIB)
})
