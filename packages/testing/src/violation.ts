// A broken promise, by rule id. Thrown by every check of the simulation; the runner adds the command that replays it.

export class Violation extends Error {
  readonly rule: string

  constructor(rule: string, what: string) {
    super(`[${rule}] ${what}`)
    this.rule = rule
  }
}

/** The rule that an error of a run breaks: one thrown by the engine itself breaks its promise never to throw. */
export function ruleOf(error: unknown): string {
  return error instanceof Violation ? error.rule : 'IN-1'
}
