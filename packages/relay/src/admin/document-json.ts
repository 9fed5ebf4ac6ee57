// A Y.Doc as JSON. What kind a root type is, is known only to the application: here it is told from what the root holds. Hostile content is safe to read: objects
// have no prototype, and what JSON cannot say is written in words. Pure. Read by documents-api.ts and map-patches.ts. Rule: HA-4; TRAPS T14, T15.
//
//   text, xml          their text       bytes          { "base64": TEXT }
//   map, array         as they are      subdocument    { "subdocument": GUID }
//   big integer        its digits       undefined, NaN, infinity, a root that holds nothing: null

import * as Y from 'yjs'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
export type RootKind = 'map' | 'array' | 'text' | 'xml' | 'empty'

export interface DocumentJson {
  readonly content: { readonly [root: string]: Json }
  readonly kinds: { readonly [root: string]: RootKind }
}

/** `doc` is the caller's alone: its roots get types by this. */
export function documentJson(doc: Y.Doc): DocumentJson {
  const content = bare<Json>()
  const kinds = bare<RootKind>()
  for (const root of [...doc.share.keys()].sort()) {
    const kind = rootKind(doc, root)
    kinds[root] = kind
    content[root] = kind === 'empty' ? null : jsonOf(typed(doc, root, kind))
  }
  return { content, kinds }
}

function typed(doc: Y.Doc, root: string, kind: Exclude<RootKind, 'empty'>): unknown {
  switch (kind) {
    case 'map':
      return doc.getMap(root)
    case 'array':
      return doc.getArray(root)
    case 'text':
      return doc.getText(root)
    case 'xml':
      return doc.getXmlFragment(root)
  }
}

/** By its class where somebody gave it one, else by what it holds: a list that also has keys (a text with attributes) counts as list. Cost: a look at its items
 *  up to the first live one. */
export function rootKind(doc: Y.Doc, root: string): RootKind {
  const type = doc.share.get(root)
  if (type === undefined) return 'empty'
  if (type instanceof Y.Map) return 'map'
  if (type instanceof Y.Array) return 'array'
  if (type instanceof Y.Text) return 'text'
  if (type instanceof Y.XmlFragment) return 'xml'
  for (let item = type._start; item !== null; item = item.right) {
    const kind = item.deleted ? null : listKind(item.content)
    if (kind !== null) return kind
  }
  return type._map.size > 0 ? 'map' : 'empty'
}

function listKind(content: Y.Item['content']): RootKind | null {
  if (content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed) return 'text'
  if (content instanceof Y.ContentDeleted) return null
  const inXml = content instanceof Y.ContentType && (content.type instanceof Y.XmlFragment || content.type instanceof Y.XmlText)
  return inXml ? 'xml' : 'array'
}

/** Total, for types and values of a Y.Doc. */
export function jsonOf(value: unknown): Json {
  if (value instanceof Y.Text || value instanceof Y.XmlFragment) return value.toString()
  if (value instanceof Y.Map) return record(value.entries())
  if (value instanceof Y.Array) return value.toArray().map(jsonOf)
  if (value instanceof Y.Doc) return { subdocument: value.guid }
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return value.map(jsonOf)
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : null
    case 'bigint':
      return value.toString()
    case 'object':
      return value === null ? null : record(Object.entries(value))
    default:
      return null
  }
}

function record(entries: Iterable<readonly [string, unknown]>): { [name: string]: Json } {
  const json = bare<Json>()
  for (const [name, value] of entries) json[name] = jsonOf(value)
  return json
}

function bare<T>(): { [name: string]: T } {
  return Object.create(null) as { [name: string]: T }
}
