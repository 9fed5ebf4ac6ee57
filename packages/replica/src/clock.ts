// Time as an argument: everything in this package that waits or reads a clock is given one of these. The real one for Node is ws/node-clock.ts;
// the simulation brings a virtual one.

export interface Clock {
  /** Monotonic milliseconds from an arbitrary start. */
  now(): number
  /** Milliseconds since 1970, for people to read: it may jump. */
  wallMs(): number
  /** Calls `fn` every `ms` until the returned function is called. */
  every(ms: number, fn: () => void): () => void
  /** Calls `fn` once after `ms`, unless the returned function is called first. */
  after(ms: number, fn: () => void): () => void
  /** Calls `fn` once, after the present turn of the event loop and before any timer that is set later; I/O may come between. */
  soon(fn: () => void): void
}
