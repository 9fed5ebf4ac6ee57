// Messages that many sockets are sent alike, as the network takes them: each in a WebSocket frame of its own, built once, for one write. A message is `head`, the length of a
// block as a varUint, and the block; all of a run have one head. Made by the codecs of the doors, written by door-socket.ts. Frames of a server are not masked (RFC 6455, 5.1),
// so they are the same for all, as long as no extension is agreed on.

const BINARY_FINAL = 0x82
const LENGTH_16_BITS = 126
const LENGTH_64_BITS = 127

export class MessageRun {
  private readonly head: Uint8Array
  private readonly blocks: readonly Uint8Array[]
  private built: Uint8Array | null = null

  constructor(head: Uint8Array, blocks: readonly Uint8Array[]) {
    this.head = head
    this.blocks = blocks
  }

  /** All frames, one after another. Built at the first call; not to be changed. */
  get frames(): Uint8Array {
    this.built ??= this.build()
    return this.built
  }

  /** The messages without their frames. */
  *[Symbol.iterator](): Generator<Uint8Array, void> {
    for (const block of this.blocks) {
      const message = new Uint8Array(this.messageBytes(block))
      this.writeMessage(message, 0, block)
      yield message
    }
  }

  private build(): Uint8Array {
    let size = 0
    for (const block of this.blocks) {
      const length = this.messageBytes(block)
      size += frameHeaderBytes(length) + length
    }
    const bytes = Buffer.allocUnsafe(size)
    let at = 0
    for (const block of this.blocks) {
      at = writeFrameHeader(bytes, at, this.messageBytes(block))
      at = this.writeMessage(bytes, at, block)
    }
    return bytes
  }

  private messageBytes(block: Uint8Array): number {
    return this.head.length + varuintBytes(block.length) + block.length
  }

  private writeMessage(bytes: Uint8Array, from: number, block: Uint8Array): number {
    bytes.set(this.head, from)
    let at = from + this.head.length
    let rest = block.length
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest & 127) | 128
    bytes[at++] = rest
    bytes.set(block, at)
    return at + block.length
  }
}

function frameHeaderBytes(length: number): number {
  return length < LENGTH_16_BITS ? 2 : length < 65_536 ? 4 : 10
}

function writeFrameHeader(bytes: Buffer, from: number, length: number): number {
  bytes[from] = BINARY_FINAL
  if (length < LENGTH_16_BITS) {
    bytes[from + 1] = length
    return from + 2
  }
  if (length < 65_536) {
    bytes[from + 1] = LENGTH_16_BITS
    return bytes.writeUInt16BE(length, from + 2)
  }
  bytes[from + 1] = LENGTH_64_BITS
  return bytes.writeBigUInt64BE(BigInt(length), from + 2)
}

function varuintBytes(value: number): number {
  let size = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}
