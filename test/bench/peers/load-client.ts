// One client of a server under load: one connection, one document, one writer. It counts what it is sent and keeps nothing of it.

import { dialects, type DialectName, type Session, type SessionPort } from './dialect.ts'
import { RawSocket } from './raw-socket.ts'
import { readLetters, typedUpdate, type Letters } from './typed-updates.ts'

export interface LoadClientOptions {
  readonly port: number
  readonly dialect: DialectName
  readonly doc: string
  /** Its number, as the author of updates. */
  readonly writer: number
  /** Of what it has already; the native dialect knows none. */
  readonly stateVector?: Uint8Array
  /** Who is told of every update that comes, the client's own among them. Default: nobody, and nothing is decoded. */
  onLetters?(client: LoadClient, writer: number, clock: number, count: number): void
  /** Every update that comes, as it came. It may hold anything; one that comes counts as one own update that came back. For a client that is alone in its document. */
  onUpdate?(update: Buffer): void
  /** The server said no, or something that nobody understands. Default: that ends this program. */
  onFailed?(error: unknown): void
  /** Own updates were acknowledged: by the words of the protocol, or because they came back. */
  onAcknowledged?(client: LoadClient, count: number): void
}

export class LoadClient {
  readonly options: LoadClientOptions
  /** Resolves when the connection is open and the document is here. */
  readonly ready: Promise<void>
  /** Resolves when, after that, nothing of the greeting is unanswered. */
  readonly greeted: Promise<void>
  /** Updates that it wrote. */
  clock = 0
  acknowledged = 0
  /** Bytes of updates that came. */
  updateBytes = 0
  isReady = false
  closed = false
  private readonly socket: RawSocket
  private readonly session: Session

  constructor(options: LoadClientOptions) {
    this.options = options
    const dialect = dialects[options.dialect]
    const { onLetters } = options
    const acknowledged = (count: number): void => {
      this.acknowledged += count
      options.onAcknowledged?.(this, count)
    }
    const letters: Letters = {
      found: (writer, clock, count) => {
        if (writer === options.writer && dialect.echoes) acknowledged(count)
        onLetters?.(this, writer, clock, count)
      },
    }
    const { onUpdate } = options
    const decodes = onUpdate === undefined && (onLetters !== undefined || options.onAcknowledged !== undefined)
    const ready = Promise.withResolvers<void>()
    const greeted = Promise.withResolvers<void>()
    const fail = (error: Error): void => {
      ready.reject(error)
      greeted.reject(error)
    }
    this.ready = ready.promise
    this.greeted = greeted.promise
    this.ready.catch(() => undefined)
    this.greeted.catch(() => undefined)
    this.socket = new RawSocket({
      port: options.port,
      path: dialect.path(options.doc),
      ...(dialect.subprotocol === undefined ? {} : { subprotocol: dialect.subprotocol }),
      onMessage: (bytes, start, end) => {
        try {
          this.session.received(bytes, start, end)
        } catch (error) {
          if (options.onFailed === undefined) throw error
          options.onFailed(error)
          this.destroy()
        }
      },
      onClose: (code) => {
        this.closed = true
        fail(new Error(`closed with ${code}`))
      },
    })
    const port: SessionPort = {
      send: (payload) => this.socket.send(payload),
      ready: () => {
        this.isReady = true
        ready.resolve()
      },
      greeted: () => {
        this.acknowledged = 0
        greeted.resolve()
      },
      update: (bytes, start, end) => {
        this.updateBytes += end - start
        onUpdate?.(bytes.subarray(start, end))
        if (onUpdate !== undefined && dialect.echoes) acknowledged(1)
        if (decodes) readLetters(bytes, start, letters)
      },
      acknowledged,
    }
    this.session = dialect.session(options.doc, port, options.stateVector)
    this.socket.opened.then(() => this.session.opened(), fail)
  }

  /** Writes its next letter. */
  type(): void {
    this.session.write(typedUpdate(this.options.writer, this.clock++))
  }

  /** Writes any update. */
  write(update: Uint8Array): void {
    this.clock++
    this.session.write(update)
  }

  get unsentBytes(): number {
    return this.socket.unsentBytes
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** Opens clients, at most `together` at a time, and resolves when all are greeted. */
export async function openClients(all: readonly LoadClientOptions[], together = 200): Promise<LoadClient[]> {
  const clients: LoadClient[] = []
  for (let from = 0; from < all.length; from += together) {
    const some = all.slice(from, from + together).map((options) => new LoadClient(options))
    await Promise.all(some.map(({ greeted }) => greeted))
    clients.push(...some)
  }
  return clients
}

/** Waits; the generator's own clock. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
