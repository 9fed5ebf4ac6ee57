// Waiting, in the one way the client does it: for a condition over facts that change, or for a promise, each ended by an AbortSignal. Rule: AP-4.

import { SynclineError } from '@syncline/protocol'

export interface WaitOptions {
  /** Ends the wait with "wait-aborted" (the signal's reason is the error's `cause`). What was waited for goes on. */
  readonly signal?: AbortSignal | undefined
}

/** Resolves with the first value other than undefined that `check` returns; rejects with what it throws. `check` runs now, and whenever
 *  `onChange` calls back. */
export function waitUntil<T>(
  check: () => T | undefined,
  onChange: (listener: () => void) => () => void,
  { signal }: WaitOptions = {},
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal))
    let stop: (() => void) | null = null
    const settle = (outcome: () => void): void => {
      stop?.()
      stop = null
      signal?.removeEventListener('abort', onAbort)
      outcome()
    }
    const onAbort = (): void => settle(() => reject(aborted(signal!)))
    const look = (): boolean => {
      try {
        const value = check()
        if (value === undefined) return false
        settle(() => resolve(value))
      } catch (error) {
        settle(() => reject(error))
      }
      return true
    }
    if (look()) return
    signal?.addEventListener('abort', onAbort, { once: true })
    stop = onChange(() => stop !== null && look())
  })
}

/** As `promise`, but rejects with "wait-aborted" when the signal comes first. The promise's own later rejection is not left unhandled. */
export function abortable<T>(promise: Promise<T>, { signal }: WaitOptions = {}): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(aborted(signal))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function aborted(signal: AbortSignal): SynclineError {
  return new SynclineError('wait-aborted', 'The wait was ended by its signal.', { cause: signal.reason })
}
