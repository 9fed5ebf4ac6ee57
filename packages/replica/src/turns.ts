// When a replica's loop runs: any number of inputs in one turn of the event loop lead to one call after it. Also waiting for a state of affairs, with a bound.
// Used by replica.ts alone.

import type { Clock } from './clock.ts'

export class Turns {
  readonly #clock: Clock
  readonly #run: () => void
  readonly #checks = new Set<() => void>()
  #scheduled = false
  #ended = false

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  /** True while a run is due. */
  get scheduled(): boolean {
    return this.#scheduled
  }

  wake(): void {
    if (this.#scheduled || this.#ended) return
    this.#scheduled = true
    this.#clock.soon(() => this.#turn())
  }

  end(): void {
    this.#ended = true
  }

  #turn(): void {
    this.#scheduled = false
    if (this.#ended) return
    this.#run()
    for (const check of this.#checks) check()
  }

  /** Resolves after the present turn of the event loop. */
  turnEnd(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve))
  }

  /** Resolves after the first run that leaves `holds` true, or at the deadline. */
  async until(holds: () => boolean, deadline: number): Promise<void> {
    if (holds()) return
    let check: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      check = () => (holds() ? resolve() : undefined)
    })
    this.#checks.add(check)
    await this.by(held, deadline)
    this.#checks.delete(check)
  }

  /** Resolves with `work`, or at the deadline without it. */
  async by(work: Promise<void>, deadline: number): Promise<void> {
    let cancel: () => void = () => undefined
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(Math.max(0, deadline - this.#clock.now()), resolve)
    })
    await Promise.race([work, late]).finally(cancel)
  }
}
