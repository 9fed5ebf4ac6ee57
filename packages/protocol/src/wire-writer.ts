// Writes what WireReader reads. Asserts on our own mistakes: a value that a reader would refuse never leaves. Read by codec.ts and presence.ts.

import { fromHex } from './hex.ts'

const encoder = /* @__PURE__ */ new TextEncoder()

/** Our own mistake: stops here, before it reaches the wire. */
export function cannotWrite(what: string): never {
  throw new Error(`cannot write ${what}`)
}

/** For fewer, a view costs more than the copy. */
const COPIED_BYTE_BY_BYTE_MAX = 48
/** Names, mostly: an encoder takes longer to call than these to write. The length is one byte. */
const SHORT_TEXT_MAX = 48

export class WireWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 128) {
    this.#bytes = new Uint8Array(capacity)
  }

  /** What was written, as a view that the next write may change. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Starts again in the same memory. */
  reset(): void {
    this.#length = 0
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  /** What was written, behind its tag and length, as bytes of their own. */
  framed(tag: number): Uint8Array {
    const length = this.#length
    const out = new Uint8Array(varuintSize(tag) + varuintSize(length) + length)
    const at = putVaruint(out, putVaruint(out, 0, tag), length)
    if (length > COPIED_BYTE_BY_BYTE_MAX) out.set(this.written(), at)
    else for (let i = 0; i < length; i++) out[at + i] = this.#bytes[i]!
    return out
  }

  varuint(value: number): void {
    // Nearly all are.
    if (value >= 0 && value < 128 && value === (value | 0)) return this.byte(value)
    if (!Number.isSafeInteger(value) || value < 0) cannotWrite(`${value} as a varuint`)
    while (value > 127) {
      this.byte((value & 127) | 128)
      value = Math.floor(value / 128)
    }
    this.byte(value)
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Length-prefixed bytes. */
  block(bytes: Uint8Array, max: number = Number.MAX_SAFE_INTEGER): void {
    if (bytes.length > max) cannotWrite(`${bytes.length} bytes where ${max} are the limit`)
    this.varuint(bytes.length)
    this.raw(bytes)
  }

  /** Length-prefixed UTF-8 of at most `max` bytes. */
  text(text: string, max: number): void {
    if (text.length > SHORT_TEXT_MAX || text.length > max || !this.#shortAscii(text)) this.block(encoder.encode(text), max)
  }

  /** Length and bytes of a short text. False, and nothing is written: there is more than ASCII in it. */
  #shortAscii(text: string): boolean {
    this.#reserve(1 + text.length)
    const from = this.#length + 1
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) return false
      this.#bytes[from + i] = code
    }
    this.#bytes[this.#length] = text.length
    this.#length = from + text.length
    return true
  }

  /** Exactly `length` bytes, given as hex. */
  hex(text: string, length: number): void {
    const bytes = fromHex(text)
    if (bytes?.length !== length) cannotWrite(`${text} as ${length} bytes`)
    this.raw(bytes)
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
    grown.set(this.written())
    this.#bytes = grown
  }
}

function varuintSize(value: number): number {
  let size = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}

/** Answers where the next byte goes. */
function putVaruint(out: Uint8Array, from: number, value: number): number {
  let at = from
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) out[at++] = (rest & 127) | 128
  out[at++] = rest
  return at
}
