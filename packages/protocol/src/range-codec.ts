// The wire form of reconciliation ranges. One header byte: bits 0-1 kind, bits 2-5 how many bytes the bound shares with the previous one (both
// padded with zeros), bits 6-7 how many bytes of its own follow (1 to 3; 0: a length byte follows). Trailing zero bytes are left out; length 0 is
// the end of the key space. Only this shortest form is read, so bounds always ascend. Read by field-codecs.ts. Rule: IN-1.

import { hexCodec, listCodec, structCodec, type FieldCodec } from './codec-combinators.ts'
import { fromHex, toHex } from './hex.ts'
import { boundOf, KEY_END } from './key-bounds.ts'
import { LIMITS } from './limits.ts'
import type { ReconRange } from './messages.ts'
import type { WireReader } from './wire-reader.ts'
import { cannotWrite, type WireWriter } from './wire-writer.ts'

const KINDS = ['skip', 'fingerprint', 'items', 'final'] as const
const KEY_BYTES = 16
const ITEM_BYTES = 16
const RANGE_SIZE_MIN = 2

const hex8 = hexCodec<string>(8)
const items = listCodec(structCodec({ key8: hex8, digest8: hex8 }), LIMITS.itemsPerRangeMax, ITEM_BYTES)

export const rangesCodec: FieldCodec<readonly ReconRange[]> = {
  write(out, ranges) {
    if (ranges.length > LIMITS.rangesPerReconMax) cannotWrite(`${ranges.length} ranges`)
    out.varuint(ranges.length)
    const bound = new Uint8Array(KEY_BYTES)
    for (const range of ranges) {
      writeBound(out, bound, range.to, KINDS.indexOf(range.kind))
      if (range.kind === 'fingerprint') hex8.write(out, range.fingerprint8)
      else if (range.kind !== 'skip') items.write(out, range.items)
    }
  },
  read(input) {
    const ranges: ReconRange[] = []
    const bound = new Uint8Array(KEY_BYTES)
    for (let count = input.count(LIMITS.rangesPerReconMax, RANGE_SIZE_MIN); count > 0; count--) {
      const header = input.byte()
      const to = readBound(input, bound, header)
      if (to === KEY_END && count > 1) input.fail('range beyond the end')
      const kind = KINDS[header & 3]!
      if (kind === 'skip') ranges.push({ to, kind })
      else if (kind === 'fingerprint') ranges.push({ to, kind, fingerprint8: hex8.read(input) })
      else ranges.push({ to, kind, items: items.read(input) })
    }
    return ranges
  },
}

/** Turns `bound` from the previous bound into this one, as readBound does. */
function writeBound(out: WireWriter, bound: Uint8Array, to: string, kind: number): void {
  if (to === KEY_END) {
    out.byte(kind)
    out.byte(0)
    return
  }
  const bytes = fromHex(to.padEnd(2 * KEY_BYTES, '0'))
  const shared = bytes?.findIndex((byte, i) => byte !== bound[i]) ?? -1
  if (bytes?.length !== KEY_BYTES || shared < 0 || bytes[shared]! < bound[shared]!) return cannotWrite(`the bound ${to} here`)
  let end = KEY_BYTES
  while (bytes[end - 1] === 0) end--
  const own = end - shared
  out.byte(kind | (shared << 2) | (own > 3 ? 0 : own << 6))
  if (own > 3) out.byte(own)
  out.raw(bytes.subarray(shared, end))
  bound.set(bytes)
}

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
  return boundOf(toHex(bound))
}
