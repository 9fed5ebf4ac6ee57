// Which structs of one update can be integrated, in an order that meets every reference: the runs of an update refer to each other, and Yjs
// integrates each client's structs in clock order. Decides, per client, up to which clock the update is admissible now.
// Depth-first along unmet references, each visited once; a reference back into the path can never be met.
// Read by update-judge.ts (all or nothing) and update-parts.ts (as much as possible). Rules: IN-1.

import type { Knowledge } from './knowledge.ts'
import type { UpdateFacts } from './update-facts.ts'

export interface IntegrationPlan {
  /** Per client of the update: everything below this clock is known, or can be integrated now. */
  readonly frontier: ReadonlyMap<number, number>
  /** Everything can. */
  readonly complete: boolean
  /** The first id that some struct needs and neither side has; null when there is none. */
  readonly missing: { readonly client: number; readonly clock: number } | null
  /** Some structs wait for each other. */
  readonly circular: boolean
}

const IDLE = 0
const ON_PATH = 1
const STUCK = 2

/** One client's part of the update and how far it got. */
interface Run {
  readonly client: number
  /** Offset in facts.structs of the range under way, and of the range after the last. */
  range: number
  readonly rangesEnd: number
  /** Offset in facts.dependencies of the next one to meet, and after the last. */
  dependency: number
  dependenciesEnd: number
  /** Everything below it is known or can be integrated. */
  frontier: number
  /** The clock that the run before it on the path waits for. */
  target: number
  state: typeof IDLE | typeof ON_PATH | typeof STUCK
}

/** Plans one update against what the document has. Cost: linear in the facts. */
export function planIntegration(facts: UpdateFacts, knowledge: Knowledge): IntegrationPlan {
  const runs = collectRuns(facts, knowledge)
  const found: { missing: IntegrationPlan['missing']; circular: boolean } = { missing: null, circular: false }
  for (const run of runs.values()) {
    if (run.state === IDLE) settle(run, runs, facts, knowledge, found)
  }
  const frontier = new Map<number, number>()
  let complete = true
  for (const run of runs.values()) {
    frontier.set(run.client, run.frontier)
    if (run.range < run.rangesEnd) complete = false
  }
  return { frontier, complete, ...found }
}

function collectRuns(facts: UpdateFacts, knowledge: Knowledge): Map<number, Run> {
  const { structs, dependencies, dependents } = facts
  const runs = new Map<number, Run>()
  let dependency = 0
  for (let range = 0, rangesEnd = 0; range < structs.length; range = rangesEnd) {
    const client = structs[range]!
    while (rangesEnd < structs.length && structs[rangesEnd] === client) rangesEnd += 3
    const first = dependency
    while (dependency < dependencies.length && dependents[dependency] === client) dependency += 2
    const frontier = knowledge.clockOf(client)
    runs.set(client, { client, range, rangesEnd, dependency: first, dependenciesEnd: dependency, frontier, target: Infinity, state: IDLE })
  }
  return runs
}

function settle(
  start: Run,
  runs: ReadonlyMap<number, Run>,
  facts: UpdateFacts,
  knowledge: Knowledge,
  found: { missing: IntegrationPlan['missing']; circular: boolean },
): void {
  const path = [start]
  start.state = ON_PATH
  start.target = Infinity
  while (path.length > 0) {
    const run = path[path.length - 1]!
    if (advance(run, runs, facts, knowledge)) {
      run.state = IDLE
      path.pop()
      continue
    }
    const gap = facts.structs[run.range + 1]! > run.frontier
    const client = gap ? run.client : facts.dependencies[run.dependency]!
    const clock = gap ? run.frontier : facts.dependencies[run.dependency + 1]!
    const needed = gap ? undefined : runs.get(client)
    if (needed !== undefined && needed.state === IDLE && needed.range < needed.rangesEnd && clock < facts.structs[needed.rangesEnd - 1]!) {
      needed.state = ON_PATH
      needed.target = clock
      path.push(needed)
      continue
    }
    if (needed === undefined || needed.state === IDLE) found.missing ??= { client, clock }
    else if (needed.state === ON_PATH) found.circular = true
    run.state = STUCK
    path.pop()
  }
}

/** Takes a run as far as what is met allows. True when its target is reached or it is at its end; else its next range or dependency is unmet. */
function advance(run: Run, runs: ReadonlyMap<number, Run>, facts: UpdateFacts, knowledge: Knowledge): boolean {
  const { structs, dependencies, dependents } = facts
  while (run.range < run.rangesEnd) {
    if (run.frontier > run.target) return true
    if (structs[run.range + 1]! > run.frontier) return false
    const end = structs[run.range + 2]!
    if (run.dependency < run.dependenciesEnd && dependents[run.dependency + 1]! < end) {
      run.frontier = Math.max(run.frontier, dependents[run.dependency + 1]!)
      if (run.frontier > run.target) return true
      const client = dependencies[run.dependency]!
      const has = runs.get(client)?.frontier ?? knowledge.clockOf(client)
      if (has <= dependencies[run.dependency + 1]!) return false
      run.dependency += 2
    } else {
      run.frontier = Math.max(run.frontier, end)
      run.range += 3
    }
  }
  return true
}
