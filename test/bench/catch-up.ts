// pnpm bench --only catch-up: clients that were away during 100,000 edits come back to a relay. A native one, over SQLite: the edits were made in one document, or in a hundred; and one
// that made them itself. And clients of the other doors, by what they send and get (peers/catch-up.ts measures the same of other servers).

import { join } from 'node:path'
import { parseDocId } from '@syncline/protocol'
import type { Replica } from '@syncline/replica'
import { dial, nodeClock, nodeRandom } from '@syncline/replica/ws'
import { openSqliteReader } from '@syncline/store/sqlite'
import { benchReplica, until } from './bench-replica.ts'
import { temporaryFolder } from './clean-up.ts'
import { countingProxy } from './counting-proxy.ts'
import { markdownTable } from './markdown-table.ts'
import { catchUp } from './peers/catch-up.ts'
import { pause } from './peers/load-client.ts'
import { typeUpdates } from './peers/long-document.ts'
import { hasPaper, readPaper } from './peers/paper.ts'
import { pinGenerator, startServer, type ServerProcess } from './peers/server-process.ts'
import { typedUpdate } from './peers/typed-updates.ts'
import { bytesOf, isOfTime } from './reconcile-cost.ts'
import type { Progress } from './report.ts'
import { median } from './slope.ts'

interface Cost {
  readonly name: string
  readonly ms: number
  readonly bytes: number
  readonly relayCpuMs: number | null
  readonly ownCpuMs: number | null
  readonly frames: number | null
}

const EQUAL_WITHIN_MS = 120_000
const MANY = 100
const RAISED = ['connection', 'document'].flatMap((bound) => [`--limits-${bound}-messages-per-second-max`, '1000000'])

export async function catchUpScenario(quick: boolean, progress: Progress): Promise<void> {
  pinGenerator()
  const missed = quick ? 5_000 : 100_000
  const known = quick ? 1_000 : 20_000
  progress('catch-up: the edits are made')
  const updates = editsOf(known + missed)
  const costs: Cost[] = []
  const runs: [string, (relay: ServerProcess, words: string) => Promise<Cost>][] = [
    ['native, edits in one document', (relay, words) => nativeReturns(relay, words, [{ doc: 'note/away', updates, known }], progress)],
    ['native, edits in 100 documents', (relay, words) => nativeReturns(relay, words, spread(missed, known), progress)],
    ['native, made them itself in one document', (relay, words) => nativeBrings(relay, words, updates, known, progress)],
  ]
  for (const [words, run] of runs) {
    const relay = await startServer('syncline', { serveArgs: RAISED })
    try {
      costs.push(await run(relay, words))
    } finally {
      await relay.discard()
    }
  }
  for (const dialect of ['y-websocket', 'hocuspocus'] as const) {
    progress(`catch-up: ${dialect}`)
    const options = { serverOptions: { serveArgs: RAISED }, updates, known, returns: quick ? 1 : 5, storedAfterMs: 0 }
    const result = await catchUp({ server: 'syncline', dialect, ...options })
    const words = `${dialect}, one document`
    costs.push({ name: words, ms: median(result.ms), bytes: result.bytes, relayCpuMs: result.cpuMs, ownCpuMs: null, frames: null })
    costs.push({
      name: `${words}, relay just started`,
      ms: result.coldMs ?? Infinity,
      bytes: result.bytes,
      relayCpuMs: result.coldCpuMs,
      ownCpuMs: null,
      frames: null,
    })
    const { bringMs, bringBytes, bringCpuMs } = result
    costs.push({ name: `${words}, made them itself`, ms: bringMs, bytes: bringBytes, relayCpuMs: bringCpuMs, ownCpuMs: null, frames: null })
  }
  const rows = costs.map(({ name, ms, bytes, relayCpuMs, ownCpuMs, frames }) => ({
    name,
    values: [ms, bytes, frames, relayCpuMs, ownCpuMs],
  }))
  const cases = ['ms until equal', 'payload bytes', 'frames', 'relay CPU ms', 'CPU ms of the client']
  console.log(markdownTable({ title: `Return after ${missed.toLocaleString('en')} edits`, cases, rows }))
}

/** The recorded paper, or typed letters where it is not at hand. */
function editsOf(count: number): readonly Uint8Array[] {
  if (hasPaper()) return readPaper(count).updates
  return Array.from({ length: count }, (_, clock) => typedUpdate(0, clock))
}

