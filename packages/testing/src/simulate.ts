// The simulation as users call it: their schema and workload, their invariants, on the real engine under faults, from one seed. A failure is shrunk and can be
// replayed. Reads scenario.ts, campaign.ts, shrink.ts. Rules: SM-1 to SM-5.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SynclineError } from '@syncline/protocol'
import { Campaign, runPlan, runSeed, type Outcome } from './campaign.ts'
import type { Oracle } from './oracles/oracle.ts'
import type { Invariant, Sometimes } from './oracles/user-invariants.ts'
import { swarm } from './plan/fault-choice.ts'
import { formatTrace, parseTrace, traceFile, type TraceFile } from './plan/plan-file.ts'
import type { Plan } from './plan/plan.ts'
import { topology, type Topology } from './plan/topology.ts'
import { everything, workloadOf, type FaultSelection, type Range, type Scenario } from './scenario.ts'
import { shrink } from './shrink.ts'
import { Recorder } from './timeline/recording.ts'
import { timelinePage } from './timeline/timeline-page.ts'
import type { Workload } from './workload/workload.ts'

export interface SimulateOptions {
  /** What people do: fuzzSchema(...), workload(...), or several combined. */
  readonly workload: Workload
  /** What must hold of every document. */
  readonly invariants?: readonly Invariant[]
  /** What the runs must meet, or they prove little. */
  readonly sometimes?: readonly Sometimes[]
  /** The first seed; default 1. A string of digits will do, so that an environment variable can be passed. */
  readonly seed?: number | string | undefined
  /** How many seeds; default 100. */
  readonly runs?: number
  /** One, or several of which each seed draws one; default all that come with the package. */
  readonly topology?: Topology | readonly Topology[]
  /** How many replicas; default 3 to 6. */
  readonly replicas?: number | Range
  /** Edits per run; default 60. */
  readonly operations?: number
  /** How many documents they share; default 1. */
  readonly documents?: number
  /** faults.none, faults.swarm(...), or kinds with weights; default faults.swarm(). */
  readonly faults?: FaultSelection
  /** Virtual milliseconds in which linked replicas must be equal once the faults end; default 120,000. */
  readonly liveness?: { readonly withinMs: number }
  /** Virtual events of one run, at most; default 3,000,000. */
  readonly maxSteps?: number
  /** Whether the engine takes its rarer ways; default true. */
  readonly buggify?: boolean
  /** More checks, made anew for each run. */
  readonly oracles?: readonly (() => Oracle)[]
  /** Plans tried to make a failure smaller; default 400, 0: as it was found. */
  readonly shrinkTries?: number
  /** Seeds that may fail before the rest is left out; default 1. */
  readonly failuresMax?: number
  /** Folder for the trace and the timeline of each failure; made when it is needed. Default: nothing is written. */
  readonly saveTo?: string
  readonly onProgress?: (progress: { readonly runs: number; readonly of: number; readonly failed: number }) => void
}

export interface SimulatedFailure {
  readonly seed: number
  readonly rule: string
  readonly message: string
  /** As small as it got; what replay() and `syncline-sim --replay` take. */
  readonly trace: TraceFile
  /** Where it was saved; null without `saveTo`. */
  readonly savedAs: string | null
}

export interface SimulationReport {
  readonly ok: boolean
  readonly runs: number
  readonly failures: readonly SimulatedFailure[]
  /** Situations that fewer than 1 % of the runs met. */
  readonly rare: readonly string[]
  /** In words, for people. */
  readonly text: string
  /** Throws an Error with `text` unless all went well. */
  assertPassed(): void
}

const DEFAULT_RUNS = 100
const DEFAULT_OPERATIONS = 60

