// A TCP connection that writes WebSocket by hand (RFC 6455), so that it can break every rule of it: unmasked frames, reserved bits and opcodes, fragments
// without an end, control frames of any number. Reads what comes back: the HTTP answer, then frames, then the close. Read by the cases and by native-peer.ts.

import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameOptions {
  /** Default true. */
  readonly fin?: boolean
  /** Reserved bit 1: "compressed" where permessage-deflate was negotiated. */
  readonly rsv1?: boolean
  /** Default true, as a client must. */
  readonly masked?: boolean
  /** What the length field says; default the length of the payload. */
  readonly length?: number
}

/** The bytes of one frame. */
export function webSocketFrame(opcode: number, payload: Uint8Array, options: FrameOptions = {}): Uint8Array {
  const { fin = true, rsv1 = false, masked = true, length = payload.length } = options
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const frame = Buffer.alloc(2 + lengthBytes + (masked ? 4 : 0) + payload.length)
  frame[0] = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode
  frame[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2)
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  const at = frame.length - payload.length
  frame.set(payload, at)
  if (!masked) return frame
  const mask = randomBytes(4)
  frame.set(mask, at - 4)
  for (let i = 0; i < payload.length; i++) frame[at + i]! ^= mask[i & 3]!
  return frame
}

export interface HttpAnswer {
  readonly status: number
  readonly head: string
  /** What follows the head, as far as it has come. */
  readonly body: string
}

/** How the connection ended: a close frame's code and reason, or 1006 for an end without one. */
export interface Ended {
  readonly code: number
  readonly reason: string
}

export interface UpgradeOptions {
  readonly subprotocol?: string
  /** More header lines, in order. */
  readonly headers?: readonly string[]
  /** Header lines before those of the upgrade. */
  readonly headersFirst?: readonly string[]
  readonly version?: number
}

/** The request of an upgrade. `target` goes out as it stands. */
export function upgradeRequest(target: string, options: UpgradeOptions = {}): string {
  const { subprotocol, headers = [], headersFirst = [], version = 13 } = options
  const lines = [
    `GET ${target} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...headersFirst,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    `Sec-WebSocket-Version: ${version}`,
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    ...headers,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

export class RawSocket {
  readonly tcp: Socket
  /** The head of the HTTP answer; rejects when the connection ends without one. */
  readonly answered: Promise<HttpAnswer>
  readonly ended: Promise<Ended>
  /** Called with each binary message (the relay does not fragment). */
  onBinary: (payload: Uint8Array) => void = () => undefined
  onPong: (payload: Uint8Array) => void = () => undefined
  #bytes: Buffer = Buffer.alloc(0)
  #head: string | null = null
  #closeFrame: Ended | null = null
  #answer: (answer: HttpAnswer) => void = () => undefined

  constructor(port: number) {
    this.tcp = connect(port, '127.0.0.1')
    this.tcp.setNoDelay(true)
    this.tcp.on('error', () => undefined)
    this.ended = new Promise((resolve) => this.tcp.once('close', () => resolve(this.#closeFrame ?? { code: 1006, reason: '' })))
    this.answered = new Promise((resolve, reject) => {
      this.#answer = resolve
      void this.ended.then(() => reject(new Error('the connection ended without an HTTP answer')))
    })
    this.answered.catch(() => undefined)
    this.tcp.on('data', (chunk) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
      if (this.#head === null) this.#readHead()
      if (this.#head !== null) while (this.#readFrame());
    })
  }

  /** Connects and upgrades. Rejects when the relay does not switch protocols. */
  static async upgraded(port: number, target: string, options: UpgradeOptions = {}): Promise<RawSocket> {
    const socket = new RawSocket(port)
    socket.write(upgradeRequest(target, options))
    const { status, head } = await socket.answered
    if (status !== 101) throw new Error(`the upgrade of ${target} was answered ${head.split('\r\n', 1)[0]}`)
    return socket
  }

  write(bytes: Uint8Array | string): void {
    if (!this.tcp.destroyed) this.tcp.write(bytes)
  }

  frame(opcode: number, payload: Uint8Array | string = new Uint8Array(0), options: FrameOptions = {}): void {
    this.write(webSocketFrame(opcode, typeof payload === 'string' ? Buffer.from(payload) : payload, options))
  }

  binary(payload: Uint8Array): void {
    this.frame(OPCODE.binary, payload)
  }

  destroy(): void {
    this.tcp.destroy()
  }

  #readHead(): void {
    const end = this.#bytes.indexOf('\r\n\r\n')
    if (end < 0) return
    this.#head = this.#bytes.toString('latin1', 0, end)
    this.#bytes = this.#bytes.subarray(end + 4)
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(this.#head)?.[1] ?? 0)
    this.#answer({ status, head: this.#head, body: status === 101 ? '' : this.#bytes.toString('utf8') })
    if (status !== 101) this.#bytes = Buffer.alloc(0)
  }

  #readFrame(): boolean {
    const bytes = this.#bytes
    if (bytes.length < 2) return false
    let length = bytes[1]! & 127
    let at = 2
    if (length === 126) {
      if (bytes.length < 4) return false
      length = bytes.readUInt16BE(2)
      at = 4
    } else if (length === 127) {
      if (bytes.length < 10) return false
      length = Number(bytes.readBigUInt64BE(2))
      at = 10
    }
    if (bytes.length < at + length) return false
    this.#bytes = bytes.subarray(at + length)
    this.#take(bytes[0]! & 15, Uint8Array.from(bytes.subarray(at, at + length)))
    return true
  }

  #take(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.binary) this.onBinary(payload)
    else if (opcode === OPCODE.pong) this.onPong(payload)
    else if (opcode === OPCODE.ping) this.frame(OPCODE.pong, payload)
    else if (opcode === OPCODE.close) {
      this.#closeFrame ??= {
        code: payload.length < 2 ? 1005 : payload[0]! * 256 + payload[1]!,
        reason: Buffer.from(payload.subarray(2)).toString('utf8'),
      }
      this.frame(OPCODE.close, payload.subarray(0, 2))
    }
  }
}
