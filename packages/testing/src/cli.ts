// The `syncline-sim` command line: runs seeds, many or one, shrinks what fails, replays traces, draws timelines. bin/syncline-sim.js calls main(). Exit codes:
// 0 all held, 1 a rule was broken or a situation hardly ever met, 2 wrong arguments. Rules: SM-1 to SM-6.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, relative, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { SynclineError } from '@syncline/protocol'
import { campaignOnCores } from './campaign-workers.ts'
import { runPlan, runSeed, type Campaign, type Outcome } from './campaign.ts'
import { loadScenario } from './load-scenario.ts'
import { parseTrace, type TraceFile } from './plan/plan-file.ts'
import type { Plan } from './plan/plan.ts'
import type { Scenario } from './scenario.ts'
import { Violation } from './violation.ts'
import { describeFailure, saveTrace, shrunkTrace, timelineOf } from './simulate.ts'

const USAGE = `syncline-sim [options]

Runs Syncline's engine in virtual time under faults, and checks that replicas converge and lose nothing.

  --runs N          run N seeds (default 1000)
  --from N          the first seed (default 1)
  --workers N       threads (default: one per core)
  --failures N      stop after N failing seeds (default 10)
  --seed N          run one seed; shrinks it when it fails
  --replay FILE     run a saved trace
  --scenario FILE   a module whose default export is what simulate() takes: your workload and invariants
  --trace           print every event (with --seed or --replay)
  --html FILE       write the run as a timeline (with --seed or --replay)
  --no-shrink       leave a failing seed as it was found
  --tries N         plans tried while shrinking (default 600)
  --save-to DIR     where traces of failures go (default ./syncline-failures)
  --help, --version

Exit codes: 0 all held, 1 a rule was broken, or a situation was met in fewer than 1 % of the seeds, 2 wrong arguments.`

const EXIT = { ok: 0, broken: 1, usage: 2 } as const

const OPTIONS = {
  runs: { type: 'string', default: '1000' },
  from: { type: 'string', default: '1' },
  workers: { type: 'string' },
  failures: { type: 'string', default: '10' },
  seed: { type: 'string' },
  replay: { type: 'string' },
  scenario: { type: 'string' },
  trace: { type: 'boolean', default: false },
  html: { type: 'string' },
  'no-shrink': { type: 'boolean', default: false },
  tries: { type: 'string', default: '600' },
  'save-to': { type: 'string', default: 'syncline-failures' },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
} as const

type Values = ReturnType<typeof parse>

