// Simpler forms of drawn data, simplest first: numbers toward 0, texts and lists shorter. Every form is smaller than what it came from by a measure
// (magnitude of numbers, lengths, entries), so shrinking ends. Decides nothing about what still fails. Read by fuzz-schema.ts, own-workload.ts.
// Rule: TS-4.

import type { Edit, Json } from './workload.ts'
import { isFields, isList } from './written.ts'

/** Lists longer than this are only cut in halves. */
const EACH_MAX = 32

/** Simpler forms of any JSON; objects keep their keys, because whoever reads them expects these. */
export function* simplerJson(json: Json): Iterable<Json> {
  if (typeof json === 'number') yield* simplerNumber(json, 0)
  else if (typeof json === 'string') yield* simplerString(json, 0)
  else if (json === true) yield false
  else if (isList(json)) yield* simplerList(json)
  else if (isFields(json)) for (const key of Object.keys(json)) for (const part of simplerJson(json[key]!)) yield withField(json, key, part)
}

/** Simpler forms of an edit of a schema. */
export function* simplerSchemaEdit(edit: Edit): Iterable<Edit> {
  if (edit.kind === 'several') return yield* simplerSeveral(edit)
  if (edit.kind === 'text.big') yield { kind: 'text.insert', path: edit['path'] ?? [], at: edit['at'] ?? 0, text: edit['unit'] ?? '' }
  if (edit['inPair'] === true) yield withoutField(edit, 'inPair')
  if (isFields(edit['attributes'])) yield withoutField(edit, 'attributes')
  for (const field of Object.keys(edit))
    if (field !== 'kind') for (const part of simplerField(field, edit[field]!)) yield withField<Edit>(edit, field, part)
}

function* simplerSeveral(edit: Edit): Iterable<Edit> {
  if (!isList(edit['edits'])) return
  const edits = edit['edits'].filter((part): part is Edit => isFields(part) && typeof part['kind'] === 'string')
  yield* edits
  for (const fewer of fewerItems(edits)) if (fewer.length > 1) yield { ...edit, edits: fewer }
  for (const [at, part] of edits.entries()) for (const form of simplerSchemaEdit(part)) yield { ...edit, edits: edits.with(at, form) }
}

function* simplerField(field: string, json: Json): Iterable<Json> {
  if (field === 'path') yield* simplerPath(json)
  else if (field === 'attributes' || field === 'inPair') yield* isFields(json) ? simplerFields(json, 1) : []
  else if (field === 'text' || field === 'unit') yield* typeof json === 'string' ? simplerString(json, 1) : []
  else if (field === 'length' || field === 'times') yield* typeof json === 'number' ? simplerNumber(json, 1) : []
  else if (field === 'values') yield* isList(json) ? simplerContents(json, 1) : []
  else if (field === 'value' || field === 'node') yield* simplerContent(json)
  else if (typeof json === 'number') yield* simplerNumber(json, 0)
}

/** Keys stay: they say which type is meant. */
function* simplerPath(json: Json): Iterable<Json> {
  if (!isList(json)) return
  for (const [at, step] of json.entries())
    if (typeof step === 'number') for (const form of simplerNumber(step, 0)) yield json.with(at, form)
}

/** What is written keeps its form (written.ts): a map stays a map, with fewer and simpler entries. */
function* simplerContent(json: Json): Iterable<Json> {
  if (!isFields(json)) return yield* simplerJson(json)
  const { $map, $array, $xml, attributes, children } = json
  if (isFields($map)) {
    for (const fields of simplerFields($map, 0)) yield withField(json, '$map', fields)
    return
  }
  for (const [key, list] of Object.entries({ $array, $xml, children }))
    if (isList(list)) for (const items of simplerContents(list, 0)) yield withField(json, key, items)
  if (isFields(attributes) && '$element' in json) yield withoutField(json, 'attributes')
  if (typeof json['$text'] === 'string') for (const text of simplerString(json['$text'], 0)) yield withField(json, '$text', text)
  if (typeof json['$bigint'] === 'string' && json['$bigint'] !== '0') yield { $bigint: '0' }
  if (isList(json['$bytes'])) for (const bytes of simplerList(json['$bytes'])) yield withField(json, '$bytes', bytes)
  if (!Object.keys(json).some((key) => key.startsWith('$'))) yield* simplerJson(json)
}

function* simplerFields(fields: { readonly [key: string]: Json }, least: number): Iterable<Json> {
  const keys = Object.keys(fields)
  if (keys.length > least) for (const key of keys) yield withoutField(fields, key)
  for (const key of keys) for (const part of simplerContent(fields[key]!)) yield withField(fields, key, part)
}

function* simplerContents(items: readonly Json[], least: number): Iterable<readonly Json[]> {
  for (const fewer of fewerItems(items)) if (fewer.length >= least) yield fewer
  for (const [at, item] of items.entries()) for (const part of simplerContent(item)) yield items.with(at, part)
}

function* simplerList(items: readonly Json[]): Iterable<readonly Json[]> {
  yield* fewerItems(items)
  for (const [at, item] of items.entries()) for (const part of simplerJson(item)) yield items.with(at, part)
}

function* fewerItems<T>(items: readonly T[]): Iterable<readonly T[]> {
  const { length } = items
  if (length === 0) return
  yield []
  const half = Math.floor(length / 2)
  if (half > 0) {
    yield items.slice(0, half)
    yield items.slice(half)
  }
  if (length > 2 && length <= EACH_MAX) for (let at = 0; at < length; at++) yield items.toSpliced(at, 1)
}

function* simplerNumber(number: number, least: number): Iterable<number> {
  if (Math.abs(number) <= least) return
  const whole = Math.trunc(number)
  yield* new Set([least, whole, Math.trunc(number / 2), whole - Math.sign(whole)].filter((form) => isLess(form, number, least)))
}

/** Less in magnitude, and not below the least that makes sense. */
function isLess(form: number, number: number, least: number): boolean {
  return Math.abs(form) < Math.abs(number) && Math.abs(form) >= least
}

/** Cut between code points. */
function* simplerString(text: string, least: number): Iterable<string> {
  const points = [...text]
  if (points.length <= least) return
  const lengths = new Set([least, Math.ceil(points.length / 2), points.length - 1].filter((length) => length < points.length))
  for (const length of lengths) yield points.slice(0, length).join('')
}

function withField<T extends { readonly [key: string]: Json }>(fields: T, key: string, part: Json): T {
  return { ...fields, [key]: part }
}

function withoutField<T extends { readonly [key: string]: Json }>(fields: T, key: string): T {
  const { [key]: _, ...rest } = fields
  return rest as unknown as T
}
