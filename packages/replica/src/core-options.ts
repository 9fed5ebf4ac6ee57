// What an engine is given: identity, committed state, clock reading, chance, and policy. Nothing here is global.

import type { DocId, Durability, ReplicaId, Role, Scope, SpaceId } from '@syncline/protocol'
import { LIMITS } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import type { Buggify } from './buggify.ts'

/** Whole-payload compression of large DIFFs. `inflate` answers null for broken input or more than `bytesMax` bytes. */
export interface Compression {
  deflate(bytes: Uint8Array): Uint8Array
  inflate(bytes: Uint8Array, bytesMax: number): Uint8Array | null
}

/** Bounds that a deployment or a simulation may change; defaults from LIMITS. */
export interface CoreLimits {
  readonly documentBytesMax: number
  /** Documents of the space; new ones are refused above it. One batch may bring a few more. */
  readonly documentsMax: number
  readonly frameTargetBytes: number
  readonly rowBytesTarget: number
  readonly windowBytes: number
  readonly wantsPerLinkMax: number
  readonly verifyEveryMs: number
  readonly idleBeforeHealMs: number
  readonly healEveryMs: number
  readonly sweepEveryMs: number
  readonly tailRowsHardMax: number
  /** A contested link or presence owner must answer a ping within this time. */
  readonly takeoverPingMs: number
  /** Committed rows kept in memory for the pump, so that live fan-out reads nothing from disk. */
  readonly recentBytesMax: number
  /** Documents whose knowledge stays in memory. */
  readonly documentsInMemoryMax: number
  /** States of presence that are passed on in a second, on average: of one connection, of one person, of a link to a relay. */
  readonly presencePerSecondMax: number
  readonly subjectPresencePerSecondMax: number
  readonly relayPresencePerSecondMax: number
  /** Messages about the presence in one document to all who get them, in a second. */
  readonly documentPresencePerSecondMax: number
}

export const DEFAULT_CORE_LIMITS: CoreLimits = {
  documentBytesMax: LIMITS.documentBytesMax,
  documentsMax: Infinity,
  frameTargetBytes: LIMITS.frameTargetBytes,
  rowBytesTarget: LIMITS.rowBytesTarget,
  windowBytes: LIMITS.windowBytes,
  wantsPerLinkMax: LIMITS.wantsPerLinkMax,
  verifyEveryMs: LIMITS.verifyEveryMs,
  idleBeforeHealMs: LIMITS.idleBeforeHealMs,
  healEveryMs: LIMITS.healEveryMs,
  sweepEveryMs: LIMITS.sweepEveryMs,
  tailRowsHardMax: LIMITS.tailRowsHardMax,
  takeoverPingMs: LIMITS.takeoverPingMs,
  recentBytesMax: 8 * 1024 * 1024,
  documentsInMemoryMax: 4096,
  presencePerSecondMax: LIMITS.presencePerSecondMax,
  subjectPresencePerSecondMax: LIMITS.subjectPresencePerSecondMax,
  relayPresencePerSecondMax: LIMITS.relayPresencePerSecondMax,
  documentPresencePerSecondMax: LIMITS.documentPresencePerSecondMax,
}

export interface CoreOptions {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  readonly durability: Durability
  readonly reader: StoreReader
  readonly role: Role
  /** Monotonic milliseconds at construction; later readings come with tick(). */
  readonly nowMs: number
  /** `length` random bytes. */
  readonly random: (length: number) => Uint8Array
  /** What this replica subscribes to; default the whole space. */
  readonly interests?: readonly Scope[]
  /** A follower: local writes are refused, derived deletes stay in memory. */
  readonly readOnly?: boolean
  readonly limits?: Partial<CoreLimits>
  readonly compression?: Compression
  /** How many guests of a document will get what it tells them: for the pace of presence. Default: none. */
  readonly guestsOf?: (doc: DocId) => number
  /** For simulations only; default: never. */
  readonly buggify?: Buggify
}
