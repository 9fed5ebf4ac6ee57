// When a thread that has handed a commit to the writer thread waits for it on the spot. On one core the writer gets on only while the sender stands still, and what the sender
// does meanwhile is what delays everybody's acknowledgement; where the disk is slow, or there is much to do besides, waiting is waste. Decides: for how long, if at all.
// Pure: the time is an argument. Read by writer.ts. Rule: SQ-17; docs/adr/0013-waiting-for-a-commit.md.

/** At a time: nobody notices that an event loop stood still for so long. */
const WAIT_MS_MAX = 2
/** Less is not worth the call. */
const WAIT_MS_MIN = 0.25
/** Of all time, at most. */
const SHARE_MAX = 0.5
/** Commits that are not waited for after so many in a row were in vain: 2, 4, 8 and so on up to this. */
const PASSED_MAX = 256

export class HandOver {
  private creditMs = WAIT_MS_MAX
  private creditAtMs: number
  private inVain = 0
  private toPass = 0

  constructor(nowMs: number) {
    this.creditAtMs = nowMs
  }

  /** For how many milliseconds to wait for the commit that is handed over now; 0: not at all. */
  waitMs(nowMs: number): number {
    this.creditMs = Math.min(WAIT_MS_MAX, this.creditMs + SHARE_MAX * Math.max(0, nowMs - this.creditAtMs))
    this.creditAtMs = nowMs
    if (this.toPass > 0) {
      this.toPass--
      return 0
    }
    return this.creditMs < WAIT_MS_MIN ? 0 : this.creditMs
  }

  /** It was waited from `fromMs` to `nowMs`; `answered`: the commit was done by then. */
  waited(fromMs: number, nowMs: number, answered: boolean): void {
    this.creditMs = Math.max(0, this.creditMs - (nowMs - fromMs))
    this.inVain = answered ? 0 : this.inVain + 1
    this.toPass = answered ? 0 : Math.min(PASSED_MAX, 2 ** this.inVain)
  }
}
