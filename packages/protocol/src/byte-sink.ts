// Bytes being written one small piece after another, into memory that grows. Made for the byte compactor, whose pieces are often a single byte: there a view
// per piece would cost more than its bytes. Read by byte-structs-writer.ts and byte-compactor.ts.

/** Shorter pieces are copied byte by byte. */
const VIEW_BYTES_MIN = 24

export class ByteSink {
  bytes: Uint8Array
  length = 0

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Starts again in the same memory. */
  reset(): void {
    this.length = 0
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1)
    this.bytes[this.length++] = value
  }

  /** A varuint up to 2^53-1. */
  uint(value: number): void {
    if (this.length + 8 > this.bytes.length) this.reserve(8)
    const { bytes } = this
    let at = this.length
    let rest = value
    while (rest > 0x7f) {
      bytes[at++] = (rest & 0x7f) | 0x80
      rest = Math.floor(rest / 128)
    }
    bytes[at++] = rest
    this.length = at
  }

  /** source[from, to). */
  copy(source: Uint8Array, from: number, to: number): void {
    const size = to - from
    if (this.length + size > this.bytes.length) this.reserve(size)
    if (size < VIEW_BYTES_MIN) {
      const { bytes } = this
      let at = this.length
      for (let i = from; i < to; i++) bytes[at++] = source[i]!
    } else {
      this.bytes.set(source.subarray(from, to), this.length)
    }
    this.length += size
  }

  /** Everything that `other` holds. */
  add(other: ByteSink): void {
    this.copy(other.bytes, 0, other.length)
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  private reserve(more: number): void {
    const grown = new Uint8Array(Math.max(this.length + more, 2 * this.bytes.length))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }
}
