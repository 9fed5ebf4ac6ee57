// Random editing sessions of several authors, as honest as Yjs can make them: every content type, offline stretches, undo, collection on or off.
// Gives the updates that the authors' documents emitted. The differential tests and the gate's fuzz read it.

import * as Y from 'yjs'
import { Knowledge } from '../src/knowledge.ts'
import { splitAdmissible } from '../src/update-parts.ts'
import { isRefusal, judge, walkUpdate, type UpdateFacts } from '../src/update-walker.ts'
import type { Random } from './random.ts'

export interface HistoryOptions {
  readonly authors?: number
  readonly steps?: number
  /** Positions may fall between the halves of a surrogate pair. */
  readonly midPair?: boolean
  /** Astral characters in the texts. */
  readonly astral?: boolean
  /** Authors collect garbage; mixed: some do. */
  readonly gc?: boolean | 'mixed'
  /** Largest client id; up to 2^53-1. */
  readonly clientMax?: number
  /** How authors sync. state: documents encode what they hold, as stock providers do. log: documents get the bytes that were first emitted, and what
   *  Yjs derives while it applies them enters the log as deletes only, as replicas do. Default: state. */
  readonly sync?: 'state' | 'log'
}

/** One `update` event (in log mode, what entered the log of it). `derived`: Yjs made it while it applied somebody else's update. */
export interface HistoryEvent {
  readonly author: number
  readonly update: Uint8Array
  readonly derived: boolean
}

export interface History {
  readonly docs: readonly Y.Doc[]
  /** In the order they happened, over all authors: causally closed at every point when all of them are delivered. */
  readonly events: readonly HistoryEvent[]
}

/** Edits for `steps` steps; authors sync in pairs now and then, at the end all with all. */
export function randomHistory(random: Random, options: HistoryOptions = {}): History {
  const { authors = 3, steps = 40, gc = 'mixed' } = options
  const docs = Array.from({ length: authors }, () => {
    const doc = new Y.Doc({ gc: gc === 'mixed' ? random.chance(0.5) : gc })
    doc.clientID = clientId(random, options.clientMax ?? 2 ** 42)
    return doc
  })
  const wire = options.sync === 'log' ? new LogSync(docs) : new StateSync(docs)
  const undo = docs.map(
    (doc) => new Y.UndoManager([doc.getText('text'), doc.getMap('map'), doc.getArray('array')], { captureTimeout: 0, doc }),
  )
  for (let step = 0; step < steps; step++) {
    const author = random.below(authors)
    if (random.chance(0.2)) {
      const other = random.below(authors)
      wire.send(author, other)
      if (random.chance(0.7)) wire.send(other, author)
    } else if (random.chance(0.06)) undo[author]!.undo()
    else if (random.chance(0.03)) undo[author]!.redo()
    else docs[author]!.transact(() => editSeveral(random, docs[author]!, options))
  }
  wire.settle()
  for (const manager of undo) manager.destroy()
  return { docs, events: wire.events }
}

class StateSync {
  readonly events: HistoryEvent[] = []
  private readonly docs: readonly Y.Doc[]

  constructor(docs: readonly Y.Doc[]) {
    this.docs = docs
    for (const [author, doc] of docs.entries()) {
      doc.on('update', (update: Uint8Array, origin: unknown) => this.events.push({ author, update, derived: origin === 'remote' }))
    }
  }

  send(from: number, to: number): void {
    if (from !== to) syncPair(this.docs[from]!, this.docs[to]!, true)
  }

  settle(): void {
    syncAll(this.docs)
  }
}

class LogSync {
  readonly events: HistoryEvent[] = []
  private readonly docs: readonly Y.Doc[]
  /** Per author: what its replica knows, and the events it has, in the order it got them. */
  private readonly stores: readonly { knowledge: Knowledge; log: number[] }[]

  constructor(docs: readonly Y.Doc[]) {
    this.docs = docs
    this.stores = docs.map(() => ({ knowledge: new Knowledge(), log: [] }))
    for (const [author, doc] of docs.entries()) {
      doc.on('update', (update: Uint8Array, origin: unknown) => this.append(author, update, origin === 'remote'))
    }
  }

  send(from: number, to: number): void {
    const target = this.stores[to]!
    for (const event of this.stores[from]!.log.slice()) {
      if (target.log.includes(event)) continue
      target.log.push(event)
      const { update } = this.events[event]!
      const facts = factsOf(update)
      if (judge(facts, target.knowledge).kind === 'new') target.knowledge.admit(facts)
      Y.applyUpdate(this.docs[to]!, update, 'remote')
    }
  }

  settle(): void {
    for (let before = -1; before !== this.events.length;) {
      before = this.events.length
      for (const from of this.docs.keys()) for (const to of this.docs.keys()) this.send(from, to)
    }
  }

  private append(author: number, emitted: Uint8Array, derived: boolean): void {
    const { knowledge, log } = this.stores[author]!
    const update = derived ? splitAdmissible(emitted, factsOf(emitted), knowledge).ready : emitted
    if (update === null) return
    const facts = factsOf(update)
    if (judge(facts, knowledge).kind !== 'new') return
    knowledge.admit(facts)
    log.push(this.events.length)
    this.events.push({ author, update, derived })
  }
}

