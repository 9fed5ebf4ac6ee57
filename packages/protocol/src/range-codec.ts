// The wire form of reconciliation ranges. One header byte: bits 0-1 kind, bits 2-5 how many bytes the bound shares with the previous one (both
// padded with zeros), bits 6-7 how many bytes of its own follow (1 to 3; 0: a length byte follows). Trailing zero bytes are left out; length 0 is
// the end of the key space. Only this shortest form is read, so bounds always ascend. Read by field-codecs.ts. Rule: IN-1.

import type { WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'
import type { FieldCodec } from './field-codecs.ts'
import { fromHex, toHex } from './hex.ts'
import { boundOf, KEY_END } from './key-bounds.ts'
import { LIMITS } from './limits.ts'
import type { ReconItem, ReconRange } from './messages.ts'

const KINDS = ['skip', 'fingerprint', 'items', 'final'] as const
const KEY_BYTES = 16
const ITEM_BYTES = 16
const RANGE_SIZE_MIN = 2

export const rangesCodec: FieldCodec<readonly ReconRange[]> = {
  write(out, ranges) {
    if (ranges.length > LIMITS.rangesPerReconMax) throw new Error(`cannot write ${ranges.length} ranges`)
    out.varuint(ranges.length)
    let bound: Uint8Array = new Uint8Array(KEY_BYTES)
    for (const range of ranges) {
      bound = writeBound(out, bound, range.to, KINDS.indexOf(range.kind))
      if (range.kind === 'fingerprint') out.hex(range.fingerprint8, 8)
      else if (range.kind !== 'skip') writeItems(out, range.items)
    }
  },
  read(input) {
    const count = input.count(LIMITS.rangesPerReconMax, RANGE_SIZE_MIN)
    const ranges: ReconRange[] = []
    const bound = new Uint8Array(KEY_BYTES)
    for (let i = 0; i < count; i++) {
      const header = input.byte()
      const to = readBound(input, bound, header)
      if (to === KEY_END && i < count - 1) input.fail('range beyond the end')
      const kind = KINDS[header & 3]!
      if (kind === 'skip') ranges.push({ to, kind })
      else if (kind === 'fingerprint') ranges.push({ to, kind, fingerprint8: input.hex(8) })
      else ranges.push({ to, kind, items: readItems(input) })
    }
    return ranges
  },
}

/** Returns the bound's bytes: the next bound's predecessor. */
function writeBound(out: WireWriter, previous: Uint8Array, to: string, kind: number): Uint8Array {
  if (to === KEY_END) {
    out.byte(kind)
    out.byte(0)
    return previous
  }
  const bytes = fromHex(to.padEnd(2 * KEY_BYTES, '0'))
  let shared = 0
  while (bytes && shared < KEY_BYTES && bytes[shared] === previous[shared]) shared++
  if (!bytes || bytes.length !== KEY_BYTES || shared === KEY_BYTES || bytes[shared]! < previous[shared]!) throw new Error(`range to ${to} does not ascend`)
  let end = KEY_BYTES
  while (bytes[end - 1] === 0) end--
  const own = end - shared
  out.byte(kind | (shared << 2) | (own > 3 ? 0 : own << 6))
  if (own > 3) out.byte(own)
  out.raw(bytes.subarray(shared, end))
  return bytes
}

/** Turns `bound` from the previous bound into this one. */
function readBound(input: WireReader, bound: Uint8Array, header: number): string {
  const shared = (header >>> 2) & 15
  let own = header >>> 6
  if (own === 0) {
    own = input.byte()
    if (own === 0 && shared === 0) return KEY_END
    if (own < 4) input.fail('bound in a longer form than needed')
  }
  if (shared + own > KEY_BYTES) input.fail('bound longer than a key')
  const suffix = input.view(own)
  if (suffix[0]! <= bound[shared]! || suffix[own - 1] === 0) input.fail('bound does not ascend')
  bound.fill(0, shared)
  bound.set(suffix, shared)
  return boundOf(toHex(bound.subarray(0, shared + own)))
}

function writeItems(out: WireWriter, items: readonly ReconItem[]): void {
  if (items.length > LIMITS.itemsPerRangeMax) throw new Error(`cannot write ${items.length} items`)
  out.varuint(items.length)
  for (const item of items) {
    out.hex(item.key8, 8)
    out.hex(item.digest8, 8)
  }
}

function readItems(input: WireReader): ReconItem[] {
  const count = input.count(LIMITS.itemsPerRangeMax, ITEM_BYTES)
  const items: ReconItem[] = []
  for (let i = 0; i < count; i++) items.push({ key8: input.hex(8), digest8: input.hex(8) })
  return items
}
