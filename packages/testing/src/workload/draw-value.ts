// Draws what is written: leaf values, new shared types with content, XML nodes, words and formats, all as JSON (written.ts). Decides how often
// bytes, bigints and astral characters occur. Read by draw-edit.ts. Rules: TS-1, TS-2.

import type { Random } from '../random.ts'
import { choicesOf, isShared, type Formats, type LeafType, type SchemaType, type SharedType, type XmlType } from './schema.ts'
import { ASTRAL, BIGINTS, JSON_VALUES, NUMBERS } from './words.ts'
import type { Json } from './workload.ts'

/** What a user may choose: the keys of records, and the words of texts. */
export interface Vocabulary {
  readonly keys: readonly string[]
  readonly words: readonly string[]
}

/** Astral characters are mixed in whatever the words are: they are where sync layers break. */
export function drawWord(random: Random, { words }: Vocabulary): string {
  return random.chance(0.2) ? random.pick(ASTRAL) : random.pick(words)
}

/** A value for a place of this type; of an `either`, plain values come more often than shared types. */
export function drawContent(random: Random, type: SchemaType, vocabulary: Vocabulary): Json {
  const choices = choicesOf(type)
  if (choices.length === 1) return drawChoice(random, choices[0]!, vocabulary)
  const shared = choices.filter(isShared)
  const leaves = choices.filter((choice): choice is LeafType => !isShared(choice))
  const some = leaves.length > 0 && (shared.length === 0 || random.chance(0.75)) ? leaves : shared
  return drawChoice(random, random.pick<LeafType | SharedType>(some), vocabulary)
}

/** A new shared type, for a place that can hold one. */
export function drawShared(random: Random, type: SchemaType, vocabulary: Vocabulary): Json {
  return drawChoice(random, random.pick(choicesOf(type).filter(isShared)), vocabulary)
}

/** A plain value, for a place that can hold one. */
export function drawLeaf(random: Random, type: SchemaType, vocabulary: Vocabulary): Json {
  return drawChoice(random, random.pick(choicesOf(type).filter((choice) => !isShared(choice))), vocabulary)
}

/** Formats to set or clear: mostly one, sometimes two. `clear`: whether null may occur. */
export function drawFormats(random: Random, formats: Formats, clear: boolean): Json {
  const names = Object.keys(formats)
  const chosen = random.chance(0.8) ? [random.pick(names)] : [random.pick(names), random.pick(names)]
  return Object.fromEntries(chosen.map((name) => [name, clear && random.chance(0.4) ? null : random.pick(formats[name]!)]))
}

/** An element, half of the time with an attribute and a text, or a text. */
export function drawNode(random: Random, type: XmlType, vocabulary: Vocabulary): Json {
  if (type.elements.length === 0 || random.chance(0.4)) return { $text: random.pick(vocabulary.words) }
  const node = { $element: random.pick(type.elements) }
  const attributes =
    type.attributes.length > 0 && random.chance(0.4)
      ? { attributes: { [random.pick(type.attributes)]: random.pick(vocabulary.words) } }
      : {}
  return { ...node, ...attributes, ...(random.chance(0.4) ? { children: [{ $text: drawWord(random, vocabulary) }] } : {}) }
}

function drawChoice(random: Random, type: LeafType | SharedType, vocabulary: Vocabulary): Json {
  switch (type.type) {
    case 'string':
      return drawWord(random, vocabulary)
    case 'number':
      return random.pick(NUMBERS)
    case 'boolean':
      return random.chance(0.5)
    case 'bigint':
      return { $bigint: random.pick(BIGINTS) }
    case 'bytes':
      return { $bytes: [...random.bytes(random.below(5))] }
    case 'json':
      return random.pick(JSON_VALUES)
    case 'value':
      return drawValue(random)
    case 'oneOf':
      return random.pick(type.values)
    case 'text':
      return { $text: drawWord(random, vocabulary) }
    case 'map':
      return drawMap(random, type, vocabulary)
    case 'array':
      return { $array: Array.from({ length: random.below(3) }, () => drawContent(random, type.of, vocabulary)) }
    case 'xml':
      return { $xml: random.chance(0.5) ? [drawNode(random, type, vocabulary)] : [] }
  }
}

function drawValue(random: Random): Json {
  if (random.chance(0.05)) return { $bigint: random.pick(BIGINTS) }
  return random.chance(0.1) ? { $bytes: [1, 2, 3] } : random.pick(JSON_VALUES)
}

/** Plain fields are filled; shared ones half of the time, so that what is missing occurs too. */
function drawMap(random: Random, type: Extract<SharedType, { type: 'map' }>, vocabulary: Vocabulary): Json {
  const entries: [string, Json][] = []
  for (const [key, field] of Object.entries(type.fields))
    if (!isShared(field) || random.chance(0.5)) entries.push([key, drawContent(random, field, vocabulary)])
  if (type.others !== null && random.chance(0.5)) entries.push([random.pick(vocabulary.keys), drawContent(random, type.others, vocabulary)])
  return { $map: Object.fromEntries(entries) }
}
