// The body of a request: read whole, within bounds of one and of all together, of silence and of pace: a large one on a slow line may take its time. Read by documents-api.ts. Rule: HA-6.

import { SynclineError } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import { API_LIMITS } from './api-limits.ts'

export class RequestBodies {
  private readonly clock: Clock
  private bytes = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Reads the body and runs `use`; its bytes count until that is done. Throws "update-limit", "relay-busy", "argument-invalid" (it broke off or came too
   *  slowly), and what `use` throws. */
  async with<T>(request: Request, bytesMax: number, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax)
    const taken = { bytes: 0 }
    try {
      return await use(await this.read(request, bytesMax, taken))
    } finally {
      this.bytes -= taken.bytes
    }
  }

  private async read(request: Request, bytesMax: number, taken: { bytes: number }): Promise<Uint8Array> {
    const reader = request.body?.getReader()
    if (reader === undefined) return new Uint8Array(0)
    let late = false
    const startedMs = this.clock.now()
    const waitForMore = (): (() => void) =>
      this.clock.after(patienceMs(taken.bytes, this.clock.now() - startedMs), () => {
        late = true
        void reader.cancel().catch(() => undefined)
      })
    let stopWaiting = waitForMore()
    const chunks: Uint8Array[] = []
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(() => {
          throw new SynclineError('argument-invalid', 'The body broke off.')
        })
        if (late) throw new SynclineError('argument-invalid', `The body came too slowly: ${taken.bytes} bytes of it arrived.`)
        stopWaiting()
        if (done) return Buffer.concat(chunks)
        this.bytes += value.length
        taken.bytes += value.length
        if (taken.bytes > bytesMax) throw tooLarge(bytesMax)
        if (this.bytes > API_LIMITS.bodiesBytesMax)
          throw new SynclineError('relay-busy', 'The requests under way hold as many bytes as they may.')
        chunks.push(value)
        stopWaiting = waitForMore()
      }
    } finally {
      stopWaiting()
      void reader.cancel().catch(() => undefined)
    }
  }
}

/** How long a body of which `bytes` came in `passedMs` may pause now. */
function patienceMs(bytes: number, passedMs: number): number {
  const { bodySilentMs, bodyBytesPerSecondMin } = API_LIMITS
  const dueMs = bodySilentMs + (bytes / bodyBytesPerSecondMin) * 1000
  return Math.max(0, Math.min(bodySilentMs, dueMs - passedMs))
}

function tooLarge(bytesMax: number): SynclineError {
  return new SynclineError('update-limit', `The body is larger than ${bytesMax} bytes.`)
}
