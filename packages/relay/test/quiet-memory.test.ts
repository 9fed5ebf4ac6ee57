// That a relay gives memory back when it is quiet, in a process of its own: what it gives is that of a process.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** Keeps 300,000 objects for a while, lets them go, and answers the bytes that V8 held then, and those that it holds when as much as ten looks were quiet or they are fewer than half. */
const PROGRAM = (collects: boolean): string => `
  import { getHeapStatistics } from 'node:v8'
  import { collectWhenQuiet } from ${JSON.stringify(new URL('../src/quiet-memory.ts', import.meta.url).href)}
  const held = () => getHeapStatistics().total_heap_size
  let kept = Array.from({ length: 300_000 }, (_, at) => ({ at, text: String(at) }))
  const before = held()
  kept = null
  let looks = 0
  let after = before
  // Time in which nothing else happens.
  const every = (ms, fn) => {
    const timer = setInterval(() => {
      fn()
      after = held()
      if (++looks === 10 || after < before / 2) clearInterval(timer)
    }, 100)
    return () => clearInterval(timer)
  }
  ${collects ? 'collectWhenQuiet({ every })' : 'every(100, () => undefined)'}
  process.on('exit', () => console.log(JSON.stringify({ before, after, hidden: typeof gc })))
`

async function heldBytes(collects: boolean): Promise<{ before: number; after: number; hidden: string }> {
  const args = ['--conditions=syncline-source', '--input-type=module-typescript', '--eval', PROGRAM(collects)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout) as { before: number; after: number; hidden: string }
}

test('[RS-6] what a load left is given back when the event loop is idle, and would be kept without', async () => {
  const [quiet, left] = await Promise.all([heldBytes(true), heldBytes(false)])
  expect(quiet.after).toBeLessThan(quiet.before / 2)
  expect(left.after).toBeGreaterThan(left.before / 2)
  // Programs see nothing of it.
  expect(quiet.hidden).toBe('undefined')
})
