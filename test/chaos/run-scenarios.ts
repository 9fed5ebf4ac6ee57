// Runs scenarios one after another, each in a scene of its own, with a deadline, and tells how each ended. Whatever happens, the processes and folders of a
// scenario are gone before the next one begins. Read by run.ts and by the tests of single scenarios.

import { nodeClock } from '@syncline/replica/ws'
import type { Scenario, ScenarioResult } from './scenario.ts'
import { Scene, type SceneOptions } from './scene.ts'

export interface Outcome {
  readonly scenario: Scenario
  readonly result: ScenarioResult
  readonly tookMs: number
}

/** Runs one. Never rejects. Aborting the signal ends it as failed, with its processes. */
export async function runScenario(scenario: Scenario, options: SceneOptions, signal?: AbortSignal): Promise<Outcome> {
  const clock = nodeClock()
  const began = clock.now()
  const scene = new Scene(options)
  const kill = (): void => scene.killAll()
  signal?.addEventListener('abort', kill)
  try {
    const result = await bounded(scenario, scene, signal)
    return { scenario, result, tookMs: clock.now() - began }
  } finally {
    await scene.end()
    signal?.removeEventListener('abort', kill)
  }
}

async function bounded(scenario: Scenario, scene: Scene, signal: AbortSignal | undefined): Promise<ScenarioResult> {
  const failed = (observed: string): ScenarioResult => ({ ok: false, observed })
  let cancel: () => void = () => undefined
  const late = new Promise<ScenarioResult>((resolve) => {
    cancel = nodeClock().after(scenario.deadlineMs, () => resolve(failed(`did not end within ${scenario.deadlineMs / 1000} s`)))
  })
  const stopped = new Promise<ScenarioResult>((resolve) => {
    if (signal?.aborted === true) resolve(failed('interrupted'))
    else signal?.addEventListener('abort', () => resolve(failed('interrupted')), { once: true })
  })
  // Once the race is decided otherwise, nobody waits for it any more.
  const run = scenario.run(scene).catch((error: unknown) => failed(error instanceof Error ? error.message : String(error)))
  try {
    return await Promise.race([run, late, stopped])
  } finally {
    cancel()
  }
}

/** The table at the end of a run. */
export function outcomeTable(outcomes: readonly Outcome[]): string {
  return table(
    ['id', 'ok', 'seconds', 'fault', 'expected', 'observed'],
    outcomes.map(({ scenario: { id, fault, expected }, result, tookMs }) => [
      id,
      word(result),
      (tookMs / 1000).toFixed(1),
      fault,
      expected,
      observed(result),
    ]),
  )
}

/** The table of docs/faults.md, with what was observed. */
export function faultsTable(outcomes: readonly Outcome[]): string {
  return table(
    ['id', 'fault', 'how', 'expected outcome', 'last measured result'],
    outcomes.map(({ scenario: { id, fault, how, expected }, result }) => [`\`${id}\``, fault, how, expected, observed(result)]),
  )
}

function observed(result: ScenarioResult): string {
  return result.skipped === undefined ? result.observed : `skipped: ${result.skipped}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

export function word({ ok, skipped }: ScenarioResult): 'yes' | 'NO' | 'skipped' {
  if (skipped !== undefined) return 'skipped'
  return ok ? 'yes' : 'NO'
}
