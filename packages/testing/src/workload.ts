// What people do to documents: one random local edit at a time on a plain Y.Doc, over every shared type that Syncline carries, with formats,
// embeds, astral characters, boundaries inside surrogate pairs, undo and large pastes. Decides nothing about time. Read by world.ts.

import * as Y from 'yjs'
import type { Counters } from './counters.ts'
import type { Random } from './random.ts'

export interface WorkloadProfile {
  /** Edits whose boundary may fall inside a surrogate pair: their documents are excepted from content comparison. */
  readonly midPair: boolean
  /** Inserts larger than a row: how many are left, and of what size. */
  bigInserts: number
  readonly bigBytes: number
}

/** Origin of local edits, tracked by undo managers. */
export const LOCAL_EDIT = 'local-edit'

const WORDS = ['alpha ', 'beta', ' gamma', 'δέλτα ', 'εψιλον', 'x', '.', '\n', '    ', 'naïve ', 'שלום', '中文', 'e\u0301']
const ASTRAL = ['😀', '👩‍👩‍👧', '𝒳', '🇩🇪', '🏽', '😀😀😀', 'a😀b']
const KEYS = ['title', 'state', 'k', 'ключ', '😀']

const WEIGHTS = { textInsert: 30, textDelete: 12, format: 12, embed: 3, map: 12, array: 8, xml: 8, undo: 5, several: 3, big: 1 } as const
type EditKind = keyof typeof WEIGHTS

export function rootsOf(doc: Y.Doc): { text: Y.Text; map: Y.Map<unknown>; array: Y.Array<unknown>; xml: Y.XmlFragment } {
  return { text: doc.getText('text'), map: doc.getMap('map'), array: doc.getArray('array'), xml: doc.getXmlFragment('xml') }
}

/** One document as its author sees it. */
export class Author {
  readonly doc: Y.Doc
  /** An edit of this document had a boundary inside a surrogate pair. */
  onMidPair: () => void = () => undefined
  readonly #random: Random
  readonly #profile: WorkloadProfile
  readonly #counters: Counters
  #undo: Y.UndoManager | null = null

  constructor(doc: Y.Doc, random: Random, profile: WorkloadProfile, counters: Counters) {
    this.doc = doc
    this.#random = random
    this.#profile = profile
    this.#counters = counters
  }

  /** Carries out one random edit. */
  edit(): void {
    this.#counters.add('operation')
    const kind = this.#random.weighted(WEIGHTS)
    if (kind === 'undo') this.#undoOrRedo()
    else this.doc.transact(() => this.#apply(kind), LOCAL_EDIT)
  }

  destroy(): void {
    this.#undo?.destroy()
    this.doc.destroy()
  }

  #apply(kind: EditKind): void {
    const { text, map, array, xml } = rootsOf(this.doc)
    if (kind === 'textInsert') this.#insertText(this.#someText(text))
    else if (kind === 'textDelete') this.#deleteText(this.#someText(text))
    else if (kind === 'format') this.#format(text)
    else if (kind === 'embed') this.#embed(text)
    else if (kind === 'map') this.#editMap(map)
    else if (kind === 'array') this.#editArray(array)
    else if (kind === 'xml') this.#editXml(xml)
    else if (kind === 'big') this.#insertBig(text)
    else for (let i = 0; i < 3; i++) this.#apply(this.#random.weighted({ textInsert: 3, textDelete: 2, map: 2, array: 1, xml: 1 }))
  }

  /** Mostly the root text, sometimes one nested in the map. */
  #someText(root: Y.Text): Y.Text {
    if (!this.#random.chance(0.15)) return root
    const nested = this.doc.getMap('map').get('nested')
    return nested instanceof Y.Text ? nested : root
  }

