// pnpm bench peers ...: see peers/run.ts.
// pnpm bench [--quick] [--only NAME] ...: measures and prints; exit code 1 when a bound is exceeded. Ctrl-C ends what was started and removes what was made.

import { parseArgs } from 'node:util'
import { catchUpScenario } from './catch-up.ts'
import { compactionCost } from './compaction.ts'
import { gateCost } from './gate-cost.ts'
import { growth } from './growth/growth.ts'
import { meshScenario } from './mesh/mesh-scenario.ts'
import { idleReconnect, reconcile } from './reconnect.ts'
import { printFigures, type Figure, type Progress } from './report.ts'
import { resumeAfterIngest } from './resume.ts'
import { slowReaders } from './slow-readers.ts'
import { soak } from './soak.ts'
import { spacesScenario } from './spaces.ts'
import { WORKERS, workersScenario } from './workers.ts'

// Measured against others: a program of its own, whose servers are installed apart.
if (process.argv[2] === 'peers') {
  await import('./peers/run.ts')
  process.exit()
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    minutes: { type: 'string' },
    documents: { type: 'string' },
    part: { type: 'string' },
    state: { type: 'string' },
    'size-max': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const { quick } = values
const minutes = (otherwise: number): number => Number(values.minutes ?? otherwise)

interface Scenario {
  /** For --help, with about how long it takes. */
  readonly words: string
  /** Not part of a run without --only. */
  readonly apart?: boolean
  /** Resolves with figures, or prints its own and resolves with whether its bounds are kept. */
  run(progress: Progress): Promise<readonly Figure[] | boolean>
}

const scenarios: Readonly<Record<string, Scenario>> = {
  reconnect: {
    words: 'reconnecting with equal roots, and with 50 of 100,000 documents that differ (3 min)',
    run: async (progress) => [
      ...(await idleReconnect(quick ? 1_000 : 10_000, progress)),
      ...(await reconcile(quick ? 5_000 : 100_000, quick ? 1 : 5, progress)),
    ],
  },
  resume: {
    words: 'a client that was away during a long ingest (--minutes, default 10)',
    run: (progress) => resumeAfterIngest(minutes(quick ? 0.3 : 10), progress),
  },
  gate: { words: 'the worst updates for the gate (1 min)', run: async (progress) => gateCost(progress) },
  compaction: { words: 'compacting a long document (2 min)', run: async (progress) => compactionCost(quick ? 3 : 9, progress) },
  'slow-readers': {
    words: 'a thousand clients that read nothing (4 min; --documents)',
    async run(progress) {
      const figures: Figure[] = []
      const [crowd, seconds] = quick ? [100, 5] : [1000, 20]
      for (const documents of values.documents === undefined ? [1, 100] : [Number(values.documents)])
        figures.push(...(await slowReaders({ crowd, documents, people: 20, seconds }, progress)))
      return figures
    },
  },
  growth: {
    words:
      'cost as work grows (15 min; --part documents, log-rows, writers or mesh; --size-max N; --state FILE to go on where a run was stopped)',
    run: (progress) =>
      growth(
        {
          quick,
          ...(values.part === undefined ? {} : { part: values.part }),
          ...(values.state === undefined ? {} : { state: values.state }),
          ...(values['size-max'] === undefined ? {} : { sizeMax: Number(values['size-max']) }),
        },
        progress,
      ),
  },
  mesh: {
    words: 'eight replicas, fully meshed and in a ring (2 min)',
    async run(progress) {
      await meshScenario(quick, progress)
      return true
    },
  },
  'catch-up': {
    words: 'clients that come back after 100,000 edits (5 min)',
    async run(progress) {
      await catchUpScenario(quick, progress)
      return true
    },
  },
  spaces: {
    words: 'one, 100 and 1,000 active spaces (10 min)',
    async run(progress) {
      await spacesScenario(quick, progress)
      return true
    },
  },
  workers: {
    words: 'eight spaces on one process and on two workers (4 min)',
    run: (progress) => workersScenario({ ...WORKERS, ...(quick && { seconds: 3, crowd: 300, rounds: 1 }) }, progress),
  },
  soak: {
    words: 'memory of a relay under churn (--minutes, default 60, quick 2)',
    apart: true,
    run: (progress) => soak(minutes(quick ? 2 : 60), progress),
  },
}

const USAGE = `pnpm bench [--quick] [--only NAME] [OPTIONS]
pnpm bench peers --help

--quick  smaller sizes: shows that everything works, measures little
--only   one scenario:

${Object.entries(scenarios)
  .map(([name, { words, apart }]) => `  ${name.padEnd(13)} ${words}${apart === true ? '; only by its name' : ''}`)
  .join('\n')}`

const progress: Progress = (line) => void (process.stderr.isTTY ? process.stderr.write(`\r\u001B[K${line}`) : console.error(line))

if (values.help) console.log(USAGE)
else if (values.only !== undefined && scenarios[values.only] === undefined) {
  console.error(USAGE)
  process.exitCode = 2
} else await measure()

async function measure(): Promise<void> {
  console.log(`Node ${process.version}, ${process.platform} ${process.arch}`)
  const figures: Figure[] = []
  let kept = true
  for (const [name, { apart, run }] of Object.entries(scenarios)) {
    if (values.only === undefined ? apart === true : values.only !== name) continue
    const result = await run(progress)
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K')
    if (typeof result === 'boolean') kept &&= result
    else figures.push(...result)
  }
  if (figures.length > 0) kept = printFigures(figures) && kept
  process.exitCode = kept ? 0 : 1
}