interface Edited {
  readonly doc: string
  readonly updates: readonly Uint8Array[]
  readonly known: number
}

function spread(missed: number, known: number): Edited[] {
  return Array.from({ length: MANY }, (_, writer) => ({
    doc: `note/${writer}`,
    updates: Array.from({ length: (missed + known) / MANY }, (_, clock) => typedUpdate(writer, clock)),
    known: known / MANY,
  }))
}

async function nativeReturns(relay: ServerProcess, name: string, edited: readonly Edited[], progress: Progress): Promise<Cost> {
  const folder = temporaryFolder()
  const replica = await benchReplica(join(folder.path, 'away.db'))
  try {
    progress(`catch-up: ${name}: typing what it knows`)
    await typeAll(relay, edited, ({ updates, known }) => updates.slice(0, known))
    await linked(replica, relay, await rootOf(relay))
    progress(`catch-up: ${name}: typing while it is away`)
    await typeAll(relay, edited, ({ updates, known }) => updates.slice(known))
    progress(`catch-up: ${name}: it comes back`)
    return { name, ...(await linked(replica, relay, await rootOf(relay))) }
  } finally {
    await replica.close()
    folder.remove()
  }
}

async function nativeBrings(
  relay: ServerProcess,
  name: string,
  updates: readonly Uint8Array[],
  known: number,
  progress: Progress,
): Promise<Cost> {
  const folder = temporaryFolder()
  const replica = await benchReplica(join(folder.path, 'away.db'))
  const write = async (some: readonly Uint8Array[]): Promise<void> => {
    const guest = replica.attachGuest(parseDocId('note/away'), { deliver() {}, presence() {}, ping() {}, close() {}, buffered: () => 0 })
    for (let from = 0; from < some.length; from += 40) await Promise.all(some.slice(from, from + 40).map((update) => guest.write(update)))
    guest.detach()
  }
  try {
    progress(`catch-up: ${name}: typing`)
    await write(updates.slice(0, known))
    await linked(replica, relay, null)
    await write(updates.slice(known))
    progress(`catch-up: ${name}: it comes back`)
    return { name, ...(await linked(replica, relay, null)) }
  } finally {
    await replica.close()
    folder.remove()
  }
}

/** Over the y-websocket door, several documents at a time. */
async function typeAll(relay: ServerProcess, edited: readonly Edited[], some: (edited: Edited) => readonly Uint8Array[]): Promise<void> {
  const waiting = [...edited]
  const typist = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const writer = await typeUpdates(relay.port, 'y-websocket', next.doc, some(next))
      writer.destroy()
    }
  }
  await Promise.all(Array.from({ length: 10 }, typist))
}

/** Links until the replica's root is `root`, or, without one, until the relay's is the replica's. Then parts. */
async function linked(replica: Replica, relay: ServerProcess, root: string | null): Promise<Omit<Cost, 'name'>> {
  const proxy = await countingProxy(`ws://127.0.0.1:${relay.port}`)
  const reading = await openSqliteReader(join(relay.folder, 'default.db'))
  const [relayCpu, ownCpu] = [relay.cpuMs(), process.cpuUsage()]
  const link = dial(replica, { url: proxy.url, clock: nodeClock(), random: nodeRandom })
  const equal = root === null ? () => reading.reader.totals().root === replica.root : () => replica.root === root
  const ms = await until(equal, EQUAL_WITHIN_MS, 'the replica and the relay equal')
  const { user, system } = process.cpuUsage(ownCpu)
  const relayCpuMs = relay.cpuMs() - relayCpu
  const frames = proxy.frames.filter((frame) => !isOfTime(frame))
  // Its cursor follows a while later, and is what it comes back with.
  await until(() => replica.status().peers.some(({ synced, lag }) => synced && lag === 0), EQUAL_WITHIN_MS, 'everything acknowledged')
  await pause(1_500)
  await link.close()
  await proxy.close()
  reading.close()
  return { ms, bytes: bytesOf(frames), frames: frames.length, relayCpuMs, ownCpuMs: (user + system) / 1000 }
}

/** Everything that was typed was acknowledged, and is stored. */
async function rootOf(relay: ServerProcess): Promise<string> {
  const reading = await openSqliteReader(join(relay.folder, 'default.db'))
  const { root } = reading.reader.totals()
  reading.close()
  return root
}
