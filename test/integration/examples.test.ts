// Every example runs as it stands, ends by itself, and says what its comments promise.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runProgram } from './program.ts'

const WITHIN_MS = 60_000

const examples = {
  'two-replicas': [
    'laptop: saved here and at the office',
    'office: Hello from the laptop.',
    'laptop: Office: hi! Hello from the laptop.',
    'laptop keeps note/42 (also at a peer)',
  ],
  'offline-merge': [
    'ada alone: bread, milk, coffee (offline)',
    'ben alone: bread, milk, apples (offline)',
    'together: apples, bread, coffee, milk',
    'equal: true',
  ],
  'mesh-of-three': [
    'blue: on three disks',
    'blue is gone',
    'red: on two disks, the third is away',
    'blue is back: {"paint":"blue","sand":"red"}',
  ],
  'todo-invariant-repaired': ['what is next is one item, and exists: held in 50 runs'],
  'server-side-document': [
    'server: saved at position 1',
    'page: {"done":1}',
    'HTTP: {"summary":{"done":2},"todos":{"milk":true,"bread":true}}',
  ],
  'relay-with-y-websocket': ['ben:     Ada was here. ', 'ada:     Keeper too. Ada was here. ', 'later:   Keeper too. Ada was here. '],
} as const

describe('examples', () => {
  for (const [name, lines] of Object.entries(examples)) {
    test(`[AP-12] ${name} runs as it stands and ends by itself`, { timeout: WITHIN_MS + 5_000 }, async () => {
      const end = await runProgram(`examples/${name}.ts`, [], { withinMs: WITHIN_MS })
      expect(end).toEqual({ code: 0, stdout: `${lines.join('\n')}\n`, stderr: '' })
    })
  }

  test(
    '[AP-12] todo-invariant finds what last-writer-wins breaks, in at most six decisions, and says how to replay it',
    { timeout: WITHIN_MS + 5_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'syncline-example-'))
      try {
        const end = await runProgram('examples/todo-invariant.ts', [], { withinMs: WITHIN_MS, env: { SYNCLINE_FAILURES: folder } })
        expect(end).toMatchObject({ code: 0, stderr: '' })
        expect(end.stdout).toContain('"at most one item is next" does not hold of documents/1')
        expect(end.stdout.match(/ edits documents\/1: /g)!.length).toBeLessThanOrEqual(6)
        expect(end.stdout).toContain(`npx syncline-sim --replay ${folder}`)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})