/** Runs one command line (without node and script) and resolves with its exit code. Does not throw for what a user can cause. */
export async function main(argv: readonly string[]): Promise<number> {
  let values: Values
  try {
    values = parse(argv)
  } catch (error) {
    complain(`syncline-sim: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return EXIT.usage
  }
  if (values.help) return print(USAGE)
  if (values.version) return print(version())
  try {
    return await run(values)
  } catch (error) {
    if (!(error instanceof SynclineError || (error instanceof Error && 'syscall' in error))) throw error
    complain(`syncline-sim: ${error.message}`)
    return EXIT.usage
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }).values
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`)
}

function print(text: string): number {
  say(text)
  return EXIT.ok
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
}

async function run(values: Values): Promise<number> {
  if (values.seed !== undefined && values.replay !== undefined) throw wrong('--seed and --replay exclude each other')
  if (values.replay !== undefined) return await replayFile(values, values.replay)
  const module = values.scenario === undefined ? null : pathToFileURL(resolve(values.scenario)).href
  const scenario = await loadScenario(module)
  if (values.seed !== undefined) return runOne(values, scenario, whole('--seed', values.seed, 0))
  return await runMany(values, scenario, module)
}

function wrong(what: string): SynclineError {
  return new SynclineError('argument-invalid', `${what}. \`syncline-sim --help\` tells more.`)
}

function whole(option: string, text: string, least: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw wrong(`${option} takes a whole number from ${least}, not ${JSON.stringify(text)}`)
  return value
}

// ---- one run

function runOne(values: Values, scenario: Scenario, seed: number): number {
  const outcome = runSeed(seed, sinksOf(values), scenario)
  describeRun(outcome)
  if (outcome.ok) return finish(values, outcome.plan, scenario)
  keepFailure(values, scenario, outcome)
  return EXIT.broken
}

async function replayFile(values: Values, path: string): Promise<number> {
  const file = parseTrace(readFileSync(path, 'utf8'), path)
  const module = values.scenario ?? (file.scenarioModule === null ? undefined : resolve(dirname(path), file.scenarioModule))
  const scenario = await loadScenario(module === undefined ? null : pathToFileURL(resolve(module)).href)
  const outcome = runPlan(file.plan, sinksOf(values), scenario)
  describeRun(outcome)
  compare(file, outcome)
  return finish(values, file.plan, scenario, outcome.ok ? EXIT.ok : EXIT.broken)
}

/** Whether the run is the one that was saved. */
function compare(file: TraceFile, outcome: Outcome): void {
  const { hash } = outcome
  if (outcome.ok) say(`It was saved because of ${file.rule}, which holds now: ${file.message}`)
  else if (hash === file.hash) say(`The same run as when it was saved: trace ${hash}`)
  else say(`Another run than when it was saved (trace ${file.hash}, now ${hash}): the code has changed since.`)
}

function sinksOf(values: Values): { print?: (line: string) => void } {
  return values.trace ? { print: (line) => say(line) } : {}
}

function describeRun(outcome: Outcome): void {
  const { plan } = outcome
  const links = plan.links.map((link) => `${link.from}${link.both ? '<>' : '>'}${link.to}${link.readOnly ? ' read-only' : ''}`).join(', ')
  const faults = [...new Set(plan.faults.map(({ kind }) => kind))].join(', ')
  say(`seed ${plan.seed}: ${plan.replicas.length} replicas, ${plan.topology} (${links}), faults: ${faults || 'none'}`)
  if (outcome.ok) {
    const { caughtUpMs, operations, hash, events } = outcome.result
    say(`equal after ${Math.round(caughtUpMs)} ms, ${operations} operations, trace ${hash} of ${events} events`)
  } else say(`${wordsOf(outcome.error)}\ntrace ${outcome.hash}, at ${Math.round(outcome.atMs)} ms`)
}

/** A broken promise says it all; of another error it matters where it came from. */
function wordsOf(error: Error): string {
  return error instanceof Violation ? error.message : (error.stack ?? error.message)
}

function finish(values: Values, plan: Plan, scenario: Scenario, code: number = EXIT.ok): number {
  if (values.html !== undefined) {
    mkdirSync(dirname(resolve(values.html)), { recursive: true })
    writeFileSync(values.html, timelineOf(plan, scenario))
    say(`timeline: ${values.html}`)
  }
  return code
}

/** Shrinks a failure and saves it, with its timeline. */
function keepFailure(values: Values, scenario: Scenario, outcome: Extract<Outcome, { ok: false }>): void {
  const tries = values['no-shrink'] ? 0 : whole('--tries', values.tries, 0)
  const shown = progressLine()
  const onProgress = (plan: Plan, tried: number): void =>
    shown(`shrinking: ${plan.actions.length} edits, ${plan.faults.length} faults, ${plan.replicas.length} replicas after ${tried} tries`)
  const scenarioModule = values.scenario === undefined ? null : relative(resolve(values['save-to']), resolve(values.scenario))
  const trace = shrunkTrace(outcome, scenario, { tries, onProgress, scenarioModule })
  shown('')
  const savedAs = saveTrace(values['save-to'], trace, scenario)
  say(`\n${describeFailure({ message: trace.message, trace, savedAs })}`)
  say(`  timeline: ${savedAs.replace(/\.json$/, '.html')}`)
}

// ---- many

async function runMany(values: Values, scenario: Scenario, module: string | null): Promise<number> {
  const runs = whole('--runs', values.runs, 1)
  const from = whole('--from', values.from, 0)
  const workers = values.workers === undefined ? availableParallelism() : whole('--workers', values.workers, 1)
  const failuresMax = whole('--failures', values.failures, 1)
  const stop = new AbortController()
  const interrupted = (): void => stop.abort()
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  const shown = progressLine()
  let told = 0
  const onProgress = (campaign: Campaign): void => {
    for (const { seed, message } of campaign.failures.slice(told)) complain(`seed ${seed}: ${message}`)
    told = campaign.failures.length
    shown(`${campaign.runs} of ${runs} seeds, ${(campaign.runs / campaign.seconds).toFixed(1)}/s, ${campaign.failures.length} failed`)
  }
  const done = await campaignOnCores({
    scenario,
    scenarioModule: module,
    from,
    runs,
    workers,
    failuresMax,
    signal: stop.signal,
    onProgress,
  })
  process.off('SIGINT', interrupted)
  process.off('SIGTERM', interrupted)
  shown('')
  return reportMany(values, scenario, done, stop.signal.aborted)
}

function reportMany(values: Values, scenario: Scenario, done: Campaign, interrupted: boolean): number {
  say(done.table())
  for (const { seed, message } of done.failures)
    say(`seed ${seed}: ${message}\n  replay: syncline-sim --seed ${seed}${scenarioOption(values)}`)
  const rare = done.rare()
  if (rare.length > 0) say(`met in fewer than 1 % of the seeds: ${rare.join('; ')}`)
  say(done.summary())
  if (interrupted) say('interrupted')
  const first = done.failures.toSorted((a, b) => a.seed - b.seed)[0]
  if (first !== undefined && !interrupted) {
    const outcome = runSeed(first.seed, {}, scenario)
    if (!outcome.ok) keepFailure(values, scenario, outcome)
  }
  return done.failures.length > 0 || rare.length > 0 || interrupted ? EXIT.broken : EXIT.ok
}

function scenarioOption(values: Values): string {
  return values.scenario === undefined ? '' : ` --scenario ${values.scenario}`
}

/** How often a program that reads the output hears of progress. */
const PROGRESS_EVERY_MS = 30_000

/** A line that replaces itself where a person watches; elsewhere one line in a while. '' clears it. */
function progressLine(): (text: string) => void {
  const { stderr } = process
  let shownMs = performance.now()
  return (text) => {
    if (stderr.isTTY) stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns ?? 80) - 1)}`)
    else if (text !== '' && performance.now() - shownMs >= PROGRESS_EVERY_MS) {
      shownMs = performance.now()
      stderr.write(`${text}\n`)
    }
  }
}
