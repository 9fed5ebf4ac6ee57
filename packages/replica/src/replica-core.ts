// The engine: one object that takes what happens (frames, writes, commits, time) and answers what to do (effects.ts). No socket, timer, promise or clock inside. This file
// orders the parts; each decides its own matter: admission.ts what enters, commit-queue.ts what is committed, link-keeper.ts who is linked, receiver.ts, server.ts and
// reconciler.ts what a channel does, verifier.ts, presence-hub.ts and maintenance.ts the rest. Rules: DESIGN.md 3 and 4; I1 to I9.

import {
  encodeDeletes,
  newDeletes,
  SynclineError,
  walkUpdate,
  ZERO_DIGEST,
  type Cursor,
  type Digest,
  type DocId,
  type DocKey,
  type ErrorCode,
  type EpochNonce,
  type Scope,
  type ScopeText,
} from '@syncline/protocol'
import type { SweepResult } from '@syncline/store'
import { admit, enterEpoch } from './admission.ts'
import { LOCAL, type BatchWrite } from './commit-batch.ts'
import type { CoreContext } from './core-context.ts'
import type { CoreOptions } from './core-options.ts'
import { oneUpdate } from './document-diff.ts'
import type { DocState } from './documents.ts'
import type { Effect, LinkId, SourceId, Ticket } from './effects.ts'
import { Housekeeping } from './housekeeping.ts'
import { LinkDesk } from './link-desk.ts'
import type { LinkOptions, LinkSession } from './link-session.ts'
import { makeContext } from './make-core-context.ts'
import { MaintenancePlan } from './maintenance.ts'
import { PresenceHub } from './presence-hub.ts'
import type { GuestFacts } from './presence-pace.ts'
import type { RecentRow } from './recent-rows.ts'
import type { Refusals } from './refusals.ts'
import type { ReplicaLoad } from './replica-observer.ts'
import { Verifier } from './verifier.ts'

export interface Write {
  readonly doc: DocId
  /** Of the life that the writer has before it. */
  readonly docEpoch: number
  /** One v1 update; null: it does no more than bring the document into that epoch (a deletion). Only this replica itself may. */
  readonly update: Uint8Array | null
  readonly source: SourceId
  /** Null: nobody waits for the outcome. */
  readonly ticket: Ticket | null
}

export class ReplicaCore {
  readonly #context: CoreContext
  readonly #desk: LinkDesk
  readonly #presence: PresenceHub
  readonly #verifier: Verifier
  readonly #plan: MaintenancePlan
  readonly #housekeeping: Housekeeping
  /** Maintenance failed, and nothing was stored since. */
  #maintenanceFailing = false
  /** Documents whose local edits were refused since the start, with the code. */
  readonly #rejectedHere = new Map<DocKey, { readonly code: ErrorCode; readonly reason: string }>()

  constructor(options: CoreOptions) {
    const context = makeContext(options, {
      endLink: (link, code, reason) => this.#desk.end(link, code, reason),
      rolledBack: (link, cursor, current) => this.#rolledBack(link, cursor, current),
      decideContest: (link) => this.#desk.decideContest(link),
    })
    this.#context = context
    this.#presence = new PresenceHub(context)
    this.#verifier = new Verifier(context)
    this.#plan = new MaintenancePlan(context)
    this.#desk = new LinkDesk(context, { presence: this.#presence, verifier: this.#verifier, damaged: (error) => this.#damaged(error) })
    this.#housekeeping = new Housekeeping(context, this.#desk, this.#presence, this.#verifier, this.#plan)
  }

  // Links

  linkOpened(link: LinkId, how: LinkOptions): void {
    this.#desk.opened(link, how)
  }

  /** One WebSocket message. Total: whatever the bytes. */
  linkReceived(link: LinkId, bytes: Uint8Array): void {
    this.#desk.received(link, bytes)
  }

  linkClosed(link: LinkId): void {
    this.#desk.closed(link)
  }

  /** `buffered` of the link fell: more may be sent. */
  linkDrained(link: LinkId): void {
    this.#desk.drained(link)
  }

  /** What LinkOptions.access answers has changed. */
  accessChanged(link: LinkId): void {
    this.#desk.accessChanged(link)
  }

  /** Sends a fresh token over a link that this side dialled. No effect on one that is not live. */
  renewToken(link: LinkId, auth: Uint8Array): void {
    this.#desk.renewToken(link, auth)
  }

  subscribe(scope: Scope): void {
    this.#desk.subscribe(scope)
  }

  unsubscribe(scope: Scope): void {
    this.#desk.unsubscribe(scope)
  }

  // Writes

