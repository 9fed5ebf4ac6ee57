// pnpm bench --only spaces: a relay at `disk` durability with so many spaces in use at a time, each a store of its own behind one writer thread. The same writers, spread over
// them: at an even light rate, and each with one update unacknowledged, so that commits of different spaces are what differs. The second lasts long enough for compaction sweeps, and tells
// the seconds in which there was one from the others.

import { LIMITS } from '@syncline/protocol'
import { oneEdit } from './bench-replica.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { markdownTable } from './markdown-table.ts'
import { openClients, pause, type LoadClient } from './peers/load-client.ts'
import { pinGenerator, startServer, type ServerProcess } from './peers/server-process.ts'
import { relayMetrics, WITH_METRICS, type RelayMetrics } from './relay-metrics.ts'
import type { Progress } from './report.ts'

interface SpacesSize {
  readonly spaces: number
  readonly writers: number
  readonly lightPerSecond: number
  readonly lightMs: number
  readonly hurryMs: number
}

interface SpacesResult {
  readonly openSeconds: number
  readonly mibEach: number
  readonly mib: number
  readonly light: LatencyHistogram
  readonly perSecond: number
  readonly cpuUs: number
  readonly commitsPerSecond: number
  readonly hurried: LatencyHistogram
  readonly sweeping: LatencyHistogram
  readonly sweeps: number
}

export async function spacesScenario(quick: boolean, progress: Progress): Promise<void> {
  pinGenerator()
  const sizes = quick ? [1, 10, 100] : [1, 100, 1_000]
  const results: SpacesResult[] = []
  for (const spaces of sizes) {
    const size = { spaces, writers: quick ? 100 : 1_000, lightPerSecond: quick ? 50 : 200, lightMs: quick ? 2_000 : 20_000 }
    const words = (line: string): void => progress(`${spaces} space${spaces === 1 ? '' : 's'}: ${line}`)
    results.push(await activeSpaces({ ...size, hurryMs: quick ? 2_000 : 75_000 }, words))
  }
  const row = (name: string, of: (result: SpacesResult) => number | null): { name: string; values: (number | null)[] } => ({
    name,
    values: results.map(of),
  })
  console.log(
    markdownTable({
      title: `Active spaces, ${quick ? 100 : 1_000} writers over all of them`,
      cases: sizes.map((spaces) => spaces.toLocaleString('en')),
      sizes,
      rows: [
        row('all spaces open and all writers synced, s', ({ openSeconds }) => openSeconds),
        row('resident, MiB', ({ mib }) => mib),
        row('resident per space beyond an empty relay, MiB', ({ mibEach }) => mibEach),
        row(`${quick ? 50 : 200} edits/s of all together: ack p50, ms`, ({ light }) => light.percentile(0.5)),
        row('ack p99, ms', ({ light }) => light.percentile(0.99)),
        row('each writer one edit unacknowledged: edits/s', ({ perSecond }) => perSecond),
        row('commits/s of all stores', ({ commitsPerSecond }) => commitsPerSecond),
        row('ack p50, ms', ({ hurried }) => hurried.percentile(0.5)),
        row('ack p99, ms', ({ hurried }) => hurried.percentile(0.99)),
        row('relay CPU per edit, us', ({ cpuUs }) => cpuUs),
        row('compaction sweeps meanwhile', ({ sweeps }) => sweeps),
        row('ack p99 in seconds with a sweep, ms', ({ sweeping }) => sweeping.percentile(0.99)),
      ],
    }),
  )
}

const DUE_BYTES = LIMITS.tailBytesDue + 1_024
const MANY = String(1_000_000)
const RAISED = ['connection-messages-per-second', 'document-messages-per-second', 'spaces-open'].flatMap((bound) => [
  `--limits-${bound}-max`,
  MANY,
])

async function activeSpaces(size: SpacesSize, progress: (line: string) => void): Promise<SpacesResult> {
  const { spaces, writers } = size
  const relay = await startServer('syncline', { serveArgs: ['--insecure', '--space-prefix', '/s/', ...RAISED, ...WITH_METRICS] })
  try {
    const metrics = await relayMetrics(relay)
    const emptyKib = relay.rssKib()
    const typists = new Typists()
    progress('opening')
    const startedAt = performance.now()
    await typists.open(relay, spaces, writers)
    const openSeconds = (performance.now() - startedAt) / 1000
    progress(`${size.lightPerSecond} edits a second`)
    await typists.evenly(size.lightPerSecond, Math.min(2_000, size.lightMs))
    const light = await typists.evenly(size.lightPerSecond, size.lightMs)
    progress('one edit each')
    const hurry = await typists.hurry(size.hurryMs, relay, metrics)
    const mib = relay.rssKib() / 1024
    typists.close()
    return { openSeconds, mib, mibEach: (mib - emptyKib / 1024) / spaces, light, ...hurry }
  } finally {
    await relay.discard()
  }
}

