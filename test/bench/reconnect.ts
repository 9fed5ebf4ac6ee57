// What a reconnect costs over a real WebSocket with SQLite on both sides: idle with equal roots, and by range reconciliation when no cursor is valid. Payload bytes
// after the upgrade, both directions; a link is over when both roots are equal and everything is acknowledged.

import { join } from 'node:path'
import { dial, listen, nodeClock, nodeRandom } from '@syncline/replica/ws'
import type { Replica } from '@syncline/replica'
import { benchReplica, fill, oneEdit, until } from './bench-replica.ts'
import { temporaryFolder } from './clean-up.ts'
import { countingProxy, type PassedFrame } from './counting-proxy.ts'
import { loadDocuments } from './loaded-store.ts'
import { median } from './slope.ts'
import { bytesOf, isOfTime, nameOf, quiet, reconcileCosts, type ReconcileCost, type ReconcileCosts } from './reconcile-cost.ts'
import type { Figure, Progress } from './report.ts'

const WARM_MS_MAX = 300
const RESTARTED_MS_MAX = 800

/** Links a to b through a counting proxy until both are synced and quiet, then parts them. */
async function linkOnce(a: Replica, b: Replica): Promise<readonly PassedFrame[]> {
  const listener = await listen(b, { host: '127.0.0.1', port: 0 })
  const proxy = await countingProxy(`ws://127.0.0.1:${listener.port}`)
  const link = dial(a, { url: proxy.url, clock: nodeClock(), random: nodeRandom })
  const synced = (): boolean =>
    a.status().peers.some((peer) => peer.synced) && b.status().peers.some((peer) => peer.synced) && a.root === b.root
  await until(synced, 60_000, 'replicas equal')
  await quiet(proxy.frames)
  const frames = [...proxy.frames]
  await link.close()
  await proxy.close()
  await listener.close()
  return frames
}

export async function idleReconnect(documents: number, progress: Progress): Promise<Figure[]> {
  const folder = temporaryFolder()
  const [a, b] = [await benchReplica(join(folder.path, 'a.db')), await benchReplica(join(folder.path, 'b.db'))]
  try {
    const names = Array.from({ length: documents }, (_, i) => nameOf(i))
    const update = oneEdit('shared')
    progress(`idle reconnect: filling 2 x ${documents} documents`)
    await fill(a, names, update)
    await fill(b, names, update)
    await linkOnce(a, b)
    const sync = (await linkOnce(a, b)).filter((frame) => !isOfTime(frame))
    const up = bytesOf(sync.filter((frame) => frame.way === 'up'))
    const down = bytesOf(sync.filter((frame) => frame.way === 'down'))
    const size = documents.toLocaleString('en')
    return [
      { name: `idle reconnect, ${size} documents, bytes up`, value: up, unit: 'B', bound: 256 },
      { name: `idle reconnect, ${size} documents, bytes down`, value: down, unit: 'B', bound: 256 },
    ]
  } finally {
    await a.close()
    await b.close()
    folder.remove()
  }
}

/** Bytes and frames are those of the worst run, times are medians. */
export async function reconcile(documents: number, runs: number, progress: Progress): Promise<Figure[]> {
  const folder = temporaryFolder()
  try {
    const path = join(folder.path, 'default.db')
    await loadDocuments(path, { count: documents, name: nameOf, update: oneEdit('shared') }, (loaded) =>
      progress(`reconciliation: ${loaded} of ${documents} documents loaded`),
    )
    const costs: ReconcileCosts[] = []
    for (let run = 1; run <= runs; run++)
      costs.push(await reconcileCosts(path, join(folder.path, `run-${run}`), (line) => progress(`reconciliation, run ${run}: ${line}`)))
    return figuresOf(`${documents.toLocaleString('en')} documents, 50 differ`, costs)
  } finally {
    folder.remove()
  }
}

function figuresOf(what: string, costs: readonly ReconcileCosts[]): Figure[] {
  const worst = (of: (cost: ReconcileCost) => number): number => Math.max(...costs.flatMap(({ cold, warm }) => [of(cold), of(warm)]))
  const ms = (of: (costs: ReconcileCosts) => number): number => Math.round(median(costs.map(of)))
  return [
    { name: `${what}: reconciliation`, value: worst(({ bytes }) => bytes), unit: 'B', bound: 30_000 },
    { name: `${what}: reconciliation`, value: worst(({ frames }) => frames), unit: 'frames', bound: 6 },
    { name: `${what}: whole reconnect`, value: worst(({ allBytes }) => allBytes), unit: 'B', bound: 50_000 },
    { name: `${what}: whole reconnect`, value: worst(({ allFrames }) => allFrames), unit: 'frames', bound: 10 },
    { name: `${what}: until equal, warm`, value: ms(({ warm }) => warm.ms), unit: 'ms', bound: WARM_MS_MAX },
    { name: `${what}: until equal, both just started`, value: ms(({ cold }) => cold.ms), unit: 'ms', bound: RESTARTED_MS_MAX },
    { name: `${what}: processor time of the relay, warm`, value: ms(({ warm }) => warm.relayCpuMs), unit: 'ms' },
    { name: `${what}: processor time of the relay, just started`, value: ms(({ cold }) => cold.relayCpuMs), unit: 'ms' },
  ]
}
