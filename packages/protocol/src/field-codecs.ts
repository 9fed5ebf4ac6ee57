// One codec per kind of field of the message table: ids are hex in memory and raw on the wire, enums an index, numbers varuints, optional values
// one presence byte, documents and origins aliases. Read by codec.ts. Rule: IN-1.

import {
  bytesCodec,
  enumCodec,
  flagCodec,
  hexCodec,
  listCodec,
  optionalCodec,
  structCodec,
  textCodec,
  varuintCodec,
  type FieldCodec,
} from './codec-combinators.ts'
import { docIdOrNull, spaceIdOrNull } from './ids.ts'
import type { Digest, EpochNonce, ReplicaId } from './ids.ts'
import { LIMITS } from './limits.ts'
import { DURABILITIES, PAYLOAD_ENCODINGS, ROLES, ROW_KINDS, START_MODES, VERDICTS } from './messages.ts'
import type { EntryRow, FieldValues } from './messages.ts'
import { rangesCodec } from './range-codec.ts'
import { cannotWrite } from './wire-writer.ts'

const nonce = hexCodec<EpochNonce>(8)
const digest = hexCodec<Digest>(16)
const rowKind = enumCodec(ROW_KINDS)

/** `alias * 2 + fresh`, then what the alias stands for when fresh. */
function aliasCodec<F>(codec: FieldCodec<F>): FieldCodec<{ readonly alias: number; readonly fresh: F | null }> {
  return {
    write(out, { alias, fresh }) {
      if (alias >= LIMITS.aliasesPerLinkMax) cannotWrite(`alias ${alias}`)
      out.varuint(2 * alias + (fresh === null ? 0 : 1))
      if (fresh !== null) codec.write(out, fresh)
    },
    read(input) {
      const number = input.varuint()
      if (number >= 2 * LIMITS.aliasesPerLinkMax) input.fail('alias above the limit')
      return { alias: number >>> 1, fresh: number & 1 ? codec.read(input) : null }
    },
  }
}

const docRef = aliasCodec(structCodec({ doc: textCodec(LIMITS.docIdBytesMax, docIdOrNull), epoch: varuintCodec }))
const originRef = aliasCodec(nonce)

/** The hot one, so written out. */
export const entryRowCodec: FieldCodec<EntryRow> = {
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

/** One element takes at least its fixed bytes, and one for each number or length. */
const ROW_SIZE_MIN = 5
const BUCKET_SIZE_MIN = 10
const KEY8_SIZE = 8

export const fieldCodecs: { readonly [K in keyof FieldValues]: FieldCodec<FieldValues[K]> } = {
  varuint: varuintCodec,
  flag: flagCodec,
  bytes: bytesCodec,
  hash32: {
    write: (out, value) => (value.length === 32 ? out.raw(value) : cannotWrite(`${value.length} bytes as a hash`)),
    read: (input) => input.view(32),
  },
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
  cursor: optionalCodec(structCodec({ nonce, seq: varuintCodec })),
  docRef,
  optionalDigest: optionalCodec(digest),
  optionalNonce: optionalCodec(nonce),
  optionalRange: optionalCodec(structCodec({ client: varuintCodec, from: varuintCodec, to: varuintCodec })),
  rows: listCodec(entryRowCodec, LIMITS.rowsPerEntriesMax, ROW_SIZE_MIN),
  ranges: rangesCodec,
  buckets: listCodec(structCodec({ client: varuintCodec, bucket: varuintCodec, hash8: hexCodec(8) }), Infinity, BUCKET_SIZE_MIN),
  keys8: listCodec(hexCodec(8), Infinity, KEY8_SIZE),
}
