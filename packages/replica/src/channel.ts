// One scope on one link, both directions. Receive side: how far the peer's log is processed, which documents are outstanding. Serve side: how far mine
// was sent and acknowledged, which diffs are owed. Data and small queries; receiver.ts, server.ts and reconciler.ts act on it. Rules: CV-2, RS-1; H1.

import {
  receiveTable,
  scopeText,
  serveTable,
  step,
  type Digest,
  type DocKey,
  type DocumentTree,
  type EpochNonce,
  type KeyRange,
  type MessageOf,
  type ReceiveEvent,
  type ReceiveState,
  type Scope,
  type ScopeText,
  type ServeEvent,
  type ServeState,
} from '@syncline/protocol'
import type { RefusalRow } from '@syncline/store'
import { OutstandingDocuments } from './outstanding-documents.ts'
import type { ReadView } from './read-view.ts'
import type { RowRun } from './row-run.ts'

const NO_KEYS: readonly string[] = []

export interface Round {
  readonly number: number
  readonly mine: boolean
  /** The peer's log position at its first message of the round; null until it spoke. */
  peerSeq: number | null
  /** What of my log was sent at my first message: rows after it still come as entries. */
  readonly seq: number
  readonly nonce: EpochNonce
  /** Every range is resolved; documents may still be outstanding. */
  done: boolean
  /** Leading 8 bytes of the keys that differed. */
  readonly differing: Set<string>
  /** What was refused between the two when the round began. */
  readonly refused: readonly RefusalRow[]
  /** Range messages of the peer so far. */
  messages: number
}

/** A document the peer asked for. WANT brings the peer's knowledge; ASK means it has none. */
export interface OwedDiff {
  readonly key: DocKey
  /** What the peer has is of this document epoch. */
  readonly docEpoch: number
  readonly stateVector: Uint8Array | null
  readonly buckets: MessageOf<'want'>['buckets']
}

/** Root and count of a scope, as they were while the refusals had changed so many times. */
export interface KeptSummary {
  readonly root: Digest
  readonly documents: number
  readonly refusalChanges: number
}

export class Channel {
  readonly scope: Scope
  readonly text: ScopeText
  readonly range: KeyRange
  readonly number: number
  /** What the peer may read of the scope; null: all of it. */
  view: ReadView | null = null
  /** What my OPEN waits for; null: it needs none. */
  tree: DocumentTree | null = null
  /** My OPEN went out. */
  opened = false
  /** RECONs that wait for the tree. */
  waiting: MessageOf<'recon'>[] = []
  /** My START, which a RECON will follow as soon as there is a tree. Nothing else is served before it. */
  startHeld: MessageOf<'start'> | null = null
  peerOpen: MessageOf<'open'> | null = null
  /** The receive cursor that my OPEN showed. */
  openedCursorSeq: number | null = null

  receive: ReceiveState = 'opening'
  peerNonce: EpochNonce | null = null
  /** The peer's log is processed (admitted, held or refused) up to here. */
  position = 0
  /** The newest cursor put into a batch. */
  cursorSeq = -1
  cursorNonce: EpochNonce | null = null
  /** Under which name a batch has it; made once. */
  cursorName: string | null = null
  /** Entries came since that cursor: the next one is worth a commit of its own. */
  entriesSinceCursor = false
  round: Round | null = null
  /** Null: nothing differs. */
  #outstanding: OutstandingDocuments | null = null
  /** Refused documents that this session asked for again once. */
  #retried: Set<DocKey> | null = null
  /** Everything of a full exchange has arrived here ... */
  exchanged = false
  /** ... and is committed. */
  synced = false

  serve: ServeState = 'opening'
  reconcileWhy: 'no-cursor' | 'roots-differ' | null = null
  /** Rows after `sent` may be for the peer. While none may, it was told all of the log, however far that has grown: `sentUpTo` says how far. */
  behind = false
  sent = 0
  /** Those rows, where they are of one commit that landed since the last turn; null: they have to be looked for in the log. */
  fresh: RowRun | null = null
  /** The highest position told to the peer. */
  announced = 0
  acked = 0
  nonceSent: EpochNonce | null = null
  /** What the scope was summed up to last; null: something of it has changed since (channel-root.ts). */
  summary: KeptSummary | null = null
  /** My root as last told; null: entries went out, or were acknowledged, since. */
  rootSent: Digest | null = null
  unacked: { readonly toSeq: number; readonly bytes: number }[] = []
  unackedBytes = 0
  owed: OwedDiff[] = []
  /** Leading 8 bytes of keys that the peer asked for and nobody has looked up yet. */
  owedKeys: string[] = []
  /** The peer's root as last told; null: entries came, or were acknowledged, since. */
  peerRoot: Digest | null = null
  activeAtMs: number
  announcedAtMs = 0
  healedAtMs = -Infinity

