// Bytes as lowercase hex and back. Ids are hex in memory (comparable with ===, usable as map keys) and raw bytes on the wire and on disk.

const DIGITS = '0123456789abcdef'
/** The two character codes of each byte. */
const CODES = /* @__PURE__ */ Uint8Array.from({ length: 512 }, (_, i) => DIGITS.charCodeAt((i & 1) === 0 ? i >>> 5 : (i >>> 1) & 15))
const BYTES_AT_ONCE = 16

/** Lowercase hex of `bytes`, two characters per byte. Cost: 0.2 us for 16 bytes; in one piece, because a text of many pieces costs ten times as much when it is first
 *  read. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += BYTES_AT_ONCE) text += hexOfFew(bytes, at, Math.min(bytes.length, at + BYTES_AT_ONCE))
  return text
}

function hexOfFew(bytes: Uint8Array, from: number, to: number): string {
  const codes: number[] = []
  for (let i = from; i < to; i++) {
    const at = bytes[i]! * 2
    codes.push(CODES[at]!, CODES[at + 1]!)
  }
  return String.fromCharCode(...codes)
}

/** Value of each character code below 128; 16: it is no digit. */
const VALUES = /* @__PURE__ */ Uint8Array.from({ length: 128 }, (_, code) => (DIGITS.indexOf(String.fromCharCode(code)) + 17) % 17)

/** Bytes of a lowercase hex text of even length; null when the text is anything else. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = VALUES[text.charCodeAt(2 * i)] ?? 16
    const low = VALUES[text.charCodeAt(2 * i + 1)] ?? 16
    if (high > 15 || low > 15) return null
    bytes[i] = (high << 4) | low
  }
  return bytes
}