  /** A local edit or a guest's update. The outcome comes as 'written' under the ticket, after the commit that covers it. */
  write(write: Write): void {
    const { commits, options } = this.#context
    if (write.source === LOCAL && options.readOnly === true)
      return this.#answer(write.ticket, { kind: 'refused', code: 'read-only', reason: 'this replica is a follower' })
    if (commits.failure !== null) {
      if (write.source === LOCAL) commits.outbox.push({ ...write, name: write.doc, row: null, cut: false })
      else this.#answer(write.ticket, { kind: 'failed', code: 'storage-failed' })
      return
    }
    try {
      this.#admitWrite(write)
    } catch (error) {
      this.#damaged(error)
      this.#answer(write.ticket, { kind: 'failed', code: 'doc-quarantined' })
    }
  }

  #admitWrite(write: Write): void {
    const { commits, documents, admission, nowMs } = this.#context
    const doc = documents.get(write.doc, nowMs)
    const { source, docEpoch, update, ticket } = write
    if (update !== null && docEpoch < doc.admitted.epoch) return this.#refuseWrite(write, doc, 'doc-deleted', 'the document was deleted')
    const from = { source, link: 0, docEpoch, origin: commits.origin, n: commits.n }
    const entered = enterEpoch(admission, doc, from)
    const result = update === null || entered.kind === 'refused' ? entered : admit(admission, doc, update, from)
    const row = result.kind === 'new' ? result.row : null
    const cut = row !== null && update !== null && row.updates.at(-1) !== update
    const record: BatchWrite = { source, name: write.doc, docEpoch, update, ticket, row, cut }
    if (result.kind === 'new') commits.pending.writes.push(record)
    else if (result.kind === 'known' && doc.uncommitted > 0) commits.attachKnown(doc, record)
    else if (result.kind === 'known') this.#answer(write.ticket, { kind: 'known' })
    else if (result.kind === 'refused') this.#refuseWrite(write, doc, result.code, result.reason)
    else {
      const rejected = this.#rejectedHere.get(doc.key)
      if (rejected !== undefined && write.source === LOCAL) return this.#answer(write.ticket, { kind: 'refused', ...rejected })
      this.#answer(write.ticket, { kind: 'held', stateVector: doc.committed.stateVector() })
    }
  }

  #refuseWrite(write: Write, doc: DocState, code: ErrorCode, reason: string): void {
    if (write.source === LOCAL && !this.#rejectedHere.has(doc.key)) {
      this.#rejectedHere.set(doc.key, { code, reason })
      this.#context.event({ type: 'rejected', doc: doc.name, peer: null, direction: 'out', code, reason })
    }
    this.#answer(write.ticket, { kind: 'refused', code, reason })
  }

  #answer(ticket: Ticket | null, outcome: Extract<Effect, { kind: 'written' }>['outcome']): void {
    if (ticket !== null) this.#context.effects.push({ kind: 'written', ticket, outcome })
  }

  /** y-protocols awareness bytes. False: malformed. */
  presence(message: { readonly doc: DocId; readonly bytes: Uint8Array; readonly source: SourceId }): boolean {
    return this.#presence.fromSource(message.source, message.doc, message.bytes)
  }

  /** Who a guest is, where that is known for sure, and which connection it is of, where that has several. */
  guestIs(source: SourceId, facts: GuestFacts): void {
    this.#presence.sourceIs(source, facts)
  }

  guestLeft(source: SourceId): void {
    this.#presence.sourceLeft(source)
  }

  guestAlive(source: SourceId): void {
    this.#presence.sourceAlive(source)
  }

  // Store

  /** The commit in flight is durable. Returns the links by which its rows came. */
  committed(): ReadonlySet<LinkId> {
    const { commits, effects } = this.#context
    this.#stores(commits.failure !== null)
    const batch = commits.committed(effects)
    for (const doc of batch.docs) this.#verifier.wrote(doc.key)
    for (const run of batch.onCommitted) run()
    this.#housekeeping.committed()
    // Edits made while the store was being tried again.
    if (commits.outbox.length > 0) this.#readmitOutbox()
    return new Set(batch.rows.flatMap(({ link }) => (link === 0 ? [] : [link])))
  }

  commitFailed(error: SynclineError): void {
    const { commits, links, nowMs, effects } = this.#context
    for (const id of commits.failed(error, nowMs, effects)) {
      const link = links.get(id)
      if (link !== undefined) this.#desk.end(link, 'storage-failed', error.code)
    }
    this.#context.refusals.reload()
  }

  /** Maintenance is done. `result`: what sweep() answered, or the new nonce. */
  maintained(result: SweepResult | EpochNonce): void {
    const { commits, reader } = this.#context
    this.#stores(commits.failure !== null)
    const work = this.#plan.finish(true)
    if (work.kind === 'quarantine') return this.#quarantined(work.key)
    if (typeof result === 'string') return commits.rotated(result)
    commits.swept(result)
    for (const { key } of result.installed) {
      const doc = this.#context.documents.loaded(key)
      const row = reader.doc(key)
      if (doc !== undefined && row !== undefined && doc.uncommitted === 0) doc.bytes = row.snapshotBytes + row.tailBytes
    }
    this.#context.event({ type: 'swept', documents: result.installed.length })
  }

  maintenanceFailed(error: SynclineError): void {
    this.#plan.finish(false)
    if (!this.#maintenanceFailing) this.#context.event({ type: 'storage-failed', code: error.code, reason: error.message })
    this.#maintenanceFailing = true
  }

  /** The store took something: what maintenance met is over. `failing`: commits failed too, and tell their end themselves. */
  #stores(failing: boolean): void {
    if (this.#maintenanceFailing && !failing) this.#context.event({ type: 'storage-recovered' })
    this.#maintenanceFailing = false
  }

  /** Content that fails its checksum is never served: it is forgotten, links start anew without cursors, and a peer delivers it again. */
  #damaged(error: unknown): void {
    if (!(error instanceof SynclineError) || error.code !== 'doc-quarantined' || typeof error.detail['doc'] !== 'string') throw error
    this.#plan.quarantine(error.detail['doc'] as DocKey)
  }

  #quarantined(key: DocKey): void {
    const { commits, documents, effects, tree } = this.#context
    commits.dropPending(effects)
    this.#context.refusals.reload()
    documents.forget(key)
    this.#context.wholeDiffs.forget(key)
    this.#verifier.forget(key)
    commits.reread()
    tree.reset()
    this.#context.event({ type: 'quarantined', doc: this.#context.reader.doc(key)?.name ?? null, key })
    this.#desk.endAll('storage-failed', 'a stored document is damaged and is fetched again')
    this.#readmitOutbox()
  }

  #rolledBack(link: LinkSession, cursor: Cursor, current: boolean): void {
    this.#context.event({ type: 'rollback-detected', peer: link.hello!.replicaId, nonce: cursor.nonce, seq: cursor.seq })
    this.#context.effects.push({ kind: 'rotate-client-ids' })
    if (!current) return
    this.#plan.rotateEpoch()
    this.#desk.endAll('shutting-down', 'this replica lost a tail of its log and starts a new epoch')
  }

  #readmitOutbox(): void {
    const { commits } = this.#context
    const waiting = commits.outbox
    commits.outbox = []
    for (const write of waiting) {
      try {
        this.#admitWrite({ ...write, doc: write.name })
      } catch (error) {
        this.#damaged(error)
        // It is admitted again when the quarantine is stored.
        commits.outbox.push(write)
      }
    }
  }

  // Time and output

  /** Monotonic milliseconds; at least every 250 ms. */
  tick(nowMs: number): void {
    this.#context.nowMs = nowMs
    this.#housekeeping.tend()
    const { commits, effects } = this.#context
    if (!commits.retryDue(nowMs) || this.#plan.running !== null) return
    this.#readmitOutbox()
    effects.push({ kind: 'commit', transaction: commits.retry() })
  }

  /** The host is closing: acks and cursors that would wait for company are committed with the next flush. */
  hurry(): void {
    const { pending } = this.#context.commits
    this.#context.acks.moveInto(pending)
    if (!pending.isEmpty()) pending.urgent = true
  }

  /** What to do now, in order. Call once per turn after inputs. */
  flush(): Effect[] {
    const { commits, effects, buggify } = this.#context
    let more = this.#desk.work()
    if (!commits.busy) {
      more = this.#advancePlan() || more
      const work = this.#plan.take()
      const transaction =
        work === null && this.#plan.running === null ? commits.take(this.#plan.holdsCommits || buggify('commit-waits')) : null
      if (work !== null) effects.push({ kind: 'maintain', work })
      if (transaction !== null) effects.push({ kind: 'commit', transaction })
    }
    this.#desk.takeFrames(effects)
    if (more) effects.push({ kind: 'again' })
    return effects.splice(0)
  }

  #advancePlan(): boolean {
    try {
      return this.#plan.advance()
    } catch (error) {
      this.#damaged(error)
      return true
    }
  }

  // Reads

  get head(): number {
    return this.#context.commits.head
  }

  /** Settled rows of all documents after a position; null when memory does not reach that far back. */
  recentAfter(seq: number): Iterable<RecentRow> | null {
    const { recent } = this.#context.commits
    return recent.covers(seq) ? recent.after(seq) : null
  }

  /** Sum over all committed documents. */
  get root(): Digest {
    return this.#context.commits.totals.root
  }

  /** Nothing waits to be committed. */
  get clean(): boolean {
    return this.#context.commits.clean
  }

  get storageFailure(): SynclineError | null {
    return this.#context.commits.failure
  }

  links(): Iterable<LinkSession> {
    return this.#context.links.values()
  }

  /** The scopes of a link that both sides opened. */
  channels(link: LinkId): readonly { readonly scope: ScopeText; readonly synced: boolean; readonly acked: number }[] {
    const channels = [...(this.#context.links.get(link)?.channels.values() ?? [])].filter((channel) => channel.peerOpen !== null)
    const { head } = this.#context.commits
    // What is not told is not for the peer.
    return channels.map((channel) => ({
      scope: channel.text,
      synced: channel.synced,
      acked: channel.behind || channel.acked < channel.announced ? channel.acked : head,
    }))
  }

  /** Since something was last heard of a link's peer; null for no such link. Engine time: as of the last tick. */
  silentMs(link: LinkId): number | null {
    const session = this.#context.links.get(link)
    return session === undefined ? null : Math.max(0, this.#context.nowMs - session.heardAtMs)
  }

  load(): Pick<ReplicaLoad, 'heldUpdates' | 'heldBytes' | 'presenceIds' | 'presenceDelayed'> {
    const { held } = this.#context
    const { delayed } = this.#presence
    return { heldUpdates: held.count(), heldBytes: held.bytes, presenceIds: this.#presence.count(), presenceDelayed: delayed }
  }

  refusals(): Refusals {
    return this.#context.refusals
  }

  keyOf(doc: DocId): DocKey {
    return this.#context.documents.keyOf(doc)
  }

  /** The document where it is in memory and nothing of it is under way: then it is what the store holds. Undefined: the store has to be asked. */
  atRest(key: DocKey): Pick<DocState, 'stored' | 'docEpoch' | 'lastSeq' | 'quarantined'> | undefined {
    const state = this.#context.documents.loaded(key)
    return state?.uncommitted === 0 ? state : undefined
  }

  /** Committed epoch of the document; 0 for one that is not here. Throws "doc-quarantined". */
  docEpoch(doc: DocId): number {
    return this.#context.documents.head(this.keyOf(doc))?.docEpoch ?? 0
  }

  /** The epoch that a write made now would find. Throws "doc-quarantined". */
  admittedEpoch(doc: DocId): number {
    return this.#read(doc).admitted.epoch
  }

  /** Committed digest; ZERO_DIGEST for a document that is not here. */
  digestOf(doc: DocId): Digest {
    return this.#context.documents.digestOf(this.keyOf(doc)) ?? ZERO_DIGEST
  }

  /** Newest committed row that this replica wrote itself (after a restart: its newest row). */
  localSeq(doc: DocId): number {
    return this.#read(doc).localSeq
  }

  /** Committed state vector, Yjs v1. Throws "doc-quarantined". */
  stateVector(doc: DocId): Uint8Array {
    return this.#read(doc).committed.stateVector()
  }

  /** One v1 update with what `stateVector` lacks of the committed state, with all deletes. Throws "doc-quarantined". */
  diffFor(doc: DocId, stateVector: Uint8Array | null): Uint8Array {
    return oneUpdate(this.#context.reader.content(this.keyOf(doc)), stateVector)
  }

  /** The host met damaged content in a read of its own: fail-stop for that document. Throws what is no such damage. */
  readFailed(error: unknown): void {
    this.#damaged(error)
  }

  /** Whether a client id already stands in the document: a fresh one must not. */
  knowsClient(doc: DocId, client: number): boolean {
    return this.#read(doc).admitted.clockOf(client) > 0
  }

  /** The deletes of an update event that this replica does not know yet, as an update; null for none. For events of remote origin: Yjs derives deletes. */
  derivedDeletes(doc: DocId, update: Uint8Array): Uint8Array | null {
    const facts = walkUpdate(update)
    if ('code' in facts) return null
    const ranges = newDeletes(facts, this.#read(doc).admitted, 'all')
    return ranges.length === 0 ? null : encodeDeletes(ranges)
  }

  presenceSnapshot(doc: DocId): Uint8Array | null {
    return this.#presence.snapshot(this.keyOf(doc))
  }

  #read(doc: DocId): DocState {
    return this.#context.documents.get(doc, this.#context.nowMs)
  }
}
