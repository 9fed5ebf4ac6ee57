// Whether a document has everything that an update says: of a client that may only read, this is what it answers when it has nothing of its own. Used by
// y-websocket-session.ts. Rule: YS-3.

import { isRefusal, judge, Knowledge, walkUpdate } from '@syncline/protocol'
import type { Guest } from '@syncline/replica'

/** False for what the gate refuses. Throws what Guest.diff throws. Cost: reads the whole document. */
export function isKnownUpdate(guest: Guest, update: Uint8Array): boolean {
  const asked = walkUpdate(update)
  const here = isRefusal(asked) ? asked : walkUpdate(guest.diff(Uint8Array.of(0)))
  if (isRefusal(asked) || isRefusal(here)) return false
  const knowledge = new Knowledge()
  knowledge.admit(here)
  return judge(asked, knowledge).kind === 'known'
}