/** A scenario from options, for simulate(), replay(), and the default export of a module that `syncline-sim --scenario` names. */
export function scenario(options: SimulateOptions): Scenario {
  const { workload, topology: wanted, replicas, documents = 1, operations = DEFAULT_OPERATIONS } = options
  const topologies = wanted === undefined ? ALL_TOPOLOGIES : Array.isArray(wanted) ? (wanted as readonly Topology[]) : [wanted as Topology]
  const range = typeof replicas === 'number' ? { min: replicas, max: replicas } : (replicas ?? everything.replicas)
  checkCounts({ replicas: range.min, documents, operations, maxSteps: options.maxSteps ?? 1, withinMs: options.liveness?.withinMs ?? 1 })
  if (range.max < range.min) throw new SynclineError('argument-invalid', `simulate: replicas are ${range.min} to ${range.max}.`)
  return {
    ...everything,
    name: `simulate ${workload.name}`,
    meetsAll: false,
    workloads: [[1, workload]],
    topologies: topologies.map((one) => [1, one]),
    replicas: range,
    operations: { min: operations, max: operations },
    shortFrom: Infinity,
    documents: Array.from({ length: documents }, (_, index) => `documents/${index + 1}`),
    faults: options.faults ?? swarm(),
    restrictions: false,
    guests: false,
    forks: false,
    newDocuments: false,
    buggify: options.buggify ?? true,
    invariants: options.invariants ?? [],
    sometimes: options.sometimes ?? [],
    oracles: options.oracles ?? [],
    livenessMs: options.liveness?.withinMs ?? everything.livenessMs,
    stepsMax: options.maxSteps ?? everything.stepsMax,
  }
}

const ALL_TOPOLOGIES: readonly Topology[] = [topology.chain, topology.star, topology.ring, topology.hubs, topology.mesh, topology.random]

function checkCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    const least = name === 'replicas' ? 2 : 1
    if (!Number.isInteger(count) || count < least)
      throw new SynclineError('argument-invalid', `simulate: ${name} is ${count}; it takes a whole number from ${least}.`)
  }
}

/** Runs `runs` seeds of the real engine in virtual time under faults, and checks that replicas converge, lose nothing that was acknowledged, and keep your
 *  invariants. Resolves when all seeds are run, or `failuresMax` failed. Deterministic: the same seed on the same commit is the same run. Rejects only for wrong
 *  options ("argument-invalid"). Cost: some 20 ms of one core per run of 60 edits, 80 ms for 200, plus shrinking. */
export async function simulate(options: SimulateOptions): Promise<SimulationReport> {
  const runs = options.runs ?? DEFAULT_RUNS
  const from = seedOf(options.seed)
  const drawn = scenario(options)
  checkCounts({ runs, failuresMax: options.failuresMax ?? 1 })
  const campaign = new Campaign(drawn)
  const failures: SimulatedFailure[] = []
  for (let seed = from; seed < from + runs && failures.length < (options.failuresMax ?? 1); seed++) {
    const outcome = runSeed(seed, {}, drawn)
    campaign.add(outcome)
    if (!outcome.ok) failures.push(describe(outcome, drawn, options))
    options.onProgress?.({ runs: campaign.runs, of: runs, failed: failures.length })
    // Others get a turn between runs.
    if (campaign.runs % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return report(campaign, failures)
}

function seedOf(seed: SimulateOptions['seed']): number {
  const number = seed === undefined || seed === '' ? 1 : Number(seed)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new SynclineError('argument-invalid', `simulate: the seed is ${JSON.stringify(seed)}; it takes a whole number from 0.`)
  return number
}

function describe(outcome: Extract<Outcome, { ok: false }>, drawn: Scenario, options: SimulateOptions): SimulatedFailure {
  const trace = shrunkTrace(outcome, drawn, { tries: options.shrinkTries ?? 400 })
  const savedAs = options.saveTo === undefined ? null : saveTrace(options.saveTo, trace, drawn)
  return { seed: outcome.plan.seed, rule: trace.rule, message: trace.message, trace, savedAs }
}

/** Makes the plan of a failed run as small as `tries` attempts allow, keeping the rule that it breaks. */
export function shrunkTrace(
  outcome: Extract<Outcome, { ok: false }>,
  drawn: Scenario,
  options: { readonly tries: number; readonly onProgress?: (plan: Plan, tries: number) => void; readonly scenarioModule?: string | null },
): TraceFile {
  let last = outcome
  const fails = (plan: Plan): boolean => {
    const again = runPlan(plan, {}, drawn)
    if (again.ok || again.rule !== outcome.rule) return false
    last = again
    return true
  }
  const { tries, onProgress } = options
  const workload = workloadOf(drawn, outcome.plan.workload)
  const { plan } = shrink(outcome.plan, fails, { workload, triesMax: tries, ...(onProgress === undefined ? {} : { onProgress }) })
  return traceOf({ ...last, plan }, options.scenarioModule ?? null)
}

/** A failed run as it is saved. */
function traceOf({ plan, rule, error, hash }: Extract<Outcome, { ok: false }>, scenarioModule: string | null): TraceFile {
  return traceFile(plan, { rule, message: error.message, hash }, scenarioModule)
}

/** Writes NAME.json and NAME.html into the folder, and answers the path of the first. */
export function saveTrace(folder: string, trace: TraceFile, drawn: Scenario): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `seed-${trace.plan.seed}-${trace.rule.toLowerCase()}.json`)
  writeFileSync(path, formatTrace(trace))
  writeFileSync(path.replace(/\.json$/, '.html'), timelineOf(trace.plan, drawn))
  return path
}

