// Calls of hooks: each within its time, a bounded number at once, the others in a bounded queue, and again with growing pauses when they fail. Knows nothing of
// documents. Used by hooks.ts. Rules: HK-3, HK-6.

import { SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'

export type HookName = 'onLoadDocument' | 'onChange' | 'onConnect' | 'onDisconnect' | 'onStateless'

export interface HookCall {
  /** Of the document. */
  readonly space: SpaceId
  /** Aborts when the time of this call is over. */
  readonly signal: AbortSignal
  /** 1 for the first. */
  readonly attempt: number
}

export interface HookLimits {
  /** onChange is called when a document was quiet for this time ... */
  readonly debounceMs: number
  /** ... and at the latest this long after its first change. */
  readonly maxDebounceMs: number
  /** Of one call. */
  readonly timeoutMs: number
  /** Calls of one event, the first one included. onLoadDocument is called once: somebody waits. */
  readonly attemptsMax: number
  /** Before the second attempt; doubled before each further one. */
  readonly retryMs: number
  /** Calls under way at a time; loads have as many of their own. */
  readonly callsMax: number
  /** Events that wait; above it the oldest is given up. */
  readonly waitingMax: number
  /** close() waits for what is due and under way at most this long. */
  readonly closeWithinMs: number
}

export const HOOK_LIMITS: HookLimits = {
  debounceMs: 2_000,
  maxDebounceMs: 10_000,
  timeoutMs: 10_000,
  attemptsMax: 4,
  retryMs: 1_000,
  callsMax: 16,
  waitingMax: 10_000,
  closeWithinMs: 5_000,
}

export interface WaitingCall {
  readonly hook: HookName
  readonly space: SpaceId
  readonly doc: DocId
  call(call: HookCall): Promise<void> | void
  /** It was told, or given up. */
  ended?(): void
}

export class HookCalls {
  private readonly clock: Clock
  private readonly limits: HookLimits
  private readonly onError: (error: SynclineError, hook: HookName, doc: DocId, space: SpaceId) => void
  private readonly waiting: WaitingCall[] = []
  private running = 0
  private closing = false
  private idle: (() => void)[] = []
  /** Ends the pauses before the next attempts. */
  private readonly pauses = new Set<() => void>()
  private loadsLeft: number
  private readonly loadTurns: (() => void)[] = []

  constructor(clock: Clock, limits: HookLimits, onError: (error: SynclineError, hook: HookName, doc: DocId, space: SpaceId) => void) {
    this.clock = clock
    this.limits = limits
    this.onError = onError
    this.loadsLeft = limits.callsMax
  }

  /** Calls it in a later turn. */
  add(waiting: WaitingCall): void {
    this.waiting.push(waiting)
    if (this.waiting.length > this.limits.waitingMax) {
      const { hook, doc, space, ended } = this.waiting.shift()!
      this.report(new SynclineError('relay-busy', 'More events wait for their hook than may; the oldest was given up.'), hook, doc, space)
      ended?.()
    }
    this.clock.soon(() => this.work())
  }

  /** One call within its time, at once. What it does after that is nobody's business. */
  once<T>(space: SpaceId, call: (call: HookCall) => Promise<T> | T, attempt: number): Promise<T> {
    const { timeoutMs } = this.limits
    return new Promise((resolve, reject) => {
      const abort = new AbortController()
      const cancel = this.clock.after(timeoutMs, () => {
        reject(new SynclineError('hook-failed', `The hook took longer than ${timeoutMs} ms.`))
        abort.abort()
      })
      const called = new Promise<T>((answer) => answer(call({ signal: abort.signal, attempt, space })))
      called.then(resolve, reject).finally(cancel)
    })
  }

  /** When fewer loads are under way than may. */
  async load<T>(work: () => Promise<T>): Promise<T> {
    if (this.loadsLeft > 0) this.loadsLeft--
    else await new Promise<void>((resolve) => this.loadTurns.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.loadTurns.shift()
      if (next === undefined) this.loadsLeft++
      else next()
    }
  }

  /** Tells the application; what that throws has nobody left to be told to. */
  report(error: unknown, hook: HookName, doc: DocId, space: SpaceId): void {
    const told =
      error instanceof SynclineError ? error : new SynclineError('hook-failed', `${hook} failed: ${wordsOf(error)}.`, { cause: error })
    try {
      this.onError(told, hook, doc, space)
    } catch {
      // See above.
    }
  }

  /** Repeats nothing any more, and resolves when no call waits or is under way, at the latest after `closeWithinMs`. */
  close(): Promise<void> {
    this.closing = true
    for (const go of [...this.pauses]) go()
    return new Promise((resolve) => {
      const cancel = this.clock.after(this.limits.closeWithinMs, resolve)
      this.idle.push(() => {
        cancel()
        resolve()
      })
      this.work()
    })
  }

  private work(): void {
    while (this.running < this.limits.callsMax && this.waiting.length > 0) {
      this.running++
      const waiting = this.waiting.shift()!
      void this.run(waiting).finally(() => {
        this.running--
        waiting.ended?.()
        this.work()
      })
    }
    if (this.running === 0 && this.waiting.length === 0) for (const resolve of this.idle.splice(0)) resolve()
  }

  private async run({ hook, doc, space, call }: WaitingCall): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(space, call, attempt)
      } catch (error) {
        if (attempt >= this.limits.attemptsMax || this.closing) return this.report(error, hook, doc, space)
        await this.pause(this.limits.retryMs * 2 ** (attempt - 1))
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        cancel()
        this.pauses.delete(go)
        resolve()
      }
      const cancel = this.clock.after(ms, go)
      this.pauses.add(go)
    })
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
