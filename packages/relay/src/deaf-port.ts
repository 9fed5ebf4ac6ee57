// The port of a guest that only writes, or asks once: an import, an HTTP request. Rules: CL-5, IM-1, YS-4.

import type { GuestPort } from '@syncline/replica'

export const deafPort: GuestPort = {
  deliver: () => undefined,
  presence: () => undefined,
  ping: () => undefined,
  close: () => undefined,
  buffered: () => 0,
}
