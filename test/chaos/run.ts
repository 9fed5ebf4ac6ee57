// `pnpm chaos`: faults done to real processes, one after another, bounded, on loopback only, with a table at the end.

import { parseArgs } from 'node:util'
import { faultsTable, outcomeTable, runScenario, word, type Outcome } from './run-scenarios.ts'
import type { Scenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'

const HELP = `pnpm chaos [--only ID,ID] [--rounds N] [--seed N] [--docs] [--list]

Does faults to real relays and clients on this machine's loopback, and says of each whether what is expected held.

  --only ID,ID  only these scenarios
  --rounds N    of the scenarios that have rounds (kill-9: N kills); default: about ten minutes in all
  --seed N      the same chance again; default: a new one, printed
  --docs        the table at the end as it stands in docs/faults.md
  --list        what there is
  --help        this

Exit code 0: all that ran held, 1: something did not, 2: the arguments make no sense, 130: interrupted.
A scenario that this machine cannot do is shown as skipped, with the reason.`

process.exit(await main())

async function main(): Promise<number> {
  const values = readArguments()
  if (values === null) return 2
  if (values.help) return print(HELP)
  if (values.list) return print(scenarios.map(({ id, fault, expected }) => `${id}\n  fault: ${fault}\n  expected: ${expected}`).join('\n'))
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())
  print(`${values.chosen.length} scenarios, seed ${values.seed}`)
  const outcomes: Outcome[] = []
  for (const scenario of values.chosen) {
    if (interrupted.signal.aborted) break
    print(`\n${scenario.id}: ${scenario.fault}`)
    const report = (line: string): number => print(`  ${line}`)
    const outcome = await runScenario(scenario, { seed: values.seed, rounds: values.rounds, report }, interrupted.signal)
    outcomes.push(outcome)
    const { result, tookMs } = outcome
    print(`  ${word(result)}: ${result.skipped ?? result.observed} (${(tookMs / 1000).toFixed(1)} s)`)
    for (const detail of result.details ?? []) print(`    ${detail}`)
  }
  print(`\n${(values.docs ? faultsTable : outcomeTable)(outcomes)}`)
  return conclusion(outcomes, values, interrupted.signal.aborted)
}

function conclusion(outcomes: readonly Outcome[], { seed, rounds }: Arguments, interrupted: boolean): number {
  const count = (wanted: string): number => outcomes.filter(({ result }) => word(result) === wanted).length
  print(`\n${count('yes')} held, ${count('NO')} did not, ${count('skipped')} skipped`)
  const failed = outcomes.filter(({ result }) => word(result) === 'NO').map(({ scenario }) => scenario.id)
  if (interrupted) {
    print('interrupted: what was running did not end')
    return 130
  }
  if (failed.length > 0)
    print(`replay: pnpm chaos --only ${failed.join(',')} --seed ${seed}${rounds === null ? '' : ` --rounds ${rounds}`}`)
  return failed.length > 0 ? 1 : 0
}

function print(text: string): 0 {
  console.log(text)
  return 0
}

interface Arguments {
  readonly chosen: readonly Scenario[]
  readonly seed: number
  readonly rounds: number | null
  readonly docs: boolean
  readonly list: boolean
  readonly help: boolean
}

function readArguments(): Arguments | null {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        rounds: { type: 'string' },
        seed: { type: 'string' },
        docs: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const { only, docs, list, help } = values
    const rounds = values.rounds === undefined ? null : wholeNumber('rounds', values.rounds, 1)
    const seed = values.seed === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : wholeNumber('seed', values.seed, 0)
    const ids = only === undefined ? scenarios.map(({ id }) => id) : only.split(',').map((id) => id.trim())
    const unknown = ids.filter((id) => !scenarios.some((scenario) => scenario.id === id))
    if (unknown.length > 0)
      throw new Error(`--only: there is no ${unknown.join(', ')}; there are ${scenarios.map(({ id }) => id).join(', ')}`)
    return { chosen: scenarios.filter(({ id }) => ids.includes(id)), rounds, seed, docs, list, help }
  } catch (error) {
    console.error(`chaos: ${(error as Error).message}\n\n${HELP}`)
    return null
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} takes a whole number from ${least} on, not ${JSON.stringify(text)}`)
  return value
}
