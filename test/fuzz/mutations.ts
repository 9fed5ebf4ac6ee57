// Makes bad updates out of good ones: by bytes, and by structure, so that many mutants stay readable and reach the later checks.

import type { Random } from '../../packages/protocol/test/random.ts'
import { encodeModel, lengthContent, modelOf, type Id, type RunModel, type StructModel, type UpdateModel } from './update-model.ts'

/** What a mutation may draw on: ids that exist, and another update of the same document. */
export interface Surroundings {
  readonly ids: readonly Id[]
  readonly other: Uint8Array
}

/** One to three mutations of `update`; the kinds are named for the counters. */
export function mutate(random: Random, update: Uint8Array, surroundings: Surroundings): { bytes: Uint8Array; kinds: string[] } {
  const kinds: string[] = []
  let bytes = update
  for (let left = random.pick([1, 1, 1, 2, 3]); left > 0; left--) {
    if (random.chance(0.6)) {
      const kind = random.pick(BYTE_KINDS)
      bytes = BYTE_MUTATIONS[kind](random, bytes, surroundings)
      kinds.push(kind)
      break // the bytes need not be readable any more
    }
    const kind = random.pick(MODEL_KINDS)
    const model = modelOf(bytes)
    MODEL_MUTATIONS[kind](random, model, surroundings)
    bytes = encodeModel(model)
    kinds.push(kind)
    if (!readable(bytes)) break
  }
  return { bytes, kinds }
}

function readable(bytes: Uint8Array): boolean {
  try {
    modelOf(bytes)
    return true
  } catch {
    return false
  }
}

function edited(bytes: Uint8Array, edit: (copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice()
  edit(copy)
  return copy
}

function replaced(bytes: Uint8Array, at: number, removed: number, inserted: readonly number[]): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + removed)])
}

const BYTE_MUTATIONS = {
  'bit-flip': (random: Random, bytes: Uint8Array) => edited(bytes, (copy) => (copy[random.below(copy.length)]! ^= 1 << random.below(8))),
  'byte-set': (random: Random, bytes: Uint8Array) => edited(bytes, (copy) => (copy[random.below(copy.length)] = random.below(256))),
  'byte-nudge': (random: Random, bytes: Uint8Array) =>
    edited(bytes, (copy) => (copy[random.below(copy.length)]! += random.pick([-2, -1, 1, 2]))),
  truncate: (random: Random, bytes: Uint8Array) => bytes.slice(0, random.below(bytes.length)),
  append: (random: Random, bytes: Uint8Array) => replaced(bytes, bytes.length, 0, [random.below(256)]),
  insert: (random: Random, bytes: Uint8Array) => replaced(bytes, random.below(bytes.length + 1), 0, [random.below(256)]),
  remove: (random: Random, bytes: Uint8Array) => replaced(bytes, random.below(bytes.length), random.between(1, 4), []),
  'long-varint': (random: Random, bytes: Uint8Array) => {
    const at = random.below(bytes.length)
    return replaced(bytes, at, 1, [bytes[at]! | 0x80, random.pick([0, 0, 0x80, 1])])
  },
  'huge-varint': (random: Random, bytes: Uint8Array) => replaced(bytes, random.below(bytes.length), 1, random.pick(HUGE)),
  splice: (random: Random, bytes: Uint8Array, { other }: Surroundings) => {
    const at = random.below(bytes.length)
    return Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(random.below(other.length))])
  },
  'bad-utf8': (random: Random, bytes: Uint8Array) =>
    edited(bytes, (copy) => copy.set(random.pick(BAD_UTF8).slice(0, copy.length), random.below(Math.max(1, copy.length - 3)))),
} as const satisfies Record<string, (random: Random, bytes: Uint8Array, surroundings: Surroundings) => Uint8Array>

const HUGE = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
]
const BAD_UTF8 = [[0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff], [0xe0, 0x80, 0x80]]

function someRun(random: Random, model: UpdateModel): RunModel | null {
  return model.runs.length === 0 ? null : random.pick(model.runs)
}

function someStruct(random: Random, model: UpdateModel): StructModel | null {
  const run = someRun(random, model)
  return run === null || run.structs.length === 0 ? null : random.pick(run.structs)
}

function someId(random: Random, { ids }: Surroundings): Id {
  const id = { ...random.pick(ids) }
  if (random.chance(0.2)) id.clock = Math.max(0, id.clock + random.pick([-1, 1, 2, 5]))
  return id
}

function nudge(random: Random, value: number): number {
  return Math.max(0, value + random.pick([-3, -2, -1, 1, 2, 3, 10]))
}

const GC = (random: Random): StructModel => {
  const length = random.between(1, 5)
  return { info: 0, length, origin: null, right: null, parent: null, root: null, key: null, content: lengthContent(length) }
}

