// The workload of a schema: random edits of every kind that its types allow, undo and redo included. Decides the mix of kinds and what counts as a
// change. `everything` is the workload of Syncline's own simulator. Read by the simulator, by users and by the tests. Rules: TS-1 to TS-5, TS-7.

import { SynclineError } from '@syncline/protocol'
import * as Y from 'yjs'
import type { Random } from '../random.ts'
import { canonical } from './canonical.ts'
import {
  drawnBigInsert,
  drawnKinds,
  nestsInArrays,
  WEIGHTS,
  type Drawing,
  type DrawnKind,
  type EditKindOfSchema,
  type PlacedKind,
} from './draw-edit.ts'
import { performEdit } from './perform-edit.ts'
import { findRoot, getRoot } from './resolve.ts'
import { array, boolean, either, map, record, schema as checked, text, value, xml, type Schema } from './schema.ts'
import { simplerSchemaEdit } from './simpler.ts'
import { KEYS, WORDS } from './words.ts'
import type { Author, Edit, Workload } from './workload.ts'

export type { EditKindOfSchema } from './draw-edit.ts'

export interface FuzzOptions {
  /** Default: fuzz. */
  readonly name?: string
  /** How often each kind is drawn, in proportion; 0 leaves it out. Kinds not named keep their usual weight. */
  readonly weights?: Partial<Record<EditKindOfSchema, number>>
  /** Whether authors undo and redo; default true. The first undo of an author starts the watching and undoes nothing. */
  readonly undo?: boolean
  /** Keys of records. */
  readonly keys?: readonly string[]
  /** Words of texts; astral characters are mixed in. */
  readonly words?: readonly string[]
  /** Boundaries inside a surrogate pair: Yjs replicas then end with different text (the known exception of CV-1). Default false. */
  readonly midPair?: boolean
  /** Long inserts: the chance of each edit to be one, and its bytes. */
  readonly big?: { readonly chance: number; readonly bytes: number }
}

/** Random edits over all that a schema allows. Throws `argument-invalid` for a malformed schema, or weights under which no edit is left. */
export function fuzzSchema(schema: Schema, options: FuzzOptions = {}): Workload {
  checked(schema)
  const drawing: Drawing = {
    keys: named('keys', options.keys ?? KEYS),
    words: named('words', options.words ?? WORDS),
    midPair: options.midPair ?? false,
  }
  const mix = new Mix(schema, drawing, options)
  const roots = Object.keys(schema).toSorted()
  return {
    name: options.name ?? 'fuzz',
    situations: mix.situations(),
    draw: (random) => mix.draw(random),
    perform: (edit, author) => perform(schema, drawing.midPair, edit, author),
    roots(doc) {
      for (const name of roots) getRoot(doc, name, schema[name]!.type)
    },
    visible(doc) {
      return `{${roots.map((name) => `${JSON.stringify(name)}:${canonical(getRoot(doc, name, schema[name]!.type))}`).join(',')}}`
    },
    simpler: simplerSchemaEdit,
  }
}

/** Every shared type that Syncline carries, alone and nested. */
export const everythingSchema: Schema = (() => {
  const formats = { bold: [true], italic: [true], color: ['#f00'] }
  return {
    text: text({ formats, embeds: true }),
    map: map({ nested: text({ formats, embeds: true }), inner: record(value()) }, { others: value() }),
    array: array(either(value(), map({ done: boolean() }))),
    xml: xml({ elements: ['p'], attributes: ['id', 'class'], formats: { bold: [true] } }),
  }
})()

/** The workload of Syncline's own simulator: all edits of all types. */
export function everything(options: FuzzOptions = {}): Workload {
  return fuzzSchema(everythingSchema, { name: 'everything', ...options })
}

function perform(schema: Schema, midPair: boolean, edit: Edit, author: Author): boolean {
  if (edit.kind === 'undo' || edit.kind === 'redo') return undoOrRedo(schema, edit.kind, author)
  const met = new Set<string>()
  let changed = false
  author.doc.transact((transaction) => {
    performEdit({ schema, doc: author.doc, midPair, met: (situation) => met.add(situation) }, edit)
    changed = transaction.changed.size > 0
  }, author.origin)
  // A format that changes nothing may still split a surrogate pair in this Y.Doc (ADR 0007).
  for (const situation of met) if (changed || situation === 'mid-pair') author.met(situation)
  return changed
}

/** A redo with nothing to bring back undoes first, since the author's next edit would leave none: drawn alone, a redo would seldom do anything. */
function undoOrRedo(schema: Schema, kind: 'undo' | 'redo', author: Author): boolean {
  const undo = author.keep('undo', () => {
    const types = Object.entries(schema).flatMap(([name, { type }]) => findRoot(author.doc, name, type) ?? [])
    return new Y.UndoManager(types, { doc: author.doc, trackedOrigins: new Set([author.origin]), captureTimeout: 0 })
  })
  const undone = kind === 'undo' || !undo.canRedo() ? undo.undo() : null
  const redone = kind === 'redo' ? undo.redo() : null
  if (undone === null && redone === null) return false
  author.met('undo')
  return true
}

