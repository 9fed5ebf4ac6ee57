// What every store asserts of a transaction before it writes the first byte, so that a refusal leaves nothing behind. A failure here is a bug
// of the caller, never of the world: "argument-invalid". Read by ./memory and ./sqlite. Rules: ST-1, ST-2.

import { SynclineError, type DocKey } from '@syncline/protocol/stored'

/** Throws "argument-invalid" unless the transaction starts right behind `head`. */
export function assertFollowsHead(firstSeq: number, head: number): void {
  if (firstSeq === head + 1) return
  throw new SynclineError('argument-invalid', `A transaction starts at seq ${firstSeq}, but the log ends at ${head}.`)
}

/** The refusal of a row that names a document which neither the store nor the transaction knows. */
export function unknownDocument(key: DocKey): SynclineError {
  return new SynclineError(
    'argument-invalid',
    `A transaction has a row of document ${key}, which it does not describe and the store does not know.`,
  )
}

/** The refusal of a row that belongs to an earlier life of its document. */
export function pastEpoch(key: DocKey, rowEpoch: number, docEpoch: number): SynclineError {
  return new SynclineError(
    'argument-invalid',
    `A transaction has a row of document ${key} in epoch ${rowEpoch}, which is in epoch ${docEpoch}.`,
  )
}
