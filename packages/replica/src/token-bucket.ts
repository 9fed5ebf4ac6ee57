// How much of something may come in a while: a bucket that refills at a steady rate, and of which one may take more than is there. Pure; the clock is an argument. Used by
// presence-pace.ts, presence-spread.ts and the relay's rate-limits.ts. Rules: LI-4, PR-6.

export class TokenBucket {
  private readonly capacity: number
  private readonly perMs: number
  private tokens: number
  private atMs: number

  /** Full at first. */
  constructor(capacity: number, perSecond: number, nowMs: number) {
    this.capacity = capacity
    this.perMs = perSecond / 1000
    this.tokens = capacity
    this.atMs = nowMs
  }

  /** Takes what has come already, be it more than is there. Returns in how many ms what is missing will be refilled: 0 when nothing is. */
  take(cost: number, nowMs: number): number {
    this.refill(nowMs)
    this.tokens -= cost
    return this.tokens >= 0 ? 0 : -this.tokens / this.perMs
  }

  /** Below 0: so much is owed. */
  available(nowMs: number): number {
    this.refill(nowMs)
    return this.tokens
  }

  isFull(nowMs: number): boolean {
    this.refill(nowMs)
    return this.tokens >= this.capacity
  }

  private refill(nowMs: number): void {
    this.tokens = Math.min(this.capacity, this.tokens + Math.max(0, nowMs - this.atMs) * this.perMs)
    this.atMs = nowMs
  }
}
