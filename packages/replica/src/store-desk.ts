// Carries out what the engine asks of the store, one thing at a time, and tells the engine how it went and the observer how long it took. Used by replica.ts alone. Rule: DU-1.

import { SynclineError, type DocKey } from '@syncline/protocol'
import type { Store, Transaction } from '@syncline/store'
import type { Clock } from './clock.ts'
import type { LinkId, Maintenance } from './effects.ts'
import type { ReplicaCore } from './replica-core.ts'
import type { ReplicaObserver } from './replica-observer.ts'

export interface StoreDeskParts {
  readonly store: Store
  readonly core: ReplicaCore
  readonly clock: Clock
  observe(tell: (observer: ReplicaObserver) => void): void
  /** A document was quarantined. */
  quarantined(key: DocKey): void
  /** The store is idle again; not told of commits that were done at once. */
  done(): void
}

export class StoreDesk {
  readonly #parts: StoreDeskParts
  #busy = false
  /** When the oldest message of a link arrived that no commit answers yet. */
  #receivedAtMs: number | null = null

  constructor(parts: StoreDeskParts) {
    this.#parts = parts
  }

  /** Something is under way. */
  get busy(): boolean {
    return this.#busy
  }

  /** A message of a link arrived. */
  received(): void {
    this.#receivedAtMs ??= this.#parts.clock.now()
  }

  /** A turn is over: what was received so far led to no commit, unless one is under way. */
  turned(): void {
    if (!this.#busy) this.#receivedAtMs = null
  }

  /** `waits`: where the store offers to wait for a moment. True: it was done at once. */
  commit(transaction: Transaction, waits: boolean): boolean {
    const { store, core, clock } = this.#parts
    const startedMs = clock.now()
    const receivedAtMs = this.#receivedAtMs
    this.#receivedAtMs = null
    const committed = (): void => this.#committed(transaction, core.committed(), startedMs, receivedAtMs)
    const done = (waits ? store.commitAndWait?.(transaction) : undefined) ?? store.commit(transaction)
    if (done === true) {
      committed()
      return true
    }
    void this.#whileBusy(done).then((error) => {
      if (error === null) committed()
      else core.commitFailed(error)
      this.#done()
    })
    return false
  }

  #committed({ firstSeq, rows }: Transaction, links: ReadonlySet<LinkId>, startedMs: number, receivedAtMs: number | null): void {
    const nowMs = this.#parts.clock.now()
    let bytes = 0
    for (const row of rows) bytes += row.data.length
    const durationMs = nowMs - startedMs
    const sinceReceivedMs = receivedAtMs === null ? null : nowMs - receivedAtMs
    const commit = { head: firstSeq + rows.length - 1, rows: rows.length, bytes, links, durationMs, sinceReceivedMs }
    this.#parts.observe((observer) => observer.committed?.(commit))
  }

  async maintain(work: Maintenance): Promise<void> {
    const { core, clock, observe, quarantined } = this.#parts
    const startedMs = clock.now()
    const running = this.#runMaintenance(work)
    const error = await this.#whileBusy(running)
    if (error === null) core.maintained(await running)
    else core.maintenanceFailed(error)
    if (error === null && work.kind === 'quarantine') quarantined(work.key)
    this.#done()
    const durationMs = clock.now() - startedMs
    if (error === null) observe((observer) => observer.maintained?.({ work: work.kind, durationMs }))
  }

  #runMaintenance(work: Maintenance): ReturnType<Store['sweep']> | ReturnType<Store['rotateEpoch']> {
    const { store } = this.#parts
    switch (work.kind) {
      case 'sweep':
        return store.sweep(work.docs)
      case 'rotate-epoch':
        return store.rotateEpoch()
      case 'quarantine':
        return store.quarantine(work.key)
    }
  }

  async #whileBusy(work: Promise<unknown>): Promise<SynclineError | null> {
    this.#busy = true
    try {
      await work
      return null
    } catch (error) {
      return error instanceof SynclineError ? error : new SynclineError('store-io', `The store failed: ${String(error)}.`, { cause: error })
    }
  }

  #done(): void {
    this.#busy = false
    this.#parts.done()
  }
}
