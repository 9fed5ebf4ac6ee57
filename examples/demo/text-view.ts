// What a shared text shows at one moment of the session, counted by place, and how a step is typed into it. Read by session-plan.ts and author.ts.
//
// A place is a character's index among all characters that are ever typed in the session, in final order, deleted ones included. It never changes,
// whereas a character's index in the text changes with every edit of anybody before it.

import type * as Y from 'yjs'

/** One edit, in places: delete those, then insert `text`. */
export interface Step {
  readonly deletes: readonly number[]
  /** One place for each character of `text`. */
  readonly inserts: readonly number[]
  readonly text: string
  /** How many steps of the other author this one builds on. */
  readonly needs: number
}

type PlaceState = 0 | 1 | 2
const [ABSENT, SHOWN, GONE] = [0, 1, 2] as const satisfies PlaceState[]

/** A set of visible places with their order statistics. Every question and every change costs a logarithm of the session's length. */
export class TextView {
  readonly #states: Uint8Array
  /** Binary indexed tree over the places: 1 for each visible one. */
  readonly #counts: Int32Array
  #length = 0

  constructor(places: number) {
    this.#states = new Uint8Array(places)
    this.#counts = new Int32Array(places + 1)
  }

  get length(): number {
    return this.#length
  }

  /** Takes a step in, whoever typed it. With `text`, types it there too: the text must show what this view shows. */
  take(step: Step, text?: Y.Text): void {
    for (const place of step.deletes) {
      if (this.#states[place] === SHOWN) {
        text?.delete(this.indexOf(place), 1)
        this.#count(place, -1)
      }
      this.#states[place] = GONE
    }
    if (step.text !== '') text?.insert(this.indexOf(step.inserts[0]!), step.text)
    for (const place of step.inserts) {
      if (this.#states[place] !== ABSENT) continue // the step that deletes it was taken in first
      this.#states[place] = SHOWN
      this.#count(place, 1)
    }
  }

  /** How many visible characters stand before `place`. */
  indexOf(place: number): number {
    let sum = 0
    for (let node = place; node > 0; node -= node & -node) sum += this.#counts[node]!
    return sum
  }

  /** The place of the visible character at `index`, or null past the ends. */
  placeAt(index: number): number | null {
    if (index < 0 || index >= this.#length) return null
    let place = 0
    let left = index
    for (let width = 1 << (31 - Math.clz32(this.#counts.length)); width > 0; width >>= 1) {
      const node = place + width
      if (node < this.#counts.length && this.#counts[node]! <= left) {
        place = node
        left -= this.#counts[node]!
      }
    }
    return place
  }

  #count(place: number, by: number): void {
    this.#length += by
    for (let node = place + 1; node < this.#counts.length; node += node & -node) this.#counts[node]! += by
  }
}
