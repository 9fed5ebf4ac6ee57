// Ends replicas before the process ends on a signal. One handler for all replicas of the process: the signal is raised again only when every one of
// them is closed, so that the process ends as it would have, with the exit status that its parent expects. Rule: AP-9.

import process from 'node:process'

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

const closers = new Set<() => Promise<void>>()

/** Returns how to stop it; the last one gone takes the handlers with it. */
export function onTermination(close: () => Promise<void>): () => void {
  if (closers.size === 0) for (const signal of SIGNALS) process.on(signal, onSignal)
  closers.add(close)
  return () => {
    closers.delete(close)
    if (closers.size === 0) removeHandlers()
  }
}

function removeHandlers(): void {
  for (const signal of SIGNALS) process.off(signal, onSignal)
}

/** A second signal meets no handler and ends the process at once. */
function onSignal(signal: NodeJS.Signals): void {
  removeHandlers()
  void Promise.allSettled([...closers].map((close) => close())).then(() => {
    // An application with a handler of its own decides itself when to end.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  })
}
