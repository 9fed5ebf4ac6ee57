// A WebSocket client over a plain socket, as cheap as Node allows: frames are read in place, one buffer for all sockets, and nothing is kept per message. The load
// generator has one core for thousands of these, and must not be what is measured. Server frames only: unmasked, unfragmented or not, no extensions.

import { connect, type Socket } from 'node:net'

export interface RawSocketOptions {
  readonly port: number
  readonly path: string
  readonly subprotocol?: string
  /** A whole binary message at bytes[start, end): good until the call returns. */
  onMessage(bytes: Buffer, start: number, end: number): void
  onClose?(code: number | null): void
}

const MASK = Buffer.of(0x1d, 0x83, 0x5c, 0xa7)

export class RawSocket {
  readonly opened: Promise<void>
  closeCode: number | null = null
  private readonly socket: Socket
  private readonly options: RawSocketOptions
  private rest: Buffer | null = null
  private handshake = true
  private fragments: Buffer[] = []
  private resolveOpen: () => void = () => undefined
  private rejectOpen: (error: Error) => void = () => undefined

  constructor(options: RawSocketOptions) {
    this.options = options
    this.opened = new Promise((resolve, reject) => {
      this.resolveOpen = resolve
      this.rejectOpen = reject
    })
    this.opened.catch(() => undefined)
    const subprotocol = options.subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${options.subprotocol}\r\n`
    this.socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true })
    this.socket.once('connect', () =>
      this.socket.write(
        `GET ${options.path} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${subprotocol}\r\n`,
      ),
    )
    this.socket.on('data', (bytes: Buffer) => this.take(bytes))
    this.socket.on('error', (error) => this.rejectOpen(error))
    this.socket.on('close', () => {
      this.rejectOpen(new Error('closed before it opened'))
      this.options.onClose?.(this.closeCode)
    })
  }

  /** One binary message, in one write. */
  send(payload: Uint8Array): void {
    this.socket.write(maskedFrame(payload, 2))
  }

  get unsentBytes(): number {
    return this.socket.writableLength
  }

  destroy(): void {
    this.socket.destroy()
  }

  private take(bytes: Buffer): void {
    let buffer = bytes
    if (this.rest !== null) {
      buffer = Buffer.concat([this.rest, bytes])
      this.rest = null
    }
    let at = 0
    if (this.handshake) {
      const end = buffer.indexOf('\r\n\r\n')
      if (end < 0) {
        this.rest = buffer
        return
      }
      const head = buffer.toString('latin1', 0, end)
      if (!head.startsWith('HTTP/1.1 101')) {
        this.rejectOpen(new Error(head.split('\r\n')[0]))
        this.socket.destroy()
        return
      }
      this.handshake = false
      this.resolveOpen()
      at = end + 4
    }
    at = this.readFrames(buffer, at)
    if (at < buffer.length) this.rest = buffer.subarray(at)
  }

  /** Returns where the first unfinished frame begins. */
  private readFrames(buffer: Buffer, from: number): number {
    let at = from
    while (buffer.length - at >= 2) {
      let length = buffer[at + 1]! & 127
      let start = at + 2
      if (length === 126) {
        if (buffer.length - at < 4) break
        length = buffer.readUInt16BE(at + 2)
        start = at + 4
      } else if (length === 127) {
        if (buffer.length - at < 10) break
        length = Number(buffer.readBigUInt64BE(at + 2))
        start = at + 10
      }
      const end = start + length
      if (end > buffer.length) break
      const first = buffer[at]!
      if (first === 0x82) this.options.onMessage(buffer, start, end)
      else this.control(first, buffer, start, end)
      at = end
    }
    return at
  }

  private control(first: number, buffer: Buffer, start: number, end: number): void {
    const opcode = first & 15
    if (opcode === 9) this.socket.write(maskedFrame(buffer.subarray(start, end), 10))
    else if (opcode === 8) {
      this.closeCode = end - start >= 2 ? buffer.readUInt16BE(start) : 1005
      this.socket.destroy()
    } else if (opcode === 0 || opcode === 2) {
      this.fragments.push(Buffer.from(buffer.subarray(start, end)))
      if ((first & 128) === 0) return
      const whole = Buffer.concat(this.fragments)
      this.fragments = []
      this.options.onMessage(whole, 0, whole.length)
    }
  }
}

function maskedFrame(payload: Uint8Array, opcode: number): Buffer {
  const { length } = payload
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + 4 + length)
  frame[0] = 128 | opcode
  if (header === 2) frame[1] = 128 | length
  else if (header === 4) {
    frame[1] = 128 | 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 128 | 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  MASK.copy(frame, header)
  for (let at = 0, to = header + 4; at < length; at++, to++) frame[to] = payload[at]! ^ MASK[at & 3]!
  return frame
}
