// What the engine's parts share: one object, made by replica-core.ts. No part keeps a copy of another's state.

import type { Cursor, DocumentTree, EpochNonce, ErrorCode, ReplicaId } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import type { AckBook } from './ack-book.ts'
import type { AdmissionContext } from './admission.ts'
import type { Buggify } from './buggify.ts'
import type { Channel } from './channel.ts'
import type { ChannelIndex } from './channel-index.ts'
import type { CommitQueue } from './commit-queue.ts'
import type { CoreLimits, CoreOptions } from './core-options.ts'
import type { DocumentTable } from './documents.ts'
import type { Effect, LinkId, ReplicaEvent } from './effects.ts'
import type { HeldUpdates } from './held-updates.ts'
import type { LinkSession } from './link-session.ts'
import type { LinkWork } from './link-work.ts'
import type { OriginNumbers } from './origin-numbers.ts'
import type { ReadView } from './read-view.ts'
import type { Refusals } from './refusals.ts'
import type { SettledDocuments } from './settled-documents.ts'
import type { WholeDiffs } from './whole-diffs.ts'

export interface CoreContext {
  readonly options: CoreOptions
  readonly limits: CoreLimits
  readonly reader: StoreReader
  readonly documents: DocumentTable
  readonly settled: SettledDocuments
  /** Of all documents. A channel whose peer may not read all has its own (channel-root.ts, which says when either may be read). */
  readonly tree: DocumentTree
  /** Those of all channels. */
  readonly views: Set<ReadView>
  /** Channels that wait for a tree: their own, or that of all documents. */
  readonly treesToBuild: Map<Channel, LinkSession>
  readonly commits: CommitQueue
  readonly acks: AckBook
  readonly wholeDiffs: WholeDiffs
  readonly held: HeldUpdates
  readonly refusals: Refusals
  readonly admission: AdmissionContext
  readonly links: Map<LinkId, LinkSession>
  /** Those whose HELLO came, by who said it: one, or two while they contend. */
  readonly linksOf: Map<ReplicaId, readonly LinkSession[]>
  /** Of the links: which of them have any. */
  readonly work: LinkWork
  readonly origins: OriginNumbers
  /** Which channels the rows of a document go to. */
  readonly served: ChannelIndex
  /** Epoch in which this process began. Unlike the present one it stays, so that all links of one process are known to be of one. */
  readonly firstNonce: EpochNonce
  readonly effects: Effect[]
  readonly buggify: Buggify
  nowMs: number
  /** Of the log, for links that missed some of it: how much may yet be looked at in this turn. */
  missedBytesLeft: number
  event(event: ReplicaEvent): void
  /** Sends ERROR, closes the link and forgets it. */
  endLink(link: LinkSession, code: ErrorCode, reason: string): void
  /** A peer vouches for more of this log than is here: a tail was lost. `current`: under the epoch that is open now. */
  rolledBack(link: LinkSession, cursor: Cursor, current: boolean): void
  /** The older link to the same replica answered its ping, or did not. */
  decideContest(link: LinkSession): void
}
