// Reads of one document through the engine's own door for foreign connections, so that damage met here is told to it and nothing is written. Read by the routes
// and the hooks. Rule: HA-4.

import type { DocId } from '@syncline/protocol'
import type { Guest, Replica } from '@syncline/replica'
import { deafPort } from '../deaf-port.ts'

export const EMPTY_STATE_VECTOR: Uint8Array = new Uint8Array([0])

/** Throws what `use` throws, and "replica-closed". */
export function asGuest<T>(replica: Replica, doc: DocId, use: (guest: Guest) => T): T {
  const guest = replica.attachGuest(doc, deafPort)
  try {
    return use(guest)
  } finally {
    guest.detach()
  }
}
