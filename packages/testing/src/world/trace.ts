// What happened, as a running hash (two runs of one seed must agree) and, when asked for, as lines for people and as a recording for timelines. Read by every file
// here. Rule: SM-1.

import type { Recorder } from '../timeline/recording.ts'

export interface TraceSinks {
  readonly print?: (line: string) => void
  readonly recorder?: Recorder
}

/** What a line stands for in a timeline; null: in none. */
export type Lane = 'start' | 'crash' | 'commit' | 'event' | 'edit' | null

export class Trace {
  readonly #print: ((line: string) => void) | null
  readonly recorder: Recorder | null
  #hash = 0x811c9dc5
  events = 0

  constructor({ print, recorder }: TraceSinks = {}) {
    this.#print = print ?? null
    this.recorder = recorder ?? null
  }

  /** `line` is built only when somebody reads it; it starts with the name of the replica. */
  note(nowMs: number, who: number, what: number, line: () => string, lane: Lane = null): void {
    this.events++
    let hash = Math.imul(this.#hash ^ Math.floor(nowMs * 1000), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15) ^ who, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13) ^ what, 0xc2b2ae35)
    this.#hash = hash ^ (hash >>> 16)
    this.#print?.(`${nowMs.toFixed(2).padStart(10)} ${line()}`)
    if (lane === null || this.recorder === null) return
    const text = line()
    const space = text.indexOf(' ')
    this.recorder.point(nowMs, text.slice(0, space), lane, text.slice(space + 1))
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
