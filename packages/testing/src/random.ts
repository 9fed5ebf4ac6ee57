// All chance of the simulation: one seeded generator (sfc32), so that a seed replays a run exactly. Read by every file here. Rule: SM-1.

export class Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    this.#a = 0x9e3779b9
    this.#b = 0x243f6a88
    this.#c = seed >>> 0
    this.#d = Math.floor(seed / 2 ** 32) >>> 0
    for (let i = 0; i < 15; i++) this.uint32()
  }

  uint32(): number {
    const t = (this.#a + this.#b + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }

  /** From 0 to 1, 1 excluded. */
  float(): number {
    return this.uint32() / 2 ** 32
  }

  /** From 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor(this.float() * bound)
  }

  /** From `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** A key of `weights`, with probability in proportion to its value. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const keys = Object.keys(weights) as K[]
    let at = this.float() * keys.reduce((sum, key) => sum + weights[key], 0)
    for (const key of keys) {
      at -= weights[key]
      if (at < 0) return key
    }
    return keys.at(-1)!
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items]
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[result[i], result[j]] = [result[j]!, result[i]!]
    }
    return result
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.uint32() >>> 24
    return bytes
  }

  /** Milliseconds, short ones common, long ones rare. */
  latency(typicalMs: number, maxMs: number): number {
    const value = -Math.log(1 - this.float()) * typicalMs
    return Math.min(maxMs, value)
  }
}
