// What the worst updates that fit a frame cost the gate: bytes that are crafted so that each of them means as much work as possible. Prints, per kind, how long the process
// is busy with one (processor time, so that others on the machine do not count) and what becomes of it. Rule: IN-1.

import { isRefusal, judge, Knowledge, LIMITS, splitAdmissible, walkUpdate } from '@syncline/protocol'
import type { Figure, Progress } from './report.ts'

const FRAME_BYTES = 32 * 1024 * 1024
/** One refused or admitted update holds up everybody else for at most this long. */
const BUSY_MS_MAX = 2_500
const GC = 0
const SKIP = 10
const DELETED = 1
const STRING = 4
const HAS_ORIGIN = 0x80

interface Crafted {
  readonly name: string
  make(): Uint8Array
  /** What the document has before. */
  before?(): Uint8Array
}

const crafted: readonly Crafted[] = [
  { name: 'client ids, one clock each', make: () => manyClients(FRAME_BYTES) },
  { name: 'ranges of one client, with gaps', make: () => manyGaps(FRAME_BYTES) },
  { name: 'delete ranges of one client', make: () => manyDeletes(FRAME_BYTES) },
  { name: 'delete ranges that are all known', make: () => manyDeletes(FRAME_BYTES), before: () => manyDeletes(FRAME_BYTES) },
  { name: 'deletes of unknown clients', make: () => manyDeleteClients(FRAME_BYTES) },
  { name: 'references to another client', make: () => manyReferences(FRAME_BYTES, 1) },
  { name: 'references to 65,535 clients', make: () => manyReferences(FRAME_BYTES, 65_535) },
  { name: 'deleted structs, not adjacent', make: () => manyStructDeletes(FRAME_BYTES) },
  { name: 'as many client ids as may be', make: () => manyClients(FRAME_BYTES, LIMITS.clientsPerDocMax) },
  { name: 'as many gaps as may be', make: () => manyGaps(4 * LIMITS.gapsPerUpdateMax) },
  { name: 'as many delete ranges as may be', make: () => manyDeletes(FRAME_BYTES, LIMITS.deleteRangesPerDocMax) },
  {
    name: 'as many delete ranges as may be, all known',
    make: () => manyDeletes(FRAME_BYTES, LIMITS.deleteRangesPerDocMax),
    before: () => manyDeletes(FRAME_BYTES, LIMITS.deleteRangesPerDocMax),
  },
  { name: 'nearly as many deleted structs as may be', make: () => manyStructDeletes(6 * LIMITS.deleteRangesPerDocMax) },
]

export function gateCost(progress: Progress): Figure[] {
  return crafted.flatMap(({ name, make, before: first }): Figure[] => {
    progress(`gate: ${name}`)
    const knowledge = new Knowledge()
    if (first !== undefined) pass(first(), knowledge)
    const update = make()
    const before = process.cpuUsage()
    const outcome = pass(update, knowledge)
    const { user, system } = process.cpuUsage(before)
    const ms = Math.round((user + system) / 1000)
    return [
      { name: `gate, ${(update.length / 1024 / 1024).toFixed(1)} MiB of ${name}: ${outcome}`, value: ms, unit: 'ms', bound: BUSY_MS_MAX },
    ]
  })
}

/** As the engine does it: what is not new as a whole is cut, and knowledge is copied before it changes. */
function pass(update: Uint8Array, knowledge: Knowledge): string {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) return `${facts.code} ${facts.reason}`
  const verdict = judge(facts, knowledge)
  if (verdict.kind === 'refused') return `${verdict.refusal.code} ${verdict.refusal.reason}`
  if (verdict.kind === 'known') return 'known'
  if (verdict.kind === 'new' && !verdict.overlaps) {
    knowledge.clone()
    knowledge.admit(facts)
    knowledge.digest()
    return 'new'
  }
  const { ready } = splitAdmissible(update, facts, knowledge)
  if (ready === null) return 'missing'
  const readyFacts = walkUpdate(ready)
  if (isRefusal(readyFacts)) return `${readyFacts.code} ${readyFacts.reason}`
  knowledge.clone()
  knowledge.admit(readyFacts)
  knowledge.digest()
  return `${verdict.kind}, cut`
}

class Bytes {
  private readonly bytes: Uint8Array
  at = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size + 1024)
  }

  uint(value: number): this {
    let rest = value
    while (rest > 0x7f) {
      this.bytes[this.at++] = 0x80 | (rest & 0x7f)
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.at++] = rest
    return this
  }

  byte(value: number): this {
    this.bytes[this.at++] = value
    return this
  }

  add(other: Bytes): this {
    this.bytes.set(other.bytes.subarray(0, other.at), this.at)
    this.at += other.at
    return this
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.at)
  }
}

function manyClients(size: number, most = Infinity): Uint8Array {
  const clients = Math.min(most, Math.floor(size / 8))
  const runs = new Bytes(size)
  for (let client = clients; client > 0; client--) runs.uint(1).uint(client).uint(0).uint(GC).uint(1)
  return new Bytes(runs.at).uint(clients).add(runs).uint(0).done()
}

function manyGaps(size: number): Uint8Array {
  const structs = new Bytes(size)
  let count = 0
  for (; structs.at < size - 64; count += 2) structs.uint(GC).uint(1).uint(SKIP).uint(1)
  return new Bytes(size).uint(1).uint(count).uint(7).uint(0).add(structs).uint(0).done()
}

function manyDeletes(size: number, most = Infinity): Uint8Array {
  const ranges = new Bytes(size)
  let count = 0
  for (; ranges.at < size - 64 && count < most; count++) ranges.uint(2 * count).uint(1)
  return new Bytes(size)
    .uint(1)
    .uint(1)
    .uint(7)
    .uint(0)
    .byte(GC)
    .uint(2 * count)
    .uint(1)
    .uint(7)
    .uint(count)
    .add(ranges)
    .done()
}

function manyDeleteClients(size: number): Uint8Array {
  const clients = Math.floor(size / 8)
  const sets = new Bytes(size)
  for (let client = clients; client > 0; client--) sets.uint(client).uint(1).uint(0).uint(1)
  return new Bytes(size).uint(0).uint(clients).add(sets).done()
}

/** Each struct of the first client refers to one of the others, in turn, further on each time. */
function manyReferences(size: number, others: number): Uint8Array {
  const structs = new Bytes(size)
  let count = 0
  for (; structs.at < size - 64 - 12 * others; count++) {
    structs
      .byte(HAS_ORIGIN | DELETED)
      .uint(1 + (count % others))
      .uint(Math.floor(count / others))
      .uint(1)
  }
  const runs = new Bytes(size)
    .uint(others + 1)
    .uint(count)
    .uint(others + 1)
    .uint(0)
    .add(structs)
  for (let client = others; client > 0; client--)
    runs
      .uint(1)
      .uint(client)
      .uint(0)
      .uint(GC)
      .uint(Math.ceil(count / others) + 1)
  return runs.uint(0).done()
}

function manyStructDeletes(size: number): Uint8Array {
  const structs = new Bytes(size)
  let count = 0
  // a deleted clock, then a live one
  for (; structs.at < size - 64; count += 2)
    structs
      .byte(GC)
      .uint(1)
      .byte(HAS_ORIGIN | STRING)
      .uint(7)
      .uint(0)
      .uint(1)
      .uint(97)
  return new Bytes(size)
    .uint(1)
    .uint(count + 1)
    .uint(7)
    .uint(0)
    .uint(GC)
    .uint(1)
    .add(structs)
    .uint(0)
    .done()
}
