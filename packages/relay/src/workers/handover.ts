// Sockets on their way to one worker. Node hands over one at a time, the next when the worker's process has acknowledged the last, which it does once in a turn of its loop (it
// reads one message with a socket in a turn). Whatever else is said to the worker meanwhile waits behind them, and after each acknowledgement Node puts all that waits into
// its queue again: a thousand there cost half a million steps, and a probe waits for all of them. So a few are with Node, and the others wait here. Used by seat.ts.
// Rules: WK-3, WK-7.

import type { GivenGuest } from './porter.ts'

/** With Node, acknowledged or not: what is said meanwhile waits for no more than these. */
const WITH_NODE_MAX = 8
/** The worker tells of so many at a time. More than half as many are always with Node. */
export const TAKEN_TOLD_EVERY = 4
/** Above it whoever comes is told to come again. */
const WAITING_MAX = 4096

export class Handover {
  private readonly send: (guest: GivenGuest, more: boolean) => void
  private readonly sent: GivenGuest[] = []
  private readonly waiting = new Set<GivenGuest>()

  /** `send`: gives one to Node; `more`: another one waits here. */
  constructor(send: (guest: GivenGuest, more: boolean) => void) {
    this.send = send
  }

  /** False: too many wait already. */
  give(guest: GivenGuest): boolean {
    if (this.waiting.size >= WAITING_MAX) return false
    this.waiting.add(guest)
    this.next()
    return true
  }

  /** The worker has TAKEN_TOLD_EVERY more. */
  taken(): void {
    this.sent.splice(0, TAKEN_TOLD_EVERY)
    this.next()
  }

  /** The worker is gone. The system closes what it had; what had not reached it is closed here. */
  lost(): void {
    for (const { socket } of [...this.sent, ...this.waiting]) socket.destroy()
    this.sent.length = 0
    this.waiting.clear()
  }

  private next(): void {
    for (const guest of this.waiting) {
      if (this.sent.length >= WITH_NODE_MAX) return
      this.waiting.delete(guest)
      this.sent.push(guest)
      this.send(guest, this.waiting.size > 0)
    }
  }
}
