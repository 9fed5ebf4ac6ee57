// The 128-bit additive digest: sets are hashed by adding one pseudo-random 128-bit point per element modulo 2^128, so that a digest changes by
// a few additions when its set changes, and order never matters. Fast, not proof against a writer who chooses ids to collide (PROTOCOL.md 8).
// Decides the point functions:
// F(tag, client, clock) = MurmurHash3_x86_128 of (client low, client high, clock low, clock high with tag in its top byte) and documentPoint. Rules: CV-1.

import { ZERO_DIGEST, type Digest } from './ids.ts'

/** Tags of F: the next clock of a client, the bounds of its deleted ranges, and (of client 0, which is reserved) the document epoch. */
export const POINT = { clock: 1, deleted: 2, epoch: 3 } as const

/** A sum modulo 2^128, four 32-bit words from the most significant. Mutable: an accumulator. Sums of the same points are equal in any order. */
export class Sum128 {
  // kept as signed 32-bit integers, which engines store without boxing
  private a = 0
  private b = 0
  private c = 0
  private d = 0

  add(other: Sum128): void {
    this.addWords(other.a, other.b, other.c, other.d, 0)
  }

  subtract(other: Sum128): void {
    this.addWords(~other.a, ~other.b, ~other.c, ~other.d, 1)
  }

  /** Adds the point whose four words stand in `words` from `at`, the most significant first. */
  addFrom(words: Int32Array, at: number): void {
    this.addWords(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, 0)
  }

  /** Adds F(tag, client, clock). `tag` below 256, `client` and `clock` up to 2^53-1. Allocates nothing. */
  addPoint(tag: number, client: number, clock: number): void {
    this.mixPoint(tag, client, clock, 0)
  }

  /** Takes F(tag, client, clock) back out. */
  subtractPoint(tag: number, client: number, clock: number): void {
    this.mixPoint(tag, client, clock, 1)
  }

  equals(other: Sum128): boolean {
    return this.a === other.a && this.b === other.b && this.c === other.c && this.d === other.d
  }

  isZero(): boolean {
    return (this.a | this.b | this.c | this.d) === 0
  }

  clone(): Sum128 {
    const copy = new Sum128()
    copy.add(this)
    return copy
  }

  /** 16 bytes, big-endian. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(16)
    const view = new DataView(bytes.buffer)
    view.setInt32(0, this.a)
    view.setInt32(4, this.b)
    view.setInt32(8, this.c)
    view.setInt32(12, this.d)
    return bytes
  }

  /** From 16 bytes; further bytes are not read. */
  static fromBytes(bytes: Uint8Array): Sum128 {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
    return Sum128.fromWords(view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12))
  }

  toHex(): Digest {
    return (hexOfWord(this.a) + hexOfWord(this.b) + hexOfWord(this.c) + hexOfWord(this.d)) as Digest
  }

  /** The leading 8 bytes, as 16 hex characters: the short form that the wire carries for ranges and buckets. */
  toHex8(): string {
    return hexOfWord(this.a) + hexOfWord(this.b)
  }

  static fromHex(digest: Digest): Sum128 {
    return Sum128.fromWords(wordOfHex(digest, 0), wordOfHex(digest, 8), wordOfHex(digest, 16), wordOfHex(digest, 24))
  }

  static fromWords(a: number, b: number, c: number, d: number): Sum128 {
    const sum = new Sum128()
    sum.addWords(a, b, c, d, 0)
    return sum
  }

  private addWords(a: number, b: number, c: number, d: number, carry: number): void {
    let sum = (this.d >>> 0) + (d >>> 0) + carry
    this.d = sum | 0
    sum = (this.c >>> 0) + (c >>> 0) + (sum > 0xffffffff ? 1 : 0)
    this.c = sum | 0
    sum = (this.b >>> 0) + (b >>> 0) + (sum > 0xffffffff ? 1 : 0)
    this.b = sum | 0
    this.a = (this.a + a + (sum > 0xffffffff ? 1 : 0)) | 0
  }

  private mixPoint(tag: number, client: number, clock: number, negate: 0 | 1): void {
    state[0] = state[1] = state[2] = state[3] = 0
    absorb(client | 0, (client / 0x100000000) | 0, clock | 0, ((clock / 0x100000000) | 0) ^ (tag << 24))
    finish(16)
    if (negate === 0) this.addWords(state[0], state[1], state[2], state[3], 0)
    else this.addWords(~state[0], ~state[1], ~state[2], ~state[3], 1)
  }
}

