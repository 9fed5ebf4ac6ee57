// From the path of an edit to the shared type in a document: walks schema and document side by side. Decides what a step means (a key in a map, a
// number modulo the length in an array or XML), which missing types are made on the way, and that anything else is passed over. Read by
// perform-edit.ts and fuzz-schema.ts. Rule: TS-3.

import * as Y from 'yjs'
import { wrapped } from './positions.ts'
import { choicesOf, fieldOf, isShared, type MapType, type Schema, type SchemaType, type SharedType } from './schema.ts'
import type { Json } from './workload.ts'
import { contentOf, isList } from './written.ts'

export interface Target {
  readonly shared: Y.AbstractType<unknown>
  readonly type: SharedType
  /** A missing type was made on the way. */
  readonly made: boolean
  /** Steps that lead on inside an XML fragment; empty for other types. */
  readonly rest: readonly Json[]
}

type Found = Omit<Target, 'rest'>

const rootGetters: { readonly [K in SharedType['type']]: (doc: Y.Doc, name: string) => Y.AbstractType<unknown> } = {
  text: (doc, name) => doc.getText(name) as Y.AbstractType<unknown>,
  map: (doc, name) => doc.getMap(name) as Y.AbstractType<unknown>,
  array: (doc, name) => doc.getArray(name) as Y.AbstractType<unknown>,
  xml: (doc, name) => doc.getXmlFragment(name) as Y.AbstractType<unknown>,
}

const rootClasses: { readonly [K in SharedType['type']]: unknown } = { text: Y.Text, map: Y.Map, array: Y.Array, xml: Y.XmlFragment }

/** A new, empty type, as edits write it. */
const EMPTY: { readonly [K in SharedType['type']]: Json } = {
  text: { $text: '' },
  map: { $map: {} },
  array: { $array: [] },
  xml: { $xml: [] },
}

/** A root under its declared type. Throws as Yjs does when the document has it as another one. */
export function getRoot(doc: Y.Doc, name: string, type: SharedType['type']): Y.AbstractType<unknown> {
  return rootGetters[type](doc, name)
}

/** A root, or null where the document has it as another type. */
export function findRoot(doc: Y.Doc, name: string, type: SharedType['type']): Y.AbstractType<unknown> | null {
  const found: unknown = doc.share.get(name)?.constructor
  return found === undefined || found === Y.AbstractType || found === rootClasses[type] ? getRoot(doc, name, type) : null
}

/** The type that a path leads to; null where there is none. `make`: missing types in maps are made where the schema allows nothing but one type. */
export function resolve(schema: Schema, doc: Y.Doc, path: Json | undefined, make: boolean): Target | null {
  if (!isList(path)) return null
  const name = path[0]
  if (typeof name !== 'string' || !Object.hasOwn(schema, name)) return null
  const type = schema[name]!
  const shared = findRoot(doc, name, type.type)
  let found: Found | null = shared === null ? null : { shared, type, made: false }
  let at = 1
  while (at < path.length && found !== null && found.type.type !== 'xml') found = step(found, path[at++]!, make)
  return found === null ? null : { ...found, rest: path.slice(at) }
}

function step(target: Found, at: Json, make: boolean): Found | null {
  const { shared, type } = target
  if (type.type === 'map' && shared instanceof Y.Map && typeof at === 'string')
    return stepIntoMap({ ...target, type }, shared as Y.Map<unknown>, at.toWellFormed(), make)
  if (type.type === 'array' && shared instanceof Y.Array && typeof at === 'number' && shared.length > 0)
    return matching(shared.get(wrapped(at, shared.length)), type.of, target.made)
  return null
}

function stepIntoMap(target: Found & { readonly type: MapType }, map: Y.Map<unknown>, key: string, make: boolean): Found | null {
  const field = fieldOf(target.type, key)
  if (field === undefined) return null
  if (make && !map.has(key) && isShared(field)) {
    map.set(key, contentOf(EMPTY[field.type]))
    return matching(map.get(key), field, true)
  }
  return matching(map.get(key), field, target.made)
}

function matching(found: unknown, type: SchemaType, made: boolean): Found | null {
  if (!(found instanceof Y.AbstractType)) return null
  for (const choice of choicesOf(type)) if (isShared(choice) && is(found, choice.type)) return { shared: found, type: choice, made }
  return null
}

function is(found: Y.AbstractType<unknown>, type: SharedType['type']): boolean {
  if (type === 'text') return found instanceof Y.Text
  if (type === 'map') return found instanceof Y.Map
  return type === 'array' ? found instanceof Y.Array : found instanceof Y.XmlFragment
}
