// A connection whose TLS ends at the port: its bytes go to the worker and back over a local socket, since a process cannot hand over the keys of a connection. A head tells
// whose connection it is; what follows are its bytes. Used by seat.ts (one end) and worker.ts (the other). Rule: WK-5.
//
//   4 bytes length, JSON { id, port, answered, address }, bytes of the client ...

import { connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import type { Handed, PortName } from './messages.ts'
import { readUntil } from './read-until.ts'

interface PipeHead {
  readonly id: number
  readonly port: PortName
  readonly answered: boolean
  readonly address: string
}

const HEAD_BYTES_MAX = 1024
const PIECES_MAX = 64

/** Joins a decrypted connection with its worker. What was read of it stands at its front. `ended` may be called twice. */
export function pipeTo(path: string, { id, port, answered }: Handed, client: Socket, ended: () => void): void {
  const head: PipeHead = { id, port, answered, address: client.remoteAddress ?? '' }
  const text = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  const worker = connect(path)
  worker.write(Buffer.concat([length, text]))
  const gone = (): void => {
    client.destroy()
    worker.destroy()
    ended()
  }
  pipeline(client, worker, gone)
  pipeline(worker, client, gone)
}

/** The worker's end. `take` gets the connection as if it had come from the client itself. */
export function listenPipe(path: string, take: (handed: Omit<Handed, 'kind' | 'bytes'>, socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    void readUntil(socket, headIn, { bytesMax: HEAD_BYTES_MAX * 128, piecesMax: PIECES_MAX }).then((read) => {
      if (read.kind !== 'known') return void socket.destroy()
      const { head, rest } = read.what
      // Take back what stands at its front, and leave what is the client's.
      socket.read()
      if (rest.length > 0) socket.unshift(rest)
      Object.defineProperties(socket, { remoteAddress: { value: head.address }, encrypted: { value: true } })
      take(head, socket)
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

function headIn(bytes: Buffer): { readonly head: PipeHead; readonly rest: Buffer } | null {
  if (bytes.length < 4) return null
  const end = 4 + bytes.readUInt32BE(0)
  if (bytes.length < end) return null
  return { head: JSON.parse(bytes.toString('utf8', 4, end)) as PipeHead, rest: bytes.subarray(end) }
}
