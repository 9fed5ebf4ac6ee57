// The one port of a relay that is spread over workers: accepts connections, reads each just far enough to know whose it is, and hands it over. Nothing of a connection
// passes here afterwards, unless its TLS ends here (tls-pipe.ts). Holds the bounds that count before anybody is known: time and size of a request's head, connections in
// all and by address. Refuses in words while a worker is not there. Read by pool.ts. Rules: WK-1 to WK-4, RS-1, IN-1.
//
//   accepted ─► head read ─┬─► a worker's          ─► handed over
//                          ├─► kept: its own server answers
//                          └─► names no space: handshake answered ─► greeting read ─► handed over

import { STATUS_CODES } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { LIMITS, type ErrorCode } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { closingFor } from '../close-code.ts'
import { listenError } from '../listen-error.ts'
import { closeFrame, greetedSpace, GREETING_BYTES_MAX, handshakeAnswer } from './greeting.ts'
import type { GuestBook } from './guest-book.ts'
import { ownerOf } from './owner.ts'
import { readUntil } from './read-until.ts'
import { HEAD_BYTES_MAX, readHead, type RequestHead } from './request-head.ts'

/** Whose a request is. */
export type Errand =
  | { readonly to: 'worker'; readonly worker: number }
  /** Its first frame will say. `otherwise`: whose it is where that cannot be read. */
  | { readonly to: 'greet'; readonly otherwise: number }
  /** Of this process. */
  | { readonly to: 'keep' }

export interface PorterOptions {
  readonly server: Server
  readonly host: string
  readonly port: number
  readonly backlog: number
  readonly clock: Clock
  readonly headersTimeoutMs: number
  /** Connections that are of this process: not handed over yet, kept, or with TLS that ends here. */
  readonly acceptedMax: number
  readonly workers: number
  readonly book: GuestBook
  errandOf(head: RequestHead): Errand
  /** Behind a trusted proxy, the forwarded one. */
  addressOf(socket: Socket, head: RequestHead): string
  /** True: it is the worker's from now on. */
  give(worker: number, guest: GivenGuest): boolean
  /** A connection of this process, with what was read of it at its front. */
  keep(socket: Socket): void
}

export interface GivenGuest {
  readonly id: number
  readonly socket: Socket
  /** What was read of it; it stands at the front of the socket too. */
  readonly bytes: Buffer
  readonly answered: boolean
  /** Of the client itself, as the socket has it. */
  readonly secure: boolean
}

/** A head comes in one piece, rarely in a few. */
const PIECES_MAX = 256
/** Who is refused and reads nothing is cut after this time. */
const END_WITHIN_MS = 2_000
const GONE = 'What serves this space is being started again. Try again.'

export class Porter {
  private readonly options: PorterOptions
  /** Not handed over yet. */
  private readonly waiting = new Set<Socket>()
  private closing = false

  constructor(options: PorterOptions) {
    this.options = options
    options.server.maxConnections = options.acceptedMax
    // With TLS both events come: the second is the one that can be read.
    const event = 'setSecureContext' in options.server ? 'secureConnection' : 'connection'
    options.server.on(event, (socket: Socket) => void this.receive(socket))
  }

  /** Resolves with the port. Rejects with "port-taken", "port-forbidden" or "argument-invalid". */
  async listen(): Promise<number> {
    const { server, host, port, backlog } = this.options
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
      server.listen({ host, port, backlog }, resolve)
    })
    server.removeAllListeners('error')
    // Later errors are of accept(): that connection is lost, nothing else.
    server.on('error', () => undefined)
    return (server.address() as AddressInfo).port
  }

  /** No further connections; who is not handed over yet is told to come back. */
  close(): void {
    this.closing = true
    this.options.server.close()
  }

  /** Ends those, too, that have not said what they want. */
  terminate(): void {
    this.close()
    for (const socket of this.waiting) socket.destroy()
  }

  private async receive(socket: Socket): Promise<void> {
    const { clock, headersTimeoutMs } = this.options
    socket.on('error', () => socket.destroy())
    this.waiting.add(socket)
    const tooLate = (): void => void socket.destroy()
    let cancel = clock.after(headersTimeoutMs, tooLate)
    try {
      const read = await readUntil(socket, readHead, { bytesMax: HEAD_BYTES_MAX, piecesMax: PIECES_MAX })
      if (read.kind === 'ended') return void socket.destroy()
      if (read.kind === 'too-much') return refuse(socket, 431, 'The head of this request is too long.')
      if (this.closing) return refuse(socket, 503, 'This relay is shutting down.')
      const errand = this.options.errandOf(read.what)
      if (errand.to === 'keep') return this.options.keep(socket)
      if (errand.to === 'worker') return this.hand(errand.worker, socket, read.what, read.bytes, false)
      const answer = handshakeAnswer(read.what)
      if (answer === null) return this.hand(errand.otherwise, socket, read.what, read.bytes, false)
      cancel()
      cancel = clock.after(LIMITS.helloDeadlineMs, () => endWith(socket, 'hello-timeout', 'No HELLO came in time.'))
      socket.write(answer)
      await this.greet(socket, read.what, read.bytes, errand.otherwise)
    } finally {
      cancel()
      this.waiting.delete(socket)
    }
  }

  private async greet(socket: Socket, head: RequestHead, before: Buffer, otherwise: number): Promise<void> {
    const bytesMax = head.bytes + GREETING_BYTES_MAX
    const spaceIn = (bytes: Buffer): ReturnType<typeof greetedSpace> => greetedSpace(bytes.subarray(head.bytes))
    const read = await readUntil(socket, spaceIn, { bytesMax, piecesMax: PIECES_MAX }, before)
    if (read.kind !== 'known') return void socket.destroy()
    const worker = read.what === 'none' ? otherwise : ownerOf(read.what, this.options.workers)
    this.hand(worker, socket, head, read.bytes, true)
  }

  private hand(worker: number, socket: Socket, head: RequestHead, bytes: Buffer, answered: boolean): void {
    const { book } = this.options
    const secure = 'encrypted' in socket
    const id = book.enter(worker, this.options.addressOf(socket, head), head.headers['upgrade'] !== undefined)
    if (typeof id === 'number' && this.options.give(worker, { id, socket, bytes, answered, secure })) return
    if (typeof id === 'number') book.left(id)
    if (answered) return endWith(socket, id === 'full' || id === 'address-full' ? 'relay-busy' : 'shutting-down', GONE)
    if (id === 'full') return refuse(socket, 503, 'This relay has all the connections it may have. Try again later.')
    if (id === 'address-full') return refuse(socket, 429, 'This address has all the connections it may have. Try again later.')
    refuse(socket, 503, GONE)
  }
}

function refuse(socket: Socket, status: number, words: string): void {
  const body = `${words}\n`
  const retry = status === 503 ? 'Retry-After: 1\r\n' : ''
  end(
    socket,
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${retry}Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

/** Of a WebSocket whose handshake was answered. */
function endWith(socket: Socket, code: ErrorCode, words: string): void {
  const closing = closingFor(code, words)
  end(socket, closeFrame(closing.code, closing.reason))
}

function end(socket: Socket, last: string | Buffer): void {
  socket.setTimeout(END_WITHIN_MS, () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.end(last)
}