/** Which kinds there are, and how often each is drawn. */
class Mix {
  readonly #schema: Schema
  readonly #drawing: Drawing
  readonly #kinds: ReadonlyMap<PlacedKind, DrawnKind>
  readonly #weights: Partial<Record<EditKindOfSchema, number>>
  /** Without undo, redo and several: what one transaction can hold more than once. */
  readonly #placedWeights: Partial<Record<PlacedKind, number>>
  readonly #big: { readonly chance: number; readonly kind: DrawnKind } | null

  constructor(schema: Schema, drawing: Drawing, options: FuzzOptions) {
    this.#schema = schema
    this.#drawing = drawing
    this.#kinds = drawnKinds(schema, drawing)
    const wanted = { ...WEIGHTS, ...checkedWeights(options.weights ?? {}) }
    const placed = Object.entries(wanted).filter(([kind, weight]) => weight > 0 && this.#kinds.has(kind as PlacedKind))
    if (placed.length === 0) throw new SynclineError('argument-invalid', 'fuzzSchema: no kind of edit is left that fits the schema')
    this.#placedWeights = Object.fromEntries(placed)
    const undo = (options.undo ?? true) ? { undo: wanted.undo, redo: wanted.redo } : {}
    this.#weights = { ...this.#placedWeights, ...undo, several: wanted.several }
    const big = options.big === undefined ? null : drawnBigInsert(schema, drawing, options.big.bytes)
    this.#big = options.big === undefined || big === null ? null : { chance: options.big.chance, kind: big }
  }

  draw(random: Random): Edit {
    if (this.#big !== null && random.chance(this.#big.chance)) return this.#big.kind.draw(random)
    const kind = random.weighted(this.#weights as Record<EditKindOfSchema, number>)
    if (kind === 'undo' || kind === 'redo') return { kind }
    if (kind === 'several') return { kind, edits: Array.from({ length: random.between(2, 4) }, () => this.#drawPlaced(random)) }
    return this.#kinds.get(kind)!.draw(random)
  }

  #drawPlaced(random: Random): Edit {
    return this.#kinds.get(random.weighted(this.#placedWeights as Record<PlacedKind, number>))!.draw(random)
  }

  situations(): string[] {
    const kinds = Object.keys(this.#placedWeights) as PlacedKind[]
    const some = new Set(kinds.flatMap((kind) => situationsOf[kind]))
    const makes = kinds.some((kind) => makesOnTheWay.has(kind) && this.#kinds.get(kind)!.makes)
    if (makes || (this.#placedWeights['array.insert'] !== undefined && nestsInArrays(this.#schema))) some.add('nested type')
    if (this.#drawing.midPair && some.has('astral')) some.add('mid-pair')
    if ((this.#weights.undo ?? 0) > 0) some.add('undo')
    if (this.#big !== null && this.#big.chance > 0) some.add('big insert')
    return [...some]
  }
}

const situationsOf: { readonly [K in PlacedKind]: readonly string[] } = {
  'text.insert': ['text insert', 'astral'],
  'text.delete': ['text delete'],
  'text.format': ['format'],
  'text.embed': ['embed'],
  'map.set': ['map'],
  'map.delete': ['map'],
  'map.nest': ['map', 'nested type'],
  'array.insert': ['array'],
  'array.delete': ['array'],
  'array.move': ['array'],
  'xml.insert': ['xml'],
  'xml.delete': ['xml'],
  'xml.attribute': ['xml'],
  'xml.text': ['xml', 'astral'],
  'xml.format': ['xml'],
}

/** Kinds that make missing types on the way to their place (perform-edit.ts). */
const makesOnTheWay: ReadonlySet<PlacedKind> = new Set<PlacedKind>([
  'text.insert',
  'text.embed',
  'map.set',
  'map.nest',
  'array.insert',
  'xml.insert',
  'xml.text',
])

function checkedWeights(weights: Partial<Record<EditKindOfSchema, number>>): Partial<Record<EditKindOfSchema, number>> {
  for (const [kind, weight] of Object.entries(weights)) {
    if (!Object.hasOwn(WEIGHTS, kind))
      throw new SynclineError('argument-invalid', `fuzzSchema: ${kind} is no kind of edit; there are ${Object.keys(WEIGHTS).join(', ')}`)
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw new SynclineError('argument-invalid', `fuzzSchema: the weight of ${kind} is 0 or a positive number, not ${weight}`)
  }
  return weights
}

function named(option: string, words: readonly string[]): readonly string[] {
  const bad = words.find((word) => word === '' || word === '__proto__' || !word.isWellFormed())
  if (words.length === 0 || bad !== undefined)
    throw new SynclineError('argument-invalid', `fuzzSchema: ${option} are some texts, none of them empty, __proto__ or ill-formed`)
  return words
}
