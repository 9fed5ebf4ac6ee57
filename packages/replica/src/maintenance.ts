// Work on the store that must not overlap a commit: compaction sweeps, epoch rotation, quarantine. Decides what is due, and hands over one piece of work at a time.
// Rules: I4, I9, RS-2; DESIGN.md 3 (compaction, crc).
//
// A sweep is prepared in steps of some milliseconds, one per flush, and commits go on in between (compaction-run.ts). A document is installed only if nothing was
// appended to it since, so one that is written all the time would never be compacted: what came meanwhile joins at the end of the preparation, and the next commit waits
// until that is done and the sweep installed. How much may join is bounded; what is over it waits for a later sweep.

import { encodeDeletes, walkUpdate, type DocKey } from '@syncline/protocol'
import { isWorthRewriting, urgency, type CompactedDoc, type DocRow } from '@syncline/store'
import { CompactionRun, STEP, type StepSize } from './compaction-run.ts'
import type { CompactionGoal } from './compaction.ts'
import type { CoreContext } from './core-context.ts'
import type { DocState } from './documents.ts'
import type { Maintenance } from './effects.ts'

const SWEEP_DOCS_MAX = 64
/** Large documents that are not worth it yet are passed over. */
const DUE_READ_MAX = 4 * SWEEP_DOCS_MAX
/** Bytes that the writer has to store, and rows that it has to remove, while commits wait: some 40 ms each. */
const SWEEP_BYTES_MAX = 4 * 1024 * 1024
const SWEEP_ROWS_MAX = 16 * 1024
const URGENT_CHECK_MS = 2_000
/** Where a sweep did not have room for all rows that are due. */
const NEXT_CHECK_MS = 1_000
const RETRY_MS = 1_000
/** A document that got more rows than this while others were prepared is prepared again before commits wait for it ... */
const BEHIND_ROWS_MAX = 512
/** ... but not for ever. */
const ROUNDS_MAX = 3
/** Bytes that are passed over while commits wait, some 50 ns each: in one flush, in all, and for one document that could wait. */
const JOIN_BYTES = 64 * 1024
const JOIN_DOCS_MAX = 16
const HELD_BYTES_MAX = 512 * 1024
const HELD_DOC_BYTES_MAX = 256 * 1024
/** In a simulation. */
const TINY_STEP: StepSize = { rows: 1, bytes: 1, updates: 1 }

export class MaintenancePlan {
  readonly #context: CoreContext
  #quarantines: DocKey[] = []
  #rotate = false
  #running: Maintenance | null = null
  #sweepAtMs: number
  #checkAtMs = 0
  #pausedUntilMs = -Infinity
  /** Documents of this sweep, on their way: due, in preparation, prepared, made. */
  #queue: DocKey[] = []
  #current: CompactionRun | null = null
  #prepared: CompactionRun[] = []
  #ready: CompactedDoc[] = []
  #holding = false
  #heldBytes = 0
  /** Documents of this sweep whose derived deletes were appended already while commits waited: not twice. */
  readonly #derived = new Set<DocKey>()
  readonly #mismatched = new Set<DocKey>()
  /** In a simulation: documents that are compacted the longer way. */
  #unheld: ReadonlySet<DocKey> = new Set()

  constructor(context: CoreContext) {
    this.#context = context
    this.#sweepAtMs = context.nowMs + context.limits.sweepEveryMs
  }

  get running(): Maintenance | null {
    return this.#running
  }

  /** The next commit waits for a sweep that is nearly ready. */
  get holdsCommits(): boolean {
    return this.#holding
  }

