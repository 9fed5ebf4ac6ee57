// Hooks: an application's own code, called when something happened to a document. For those who come from Hocuspocus. Decides when which call is made, how often it
// is tried, and how much waits; what is called is the application's. Never before the commit, never in the relay's way: a hook that hangs costs its timeout and
// a place in a bounded queue. Time is an argument. One per space, made by relay-space.ts, called by the doors (visit.ts); webhook.ts is one set of hooks. Rules: HK-1 to HK-6.
//
//   connected(doc)     -> onLoadDocument, once, while the document is not stored and somebody is connected to it; its update goes through the gate
//   asked(doc)         -> the same for a request, which is no connection
//   committed()        -> reads the log on -> onChange, debounced per document
//   disconnected(doc)  -> onDisconnect
//
// A call that fails is repeated with growing pauses, so a hook may see an event twice, and events of one document in another order. What was not told when the
// process ends is lost; whoever must not miss a change follows GET /api/changes.

import { DEFAULT_SPACE, isRefusal, judge, Knowledge, SynclineError, walkUpdate, type DocId, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica, ReplicaObserver } from '@syncline/replica'
import type { StoreReader } from '@syncline/store'
import { deafPort } from './deaf-guest.ts'
import type { DoorName, Identity } from './access/access.ts'
import { HOOK_LIMITS, HookCalls, type HookCall, type HookLimits, type HookName } from './hook-calls.ts'
import { ChangeWaits, type DueChange } from './hook-changes.ts'
import type { StatelessMessage } from './hocuspocus/hooks.ts'

export interface RelayHooks {
  /** What a document begins with, as one Yjs v1 update; null: empty. Asked for a document that is not stored, when the first connection asks for it, and before that is
   *  served. The same document may be loaded at several relays, or again after a crash: give the update a fixed client id and fixed content, or it doubles. */
  onLoadDocument?(doc: DocId, call: HookCall): Promise<Uint8Array | null> | Uint8Array | null
  /** A document has changed, and the change is committed. */
  onChange?(event: ChangeEvent, call: HookCall): Promise<void> | void
  onConnect?(event: ConnectionEvent, call: HookCall): Promise<void> | void
  onDisconnect?(event: ConnectionEvent, call: HookCall): Promise<void> | void
  /** A Hocuspocus client that may read a document sent a message that is none of it. Called in the order of arrival, once each, and not awaited. */
  onStateless?(message: StatelessMessage): Promise<void> | void
  /** A hook threw, rejected, or took too long, for the last time. */
  onHookError?(error: SynclineError, hook: HookName, doc: DocId, space: SpaceId): void
}

export interface ChangeEvent {
  readonly doc: DocId
  /** Who wrote last through a foreign door or the API since the call before; null: nobody did, the change came by a link or from this process. */
  readonly identity: Identity | null
  /** Place of the newest change in this relay's log. */
  readonly seq: number
  /** The document is deleted now. */
  readonly deleted: boolean
}

export interface ConnectionEvent {
  readonly doc: DocId
  readonly identity: Identity
  readonly door: DoorName
}

/** stored: it was there, or is now. empty: there is nothing to begin with, or nobody who loads it. failed: the hook or the gate did not give it; serving an empty document would be
 *  wrong, so a door sends the connection away until later. */
export type Loaded = 'stored' | 'empty' | 'failed'

interface Visited {
  connections: number
  loading: Promise<Loaded> | null
}

const NOTHING_LOADED: Promise<Loaded> = Promise.resolve('empty')
const ROWS_PER_READ = 256
const LOG_BYTES_PER_READ = 1024 * 1024

export class HookRunner implements ReplicaObserver {
  private readonly hooks: RelayHooks
  private readonly clock: Clock
  private readonly calls: HookCalls
  private readonly visited = new Map<DocId, Visited>()
  private readonly changes: ChangeWaits
  /** Documents whose onChange waits or is under way, and what is to be told after it. */
  private readonly telling = new Map<DocId, { next: DueChange | null }>()
  private replica: Replica | null = null
  /** The log is told up to here. */
  private seq = 0
  private reading = false
  private closed = false

