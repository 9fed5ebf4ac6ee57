// @syncline/client for Node: createReplica and what it hands out. The first import says what it needs of Node, before anything else is evaluated.

import './node/check-node.ts'
import { nodePlatform } from './node/node-platform.ts'
import type { ReplicaOptions } from './options.ts'
import { createReplicaOn, type Replica } from './replica.ts'

/** Makes a replica: a set of Yjs documents with storage of its own, that syncs with its peers whenever there are any.
 *
 *  Returns at once and opens in the background. Throws "argument-invalid" and its like for options that make no sense; whatever else fails has a code
 *  too, is told by the calls that wait for it, and stands in `status.error`. `await using` closes it at the end of the block. */
export function createReplica(options: ReplicaOptions): Replica {
  return createReplicaOn(nodePlatform, options)
}

export { SynclineError, type ErrorCode } from '@syncline/protocol'
export type { Awareness, DocHandle } from './doc-handle.ts'
export type { AuthAsk, ReplicaOptions } from './options.ts'
export type { Readable } from './readable.ts'
export type { ListedDocument } from './relay-pending.ts'
export type { DeletedContent } from '@syncline/replica'
export type { DeleteOptions, OpenOptions, Replica } from './replica.ts'
export type { SavedTier } from './saved.ts'
export type { DocStatus, PeerStatus, RejectedDocument, SyncStatus } from './status.ts'
export type { WaitOptions } from './waits.ts'
