// Which documents of one channel differ from the peer's and have not arrived: those that are known here, each with its state (protocol channel-machine.ts), and leading parts of keys
// that only the peer has. A channel makes one when the first of them differs and drops it when the last has arrived: most channels of a relay never have any. Rules: CV-2; H1.

import { documentTable, step, type DocKey, type DocumentEvent, type DocumentState } from '@syncline/protocol'

const ASK_KEYS_MAX = 256

export class OutstandingDocuments {
  readonly #documents = new Map<DocKey, DocumentState>()
  #wanted = 0
  #queue: DocKey[] = []
  /** Leading 8 bytes of keys that only the peer has: asked for, and waiting to be. */
  readonly #asked = new Set<string>()
  readonly #askQueue = new Set<string>()

  get count(): number {
    return this.#documents.size + this.#asked.size + this.#askQueue.size
  }

  state(key: DocKey): DocumentState {
    return this.#documents.get(key) ?? 'settled'
  }

  differs(key: DocKey): void {
    if (this.#advance(key, 'differs') === 'queued' && !this.#queue.includes(key)) this.#queue.push(key)
  }

  nextWanted(max: number): DocKey | null {
    if (this.#wanted + this.#asked.size >= max) return null
    const key = this.#queue.shift()
    if (key === undefined) return null
    this.#advance(key, 'slot')
    this.#wanted++
    return key
  }

  askFor(key8: string): void {
    if (!this.#asked.has(key8)) this.#askQueue.add(key8)
  }

  nextAsked(max: number): string[] {
    const keys: string[] = []
    for (const key8 of this.#askQueue) {
      if (this.#asked.size >= max || keys.length >= ASK_KEYS_MAX) break
      this.#askQueue.delete(key8)
      this.#asked.add(key8)
      keys.push(key8)
    }
    return keys
  }

  diffed(key: DocKey): void {
    if (this.state(key) === 'wanted') this.#wanted--
    this.#advance(key, 'diffed')
    this.#forgetAsked(key.slice(0, 16))
  }

  absent(key8: string): void {
    this.#forgetAsked(key8)
    for (const key of [...this.#documents.keys()]) if (key.startsWith(key8)) this.diffed(key)
  }

  #forgetAsked(key8: string): void {
    this.#asked.delete(key8)
    this.#askQueue.delete(key8)
  }

  #advance(key: DocKey, event: DocumentEvent): DocumentState {
    const next = step<DocumentState, DocumentEvent>(documentTable, this.state(key), event)
    if (next === 'refuse') throw new Error('document machine has no refusals')
    if (next === 'settled') this.#documents.delete(key)
    else this.#documents.set(key, next)
    return next
  }
}
