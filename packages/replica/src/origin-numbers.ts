// Numbers for origins, the same on all links, so that what is encoded for one link serves the others. A link introduces each number at its first use there (link-session.ts). When the
// numbers are used up they begin anew, under another generation, and are introduced again.

import { LIMITS, type EpochNonce } from '@syncline/protocol'

export class OriginNumbers {
  readonly #numbers = new Map<EpochNonce, number>()
  generation = 0

  of(origin: EpochNonce): number {
    const known = this.#numbers.get(origin)
    if (known !== undefined) return known
    if (this.#numbers.size >= LIMITS.aliasesPerLinkMax) {
      this.#numbers.clear()
      this.generation++
    }
    const number = this.#numbers.size
    this.#numbers.set(origin, number)
    return number
  }
}
