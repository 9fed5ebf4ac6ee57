// Values inside an update: lib0 "any" values (array and map entries, subdocument options) and JSON texts (embeds, formats, legacy arrays).
// Decides which values may pass: bounded depth, no "__proto__" key, no number that changes when it is encoded again.
// Read by update-reader.ts. Authority: lib0/decoding.js readAny. Rules: IN-1.

import { REFUSE } from './gate-refusal.ts'
import { LIMITS } from './limits.ts'
import type { StrictReader } from './strict-reader.ts'

const TAG = {
  bytes: 116,
  array: 117,
  object: 118,
  string: 119,
  bigint: 122,
  float64: 123,
  float32: 124,
  integer: 125,
  undefined: 127,
} as const

/** Reads past one lib0 value at nesting `depth` (1 for the outermost). Throws a row of REFUSE. */
export function skipValue(reader: StrictReader, depth: number): void {
  const tag = reader.byte()
  switch (tag) {
    case TAG.string:
      reader.text()
      return
    case TAG.integer:
      skipInteger(reader)
      return
    case TAG.float32:
      reader.skip(4)
      return
    case TAG.float64:
    case TAG.bigint:
      reader.skip(8)
      return
    case TAG.bytes:
      reader.skip(reader.uint())
      return
    case TAG.array: {
      if (depth > LIMITS.valueDepthMax) throw REFUSE.valueDepth
      const count = reader.count(1)
      for (let i = 0; i < count; i++) skipValue(reader, depth + 1)
      return
    }
    case TAG.object: {
      if (depth > LIMITS.valueDepthMax) throw REFUSE.valueDepth
      const count = reader.count(2)
      for (let i = 0; i < count; i++) {
        reader.keyText()
        skipValue(reader, depth + 1)
      }
      return
    }
    default:
      // true, false, null and undefined are their tag
      if (tag < TAG.bytes || tag > TAG.undefined) throw REFUSE.valueTag
  }
}

/** Signed varint, minimal, magnitude up to 2^53-1: six bits and the sign in the first byte. */
function skipInteger(reader: StrictReader): void {
  let byte = reader.byte()
  let value = byte & 0x3f
  let scale = 64
  while (byte > 0x7f) {
    byte = reader.byte()
    value += (byte & 0x7f) * scale
    scale *= 128
    if (byte === 0 || value > Number.MAX_SAFE_INTEGER) throw REFUSE.varint
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads past one JSON text; `orUndefined`: the bare word undefined is legacy content's hole. Throws a row of REFUSE. */
export function readJson(reader: StrictReader, orUndefined: boolean): void {
  reader.text()
  const { bytes, textStart, textEnd } = reader
  const size = textEnd - textStart
  // "true" and "null" open and close almost every format
  if (size === 4 && (isWord(bytes, textStart, TRUE) || isWord(bytes, textStart, NULL))) return
  if (orUndefined && size === 9 && isWord(bytes, textStart, UNDEFINED)) return
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes.subarray(textStart, textEnd)))
  } catch {
    throw REFUSE.json
  }
  checkJsonValue(value, 1)
}

const TRUE = [116, 114, 117, 101]
const NULL = [110, 117, 108, 108]
const UNDEFINED = [117, 110, 100, 101, 102, 105, 110, 101, 100]

function isWord(bytes: Uint8Array, start: number, word: readonly number[]): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false
  return true
}

function checkJsonValue(value: unknown, depth: number): void {
  // JSON.parse reads 1e999 as Infinity, which JSON.stringify writes as null: two contents under one id
  if (typeof value === 'number' && !Number.isFinite(value)) throw REFUSE.json
  if (typeof value !== 'object' || value === null) return
  if (depth > LIMITS.valueDepthMax) throw REFUSE.valueDepth
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw REFUSE.protoKey
    checkJsonValue((value as Record<string, unknown>)[key], depth + 1)
  }
}
