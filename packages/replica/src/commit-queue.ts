// One commit in flight, one batch that fills meanwhile: group commit without a timer. On success committed knowledge, digests, roots and the recent
// rows advance together; on failure everything admitted since the last commit is forgotten, except this replica's own writes, which wait in order
// in an outbox. Decides what is committed next; the host's store does it. Rules: DU-1, DU-2, I5; DESIGN.md 3.

import { Knowledge, type DocKey, type DocumentTree, type EpochNonce, type SynclineError, type UpdateFacts } from '@syncline/protocol'
import type { StoreReader, SweepResult, Totals, Transaction } from '@syncline/store'
import { CommitBatch, LOCAL, NOBODY, type BatchRow, type BatchWrite } from './commit-batch.ts'
import type { DocState, DocumentTable } from './documents.ts'
import type { Effect, LinkId, WriteOutcome } from './effects.ts'
import type { HeldUpdates } from './held-updates.ts'
import { RecentRows, type RecentRow } from './recent-rows.ts'

const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 30_000

interface InFlight {
  readonly batch: CommitBatch
  readonly transaction: Transaction
}

export interface CommitQueueOptions {
  readonly reader: StoreReader
  readonly documents: DocumentTable
  readonly tree: Pick<DocumentTree, 'update'>
  readonly held: HeldUpdates
  readonly recentBytesMax: number
  /** Told of the rows of each commit, in log order. */
  landed(rows: readonly RecentRow[]): void
}

export class CommitQueue {
  head: number
  totals: Totals
  nonce: EpochNonce
  recent: RecentRows
  pending = new CommitBatch()
  failure: SynclineError | null = null
  /** This replica's own writes that a failed commit gave back, in order. */
  outbox: BatchWrite[] = []
  #inFlight: InFlight | null = null
  #first: CommitBatch | null = null
  #n = 1
  #retryAtMs = 0
  #retryDelayMs = RETRY_FIRST_MS
  readonly #options: CommitQueueOptions

  constructor(options: CommitQueueOptions) {
    this.#options = options
    this.head = options.reader.head()
    this.totals = options.reader.totals()
    this.nonce = options.reader.nonce()
    this.recent = new RecentRows(this.head, options.recentBytesMax)
  }

  /** (nonce, n) of the batch that is filling: the origin of what this replica writes now. */
  get origin(): EpochNonce {
    return this.nonce
  }

  get n(): number {
    return this.#n
  }

  get busy(): boolean {
    return this.#inFlight !== null
  }

  get clean(): boolean {
    return this.#inFlight === null && this.#first === null && this.pending.isEmpty() && this.outbox.length === 0
  }

  /** Whether the document has rows in the commit under way. */
  inFlight(key: DocKey): boolean {
    return this.#inFlight?.transaction.docs.some((doc) => doc.key === key) ?? false
  }

  /** The next transaction, when there is something urgent and nothing in flight. `held`: only what goes first may go. */
  take(held: boolean): Transaction | null {
    if (this.busy || this.failure !== null) return null
    if (this.#first !== null) return this.#sendFirst(this.#first)
    return held || this.pending.isEmpty() || !this.pending.urgent ? null : this.#send()
  }

  /** Commits one delete-only update of a document, by itself or with others of its kind, ahead of the batch that is filling. For what compaction derived (H5). */
  goFirst(doc: DocState, update: Uint8Array, facts: UpdateFacts): void {
    if (doc.admitted === doc.committed) doc.admitted = doc.committed.clone()
    doc.admitted.admit(facts)
    doc.bytes += update.length
    const { docEpoch } = doc
    // While the store fails, several documents may come together.
    this.#first ??= new CommitBatch()
    this.#first.add(doc, update, facts, { source: NOBODY, link: 0, docEpoch, origin: this.nonce, n: 0 }, update.length)
  }

  #sendFirst(batch: CommitBatch): Transaction {
    const after = (doc: DocState): Knowledge => {
      const knowledge = doc.committed.clone()
      for (const row of batch.rows) if (row.doc === doc) for (const facts of row.facts) knowledge.admit(facts)
      return knowledge
    }
    const transaction = batch.transaction(this.head, this.totals, after)
    this.#inFlight = { batch, transaction }
    this.#first = null
    return transaction
  }

