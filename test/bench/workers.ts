// `syncline serve` with one process and with two workers: eight spaces in which ten people each type and read along, as fast as acknowledgements come back, and a crowd that
// connects at once. The people are in this process, which takes its share of the same cores: what it takes is told, and where it is more than half a core the ratio says
// more about this process than about the relay. What counts then is the processor time of a delivery.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRelay, type RelayProcess } from '../integration/relay-process.ts'
import { LoadClient, openClients, pause } from './peers/load-client.ts'
import { cpuMsOf } from './peers/server-process.ts'
import type { Figure, Progress } from './report.ts'

export interface WorkersOptions {
  readonly spaces: number
  readonly peopleEach: number
  /** Updates of one person that are not acknowledged yet. */
  readonly outstanding: number
  readonly seconds: number
  /** Connections that come at once. */
  readonly crowd: number
  readonly rounds: number
}

export const WORKERS: WorkersOptions = { spaces: 8, peopleEach: 10, outstanding: 4, seconds: 15, crowd: 2_000, rounds: 3 }

interface Round {
  readonly deliveriesPerSecond: number
  readonly commitsPerSecond: number
  readonly cpuUsPerDelivery: number
  readonly relayCores: number
  readonly generatorCores: number
  readonly openedPerSecond: number
  /** Of a connection that is accepted, handed over and served its first document. */
  readonly cpuMsPerOpen: number
}

export async function workersScenario(options: WorkersOptions, progress: Progress): Promise<Figure[]> {
  const rounds: Record<1 | 2, Round[]> = { 1: [], 2: [] }
  for (let round = 0; round < options.rounds; round++) {
    for (const workers of [1, 2] as const) {
      progress(`round ${round + 1} of ${options.rounds}: ${workers === 1 ? 'one process' : '2 workers'}`)
      rounds[workers].push(await measured(workers, options))
    }
  }
  const of = (workers: 1 | 2, field: keyof Round): number => median(rounds[workers].map((round) => round[field]))
  const both = (words: string, field: keyof Round, unit: string, digits = 0): Figure[] =>
    ([1, 2] as const).map((workers) => ({
      name: `${words}, ${workers === 1 ? 'one process' : '2 workers'}`,
      value: Number(of(workers, field).toFixed(digits)),
      unit,
    }))
  const ratio = (words: string, field: keyof Round): Figure => ({
    name: `${words}, 2 workers to one process`,
    value: Number((of(2, field) / of(1, field)).toFixed(2)),
    unit: 'x',
  })
  return [
    ...both('delivered', 'deliveriesPerSecond', 'updates/s'),
    ratio('delivered', 'deliveriesPerSecond'),
    ...both('acknowledged', 'commitsPerSecond', 'updates/s'),
    ...both('processor time of a delivery', 'cpuUsPerDelivery', 'us', 2),
    ratio('processor time of a delivery', 'cpuUsPerDelivery'),
    ...both('cores that the relay used', 'relayCores', 'cores', 2),
    ...both('cores that the people used', 'generatorCores', 'cores', 2),
    ...both('connections opened at once', 'openedPerSecond', 'a second'),
    ...both('processor time of an opened connection', 'cpuMsPerOpen', 'ms', 2),
  ]
}

async function measured(workers: number, options: WorkersOptions): Promise<Round> {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-bench-'))
  const limits = ['--limits-connections-max', '20000']
  const args = ['--space-prefix', '/s/', '--insecure', '--log-level', 'error', '--workers', String(workers), ...limits, ...NO_RATES]
  const relay = await startRelay(folder, { args })
  try {
    const typing = await typed(relay, options)
    return { ...typing, ...(await crowded(relay, options)) }
  } finally {
    await relay.end('SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** People who type as fast as this are no people. */
const NO_RATES = ['connection', 'subject', 'document', 'space'].flatMap((bound) => [
  `--limits-${bound}-messages-per-second-max`,
  '10000000',
])
const WARM_UP_MS = 2_000

async function typed(
  relay: RelayProcess,
  { spaces, peopleEach, outstanding, seconds }: WorkersOptions,
): Promise<Omit<Round, 'openedPerSecond' | 'cpuMsPerOpen'>> {
  let deliveries = 0
  let acknowledged = 0
  let typing = true
  const clients = await openClients(
    Array.from({ length: spaces * peopleEach }, (_, writer) => ({
      ...{ port: relay.port, dialect: 'y-websocket' as const, doc: `s/space-${writer % spaces}/room`, writer },
      onLetters: (client: LoadClient, author: number, _clock: number, count: number): void => {
        if (author !== client.options.writer) deliveries += count
      },
      onAcknowledged: (client: LoadClient, count: number): void => {
        acknowledged += count
        if (typing) for (let at = 0; at < count; at++) client.type()
      },
    })),
  )
  for (const client of clients) for (let at = 0; at < outstanding; at++) client.type()
  await pause(WARM_UP_MS)
  const before = { deliveries, acknowledged, cpu: cpuOfAll(relay.pid), own: process.cpuUsage(), at: performance.now() }
  await pause(seconds * 1000)
  const ms = performance.now() - before.at
  const cpuMs = cpuOfAll(relay.pid) - before.cpu
  const { user, system } = process.cpuUsage(before.own)
  const delivered = deliveries - before.deliveries
  const saved = acknowledged - before.acknowledged
  typing = false
  for (const client of clients) client.destroy()
  return {
    deliveriesPerSecond: delivered / (ms / 1000),
    commitsPerSecond: saved / (ms / 1000),
    cpuUsPerDelivery: (cpuMs * 1000) / delivered,
    relayCores: cpuMs / ms,
    generatorCores: (user + system) / 1000 / ms,
  }
}

async function crowded(relay: RelayProcess, { spaces, crowd }: WorkersOptions): Promise<Pick<Round, 'openedPerSecond' | 'cpuMsPerOpen'>> {
  const cpu = cpuOfAll(relay.pid)
  const from = performance.now()
  const clients = Array.from(
    { length: crowd },
    (_, at) => new LoadClient({ port: relay.port, dialect: 'y-websocket', doc: `s/space-${at % spaces}/empty-${at}`, writer: at }),
  )
  await Promise.all(clients.map(({ greeted }) => greeted))
  const seconds = (performance.now() - from) / 1000
  const cpuMs = cpuOfAll(relay.pid) - cpu
  for (const client of clients) client.destroy()
  return { openedPerSecond: crowd / seconds, cpuMsPerOpen: cpuMs / crowd }
}

/** Of the process with the port and its workers. */
function cpuOfAll(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')
  return [pid, ...children.filter((child) => child !== '').map(Number)].reduce((sum, one) => sum + cpuMsOf(one), 0)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
