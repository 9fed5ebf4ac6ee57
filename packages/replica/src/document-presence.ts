// The awareness of one open document: the own entry goes to the engine, others' entries come from it. Whose entry is whose is decided by the engine;
// here the own one is published once per change, and moves when the client id changes. Owned by open-document.ts. Rule: PR-1.

import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import type * as Y from 'yjs'

/** y-protocols numbers an entry from 0 and takes an unknown one only above that: the empty state that every Awareness starts with is seen by nobody. */
const UNSEEN_CLOCK = 0

export interface DocumentPresenceHost {
  /** Marks entries of others. */
  readonly origin: object
  publish(bytes: Uint8Array): void
  /** A listener threw. */
  report(error: unknown): void
}

export class DocumentPresence {
  readonly awareness: Awareness
  readonly #doc: Y.Doc
  readonly #host: DocumentPresenceHost
  #publishes: boolean
  #publishedClock = UNSEEN_CLOCK

  constructor(host: DocumentPresenceHost, doc: Y.Doc, publishes: boolean) {
    this.#host = host
    this.#doc = doc
    this.#publishes = publishes
    this.awareness = new Awareness(doc)
    // First listeners, of both events: a later one that throws on 'change' keeps 'update' from being told.
    this.awareness.on('change', this.#changed)
    this.awareness.on('update', this.#changed)
  }

  /** y-protocols bytes. Never throws. */
  apply(bytes: Uint8Array): void {
    this.#guarded(() => applyAwarenessUpdate(this.awareness, bytes, this.#host.origin))
  }

  /** The document has a new client id: the entry moves, removed and published in the same turn. */
  moveTo(clientId: number): void {
    const state = this.awareness.getLocalState()
    this.#guarded(() => removeAwarenessStates(this.awareness, [this.awareness.clientID], 'local'))
    this.#doc.clientID = clientId
    this.awareness.clientID = clientId
    this.#publishedClock = UNSEEN_CLOCK
    // Once to make the entry, once for a clock that others take.
    this.#guarded(() => this.awareness.setLocalState(state))
    if (state !== null) this.#guarded(() => this.awareness.setLocalState(state))
  }

  /** Takes the own entry back and stops. */
  leave(): void {
    try {
      this.awareness.destroy()
    } catch (error) {
      // A listener threw out of destroy() before it stopped its interval.
      clearInterval(this.awareness._checkInterval)
      this.#host.report(error)
    }
    this.#publishes = false
  }

  readonly #changed = (change: { added: number[]; updated: number[]; removed: number[] }): void => {
    const own = this.awareness.clientID
    if (change.added.includes(own) || change.updated.includes(own) || change.removed.includes(own)) this.#publish()
  }

  /** Once per clock: most changes are told twice, as 'change' and as 'update'. */
  #publish(): void {
    const own = this.awareness.clientID
    const clock = this.awareness.meta.get(own)?.clock ?? UNSEEN_CLOCK
    if (!this.#publishes || clock <= this.#publishedClock) return
    this.#publishedClock = clock
    this.#host.publish(encodeAwarenessUpdate(this.awareness, [own]))
  }

  #guarded(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#host.report(error)
    }
  }
}
