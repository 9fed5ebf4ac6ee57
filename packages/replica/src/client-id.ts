// Yjs client ids: 42 random bits, fresh for every open document, never stored. Few enough bits that an id costs six bytes on the wire, enough
// that 100,000 documents of 100 sessions each expect 0.0001 collisions. Rule: ID-1; PROTOCOL.md 6.

/** Never 0, which is reserved. */
export function randomClientId(random: (length: number) => Uint8Array): number {
  for (;;) {
    const bytes = random(6)
    let id = bytes[0]! & 0b11
    for (let at = 1; at < 6; at++) id = id * 256 + bytes[at]!
    if (id !== 0) return id
  }
}