  constructor(scope: Scope, range: KeyRange, number: number, nowMs: number) {
    this.scope = scope
    this.text = scopeText(scope)
    this.range = range
    this.number = number
    this.activeAtMs = nowMs
  }

  /** Roots toward the peer can be told. */
  get ready(): boolean {
    return this.tree === null || this.tree.built
  }

  advanceReceive(event: ReceiveEvent): boolean {
    const next = step<ReceiveState, ReceiveEvent>(receiveTable, this.receive, event)
    if (next === 'refuse') return false
    this.receive = next
    return true
  }

  advanceServe(event: ServeEvent): boolean {
    const next = step<ServeState, ServeEvent>(serveTable, this.serve, event)
    if (next === 'refuse') return false
    this.serve = next
    return true
  }

  /** No WANT or ASK is open. */
  get documentsSettled(): boolean {
    return this.outstanding === 0
  }

  /** Documents that differ and were not received yet. */
  get outstanding(): number {
    return this.#outstanding?.count ?? 0
  }

  /** The receive cursor may move: nothing is outstanding (H1). */
  get settled(): boolean {
    return this.receive === 'live' && this.round === null && this.documentsSettled
  }

  /** This document differs from the peer's: it gets a WANT when a slot is free. */
  differs(key: DocKey): void {
    this.#outstandingDocuments().differs(key)
  }

  /** The next document to WANT, while fewer than `max` are outstanding. */
  nextWanted(max: number): DocKey | null {
    return this.#outstanding?.nextWanted(max) ?? null
  }

  /** Of a key that only the peer has. */
  askFor(key8: string): void {
    this.#outstandingDocuments().askFor(key8)
  }

  /** The next keys to ASK for, at most `max` outstanding. */
  nextAsked(max: number): readonly string[] {
    return this.#outstanding?.nextAsked(max) ?? NO_KEYS
  }

  diffed(key: DocKey): void {
    this.#outstanding?.diffed(key)
    this.#dropIfSettled()
  }

  /** The peer has no document under these leading 8 bytes (any more). */
  absent(key8: string): void {
    this.#outstanding?.absent(key8)
    this.#dropIfSettled()
  }

  #outstandingDocuments(): OutstandingDocuments {
    this.#outstanding ??= new OutstandingDocuments()
    return this.#outstanding
  }

  #dropIfSettled(): void {
    if (this.documentsSettled) this.#outstanding = null
  }

  /** True the first time since mayRetryAll(): a refused document is asked for again. */
  retriesOnce(key: DocKey): boolean {
    if (this.#retried?.has(key) === true) return false
    this.#retried ??= new Set()
    this.#retried.add(key)
    return true
  }

  mayRetryAll(): void {
    this.#retried = null
  }

  /** What the peer was told of a log that ends at `head`. */
  sentUpTo(head: number): number {
    return this.behind ? this.sent : head
  }

  /** Serving goes on after this position of a log that ends at `head`. */
  sendFrom(seq: number, head: number): void {
    this.sent = seq
    this.behind = seq < head
    this.fresh = null
  }

  /** Rows of the scope are committed, not all of which came from the peer. */
  owes(run: RowRun): void {
    this.fresh = this.behind ? null : run
    if (this.behind) return
    this.behind = true
    this.sent = run.rows[0]!.seq - 1
  }

  /** Something is to be sent, or a round to be begun. */
  get hasWork(): boolean {
    return this.serve === 'serving' && (this.behind || this.owed.length > 0 || this.owedKeys.length > 0 || this.reconcileWhy !== null)
  }

  sentEntries(toSeq: number, bytes: number): void {
    this.unacked.push({ toSeq, bytes })
    this.unackedBytes += bytes
  }

  /** The peer took what was sent up to here: its root is not the one it told before. */
  acknowledged(seq: number): void {
    this.acked = Math.max(this.acked, seq)
    while (this.unacked.length > 0 && this.unacked[0]!.toSeq <= seq) {
      this.unackedBytes -= this.unacked.shift()!.bytes
      this.peerRoot = null
    }
  }
}
