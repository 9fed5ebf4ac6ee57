// Token buckets: what comes at once, what comes in the long run, and how long somebody waits who took more than there was.

import { expect, test } from 'vitest'
import { TokenBucket } from '../src/token-bucket.ts'

test('[LI-4] a burst up to the capacity waits for nothing; what is over waits until it is refilled, and not longer', () => {
  const bucket = new TokenBucket(100, 10, 0)
  expect(bucket.take(100, 0)).toBe(0)
  expect(bucket.take(1, 0)).toBe(100)
  expect(bucket.take(0, 100)).toBe(0)
  expect(bucket.take(1_000, 100)).toBe(100_000)
  expect(bucket.take(0, 100_050)).toBeCloseTo(50)
  expect(bucket.take(0, 100_100)).toBe(0)
})

test('[LI-4] in the long run exactly the rate comes through, however it is cut', () => {
  for (const cost of [1, 7, 250]) {
    const bucket = new TokenBucket(100, 1000, 0)
    let nowMs = 0
    let taken = 0
    while (nowMs < 60_000) {
      nowMs += bucket.take(cost, nowMs)
      taken += cost
    }
    expect(taken / 60).toBeGreaterThan(999)
    expect(taken / 60).toBeLessThan(1010)
  }
})

test('[LI-4] a bucket does not fill above its capacity, and a clock that stands still or goes back refills nothing', () => {
  const bucket = new TokenBucket(100, 10, 1_000)
  expect(bucket.isFull(9_999_999)).toBe(true)
  expect(bucket.take(101, 9_999_999)).toBe(100)
  expect(bucket.take(0, 0)).toBe(100)
  expect(bucket.isFull(0)).toBe(false)
})
