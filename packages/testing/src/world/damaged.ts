// Reads and checks that may meet a stored document that fails its checksum. Read by the replicas of a simulation and by the oracles.

import { SynclineError } from '@syncline/protocol'

/** What `read` answers, or `otherwise` where the document is damaged; `onDamage` hears of it. */
export function readOr<T>(otherwise: T, read: () => T, onDamage?: (error: SynclineError) => void): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SynclineError && error.code === 'doc-quarantined')) throw error
    onDamage?.(error)
    return otherwise
  }
}

/** Runs a check that may meet a document whose damage nobody has noticed yet. */
export function unlessDamaged(run: () => void): void {
  readOr(undefined, run)
}
