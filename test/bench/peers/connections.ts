// Connections rather than traffic: what an idle one costs that has synced one document, how long it takes until a crowd that dials in the same instant is synced again, and
// what documents cost that somebody opens once and leaves. Every document has content, and a client counts as synced when it has come.

import type { DialectName } from './dialect.ts'
import { LoadClient, openClients, pause, type LoadClientOptions } from './load-client.ts'
import { startServer, type ServerName, type ServerOptions, type ServerProcess } from './server-process.ts'

export interface ConnectionsOptions {
  readonly server: ServerName
  readonly dialect: DialectName
  readonly serverOptions?: ServerOptions
}

export interface SettlingOptions extends ConnectionsOptions {
  /** Resident memory is read after such a pause. */
  readonly settleMs: number
}

export interface IdleResult {
  readonly connections: number
  /** Of resident memory, per connection, above what the server held with the same documents open once each. */
  readonly kibEach: number
  readonly baseMib: number
}

/** Before the count begins: as many connections come and go, so that heaps have grown and code is warm. */
const WARM_CONNECTIONS = 200

export async function idleConnections(
  options: SettlingOptions & { readonly connections: number; readonly documents: number },
): Promise<IdleResult> {
  const server = await startServer(options.server, options.serverOptions)
  try {
    const residents = await fill(server, options, options.documents)
    const visitors = await openClients(clientsOf(server, options, WARM_CONNECTIONS, options.documents))
    for (const visitor of visitors) visitor.destroy()
    await pause(options.settleMs)
    const before = server.rssKib()
    const crowd = await openClients(clientsOf(server, options, options.connections, options.documents))
    await pause(options.settleMs)
    const after = server.rssKib()
    const closed = crowd.filter((client) => client.closed).length
    if (closed > 0) throw new Error(`${options.server} closed ${closed} idle connections`)
    for (const client of [...crowd, ...residents]) client.destroy()
    return { connections: options.connections, kibEach: (after - before) / options.connections, baseMib: before / 1024 }
  } finally {
    await server.discard()
  }
}

export interface ReconnectResult {
  readonly clients: number
  /** Until the last was synced, of every round. */
  readonly lastMs: readonly number[]
  readonly medianClientMs: number
  readonly cpuMsEach: number
}

export async function reconnectAtOnce(
  options: ConnectionsOptions & { readonly clients: number; readonly documents: number; readonly rounds: number },
): Promise<ReconnectResult> {
  const server = await startServer(options.server, options.serverOptions)
  try {
    const residents = await fill(server, options, options.documents)
    const lastMs: number[] = []
    const all: number[] = []
    let cpuMs = 0
    for (let round = 0; round <= options.rounds; round++) {
      const cpu = server.cpuMs()
      const start = performance.now()
      const took: number[] = []
      const crowd = clientsOf(server, options, options.clients, options.documents).map((one) => new LoadClient(one))
      await Promise.all(crowd.map(({ ready }) => ready.then(() => took.push(performance.now() - start))))
      const empty = crowd.filter(({ updateBytes }) => updateBytes < 10).length
      if (empty > 0 && options.server !== 'floor-broadcast') throw new Error(`${empty} clients of ${options.server} synced nothing`)
      // The first round warms.
      if (round > 0) {
        lastMs.push(took.at(-1)!)
        all.push(...took)
        cpuMs += server.cpuMs() - cpu
      }
      for (const client of crowd) client.destroy()
      await pause(500)
    }
    for (const client of residents) client.destroy()
    all.sort((a, b) => a - b)
    const { clients, rounds } = options
    return { clients, lastMs, medianClientMs: all[Math.floor(all.length / 2)]!, cpuMsEach: cpuMs / (clients * rounds) }
  } finally {
    await server.discard()
  }
}

export interface OpenOnceResult {
  /** That were opened in the time that there was. */
  readonly documents: number
  readonly cpuMsEach: number
  readonly perSecond: number
  /** Resident memory at the end above that after the first tenth, per document. */
  readonly kibEach: number
  /** What is left of it at no document at all, if each takes as much as those after the first tenth. */
  readonly fixedMib: number
  readonly mib: number
}

export interface OpenOnceOptions extends SettlingOptions {
  readonly documents: number
  /** At a time. */
  readonly visitors: number
  /** What is opened by then is all; the first tenth is opened in any case. */
  readonly withinMs: number
}

/** Each document gets one letter and is left. */
export async function openOnce(options: OpenOnceOptions): Promise<OpenOnceResult> {
  const server = await startServer(options.server, options.serverOptions)
  const visit = async (from: number, to: number, until: number): Promise<number> => {
    let next = from
    const visitor = async (): Promise<void> => {
      while (next < to && performance.now() < until) {
        const index = next++
        await new Promise<void>((resolve, reject) => {
          const client = new LoadClient({
            ...{ port: server.port, dialect: options.dialect, doc: `once-${index}`, writer: index },
            onAcknowledged: () => client.clock > 0 && resolve(client.destroy()),
          })
          client.greeted.then(() => client.type(), reject)
        })
      }
    }
    await Promise.all(Array.from({ length: options.visitors }, visitor))
    return next
  }
  try {
    const tenth = Math.ceil(options.documents / 10)
    await visit(0, tenth, Infinity)
    await pause(options.settleMs)
    const [rssBefore, cpu, start] = [server.rssKib(), server.cpuMs(), performance.now()]
    const documents = await visit(tenth, options.documents, start + options.withinMs)
    const ms = performance.now() - start
    await pause(options.settleMs)
    const opened = documents - tenth
    const rss = server.rssKib()
    return {
      ...{ documents, cpuMsEach: (server.cpuMs() - cpu) / opened, perSecond: (opened * 1000) / ms },
      ...{ kibEach: (rss - rssBefore) / opened, mib: rss / 1024 },
      fixedMib: (rssBefore - (tenth * (rss - rssBefore)) / opened) / 1024,
    }
  } finally {
    await server.discard()
  }
}

/** One resident for each document, who writes a few letters and stays, so that a server that keeps documents only while somebody is there has them. */
async function fill(server: ServerProcess, { dialect }: ConnectionsOptions, documents: number): Promise<LoadClient[]> {
  const residents = await openClients(
    Array.from({ length: documents }, (_, index) => ({
      port: server.port,
      dialect,
      doc: `idle-${index}`,
      writer: index,
      onAcknowledged: () => undefined,
    })),
  )
  for (const resident of residents) for (let letter = 0; letter < 20; letter++) resident.type()
  await pause(1_000)
  return residents
}

function clientsOf({ port }: ServerProcess, { dialect }: ConnectionsOptions, count: number, documents: number): LoadClientOptions[] {
  return Array.from({ length: count }, (_, index) => ({ port, dialect, doc: `idle-${index % documents}`, writer: documents + index }))
}
