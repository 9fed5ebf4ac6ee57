// pnpm bench peers ...: see peers/run.ts.
// pnpm bench [--quick] [--only reconnect|resume|gate|compaction|slow-readers] [--minutes N]: measures and prints; exit code 1 when a bound is exceeded.

import { parseArgs } from 'node:util'
import { compactionCost } from './compaction.ts'
import { gateCost } from './gate-cost.ts'
import { idleReconnect, reconcile } from './reconnect.ts'
import { printFigures, type Figure } from './report.ts'
import { resumeAfterIngest } from './resume.ts'
import { slowReaders } from './slow-readers.ts'

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
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(
    'pnpm bench [--quick] [--only reconnect|resume|gate|compaction|slow-readers] [--minutes N]\n\n--quick    smaller sizes, about half a minute\n--only     one scenario\n--minutes  length of the ingest in "resume" (10, quick: 0.3)',
  )
  process.exit(0)
}

const progress = (line: string): void => void (process.stderr.isTTY ? process.stderr.write(`\r\u001B[K${line}`) : console.error(line))
const figures: Figure[] = []
const wanted = (name: string): boolean => values.only === undefined || values.only === name

if (wanted('reconnect')) {
  figures.push(...(await idleReconnect(values.quick ? 1_000 : 10_000, progress)))
  figures.push(...(await reconcile(values.quick ? 5_000 : 100_000, 50, progress)))
}
if (wanted('resume')) figures.push(...(await resumeAfterIngest(Number(values.minutes ?? (values.quick ? 0.3 : 10)), progress)))
if (wanted('gate')) figures.push(...gateCost(progress))
if (wanted('compaction')) figures.push(...compactionCost(values.quick ? 3 : 9, progress))
if (wanted('slow-readers')) {
  const [crowd, seconds] = values.quick ? [100, 5] : [1000, 20]
  for (const documents of values.documents === undefined ? [1, 100] : [Number(values.documents)])
    figures.push(...(await slowReaders({ crowd, documents, people: 20, seconds }, progress)))
}

if (process.stderr.isTTY) process.stderr.write('\r\u001B[K')
console.log(`Node ${process.version}, ${process.platform} ${process.arch}`)
process.exitCode = printFigures(figures) ? 0 : 1