  /** `calls`: shared by the spaces of a relay. */
  constructor(hooks: RelayHooks, clock: Clock, limits: Partial<HookLimits> = {}, calls: HookCalls = hookCalls(hooks, clock, limits)) {
    this.hooks = hooks
    this.clock = clock
    this.calls = calls
    this.changes = new ChangeWaits(clock, { ...HOOK_LIMITS, ...limits }, (change) => this.tellChange(change))
  }

  /** Begins with what is committed from now on. */
  start(replica: Replica): void {
    this.replica = replica
    this.seq = replica.reader.head()
  }

  // What doors tell

  /** A connection asks for a document. Resolves when the document may be served; at once where no hook loads it. Never rejects. */
  connected(event: ConnectionEvent): Promise<Loaded> {
    const { doc } = event
    const { onConnect } = this.hooks
    if (onConnect !== undefined && !this.closed)
      this.calls.add({ hook: 'onConnect', space: this.space, doc, call: (call) => onConnect.call(this.hooks, event, call) })
    return this.enter(doc)
  }

  /** A request asks for a document: as connected(), without telling. */
  async asked(doc: DocId): Promise<Loaded> {
    const loaded = await this.enter(doc)
    this.exit(doc)
    return loaded
  }

  /** Once for each connected(). */
  disconnected(event: ConnectionEvent): void {
    const { doc } = event
    this.exit(doc)
    const { onDisconnect } = this.hooks
    if (onDisconnect !== undefined && !this.closed)
      this.calls.add({ hook: 'onDisconnect', space: this.space, doc, call: (call) => onDisconnect.call(this.hooks, event, call) })
  }

  private get space(): SpaceId {
    return this.replica?.space ?? DEFAULT_SPACE
  }

  private enter(doc: DocId): Promise<Loaded> {
    // Where nobody loads documents, nothing is asked of the store and nothing is remembered of who is there.
    if (this.hooks.onLoadDocument === undefined) return NOTHING_LOADED
    const visited = this.visited.get(doc) ?? { connections: 0, loading: null }
    visited.connections++
    this.visited.set(doc, visited)
    visited.loading ??= this.load(doc).then((loaded) => {
      if (loaded === 'failed') visited.loading = null
      return loaded
    })
    return visited.loading
  }

  private exit(doc: DocId): void {
    const visited = this.visited.get(doc)
    if (visited !== undefined && --visited.connections === 0) this.visited.delete(doc)
  }

  /** A door's write was committed at `seq`: only to tell later who it was. */
  wrote(doc: DocId, identity: Identity, seq: number): void {
    if (this.hooks.onChange !== undefined && !this.closed) this.changes.wrote(doc, identity, seq)
  }

  // Changes

  /** As observer of the replica: the log has grown. */
  committed(): void {
    if (this.hooks.onChange === undefined || this.reading || this.closed) return
    this.reading = true
    this.clock.soon(() => this.readOn())
  }

  /** A page of the log, then the next in a turn of its own. */
  private readOn(): void {
    this.reading = false
    if (this.closed || this.replica === null || this.replica.closed) return
    try {
      this.readPage(this.replica.reader)
    } catch (error) {
      // A store that cannot be read says so itself (storage-failed); the next commit begins here again.
      if (!(error instanceof SynclineError)) throw error
    }
  }

  private readPage(reader: StoreReader): void {
    const rows = reader.log(this.seq, ROWS_PER_READ, LOG_BYTES_PER_READ)
    for (const row of rows) {
      this.seq = row.seq
      const doc = row.kind === 'snapshot' ? undefined : reader.doc(row.doc)?.name
      if (doc !== undefined) this.changes.changed(doc, row.seq)
    }
    if (rows.length > 0) this.committed()
  }

