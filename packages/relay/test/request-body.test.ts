// How long a body may take: by its silence and its pace, in time that the test moves on by itself.

import { expect, test } from 'vitest'
import type { Clock } from '@syncline/replica'
import { API_LIMITS } from '../src/admin/api-limits.ts'
import { RequestBodies } from '../src/admin/request-body.ts'

/** Time that passes when it is told to; timers that are due run then. */
class SteppedTime {
  passedMs = 0
  readonly clock: Clock = {
    now: () => this.passedMs,
    wallMs: () => this.passedMs,
    after: (delayMs: number, run: () => void) => {
      const timer = { atMs: this.passedMs + delayMs, run }
      this.timers.add(timer)
      return () => void this.timers.delete(timer)
    },
    every: () => () => undefined,
  } as unknown as Clock
  private readonly timers = new Set<{ readonly atMs: number; readonly run: () => void }>()

  pass(ms: number): void {
    this.passedMs += ms
    for (const timer of this.timers) if (timer.atMs <= this.passedMs && this.timers.delete(timer)) timer.run()
  }
}

interface Upload {
  readonly time: SteppedTime
  /** Sends bytes; resolves once they were read. */
  send(bytes: number): Promise<void>
  end(): void
  /** Bytes read, or the code of the refusal. */
  readonly outcome: Promise<number | string>
}

function upload(): Upload {
  const time = new SteppedTime()
  let pulled = Promise.withResolvers<void>()
  let controller!: ReadableStreamDefaultController<Uint8Array>
  const body = new ReadableStream<Uint8Array>(
    {
      start: (given) => void (controller = given),
      pull: () => pulled.resolve(),
    },
    { highWaterMark: 0 },
  )
  const request = new Request('http://127.0.0.1/', { method: 'POST', body, duplex: 'half' } as RequestInit)
  const outcome = new RequestBodies(time.clock)
    .with(request, API_LIMITS.updateBytesMax, (read) => Promise.resolve(read.length))
    .catch((error: { code: string }) => error.code)
  return {
    time,
    async send(bytes) {
      await pulled.promise
      pulled = Promise.withResolvers()
      controller.enqueue(new Uint8Array(bytes))
      await Promise.race([pulled.promise, outcome])
    },
    end: () => controller.close(),
    outcome,
  }
}

const { bodySilentMs, bodyBytesPerSecondMin, updateBytesMax } = API_LIMITS

test('[HA-6] a body of the largest size that takes many minutes is read whole', async () => {
  const { time, send, end, outcome } = upload()
  const chunk = 256 * 1024
  for (let sent = 0; sent < updateBytesMax; sent += chunk) {
    await send(chunk)
    time.pass(bodySilentMs - 1)
  }
  end()
  expect(time.passedMs).toBeGreaterThan(20 * 60 * 1000)
  expect(await outcome).toBe(updateBytesMax)
})

test('[HA-6] a body that pauses for too long is refused, however much of it came', async () => {
  const { time, send, outcome } = upload()
  await send(4 * 1024 * 1024)
  time.pass(bodySilentMs)
  expect(await outcome).toBe('argument-invalid')
})

test('[HA-6] a body that comes in drips is refused soon', async () => {
  const { time, send, outcome } = upload()
  let isOver = false
  void outcome.then(() => (isOver = true))
  for (let drips = 0; !isOver && drips < 1000; drips++) {
    await send(1)
    time.pass(1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await outcome).toBe('argument-invalid')
  expect(time.passedMs).toBeLessThan(bodySilentMs + 1_000 * (1 + 1_000 / bodyBytesPerSecondMin) + 2_000)
})