class Typists {
  private clients: readonly LoadClient[] = []
  /** When what is unacknowledged was due, oldest first. */
  private readonly due = new Map<LoadClient, number[]>()
  private into: LatencyHistogram | null = null
  private hurrying = false

  async open(relay: ServerProcess, spaces: number, writers: number): Promise<void> {
    this.clients = await openClients(
      Array.from({ length: writers }, (_, writer) => ({
        ...{ port: relay.port, dialect: 'y-websocket' as const, writer },
        doc: `s/space-${writer % spaces}/active-${writer}`,
        onAcknowledged: (client, count) => this.acknowledged(client, count),
      })),
    )
    for (const client of this.clients) this.due.set(client, [])
    // Enough that every document is due, so that every space is swept once: within a minute of its opening.
    for (const client of this.clients) {
      client.write(oneEdit('x'.repeat(DUE_BYTES)))
      // That was another author.
      client.clock = 0
    }
    await pause(1_000)
  }

  /** Resolves when all of it is acknowledged. */
  async evenly(perSecond: number, ms: number): Promise<LatencyHistogram> {
    const histogram = new LatencyHistogram()
    this.into = histogram
    const startedAt = performance.now()
    const all = Math.floor((ms * perSecond) / 1000)
    for (let sent = 0; sent < all;) {
      const elapsed = performance.now() - startedAt
      // A large step through the writers: neighbours in time are in different spaces.
      for (; sent < Math.min(all, (elapsed * perSecond) / 1000); sent++)
        this.type(this.clients[(sent * 617) % this.clients.length]!, startedAt + (sent * 1000) / perSecond)
      await pause(1)
    }
    await this.settled()
    return histogram
  }

  async hurry(
    ms: number,
    relay: ServerProcess,
    metrics: RelayMetrics,
  ): Promise<Pick<SpacesResult, 'perSecond' | 'cpuUs' | 'commitsPerSecond' | 'hurried' | 'sweeping' | 'sweeps'>> {
    const counters = ['syncline_sweeps_total', 'syncline_commits_total']
    const [hurried, sweeping] = [new LatencyHistogram(), new LatencyHistogram()]
    const before = (await metrics.read(...counters)) as [number, number]
    const [startedAt, cpu] = [performance.now(), relay.cpuMs()]
    let sweeps = before[0]
    this.into = new LatencyHistogram()
    this.hurrying = true
    for (const client of this.clients) this.type(client, performance.now())
    while (performance.now() - startedAt < ms) {
      await pause(1_000)
      const second = this.into
      this.into = new LatencyHistogram()
      hurried.merge(second)
      const [now] = (await metrics.read(counters[0]!)) as [number]
      if (now > sweeps) sweeping.merge(second)
      sweeps = now
    }
    this.hurrying = false
    const [seconds, cpuMs] = [(performance.now() - startedAt) / 1000, relay.cpuMs() - cpu]
    const after = (await metrics.read(...counters)) as [number, number]
    await this.settled()
    const { count } = hurried
    return {
      ...{ hurried, sweeping, sweeps: after[0] - before[0], perSecond: count / seconds, cpuUs: (cpuMs * 1000) / count },
      commitsPerSecond: (after[1] - before[1]) / seconds,
    }
  }

  close(): void {
    for (const client of this.clients) client.destroy()
  }

  private type(client: LoadClient, dueAt: number): void {
    this.due.get(client)!.push(dueAt)
    client.type()
  }

  private acknowledged(client: LoadClient, count: number): void {
    const due = this.due.get(client)
    // What came before it was greeted was not typed here.
    if (due === undefined) return
    const now = performance.now()
    for (const at of due.splice(0, count)) this.into?.add(now - at)
    if (this.hurrying && due.length === 0) this.type(client, now)
  }

  private async settled(): Promise<void> {
    while ([...this.due.values()].some((due) => due.length > 0)) {
      if (this.clients.some(({ closed }) => closed)) throw new Error('the relay closed a connection')
      await pause(5)
    }
  }
}
