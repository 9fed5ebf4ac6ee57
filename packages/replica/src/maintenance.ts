// Work on the store that must not overlap a commit: compaction sweeps, epoch rotation, quarantine. Decides what is due, one document per flush so that the loop never
// stands still for long, and hands over one piece of work at a time. Rules: I4, I9; DESIGN.md 3 (compaction, crc).

import { encodeDeletes, type DocKey } from '@syncline/protocol'
import type { CompactedDoc } from '@syncline/store'
import { admit } from './admission.ts'
import { compact } from './compaction.ts'
import type { CoreContext } from './core-context.ts'
import type { Maintenance } from './effects.ts'

const SWEEP_DOCS_MAX = 64
const SWEEP_BYTES_MAX = 8 * 1024 * 1024
const URGENT_CHECK_MS = 2_000

export class MaintenancePlan {
  readonly #context: CoreContext
  #quarantines: DocKey[] = []
  #rotate = false
  #running: Maintenance | null = null
  #sweepAtMs: number
  #checkAtMs = 0
  #queue: DocKey[] = []
  #ready: CompactedDoc[] = []
  #readyBytes = 0

  constructor(context: CoreContext) {
    this.#context = context
    this.#sweepAtMs = context.nowMs + context.limits.sweepEveryMs
  }

  get running(): Maintenance | null {
    return this.#running
  }

  /** Something waits for the commit in flight to land: no new commit should start before it. */
  get waiting(): boolean {
    return this.#rotate || this.#quarantines.length > 0
  }

  quarantine(key: DocKey): void {
    if (!this.#quarantines.includes(key)) this.#quarantines.push(key)
  }

  rotateEpoch(): void {
    this.#rotate = true
  }

  /** Looks for documents due; call from tick(). */
  tend(): void {
    const { nowMs, limits, reader, commits } = this.#context
    if (this.#queue.length > 0 || this.#ready.length > 0 || this.#running !== null || nowMs < this.#checkAtMs || commits.failure !== null) return
    this.#checkAtMs = nowMs + Math.min(URGENT_CHECK_MS, limits.sweepEveryMs)
    const due = reader.due(SWEEP_DOCS_MAX).filter((doc) => !doc.quarantined)
    const urgent = due.some((doc) => doc.tailRows >= limits.tailRowsHardMax)
    if (due.length === 0 || (nowMs < this.#sweepAtMs && !urgent)) return
    this.#sweepAtMs = nowMs + limits.sweepEveryMs
    this.#queue = due.map((doc) => doc.key)
  }

  /** Compacts one queued document. True when there is more to do. */
  advance(): boolean {
    if (this.#running !== null) return false
    const key = this.#queue.shift()
    if (key === undefined) return false
    const { documents, reader, nowMs } = this.#context
    const doc = documents.byKey(key, nowMs)
    const content = doc === undefined || doc.uncommitted > 0 ? undefined : reader.content(key)
    if (doc !== undefined && content !== undefined) {
      const result = compact(content, doc.digest, doc.committed)
      if (result.kind === 'compacted') {
        this.#ready.push({ key, expectedLastSeq: doc.lastSeq, update: result.update, knowledge: result.knowledge })
        this.#readyBytes += result.update.length
      } else if (result.kind === 'derived-deletes') this.#append(doc.key, result.ranges)
    }
    if (this.#readyBytes >= SWEEP_BYTES_MAX) this.#queue = []
    return this.#queue.length > 0
  }

  /** Deletes that Yjs derives from the content become an entry of this replica; the document is compacted in a later sweep (H5). */
  #append(key: DocKey, ranges: readonly number[]): void {
    if (this.#context.options.readOnly === true) return
    const doc = this.#context.documents.byKey(key, this.#context.nowMs)!
    admit(this.#context.admission, doc, encodeDeletes([...ranges]), this.#context.admission.own())
  }

  /** The next piece of work. Call when no commit is in flight. */
  take(): Maintenance | null {
    if (this.#running !== null) return null
    const key = this.#quarantines[0]
    if (key !== undefined) this.#running = { kind: 'quarantine', key }
    else if (this.#rotate) this.#running = { kind: 'rotate-epoch' }
    else if (this.#ready.length > 0 && this.#queue.length === 0) this.#running = { kind: 'sweep', docs: this.#ready }
    return this.#running
  }

  /** The work is done, or failed and is dropped (a sweep is due again by itself, the others are tried again). */
  finish(done: boolean): Maintenance {
    const work = this.#running!
    this.#running = null
    if (work.kind === 'sweep') {
      this.#ready = []
      this.#readyBytes = 0
    } else if (done && work.kind === 'quarantine') this.#quarantines = this.#quarantines.filter((key) => key !== work.key)
    else if (done) this.#rotate = false
    return work
  }
}
