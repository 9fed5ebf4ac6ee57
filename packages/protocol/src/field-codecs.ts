// One writer and one reader per kind of field of the message table. Ids are hex in memory and raw on the wire, enums an index, numbers
// varuints, optional values one presence byte. Readers throw Malformed (wire-reader.ts), writers assert. Read by codec.ts. Rule: IN-1.

import type { WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'
import { rangesCodec } from './range-codec.ts'
import { docIdOrNull, spaceIdOrNull } from './ids.ts'
import type { Digest, EpochNonce, ReplicaId } from './ids.ts'
import { LIMITS } from './limits.ts'
import { DURABILITIES, PAYLOAD_ENCODINGS, ROLES, ROW_KINDS, START_MODES, VERDICTS } from './messages.ts'
import type { DeleteBucket, DocRef, EntryRow, FieldValues, OriginRef } from './messages.ts'

export interface FieldCodec<V> {
  write(out: WireWriter, value: V): void
  read(input: WireReader): V
}

function hexCodec<V extends string>(length: number): FieldCodec<V> {
  return { write: (out, value) => out.hex(value, length), read: (input) => input.hex(length) as V }
}

function enumCodec<V extends string>(values: readonly V[]): FieldCodec<V> {
  return {
    write: (out, value) => out.varuint(values.indexOf(value)),
    read: (input) => values[input.varuint()] ?? input.fail('unknown enum value'),
  }
}

function optionalCodec<V>(codec: FieldCodec<V>): FieldCodec<V | null> {
  return {
    write(out, value) {
      out.byte(value === null ? 0 : 1)
      if (value !== null) codec.write(out, value)
    },
    read: (input) => (flag.read(input) ? codec.read(input) : null),
  }
}

function listCodec<V>(codec: FieldCodec<V>, max: number, sizeMin: number): FieldCodec<readonly V[]> {
  return {
    write(out, values) {
      if (values.length > max) throw new Error(`cannot write ${values.length} elements where ${max} are the limit`)
      out.varuint(values.length)
      for (const value of values) codec.write(out, value)
    },
    read(input) {
      const count = input.count(max, sizeMin)
      const values: V[] = []
      for (let i = 0; i < count; i++) values.push(codec.read(input))
      return values
    },
  }
}

function textCodec<V extends string>(max: number, parse: (text: string) => V | null): FieldCodec<V> {
  return {
    write: (out, value) => out.text(value, max),
    read: (input) => parse(input.text(max)) ?? input.fail('not an id'),
  }
}

const varuint: FieldCodec<number> = { write: (out, value) => out.varuint(value), read: (input) => input.varuint() }
const bytes: FieldCodec<Uint8Array> = { write: (out, value) => out.block(value), read: (input) => input.block() }
const flag: FieldCodec<boolean> = {
  write: (out, value) => out.byte(value ? 1 : 0),
  read(input) {
    const byte = input.byte()
    return byte > 1 ? input.fail('flag is neither 0 nor 1') : byte === 1
  },
}
const hash32: FieldCodec<Uint8Array> = {
  write(out, value) {
    if (value.length !== 32) throw new Error(`cannot write ${value.length} bytes as 32`)
    out.raw(value)
  },
  read: (input) => input.view(32),
}
const nonce: FieldCodec<EpochNonce> = hexCodec(8)
const digest: FieldCodec<Digest> = hexCodec(16)
const docId = textCodec(LIMITS.docIdBytesMax, docIdOrNull)
const rowKind = enumCodec(ROW_KINDS)

/** `alias * 2 + fresh`, then what the alias stands for when fresh. */
function writeAlias(out: WireWriter, alias: number, fresh: boolean): void {
  if (alias >= LIMITS.aliasesPerLinkMax) throw new Error(`alias ${alias} is above the limit`)
  out.varuint(2 * alias + (fresh ? 1 : 0))
}

function readAlias(input: WireReader): number {
  const number = input.varuint()
  return number < 2 * LIMITS.aliasesPerLinkMax ? number : input.fail('alias above the limit')
}

const docRef: FieldCodec<DocRef> = {
  write(out, { alias, fresh }) {
    writeAlias(out, alias, fresh !== null)
    if (fresh === null) return
    docId.write(out, fresh.doc)
    out.varuint(fresh.epoch)
  },
  read(input) {
    const number = readAlias(input)
    return { alias: number >>> 1, fresh: number & 1 ? { doc: docId.read(input), epoch: input.varuint() } : null }
  },
}

const originRef: FieldCodec<OriginRef> = {
  write(out, { alias, fresh }) {
    writeAlias(out, alias, fresh !== null)
    if (fresh !== null) nonce.write(out, fresh)
  },
  read(input) {
    const number = readAlias(input)
    return { alias: number >>> 1, fresh: number & 1 ? nonce.read(input) : null }
  },
}

const row: FieldCodec<EntryRow> = {
  write(out, value) {
    docRef.write(out, value.doc)
    originRef.write(out, value.origin)
    out.varuint(value.n)
    rowKind.write(out, value.kind)
    out.block(value.bytes)
  },
  read: (input) => ({
    doc: docRef.read(input),
    origin: originRef.read(input),
    n: input.varuint(),
    kind: rowKind.read(input),
    bytes: input.block(),
  }),
}

const bucket: FieldCodec<DeleteBucket> = {
  write(out, value) {
    out.varuint(value.client)
    out.varuint(value.bucket)
    out.hex(value.hash8, 8)
  },
  read: (input) => ({ client: input.varuint(), bucket: input.varuint(), hash8: input.hex(8) }),
}

/** One element takes at least its fixed bytes, and one for each number or length. */
const ROW_SIZE_MIN = 5
const BUCKET_SIZE_MIN = 10
const KEY8_SIZE = 8

export const fieldCodecs: { readonly [K in keyof FieldValues]: FieldCodec<FieldValues[K]> } = {
  varuint,
  flag,
  bytes,
  hash32,
  text: textCodec(LIMITS.textBytesMax, (text) => text),
  space: textCodec(LIMITS.spaceIdBytesMax, spaceIdOrNull),
  replicaId: hexCodec<ReplicaId>(16),
  nonce,
  digest,
  role: enumCodec(ROLES),
  durability: enumCodec(DURABILITIES),
  startMode: enumCodec(START_MODES),
  encoding: enumCodec(PAYLOAD_ENCODINGS),
  verdict: enumCodec(VERDICTS),
  cursor: optionalCodec({
    write(out, value) {
      nonce.write(out, value.nonce)
      out.varuint(value.seq)
    },
    read: (input) => ({ nonce: nonce.read(input), seq: input.varuint() }),
  }),
  docRef,
  optionalDigest: optionalCodec(digest),
  optionalNonce: optionalCodec(nonce),
  optionalRange: optionalCodec({
    write(out, value) {
      out.varuint(value.client)
      out.varuint(value.from)
      out.varuint(value.to)
    },
    read: (input) => ({ client: input.varuint(), from: input.varuint(), to: input.varuint() }),
  }),
  rows: listCodec(row, LIMITS.rowsPerEntriesMax, ROW_SIZE_MIN),
  ranges: rangesCodec,
  buckets: listCodec(bucket, LIMITS.nativeFrameBytesMax, BUCKET_SIZE_MIN),
  keys8: listCodec(hexCodec<string>(8), LIMITS.nativeFrameBytesMax, KEY8_SIZE),
}
