// Whether an update brings nothing to a document: all that it inserts and deletes is there. For readers, who answer the relay's step 1 like everybody and are
// saved when they have nothing of their own. Read by y-websocket-session.ts and hocuspocus/document.ts. Rules: HP-4, YS-3.

import { isRefusal, judge, Knowledge, walkUpdate } from '@syncline/protocol'

/** `whole`: one update with everything that is committed. False for what the gate refuses. Throws what `whole` throws. Cost: one pass over both. */
export function isKnownUpdate(update: Uint8Array, whole: () => Uint8Array): boolean {
  const asked = walkUpdate(update)
  if (isRefusal(asked)) return false
  const here = walkUpdate(whole())
  if (isRefusal(here)) return false
  const knowledge = new Knowledge()
  knowledge.admit(here)
  return judge(asked, knowledge).kind === 'known'
}
