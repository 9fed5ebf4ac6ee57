// Forks seed-hunter.ts with one mutant, or none, and gathers what it finds. One process per mutant, because a module is loaded once. A seed that
// does not end is a failure too: the process is ended. Read by run.ts and mutants.test.ts. Rule: OR-0.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Finding, Message } from './seed-hunter.ts'

const hunter = fileURLToPath(new URL('seed-hunter.ts', import.meta.url))
const loader = new URL('mutant-loader.ts', import.meta.url).href

/** Runs one process to its end. `mutant`: null for the engine as it is. `stallMs`: how long one seed may take. Rejects when the process fails in any
 *  other way than by a failing seed: a mutant that does not fit, for instance. */
export async function findingsOf(options: {
  readonly mutant: string | null
  readonly task: readonly ['hunt', from: string, seeds: string] | readonly ['seeds', seeds: string]
  readonly firstSeed: number
  readonly stallMs: number
  readonly onFinding?: (finding: Finding) => void
}): Promise<Finding[]> {
  const { mutant, task, firstSeed, stallMs, onFinding } = options
  const child = fork(hunter, task, {
    execArgv: ['--conditions=syncline-source', '--import', loader],
    env: { ...process.env, SYNCLINE_MUTANT: mutant ?? '' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const findings: Finding[] = []
  const add = (finding: Finding): void => {
    findings.push(finding)
    onFinding?.(finding)
  }
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text))
  let stalled = false
  const stall = (): void => {
    stalled = true
    child.kill('SIGKILL')
  }
  let timer = setTimeout(stall, stallMs)
  let done = false
  child.on('message', (message) => {
    const said = message as Message
    if (said.kind === 'done') done = true
    else add(said)
    clearTimeout(timer)
    timer = setTimeout(stall, stallMs)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  clearTimeout(timer)
  if (stalled) {
    const seed = (findings.at(-1)?.seed ?? firstSeed - 1) + 1
    add({ kind: 'failed', seed, rule: 'endless', message: `seed ${seed} did not end within ${stallMs} ms` })
  } else if (code !== 0 || !done) throw new Error(`the process of ${mutant ?? 'no mutant'} ended with ${code}:\n${errors}`)
  return findings
}

/** Runs `work` on each item in order, `lanes` at a time; one promise per item. */
export function inLanes<Item, Result>(items: readonly Item[], lanes: number, work: (item: Item) => Promise<Result>): Promise<Result>[] {
  let free = lanes
  const waiting: (() => void)[] = []
  const enter = async (): Promise<void> => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const leave = (): void => {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
  return items.map(async (item) => {
    await enter()
    try {
      return await work(item)
    } finally {
      leave()
    }
  })
}
