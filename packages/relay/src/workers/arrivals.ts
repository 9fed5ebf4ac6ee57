// Sockets as they reach a worker: of a crowd one in each turn of its loop (handover.ts). Taken one by one, each has a turn to itself with all that a relay does once in a turn; so a
// few are taken together while more of them follow. Whoever comes alone is taken at once. Used by worker.ts. Rule: WK-7.

import type { Clock } from '@syncline/replica'

/** More would not make it cheaper, and each waits for the last. */
const TOGETHER = 8
/** Those that should follow are late: the other process has something else to do. */
const WAIT_MS = 5

export class Arrivals<T> {
  private readonly clock: Clock
  private readonly take: (arrived: T) => void
  private waiting: T[] = []
  private cancel: () => void = () => undefined

  constructor(clock: Clock, take: (arrived: T) => void) {
    this.clock = clock
    this.take = take
  }

  /** `more`: others follow at once. */
  come(arrived: T, more: boolean): void {
    this.waiting.push(arrived)
    if (!more || this.waiting.length >= TOGETHER) this.takeAll()
    else if (this.waiting.length === 1) this.cancel = this.clock.after(WAIT_MS, () => this.takeAll())
  }

  private takeAll(): void {
    this.cancel()
    const all = this.waiting
    this.waiting = []
    for (const arrived of all) this.take(arrived)
  }
}
