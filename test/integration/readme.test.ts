// What the README shows is run as it stands: its program against a relay, in a folder of its own.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createRelay } from '@syncline/relay'
import { expect, onTestFinished, test } from 'vitest'
import { repository, runProgram } from './program.ts'

const WITHIN_MS = 60_000
const RELAY_URL = 'ws://127.0.0.1:4400'

test('[AP-12] the program in the README runs as it stands against a relay', { timeout: WITHIN_MS + 5_000 }, async () => {
  const [, program] = /^## In a program\n\n```ts\n(.*?)^```$/ms.exec(readFileSync(join(repository, 'README.md'), 'utf8'))!
  expect(program!.trimEnd().split('\n').length).toBeLessThanOrEqual(20)
  expect(program).toContain(RELAY_URL)

  // Inside the repository, so that the packages are found by name.
  mkdirSync(join(repository, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(repository, '.cache', 'readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const relay = await createRelay({ data: join(folder, 'relay'), port: 0 })
  onTestFinished(() => relay.close())
  writeFileSync(join(folder, 'program.ts'), program!.replace(RELAY_URL, relay.url))

  const end = await runProgram(relative(repository, join(folder, 'program.ts')), [], { withinMs: WITHIN_MS, cwd: folder })
  expect(end).toMatchObject({ code: 0, stderr: '' })
  expect(end.stdout).toMatch(/^note\/42: \d+ bytes$/m)
  expect([...relay.replica.documents()].map(({ name }) => name)).toEqual(['note/42'])
})
