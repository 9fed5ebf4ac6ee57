// @syncline/replica: the engine (ReplicaCore, pure) and its host (Replica, any JavaScript runtime). Links for Node are in @syncline/replica/ws.
export { buggifyPoints, type Buggify, type BuggifyPoint } from './buggify.ts'
export type { Clock } from './clock.ts'
export { DEFAULT_CORE_LIMITS, type Compression, type CoreLimits, type CoreOptions } from './core-options.ts'
export type { Access, Effect, LinkId, Maintenance, ReplicaEvent, SourceId, Ticket, WriteOutcome } from './effects.ts'
export type { DeletedContent } from './document-lives.ts'
export { docDeleted, type Guest, type GuestPort } from './guest.ts'
export { closeCodeOf, closeErrorCode, closeReason, type AttachedLink, type LinkPort } from './hosted-link.ts'
export { DocumentBinding, type DocumentHost, type OpenDocument, type OpenOptions } from './open-document.ts'
export { Replica } from './replica.ts'
export {
  combineObservers,
  type ObservedCommit,
  type ObservedMaintenance,
  type ObservedWrite,
  type ReplicaLoad,
  type ReplicaObserver,
} from './replica-observer.ts'
export type { ReplicaOptions } from './replica-options.ts'
export { ReplicaCore } from './replica-core.ts'
export type { Acknowledgement, PeerStatus, RejectedDocument, ReplicaStatus } from './status.ts'
export { TokenBucket } from './token-bucket.ts'
export type { TokenReason } from './token-reason.ts'
