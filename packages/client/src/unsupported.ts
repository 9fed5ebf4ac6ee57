// What @syncline/client resolves to outside Node: words instead of a bundler's riddle about `node:fs`. Its names and types are those of index.ts.

import { SynclineError } from '@syncline/protocol'
import type { ReplicaOptions } from './options.ts'
import type { Replica } from './replica.ts'

/** Throws "platform-unsupported". */
export function createReplica({ name }: ReplicaOptions): Replica {
  throw new SynclineError(
    'platform-unsupported',
    `The replica ${name} was created outside Node, where this release of @syncline/client has no storage.`,
  )
}

export { SynclineError } from '@syncline/protocol'