/** The run of a plan as a self-contained HTML page. Cost: one run, and about 1 kB per message. */
export function timelineOf(plan: Plan, drawn: Scenario = everything): string {
  const recorder = new Recorder()
  const outcome = runPlan(plan, { recorder }, drawn)
  const failure = outcome.ok ? null : { rule: outcome.rule, text: outcome.error.message }
  const title = `${plan.scenario}, seed ${plan.seed}, trace ${outcome.hash}`
  return timelinePage(recorder.end(title, outcome.ok ? recorder.lastMs : outcome.atMs, failure))
}

/** Runs a saved trace (the text of its file, or what simulate() found) again, on your options. For regression tests: pin the file, and expect `ok`. Rejects with
 *  "argument-invalid" for what is no trace of this version, or belongs to another scenario. */
export async function replay(trace: string | TraceFile, options: SimulateOptions | Scenario = everything): Promise<SimulationReport> {
  const drawn = 'workloads' in options ? options : scenario(options)
  const file = typeof trace === 'string' ? parseTrace(trace, 'The trace') : trace
  const campaign = new Campaign(drawn)
  const outcome = runPlan(file.plan, {}, drawn)
  campaign.add(outcome)
  const failures: SimulatedFailure[] = []
  if (!outcome.ok) {
    const found = traceOf(outcome, file.scenarioModule)
    failures.push({ seed: file.plan.seed, rule: found.rule, message: found.message, trace: found, savedAs: null })
  }
  return report(campaign, failures)
}

function report(campaign: Campaign, failures: readonly SimulatedFailure[]): SimulationReport {
  const rare = failures.length === 0 ? campaign.rare() : []
  const ok = failures.length === 0 && rare.length === 0
  const lines = failures.map(describeFailure)
  if (rare.length > 0) lines.push(`hardly ever met, so that little is proved: ${rare.join('; ')}`)
  const text = [...lines, campaign.summary()].join('\n\n')
  return {
    ok,
    runs: campaign.runs,
    failures,
    rare,
    text,
    assertPassed() {
      if (!ok) throw new Error(text)
    },
  }
}

/** What a person needs to understand a failure: the rule, the decisions that are left, and how to run it again. */
export function describeFailure({ message, trace, savedAs }: Omit<SimulatedFailure, 'rule' | 'seed'>): string {
  const { plan } = trace
  const steps = [
    ...plan.faults.map((fault) => ({ atMs: fault.atMs, text: describeDecision('fault', fault) })),
    ...plan.actions.map(({ atMs, by, doc, edit }) => ({ atMs, text: `${by} edits ${doc}: ${JSON.stringify(edit)}` })),
  ].sort((a, b) => a.atMs - b.atMs)
  const links = plan.links.map(({ from, to, readOnly }) => `${from}-${to}${readOnly ? ' (read only)' : ''}`).join(', ')
  return [
    `seed ${plan.seed}: ${message}`,
    `  ${plan.replicas.length} replicas (${links}), ${plan.actions.length} edits, ${plan.faults.length} faults:`,
    ...steps.map(({ atMs, text }) => `  ${atMs.toFixed(0).padStart(7)} ms  ${text}`),
    savedAs === null
      ? '  replay: replay(report.failures[0].trace, ...), or give simulate() a folder in saveTo'
      : `  replay: npx syncline-sim --replay ${savedAs}${ofModule(trace)}`,
  ].join('\n')
}

/** Another scenario than Syncline's own has to be named, where the trace does not do it. */
function ofModule({ plan, scenarioModule }: TraceFile): string {
  return plan.scenario === everything.name || scenarioModule !== null ? '' : ' --scenario YOUR-MODULE'
}

function describeDecision(word: string, { kind, ...what }: { readonly kind: string; readonly atMs: number }): string {
  const entries = Object.entries(what).filter(([name]) => name !== 'atMs')
  const facts = entries.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return `${word}: ${[kind, ...facts].join(', ')}`
}
