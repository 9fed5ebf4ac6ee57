// The shape of a user's documents, as plain data: which roots there are, of which shared types, holding what, to any depth. Decides what is a
// well-formed schema and says in words what is wrong with one that is not. Read by places.ts, draw-value.ts, resolve.ts and fuzz-schema.ts.
// Rule: TS-6.

import { SynclineError } from '@syncline/protocol'
import type { Json } from './workload.ts'

/** What a Y.Map, Y.Array or record may hold as a plain value. `json`: any JSON. `value`: JSON, bytes and bigint. `oneOf`: one of `values`. */
export type LeafType =
  | { readonly type: 'string' | 'number' | 'boolean' | 'bigint' | 'bytes' | 'json' | 'value' }
  | { readonly type: 'oneOf'; readonly values: readonly Json[] }

/** Format name to the values it takes, null (cleared) aside. */
export type Formats = { readonly [name: string]: readonly Json[] }

export interface TextType {
  readonly type: 'text'
  readonly formats: Formats
  readonly embeds: boolean
}

/** Y.Map: fixed fields, and what any other key may hold (null: there are no other keys). */
export interface MapType {
  readonly type: 'map'
  readonly fields: { readonly [key: string]: SchemaType }
  readonly others: SchemaType | null
}

export interface ArrayType {
  readonly type: 'array'
  readonly of: SchemaType
}

/** Y.XmlFragment with elements and texts, which nest by themselves. */
export interface XmlType {
  readonly type: 'xml'
  readonly elements: readonly string[]
  readonly attributes: readonly string[]
  readonly formats: Formats
}

export interface EitherType {
  readonly type: 'either'
  readonly of: readonly SchemaType[]
}

export type SharedType = TextType | MapType | ArrayType | XmlType
export type SchemaType = LeafType | SharedType | EitherType

/** Root name to shared type: plain JSON, so it can be stored beside the documents that it describes. */
export type Schema = { readonly [root: string]: SharedType }

export const string = (): LeafType => ({ type: 'string' })
export const number = (): LeafType => ({ type: 'number' })
export const boolean = (): LeafType => ({ type: 'boolean' })
export const bigint = (): LeafType => ({ type: 'bigint' })
export const bytes = (): LeafType => ({ type: 'bytes' })
/** Any JSON. */
export const json = (): LeafType => ({ type: 'json' })
/** Anything that fits where no shared type is: JSON, bytes, bigint. */
export const value = (): LeafType => ({ type: 'value' })
/** One of these values, such as the states of a task. */
export const oneOf = (...values: readonly Json[]): LeafType => ({ type: 'oneOf', values })

/** Y.Text. `formats`: names (set to true), or names with the values they take. `embeds`: whether objects may be embedded. */
export function text(options: { readonly formats?: readonly string[] | Formats; readonly embeds?: boolean } = {}): TextType {
  return { type: 'text', formats: formatsOf(options.formats), embeds: options.embeds ?? false }
}

/** Y.Map with fixed fields; `others` says what further keys may hold. */
export function map(fields: { readonly [key: string]: SchemaType }, options: { readonly others?: SchemaType } = {}): MapType {
  return { type: 'map', fields, others: options.others ?? null }
}

/** Y.Map from any key to one type. */
export function record(of: SchemaType): MapType {
  return { type: 'map', fields: {}, others: of }
}

/** Y.Array of one type; of several with `either`. */
export function array(of: SchemaType): ArrayType {
  return { type: 'array', of }
}

/** Y.XmlFragment. `elements`: names of elements, which nest in each other and hold texts. `attributes`: theirs. `formats`: of its texts. */
export function xml(
  options: {
    readonly elements?: readonly string[]
    readonly attributes?: readonly string[]
    readonly formats?: readonly string[] | Formats
  } = {},
): XmlType {
  return {
    type: 'xml',
    elements: options.elements ?? [],
    attributes: options.attributes ?? [],
    formats: formatsOf(options.formats),
  }
}

/** A place where several types may stand: at most one of each shared type, so that what is found tells which one it is. */
export function either(...of: readonly SchemaType[]): EitherType {
  return { type: 'either', of }
}

function formatsOf(formats: readonly string[] | Formats | undefined): Formats {
  if (formats === undefined) return {}
  if (!Array.isArray(formats)) return formats as Formats
  return Object.fromEntries((formats as readonly string[]).map((name) => [name, [true]]))
}

/** Checks a schema, built with the functions of this file or read from JSON, and returns it. Throws `argument-invalid`, naming the place and what is wrong with it. */
export function schema<S extends Schema>(roots: S): S {
  if (!isPlainObject(roots)) throw refused('schema', 'is an object from root names to shared types')
  const names = Object.keys(roots)
  if (names.length === 0) throw refused('schema', 'has at least one root')
  for (const name of names) {
    checkName(name, `root ${JSON.stringify(name)}`)
    const root: unknown = roots[name]
    const where = `root ${JSON.stringify(name)}`
    checkType(root, where, 0)
    if (!isShared(root as SchemaType)) throw refused(where, 'is a text, map, record, array or xml: a root of a Y.Doc holds no plain value')
  }
  return roots
}

export function isShared(type: SchemaType): type is SharedType {
  return type.type === 'text' || type.type === 'map' || type.type === 'array' || type.type === 'xml'
}

/** What may stand at a place: one type, or those of `either`. */
export function choicesOf(type: SchemaType): readonly (LeafType | SharedType)[] {
  return type.type === 'either' ? type.of.flatMap(choicesOf) : [type]
}

/** The type behind a key of a map; undefined where the map has no such key. */
export function fieldOf(type: MapType, key: string): SchemaType | undefined {
  if (Object.hasOwn(type.fields, key)) return type.fields[key]
  return key === '__proto__' ? undefined : (type.others ?? undefined)
}

