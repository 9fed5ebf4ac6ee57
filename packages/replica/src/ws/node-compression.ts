// Compression of large payloads in Node: raw DEFLATE (RFC 1951), what browsers call `deflate-raw`, so that every runtime can speak it.

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Compression } from '../core-options.ts'

/** Between speed and size: documents are text and small integers, where higher levels gain a few percent and cost twice the time. */
const LEVEL = 4

export const nodeCompression: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level: LEVEL }),
  inflate(bytes, bytesMax) {
    try {
      return inflateRawSync(bytes, { maxOutputLength: Math.max(1, bytesMax) })
    } catch {
      // Broken input, or more than bytesMax: a refusal, not an error.
      return null
    }
  },
}
