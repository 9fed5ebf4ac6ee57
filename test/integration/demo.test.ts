// The demo in its short form: three processes in a chain, a partition, edits on both sides of it, and two kills.

import { expect, test } from 'vitest'
import { runProgram } from './program.ts'

const WITHIN_MS = 75_000

test(
  '[CV-1] three processes that replay a two-author session through a partition and two kills end equal, at the expected text',
  { timeout: WITHIN_MS + 5_000 },
  async () => {
    const { code, stdout, stderr } = await runProgram('examples/demo/run.ts', ['--edits', '5000'], { withinMs: WITHIN_MS })
    expect(stderr).toBe('')
    expect(stdout).toMatch(/The three replicas are equal, and equal the recording's end\./)
    expect(code).toBe(0)
    // The partition had edits on both sides, and the kill came while some were only on the killed one's disk.
    const [, byAda, byCharles] = /(\d[\d,]*) edits by ada and (\d[\d,]*) by charles that the other does not have/.exec(stdout)!
    expect(Number(byAda!.replace(',', ''))).toBeGreaterThan(100)
    expect(Number(byCharles!.replace(',', ''))).toBeGreaterThan(100)
    const digests = [...stdout.matchAll(/^(?:ada|middle|charles) +[\d,]+ +([0-9a-f]{32}) +([0-9a-f]{32})$/gm)].map(
      (row) => `${row[1]} ${row[2]}`,
    )
    expect(digests).toHaveLength(3)
    expect(new Set(digests).size).toBe(1)
  },
)