  /** One call per document at a time: what changes meanwhile is told after it. */
  private tellChange(change: DueChange): void {
    const { doc, identity, seq } = change
    const told = this.telling.get(doc)
    if (told !== undefined) {
      told.next = { doc, identity: identity ?? told.next?.identity ?? null, seq }
      return
    }
    this.telling.set(doc, { next: null })
    const { onChange } = this.hooks
    this.calls.add({
      hook: 'onChange',
      space: this.space,
      doc,
      call: (call) => onChange?.call(this.hooks, { doc, identity, seq, deleted: this.replica?.isDeleted(doc) === true }, call),
      ended: () => {
        const next = this.telling.get(doc)?.next ?? null
        this.telling.delete(doc)
        if (next !== null) this.tellChange(next)
      },
    })
  }

  // Loading

  /** What was deleted is not loaded again. */
  private isStored(doc: DocId): boolean {
    return this.replica !== null && (this.replica.has(doc) || this.replica.isDeleted(doc))
  }

  private async load(doc: DocId): Promise<Loaded> {
    const { onLoadDocument } = this.hooks
    try {
      if (this.isStored(doc)) return 'stored'
      if (onLoadDocument === undefined || this.closed || this.replica === null) return 'empty'
      return await this.calls.load(() => this.askFor(doc, onLoadDocument))
    } catch (error) {
      this.calls.report(error, 'onLoadDocument', doc, this.space)
      return 'failed'
    }
  }

  private async askFor(doc: DocId, onLoadDocument: NonNullable<RelayHooks['onLoadDocument']>): Promise<Loaded> {
    const update = await this.calls.once(this.space, (call) => onLoadDocument.call(this.hooks, doc, call), 1)
    return update === null || update === undefined ? 'empty' : await this.write(doc, wholeUpdate(update))
  }

  private async write(doc: DocId, update: Uint8Array): Promise<Loaded> {
    const replica = this.replica!
    // It arrived from elsewhere meanwhile: that is the document now.
    if (this.isStored(doc)) return 'stored'
    const guest = replica.attachGuest(doc, deafPort)
    try {
      const outcome = await guest.write(update)
      if (outcome.kind === 'committed' || outcome.kind === 'known') return replica.has(doc) ? 'stored' : 'empty'
      if (outcome.kind === 'held') throw incomplete()
      throw new SynclineError(
        outcome.code,
        outcome.kind === 'refused' ? `The initial update was refused: ${outcome.reason}.` : 'The store did not take it.',
      )
    } finally {
      guest.detach()
    }
  }

  // The end

  /** Hands over at once what is known of changes. Call it while the replica is still open; the calls go on by themselves. Idempotent. */
  stop(): void {
    if (this.closed) return
    while (this.hooks.onChange !== undefined && this.replica !== null && !this.replica.closed && this.seq < this.replica.reader.head()) {
      const before = this.seq
      this.readOn()
      if (this.seq === before) break
    }
    this.changes.flush()
    this.closed = true
  }

  /** As stop(), and waits for the calls under way, at most `closeWithinMs`. Nothing is repeated any more. Idempotent. */
  async close(): Promise<void> {
    this.stop()
    await this.calls.close()
  }
}

/** The calls of these hooks, for all spaces together. */
export function hookCalls(hooks: RelayHooks, clock: Clock, limits: Partial<HookLimits> = {}): HookCalls {
  return new HookCalls(clock, { ...HOOK_LIMITS, ...limits }, (...failed) => hooks.onHookError?.(...failed))
}

/** An initial update that stands by itself: a part of one would be stored. Throws "hook-failed", "update-incomplete". What else is wrong with it, the gate says. */
function wholeUpdate(update: unknown): Uint8Array {
  if (!(update instanceof Uint8Array)) throw new SynclineError('hook-failed', 'onLoadDocument gave neither a Uint8Array nor null.')
  const facts = walkUpdate(update)
  if (!isRefusal(facts) && judge(facts, new Knowledge()).kind === 'missing') throw incomplete()
  return update
}

function incomplete(): SynclineError {
  return new SynclineError('update-incomplete', 'The initial update builds on something that it does not hold.')
}
