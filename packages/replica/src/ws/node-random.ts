// Chance in Node: the operating system's generator. Client ids and nonces must not repeat, not even in a copied virtual machine image.

import { randomBytes } from 'node:crypto'

/** `length` random bytes. */
export function nodeRandom(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length))
}