  quarantine(key: DocKey): void {
    if (!this.#quarantines.includes(key)) this.#quarantines.push(key)
  }

  rotateEpoch(): void {
    this.#rotate = true
  }

  /** Looks for documents due; call from tick(). */
  tend(): void {
    const { nowMs, limits, reader, commits, buggify } = this.#context
    const now = buggify('sweep-now')
    if (this.#unfinished || this.#ready.length > 0 || this.#running !== null || commits.failure !== null) return
    if ((nowMs < this.#checkAtMs && !now) || nowMs < this.#pausedUntilMs) return
    this.#checkAtMs = nowMs + Math.min(URGENT_CHECK_MS, limits.sweepEveryMs)
    const due = reader
      .due(DUE_READ_MAX)
      .filter((doc) => !doc.quarantined && (isWorthRewriting(doc) || doc.tailRows >= limits.tailRowsHardMax))
    const urgent = due.some((doc) => doc.tailRows >= limits.tailRowsHardMax)
    if (due.length === 0 || (nowMs < this.#sweepAtMs && !urgent && !now)) return
    this.#sweepAtMs = nowMs + limits.sweepEveryMs
    this.#begin(due)
  }

  /** Most urgent first; those written last are prepared last. */
  #begin(due: readonly DocRow[]): void {
    let rows = 0
    const taken = due.slice(0, SWEEP_DOCS_MAX).filter((doc, i) => (rows += doc.tailRows) <= SWEEP_ROWS_MAX || i === 0)
    this.#queue = taken.toSorted((a, b) => a.lastSeq - b.lastSeq).map((doc) => doc.key)
    if (rows > SWEEP_ROWS_MAX) this.#checkAtMs = Math.min(this.#checkAtMs, this.#context.nowMs + NEXT_CHECK_MS)
    this.#unheld = new Set(this.#queue.filter(() => this.#context.buggify('compact-unheld')))
    this.#heldBytes = 0
    this.#derived.clear()
    this.#mismatched.clear()
  }

  get #unfinished(): boolean {
    return this.#queue.length > 0 || this.#current !== null || this.#prepared.length > 0
  }

  /** Takes the preparation of a sweep one step further. Call when no commit is in flight. True when there is more to do. */
  advance(): boolean {
    if (this.#running !== null || !this.#unfinished) return false
    // What throws is dropped: a damaged document.
    const run = this.#current ?? this.#nextRun()
    this.#current = null
    if (run !== null) this.#prepare(run)
    else this.#join()
    if (!this.#unfinished && this.#ready.length === 0) this.#holding = false
    return this.#unfinished
  }

  #nextRun(): CompactionRun | null {
    const { reader } = this.#context
    while (!this.#holding && this.#queue.length > 0) {
      const key = this.#queue.shift()!
      const run = CompactionRun.begin(reader, key, { mismatched: (reason) => this.#mismatch(key, reason) })
      if (run !== null) return run
    }
    if (this.#holding) return null
    const lagging = this.#prepared.findIndex((run) => {
      const doc = reader.doc(run.key)
      return doc !== undefined && run.rounds < ROUNDS_MAX && run.behind(doc) > BEHIND_ROWS_MAX
    })
    if (lagging < 0) return null
    const [run] = this.#prepared.splice(lagging, 1)
    return run!.extend() ? run! : null
  }

  #prepare(run: CompactionRun): void {
    const { reader, documents, nowMs } = this.#context
    const row = reader.doc(run.key)
    if (row === undefined || row.quarantined) return
    const step = run.step(this.#unheld.has(run.key) ? TINY_STEP : STEP, this.#goal(row))
    if (step === 'more') this.#current = run
    if (step === 'ready') this.#isPrepared(run)
    if (step !== 'stuck') return
    const doc = documents.byKey(run.key, nowMs)
    const ranges = doc === undefined ? null : run.throughDoc(doc.committed)
    if (doc === undefined || ranges === null) return
    if (ranges.length === 0 || this.#append(doc, ranges)) this.#isPrepared(run)
  }

  #isPrepared(run: CompactionRun): void {
    this.#prepared.push(run)
    if (this.#prepared.reduce((sum, { bytes }) => sum + bytes, 0) >= SWEEP_BYTES_MAX) this.#queue = []
  }

  #goal({ key, digest, docEpoch }: DocRow): CompactionGoal {
    return { digest, docEpoch, known: () => this.#context.documents.byKey(key, this.#context.nowMs)!.committed }
  }

  /** What came since joins what is prepared, as much as fits into one flush, the most urgent first. */
  #join(): void {
    const { reader } = this.#context
    const rows = new Map(this.#prepared.map((run) => [run, reader.doc(run.key)]))
    if (!this.#holding) this.#prepared.sort((a, b) => urgencyOf(rows.get(b)) - urgencyOf(rows.get(a)))
    this.#holding ||= this.#prepared.some((run) => !this.#unheld.has(run.key))
    for (let room = JOIN_BYTES; room > 0 && this.#prepared.length > 0;) {
      const run = this.#prepared.shift()!
      const row = rows.get(run)
      if (row === undefined || row.quarantined) continue
      const bytes = run.joinBytes(row)
      if (bytes > 0 && !this.#derived.has(run.key) && !this.#mayHold(row, bytes)) continue
      this.#heldBytes += bytes
      room -= Math.max(bytes, JOIN_BYTES / JOIN_DOCS_MAX)
      if (this.#finish(run, row)) return
    }
  }

  /** A large document can wait until it is left in peace, but not for ever: not when its tail is as long as a tail may be, or outweighs it. */
  #mayHold({ tailRows, tailBytes, snapshotBytes }: DocRow, bytes: number): boolean {
    if (this.#heldBytes > 0) return this.#heldBytes + bytes <= HELD_BYTES_MAX
    return bytes <= HELD_DOC_BYTES_MAX || tailRows >= this.#context.limits.tailRowsHardMax || tailBytes >= snapshotBytes
  }

  /** True when something has to be committed first. */
  #finish(run: CompactionRun, row: DocRow): boolean {
    const { documents, nowMs, event } = this.#context
    const { key, lastSeq, name } = row
    const result = run.finish(this.#goal(row))
    if (result.kind === 'compacted') {
      this.#ready.push({ key, expectedLastSeq: lastSeq, update: result.update, knowledge: result.knowledge })
      if (!this.#mismatched.has(key)) event({ type: 'compacted', doc: name, way: run.way })
    }
    if (result.kind !== 'derived-deletes' || this.#derived.has(key)) return false
    const doc = documents.byKey(key, nowMs)
    if (doc === undefined || !this.#append(doc, result.ranges)) return false
    this.#derived.add(key)
    this.#prepared.unshift(run)
    return true
  }

  #mismatch(key: DocKey, reason: string): void {
    const name = this.#context.reader.doc(key)?.name
    if (name === undefined || this.#mismatched.has(key)) return
    this.#mismatched.add(key)
    this.#context.event({ type: 'compaction-mismatch', doc: name, reason })
  }

  /** Deletes that Yjs derives from the content become an entry of this replica, committed by itself (H5). */
  #append(doc: DocState, ranges: readonly number[]): boolean {
    const isOver = doc.admitted.epoch > doc.docEpoch
    if (isOver || this.#context.options.readOnly === true) return false
    const update = encodeDeletes([...ranges])
    const facts = walkUpdate(update)
    if ('code' in facts) throw new Error('own delete entry refused')
    this.#context.commits.goFirst(doc, update, facts)
    return true
  }

  /** The next piece of work. Call when no commit is in flight. */
  take(): Maintenance | null {
    if (this.#running !== null || this.#context.nowMs < this.#pausedUntilMs) return null
    const key = this.#quarantines[0]
    if (key !== undefined) this.#running = { kind: 'quarantine', key }
    else if (this.#rotate) this.#running = { kind: 'rotate-epoch' }
    else if (this.#ready.length > 0 && !this.#unfinished) this.#running = { kind: 'sweep', docs: this.#ready }
    return this.#running
  }

  /** The work is done, or failed and is dropped (a sweep is due again by itself, the others are tried again). */
  finish(done: boolean): Maintenance {
    const work = this.#running!
    this.#running = null
    if (!done) this.#pausedUntilMs = this.#context.nowMs + RETRY_MS
    if (work.kind === 'sweep') {
      this.#holding = false
      this.#ready = []
    } else if (done && work.kind === 'quarantine') this.#quarantines = this.#quarantines.filter((key) => key !== work.key)
    else if (done) this.#rotate = false
    return work
  }
}

function urgencyOf(row: DocRow | undefined): number {
  return row === undefined ? 0 : urgency(row)
}
