// Virtual time: a binary heap of (time, order of scheduling). Nothing in the simulation waits; an hour costs what its events cost. Rule: SM-1.

export interface Timer {
  cancelled: boolean
}

interface Entry extends Timer {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class Schedule {
  readonly #heap: Entry[] = []
  #order = 0
  /** Events that were run. */
  steps = 0
  /** Virtual monotonic milliseconds. */
  nowMs = 0

  /** Runs `run` after `delayMs`; events of one instant run in the order in which they were scheduled. */
  after(delayMs: number, run: () => void): Timer {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run, cancelled: false }
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
    return entry
  }

  /** Runs the next event that is due by `untilMs`; false (and time stands at `untilMs`) when there is none. */
  next(untilMs: number): boolean {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs)
        return false
      }
      this.#removeFirst()
      if (first.cancelled) continue
      this.nowMs = first.atMs
      this.steps++
      first.run()
      return true
    }
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
