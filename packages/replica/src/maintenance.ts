// Work on the store that must not overlap a commit: compaction sweeps, epoch rotation, quarantine. Decides what is due, one document per flush so that the loop never
// stands still for long, and hands over one piece of work at a time. Rules: I4, I9; DESIGN.md 3 (compaction, crc).
//
// A document is installed only if nothing was appended to it meanwhile, so one that is written all the time would never be compacted. Documents written lately come
// last in a sweep, few at a time, and the next commit waits until they are installed: some milliseconds, once a minute.

import { encodeDeletes, walkUpdate, type DocKey } from '@syncline/protocol'
import type { CompactedDoc, DocContent } from '@syncline/store'
import { compact, type Compacted } from './compaction.ts'
import type { CoreContext } from './core-context.ts'
import type { DocState } from './documents.ts'
import type { Maintenance } from './effects.ts'

const SWEEP_DOCS_MAX = 64
const SWEEP_BYTES_MAX = 8 * 1024 * 1024
const URGENT_CHECK_MS = 2_000
const RETRY_MS = 1_000
/** A document whose newest row is among so many of the log's last rows counts as written lately. */
const LATELY_ROWS = 512
const LATELY_DOCS_MAX = 32
const LATELY_BYTES_MAX = 2 * 1024 * 1024

export class MaintenancePlan {
  readonly #context: CoreContext
  #quarantines: DocKey[] = []
  #rotate = false
  #running: Maintenance | null = null
  #sweepAtMs: number
  #checkAtMs = 0
  #pausedUntilMs = -Infinity
  #queue: DocKey[] = []
  /** Written lately: compacted last, while commits wait. */
  #lately: DocKey[] = []
  #holding = false
  /** Documents of this sweep whose derived deletes were appended already: not twice. */
  readonly #derived = new Set<DocKey>()
  #ready: CompactedDoc[] = []
  #readyBytes = 0
  #lateBytes = 0

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
    if (nowMs < this.#checkAtMs && !now) return
    this.#checkAtMs = nowMs + Math.min(URGENT_CHECK_MS, limits.sweepEveryMs)
    const due = reader.due(SWEEP_DOCS_MAX).filter((doc) => !doc.quarantined)
    const urgent = due.some((doc) => doc.tailRows >= limits.tailRowsHardMax)
    if (due.length === 0 || (nowMs < this.#sweepAtMs && !urgent && !now)) return
    this.#sweepAtMs = nowMs + limits.sweepEveryMs
    const isLate = (doc: { readonly lastSeq: number }): boolean => commits.head - doc.lastSeq < LATELY_ROWS && !buggify('compact-unheld')
    this.#derived.clear()
    this.#queue = due.filter((doc) => !isLate(doc)).map((doc) => doc.key)
    this.#lately = due
      .filter(isLate)
      .map((doc) => doc.key)
      .slice(0, LATELY_DOCS_MAX)
  }

  get #unfinished(): boolean {
    return this.#queue.length > 0 || this.#lately.length > 0
  }

  /** Compacts one document. Call when no commit is in flight. True when there is more to do. */
  advance(): boolean {
    if (this.#running !== null) return false
    const key = this.#queue.shift() ?? this.#nextLate()
    if (key === undefined) {
      // The last document may have turned out to be damaged.
      if (this.#ready.length === 0) this.#holding = false
      return false
    }
    const { documents, reader, nowMs } = this.#context
    const doc = documents.byKey(key, nowMs)
    const content = doc === undefined ? undefined : reader.content(key)
    if (doc !== undefined && content !== undefined) {
      const result = this.#compact(doc, content)
      if (result.kind === 'compacted') {
        this.#ready.push({ key, expectedLastSeq: doc.lastSeq, update: result.update, knowledge: result.knowledge })
        if (this.#holding) this.#lateBytes += result.update.length
        else this.#readyBytes += result.update.length
      } else if (result.kind === 'derived-deletes' && this.#append(doc, result.ranges)) {
        this.#lately.unshift(key)
        this.#holding = true
      }
    }
    if (this.#readyBytes >= SWEEP_BYTES_MAX) this.#queue = []
    if (this.#lateBytes >= LATELY_BYTES_MAX) this.#lately = []
    if (!this.#unfinished && this.#ready.length === 0) this.#holding = false
    return this.#unfinished
  }

  #compact(doc: DocState, content: DocContent): Compacted {
    let matched = true
    return compact(content, doc.digest, doc.committed, {
      took: (way) => matched && this.#context.event({ type: 'compacted', doc: doc.name, way }),
      mismatched: (reason) => {
        matched = false
        this.#context.event({ type: 'compaction-mismatch', doc: doc.name, reason })
      },
    })
  }

  #nextLate(): DocKey | undefined {
    const key = this.#lately.shift()
    if (key !== undefined) this.#holding = true
    return key
  }

  /** Deletes that Yjs derives from the content become an entry of this replica, committed by itself; then the document is compacted (H5). */
  #append(doc: DocState, ranges: readonly number[]): boolean {
    const isOver = doc.admitted.epoch > doc.docEpoch
    if (isOver || this.#context.options.readOnly === true || this.#derived.has(doc.key)) return false
    this.#derived.add(doc.key)
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
      this.#readyBytes = 0
      this.#lateBytes = 0
    } else if (done && work.kind === 'quarantine') this.#quarantines = this.#quarantines.filter((key) => key !== work.key)
    else if (done) this.#rotate = false
    return work
  }
}
