// What it costs that two replicas of many documents meet whose documents differ in a few, with no cursor of each other: one is `syncline serve` in a process of its own, the
// other is here, over SQLite; a proxy between them counts. Cold: neither has looked at its documents since it started. Warm: both have, with others. Used by reconnect.ts
// and growth/.

import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Replica } from '@syncline/replica'
import { dial, listen, nodeClock, nodeRandom } from '@syncline/replica/ws'
import { benchReplica, oneEdit, until, writeOnce } from './bench-replica.ts'
import { countingProxy, type PassedFrame } from './counting-proxy.ts'
import { startServer, type ServerProcess } from './peers/server-process.ts'

export interface ReconcileCost {
  /** Of the reconciliation itself. */
  readonly frames: number
  readonly bytes: number
  /** Of the whole reconnect, both ways, without what time brings. */
  readonly allFrames: number
  readonly allBytes: number
  /** From dialling until both are equal and have acknowledged everything. */
  readonly ms: number
  /** Of the relay, meanwhile. */
  readonly relayCpuMs: number
}

export interface ReconcileCosts {
  readonly cold: ReconcileCost
  readonly warm: ReconcileCost
  /** Of the relay, when it was ready, and at the end. */
  readonly relayMib: readonly [number, number]
  readonly readyMs: number
}

const DIFFERING = 50
const QUIET_MS = 150
const SYNCED_WITHIN_MS = 300_000

/** `path`: a store that nobody has open; it is left as it is. `folder`: for copies of it, which stay there. */
export async function reconcileCosts(path: string, folder: string, progress: (line: string) => void): Promise<ReconcileCosts> {
  const copyOf = (name: string): string => {
    const copy = join(folder, name, 'default.db')
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(path, copy)
    return copy
  }
  const [relayPath, herePath, otherPath, besidePath, allPath] = ['relay', 'here', 'other', 'beside', 'all'].map(copyOf)
  progress('documents are made to differ')
  const differing = await differ({ relay: relayPath!, here: herePath!, other: otherPath!, beside: besidePath!, all: allPath! })
  const relay = await startServer('syncline', { folder: dirname(relayPath!) })
  try {
    const mibAtStart = relay.rssKib() / 1024
    progress('first meeting, cold')
    const here = await benchReplica(herePath!)
    const cold = await meeting(here, relay, differing.root)
    await here.close()
    progress('first meeting, warm')
    const other = await benchReplica(otherPath!)
    const beside = await benchReplica(besidePath!)
    try {
      await meetHere(other, beside)
      const warm = await meeting(other, relay, differing.root)
      return { cold, warm, relayMib: [mibAtStart, relay.rssKib() / 1024], readyMs: relay.readyMs }
    } finally {
      await other.close()
      await beside.close()
    }
  } finally {
    await relay.end('SIGKILL')
  }
}

/** DIFFERING documents differ between `relay` and `here`; what `other` and `beside` have in one document makes these two look at all of theirs, and then DIFFERING differ
 *  between `other` and what `relay` and `here` have together. Answers the root of what all have together. */
async function differ(paths: Readonly<Record<'relay' | 'here' | 'other' | 'beside' | 'all', string>>): Promise<{ root: string }> {
  const edited = { relay: 11, here: DIFFERING - 11 }
  const write = async (path: string, edits: readonly number[]): Promise<string> => {
    const replica = await benchReplica(path)
    const names = [...replica.documents()].length
    for (const edit of edits) await writeOnce(replica, nameOf((edit * 1_999) % names), oneEdit(`edit ${edit}`, 100 + edit))
    const { root } = replica
    await replica.close()
    return root
  }
  const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index)
  await write(paths.relay, numbers(0, edited.relay))
  await write(paths.here, numbers(edited.relay, edited.here))
  // The same edit as the relay's first.
  await write(paths.beside, [0])
  return { root: await write(paths.all, numbers(0, DIFFERING)) }
}

export const nameOf = (index: number): string => `note/${index}`

async function meeting(here: Replica, relay: ServerProcess, root: string): Promise<ReconcileCost> {
  const proxy = await countingProxy(`ws://127.0.0.1:${relay.port}`)
  const cpu = relay.cpuMs()
  const startedAt = performance.now()
  const link = dial(here, { url: proxy.url, clock: nodeClock(), random: nodeRandom })
  try {
    await until(() => here.root === root && isAcknowledged(proxy.frames), SYNCED_WITHIN_MS, 'replicas equal')
    const relayCpuMs = relay.cpuMs() - cpu
    const frames = [...proxy.frames]
    return { ...countsOf(frames), ms: frames.at(-1)!.atMs - startedAt, relayCpuMs }
  } finally {
    await link.close()
    await proxy.close()
  }
}

/** Each side has acknowledged the contents that the other sent last. Announcements of positions, a second later, are no part of this. */
function isAcknowledged(frames: readonly PassedFrame[]): boolean {
  const last = (way: PassedFrame['way'], kind: string): number =>
    frames.findLastIndex((frame) => frame.way === way && frame.kinds().includes(kind))
  return last('down', 'ack') > last('up', 'diff') && last('up', 'ack') > last('down', 'diff')
}

async function meetHere(a: Replica, b: Replica): Promise<void> {
  const listener = await listen(b, { port: 0 })
  const link = dial(a, { url: `ws://127.0.0.1:${listener.port}`, clock: nodeClock(), random: nodeRandom })
  await until(() => a.root === b.root && a.status().peers.some(({ synced }) => synced), SYNCED_WITHIN_MS, 'replicas equal')
  await link.close()
  await listener.close()
}

export async function quiet(frames: readonly PassedFrame[]): Promise<void> {
  await until(() => performance.now() - (frames.at(-1)?.atMs ?? 0) > QUIET_MS, 10_000, 'quiet link')
}

/** What time brings, and not the reconnect: a slow one has more of it. */
const OF_TIME = new Set(['verify', 'verified', 'ping', 'pong', 'advance'])

export function isOfTime(frame: PassedFrame): boolean {
  return frame.kinds().every((kind) => OF_TIME.has(kind))
}

export function bytesOf(frames: readonly PassedFrame[]): number {
  return frames.reduce((sum, { bytes }) => sum + bytes, 0)
}

function countsOf(frames: readonly PassedFrame[]): Pick<ReconcileCost, 'frames' | 'bytes' | 'allFrames' | 'allBytes'> {
  const isRecon = (frame: PassedFrame): boolean => frame.kinds().includes('recon')
  const sync = frames.filter((frame) => !isOfTime(frame))
  const recon = sync.slice(sync.findIndex(isRecon), sync.findLastIndex(isRecon) + 1)
  return { frames: recon.length, bytes: bytesOf(recon), allFrames: sync.length, allBytes: bytesOf(sync) }
}