function factsOf(update: Uint8Array): UpdateFacts {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) throw new Error(`an honest update was refused: ${facts.reason}`)
  return facts
}

/** Brings both to the same state; `oneWay`: only `b` learns. */
export function syncPair(a: Y.Doc, b: Y.Doc, oneWay = false): void {
  if (a === b) return
  Y.applyUpdate(b, Y.encodeStateAsUpdate(a, Y.encodeStateVector(b)), 'remote')
  if (!oneWay) Y.applyUpdate(a, Y.encodeStateAsUpdate(b, Y.encodeStateVector(a)), 'remote')
}

/** Until nobody learns anything new: Yjs derives deletes while it applies, so one round is not enough. */
export function syncAll(docs: readonly Y.Doc[]): void {
  for (let round = 0; round < 6; round++) {
    for (const a of docs) for (const b of docs) syncPair(a, b)
    const first = Y.snapshot(docs[0]!)
    if (docs.every((doc) => Y.equalSnapshots(first, Y.snapshot(doc)))) return
  }
}

function clientId(random: Random, max: number): number {
  return 1 + ((random.word() * 0x200000 + (random.word() >>> 11)) % max)
}

function editSeveral(random: Random, doc: Y.Doc, options: HistoryOptions): void {
  for (let left = random.pick([1, 1, 1, 2, 4]); left > 0; left--) edit(random, doc, options)
}

/** One random edit anywhere in the document. */
export function edit(random: Random, doc: Y.Doc, options: HistoryOptions): void {
  const kind = random.below(16)
  if (kind < 6) editText(random, random.pick(textsOf(doc)), options)
  else if (kind < 9) editArray(random, random.pick(arraysOf(doc)), options)
  else if (kind < 12) editMap(random, random.pick(mapsOf(doc)), options)
  else if (kind < 15) editXml(random, doc.getXmlFragment('xml'), options)
  else insertLegacyJson(random, doc)
}

function editText(random: Random, text: Y.Text, options: HistoryOptions): void {
  const length = text.length
  const at = position(random, text, options)
  const kind = random.below(12)
  if (kind < 5 || length === 0) {
    if (random.chance(0.2)) text.insert(at, someText(random, options), { bold: random.chance(0.5) ? true : null })
    else text.insert(at, someText(random, options))
  } else if (kind < 8) {
    const to = position(random, text, options)
    text.delete(Math.min(at, to), Math.abs(to - at))
  } else if (kind < 10) {
    const to = position(random, text, options)
    text.format(
      Math.min(at, to),
      Math.abs(to - at),
      random.pick([{ bold: true }, { bold: null }, { color: '#f00', size: 3 }, { link: { href: 'x', deep: [1, { a: null }] } }]),
    )
  } else if (kind < 11) {
    text.insertEmbed(
      at,
      random.chance(0.7) ? { image: someText(random, options), wide: random.chance(0.5), at: -1.5 } : new Y.Map([['k', 1]]),
    )
  } else {
    text.applyDelta([{ retain: at }, { insert: someText(random, options), attributes: { italic: true } }])
  }
}

function position(random: Random, text: Y.Text, options: HistoryOptions): number {
  const at = random.below(text.length + 1)
  if (options.midPair === true) return at
  const units = unitsOf(text)
  return isLow(units[at]) && isHigh(units[at - 1]) ? at + 1 : at
}

/** UTF-16 units of a text; embeds count as one unit 0. */
function unitsOf(text: Y.Text): number[] {
  const units: number[] = []
  for (const { insert } of text.toDelta() as { insert: unknown }[]) {
    if (typeof insert === 'string') for (let i = 0; i < insert.length; i++) units.push(insert.charCodeAt(i))
    else units.push(0)
  }
  return units
}

function isHigh(unit: number | undefined): boolean {
  return unit !== undefined && unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: number | undefined): boolean {
  return unit !== undefined && unit >= 0xdc00 && unit <= 0xdfff
}

function editArray(random: Random, array: Y.Array<unknown>, options: HistoryOptions): void {
  const at = random.below(array.length + 1)
  if (random.chance(0.3) && array.length > 0) {
    const from = random.below(array.length)
    array.delete(from, random.between(1, array.length - from + 1))
  } else if (random.chance(0.25)) {
    array.insert(at, [someType(random, options)])
  } else {
    array.insert(
      at,
      Array.from({ length: random.between(1, 5) }, () => someElement(random, options)),
    )
  }
}

function editMap(random: Random, map: Y.Map<unknown>, options: HistoryOptions): void {
  const key = random.pick(['a', 'b', 'c', '', 'ключ', '🗝'])
  if (random.chance(0.2)) map.delete(key)
  else if (random.chance(0.3)) map.set(key, someType(random, options))
  else map.set(key, someValue(random, options, 0))
}

