// The `syncline-sim` command line as a process: what it prints, what it writes, how it ends. Rules: SM-1, SM-4, SM-6.

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runSeed } from '../src/campaign.ts'

const bin = resolve(import.meta.dirname, '../bin/syncline-sim.js')
const example = resolve(import.meta.dirname, '../../../examples/todo-invariant.ts')
const folder = mkdtempSync(join(tmpdir(), 'syncline-sim-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function sim(...args: readonly string[]): Promise<Ended> {
  return new Promise((end) => {
    execFile(process.execPath, ['--conditions=syncline-source', bin, ...args], { cwd: folder, timeout: 60_000 }, (error, stdout, stderr) =>
      end({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

test('[SM-6] help and version are answered', async () => {
  const [help, version] = await Promise.all([sim('--help'), sim('--version')])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  for (const option of ['--runs', '--seed', '--replay', '--scenario', '--html', 'Exit codes']) expect(help.stdout).toContain(option)
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/)
})

test('[SM-6] what is wrong is told in words, with exit code 2', async () => {
  writeFileSync(join(folder, 'no-scenario.mjs'), 'export default 7\n')
  const wrong = [
    [['--what'], '--what'],
    [['--runs', 'many'], '--runs takes a whole number from 1, not "many"'],
    [['--seed', '1', '--replay', 'x'], 'exclude each other'],
    [['--replay', 'missing.json'], 'missing.json'],
    [['--scenario', 'no-scenario.mjs', '--runs', '1'], 'has no default export with a workload'],
  ] as const
  const ended = await Promise.all(wrong.map(([args]) => sim(...args)))
  expect(ended.map(({ code }) => code)).toEqual(wrong.map(() => 2))
  for (const [index, [, words]] of wrong.entries()) expect(ended[index]!.stderr).toContain(words)
})

test('[SM-1] a seed is the same run in another process, and its timeline is written', async () => {
  const here = runSeed(12)
  expect(here.ok).toBe(true)
  const ended = await sim('--seed', '12', '--html', 'seed-12.html')
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  if (here.ok) expect(ended.stdout).toContain(`trace ${here.result.hash} of ${here.result.events} events`)
  expect(readFileSync(join(folder, 'seed-12.html'), 'utf8')).toContain('<!doctype html>')
})

test(
  "[SM-4] a user's scenario that fails is shrunk, saved with its timeline, and replayed as the same run, in threads as well",
  { timeout: 90_000 },
  async () => {
    const found = await sim('--scenario', example, '--runs', '60', '--workers', '2', '--save-to', 'failures')
    expect(found.code).toBe(1)
    expect(found.stdout).toContain('"at most one item is next" does not hold')
    const [saved] = readdirSync(join(folder, 'failures')).filter((name) => name.endsWith('.json'))
    expect(found.stdout).toContain(`syncline-sim --replay ${join('failures', saved!)}`)
    expect(existsSync(join(folder, 'failures', saved!.replace('.json', '.html')))).toBe(true)
    expect(readFileSync(join(folder, 'failures', saved!), 'utf8')).not.toContain(`"${example}`)

    const again = await sim('--replay', join('failures', saved!))
    expect(again.code).toBe(1)
    expect(again.stdout).toContain('The same run as when it was saved')
  },
)
