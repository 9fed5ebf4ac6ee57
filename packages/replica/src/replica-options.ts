// What a Replica is given. Nothing here is global: store, time and chance are arguments.

import type { DocId, Role, Scope } from '@syncline/protocol'
import type { Store } from '@syncline/store'
import type { Clock } from './clock.ts'
import type { Compression, CoreLimits } from './core-options.ts'
import type { ReplicaEvent } from './effects.ts'
import type { ReplicaObserver } from './replica-observer.ts'

export interface ReplicaOptions {
  /** Closed by Replica.close(). */
  readonly store: Store
  readonly role: Role
  readonly clock: Clock
  /** `length` random bytes, from a good source: identities come from it. */
  readonly random: (length: number) => Uint8Array
  /** What to subscribe to; default the whole space. */
  readonly interests?: readonly Scope[]
  /** A follower: local edits are refused. */
  readonly readOnly?: boolean
  readonly limits?: Partial<CoreLimits>
  readonly compression?: Compression
  /** As onEvent(), from the start. */
  readonly onEvent?: (event: ReplicaEvent) => void
  /** What user code threw where the replica called it: an observer of an open document, a listener, a door. Nothing is lost by it.
   *  Default: thrown again in a microtask of its own, which most runtimes report as an uncaught exception. */
  readonly onError?: (error: unknown, doc: DocId | null) => void
  /** Told what took how long; what it throws goes to onError. */
  readonly observer?: ReplicaObserver
  /** Bound of close(); default 5 s. */
  readonly closeWithinMs?: number
}

/** Those that the engine is given as they are. */
export function coreChoices({
  interests,
  readOnly,
  limits,
  compression,
}: ReplicaOptions): Pick<ReplicaOptions, 'interests' | 'readOnly' | 'limits' | 'compression'> {
  return {
    ...(interests === undefined ? {} : { interests }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(limits === undefined ? {} : { limits }),
    ...(compression === undefined ? {} : { compression }),
  }
}