const MODEL_MUTATIONS = {
  'run-clock': (random: Random, model: UpdateModel) => {
    const run = someRun(random, model)
    if (run !== null) run.clock = nudge(random, run.clock)
  },
  'run-client': (random: Random, model: UpdateModel, { ids }: Surroundings) => {
    const run = someRun(random, model)
    if (run !== null) run.client = random.chance(0.5) ? random.pick(ids).client : nudge(random, run.client)
  },
  origin: (random: Random, model: UpdateModel, surroundings: Surroundings) => {
    const struct = someStruct(random, model)
    if (struct !== null) struct.origin = random.chance(0.2) ? null : someId(random, surroundings)
  },
  'right-origin': (random: Random, model: UpdateModel, surroundings: Surroundings) => {
    const struct = someStruct(random, model)
    if (struct !== null) struct.right = random.chance(0.2) ? null : someId(random, surroundings)
  },
  parent: (random: Random, model: UpdateModel, surroundings: Surroundings) => {
    const struct = someStruct(random, model)
    if (struct === null) return
    struct.origin = struct.right = null
    struct.parent = random.chance(0.3) ? null : someId(random, surroundings)
    struct.root = new TextEncoder().encode(random.pick(['text', 'map', 'array', 'xml', 'new', '', '__proto__']))
  },
  'map-key': (random: Random, model: UpdateModel) => {
    const struct = someStruct(random, model)
    if (struct !== null)
      struct.key = random.chance(0.3)
        ? null
        : new TextEncoder().encode(random.pick(['a', 'b', '', '__proto__', 'constructor', 'x'.repeat(300)]))
  },
  ref: (random: Random, model: UpdateModel) => {
    const struct = someStruct(random, model)
    if (struct !== null) struct.info = (struct.info & 0xe0) | random.below(random.chance(0.9) ? 11 : 32)
  },
  length: (random: Random, model: UpdateModel) => {
    const struct = someStruct(random, model)
    if (struct === null) return
    struct.info = random.chance(0.5) ? 0 : (struct.info & 0xe0) | 1
    struct.content = lengthContent(
      random.chance(0.1) ? random.pick([0, 2 ** 20, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) : nudge(random, struct.length),
    )
  },
  content: (random: Random, model: UpdateModel) => {
    const struct = someStruct(random, model)
    if (struct !== null && struct.content.length > 0)
      struct.content = edited(struct.content, (copy) => (copy[random.below(copy.length)]! ^= 1 << random.below(8)))
  },
  'swap-content': (random: Random, model: UpdateModel, { other }: Surroundings) => {
    const struct = someStruct(random, model)
    const donor = someStruct(random, modelOf(other))
    if (struct === null || donor === null) return
    struct.info = (struct.info & 0xe0) | (donor.info & 0x1f)
    struct.content = donor.content
  },
  'drop-struct': (random: Random, model: UpdateModel) => {
    const run = someRun(random, model)
    run?.structs.splice(random.below(run.structs.length), 1)
  },
  'repeat-struct': (random: Random, model: UpdateModel) => {
    const run = someRun(random, model)
    if (run !== null && run.structs.length > 0)
      run.structs.splice(random.below(run.structs.length + 1), 0, structuredClone(random.pick(run.structs)))
  },
  'swap-structs': (random: Random, model: UpdateModel) => {
    const run = someRun(random, model)
    if (run !== null) run.structs = random.shuffle(run.structs)
  },
  'insert-gc': (random: Random, model: UpdateModel) => {
    const run = someRun(random, model)
    if (run !== null) run.structs.splice(random.below(run.structs.length + 1), 0, GC(random))
  },
  'insert-skip': (random: Random, model: UpdateModel) => {
    const run = someRun(random, model)
    if (run !== null) run.structs.splice(random.below(run.structs.length + 1), 0, { ...GC(random), info: 10 })
  },
  'graft-run': (random: Random, model: UpdateModel, { other }: Surroundings) => {
    model.runs.push(...modelOf(other).runs)
    if (random.chance(0.7)) model.runs.sort((a, b) => b.client - a.client)
  },
  'drop-run': (random: Random, model: UpdateModel) => {
    model.runs.splice(random.below(model.runs.length + 1), 1)
  },
  'delete-more': (random: Random, model: UpdateModel, surroundings: Surroundings) => {
    const { client, clock } = someId(random, surroundings)
    model.deletes.push({ client, ranges: [[clock, random.chance(0.05) ? random.pick([0, 2 ** 40]) : random.between(1, 4)]] })
  },
  'delete-shift': (random: Random, model: UpdateModel) => {
    const range = model.deletes.length === 0 ? undefined : random.pick(model.deletes).ranges[0]
    if (range !== undefined) range[random.below(2) as 0 | 1] = nudge(random, range[0])
  },
  'delete-less': (random: Random, model: UpdateModel) => {
    model.deletes.splice(random.below(model.deletes.length + 1), 1)
  },
} as const satisfies Record<string, (random: Random, model: UpdateModel, surroundings: Surroundings) => void>

const BYTE_KINDS = Object.keys(BYTE_MUTATIONS) as (keyof typeof BYTE_MUTATIONS)[]
const MODEL_KINDS = Object.keys(MODEL_MUTATIONS) as (keyof typeof MODEL_MUTATIONS)[]
