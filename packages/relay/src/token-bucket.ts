// How much of something may come in a while: a bucket that refills at a steady rate, and into which one may fall short of. Pure; the clock is an argument. Used by
// rate-limits.ts. Rule: LI-4.

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

  isFull(nowMs: number): boolean {
    this.refill(nowMs)
    return this.tokens >= this.capacity
  }

  private refill(nowMs: number): void {
    this.tokens = Math.min(this.capacity, this.tokens + Math.max(0, nowMs - this.atMs) * this.perMs)
    this.atMs = nowMs
  }
}