/** Point of one document in the root of its space and in range fingerprints: MurmurHash3 of key and digest, each 32 hex characters. A document
 *  without content (ZERO_DIGEST: a quarantined one) adds nothing, as if it were not there. Cost: 0.2 us and one Sum128. */
export function documentPoint(key: string, digest: string): Sum128 {
  if (digest === ZERO_DIGEST) return new Sum128()
  state[0] = state[1] = state[2] = state[3] = 0
  absorb(wordOfHex(key, 0), wordOfHex(key, 8), wordOfHex(key, 16), wordOfHex(key, 24))
  absorb(wordOfHex(digest, 0), wordOfHex(digest, 8), wordOfHex(digest, 16), wordOfHex(digest, 24))
  finish(32)
  return Sum128.fromWords(state[0], state[1], state[2], state[3])
}

/** As documentPoint(), of words: those of the key stand in `words` from `at`, those of the digest after them, and the point's take the place of the digest's. Allocates nothing. */
export function documentPointOfWords(words: Int32Array, at: number): void {
  const [d0, d1, d2, d3] = [at + 4, at + 5, at + 6, at + 7]
  if ((words[d0]! | words[d1]! | words[d2]! | words[d3]!) === 0) return
  state[0] = state[1] = state[2] = state[3] = 0
  absorb(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
  absorb(words[d0]!, words[d1]!, words[d2]!, words[d3]!)
  finish(32)
  words[d0] = state[0]!
  words[d1] = state[1]!
  words[d2] = state[2]!
  words[d3] = state[3]!
}

// MurmurHash3_x86_128, seed 0, over blocks of four 32-bit words. One module-level state: no caller is re-entrant.
const state = new Int32Array(4)
const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

function absorb(k1: number, k2: number, k3: number, k4: number): void {
  let h1 = state[0]!
  let h2 = state[1]!
  let h3 = state[2]!
  let h4 = state[3]!
  h1 ^= Math.imul(rotate(Math.imul(k1, C1), 15), C2)
  h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0
  h2 ^= Math.imul(rotate(Math.imul(k2, C2), 16), C3)
  h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0
  h3 ^= Math.imul(rotate(Math.imul(k3, C3), 17), C4)
  h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0
  h4 ^= Math.imul(rotate(Math.imul(k4, C4), 18), C1)
  h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0
  state[0] = h1
  state[1] = h2
  state[2] = h3
  state[3] = h4
}

function finish(length: number): void {
  let h1 = state[0]! ^ length
  let h2 = state[1]! ^ length
  let h3 = state[2]! ^ length
  let h4 = state[3]! ^ length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = avalanche(h2 + h1)
  h3 = avalanche(h3 + h1)
  h4 = avalanche(h4 + h1)
  h1 = (avalanche(h1) + h2 + h3 + h4) | 0
  state[0] = h1
  state[1] = h2 + h1
  state[2] = h3 + h1
  state[3] = h4 + h1
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function avalanche(word: number): number {
  let h = word | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Eight hex characters as a 32-bit word. */
export function wordOfHex(hex: string, at: number): number {
  let word = 0
  for (let i = at; i < at + 8; i++) {
    const code = hex.charCodeAt(i)
    // '0' is 48, 'a' is 97
    word = (word << 4) | (code < 58 ? code - 48 : code - 87)
  }
  return word
}

const DIGIT_PAIRS = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A 32-bit word as eight hex characters. */
export function hexOfWord(word: number): string {
  return DIGIT_PAIRS[word >>> 24]! + DIGIT_PAIRS[(word >>> 16) & 255]! + DIGIT_PAIRS[(word >>> 8) & 255]! + DIGIT_PAIRS[word & 255]!
}