/** Deeper types than this come from a mistake: no document of people is nested so. The gate's own bound is above it. */
const DEPTH_MAX = 32

const LEAVES: ReadonlySet<unknown> = new Set(['string', 'number', 'boolean', 'bigint', 'bytes', 'json', 'value'])

function checkType(type: unknown, where: string, depth: number): void {
  if (depth > DEPTH_MAX) throw refused(where, `is nested deeper than ${DEPTH_MAX} types, or contains itself`)
  if (!isPlainObject(type)) throw refused(where, `is a type such as text() or map({ ... }), not ${describe(type)}`)
  const kind = type['type']
  if (LEAVES.has(kind)) return
  if (kind === 'oneOf') checkOneOf(type['values'], where)
  else if (kind === 'text') checkText(type, where)
  else if (kind === 'map') checkMap(type, where, depth)
  else if (kind === 'array') checkItem(type['of'], `${where}, item`, depth + 1)
  else if (kind === 'xml') checkXml(type, where)
  else if (kind === 'either') checkEither(type['of'], where, depth)
  else throw refused(where, `has the unknown type ${describe(kind)}`)
}

function checkItem(type: unknown, where: string, depth: number): void {
  checkType(type, where, depth)
  if (choicesOf(type as SchemaType).some((choice) => choice.type === 'bigint'))
    throw refused(where, 'is a bigint, which Yjs takes in maps but not in a Y.Array')
}

function checkOneOf(values: unknown, where: string): void {
  if (!Array.isArray(values) || values.length === 0) throw refused(where, 'is oneOf with at least one value')
  for (const item of values as unknown[])
    if (!isJson(item, 0)) throw refused(where, `is oneOf of JSON values, and ${describe(item)} is none`)
}

function checkText(type: Record<string, unknown>, where: string): void {
  checkFormats(type['formats'], where)
  if (typeof type['embeds'] !== 'boolean') throw refused(where, `has embeds true or false, not ${describe(type['embeds'])}`)
}

function checkFormats(formats: unknown, where: string): void {
  if (!isPlainObject(formats)) throw refused(where, 'has formats as names, or as an object from names to lists of values')
  for (const [name, values] of Object.entries(formats)) {
    checkName(name, `${where}, format ${JSON.stringify(name)}`)
    const fine = Array.isArray(values) && values.length > 0 && values.every((item) => item !== null && isJson(item, 0))
    if (!fine) throw refused(`${where}, format ${JSON.stringify(name)}`, 'has at least one JSON value, none of them null (null clears it)')
  }
}

function checkMap(type: Record<string, unknown>, where: string, depth: number): void {
  const { fields, others } = type
  if (!isPlainObject(fields)) throw refused(where, `is a map of fields, not of ${describe(fields)}`)
  for (const [key, field] of Object.entries(fields)) {
    const at = `${where}, field ${JSON.stringify(key)}`
    checkName(key, at)
    checkType(field, at, depth + 1)
  }
  if (others !== null) checkType(others, `${where}, other keys`, depth + 1)
  else if (Object.keys(fields).length === 0) throw refused(where, 'is a map without fields that allows no other keys')
}

function checkXml(type: Record<string, unknown>, where: string): void {
  for (const part of ['elements', 'attributes'] as const) {
    const names = type[part]
    if (!Array.isArray(names)) throw refused(where, `has ${part} as a list of names, not ${describe(names)}`)
    for (const name of names as unknown[]) checkName(name, `${where}, ${part}`)
  }
  checkFormats(type['formats'], where)
}

function checkEither(of: unknown, where: string, depth: number): void {
  if (!Array.isArray(of) || of.length < 2) throw refused(where, 'is either of at least two types')
  const seen = new Set<string>()
  for (const type of of as unknown[]) {
    checkType(type, `${where}, choice`, depth + 1)
    for (const choice of choicesOf(type as SchemaType)) {
      if (!isShared(choice)) continue
      if (seen.has(choice.type)) throw refused(where, `is either of two ${choice.type} types, which cannot be told apart in a document`)
      seen.add(choice.type)
    }
  }
}

function checkName(name: unknown, where: string): void {
  if (typeof name !== 'string' || name === '') throw refused(where, `has a name of at least one character, not ${describe(name)}`)
  if (!name.isWellFormed()) throw refused(where, 'has a name with half a surrogate pair, which no other replica would read as written')
  if (name === '__proto__') throw refused(where, 'is named __proto__, which replicas refuse')
}

function isJson(item: unknown, depth: number): item is Json {
  if (depth > DEPTH_MAX) return false
  if (item === null || typeof item === 'boolean') return true
  if (typeof item === 'string') return item.isWellFormed()
  if (typeof item === 'number') return Number.isFinite(item)
  if (Array.isArray(item)) return item.every((part) => isJson(part, depth + 1))
  return isPlainObject(item) && Object.entries(item).every(([key, part]) => key !== '__proto__' && isJson(part, depth + 1))
}

function isPlainObject(item: unknown): item is Record<string, unknown> {
  if (typeof item !== 'object' || item === null) return false
  const prototype: unknown = Object.getPrototypeOf(item)
  return prototype === Object.prototype || prototype === null
}

function describe(item: unknown): string {
  if (typeof item === 'function') return 'a function (was the call forgotten?)'
  if (Array.isArray(item)) return 'a list'
  if (typeof item === 'object' && item !== null) return 'an object'
  return typeof item === 'string' ? JSON.stringify(item) : String(item)
}

function refused(where: string, what: string): SynclineError {
  return new SynclineError('argument-invalid', `schema: ${where === 'schema' ? 'it' : where} ${what}`)
}
