// Random messages for property tests, built from the message table: one arbitrary per kind of field. Exact inverse of what the codec accepts.

import fc, { type Arbitrary } from 'fast-check'
import { docIdOrNull, type Digest, type DocId, type EpochNonce, type ReplicaId } from '../src/ids.ts'
import { boundOf, KEY_END } from '../src/key-bounds.ts'
import { LIMITS } from '../src/limits.ts'
import * as table from '../src/messages.ts'
import type { FieldValues, Message, MessageKind, ReconItem, ReconRange } from '../src/messages.ts'

export function hexOf(length: number): Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: 2 * length, maxLength: 2 * length })
}

const number = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER))
const bytes = fc.uint8Array({ maxLength: 200 })
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constant('\ufefffirst, a byte order mark'),
  fc.constant('x'.repeat(LIMITS.textBytesMax)),
)
const docId = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((id) => docIdOrNull(id) !== null) as Arbitrary<DocId>
const alias = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: LIMITS.aliasesPerLinkMax - 1 }))
const nonce = hexOf(8) as Arbitrary<EpochNonce>
const digest = hexOf(16) as Arbitrary<Digest>
const docRef = fc.record({ alias, fresh: fc.option(fc.record({ doc: docId, epoch: number }), { nil: null }) })
const item: Arbitrary<ReconItem> = fc.record({ key8: hexOf(8), digest8: hexOf(8) })

const bound = fc
  .oneof(hexOf(1), hexOf(2), hexOf(7), hexOf(16), fc.constantFrom('abcd', 'abcd00', 'abcd0001', 'abce', '0000000000000001'))
  .map(boundOf)
  .filter((each) => each !== '')

const rangeBody = fc.oneof(
  fc.record({ kind: fc.constant('skip' as const) }),
  fc.record({ kind: fc.constant('fingerprint' as const), fingerprint8: hexOf(8) }),
  fc.record({ kind: fc.constantFrom('items' as const, 'final' as const), items: fc.array(item, { maxLength: 5 }) }),
)

const ranges: Arbitrary<ReconRange[]> = fc
  .tuple(fc.uniqueArray(bound, { maxLength: 12 }), fc.boolean(), fc.array(rangeBody, { minLength: 13, maxLength: 13 }))
  .map(([bounds, toEnd, bodies]) => [...bounds.toSorted(), ...(toEnd ? [KEY_END] : [])].map((to, i): ReconRange => ({ to, ...bodies[i]! })))

const fields: { [K in keyof FieldValues]: Arbitrary<FieldValues[K]> } = {
  varuint: number,
  flag: fc.boolean(),
  bytes,
  hash32: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  text,
  space: fc.constantFrom('default', 'a', '-x.y_Z', 's'.repeat(LIMITS.spaceIdBytesMax)),
  replicaId: hexOf(16) as Arbitrary<ReplicaId>,
  nonce,
  digest,
  role: fc.constantFrom(...table.ROLES),
  durability: fc.constantFrom(...table.DURABILITIES),
  startMode: fc.constantFrom(...table.START_MODES),
  encoding: fc.constantFrom(...table.PAYLOAD_ENCODINGS),
  verdict: fc.constantFrom(...table.VERDICTS),
  cursor: fc.option(fc.record({ nonce, seq: number }), { nil: null }),
  docRef,
  optionalDigest: fc.option(digest, { nil: null }),
  optionalNonce: fc.option(nonce, { nil: null }),
  optionalRange: fc.option(fc.record({ client: number, from: number, to: number }), { nil: null }),
  rows: fc.array(
    fc.record({
      doc: docRef,
      origin: fc.record({ alias, fresh: fc.option(nonce, { nil: null }) }),
      n: number,
      kind: fc.constantFrom(...table.ROW_KINDS),
      bytes,
    }),
    { maxLength: 8 },
  ),
  ranges,
  buckets: fc.array(fc.record({ client: number, bucket: number, hash8: hexOf(8) }), { maxLength: 8 }),
  keys8: fc.array(hexOf(8), { maxLength: 8 }),
}

/** Any message of one kind. */
export function messageOf(kind: MessageKind): Arbitrary<Message> {
  const arbitraries: Record<string, Arbitrary<unknown>> = { kind: fc.constant(kind) }
  for (const [name, type] of Object.entries(table.messageTable[kind].fields)) arbitraries[name] = fields[type as keyof FieldValues]
  return fc.record(arbitraries) as unknown as Arbitrary<Message>
}

export const messageKinds = Object.keys(table.messageTable) as MessageKind[]

/** Any message. */
export const anyMessage: Arbitrary<Message> = fc.oneof(...messageKinds.map(messageOf))
