// Runs become medians, and medians ratios: to the best peer and to each floor. Read by run.ts and report.ts.

import { entrants, type Entrant } from './entrants.ts'
import type { Figures, Scenario } from './scenarios.ts'

export interface Result {
  readonly scenario: string
  readonly entrant: string
  readonly quick: boolean
  readonly at: string
  /** Load average of the machine when it began. */
  readonly loadBefore: number
  readonly figures: Figures
  readonly failed: string | null
}

export interface Standing {
  readonly entrant: Entrant
  readonly runs: number
  /** Medians. */
  readonly figures: Figures
  /** How many times better than the best peer, and than each floor, in the main figure; null: there is none to compare. */
  readonly toPeer: number | null
  readonly toBroadcast: number | null
  readonly toCommit: number | null
}

export function standingsOf(scenario: Scenario, results: readonly Result[]): Standing[] {
  const rows = entrants.flatMap((entrant) => {
    const runs = results.filter((result) => result.scenario === scenario.name && result.entrant === entrant.label && result.failed === null)
    return runs.length === 0 ? [] : [{ entrant, runs: runs.length, figures: medians(runs.map(({ figures }) => figures)) }]
  })
  const best = (counts: (entrant: Entrant) => boolean): number | null => {
    const values = rows.filter((row) => counts(row.entrant)).flatMap(({ figures }) => figures[scenario.main] ?? [])
    if (values.length === 0) return null
    return scenario.better === 'more' ? Math.max(...values) : Math.min(...values)
  }
  const peer = best(({ kind }) => kind === 'peer')
  const broadcast = best(({ server }) => server === 'floor-broadcast')
  const commit = best(({ server }) => server === 'floor-commit')
  const ratio = (figures: Figures, to: number | null): number | null => {
    const value = figures[scenario.main] ?? null
    if (value === null || to === null || to === 0) return null
    return scenario.better === 'more' ? value / to : to / value
  }
  return rows.map((row) => ({
    ...row,
    toPeer: ratio(row.figures, peer),
    toBroadcast: ratio(row.figures, broadcast),
    toCommit: ratio(row.figures, commit),
  }))
}

export function printRatios(scenario: Scenario, results: readonly Result[]): void {
  console.log(`\n${scenario.title} (${scenario.unit}, ${scenario.better} is better)`)
  for (const { entrant, figures, toPeer, toBroadcast, toCommit, runs } of standingsOf(scenario, results)) {
    const value = figures[scenario.main] ?? null
    const times = (ratio: number | null): string => (ratio === null ? '-' : `${ratio.toFixed(2)}x`).padStart(8)
    console.log(
      `  ${entrant.label.padEnd(32)} ${(value === null ? '-' : String(Number(value.toPrecision(4)))).padStart(12)}  of the best peer ${times(toPeer)}  of the floors ${times(toBroadcast)} ${times(toCommit)}  (${runs} runs)`,
    )
  }
  console.log('')
}

function medians(runs: readonly Figures[]): Figures {
  const names = [...new Set(runs.flatMap((figures) => Object.keys(figures)))]
  return Object.fromEntries(names.map((name) => [name, median(runs.flatMap((figures) => figures[name] ?? []))]))
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
