// A row and a DIFF carry several v1 updates as `length varuint, bytes` one after another. Read by the engine, the store's compaction and the doors.

import { LIMITS } from './limits.ts'

/** Frames updates one after another. */
export function frameUpdates(updates: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const update of updates) size += varuintSize(update.length) + update.length
  const bytes = new Uint8Array(size)
  let at = 0
  for (const update of updates) {
    let rest = update.length
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128
      rest >>>= 7
    }
    bytes[at++] = rest
    bytes.set(update, at)
    at += update.length
  }
  return bytes
}

/** The updates, as views into `bytes`; null when the framing is broken, an update is empty, or there are too many. Total: never throws. */
export function unframeUpdates(bytes: Uint8Array): Uint8Array[] | null {
  const updates: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    let length = 0
    let shift = 0
    for (;;) {
      if (at >= bytes.length || shift > 28) return null
      const byte = bytes[at++]!
      length += (byte & 127) * 2 ** shift
      if (byte < 128) break
      shift += 7
    }
    if (length === 0 || at + length > bytes.length || updates.length >= LIMITS.updatesPerRowMax) return null
    updates.push(bytes.subarray(at, at + length))
    at += length
  }
  return updates
}

function varuintSize(value: number): number {
  let size = 1
  while (value > 127) {
    size++
    value >>>= 7
  }
  return size
}
