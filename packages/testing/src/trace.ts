// What happened, as a running hash (two runs of one seed must agree) and, when asked for, as lines for people. Read by every file here. Rule: SM-1.

export class Trace {
  readonly #print: ((line: string) => void) | null
  #hash = 0x811c9dc5
  events = 0

  constructor(print: ((line: string) => void) | null) {
    this.#print = print
  }

  get printing(): boolean {
    return this.#print !== null
  }

  /** `line` is built only when somebody reads it. */
  note(nowMs: number, who: number, what: number, line: () => string): void {
    this.events++
    let hash = Math.imul(this.#hash ^ Math.floor(nowMs * 1000), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15) ^ who, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13) ^ what, 0xc2b2ae35)
    this.#hash = hash ^ (hash >>> 16)
    this.#print?.(`${nowMs.toFixed(2).padStart(10)} ${line()}`)
  }

  /** Of everything noted so far. */
  hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }
}

/** 32 bits of some bytes: of a frame its leading checksum, which covers the rest. */
export function sampleOf(bytes: Uint8Array): number {
  return bytes.length < 4 ? bytes.length : bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)
}
