// A guest that only writes, or asks once: an import, an HTTP request. It goes through the engine's own door for foreign connections, so that damage met here is told to it.
// Rules: CL-5, HA-4, IM-1, YS-4.

import type { DocId } from '@syncline/protocol'
import type { Guest, GuestPort, Replica } from '@syncline/replica'

export const deafPort: GuestPort = {
  deliver: () => undefined,
  presence: () => undefined,
  ping: () => undefined,
  close: () => undefined,
  buffered: () => 0,
}

export const EMPTY_STATE_VECTOR: Uint8Array = new Uint8Array([0])

/** Asks at once, and leaves. Throws what `use` throws, and "replica-closed". */
export function asGuest<T>(replica: Replica, doc: DocId, use: (guest: Guest) => T): T {
  const guest = replica.attachGuest(doc, deafPort)
  try {
    return use(guest)
  } finally {
    guest.detach()
  }
}
