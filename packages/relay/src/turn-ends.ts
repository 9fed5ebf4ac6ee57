// The end of a turn of the event loop, for many sockets at once: one wake-up for all that were written to, instead of one or two for each. Used by door-socket.ts.

import type { Clock } from '@syncline/replica'

export interface TurnTaker {
  /** Must not throw. */
  turnEnded(): void
}

export class TurnEnds {
  private readonly clock: Clock
  private waiting: TurnTaker[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Calls `taker.turnEnded` once, after the present turn. */
  add(taker: TurnTaker): void {
    this.waiting.push(taker)
    if (this.waiting.length === 1) this.clock.soon(() => this.end())
  }

  private end(): void {
    const ended = this.waiting
    this.waiting = []
    for (const taker of ended) taker.turnEnded()
  }
}
