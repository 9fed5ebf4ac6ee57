// Reads bytes from outside: strict, bounded, never past the end. Whatever does not fit throws Malformed, which the decoders (codec.ts,
// presence.ts) catch and turn into a refusal, so that nothing throws past them. The gate has its own reader (byte-reader.ts), which answers
// with the rows of its refusal table and allocates nothing. Rule: IN-1.

import { toHex } from './hex.ts'

/** Thrown by WireReader only, and caught by the decoder that made the reader. No Error: bad bytes should not cost us a stack trace. */
export class Malformed {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

const utf8 = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Names, mostly: a decoder takes longer to call than these to read. */
const SHORT_TEXT_BYTES_MAX = 48

export class WireReader {
  readonly bytes: Uint8Array
  at: number
  end: number

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get remaining(): number {
    return this.end - this.at
  }

  fail(reason: string): never {
    throw new Malformed(`${reason} at byte ${this.at}`)
  }

  byte(): number {
    if (this.at >= this.end) this.fail('ends early')
    return this.bytes[this.at++]!
  }

  /** Little-endian base 128, at most 2^53 - 1, no shorter form possible. */
  varuint(): number {
    let byte = this.byte()
    if (byte < 128) return byte
    let value = byte & 127
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = this.byte()
      value += (byte & 127) * scale
      if (scale > 2 ** 49 || value > Number.MAX_SAFE_INTEGER) this.fail('number above 2^53 - 1')
    }
    if (byte === 0) this.fail('number in a longer form than needed')
    return value
  }

  /** How many elements follow: at most `max`, and no more than fit in the remaining bytes at `sizeMin` bytes each. */
  count(max: number, sizeMin: number): number {
    const count = this.varuint()
    if (count > max || count * sizeMin > this.remaining) this.fail(`${count} elements`)
    return count
  }

  /** The next `length` bytes as a view, not a copy. */
  view(length: number): Uint8Array {
    if (length > this.remaining) this.fail('ends early')
    return this.bytes.subarray(this.at, (this.at += length))
  }

  /** Length-prefixed bytes as a view. */
  block(max: number = Number.MAX_SAFE_INTEGER): Uint8Array {
    const length = this.varuint()
    if (length > max) this.fail(`${length} bytes`)
    return this.view(length)
  }

  /** Length-prefixed strict UTF-8 of at most `max` bytes. */
  text(max: number): string {
    const bytes = this.block(max)
    const plain = bytes.length <= SHORT_TEXT_BYTES_MAX ? asciiText(bytes) : null
    if (plain !== null) return plain
    try {
      return utf8.decode(bytes)
    } catch {
      return this.fail('text is not UTF-8')
    }
  }

  /** The next `length` bytes as lowercase hex. */
  hex(length: number): string {
    return toHex(this.view(length))
  }
}

/** Null: there is more than ASCII in it. */
function asciiText(bytes: Uint8Array): string | null {
  let bits = 0
  for (let i = 0; i < bytes.length; i++) bits |= bytes[i]!
  return bits > 127 ? null : String.fromCharCode(...bytes)
}
