// The clock of the page: the only place where it reads the time or sets a timer. Read by the parts of browser/.

export function wallMs(): number {
  return Date.now()
}

/** Returns the way to stop. */
export function after(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

/** Returns the way to stop. */
export function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms)
  return () => clearInterval(timer)
}
