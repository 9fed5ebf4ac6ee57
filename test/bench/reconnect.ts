// What a reconnect costs over a real WebSocket with SQLite on both sides: idle with equal roots, and by range reconciliation when no cursor is valid. Payload bytes
// after the upgrade, both directions; a link is over when both roots are equal and everything is acknowledged.

import { join } from 'node:path'
import { dial, listen, nodeClock, nodeRandom } from '@syncline/replica/ws'
import type { Replica } from '@syncline/replica'
import { benchReplica, fill, oneEdit, temporaryFolder, until, writeOnce } from './bench-replica.ts'
import { countingProxy, type PassedFrame } from './counting-proxy.ts'
import type { Figure, Progress } from './report.ts'

interface LinkCost {
  readonly frames: readonly PassedFrame[]
  readonly equalMs: number
}

/** Links a to b through a counting proxy until both are synced and quiet, then parts them. */
async function linkOnce(a: Replica, b: Replica): Promise<LinkCost> {
  const listener = await listen(b, { host: '127.0.0.1', port: 0 })
  const proxy = await countingProxy(`ws://127.0.0.1:${listener.port}`)
  const link = dial(a, { url: proxy.url, clock: nodeClock(), random: nodeRandom })
  const synced = (): boolean =>
    a.status().peers.some((peer) => peer.synced) && b.status().peers.some((peer) => peer.synced) && rootOf(a) === rootOf(b)
  const equalMs = await until(synced, 60_000, 'replicas equal')
  await quiet(proxy.frames, 150)
  const frames = [...proxy.frames]
  await link.close()
  await proxy.close()
  await listener.close()
  return { frames, equalMs }
}

async function quiet(frames: readonly PassedFrame[], ms: number): Promise<void> {
  await until(() => performance.now() - (frames.at(-1)?.atMs ?? 0) > ms, 10_000, 'quiet link')
}

function rootOf(replica: Replica): string {
  return replica.root
}

function bytesOf(frames: readonly PassedFrame[]): number {
  return frames.reduce((sum, frame) => sum + frame.bytes, 0)
}

export async function idleReconnect(documents: number, progress: Progress): Promise<Figure[]> {
  const folder = await temporaryFolder()
  const [a, b] = [await benchReplica(join(folder.path, 'a.db')), await benchReplica(join(folder.path, 'b.db'))]
  try {
    const names = Array.from({ length: documents }, (_, i) => `note/${i}`)
    const update = oneEdit('shared')
    progress(`idle reconnect: filling 2 x ${documents} documents`)
    await fill(a, names, update)
    await fill(b, names, update)
    await linkOnce(a, b)
    const { frames } = await linkOnce(a, b)
    const verification = new Set(['verify', 'verified'])
    const sync = frames.filter((frame) => !frame.kinds.every((kind) => verification.has(kind)))
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
    await folder.remove()
  }
}

export async function reconcile(documents: number, differing: number, progress: Progress): Promise<Figure[]> {
  const folder = await temporaryFolder()
  const paths = [join(folder.path, 'a.db'), join(folder.path, 'b.db')] as const
  const [a, b] = [await benchReplica(paths[0]), await benchReplica(paths[1])]
  try {
    const names = Array.from({ length: documents }, (_, i) => `note/${i}`)
    const update = oneEdit('shared')
    progress(`reconciliation: filling 2 x ${documents} documents`)
    await fill(a, names, update)
    await fill(b, names, update)
    const differ = async (): Promise<void> => {
      for (let i = 0; i < differing; i++) await writeOnce(i % 2 === 0 ? a : b, names[(i * 1_999) % documents]!, oneEdit(`edit ${i}`))
    }
    await differ()
    const cold = await linkOnce(a, b)
    return report(documents, differing, cold)
  } finally {
    await a.close()
    await b.close()
    await folder.remove()
  }
}

function report(documents: number, differing: number, cost: LinkCost): Figure[] {
  const { frames, equalMs } = cost
  const isRecon = (frame: PassedFrame): boolean => frame.kinds.includes('recon')
  const first = frames.findIndex(isRecon)
  const last = frames.findLastIndex(isRecon)
  const recon = frames.slice(first, last + 1)
  const sync = frames.filter((frame) => !frame.kinds.every((kind) => kind === 'verify' || kind === 'verified'))
  const what = `${documents.toLocaleString('en')} documents, ${differing} differ`
  return [
    { name: `${what}: reconciliation`, value: bytesOf(recon), unit: 'B', bound: 30_000 },
    { name: `${what}: reconciliation`, value: recon.length, unit: 'frames', bound: 6 },
    { name: `${what}: whole reconnect`, value: bytesOf(sync), unit: 'B', bound: 50_000 },
    { name: `${what}: whole reconnect`, value: sync.length, unit: 'frames', bound: 10 },
    { name: `${what}: until equal, tree not built before`, value: Math.round(equalMs), unit: 'ms' },
  ]
}
