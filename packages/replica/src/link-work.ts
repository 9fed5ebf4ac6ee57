// Which links have work, so that one without any costs nothing in a turn: the links whose state asks for something, and those that have said something that no frame holds
// yet. In the order in which they came to it. Filled by whatever happens to a link; emptied by link-desk.ts. Rule: RS-1.

import type { LinkSession } from './link-session.ts'

export class LinkWork {
  readonly #awake = new Set<LinkSession>()
  readonly #talking = new Set<LinkSession>()

  /** Something happened to the link: the next turn looks at it, and the next tick at its deadlines. */
  wake(link: LinkSession): void {
    link.restUntilMs = -Infinity
    this.#awake.add(link)
  }

  /** It has messages to send. */
  talks(link: LinkSession): void {
    this.#talking.add(link)
  }

  forget(link: LinkSession): void {
    this.#awake.delete(link)
    this.#talking.delete(link)
  }

  /** Hands over the links that are awake; whoever is not done wakes them again. */
  takeAwake(): LinkSession[] {
    return taken(this.#awake)
  }

  takeTalking(): LinkSession[] {
    return taken(this.#talking)
  }
}

function taken(links: Set<LinkSession>): LinkSession[] {
  if (links.size === 0) return []
  const all = [...links]
  links.clear()
  return all
}
