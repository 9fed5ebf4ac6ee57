// Growth in documents: a store of so many, each with one short row, served by a relay in a process of its own. What its start takes, what it holds in memory, what a write into
// a document costs that nobody has open and one into a document that is open, and what a first meeting with a replica costs that differs in 50 of them.

import { join } from 'node:path'
import { oneEdit } from '../bench-replica.ts'
import { temporaryFolder } from '../clean-up.ts'
import { loadDocuments } from '../loaded-store.ts'
import { openClients, pause, type LoadClient } from '../peers/load-client.ts'
import { startServer, type ServerProcess } from '../peers/server-process.ts'
import { nameOf, reconcileCosts } from '../reconcile-cost.ts'
import { median } from '../slope.ts'
import type { Figures, GrowthPart } from './growth.ts'

const SETTLE_MS = 1_000

export const documentsPart: GrowthPart = {
  name: 'documents',
  title: 'Documents in a store',
  sizes: [1_000, 10_000, 100_000, 1_000_000],
  quickSizes: [1_000, 10_000],
  async measure(size, quick, progress) {
    const folder = temporaryFolder()
    try {
      const path = join(folder.path, 'loaded.db')
      const startedAt = performance.now()
      await loadDocuments(path, { count: size, name: nameOf, update: oneEdit('shared') }, (loaded) => progress(`${loaded} loaded`))
      const loadSeconds = (performance.now() - startedAt) / 1000
      const costs = await reconcileCosts(path, folder.path, progress)
      const written = await writes(join(folder.path, 'relay'), size, quick ? 50 : 300, progress)
      return {
        'loaded by this program, s': loadSeconds,
        'relay ready after, ms': costs.readyMs,
        'resident memory of the relay when ready, MiB': costs.relayMib[0],
        'resident after two first meetings, MiB': costs.relayMib[1],
        ...written,
        'first meeting: reconciliation, frames': costs.warm.frames,
        'first meeting: reconciliation, bytes': costs.warm.bytes,
        'first meeting, both just started, ms': costs.cold.ms,
        'first meeting, both just started, relay CPU ms': costs.cold.relayCpuMs,
        'first meeting, warm, ms': costs.warm.ms,
        'first meeting, warm, relay CPU ms': costs.warm.relayCpuMs,
      }
    } finally {
      folder.remove()
    }
  },
}

async function writes(folder: string, documents: number, count: number, progress: (line: string) => void): Promise<Figures> {
  const server = await startServer('syncline', { folder })
  try {
    const step = Math.max(1, Math.floor(documents / (2 * count)))
    progress('writes, code cold')
    await writeOnceEach(server, count, (index) => nameOf((2 * index * step) % documents), 0)
    progress('writes into documents that nobody has open')
    const elsewhere = await writeOnceEach(server, count, (index) => nameOf(((2 * index + 1) * step) % documents), count)
    progress('writes into an open document')
    const here = await writeInto(server, nameOf(0), 3 * count, 2 * count)
    await pause(SETTLE_MS)
    return {
      'open, write, leave: until stored, ms': elsewhere.ms,
      'open, write, leave: relay CPU ms': elsewhere.cpuMs,
      'write into an open document: until stored, ms': here.ms,
      'write into an open document: relay CPU ms': here.cpuMs,
      'resident after these writes, MiB': server.rssKib() / 1024,
    }
  } finally {
    await server.end('SIGKILL')
  }
}

interface WriteCost {
  /** Median, from the write to its echo, which comes when it is committed. */
  readonly ms: number
  /** Mean. */
  readonly cpuMs: number
}

async function writeOnceEach(
  server: ServerProcess,
  count: number,
  name: (index: number) => string,
  firstWriter: number,
): Promise<WriteCost> {
  const took: number[] = []
  const cpu = server.cpuMs()
  for (let index = 0; index < count; index++) {
    const { ms } = await writeInto(server, name(index), firstWriter + index, 1)
    took.push(ms)
  }
  return { ms: median(took), cpuMs: (server.cpuMs() - cpu) / count }
}

/** One after the other, each when the one before is stored. */
export async function writeInto(
  { port, cpuMs }: Pick<ServerProcess, 'port' | 'cpuMs'>,
  doc: string,
  writer: number,
  count: number,
): Promise<WriteCost> {
  const took: number[] = []
  let stored: () => void = () => undefined
  const [client] = (await openClients([{ port, dialect: 'y-websocket', doc, writer, onAcknowledged: () => stored() }])) as [LoadClient]
  const cpu = cpuMs()
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now()
    await new Promise<void>((resolve) => {
      stored = resolve
      client.type()
    })
    took.push(performance.now() - startedAt)
  }
  client.destroy()
  return { ms: median(took), cpuMs: (cpuMs() - cpu) / count }
}
