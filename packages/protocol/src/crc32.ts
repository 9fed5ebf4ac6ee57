// CRC-32 (IEEE 802.3, as zlib's) of a frame: finds what TCP's checksum lets through. Four tables, four bytes a step: twice as fast as one
// table, and eight tables gained nothing more. Read by codec.ts. Rule: IN-1.

const table = /* @__PURE__ */ buildTables()

function buildTables(): Int32Array {
  const all = new Int32Array(4 * 256)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    all[i] = crc
  }
  for (let i = 256; i < all.length; i++) all[i] = (all[i - 256]! >>> 8) ^ all[all[i - 256]! & 255]!
  return all
}

/** CRC-32 of `bytes` from offset `start`, as an unsigned number. Cost: about 1.3 ns a byte. */
export function crc32(bytes: Uint8Array, start = 0): number {
  let crc = -1
  let at = start
  for (const last = bytes.length - 3; at < last; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc = table[768 + (crc & 255)]! ^ table[512 + ((crc >>> 8) & 255)]! ^ table[256 + ((crc >>> 16) & 255)]! ^ table[crc >>> 24]!
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 255]!
  return ~crc >>> 0
}
