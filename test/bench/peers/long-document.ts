// One long document, typed through a door edit by edit: what it takes on disk when the server has gone quiet, and how long it takes to come back from disk after a
// restart. The opening is measured from the first packet of the connection to the last byte of the document, with the server's code warm and its memory empty of it.

import * as Y from 'yjs'
import type { DialectName } from './dialect.ts'
import { LoadClient, openClients, pause } from './load-client.ts'
import type { Paper } from './paper.ts'
import { startServer, type ServerName, type ServerOptions } from './server-process.ts'

export interface LongDocumentOptions {
  readonly server: ServerName
  readonly dialect: DialectName
  readonly serverOptions?: ServerOptions
  readonly paper: Paper
  readonly opens: number
  /** The folder counts as quiet when it has not changed for so long. */
  readonly quietMs: number
  readonly quietWithinMs: number
}

export interface LongDocumentResult {
  readonly ingestSeconds: number
  /** Of its folder before anybody came. */
  readonly emptyBytes: number
  readonly diskBytes: number
  readonly quietAfterSeconds: number
  readonly openMs: readonly number[]
  readonly openBytes: number
}

const IN_FLIGHT = 200
/** Of the encoded document: what comes in pieces is whole when nothing is missing, which is checked afterwards. */
const WHOLE_FROM = 0.8
/** A document that did not come whole for so long is not there. */
const OPEN_WITHIN_MS = 20_000

export async function longDocument(options: LongDocumentOptions): Promise<LongDocumentResult> {
  let server = await startServer(options.server, options.serverOptions)
  try {
    const emptyBytes = server.diskBytes()
    const start = performance.now()
    const write = await typeUpdates(server.port, options.dialect, 'paper', options.paper.updates)
    const ingestSeconds = (performance.now() - start) / 1000
    write.destroy()
    const warm = await openClients([
      { port: server.port, dialect: options.dialect, doc: 'warm', writer: 0, onAcknowledged: () => undefined },
    ])
    warm[0]!.type()
    await pause(500)
    warm[0]!.destroy()
    const { diskBytes, ms } = await whenQuiet(() => server.diskBytes(), options)
    const openMs: number[] = []
    let openBytes = 0
    for (let open = 0; open < options.opens; open++) {
      server = await server.restart('SIGTERM')
      // Not the first document that this process serves.
      for (let index = 0; index < 20; index++) {
        const [other] = await openClients([{ port: server.port, dialect: options.dialect, doc: 'warm', writer: 1 }])
        other!.destroy()
      }
      const one = await openWhole(server.port, options)
      openMs.push(one.ms)
      openBytes = one.bytes
    }
    return { ingestSeconds, emptyBytes, diskBytes, quietAfterSeconds: ms / 1000, openMs, openBytes }
  } finally {
    await server.discard()
  }
}

/** Types into a document that nobody else is in, with a bounded number of edits unacknowledged. Resolves when the last is acknowledged. */
export async function typeUpdates(port: number, dialect: DialectName, doc: string, updates: readonly Uint8Array[]): Promise<LoadClient> {
  let next = 0
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => (finish = resolve))
  let writing = false
  const go = (client: LoadClient): void => {
    if (!writing) return
    while (next < updates.length && next - client.acknowledged < IN_FLIGHT) client.write(updates[next++]!)
    if (client.acknowledged >= updates.length) finish()
  }
  const [writer] = await openClients([{ port, dialect, doc, writer: -1, onAcknowledged: go, onUpdate: () => undefined }])
  writing = true
  go(writer!)
  await finished
  return writer!
}

/** Opens the paper as one who has nothing of it, and compares what came. */
async function openWhole(port: number, { dialect, paper }: LongDocumentOptions): Promise<{ ms: number; bytes: number }> {
  const parts: Buffer[] = []
  const start = performance.now()
  let ms = Infinity
  let bytes = 0
  let opened: LoadClient | null = null
  const come = new Promise<void>((resolve) => {
    const look = (): void => {
      if (!reader.isReady || bytes < paper.encodedBytes * WHOLE_FROM || ms < Infinity) return
      ms = performance.now() - start
      resolve()
    }
    const reader: LoadClient = new LoadClient({
      ...{ port, dialect, doc: 'paper', writer: -1 },
      onUpdate(update) {
        parts.push(Buffer.from(update))
        bytes += update.length
        look()
      },
    })
    reader.ready.then(look, () => undefined)
    setTimeout(resolve, OPEN_WITHIN_MS)
    opened = reader
  })
  await come
  const reader = opened as LoadClient | null
  reader?.destroy()
  const doc = new Y.Doc()
  for (const part of parts) Y.applyUpdate(doc, part)
  if (doc.getText('body').length !== paper.length) throw new Error(`of ${paper.length} letters ${doc.getText('body').length} came back`)
  return { ms, bytes }
}

async function whenQuiet(size: () => number, { quietMs, quietWithinMs }: LongDocumentOptions): Promise<{ diskBytes: number; ms: number }> {
  const start = performance.now()
  let diskBytes = size()
  let changedAt = start
  while (performance.now() - changedAt < quietMs && performance.now() - start < quietWithinMs) {
    await pause(200)
    const now = size()
    if (now === diskBytes) continue
    diskBytes = now
    changedAt = performance.now()
  }
  return { diskBytes, ms: changedAt - start }
}
