// The end of a turn of the event loop, for many sockets at once: one wake-up for all that were written to, instead of one or two for each. What is written leaves with the
// present callback, before anything is read; whoever may go on hears of it after the turn, so that others get theirs in between. Used by door-socket.ts.

import type { Clock } from '@syncline/replica'

export interface TurnTaker {
  /** The present callback is over: what was sent in it may go. Must not throw. */
  callbackEnded(): void
  /** Must not throw. */
  turnEnded(): void
}

export class TurnEnds {
  private readonly clock: Clock
  private waiting: TurnTaker[] = []
  private writing: TurnTaker[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Calls `taker.turnEnded` once, after the present turn. */
  add(taker: TurnTaker): void {
    this.waiting.push(taker)
    if (this.waiting.length === 1) this.clock.soon(() => this.end())
  }

  /** Calls `taker.callbackEnded` once, after the present callback. */
  addWriter(taker: TurnTaker): void {
    this.writing.push(taker)
    if (this.writing.length === 1) queueMicrotask(() => this.write())
  }

  private write(): void {
    const writing = this.writing
    this.writing = []
    for (const taker of writing) taker.callbackEnded()
  }

  private end(): void {
    const ended = this.waiting
    this.waiting = []
    for (const taker of ended) taker.turnEnded()
  }
}