function editXml(random: Random, fragment: Y.XmlFragment, options: HistoryOptions): void {
  let parent: Y.XmlFragment = fragment
  for (let hops = random.below(4); hops > 0 && parent.length > 0; hops--) {
    const child: unknown = parent.get(random.below(parent.length))
    if (child instanceof Y.XmlText) return editText(random, child, options)
    if (!(child instanceof Y.XmlElement)) break
    parent = child
  }
  if (parent instanceof Y.XmlElement && random.chance(0.3)) {
    const name = random.pick(['id', 'класс', 'href'])
    if (random.chance(0.2)) parent.removeAttribute(name)
    else parent.setAttribute(name, someText(random, options))
  } else if (parent.length > 0 && random.chance(0.25)) {
    parent.delete(random.below(parent.length), 1)
  } else {
    const child = random.pick([
      () => new Y.XmlElement(random.pick(['p', 'div', 'наз'])),
      () => new Y.XmlText(someText(random, options)),
      () => new Y.XmlElement('li'),
      () => new Y.XmlHook('hook') as unknown as Y.XmlElement,
    ])()
    parent.insert(random.below(parent.length + 1), [child])
  }
}

/** Content that Yjs 13 reads and rewrites but no longer makes. */
function insertLegacyJson(random: Random, doc: Y.Doc): void {
  doc.transact((transaction) => {
    const parent = doc.getArray('array')
    const right = parent._start
    const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID))
    const content = new Y.ContentJSON([{ z: 1, a: ['x', null] }, undefined, -2.5, 'юни🙂'].slice(random.below(3)))
    new Y.Item(id, null, null, right, right === null ? null : right.id, parent, null, content).integrate(transaction, 0)
    // positions that Y.Array remembers are past the insertion
    parent._searchMarker?.splice(0)
  })
}

const PLAIN = ['a', 'bc', 'hello ', 'line\n', 'été', '中文字', '\u{feff}x', 'e\u0301']
const ASTRAL = ['🙂', 'a🙂b', '👩‍👩‍👧', '𝒳𝒴']

function someText(random: Random, options: HistoryOptions): string {
  return random.pick(options.astral === false ? PLAIN : [...PLAIN, ...ASTRAL])
}

function someValue(random: Random, options: HistoryOptions, depth: number): unknown {
  const kind = random.below(depth > 2 ? 12 : 15)
  switch (kind) {
    case 0:
      return random.chance(0.5)
    case 1:
      return null
    case 2:
      return undefined
    case 3:
      return random.pick([0, -0, 1, -1, 63, 64, -64, 2 ** 31 - 1, -(2 ** 31) + 1])
    case 4:
      return random.pick([0.5, 0.1, 2 ** 40, -(2 ** 53) + 1, Number.NaN, Infinity, -Infinity, 1e300, 5e-324])
    case 5:
      return random.pick([0n, -1n, 2n ** 62n, -(2n ** 63n)])
    case 6:
      return Uint8Array.from({ length: random.below(5) }, () => random.below(256))
    case 12:
      return Array.from({ length: random.below(4) }, () => someValue(random, options, depth + 1))
    case 13:
    case 14: {
      const keys = random.shuffle(['z', 'a', '2', '10', 'é', 'toString', '']).slice(0, random.below(4))
      return Object.fromEntries(keys.map((key) => [key, someValue(random, options, depth + 1)]))
    }
    default:
      return someText(random, options)
  }
}

/** Y.Array takes undefined and bigints only inside a value. */
function someElement(random: Random, options: HistoryOptions): unknown {
  const value = someValue(random, options, 0)
  return value === undefined || typeof value === 'bigint' ? [value] : value
}

function someType(random: Random, options: HistoryOptions): unknown {
  switch (random.below(8)) {
    case 0:
      return new Y.Text(someText(random, options))
    case 1:
      return Y.Array.from([1, someText(random, options)])
    case 2:
      return new Y.Map([['k', someValue(random, options, 1)]])
    case 3:
      return new Y.XmlElement('section')
    case 4:
      return new Y.XmlText(someText(random, options))
    case 5:
      return new Y.XmlFragment()
    case 6:
      return Uint8Array.from({ length: random.below(9) }, () => random.below(256))
    default:
      return new Y.Doc({
        guid: `guid-${random.below(1000)}`,
        autoLoad: random.chance(0.3),
        gc: random.chance(0.7),
        meta: random.chance(0.5) ? { tag: 1 } : null,
      })
  }
}

function nested<T>(doc: Y.Doc, kind: new (...args: never[]) => T): T[] {
  const found: T[] = []
  for (const child of [...doc.getMap('map').values(), ...doc.getArray('array').toArray()]) if (child instanceof kind) found.push(child)
  return found
}

function textsOf(doc: Y.Doc): Y.Text[] {
  return [doc.getText('text'), doc.getText('text'), ...nested(doc, Y.Text)]
}

function arraysOf(doc: Y.Doc): Y.Array<unknown>[] {
  return [doc.getArray('array'), ...nested<Y.Array<unknown>>(doc, Y.Array)]
}

function mapsOf(doc: Y.Doc): Y.Map<unknown>[] {
  return [doc.getMap('map'), ...nested<Y.Map<unknown>>(doc, Y.Map)]
}
