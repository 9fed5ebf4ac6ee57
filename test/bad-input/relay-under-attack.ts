// The scene of all cases: a real relay in its own process over a SQLite folder, a native observer of the whole space, a y-websocket observer in each document that
// is attacked, and the honest pair. Tells what was stored and forwarded since a mark. Shared by the rows of one test file.

import { DEFAULT_SPACE, docKeyOf, parseDocId, unframeUpdates, WHOLE_RANGE, ZERO_DIGEST, type Digest, type DocKey } from '@syncline/protocol'
import { openSqliteReader } from '@syncline/store/sqlite'
import { startRelay, temporaryFolder, type RelayProcess } from '../integration/relay-process.ts'
import { BareClient, freshUpdate } from '../integration/room-client.ts'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { spaceFile } from '../../packages/relay/src/data-folder.ts'
import { PAIR_DOC } from './honest-pair.ts'
import { NativePeer } from './native-peer.ts'
import { RoundTrips, spreadOf, STALL_MS_MAX, timeNow, worstOf, type Window } from './round-trips.ts'

type Reading = Awaited<ReturnType<typeof openSqliteReader>>

/** What one document has got since a mark, seen from everywhere. */
export interface Seen {
  /** Updates of its log rows. */
  readonly stored: readonly Uint8Array[]
  /** Updates that the native observer was sent; null: an OFFER came, as for rows over 256 KiB. */
  readonly native: readonly (Uint8Array | null)[]
  /** Updates that the y-websocket observer was sent. */
  readonly room: readonly Uint8Array[]
  /** Updates that wait for what they lack. */
  readonly held: number
  /** Presence that the observers were sent. */
  readonly presence: number
}

interface Mark {
  readonly head: number
  readonly native: number
  readonly room: number
  readonly documents: ReadonlyMap<string, string>
}

export class RelayUnderAttack {
  readonly relay: RelayProcess
  /** Port of the admin server. */
  readonly adminPort: number
  readonly pair: RoundTrips
  readonly windows: Window[] = []
  readonly #reading: Reading
  readonly #native: NativePeer
  readonly #rooms = new Map<string, BareClient>()
  readonly #remove: () => void
  #exited = false
  #attackedFrom = 0

