// `pnpm sim --mutants`: does the simulation find every deliberate fault? Each mutant runs seeds in a process of its own until the first one fails.
// Prints what caught it, or that nothing did. Exit code 0: all were caught; 1: some survived; 2: wrong usage. Reads mutants.ts. Rule: OR-0.

import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { readKillingSeeds, writeKillingSeeds, type KillingSeed } from './killing-seeds.ts'
import type { Mutant } from './mutant.ts'
import { findingsOf, inLanes } from './mutant-process.ts'
import { mutantNamed, mutants } from './mutants.ts'
import type { Finding } from './seed-hunter.ts'
import { unseenMutants } from './unseen-mutants.ts'

const USAGE = `usage: pnpm sim --mutants [--only ID,ID] [--unseen] [--seeds N] [--from N] [--workers N] [--pin]

  --only ID,ID  these mutants; default all ${mutants.length}
  --unseen      those that no seed is known to catch
  --seeds N     seeds per mutant before it counts as a survivor; default 2000
  --from N      the first seed; default 1
  --workers N   processes at a time; default 2
  --pin         write the killing seeds to test/mutants/killing-seeds.json; those of mutants that were not tried stay`

/** No honest seed takes a hundredth of it. */
const STALL_MS = 60_000
const PROGRESS_SEEDS = 250

type Failure = Extract<Finding, { kind: 'failed' }>

interface Hunt {
  readonly mutant: Mutant
  readonly killed: KillingSeed | null
  readonly message: string
  readonly seeds: number
  readonly seconds: number
}

/** By seed: whether it fails without any mutant. */
const anyway = new Map<number, Promise<boolean>>()

const { values } = parseArgs({
  options: {
    mutants: { type: 'boolean' },
    only: { type: 'string' },
    unseen: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    pin: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [seeds, from, workers] = [Number(values.seeds), Number(values.from), Number(values.workers)]
if (values.help) {
  console.log(USAGE)
} else if (![seeds, from, workers].every((value) => Number.isInteger(value) && value > 0)) {
  console.error(`--seeds, --from and --workers take whole numbers from 1\n\n${USAGE}`)
  process.exitCode = 2
} else {
  const all = values.unseen ? unseenMutants : mutants
  await tryAll(values.only === undefined ? all : values.only.split(',').map(mutantNamed))
}

async function tryAll(chosen: readonly Mutant[]): Promise<void> {
  const startedAt = performance.now()
  const width = Math.max(...chosen.map(({ id }) => id.length))
  const hunts = await Promise.all(inLanes(chosen, workers, (mutant) => hunt(mutant, width)))
  const survivors = hunts.filter(({ killed }) => killed === null)
  console.log(`\n${tableOf(hunts, width)}`)
  for (const { mutant } of survivors) console.log(`survived: ${mutant.id}: ${mutant.what} (breaks ${mutant.rules.join(', ')})`)
  const tried = hunts.reduce((sum, one) => sum + one.seeds, 0)
  console.log(
    `${hunts.length} mutants, ${hunts.length - survivors.length} caught, ${survivors.length} survived ${seeds} seeds; ` +
      `${tried} seeds in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`,
  )
  if (values.pin) pin(hunts)
  process.exitCode = survivors.length > 0 ? 1 : 0
}

async function hunt(mutant: Mutant, width: number): Promise<Hunt> {
  const startedAt = performance.now()
  const seconds = (): number => (performance.now() - startedAt) / 1000
  const end = from + seeds
  for (let first = from; first < end;) {
    const failed = await firstFailure(mutant, first, end, (tried) => {
      if (tried % PROGRESS_SEEDS === 0) console.log(`${mutant.id.padEnd(width)}  ... ${tried} seeds, ${seconds().toFixed(0)} s`)
    })
    if (failed === null) break
    const { seed, rule, message } = failed
    if (await failsAnyway(seed)) first = seed + 1
    else return report({ mutant, killed: { seed, rule }, message, seeds: seed - from + 1, seconds: seconds() }, width)
  }
  return report({ mutant, killed: null, message: '', seeds, seconds: seconds() }, width)
}

async function firstFailure(mutant: Mutant, first: number, end: number, onTried: (tried: number) => void): Promise<Failure | null> {
  const findings = await findingsOf({
    mutant: mutant.id,
    task: ['hunt', String(first), String(end - first)],
    firstSeed: first,
    stallMs: STALL_MS,
    onFinding: ({ seed }) => onTried(seed - from + 1),
  })
  const last = findings.at(-1)!
  return last.kind === 'failed' ? last : null
}

/** Seeds that fail without any mutant prove nothing about one. */
function failsAnyway(seed: number): Promise<boolean> {
  let fails = anyway.get(seed)
  if (fails === undefined) {
    fails = findingsOf({ mutant: null, task: ['seeds', String(seed)], firstSeed: seed, stallMs: STALL_MS }).then(([finding]) => {
      if (finding?.kind !== 'failed') return false
      console.log(`seed ${seed} fails without any mutant: ${firstLine(finding.message)}`)
      return true
    })
    anyway.set(seed, fails)
  }
  return fails
}

function report(done: Hunt, width: number): Hunt {
  console.log(rowOf(done, width))
  return done
}

function rowOf({ mutant, killed, seeds, seconds, message }: Hunt, width: number): string {
  const verdict = killed === null ? 'SURVIVED' : `seed ${killed.seed}`
  const took = `${seeds} tried, ${seconds.toFixed(1)} s`
  return `${mutant.id.padEnd(width)}  ${verdict.padEnd(10)}  ${took.padEnd(20)}  ${(killed?.rule ?? '').padEnd(9)}  ${firstLine(message)}`.trimEnd()
}

function firstLine(message: string): string {
  return message.split('\n')[0]!.slice(0, 120)
}

/** How many mutants each rule caught. */
function tableOf(hunts: readonly Hunt[], width: number): string {
  const byRule = Map.groupBy(hunts, ({ killed }) => killed?.rule ?? 'survived')
  const rows = [...byRule].sort((a, b) => b[1].length - a[1].length)
  return rows
    .map(([rule, of]) => `${rule.padEnd(width)}  ${String(of.length).padStart(3)}  ${of.map(({ mutant }) => mutant.id).join(', ')}`)
    .join('\n')
}

/** Survivors lose their seed: then the test says that they have none. */
function pin(hunts: readonly Hunt[]): void {
  const before = readKillingSeeds()
  const found = new Map(hunts.map(({ mutant, killed }) => [mutant.id, killed]))
  const pinned = mutants.flatMap(({ id }) => {
    const seed = found.has(id) ? found.get(id) : before[id]
    return seed === null || seed === undefined ? [] : [[id, seed] as const]
  })
  writeKillingSeeds(pinned)
  console.log(`pinned ${pinned.length} of ${mutants.length} mutants in test/mutants/killing-seeds.json`)
}
