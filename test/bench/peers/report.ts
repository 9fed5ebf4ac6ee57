// Results as people read them: docs/performance/peers.json (every run), one SVG chart per scenario beside it, and the tables of the section "Against others" in
// docs/performance.md, between its two markers.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { barChart } from './bar-chart.ts'
import { standingsOf, type Result, type Standing } from './ratios.ts'
import { scenarios, type Scenario } from './scenarios.ts'

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const page = join(root, 'docs', 'performance.md')
const folder = join(root, 'docs', 'performance')
const BEGIN = '<!-- peers: begin. Made by test/bench/peers/run.ts --report -->'
const END = '<!-- peers: end -->'

/** Columns beside the main figure. */
const COLUMNS: Readonly<Record<string, string>> = {
  lightCpuUsPerDelivery: 'µs of server CPU a delivery, light load',
  cpuUsPerDelivery: 'µs of server CPU a delivery, at that load',
  generatorCpu: 'load generator busy',
  p50AtFifthMs: 'p50 at a fifth of it, ms',
  p99AtFifthMs: 'p99 at a fifth of it, ms',
  ackP50Ms: 'ack p50, ms',
  ackP99Ms: 'ack p99, ms',
  cpuUsPerUpdate: 'µs of server CPU an update',
  acknowledged: 'acknowledged before the kill',
  lost: 'of these lost',
  diskBytes: 'bytes on disk',
  emptyBytes: 'of these in an empty folder',
  diskTimesDocument: 'the rest, times the encoded document',
  quietAfterSeconds: 'quiet after, s',
  ingestSeconds: 'typed in, s',
  sentBytes: 'bytes that it is sent',
  returnCpuMs: 'ms of server CPU',
  returnColdMs: 'ms when the server has just started',
  returnColdCpuMs: 'ms of server CPU then',
  bringMs: 'ms until another has what it made itself',
  bringBytes: 'bytes that it brings',
  bringCpuMs: 'ms of server CPU for these',
  baseMib: 'resident before, MiB',
  medianClientMs: 'median client, ms',
  cpuMsEach: 'ms of server CPU a client',
  perSecond: 'a second',
  kibEach: 'KiB resident a document',
  fixedMib: 'fixed, MiB',
  mib: 'resident at the end, MiB',
  opened: 'documents',
}

export function writeReport(results: readonly Result[]): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'peers.json'), `${JSON.stringify(results, null, 2)}\n`)
  const sections = scenarios.flatMap((scenario) => {
    const standings = standingsOf(scenario, results)
    if (standings.length === 0) return []
    const chart = `peers-${scenario.name}.svg`
    writeFileSync(join(folder, chart), chartOf(scenario, standings))
    return [`### ${scenario.title}\n\n![${scenario.title}](performance/${chart})\n\n${tableOf(scenario, standings)}`]
  })
  const text = readFileSync(page, 'utf8')
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (from < 0 || to < 0) throw new Error(`docs/performance.md lacks its markers ${BEGIN} and ${END}`)
  writeFileSync(page, `${text.slice(0, from + BEGIN.length)}\n\n${sections.join('\n\n')}\n\n${text.slice(to)}`)
}

function chartOf({ title, unit, better, main }: Scenario, standings: readonly Standing[]): string {
  return barChart(
    `${title}: ${unit}, ${better} is better`,
    standings.map(({ entrant, figures }) => ({
      label: entrant.label,
      kind: entrant.kind,
      value: figures[main] ?? 0,
      words: numberOf(figures[main] ?? null),
    })),
  )
}

function tableOf({ main, unit, better }: Scenario, standings: readonly Standing[]): string {
  const extra = Object.keys(COLUMNS).filter((name) => name !== main && standings.some(({ figures }) => (figures[name] ?? null) !== null))
  const head = [
    '',
    `${unit} (${better} is better)`,
    'of the best peer',
    'of floor: broadcast',
    'of floor: commit',
    ...extra.map((name) => COLUMNS[name]!),
    'runs',
  ]
  const rows = standings.map(({ entrant, figures, toPeer, toBroadcast, toCommit, runs }) => [
    entrant.label,
    numberOf(figures[main] ?? null),
    ...[toPeer, toBroadcast, toCommit].map((ratio) => (ratio === null ? '' : `${ratio.toFixed(2)}x`)),
    ...extra.map((name) => numberOf(figures[name] ?? null)),
    String(runs),
  ])
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Three digits that mean something. */
function numberOf(value: number | null): string {
  if (value === null) return ''
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}