  /** Time to try a failed store again? The caller re-admits the outbox, then sends with retry(). */
  retryDue(nowMs: number): boolean {
    return this.failure !== null && !this.busy && nowMs >= this.#retryAtMs
  }

  /** The trial transaction after a failure; it may be empty. Deletes that compaction derived meanwhile go first, for all that is admitted builds on them. */
  retry(): Transaction {
    return this.#first === null ? this.#send() : this.#sendFirst(this.#first)
  }

  #send(): Transaction {
    const transaction = this.pending.transaction(this.head, this.totals)
    this.#inFlight = { batch: this.pending, transaction }
    this.pending = new CommitBatch()
    this.#n++
    return transaction
  }

  /** The commit in flight is durable. */
  committed(effects: Effect[]): CommitBatch {
    const { batch, transaction } = this.#landed()
    this.totals = transaction.totals
    const seqOf = new Map<object, number>()
    const rows: RecentRow[] = []
    batch.rows.forEach((row, index) => {
      const seq = ++this.head
      seqOf.set(row, seq)
      const isLater = row.docEpoch > row.doc.docEpoch
      if (isLater) row.doc.committed = new Knowledge(row.docEpoch)
      for (const facts of row.facts) row.doc.committed.admit(facts)
      const landed = { ...transaction.rows[index]!, seq, prev: isLater ? 0 : row.doc.lastSeq, link: row.link }
      this.recent.push(landed)
      rows.push(landed)
      row.doc.lastSeq = seq
      if (row.source === LOCAL && row.link === 0) row.doc.localSeq = seq
      deliverRow(row, seq, effects)
      if (isLater) effects.push({ kind: 'event', event: { type: 'epoch', doc: row.doc.name, docEpoch: row.docEpoch } })
    })
    this.#options.landed(rows)
    this.#settleDocuments(batch, transaction)
    for (const write of batch.writes) {
      if (write.ticket === null) continue
      effects.push({ kind: 'written', ticket: write.ticket, outcome: outcomeOf(write, seqOf) })
    }
    if (this.failure !== null) {
      this.failure = null
      this.#retryDelayMs = RETRY_FIRST_MS
      effects.push({ kind: 'event', event: { type: 'storage-recovered' } })
    }
    return batch
  }

  #landed(): InFlight {
    const landed = this.#inFlight
    if (landed === null) throw new Error('no commit was in flight')
    this.#inFlight = null
    return landed
  }

  #settleDocuments(batch: CommitBatch, transaction: Transaction): void {
    const digests = new Map(transaction.docs.map((doc) => [doc.key, doc.digest]))
    for (const doc of batch.docs) {
      const before = doc.stored ? doc.digest : null
      doc.digest = digests.get(doc.key)!
      doc.stored = true
      doc.uncommitted--
      if (batch.healed.has(doc.key)) doc.quarantined = false
      this.#options.tree.update(doc.key, before, doc.digest)
      if (doc.committed.digest() !== doc.digest) throw new Error(`committed knowledge of ${doc.name} does not add up`)
    }
  }

  /** Runs when everything admitted so far is committed; at once when it is. */
  afterAll(run: () => void): void {
    if (!this.pending.isEmpty()) this.pending.onCommitted.push(run)
    else if (this.#inFlight !== null) this.#inFlight.batch.onCommitted.push(run)
    else run()
  }

  /** A write that repeats what is admitted but not committed yet: it is answered with the commit that covers it. */
  attachKnown(doc: DocState, write: BatchWrite): void {
    const batch = this.pending.docs.has(doc) || this.#inFlight === null ? this.pending : this.#inFlight.batch
    batch.writes.push(write)
    batch.urgent = true
  }

  /** The commit in flight is lost, and with it the batch that built on it. Answers the links whose messages were in them. */
  failed(error: SynclineError, nowMs: number, effects: Effect[]): Set<LinkId> {
    const links = this.#giveBack([this.#landed().batch, this.pending], effects)
    if (this.failure === null) effects.push({ kind: 'event', event: { type: 'storage-failed', code: error.code, reason: error.message } })
    this.failure = error
    this.#retryAtMs = nowMs + this.#retryDelayMs
    this.#retryDelayMs = Math.min(2 * this.#retryDelayMs, RETRY_MAX_MS)
    return links
  }

  /** The batch that is filling builds on something that is gone (a quarantined document). */
  dropPending(effects: Effect[]): void {
    this.#giveBack([this.pending], effects)
  }

  #giveBack(lost: readonly CommitBatch[], effects: Effect[]): Set<LinkId> {
    this.pending = new CommitBatch()
    if (this.#first !== null) lost = [this.#first, ...lost]
    this.#first = null
    const links = new Set<LinkId>()
    const kept: BatchWrite[] = []
    for (const batch of lost) {
      for (const link of batch.links) links.add(link)
      for (const doc of batch.docs) this.#options.documents.rollBack(doc)
      for (const write of batch.writes) {
        if (write.source === LOCAL) kept.push(write)
        else if (write.ticket !== null)
          effects.push({ kind: 'written', ticket: write.ticket, outcome: { kind: 'failed', code: 'storage-failed' } })
      }
    }
    this.outbox = [...kept, ...this.outbox]
    this.#options.held.reload()
    return links
  }

  /** After a sweep: each installed document now stands at a marker row, and positions are vouched for by a new nonce. */
  swept(result: SweepResult): void {
    for (const { key, seq, coveredSeq } of result.installed) {
      this.recent.push({
        seq,
        doc: key,
        docEpoch: this.#options.reader.doc(key)?.docEpoch ?? 0,
        origin: result.nonce,
        n: 0,
        kind: 'snapshot',
        prev: coveredSeq,
        data: new Uint8Array(0),
        link: 0,
      })
      const doc = this.#options.documents.loaded(key)
      if (doc === undefined) continue
      if (doc.localSeq === doc.lastSeq) doc.localSeq = seq
      doc.lastSeq = seq
    }
    this.head = result.head
    this.rotated(result.nonce)
  }

  rotated(nonce: EpochNonce): void {
    this.nonce = nonce
    this.#n = 1
  }

  /** After a quarantine the store's sums and rows changed under us: read them again. */
  reread(): void {
    this.head = this.#options.reader.head()
    this.totals = this.#options.reader.totals()
    this.recent = new RecentRows(this.head, this.#options.recentBytesMax)
    this.rotated(this.#options.reader.nonce())
  }
}

/** One effect for each run of updates by one writer. */
function deliverRow({ doc, docEpoch, updates, source, sources, link }: BatchRow, seq: number, effects: Effect[]): void {
  const row = { kind: 'deliver', key: doc.key, doc: doc.name, docEpoch, link, seq } as const
  let from = 0
  for (let to = 1; to < sources.length; to++) {
    if (sources[to] === sources[from]) continue
    effects.push({ ...row, updates: updates.slice(from, to), source: sources[from]! })
    from = to
  }
  effects.push({ ...row, updates: from === 0 ? updates : updates.slice(from), source: sources[from] ?? source })
}

function outcomeOf({ row, cut }: BatchWrite, seqOf: ReadonlyMap<object, number>): WriteOutcome {
  if (row === null) return { kind: 'known' }
  const seq = seqOf.get(row)!
  return cut ? { kind: 'committed', seq, cut } : { kind: 'committed', seq }
}
