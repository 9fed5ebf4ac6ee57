// A broken promise, by rule id. Thrown by every check of the simulation; the runner adds the command that replays it.

export class Violation extends Error {
  readonly rule: string

  constructor(rule: string, what: string) {
    super(`[${rule}] ${what}`)
    this.rule = rule
  }
}