  private constructor(relay: RelayProcess, adminPort: number, pair: RoundTrips, reading: Reading, native: NativePeer, remove: () => void) {
    this.relay = relay
    this.adminPort = adminPort
    this.pair = pair
    this.#reading = reading
    this.#native = native
    this.#remove = remove
    void relay.exited.then(() => (this.#exited = true))
  }

  static async start(): Promise<RelayUnderAttack> {
    const folder = temporaryFolder()
    const relay = await startRelay(folder.path, { args: ['--durability', 'process', '--doors-y-sweet', '--admin-port', '0'] })
    const adminPort = await adminPortOf(relay)
    const native = await NativePeer.live(relay.port)
    const pair = await RoundTrips.start(relay.port, relay.pid)
    const reading = await openSqliteReader(spaceFile(folder.path, DEFAULT_SPACE))
    const scene = new RelayUnderAttack(relay, adminPort, pair, reading, native, folder.remove)
    // The relay is warm before anything is compared.
    await pair.more(30)
    scene.#attackedFrom = timeNow()
    await pair.more(60)
    scene.windows.push({ label: 'before', from: scene.#attackedFrom, to: timeNow() })
    scene.#attackedFrom = timeNow()
    return scene
  }

  get port(): number {
    return this.relay.port
  }

  get alive(): boolean {
    return !this.#exited
  }

  /** The y-websocket observer of a document; it stays connected to the end. */
  async observe(doc: string): Promise<BareClient> {
    let room = this.#rooms.get(doc)
    if (room === undefined) {
      room = new BareClient(`${this.relay.url}/${doc}`)
      this.#rooms.set(doc, room)
      await room.opened
      room.send(codec.step1Frame(Uint8Array.of(0)))
      await room.messageWhere(({ kind }) => kind === 'step-2')
    }
    return room
  }

  /** An honest edit of the observer; resolves when it is committed and the native observer has it, and with it all that came before. */
  async honestEdit(doc: string, update: Uint8Array = freshUpdate('.')): Promise<Uint8Array> {
    const room = await this.observe(doc)
    const from = this.#native.messages.length
    room.send(codec.updateFrame(update))
    await room.echoOf(update)
    const bytes = Buffer.from(update)
    await new Promise<void>((resolve) => {
      const check = (): void => {
        const came = this.#nativeUpdates(from).some((sent) => sent.doc === doc && (sent.update === null || bytes.equals(sent.update)))
        if (came) resolve()
        else setTimeout(check, 2)
      }
      check()
    })
    return update
  }

  mark(doc: string): Mark {
    return {
      head: this.#reading.reader.head(),
      native: this.#native.messages.length,
      room: this.#rooms.get(doc)?.messages.length ?? 0,
      documents: this.#documents(doc),
    }
  }

  /** What a document has got since the mark. Throws when any other document changed, but the pair's and those that may. */
  seen(doc: string, mark: Mark, mayChange: readonly string[] = []): Seen {
    const key = this.#keyOf(doc)
    const others = [...this.#documents(doc)].filter(([name]) => !mayChange.includes(name))
    const changed = others.filter(([name, digest]) => mark.documents.get(name) !== digest).map(([name]) => name)
    if (changed.length > 0) throw new Error(`other documents changed: ${changed.join(', ')}`)
    const room = this.#rooms.get(doc)?.messages.slice(mark.room) ?? []
    const native = this.#native.messages.slice(mark.native)
    return {
      stored: this.#storedUpdates(key, mark.head),
      native: this.#nativeUpdates(mark.native).flatMap((sent) => (sent.doc === doc ? [sent.update] : [])),
      room: room.flatMap((message) => (message.kind === 'update' || message.kind === 'step-2' ? [message.update] : [])),
      held: this.#reading.reader.held(key).length,
      presence: [...room, ...native].filter(({ kind }) => kind === 'awareness' || kind === 'presence').length,
    }
  }

  /** Resolves when the observers were sent as many messages of presence since `mark`: what one leaves behind that goes away comes in its own time. */
  async presenceCame(doc: string, mark: Mark, messages: number, mayChange: readonly string[]): Promise<void> {
    while (this.seen(doc, mark, mayChange).presence < messages) await new Promise((resolve) => setTimeout(resolve, 2))
  }

  /** Names of all stored documents whose name starts so. */
  documentsUnder(prefix: string): string[] {
    return [...this.#documents('')].map(([name]) => name).filter((name) => name.startsWith(prefix))
  }

  /** Names of documents of which the native observer was sent anything at any time. */
  forwardedUnder(prefix: string): string[] {
    return this.#nativeUpdates(0).flatMap(({ doc }) => (doc.startsWith(prefix) ? [doc] : []))
  }

  /** What the store holds of a document, oldest first. */
  storedIn(doc: string): Uint8Array[] {
    const content = this.#reading.reader.content(this.#keyOf(doc))
    return (content?.tail ?? []).flatMap((row) => unframeUpdates(row.data)!)
  }

  digestOf(doc: string): Digest {
    return this.#reading.reader.doc(this.#keyOf(doc))?.digest ?? ZERO_DIGEST
  }

  heldIn(doc: string): number {
    return this.#reading.reader.held(this.#keyOf(doc)).length
  }

  /** Resident memory of the relay, MiB; null where the system does not tell. */
  async memoryMiB(): Promise<number | null> {
    const { readFile } = await import('node:fs/promises')
    const status = await readFile(`/proc/${this.relay.pid}/status`, 'utf8').catch(() => '')
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]
    return kib === undefined ? null : Number(kib) / 1024
  }

  /** Runs one case and notes when. */
  async during<T>(label: string, run: () => Promise<T>): Promise<T> {
    const from = timeNow()
    try {
      return await run()
    } finally {
      this.windows.push({ label, from, to: timeNow() })
    }
  }

  /** The pair's figures: before, during and after the cases. Prints them; the caller asserts. */
  async verdict(group: string): Promise<{ readonly stallMs: number; readonly ratio: number }> {
    const attackedTo = timeNow()
    await this.pair.more(60)
    const trips = await this.pair.trips()
    const before = spreadOf(trips, this.windows[0]!.from, this.windows[0]!.to)
    const during = spreadOf(trips, this.#attackedFrom, attackedTo)
    const after = spreadOf(trips, attackedTo)
    const ratio = during.median / before.median
    const words = ([name, { count, median, max }]: [string, typeof before]): string =>
      `${name} ${median.toFixed(1)} ms (max ${max.toFixed(0)}, n ${count})`
    const figures = Object.entries({ before, during, after }).map(words).join(', ')
    console.log(
      `${group}: round trip of the honest pair ${figures}; median during / before ${ratio.toFixed(2)}\n  longest: ${worstOf(trips, this.windows.slice(1), 5).join('; ')}`,
    )
    return { stallMs: during.busyMax, ratio }
  }

  async stop(): Promise<void> {
    await this.pair.stop()
    for (const room of this.#rooms.values()) room.terminate()
    this.#native.socket.destroy()
    this.#reading.close()
    await this.relay.end('SIGKILL')
    this.#remove()
  }

  /** Observers that lost their connection. */
  get observersLost(): string[] {
    const rooms = [...this.#rooms].filter(([, { socket }]) => socket.readyState !== 1).map(([name]) => `room ${name}`)
    return this.#native.socket.tcp.destroyed ? ['native', ...rooms] : rooms
  }

  #keyOf(doc: string): DocKey {
    return docKeyOf(DEFAULT_SPACE, parseDocId(doc))
  }

  /** Digest by name, without the pair's document and `except`. */
  #documents(except: string): Map<string, string> {
    const rows = this.#reading.reader.docs(WHOLE_RANGE, 100_000)
    return new Map(rows.filter(({ name }) => name !== PAIR_DOC && name !== except).map(({ name, digest }) => [name, digest]))
  }

  #storedUpdates(key: DocKey, after: number): Uint8Array[] {
    const rows = this.#reading.reader.log(after, 100_000, 1_000_000_000)
    return rows.flatMap((row) => (row.doc === key ? unframeUpdates(row.data)! : []))
  }

  #nativeUpdates(from: number): { doc: string; update: Uint8Array | null }[] {
    const found: { doc: string; update: Uint8Array | null }[] = []
    for (const message of this.#native.messages.slice(from)) {
      if (message.kind === 'offer') found.push({ doc: this.#native.nameOf(message.doc), update: null })
      if (message.kind !== 'entries') continue
      for (const row of message.rows)
        for (const update of unframeUpdates(row.bytes)!) found.push({ doc: this.#native.nameOf(row.doc), update })
    }
    return found
  }
}

/** Said on stderr after the ready line on stdout: the order in which the two arrive is not certain. */
async function adminPortOf(relay: RelayProcess): Promise<number> {
  for (;;) {
    const url = /^admin port on (\S+)$/m.exec(relay.troubles())?.[1]
    if (url !== undefined) return Number(new URL(url).port)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export { STALL_MS_MAX }
