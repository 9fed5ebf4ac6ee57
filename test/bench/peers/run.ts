// pnpm bench peers [--quick] [--only NAME] [--entrants TEXT] [--runs N] [--documents N] [--out FILE] [--checkout FOLDER]: Syncline against what its users would take instead, one after the
// other on one core, the load from the other. Install the others first: node test/bench/peers/servers/install.mjs. Prints as it goes, and writes every run into the
// JSON file; `--report FILE` makes docs/performance/*.svg and the tables from such a file (report.ts).

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { entrants, type Entrant } from './entrants.ts'
import { printRatios, type Result } from './ratios.ts'
import { writeReport } from './report.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { pinGenerator } from './server-process.ts'
import { checkAgainstYjs } from './typed-updates.ts'

const { values } = parseArgs({
  // After `pnpm bench peers`, or called by itself.
  args: process.argv.slice(process.argv[2] === 'peers' ? 3 : 2),
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    entrants: { type: 'string', multiple: true },
    runs: { type: 'string' },
    documents: { type: 'string' },
    out: { type: 'string' },
    checkout: { type: 'string' },
    report: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const USAGE = `pnpm bench peers [--quick] [--only NAME] [--entrants TEXT] [--runs N] [--documents N] [--out FILE]

--quick     small sizes: shows that everything works, measures little
--only      scenario, several times for several: ${scenarios.map(({ name }) => name).join(', ')}
--entrants  those whose name holds this text
--runs      how often each is measured (fan-out 3 times, others once)
--documents of open-once (10,000)
--out       JSON file that results are added to
--checkout  another checkout whose built relay is measured
--report    makes tables and charts of a JSON file, and measures nothing`

const here = dirname(fileURLToPath(import.meta.url))

if (values.help) console.log(USAGE)
else if (values.report !== undefined) writeReport(JSON.parse(readFileSync(values.report, 'utf8')) as Result[])
else if (!existsSync(join(here, 'servers', 'node_modules')) || !existsSync(join(here, 'servers', 'y-websocket', 'node_modules'))) {
  console.error('The others are not installed: node test/bench/peers/servers/install.mjs')
  process.exitCode = 1
} else await measureAll()

async function measureAll(): Promise<void> {
  checkAgainstYjs()
  pinGenerator()
  const results: Result[] =
    values.out !== undefined && existsSync(values.out) ? (JSON.parse(readFileSync(values.out, 'utf8')) as Result[]) : []
  const wanted = (texts: readonly string[] | undefined, name: string): boolean =>
    texts === undefined || texts.some((text) => name.includes(text))
  for (const scenario of scenarios.filter(({ name }) => wanted(values.only, name))) {
    const runs = Number(values.runs ?? (values.quick ? 1 : (scenario.runs ?? 1)))
    for (let run = 0; run < runs; run++) {
      for (const entrant of entrants) {
        if (!scenario.takesPart(entrant) || !wanted(values.entrants, entrant.label)) continue
        results.push(await measureOne(scenario, entrant))
        if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(results, null, 2)}\n`)
      }
    }
    printRatios(scenario, results)
  }
}

async function measureOne(scenario: Scenario, entrant: Entrant): Promise<Result> {
  const [loadBefore] = loadavg()
  const result = {
    scenario: scenario.name,
    entrant: entrant.label,
    quick: values.quick,
    at: new Date().toISOString(),
    loadBefore: loadBefore!,
  }
  try {
    const figures = await scenario.measure(entrant, {
      quick: values.quick,
      ...(values.documents === undefined ? {} : { documents: Number(values.documents) }),
      serverOptions: values.checkout === undefined ? {} : { checkout: values.checkout },
      progress: (line) => console.error(`  ${entrant.label}: ${line}`),
    })
    console.log(`${scenario.name}  ${entrant.label}: ${Object.entries(figures).map(wordsOf).join(', ')}`)
    return { ...result, figures, failed: null }
  } catch (error) {
    console.log(`${scenario.name}  ${entrant.label}: FAILED: ${String(error)}`)
    return { ...result, figures: {}, failed: String(error) }
  }
}

function wordsOf([name, value]: [string, number | null]): string {
  return `${name} ${value === null ? '-' : Number(value.toPrecision(4))}`
}
