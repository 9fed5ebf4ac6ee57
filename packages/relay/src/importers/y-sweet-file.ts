// The file in which a y-sweet server keeps one document, data.ysweet: Rust's bincode of a sorted map of bytes to bytes, which is the key-value layout of the
// crate yrs-kvstore. Pure and total. Read by y-sweet.ts. Rule: IM-5.
//
//   file    count u64, then per entry: key length u64, key, value length u64, value (all lengths little-endian)
//   entries 00 00 "doc" 00        -> number of the document, u32 big-endian (a file holds one, always named "doc")
//           00 01 number 00       -> its state, one Yjs v1 update          00 01 number 01 -> state vector
//           00 01 number 02 clock 00 -> a later update, not merged yet     00 01 number 03 name 00 -> metadata

import type { SourceUpdates } from './import-source.ts'

/** The updates of the document, state first; none for a document that was made and never written. */
export function readYSweetFile(bytes: Uint8Array): SourceUpdates {
  const entries = readMap(bytes)
  if (entries === null) return { problem: 'it is not written as y-sweet writes data.ysweet (a bincode map of bytes to bytes)' }
  if (entries.size === 0) return { updates: [] }
  const number = entries.get('0000646f6300')
  if (number === undefined || number.length !== 4) return { problem: 'it holds no document of y-sweet' }
  const prefix = `0001${hexOf(number)}`
  const state = entries.get(`${prefix}00`)
  const updates = state === undefined ? [] : [state]
  // A map is sorted by its keys, so these come in the order of their clocks.
  for (const [key, value] of entries) if (key.startsWith(`${prefix}02`) && key.length === prefix.length + 12) updates.push(value)
  return { updates }
}

/** Keys as hex. */
function readMap(bytes: Uint8Array): Map<string, Uint8Array> | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const length = (): number | null => {
    if (at + 8 > bytes.length) return null
    const value = view.getBigUint64(at, true)
    at += 8
    return value > BigInt(bytes.length) ? null : Number(value)
  }
  const field = (): Uint8Array | null => {
    const size = length()
    if (size === null || at + size > bytes.length) return null
    at += size
    return bytes.slice(at - size, at)
  }
  const count = length()
  if (count === null) return null
  const entries = new Map<string, Uint8Array>()
  for (let read = 0; read < count; read++) {
    const key = field()
    const value = key === null ? null : field()
    if (key === null || value === null) return null
    entries.set(hexOf(key), value)
  }
  return at === bytes.length ? entries : null
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
