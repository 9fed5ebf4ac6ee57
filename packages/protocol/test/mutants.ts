// Seeded mutants of a corpus of byte strings, for the fuzz tests of the decoders. The same seed gives the same mutants.

/** Whole numbers from 0, below the argument. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return Math.floor((((value ^ (value >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** One or two members of the corpus, changed in one to three places. */
export function mutant(corpus: readonly Uint8Array[], random: (below: number) => number): Uint8Array {
  const pick = (): Uint8Array => corpus[random(corpus.length)]!
  let bytes = joined(pick(), random(4) === 0 ? pick() : new Uint8Array(0))
  for (let changes = 1 + random(3); changes > 0 && bytes.length > 0; changes--) {
    const at = random(bytes.length)
    const what = random(6)
    const head = bytes.subarray(0, at)
    if (what === 0) bytes[at]! ^= 1 << random(8)
    else if (what === 1) bytes[at] = random(256)
    else if (what === 2) bytes = joined(head, bytes.subarray(at + 1 + random(3)))
    else if (what === 3) bytes = joined(head, Uint8Array.of(random(256)), bytes.subarray(at))
    else if (what === 4) bytes = head.slice()
    else bytes = joined(head, pick().subarray(0, random(12)), bytes.subarray(at))
  }
  return bytes
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
