// Growth in rows: one document whose tail in the log has so many, one typed letter each, as links bring them when nobody compacts meanwhile. What reading it all costs the
// engine; what whoever opens it at a relay that has just started waits for, where compaction of a tail beyond the hard bound comes at once; and what a write into it costs,
// compaction itself, and opening the document that comes of it.

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SPACE, docKeyOf, LIMITS, parseDocId } from '@syncline/protocol'
import { openSqliteReader } from '@syncline/store/sqlite'
import { benchReplica } from '../bench-replica.ts'
import { temporaryFolder } from '../clean-up.ts'
import { loadRows } from '../loaded-store.ts'
import { LoadClient, pause } from '../peers/load-client.ts'
import { startServer, type ServerProcess } from '../peers/server-process.ts'
import { typedUpdate } from '../peers/typed-updates.ts'
import { median } from '../slope.ts'
import { writeInto } from './documents.ts'
import type { GrowthPart } from './growth.ts'

const DOC = 'note/long'
const WRITERS = 10
const COMPACTED_WITHIN_MS = 180_000

export const logRowsPart: GrowthPart = {
  name: 'log-rows',
  title: 'Rows in the log of one document',
  sizes: [1_000, 10_000, 100_000],
  // Beyond the hard bound of a tail: it is compacted at once.
  quickSizes: [5_000, 10_000],
  async measure(size, quick, progress) {
    const folder = temporaryFolder()
    try {
      const path = join(folder.path, 'loaded.db')
      progress('loading')
      await loadRows(path, DOC, size, (index) => typedUpdate(index % WRITERS, Math.floor(index / WRITERS)))
      const runs = quick ? 1 : 3
      const opens: Opened[] = []
      const copy = (name: string): string => {
        const work = join(folder.path, name)
        mkdirSync(work)
        copyFileSync(path, join(work, 'default.db'))
        return work
      }
      for (let run = 1; run <= runs; run++) {
        progress(`cold open ${run}`)
        opens.push(await openAndWrite(copy(`run-${run}`), size))
      }
      progress('compaction')
      const work = copy('compacted')
      const compaction = await compact(work)
      progress('cold open, compacted')
      const compacted = await openAndWrite(work, size)
      return {
        'read from disk without a relay, no compaction, CPU ms': await readCpuMs(copy('read'), runs),
        'relay ready after, ms': median(opens.map(({ readyMs }) => readyMs)),
        'opened at once there, ms': median(opens.map(({ ms }) => ms)),
        'opened at once there, relay CPU ms': median(opens.map(({ cpuMs }) => cpuMs)),
        'write: until stored, ms': median(opens.map(({ writeMs }) => writeMs)),
        'write: relay CPU ms': median(opens.map(({ writeCpuMs }) => writeCpuMs)),
        'compaction: relay CPU ms': compaction.cpuMs,
        'compacted: opened at once, ms': compacted.ms,
        'compacted: opened at once, relay CPU ms': compacted.cpuMs,
        'compacted: write until stored, ms': compacted.writeMs,
      }
    } finally {
      folder.remove()
    }
  },
}

/** Knowledge from the log and the whole document for whoever has nothing of it; median, with warm code. */
async function readCpuMs(folder: string, runs: number): Promise<number> {
  const took: number[] = []
  for (let run = 0; run <= runs; run++) {
    const replica = await benchReplica(join(folder, 'default.db'), { limits: { sweepEveryMs: Infinity, tailRowsHardMax: Infinity } })
    const before = process.cpuUsage()
    const guest = replica.attachGuest(parseDocId(DOC), { deliver() {}, presence() {}, ping() {}, close() {}, buffered: () => 0 })
    guest.diff(Uint8Array.of(0))
    const { user, system } = process.cpuUsage(before)
    // The first run warms.
    if (run > 0) took.push((user + system) / 1000)
    guest.detach()
    await replica.close()
  }
  return median(took)
}

interface Opened {
  readonly readyMs: number
  readonly ms: number
  readonly cpuMs: number
  readonly writeMs: number
  readonly writeCpuMs: number
}

/** Opens the document as one who has nothing of it, at a relay that has just started, and writes into it. */
async function openAndWrite(folder: string, rows: number): Promise<Opened> {
  const server = await startServer('syncline', { folder })
  try {
    const cpu = server.cpuMs()
    const startedAt = performance.now()
    await wholeDocument(server, rows)
    const [ms, cpuMs] = [performance.now() - startedAt, server.cpuMs() - cpu]
    const write = await writeInto(server, DOC, WRITERS + 1 + Math.floor(Math.random() * 1e6), 100)
    return { readyMs: server.readyMs, ms, cpuMs, writeMs: write.ms, writeCpuMs: write.cpuMs }
  } finally {
    await server.end('SIGTERM')
  }
}

async function wholeDocument({ port }: ServerProcess, rows: number): Promise<void> {
  let letters = 0
  let whole: () => void = () => undefined
  const come = new Promise<void>((resolve) => (whole = resolve))
  const reader = new LoadClient({
    ...{ port, dialect: 'y-websocket', doc: DOC, writer: -1 },
    onLetters(_client, writer, _clock, count) {
      if (writer < WRITERS) letters += count
      if (letters >= rows) whole()
    },
  })
  await Promise.all([reader.ready, come])
  reader.destroy()
}

/** Lets a relay run over a folder, with nobody there, until it has taken the tail out of the log. */
async function compact(folder: string): Promise<{ cpuMs: number }> {
  const server = await startServer('syncline', { folder })
  const reading = await openSqliteReader(join(folder, 'default.db'))
  try {
    const key = docKeyOf(DEFAULT_SPACE, parseDocId(DOC))
    const cpu = server.cpuMs()
    for (let waited = 0; reading.reader.doc(key)!.tailRows >= LIMITS.tailRowsDue; waited += 50) {
      if (waited > COMPACTED_WITHIN_MS) throw new Error('the document was not compacted in time')
      await pause(50)
    }
    return { cpuMs: server.cpuMs() - cpu }
  } finally {
    reading.close()
    await server.end('SIGTERM')
  }
}
