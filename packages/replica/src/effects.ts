// The engine's edge as data: what happens to it and what it asks for. ReplicaCore (replica-core.ts) takes the inputs as methods and returns
// these effects from flush(); Replica (replica.ts) carries them out on real links and a real store; the simulation carries them out in virtual time.

import type { DocId, DocKey, EpochNonce, ErrorCode, IdRange, ReplicaId, Role, Durability, Scope, ScopeText } from '@syncline/protocol'
import type { CompactedDoc, Transaction } from '@syncline/store'

/** Given by the host, at least 1 and unique for the life of a core; 0 stands for no link. */
export type LinkId = number
/** Who wrote: 0 is this replica itself (or, with a link, whoever is behind the link), otherwise a guest number given by the host. */
export type SourceId = number
/** Names one write, so that its outcome can be told. Given by the host. */
export type Ticket = number

/** What a link's identity may do; every decision is asked anew. Default: everything. Answers that change stop what may not flow any more; what may flow from then on
 *  is looked for at Replica.accessChanged, which is to follow every change. */
export interface Access {
  read(doc: DocId): boolean
  /** True: read() says yes to every document of the scope, existing or not, until Replica.accessChanged. Default: it may not; then what the link is told of the
   *  scope comes from a view of its own, which costs a scan of the scope and up to 1 MB for 100,000 documents. */
  readsAll?(scope: Scope): boolean
  write(doc: DocId): boolean
  /** Whether it may delete the document; default: where it may write. */
  delete?(doc: DocId): boolean
  /** Whether it may be seen in the document; default: where it may write. */
  presence?(doc: DocId): boolean
  /** Who it is, where that is known for sure: connections of one subject take over each other's presence without a question. */
  readonly subject?: string | null
  /** Told of everything that the link brings of a document, before it is judged: for whoever counts. Of what follows on the same document in one message only the bytes count. */
  came?(doc: DocId, bytes: number, what: 'update' | 'deletion' | 'more'): void
  /** Told of each document that is refused from the link, unless it was before for the same: it is remembered with the peer. */
  refused?(doc: DocId): void
}

/** What became of a write. committed: by this write. known: it added nothing, and what it repeats is committed. held: its dependencies are
 *  missing here; ask the writer for what follows `stateVector`. failed: the store did not take it; nothing of it is kept for a guest. */
export type WriteOutcome =
  | { readonly kind: 'committed'; readonly seq: number; /** Not as it was written: only what of it was new. */ readonly cut?: true }
  | { readonly kind: 'known' }
  | { readonly kind: 'held'; readonly stateVector: Uint8Array }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'failed'; readonly code: ErrorCode }

export type Effect =
  /** One WebSocket message. At most one per link and flush in the ordinary case. */
  | { readonly kind: 'send'; readonly link: LinkId; readonly bytes: Uint8Array }
  /** Close after what was sent. The host calls linkClosed when it is done. `code` is from the error table. */
  | { readonly kind: 'close'; readonly link: LinkId; readonly code: ErrorCode; readonly reason: string }
  /** Commit, then call committed() or commitFailed(). Never more than one outstanding, and never together with maintain. */
  | { readonly kind: 'commit'; readonly transaction: Transaction }
  /** Compaction, epoch rotation or quarantine; then call maintained() or maintenanceFailed(). */
  | { readonly kind: 'maintain'; readonly work: Maintenance }
  /** One committed row, or what one guest wrote of it: for open documents and guests, except `source` when it came by no link. `seq` is its place in the log. */
  | {
      readonly kind: 'deliver'
      readonly key: DocKey
      readonly doc: DocId
      /** Where it is above that of whoever has the document open, what they have is over. */
      readonly docEpoch: number
      readonly updates: readonly Uint8Array[]
      readonly source: SourceId
      readonly link: LinkId
      readonly seq: number
    }
  | { readonly kind: 'written'; readonly ticket: Ticket; readonly outcome: WriteOutcome }
  /** Presence of one document changed: y-protocols awareness bytes, for all but `source`. */
  | { readonly kind: 'presence'; readonly key: DocKey; readonly doc: DocId; readonly bytes: Uint8Array; readonly source: SourceId }
  /** Presence for `source` alone: its own entry was removed here; applying this makes it announce itself anew. */
  | { readonly kind: 'presence-reply'; readonly key: DocKey; readonly doc: DocId; readonly bytes: Uint8Array; readonly source: SourceId }
  /** Ask a guest for a sign of life (a WebSocket ping); call guestAlive() when it answers. */
  | { readonly kind: 'ping-guest'; readonly source: SourceId }
  /** The guest is to go. */
  | { readonly kind: 'close-guest'; readonly source: SourceId; readonly code: ErrorCode; readonly reason: string }
  /** The peer sent a fresh token: for whoever let it in. */
  | { readonly kind: 'renewed'; readonly link: LinkId; readonly auth: Uint8Array }
  /** Give every open document a fresh client id: this replica may have lost a tail that others hold. */
  | { readonly kind: 'rotate-client-ids' }
  | { readonly kind: 'event'; readonly event: ReplicaEvent }
  /** There is more to do at once (a frame budget was reached): call flush() again soon. */
  | { readonly kind: 'again' }

