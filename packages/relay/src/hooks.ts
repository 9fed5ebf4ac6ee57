// Hooks: an application's own code, called when something happened to a document. For those who come from Hocuspocus. Decides when which call is made, how often it
// is tried, and how much waits; what is called is the application's. Never before the commit, never in the relay's way: a hook that hangs costs its timeout and
// a place in a bounded queue. Time is an argument. Made by relay.ts, called by the doors; webhook.ts is one set of hooks. Rules: HK-1 to HK-6.
//
//   connected(doc)     -> onLoadDocument, once, while the document is not stored and somebody is connected to it; its update goes through the gate
//   committed()        -> reads the log on -> onChange, debounced per document
//   disconnected(doc)  -> onDisconnect
//
// A call that fails is repeated with growing pauses, so a hook may see an event twice, and events of one document in another order. What was not told when the
// process ends is lost; whoever must not miss a change follows GET /api/changes.

import { isRefusal, judge, Knowledge, SynclineError, walkUpdate, type DocId } from '@syncline/protocol'
import type { Clock, Replica, ReplicaObserver } from '@syncline/replica'
import type { StoreReader } from '@syncline/store'
import { deafPort } from './deaf-guest.ts'
import type { DoorName, Identity } from './access/access.ts'
import { HOOK_LIMITS, HookCalls, type HookCall, type HookLimits, type HookName } from './hook-calls.ts'
import { ChangeWaits, type DueChange } from './hook-changes.ts'

export interface RelayHooks {
  /** What a document begins with, as one Yjs v1 update; null: empty. Asked for a document that is not stored, when the first connection asks for it, and before that is
   *  served. The same document may be loaded at several relays, or again after a crash: give the update a fixed client id and fixed content, or it doubles. */
  onLoadDocument?(doc: DocId, call: HookCall): Promise<Uint8Array | null> | Uint8Array | null
  /** A document has changed, and the change is committed. */
  onChange?(event: ChangeEvent, call: HookCall): Promise<void> | void
  onConnect?(event: ConnectionEvent, call: HookCall): Promise<void> | void
  onDisconnect?(event: ConnectionEvent, call: HookCall): Promise<void> | void
  /** A hook threw, rejected, or took too long, for the last time. */
  onHookError?(error: SynclineError, hook: HookName, doc: DocId): void
}

export interface ChangeEvent {
  readonly doc: DocId
  /** Who wrote last through a foreign door or the API since the call before; null: nobody did, the change came by a link or from this process. */
  readonly identity: Identity | null
  /** Place of the newest change in this relay's log. */
  readonly seq: number
}

export interface ConnectionEvent {
  readonly doc: DocId
  readonly identity: Identity
  readonly door: DoorName
}

/** stored: it was there, or is now. empty: there is nothing to begin with. failed: the hook or the gate did not give it; serving an empty document would be
 *  wrong, so a door sends the connection away until later. */
export type Loaded = 'stored' | 'empty' | 'failed'

interface Visited {
  connections: number
  loading: Promise<Loaded> | null
}

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
  private loadsLeft: number
  private readonly loadTurns: (() => void)[] = []
  /** The log is told up to here. */
  private seq = 0
  private reading = false
  private closed = false

  constructor(hooks: RelayHooks, clock: Clock, limits: Partial<HookLimits> = {}) {
    this.hooks = hooks
    this.clock = clock
    const bounds: HookLimits = { ...HOOK_LIMITS, ...limits }
    this.calls = new HookCalls(clock, bounds, (...failed) => hooks.onHookError?.(...failed))
    this.changes = new ChangeWaits(clock, bounds, (change) => this.tellChange(change))
    this.loadsLeft = bounds.callsMax
  }

  /** Begins with what is committed from now on. */
  start(replica: Replica): void {
    this.replica = replica
    this.seq = replica.reader.head()
  }

  // What doors tell

  /** A connection asks for a document. Resolves when the document may be served; at once where no hook loads it. Never rejects. */
  connected(event: ConnectionEvent): Promise<Loaded> {
    const visited = this.visited.get(event.doc) ?? { connections: 0, loading: null }
    visited.connections++
    this.visited.set(event.doc, visited)
    const { onConnect } = this.hooks
    if (onConnect !== undefined && !this.closed)
      this.calls.add({ hook: 'onConnect', doc: event.doc, call: (call) => onConnect.call(this.hooks, event, call) })
    visited.loading ??= this.load(event.doc).then((loaded) => {
      if (loaded === 'failed') visited.loading = null
      return loaded
    })
    return visited.loading
  }

  /** Once for each connected(). */
  disconnected(event: ConnectionEvent): void {
    const visited = this.visited.get(event.doc)
    if (visited !== undefined && --visited.connections === 0) this.visited.delete(event.doc)
    const { onDisconnect } = this.hooks
    if (onDisconnect !== undefined && !this.closed)
      this.calls.add({ hook: 'onDisconnect', doc: event.doc, call: (call) => onDisconnect.call(this.hooks, event, call) })
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
      doc,
      call: (call) => onChange?.call(this.hooks, { doc, identity, seq }, call),
      ended: () => {
        const next = this.telling.get(doc)?.next ?? null
        this.telling.delete(doc)
        if (next !== null) this.tellChange(next)
      },
    })
  }

  // Loading

  private async load(doc: DocId): Promise<Loaded> {
    const { onLoadDocument } = this.hooks
    try {
      if (this.replica?.has(doc) === true) return 'stored'
      if (onLoadDocument === undefined || this.closed || this.replica === null) return 'empty'
      return await this.inTurn(() => this.askFor(doc, onLoadDocument))
    } catch (error) {
      this.calls.report(error, 'onLoadDocument', doc)
      return 'failed'
    }
  }

  private async askFor(doc: DocId, onLoadDocument: NonNullable<RelayHooks['onLoadDocument']>): Promise<Loaded> {
    const update = await this.calls.once((call) => onLoadDocument.call(this.hooks, doc, call), 1)
    return update === null || update === undefined ? 'empty' : await this.write(doc, wholeUpdate(update))
  }

  /** When fewer loads are under way than may. */
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.loadsLeft > 0) this.loadsLeft--
    else await new Promise<void>((resolve) => this.loadTurns.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.loadTurns.shift()
      if (next === undefined) this.loadsLeft++
      else next()
    }
  }

  private async write(doc: DocId, update: Uint8Array): Promise<Loaded> {
    const replica = this.replica!
    // It arrived from elsewhere meanwhile: that is the document now.
    if (replica.has(doc)) return 'stored'
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

  /** Tells at once what is known of changes, and waits for the calls under way, both within `closeWithinMs`. Nothing is repeated any more. Call it while the replica is
   *  still open. Idempotent. */
  async close(): Promise<void> {
    if (this.closed) return
    while (this.hooks.onChange !== undefined && this.replica !== null && !this.replica.closed && this.seq < this.replica.reader.head()) {
      const before = this.seq
      this.readOn()
      if (this.seq === before) break
    }
    this.changes.flush()
    this.closed = true
    await this.calls.close()
  }
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