  #insertText(text: Y.Text): void {
    const position = this.#position(text)
    this.#counters.add('text insert')
    if (this.#random.chance(0.2)) {
      this.#counters.add('astral')
      text.insert(position, this.#random.pick(ASTRAL))
    } else if (this.#random.chance(0.15)) {
      text.insert(position, this.#random.pick(WORDS), { bold: true })
    } else {
      text.insert(position, this.#random.pick(WORDS))
    }
  }

  #deleteText(text: Y.Text): void {
    const [from, to] = this.#span(text, 8)
    if (to === from) return
    this.#counters.add('text delete')
    text.delete(from, to - from)
  }

  #format(text: Y.Text): void {
    const [from, to] = this.#span(text, 12)
    if (to === from) return
    this.#counters.add('format')
    const attributes = this.#random.pick([
      { bold: true },
      { bold: null },
      { italic: true },
      { italic: null },
      { color: '#f00' },
      { color: null },
    ])
    text.format(from, to - from, attributes)
  }

  #embed(text: Y.Text): void {
    this.#counters.add('embed')
    text.insertEmbed(this.#position(text), { image: this.#random.pick(WORDS) })
  }

  #insertBig(text: Y.Text): void {
    if (this.#profile.bigInserts === 0) return this.#insertText(text)
    this.#profile.bigInserts--
    this.#counters.add('big insert')
    const line = `${this.#random.uint32().toString(36)} `
    text.insert(this.#position(text), line.repeat(Math.ceil(this.#profile.bigBytes / line.length)))
  }

  #editMap(root: Y.Map<unknown>): void {
    this.#counters.add('map')
    const nested = root.get('inner')
    const map = nested instanceof Y.Map && this.#random.chance(0.4) ? (nested as Y.Map<unknown>) : root
    const what = this.#random.weighted({ set: 8, delete: 3, nestText: 1, nestMap: 2 })
    const key = this.#random.pick(KEYS)
    if (what === 'set') map.set(key, this.#random.chance(0.05) ? 10n ** 15n : this.#value())
    else if (what === 'delete') map.delete(this.#random.chance(0.2) ? this.#random.pick(['inner', 'nested']) : key)
    else {
      this.#counters.add('nested type')
      if (what === 'nestText') map.set('nested', new Y.Text(this.#random.pick(WORDS)))
      else map.set('inner', new Y.Map([[key, this.#value()]]))
    }
  }

  #value(): unknown {
    const values = [1, -2.5, 2 ** 40, true, null, 'text', '😀', { a: [1, { b: null }] }, [1, 2], new Uint8Array([1, 2, 3])]
    return this.#random.pick(values)
  }

  #editArray(array: Y.Array<unknown>): void {
    this.#counters.add('array')
    if (array.length > 0 && this.#random.chance(0.35)) {
      const from = this.#random.below(array.length)
      array.delete(from, Math.min(array.length - from, this.#random.between(1, 3)))
    } else if (this.#random.chance(0.15)) {
      this.#counters.add('nested type')
      array.insert(this.#random.below(array.length + 1), [new Y.Map([['done', this.#random.chance(0.5)]])])
    } else {
      array.insert(this.#random.below(array.length + 1), [this.#value(), this.#random.below(100)])
    }
  }

  #editXml(root: Y.XmlFragment): void {
    this.#counters.add('xml')
    const child = root.length === 0 ? null : root.get(this.#random.below(root.length))
    if (child === null || this.#random.chance(0.35)) {
      const at = this.#random.below(root.length + 1)
      root.insert(at, [this.#random.chance(0.5) ? new Y.XmlElement('p') : new Y.XmlText(this.#random.pick(WORDS))])
      return
    }
    if (this.#random.chance(0.15)) root.delete(this.#random.below(root.length), 1)
    else if (child instanceof Y.XmlText) child.insert(this.#random.below(child.length + 1), this.#random.pick(WORDS))
    else if (child instanceof Y.XmlElement && this.#random.chance(0.5))
      child.setAttribute(this.#random.pick(['id', 'class']), this.#random.pick(WORDS))
    else if (child instanceof Y.XmlElement) child.insert(0, [new Y.XmlText(this.#random.pick(ASTRAL))])
  }

  #undoOrRedo(): void {
    if (this.#undo === null) {
      const { text, map } = rootsOf(this.doc)
      this.#undo = new Y.UndoManager([text, map], { trackedOrigins: new Set([LOCAL_EDIT]), captureTimeout: 0 })
      return this.doc.transact(() => this.#insertText(text), LOCAL_EDIT)
    }
    const done = this.#random.chance(0.7) ? this.#undo.undo() : this.#undo.redo()
    if (done !== null) this.#counters.add('undo')
  }

  /** A position between two code points; inside a pair where the profile allows it. */
  #position(text: Y.Text): number {
    return this.#snap(text, this.#random.below(text.length + 1), false)
  }

  #span(text: Y.Text, longest: number): [number, number] {
    const from = this.#random.below(text.length + 1)
    const to = Math.min(text.length, from + this.#random.between(1, longest))
    return [this.#snap(text, from, false), this.#snap(text, to, true)]
  }

  #snap(text: Y.Text, position: number, up: boolean): number {
    if (!isInsidePair(text, position)) return position
    if (!this.#profile.midPair || !this.#random.chance(0.5)) return up ? position + 1 : position - 1
    this.#counters.add('mid-pair')
    this.onMidPair()
    return position
  }
}

/** Whether the boundary before `position` has both halves of one pair on its sides. Embeds count 1, as in Y.Text. */
function isInsidePair(text: Y.Text, position: number): boolean {
  let at = 0
  let before = 0
  for (let item = text._start; item !== null; item = item.right) {
    if (item.deleted || !item.countable) continue
    if (item.content instanceof Y.ContentString) {
      const { str } = item.content
      if (position - at < str.length) {
        const low = str.charCodeAt(position - at)
        const high = position === at ? before : str.charCodeAt(position - at - 1)
        return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000
      }
      before = str.charCodeAt(str.length - 1)
    } else {
      if (position === at) return false
      before = 0
    }
    at += item.length
  }
  return false
}
