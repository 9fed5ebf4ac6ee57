// What one pass may do, remembered per document, so that the answer for the next message costs one look: decisions depend on nothing that changes without a new
// memory being made (policy and identity). Bounded; the document whose first question is oldest goes first. Read by doorman.ts. Rules: AC-4.

import type { DocId, Scope, SpaceId } from '@syncline/protocol'
import { ACTIONS, type Action, type Identity } from './access.ts'
import { ACCESS_LIMITS } from './access-limits.ts'
import { decisionsReach, type Decider, type Decisions } from './policy.ts'

/** Two bits per action: decided, and allowed. */
const DECIDED = new Map<Action, number>(ACTIONS.map((action, index) => [action, 1 << (2 * index)]))

export class DecisionMemory {
  readonly #decider: Decider
  readonly #identity: Identity
  readonly #space: SpaceId
  readonly #known = new Map<DocId, number>()
  /** Made at the first question: a change of policy makes memories for all connections at once. */
  #decisions: Decisions | null = null

  constructor(decider: Decider, identity: Identity, space: SpaceId) {
    this.#decider = decider
    this.#identity = identity
    this.#space = space
  }

  may(action: Action, doc: DocId): boolean {
    const decided = DECIDED.get(action) ?? 0
    const known = this.#known.get(doc) ?? 0
    if ((known & decided) !== 0) return (known & (decided << 1)) !== 0
    this.#decisions ??= this.#decider(this.#identity)
    const allowed = this.#decisions(action, this.#space, doc)
    if (known === 0) this.#makeRoom()
    this.#known.set(doc, known | decided | (allowed ? decided << 1 : 0))
    return allowed
  }

  /** Not remembered: asked once per connection. */
  reaches(action: Action): boolean {
    this.#decisions ??= this.#decider(this.#identity)
    return decisionsReach(this.#decisions, action, this.#space)
  }

  /** Not remembered: asked once per connection and scope. */
  mayAll(action: Action, scope: Scope): boolean {
    this.#decisions ??= this.#decider(this.#identity)
    return this.#decisions.allowsAll?.(action, this.#space, scope) === true
  }

  #makeRoom(): void {
    if (this.#known.size < ACCESS_LIMITS.decisionsPerPassMax) return
    for (const oldest of this.#known.keys()) if (this.#known.delete(oldest)) return
  }
}