export type Maintenance =
  | { readonly kind: 'sweep'; readonly docs: readonly CompactedDoc[] }
  | { readonly kind: 'rotate-epoch' }
  | { readonly kind: 'quarantine'; readonly key: DocKey }

/** What an application or an operator would want to know. Also counted in status. */
export type ReplicaEvent =
  | { readonly type: 'link-live'; readonly link: LinkId; readonly peer: ReplicaId; readonly role: Role; readonly durability: Durability }
  | { readonly type: 'link-ended'; readonly link: LinkId; readonly peer: ReplicaId | null; readonly code: ErrorCode | 'lost' }
  /** A full exchange with this peer over this scope happened since the link came up. */
  | { readonly type: 'synced'; readonly link: LinkId; readonly peer: ReplicaId; readonly scope: ScopeText }
  | { readonly type: 'acked'; readonly peer: ReplicaId; readonly scope: ScopeText; readonly seq: number; readonly durability: Durability }
  | {
      readonly type: 'progress'
      readonly peer: ReplicaId
      readonly documents: number
      readonly documentsExpected: number
      readonly bytes: number
    }
  | { readonly type: 'reconcile'; readonly peer: ReplicaId; readonly scope: ScopeText; readonly why: 'no-cursor' | 'roots-differ' }
  /** in: this replica refused it; out: the peer refused it. */
  | {
      readonly type: 'rejected'
      readonly doc: DocId
      readonly peer: ReplicaId | null
      readonly direction: 'in' | 'out'
      readonly code: string
      readonly reason: string
    }
  | { readonly type: 'accepted-again'; readonly doc: DocId; readonly peer: ReplicaId; readonly direction: 'in' | 'out' }
  /** The document was deleted (an odd number), or began a later life. */
  | { readonly type: 'epoch'; readonly doc: DocId; readonly docEpoch: number }
  | { readonly type: 'divergence'; readonly doc: DocId; readonly peer: ReplicaId; readonly range: IdRange | null }
  /** A document that diverged from this peer's was verified to be the same again. */
  | { readonly type: 'agreed-again'; readonly doc: DocId; readonly peer: ReplicaId }
  | { readonly type: 'quarantined'; readonly doc: DocId | null; readonly key: DocKey }
  | { readonly type: 'rollback-detected'; readonly peer: ReplicaId; readonly nonce: EpochNonce; readonly seq: number }
  | { readonly type: 'storage-failed'; readonly code: ErrorCode; readonly reason: string }
  | { readonly type: 'storage-recovered' }
  /** A document was put together for a sweep: from its bytes, or through a Y.Doc where bytes do not tell. */
  | { readonly type: 'compacted'; readonly doc: DocId; readonly way: 'bytes' | 'ydoc' }
  /** What was made from bytes is not what a Y.Doc makes: a fault of this program, which took the Y.Doc's instead. */
  | { readonly type: 'compaction-mismatch'; readonly doc: DocId; readonly reason: string }
  | { readonly type: 'swept'; readonly documents: number }
  /** By the host: an open Y.Doc does not take what is committed, and shows less. */
  | { readonly type: 'document-stuck'; readonly doc: DocId; readonly reason: string }
