// A v1 update as plain data that a mutation can change anywhere, and back to bytes. Says nothing about validity: what it encodes may be nonsense.

import * as encoding from 'lib0/encoding'
import { HAS_MAP_KEY, HAS_ORIGIN, HAS_RIGHT_ORIGIN, REF, UpdateReader } from '../../packages/protocol/src/update-reader.ts'

export interface Id {
  client: number
  clock: number
}

export interface StructModel {
  info: number
  /** Clocks it spanned when it was read. */
  length: number
  origin: Id | null
  right: Id | null
  parent: Id | null
  root: Uint8Array | null
  key: Uint8Array | null
  /** Content bytes; for GC, Skip and deleted content the length alone. */
  content: Uint8Array
}

export interface RunModel {
  client: number
  clock: number
  structs: StructModel[]
}

export interface UpdateModel {
  runs: RunModel[]
  deletes: { client: number; ranges: [clock: number, length: number][] }[]
}

/** Parses an update that the gate accepts. */
export function modelOf(update: Uint8Array): UpdateModel {
  const reader = new UpdateReader()
  const model: UpdateModel = { runs: [], deletes: [] }
  for (let runs = reader.open(update); runs > 0; runs--) {
    reader.run()
    const run: RunModel = { client: reader.client, clock: reader.clock, structs: [] }
    model.runs.push(run)
    for (; reader.left > 0; reader.advance()) {
      reader.struct()
      const id = (client: number, clock: number): Id | null => (client === 0 ? null : { client, clock })
      run.structs.push({
        info: reader.info,
        length: reader.length,
        origin: id(reader.originClient, reader.originClock),
        right: id(reader.rightClient, reader.rightClock),
        parent: id(reader.parentClient, reader.parentClock),
        root: reader.rootStart < 0 ? null : update.slice(reader.rootStart, reader.rootEnd),
        key: reader.keyStart < 0 ? null : update.slice(reader.keyStart, reader.keyEnd),
        content: update.slice(reader.contentStart, reader.at),
      })
    }
  }
  for (let clients = reader.uint(); clients > 0; clients--) {
    const deletes: UpdateModel['deletes'][number] = { client: reader.uint(), ranges: [] }
    model.deletes.push(deletes)
    for (let ranges = reader.uint(); ranges > 0; ranges--) deletes.ranges.push([reader.uint(), reader.uint()])
  }
  return model
}

/** Encodes whatever the model says; the info byte's flags follow the fields that are there. */
export function encodeModel(model: UpdateModel): Uint8Array {
  const out = encoding.createEncoder()
  encoding.writeVarUint(out, model.runs.length)
  for (const run of model.runs) {
    encoding.writeVarUint(out, run.structs.length)
    encoding.writeVarUint(out, run.client)
    encoding.writeVarUint(out, run.clock)
    for (const struct of run.structs) writeStruct(out, struct)
  }
  encoding.writeVarUint(out, model.deletes.length)
  for (const { client, ranges } of model.deletes) {
    encoding.writeVarUint(out, client)
    encoding.writeVarUint(out, ranges.length)
    for (const [clock, length] of ranges) {
      encoding.writeVarUint(out, clock)
      encoding.writeVarUint(out, length)
    }
  }
  return encoding.toUint8Array(out)
}

function writeStruct(out: encoding.Encoder, struct: StructModel): void {
  const ref = struct.info & 0x1f
  if (ref === REF.gc || ref === REF.skip) {
    encoding.writeUint8(out, struct.info)
  } else {
    const placed = struct.origin !== null || struct.right !== null
    const keyed = placed ? (struct.info & HAS_MAP_KEY) !== 0 : struct.key !== null
    encoding.writeUint8(
      out,
      ref | (struct.origin === null ? 0 : HAS_ORIGIN) | (struct.right === null ? 0 : HAS_RIGHT_ORIGIN) | (keyed ? HAS_MAP_KEY : 0),
    )
    if (struct.origin !== null) writeId(out, struct.origin)
    if (struct.right !== null) writeId(out, struct.right)
    if (!placed) {
      encoding.writeVarUint(out, struct.parent === null ? 1 : 0)
      if (struct.parent === null) encoding.writeVarUint8Array(out, struct.root ?? new Uint8Array([120]))
      else writeId(out, struct.parent)
      if (struct.key !== null) encoding.writeVarUint8Array(out, struct.key)
    }
  }
  encoding.writeUint8Array(out, struct.content)
}

function writeId(out: encoding.Encoder, id: Id): void {
  encoding.writeVarUint(out, id.client)
  encoding.writeVarUint(out, id.clock)
}

/** A varuint alone, as content of structs that have only a length. */
export function lengthContent(length: number): Uint8Array {
  const out = encoding.createEncoder()
  encoding.writeVarUint(out, length)
  return encoding.toUint8Array(out)
}

/** Names of what an update holds, for coverage counters. */
export function contentKinds(update: Uint8Array): string[] {
  const names = Object.fromEntries(Object.entries(REF).map(([name, ref]) => [ref, name]))
  const { runs, deletes } = modelOf(update)
  const kinds = deletes.length > 0 ? ['delete set'] : []
  for (const { info, key, content } of runs.flatMap(({ structs }) => structs)) {
    const name = names[info & 0x1f]!
    kinds.push(name === 'type' ? `type ${content[0]}` : name)
    if (key !== null) kinds.push('map key')
    if (name === 'string' && content.some((byte) => byte >= 0xf0)) kinds.push('astral')
  }
  return kinds
}
