// One message of a server as the network takes it: header and payload in one piece, for one write. ws writes them as two, which costs more than the copy for all but large ones.
// A server's frames are not masked (RFC 6455, 5.1). Used by socket-link.ts.

/** Larger ones are left to ws. */
export const SERVER_FRAME_BYTES_MAX = 16 * 1024

const BINARY_FINAL = 0x82
const LENGTH_16_BITS = 126

/** `payload`: at most SERVER_FRAME_BYTES_MAX. */
export function serverFrame(payload: Uint8Array): Buffer {
  const { length } = payload
  const headerBytes = length < LENGTH_16_BITS ? 2 : 4
  const frame = Buffer.allocUnsafe(headerBytes + length)
  frame[0] = BINARY_FINAL
  if (length < LENGTH_16_BITS) frame[1] = length
  else {
    frame[1] = LENGTH_16_BITS
    frame.writeUInt16BE(length, 2)
  }
  frame.set(payload, headerBytes)
  return frame
}
