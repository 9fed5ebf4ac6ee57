// What a relay may be told by its Hocuspocus clients beside documents: stateless messages, which are not stored. Called by document.ts; made of the hooks of the relay
// (../hooks.ts) by relay-doors.ts. Rule: HP-9.

import type { DocId, SpaceId } from '@syncline/protocol'
import type { Identity } from '../access/access.ts'

/** One stateless message of a client that may read the document. */
export interface StatelessMessage {
  readonly space: SpaceId
  readonly doc: DocId
  readonly payload: string
  readonly identity: Identity
  /** To its sender alone. */
  reply(payload: string): void
  /** To all who have the document open through this door at this relay, the sender included. Who does not drain its socket misses it. */
  broadcast(payload: string): void
}

export interface HocuspocusHooks {
  /** Called in the order of arrival and not awaited. */
  onStateless?(message: StatelessMessage): void | Promise<void>
  /** A hook threw or rejected. The connection goes on. */
  failed?(error: unknown, doc: DocId, space: SpaceId): void
}
