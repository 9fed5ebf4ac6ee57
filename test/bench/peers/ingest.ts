// Ingest: 50 writers who each keep some updates unacknowledged, as fast as the server acknowledges; then kill -9, a restart over the same folder, and the count of updates that
// were acknowledged and are not there any more. What a server means by an acknowledgement is its own: only Syncline and the committing floor wait for the disk.

import type { DialectName } from './dialect.ts'
import { openClients, pause, type LoadClient } from './load-client.ts'
import { startServer, type ServerName, type ServerOptions } from './server-process.ts'

export interface IngestOptions {
  readonly server: ServerName
  readonly dialect: DialectName
  readonly serverOptions?: ServerOptions
  readonly writers: number
  readonly documents: number
  /** Unacknowledged updates that a writer keeps. */
  readonly inFlight: number
  readonly ms: number
  /** Documents are stored: they are looked for after the kill. */
  readonly stores: boolean
}

export interface IngestResult {
  readonly acknowledgedPerSecond: number
  readonly ackP50Ms: number
  readonly ackP99Ms: number
  readonly cpuUsPerUpdate: number
  readonly generatorCpu: number
  readonly acknowledged: number
  /** Acknowledged before the kill and not there after it; null: the server stores nothing. */
  readonly lost: number | null
}

const WARM_MS = 1_000
const PATIENCE_MS = 15_000

export async function ingest(options: IngestOptions): Promise<IngestResult> {
  let server = await startServer(options.server, options.serverOptions)
  try {
    const waits: number[] = []
    const sentAt = Array.from({ length: options.writers }, () => new Float64Array(options.inFlight))
    let counting = false
    let writing = false
    const write = (client: LoadClient): void => {
      sentAt[client.options.writer]![client.clock % options.inFlight] = performance.now()
      client.type()
    }
    const onAcknowledged = (client: LoadClient, count: number): void => {
      const now = performance.now()
      for (let clock = client.acknowledged - count; clock < client.acknowledged; clock++) {
        if (counting) waits.push(now - sentAt[client.options.writer]![clock % options.inFlight]!)
      }
      while (writing && client.clock - client.acknowledged < options.inFlight) write(client)
    }
    const clients = await openClients(
      Array.from({ length: options.writers }, (_, writer) => ({
        ...{ port: server.port, dialect: options.dialect, doc: `ingest-${writer % options.documents}`, writer },
        onAcknowledged,
      })),
    )
    writing = true
    for (const client of clients) while (client.clock < options.inFlight) write(client)
    await pause(Math.min(WARM_MS, options.ms))
    counting = true
    const total = (): number => clients.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
    const [before, start, cpu, own] = [total(), performance.now(), server.cpuMs(), process.cpuUsage()]
    await pause(options.ms)
    const acknowledged = total() - before
    const ms = performance.now() - start
    const cpuMs = server.cpuMs() - cpu
    const { user, system } = process.cpuUsage(own)
    counting = false
    const ending = server.restart('SIGKILL')
    server = await ending
    const told = clients.map((client) => client.acknowledged)
    for (const client of clients) client.destroy()
    const lost = options.stores ? await countLost(server.port, options, told) : null
    waits.sort((a, b) => a - b)
    return {
      acknowledgedPerSecond: Math.round((acknowledged * 1000) / ms),
      ackP50Ms: waits[Math.floor(waits.length * 0.5)] ?? Infinity,
      ackP99Ms: waits[Math.floor(waits.length * 0.99)] ?? Infinity,
      cpuUsPerUpdate: (cpuMs * 1000) / Math.max(1, acknowledged),
      generatorCpu: (user + system) / 1000 / ms,
      acknowledged: told.reduce((sum, count) => sum + count, 0),
      lost,
    }
  } finally {
    await server.discard()
  }
}

/** `told`: how many updates each writer was told of as taken. */
async function countLost(port: number, { documents, dialect }: IngestOptions, told: readonly number[]): Promise<number> {
  const stored = told.map(() => 0)
  const onLetters = (_: LoadClient, writer: number, clock: number, count: number): void => {
    stored[writer] = Math.max(stored[writer] ?? 0, clock + count)
  }
  const lost = (): number => told.reduce((sum, count, writer) => sum + Math.max(0, count - stored[writer]!), 0)
  const readers = await openClients(
    Array.from({ length: documents }, (_, index) => ({ port, dialect, doc: `ingest-${index}`, writer: told.length + index, onLetters })),
  )
  // y-websocket-server answers before its store has: what it has comes a while later.
  const until = performance.now() + PATIENCE_MS
  while (lost() > 0 && performance.now() < until) await pause(50)
  for (const reader of readers) reader.destroy()
  return lost()
}
