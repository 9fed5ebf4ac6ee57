// Splits one direction of a WebSocket connection into frames, without reading into them (RFC 6455, 5.2). Read by link-faults.ts.

export interface WebSocketFrame {
  readonly bytes: Buffer
  /** Not a ping, pong or close. */
  readonly isData: boolean
}

export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0)

  /** The frames that are whole with these bytes. */
  push(bytes: Buffer): WebSocketFrame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: WebSocketFrame[] = []
    for (let length = frameLength(this.#rest); length !== null && length <= this.#rest.length; length = frameLength(this.#rest)) {
      const frame = Buffer.from(this.#rest.subarray(0, length))
      frames.push({ bytes: frame, isData: (frame[0]! & 0x08) === 0 })
      this.#rest = this.#rest.subarray(length)
    }
    return frames
  }
}

/** Header and payload together; null while the header is not whole. */
function frameLength(bytes: Buffer): number | null {
  if (bytes.length < 2) return null
  const short = bytes[1]! & 0x7f
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0
  const mask = (bytes[1]! & 0x80) === 0 ? 0 : 4
  const header = 2 + extra + mask
  if (bytes.length < 2 + extra) return null
  if (extra === 0) return header + short
  return header + (extra === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2)))
}
