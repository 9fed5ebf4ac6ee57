// The doorman of a relay without authentication: everybody is nobody in particular and may do everything; the port is what is guarded (doors.ts). Rule: AU-0.

import type { Doorman, Identity, Pass } from './access.ts'

const ANONYMOUS: Identity = { subject: null, roles: [], claims: {}, expiresAtMs: null }

const EVERYTHING: Pass = {
  identity: ANONYMOUS,
  may: () => true,
  reaches: () => true,
  mayAll: () => true,
  ended: null,
  renew: () => Promise.resolve(),
  onChange: () => () => undefined,
  drop: () => undefined,
}

export const openDoorman: Doorman = {
  authenticates: false,
  admit: () => Promise.resolve(EVERYTHING),
}
