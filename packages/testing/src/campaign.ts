// Many seeds, one after another: what failed, what was met, how fast. Read by simulate.ts, the command line and the tests. Rules: SM-1, SM-2.

import { performance } from 'node:perf_hooks'
import { drawPlan } from './plan/draw-plan.ts'
import type { Plan } from './plan/plan.ts'
import { everything, expectedSituations, type Scenario } from './scenario.ts'
import { Counters, RUNS_FOR_SHARES, type CountersJson } from './situations.ts'
import { ruleOf } from './violation.ts'
import type { TraceSinks } from './world/trace.ts'
import { World, type RunResult } from './world/world.ts'

/** `hash`: of the trace of the run, up to where it ended. */
export type Outcome = { readonly plan: Plan; readonly counters: Counters; readonly hash: string } & (
  | { readonly ok: true; readonly result: RunResult }
  | { readonly ok: false; readonly rule: string; readonly error: Error; readonly atMs: number }
)

/** Runs one seed from an empty world to equality. Never throws what a run throws. */
export function runSeed(seed: number, sinks: TraceSinks = {}, scenario: Scenario = everything): Outcome {
  return runPlan(drawPlan(scenario, seed), sinks, scenario)
}

/** Runs one plan. Throws "argument-invalid" for a plan that names what the scenario does not have. */
export function runPlan(plan: Plan, sinks: TraceSinks = {}, scenario: Scenario = everything): Outcome {
  const world = new World(scenario, plan, sinks)
  const { counters } = world
  try {
    const result = world.run()
    world.end()
    return { plan, counters, hash: result.hash, ok: true, result }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    endFailed(world)
    return { plan, counters, hash: world.trace.hash(), ok: false, rule: ruleOf(error), error, atMs: world.nowMs }
  }
}

/** An engine that broke a rule may not be able to end in order: what it did before is what counts. */
function endFailed(world: World): void {
  try {
    world.end()
  } catch {
    return
  }
}

export interface CampaignFailure {
  readonly seed: number
  readonly rule: string
  readonly message: string
}

/** A campaign as plain data: what worker processes send home. */
export interface CampaignJson {
  readonly runs: number
  readonly counters: CountersJson
  readonly failures: readonly CampaignFailure[]
  readonly operationsMin: number
  readonly faultKindsMin: number
  readonly replicasMin: number
  readonly replicasMax: number
  readonly slowestCatchUpMs: number
}

export class Campaign {
  readonly scenario: Scenario
  readonly counters = new Counters()
  readonly failures: CampaignFailure[] = []
  runs = 0
  operationsMin = Infinity
  faultKindsMin = Infinity
  replicasMin = Infinity
  replicasMax = 0
  slowestCatchUpMs = 0
  readonly #startedAt = performance.now()
  #seconds = 0

  constructor(scenario: Scenario = everything) {
    this.scenario = scenario
  }

  add(outcome: Outcome): void {
    const { plan, counters } = outcome
    this.runs++
    this.#seconds = (performance.now() - this.#startedAt) / 1000
    this.counters.mergeRun(counters)
    this.replicasMin = Math.min(this.replicasMin, plan.replicas.length)
    this.replicasMax = Math.max(this.replicasMax, plan.replicas.length)
    if (!outcome.ok) {
      this.failures.push({ seed: plan.seed, rule: outcome.rule, message: outcome.error.message })
      return
    }
    const { result } = outcome
    this.operationsMin = Math.min(this.operationsMin, result.operations)
    this.faultKindsMin = Math.min(this.faultKindsMin, result.faults.size)
    this.slowestCatchUpMs = Math.max(this.slowestCatchUpMs, result.caughtUpMs)
  }

  /** Adds what another process ran. */
  merge(json: CampaignJson): void {
    this.runs += json.runs
    this.#seconds = (performance.now() - this.#startedAt) / 1000
    this.counters.mergeCampaign(json.counters)
    this.failures.push(...json.failures)
    this.operationsMin = Math.min(this.operationsMin, json.operationsMin)
    this.faultKindsMin = Math.min(this.faultKindsMin, json.faultKindsMin)
    this.replicasMin = Math.min(this.replicasMin, json.replicasMin)
    this.replicasMax = Math.max(this.replicasMax, json.replicasMax)
    this.slowestCatchUpMs = Math.max(this.slowestCatchUpMs, json.slowestCatchUpMs)
  }

  toJSON(): CampaignJson {
    const { runs, failures, operationsMin, faultKindsMin, replicasMin, replicasMax, slowestCatchUpMs } = this
    return { runs, counters: this.counters.toJSON(), failures, operationsMin, faultKindsMin, replicasMin, replicasMax, slowestCatchUpMs }
  }

  get seconds(): number {
    return this.#seconds
  }

  /** Situations that fewer than 1 % of the runs met; none while the runs are too few to say. */
  rare(): string[] {
    return this.runs < RUNS_FOR_SHARES ? [] : this.counters.rare(expectedSituations(this.scenario), this.runs)
  }

  table(): string {
    return this.counters.table(expectedSituations(this.scenario), this.runs)
  }

  summary(): string {
    const rate = (this.runs / this.#seconds).toFixed(1)
    const held = this.runs - this.failures.length
    if (held === 0) return `${this.runs} seeds in ${this.#seconds.toFixed(1)} s (${rate}/s), no seed held`
    return (
      `${this.runs} seeds in ${this.#seconds.toFixed(1)} s (${rate}/s), ${this.failures.length} failed; ${this.replicasMin} to ${this.replicasMax} replicas, ` +
      `at least ${this.operationsMin} operations and ${this.faultKindsMin} kinds of fault each; slowest catch-up ${(this.slowestCatchUpMs / 1000).toFixed(1)} s of virtual time`
    )
  }
}

/** Runs the seeds from `from`, as many as `runs`, in this process. */
export function campaign(
  from: number,
  runs: number,
  options: { readonly scenario?: Scenario; readonly onProgress?: (campaign: Campaign) => void } = {},
): Campaign {
  const scenario = options.scenario ?? everything
  const done = new Campaign(scenario)
  for (let seed = from; seed < from + runs; seed++) {
    done.add(runSeed(seed, {}, scenario))
    if (done.runs % 10 === 0) options.onProgress?.(done)
  }
  return done
}
