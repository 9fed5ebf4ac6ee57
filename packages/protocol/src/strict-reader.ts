// The strict primitives under the gate: minimal varuints, valid UTF-8, counts that fit the bytes left. Methods throw a row of REFUSE.
// Read by update-reader.ts and by the decoder of stored knowledge. Allocates nothing. Rules: IN-1.

import { REFUSE } from './gate-refusal.ts'

const NOTHING = new Uint8Array(0)
const PROTO = [95, 95, 112, 114, 111, 116, 111, 95, 95] // "__proto__"

/** A cursor over bytes. */
export class StrictReader {
  bytes: Uint8Array = NOTHING
  /** Offset of the next unread byte. */
  at = 0
  /** Byte range of the text read last. */
  textStart = 0
  textEnd = 0

  start(bytes: Uint8Array): void {
    this.bytes = bytes
    this.at = 0
  }

  /** Lets go of the bytes. */
  close(): void {
    this.bytes = NOTHING
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw REFUSE.truncated
    return this.bytes[this.at++]!
  }

  skip(count: number): void {
    if (count > this.bytes.length - this.at) throw REFUSE.truncated
    this.at += count
  }

  /** Minimal varuint up to 2^53-1. */
  uint(): number {
    const bytes = this.bytes
    const end = bytes.length
    let at = this.at
    if (at >= end) throw REFUSE.truncated
    let byte = bytes[at++]!
    let value = byte & 0x7f
    let scale = 128
    while (byte > 0x7f) {
      if (at >= end) throw REFUSE.truncated
      byte = bytes[at++]!
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte === 0 || scale > 2 ** 56 || value > Number.MAX_SAFE_INTEGER) throw REFUSE.varint
    }
    this.at = at
    return value
  }

  /** A varuint that counts things of at least `size` bytes each. */
  count(size: number): number {
    const count = this.uint()
    if (count * size > this.bytes.length - this.at) throw REFUSE.count
    return count
  }

  /** Length-prefixed strict UTF-8. Returns its length in UTF-16 units, Yjs's unit of text; its bytes are textStart..textEnd. */
  text(): number {
    const size = this.uint()
    const bytes = this.bytes
    let at = this.at
    if (size > bytes.length - at) throw REFUSE.truncated
    const end = at + size
    this.textStart = at
    this.textEnd = end
    this.at = end
    let units = size
    while (at < end) {
      const lead = bytes[at++]!
      if (lead < 0x80) continue
      const more = continuationBytes(bytes, lead, at, end)
      units -= more === 1 ? 1 : 2
      at += more
    }
    return units
  }

  /** A text that becomes a property name somewhere. */
  keyText(): void {
    this.text()
    if (this.textEnd - this.textStart !== PROTO.length) return
    for (let i = 0; i < PROTO.length; i++) if (this.bytes[this.textStart + i] !== PROTO[i]) return
    throw REFUSE.protoKey
  }
}

/** Checks the bytes after `lead` against the Unicode standard's table of well-formed UTF-8. Returns how many they are. */
function continuationBytes(bytes: Uint8Array, lead: number, at: number, end: number): number {
  if (lead < 0xc2 || lead > 0xf4) throw REFUSE.utf8
  const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3
  if (end - at < more) throw REFUSE.utf8
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  const second = bytes[at]!
  if (second < lowest || second > highest) throw REFUSE.utf8
  for (let i = 1; i < more; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) throw REFUSE.utf8
  return more
}
