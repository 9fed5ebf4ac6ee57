// Replicas that sync with each other over real sockets, each in a process of its own, fully meshed or in a ring, and all of them written to. Measured at an even light rate, where
// every frame is looked into: how long an edit takes to everybody, and how often it is sent; and as fast as the stores take it: edits a second until all are equal.

import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { own, temporaryFolder } from '../clean-up.ts'
import { pause } from '../peers/load-client.ts'
import { percentile } from '../slope.ts'
import { ask, nowMs, type CallName, type Options, type Report, type Written } from './member-calls.ts'

export type MeshShape = 'full' | 'ring'

export interface MeshOptions {
  readonly replicas: number
  readonly shape: MeshShape
  readonly documents: number
  /** Edits a second of all together, and for how long. */
  readonly light: { readonly perSecond: number; readonly ms: number }
  readonly heavy: { readonly inFlight: number; readonly ms: number }
}

export interface MeshResult {
  readonly links: number
  /** Of one replica that is not written to: ticks, and verification with each of its links. */
  readonly idleCpuMsPerSecond: number
  /** At the light rate. */
  readonly light: MeshLoad & {
    /** From the instant at which an edit was due to its delivery at another replica: of all deliveries. */
    readonly p50Ms: number
    readonly p99Ms: number
    /** Copies of an edit that came to a replica other than its author: 1 is none too many. */
    readonly copies: number
  }
  readonly heavy: MeshLoad & {
    readonly editsPerSecond: number
    /** From the last edit until all were equal. */
    readonly convergedMs: number
  }
}

export interface MeshLoad {
  readonly edits: number
  /** Sent between replicas, of all links together; payload bytes. */
  readonly framesPerEdit: number
  readonly bytesPerEdit: number
  /** Of all replicas, with what they take when they are idle. */
  readonly cpuMsPerEdit: number
}

const IDLE_MS = 3_000
const EQUAL_WITHIN_MS = 180_000
const memberFile = fileURLToPath(import.meta.resolve('./member.ts'))

export async function mesh(options: MeshOptions, progress: (line: string) => void): Promise<MeshResult> {
  const folder = temporaryFolder()
  const { replicas, shape, documents, light, heavy } = options
  const members = Array.from({ length: replicas }, () => own(fork(memberFile, { execArgv: process.execArgv, cwd: folder.path })))
  const all = <C extends CallName>(call: C, of: (number: number) => Options<C>) =>
    Promise.all(members.map((member, number) => ask(member, call, of(number))))
  try {
    progress(`${replicas} replicas start`)
    const opened = await all('open', (number) => ({ path: join(folder.path, `${number}.db`), number, documents }))
    const links = linksOf(shape, replicas)
    for (const [number, member] of members.entries()) {
      const ports = links.filter(([from]) => from === number).map(([, to]) => opened[to]!.port)
      await ask(member, 'dial', { ports })
    }
    // Every document is known to all, and code is warm.
    await all('hurry', () => ({ inFlight: 4, ms: 500 }))
    await equal(members)
    progress('idle')
    await all('count', () => ({ decode: false }))
    await pause(IDLE_MS)
    const idle = await all('report', () => null)
    progress(`${light.perSecond} edits a second`)
    await all('count', () => ({ decode: true }))
    const typed = await all('type', () => ({ perSecond: light.perSecond / replicas, ms: light.ms }))
    await equal(members)
    const lightReports = await all('report', () => null)
    progress('as fast as it goes')
    await all('count', () => ({ decode: false }))
    const startedAt = nowMs()
    const hurried = await all('hurry', () => ({ inFlight: heavy.inFlight, ms: heavy.ms }))
    const writtenAt = nowMs()
    await equal(members)
    const equalAt = nowMs()
    const heavyReports = await all('report', () => null)
    const heavyLoad = loadOf(hurried, heavyReports)
    return {
      links: links.length,
      idleCpuMsPerSecond: (idle.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / replicas / IDLE_MS) * 1000,
      light: { ...loadOf(typed, lightReports), ...deliveriesOf(typed, lightReports) },
      heavy: { ...heavyLoad, editsPerSecond: (heavyLoad.edits * 1000) / (equalAt - startedAt), convergedMs: equalAt - writtenAt },
    }
  } finally {
    for (const member of members) member.kill('SIGKILL')
    folder.remove()
  }
}

function linksOf(shape: MeshShape, replicas: number): [from: number, to: number][] {
  const numbers = Array.from({ length: replicas }, (_, number) => number)
  if (shape === 'full') return numbers.flatMap((from) => numbers.slice(from + 1).map((to): [number, number] => [from, to]))
  return numbers.slice(0, replicas === 2 ? 1 : replicas).map((from) => [from, (from + 1) % replicas])
}

/** Resolves when all roots are equal. Asking costs each replica some microseconds. */
async function equal(members: readonly ChildProcess[]): Promise<void> {
  const until = nowMs() + EQUAL_WITHIN_MS
  for (;;) {
    const roots = new Set(await Promise.all(members.map((member) => ask(member, 'root', null))))
    if (roots.size === 1) return
    if (nowMs() > until) throw new Error(`after ${EQUAL_WITHIN_MS} ms there are ${roots.size} different roots`)
    await pause(20)
  }
}

function loadOf(written: readonly Written[], reports: readonly Report[]): MeshLoad {
  const edits = written.reduce((sum, { dueAt }) => sum + dueAt.length, 0)
  const each = (of: (report: Report) => number): number => reports.reduce((sum, report) => sum + of(report), 0) / edits
  return {
    edits,
    framesPerEdit: each(({ framesIn }) => framesIn),
    bytesPerEdit: each(({ bytesIn }) => bytesIn),
    cpuMsPerEdit: each(({ cpuMs }) => cpuMs),
  }
}

function deliveriesOf(written: readonly Written[], reports: readonly Report[]): { p50Ms: number; p99Ms: number; copies: number } {
  const took: number[] = []
  for (const { arrivals } of reports) {
    for (let at = 0; at < arrivals.length; at += 3) {
      const { firstClock, dueAt } = written[arrivals[at]!]!
      const due = dueAt[arrivals[at + 1]! - firstClock]
      if (due !== undefined) took.push(arrivals[at + 2]! - due)
    }
  }
  const edits = written.reduce((sum, { dueAt }) => sum + dueAt.length, 0)
  const due = edits * (reports.length - 1)
  if (took.length !== due) throw new Error(`of ${due} deliveries there were ${took.length}`)
  took.sort((a, b) => a - b)
  const copies = reports.reduce((sum, { updatesIn }) => sum + updatesIn, 0) / due
  return { p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99), copies }
}
