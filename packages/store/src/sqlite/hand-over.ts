// When a thread that has handed a commit to the writer thread waits for it on the spot. Where a turn of its event loop is long, the answer lies there until the turn is over, and
// everybody's acknowledgement with it; where a turn is short, waiting for the disk is waste. Decides: for how long, if at all, from how long answers that were not waited for took
// and lay there. Pure: the time is an argument. Read by writer.ts. Rule: SQ-17; docs/adr/0013-waiting-for-a-commit.md.

/** At a time: nobody notices that an event loop stood still for so long. */
const WAIT_MS_MAX = 2
/** Less is not worth the call. */
const WAIT_MS_MIN = 0.25
/** Of all time, at most. */
const SHARE_MAX = 0.5
/** Commits that are not waited for after so many in a row were in vain: 2, 4, 8 and so on up to this. */
const PASSED_MAX = 256
/** Of those that would be waited for one in so many is not: so that it is known what comes of it. */
const LOOK_EVERY = 16
/** Of what a commit takes: where answers lie there for less, it does not pay. On one core it takes longer while both threads have something to do. */
const LAIN_MIN = 1 / 3
/** Of the newest commit in what is known. */
const WEIGHT = 0.25

export class HandOver {
  private creditMs = WAIT_MS_MAX
  private creditAtMs: number
  private inVain = 0
  private toPass = 0
  private sinceLook = 0
  private tookMs = 0
  private lainMs = 0

  constructor(nowMs: number) {
    this.creditAtMs = nowMs
  }

  /** For how many milliseconds to wait for the commit that is handed over now; 0: not at all. */
  waitMs(nowMs: number): number {
    this.creditMs = Math.min(WAIT_MS_MAX, this.creditMs + SHARE_MAX * Math.max(0, nowMs - this.creditAtMs))
    this.creditAtMs = nowMs
    if (this.lainMs <= LAIN_MIN * this.tookMs) return 0
    if (this.toPass > 0) {
      this.toPass--
      return 0
    }
    this.sinceLook = (this.sinceLook + 1) % LOOK_EVERY
    return this.sinceLook === 0 || this.creditMs < WAIT_MS_MIN ? 0 : this.creditMs
  }

  /** It was waited from `fromMs` to `nowMs`; `answered`: the commit was done by then. */
  waited(fromMs: number, nowMs: number, answered: boolean): void {
    this.creditMs = Math.max(0, this.creditMs - (nowMs - fromMs))
    this.inVain = answered ? 0 : this.inVain + 1
    this.toPass = answered ? 0 : Math.min(PASSED_MAX, 2 ** this.inVain)
  }

  /** A commit that was not waited for was handed over, done, and its answer taken. */
  came(sentMs: number, doneMs: number, nowMs: number): void {
    this.tookMs += WEIGHT * (doneMs - sentMs - this.tookMs)
    this.lainMs += WEIGHT * (nowMs - doneMs - this.lainMs)
  }
}
