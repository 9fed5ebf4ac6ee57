// Changes that wait to be told: one per document, however often it changed, until it was quiet for a while or waited long enough. Bounded by the number of documents
// that change within that time. Used by hooks.ts. Rule: HK-2.

import type { DocId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { Identity } from './access/access.ts'

export interface DueChange {
  readonly doc: DocId
  readonly identity: Identity | null
  readonly seq: number
}

interface Wait {
  readonly firstMs: number
  seq: number
  identity: Identity | null
  cancel: () => void
}

export interface ChangeWaitLimits {
  readonly debounceMs: number
  readonly maxDebounceMs: number
  readonly waitingMax: number
}

export class ChangeWaits {
  private readonly clock: Clock
  private readonly limits: ChangeWaitLimits
  private readonly due: (change: DueChange) => void
  private readonly waits = new Map<DocId, Wait>()
  /** Of writes whose change the log has not told yet. */
  private readonly writers = new Map<DocId, { readonly identity: Identity; readonly seq: number }>()

  constructor(clock: Clock, limits: ChangeWaitLimits, due: (change: DueChange) => void) {
    this.clock = clock
    this.limits = limits
    this.due = due
  }

  changed(doc: DocId, seq: number): void {
    const nowMs = this.clock.now()
    const wait = this.waits.get(doc) ?? { firstMs: nowMs, seq, identity: null, cancel: () => undefined }
    const writer = this.writers.get(doc)
    if (writer !== undefined && writer.seq <= seq) {
      this.writers.delete(doc)
      wait.identity = writer.identity
    }
    wait.seq = seq
    wait.cancel()
    const { debounceMs, maxDebounceMs, waitingMax } = this.limits
    wait.cancel = this.clock.after(Math.max(0, Math.min(debounceMs, wait.firstMs + maxDebounceMs - nowMs)), () => this.tell(doc))
    this.waits.set(doc, wait)
    if (this.waits.size > waitingMax) this.tell(this.waits.keys().next().value!)
  }

  wrote(doc: DocId, identity: Identity, seq: number): void {
    const wait = this.waits.get(doc)
    if (wait !== undefined && wait.seq >= seq) wait.identity = identity
    else this.writers.set(doc, { identity, seq })
    if (this.writers.size > this.limits.waitingMax) this.writers.delete(this.writers.keys().next().value!)
  }

  /** Tells all that waits. */
  flush(): void {
    for (const doc of [...this.waits.keys()]) this.tell(doc)
  }

  private tell(doc: DocId): void {
    const wait = this.waits.get(doc)
    if (wait === undefined) return
    wait.cancel()
    this.waits.delete(doc)
    this.due({ doc, identity: wait.identity, seq: wait.seq })
  }
}
