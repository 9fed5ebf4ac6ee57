// Many seeds, one after another: what failed, what was met, how fast. Read by run.ts and simulation.test.ts. Rules: SM-1, SM-2.

import { performance } from 'node:perf_hooks'
import { Counters } from './counters.ts'
import { drawPlan, type Plan } from './plan.ts'
import { World, type RunResult } from './world.ts'

export type Outcome = { readonly plan: Plan } & (
  | { readonly ok: true; readonly result: RunResult }
  | { readonly ok: false; readonly error: Error; readonly counters: Counters }
)

export function replayCommand(seed: number): string {
  return `replay: pnpm sim --seed ${seed}`
}

/** Runs one seed from an empty world to equality. Never throws. */
export function runSeed(seed: number, print: ((line: string) => void) | null = null): Outcome {
  const plan = drawPlan(seed)
  const world = new World(plan, print)
  try {
    return { plan, ok: true, result: world.run() }
  } catch (error) {
    return { plan, ok: false, error: error instanceof Error ? error : new Error(String(error)), counters: world.counters }
  } finally {
    world.end()
  }
}

export class Campaign {
  readonly counters = new Counters()
  readonly failures: { readonly seed: number; readonly error: Error }[] = []
  runs = 0
  operationsMin = Infinity
  faultKindsMin = Infinity
  slowestCatchUpMs = 0
  readonly #startedAt = performance.now()
  #seconds = 0

  add(seed: number, outcome: Outcome): void {
    this.runs++
    this.#seconds = (performance.now() - this.#startedAt) / 1000
    if (!outcome.ok) {
      this.failures.push({ seed, error: outcome.error })
      this.counters.merge(outcome.counters)
      return
    }
    const { result } = outcome
    this.counters.merge(result.counters)
    this.operationsMin = Math.min(this.operationsMin, result.operations)
    this.faultKindsMin = Math.min(this.faultKindsMin, result.faults.size)
    this.slowestCatchUpMs = Math.max(this.slowestCatchUpMs, result.caughtUpMs)
  }

  get seconds(): number {
    return this.#seconds
  }

  summary(): string {
    const rate = (this.runs / this.#seconds).toFixed(1)
    return (
      `${this.runs} seeds in ${this.#seconds.toFixed(1)} s (${rate}/s), ${this.failures.length} failed; at least ${this.operationsMin} operations and ` +
      `${this.faultKindsMin} kinds of fault each; slowest catch-up ${(this.slowestCatchUpMs / 1000).toFixed(1)} s of virtual time`
    )
  }
}

export function campaign(from: number, runs: number, onProgress: (campaign: Campaign) => void = () => undefined): Campaign {
  const done = new Campaign()
  for (let seed = from; seed < from + runs; seed++) {
    done.add(seed, runSeed(seed))
    if (seed % 10 === 0) onProgress(done)
  }
  return done
}
