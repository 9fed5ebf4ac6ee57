// All chance of a simulation comes from its seed. Random is a stream (sfc32) for drawing plans. CauseRandom has no position at all: what it answers depends on the seed
// and on what it is asked about, so that leaving one thing out of a run does not change the chance of the others (shrinking rests on that). Within one life of one replica there is one stream for each purpose. Rule: SM-1.

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

  /** A stream of its own for one named cause, such as the ids of one replica in one life. */
  static of(seed: number, cause: string): Random {
    return new Random((seed >>> 0) * 2 ** 20 + (hashText(cause, Math.floor(seed / 2 ** 32)) >>> 12))
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
}

/** Chance by cause: `about(a, b)` names what is asked about, the calls after it draw for that alone. */
export class CauseRandom {
  readonly #seed: number
  #state = 0

  constructor(seed: number, what: string) {
    this.#seed = hashText(what, seed)
  }

  about(cause: number, more = 0): this {
    this.#state = mix(mix(this.#seed ^ cause) + more)
    return this
  }

  float(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    return (mix(this.#state) >>> 0) / 2 ** 32
  }

  below(bound: number): number {
    return Math.floor(this.float() * bound)
  }

  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability
  }

  /** Milliseconds, short ones common, long ones rare. */
  latency(typicalMs: number, maxMs: number): number {
    return Math.min(maxMs, -Math.log(1 - this.float()) * typicalMs)
  }
}

/** 32 bits of a text, for naming causes. */
export function hashText(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x21f0aaad)
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97)
  return hash ^ (hash >>> 15)
}
