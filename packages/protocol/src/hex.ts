// Bytes as lowercase hex and back. Ids are hex in memory (comparable with ===, usable as map keys) and raw bytes on the wire and on disk.

const DIGITS = '0123456789abcdef'

/** Lowercase hex of `bytes`, two characters per byte. */
export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    text += DIGITS[byte >>> 4]! + DIGITS[byte & 15]!
  }
  return text
}

/** Bytes of a lowercase hex text of even length; null when the text is anything else. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = DIGITS.indexOf(text[2 * i]!)
    const low = DIGITS.indexOf(text[2 * i + 1]!)
    if (high < 0 || low < 0) return null
    bytes[i] = (high << 4) | low
  }
  return bytes
}
