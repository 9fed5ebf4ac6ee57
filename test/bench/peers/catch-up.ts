// Offline catch-up: a client had the beginning of a document and was away while very many edits were made. What its return takes, measured from the first packet of the connection to
// the last byte of what it lacked, while somebody has the document open and when the server has just started; and the other way round, where it made as many edits itself
// and brings them. That it has everything is checked by what it shows.

import * as Y from 'yjs'
import type { DialectName } from './dialect.ts'
import { LoadClient, openClients, pause } from './load-client.ts'
import { typeUpdates } from './long-document.ts'
import { startServer, type ServerName, type ServerOptions, type ServerProcess } from './server-process.ts'

export interface CatchUpOptions {
  readonly server: ServerName
  readonly dialect: DialectName
  readonly serverOptions?: ServerOptions
  readonly updates: readonly Uint8Array[]
  /** Of these the client had before. */
  readonly known: number
  readonly returns: number
  /** Before a restart: some servers store late. Null: nothing is stored. */
  readonly storedAfterMs: number | null
}

export interface CatchUpResult {
  readonly ms: readonly number[]
  readonly bytes: number
  readonly cpuMs: number
  /** After a restart of the server; null: it does not store, or what came back was not everything. */
  readonly coldMs: number | null
  readonly coldCpuMs: number | null
  /** From sending what it made off line until somebody else has it. */
  readonly bringMs: number
  readonly bringBytes: number
  readonly bringCpuMs: number
}

const WITHIN_MS = 60_000

interface Away {
  readonly state: Uint8Array
  readonly stateVector: Uint8Array
  readonly lacks: Uint8Array
  /** The text that it had, and that it is to see. */
  readonly before: string
  readonly text: string
}

export async function catchUp(options: CatchUpOptions): Promise<CatchUpResult> {
  const { dialect, updates, known, returns, storedAfterMs } = options
  const away = awayWith(updates, known)
  let server = await startServer(options.server, options.serverOptions)
  try {
    const writer = await typeUpdates(server.port, dialect, 'away', updates)
    // The first one warms.
    await comeBack(server, dialect, away)
    const cpu = server.cpuMs()
    const came: { ms: number; bytes: number }[] = []
    for (let time = 0; time < returns; time++) came.push(await comeBack(server, dialect, away))
    const cpuMs = (server.cpuMs() - cpu) / returns
    const brought = await bring(server, dialect, away)
    writer.destroy()
    let cold: Pick<CatchUpResult, 'coldMs' | 'coldCpuMs'> = { coldMs: null, coldCpuMs: null }
    if (storedAfterMs !== null) {
      await pause(storedAfterMs)
      server = await server.restart('SIGTERM')
      // Not the first document that this process serves.
      for (let index = 0; index < 20; index++) {
        const [other] = await openClients([{ port: server.port, dialect, doc: 'warm', writer: 0 }])
        other!.destroy()
      }
      const before = server.cpuMs()
      cold = await comeBack(server, dialect, away).then(
        ({ ms }) => ({ coldMs: ms, coldCpuMs: server.cpuMs() - before }),
        () => cold,
      )
    }
    return { ms: came.map(({ ms }) => ms), bytes: came.at(-1)!.bytes, cpuMs, ...cold, ...brought }
  } finally {
    await server.discard()
  }
}

function awayWith(updates: readonly Uint8Array[], known: number): Away {
  const doc = new Y.Doc()
  doc.transact(() => updates.slice(0, known).forEach((update) => Y.applyUpdate(doc, update)))
  const [state, stateVector] = [Y.encodeStateAsUpdate(doc), Y.encodeStateVector(doc)]
  const before = doc.getText('body').toString()
  doc.transact(() => updates.slice(known).forEach((update) => Y.applyUpdate(doc, update)))
  return { state, stateVector, lacks: Y.encodeStateAsUpdate(doc, stateVector), before, text: doc.getText('body').toString() }
}

/** What somebody sees who had `state` and is sent updates. */
class Onlooker {
  readonly doc = new Y.Doc()
  private parts: Buffer[] = []
  private lastAt = 0

  constructor(state: Uint8Array) {
    Y.applyUpdate(this.doc, state)
  }

  /** Resolves with when the last update came that it took to see this; rejects when it does not in time. What is done with updates here is nobody's time. */
  async sees(text: string): Promise<number> {
    for (const until = performance.now() + WITHIN_MS; ; await pause(5)) {
      for (const part of this.parts.splice(0)) Y.applyUpdate(this.doc, part)
      if (this.doc.getText('body').toString() === text) return this.lastAt
      if (performance.now() > until) throw new Error('not everything came that was missed')
    }
  }

  readonly onUpdate = (update: Buffer): void => {
    this.parts.push(Buffer.from(update))
    this.lastAt = performance.now()
  }
}

async function comeBack({ port }: ServerProcess, dialect: DialectName, away: Away): Promise<{ ms: number; bytes: number }> {
  const onlooker = new Onlooker(away.state)
  const { stateVector } = away
  const startedAt = performance.now()
  const client = new LoadClient({ ...{ port, dialect, doc: 'away', writer: -1, stateVector }, onUpdate: onlooker.onUpdate })
  try {
    await client.ready
    return { ms: (await onlooker.sees(away.text)) - startedAt, bytes: client.updateBytes }
  } finally {
    client.destroy()
  }
}

/** Into a document of its own, which somebody reads. */
async function bring(
  server: ServerProcess,
  dialect: DialectName,
  away: Away,
): Promise<Pick<CatchUpResult, 'bringMs' | 'bringBytes' | 'bringCpuMs'>> {
  const { port } = server
  const onlooker = new Onlooker(new Uint8Array([0, 0]))
  const [author] = await openClients([{ port, dialect, doc: 'brought', writer: -1, onUpdate: () => undefined }])
  author!.write(away.state)
  const [reader] = await openClients([{ port, dialect, doc: 'brought', writer: -2, onUpdate: onlooker.onUpdate }])
  await onlooker.sees(away.before)
  const cpu = server.cpuMs()
  const startedAt = performance.now()
  author!.write(away.lacks)
  const bringMs = (await onlooker.sees(away.text)) - startedAt
  await pause(500)
  const bringCpuMs = server.cpuMs() - cpu
  author!.destroy()
  reader!.destroy()
  return { bringMs, bringBytes: away.lacks.length, bringCpuMs }
}
