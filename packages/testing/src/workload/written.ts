// How an edit, which is JSON, writes what JSON cannot: bytes, bigints and shared types. `{ $bytes: [1, 2] }`, `{ $bigint: '7' }`, `{ $text: 'a' }`,
// `{ $map: { ... } }`, `{ $array: [ ... ] }`, `{ $xml: [ nodes ] }`; an XML node is `{ $text: 'a' }` or `{ $element: 'p', attributes, children }`.
// Reads any JSON without throwing: what is no such form is a plain value. Everything is copied, because Yjs keeps objects by reference and two
// replays would share them (TRAPS T14). Read by perform-text.ts, perform-map.ts, perform-xml.ts. Rules: TS-1, TS-3.

import * as Y from 'yjs'
import type { Json } from './workload.ts'

type Fields = { readonly [key: string]: Json }

/** Deeper values are cut to null: replicas refuse them from twice this depth on. */
const DEPTH_MAX = 32
const INT64_MAX = 2n ** 63n - 1n

export function isFields(json: Json | undefined): json is Fields {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

export function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json)
}

/** A string field of an edit, in the form that every replica reads alike. */
export function stringOf(json: Json | undefined): string {
  return typeof json === 'string' ? json.toWellFormed() : ''
}

/** Whether the JSON stands for a shared type. */
export function isSharedForm(json: Json): boolean {
  return isFields(json) && ('$text' in json || '$map' in json || '$array' in json || '$xml' in json)
}

/** What goes into a Y.Map or Y.Array: a plain value or a new shared type. */
export function contentOf(json: Json | undefined, depth = 0): unknown {
  if (json === undefined || depth > DEPTH_MAX) return null
  if (!isFields(json)) return plainOf(json, depth)
  const { $text, $map, $array, $xml } = json
  if (typeof $text === 'string') return new Y.Text($text.toWellFormed())
  if (isFields($map)) return new Y.Map(entriesOf($map).map(([key, item]) => [key, contentOf(item, depth + 1)]))
  if (isList($array)) return Y.Array.from($array.map((item) => itemOf(item, depth + 1)) as object[])
  if (isList($xml)) {
    const fragment = new Y.XmlFragment()
    fragment.insert(
      0,
      $xml.map((node) => nodeOf(node, depth + 1)),
    )
    return fragment
  }
  return plainOf(json, depth)
}

/** What goes into a Y.Array, which takes no bigint by itself: it goes in as a list of one. */
export function itemOf(json: Json | undefined, depth = 0): unknown {
  const content = contentOf(json, depth)
  return typeof content === 'bigint' ? [content] : content
}

/** What goes into a Y.XmlFragment or Y.XmlElement. */
export function nodeOf(json: Json | undefined, depth = 0): Y.XmlElement | Y.XmlText {
  if (!isFields(json) || typeof json['$element'] !== 'string' || json['$element'] === '' || depth > DEPTH_MAX)
    return new Y.XmlText(isFields(json) ? stringOf(json['$text']) : '')
  const element = new Y.XmlElement(json['$element'].toWellFormed())
  const { attributes, children } = json
  if (isFields(attributes)) for (const [name, item] of entriesOf(attributes)) element.setAttribute(name, stringOf(item))
  if (isList(children) && children.length > 0)
    element.insert(
      0,
      children.map((child) => nodeOf(child, depth + 1)),
    )
  return element
}

/** A copy of plain JSON, with bytes and bigints in place of their forms. */
function plainOf(json: Json, depth: number): unknown {
  if (isFields(json)) {
    const { $bytes, $bigint } = json
    if (isList($bytes)) return Uint8Array.from($bytes, (byte) => (typeof byte === 'number' ? byte : 0))
    if (typeof $bigint === 'string' && /^-?\d{1,19}$/.test($bigint)) return clamped(BigInt($bigint))
  }
  return copied(json, depth, plainOf)
}

/** A copy of JSON as JSON: Yjs writes embeds and formats so, and would change bytes and refuse bigints. */
export function jsonOf(json: Json, depth = 0): unknown {
  return copied(json, depth, jsonOf)
}

function copied(json: Json, depth: number, copy: (json: Json, depth: number) => unknown): unknown {
  if (typeof json === 'string') return json.toWellFormed()
  if (typeof json !== 'object' || json === null) return json
  if (depth > DEPTH_MAX) return null
  if (isList(json)) return json.map((item) => copy(item, depth + 1))
  return isFields(json) ? Object.fromEntries(entriesOf(json).map(([key, item]) => [key, copy(item, depth + 1)])) : null
}

/** Format attributes as Y.Text takes them; null clears. */
export function attributesOf(json: Json | undefined): Record<string, unknown> {
  return isFields(json) ? (jsonOf(json) as Record<string, unknown>) : {}
}

/** Keys that every replica takes. */
function entriesOf(fields: Fields): [string, Json][] {
  return Object.entries(fields).flatMap(([key, item]) => (key === '__proto__' ? [] : [[key.toWellFormed(), item]]))
}

function clamped(number: bigint): bigint {
  if (number > INT64_MAX) return INT64_MAX
  return number < -INT64_MAX ? -INT64_MAX : number
}
