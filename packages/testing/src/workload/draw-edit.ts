// Draws edits of a schema: for every kind, where it can happen and what it looks like as data. Decides the usual weights. No document is looked
// at: positions are numbers that are wrapped at the length found. Read by fuzz-schema.ts. Rules: TS-1, TS-2.

import type { Random } from '../random.ts'
import { drawContent, drawFormats, drawLeaf, drawNode, drawShared, drawWord, type Vocabulary } from './draw-value.ts'
import { drawPath, pickPlace, placesOf, type Place } from './places.ts'
import { POSITION_BOUND } from './positions.ts'
import { choicesOf, isShared, type ArrayType, type MapType, type Schema, type SchemaType, type TextType, type XmlType } from './schema.ts'
import type { Edit, Json } from './workload.ts'

/** kind of edit -> how often it is drawn, in proportion, unless the user says otherwise. Kinds that a schema has no place for are not drawn. */
export const WEIGHTS = {
  'text.insert': 30,
  'text.delete': 12,
  'text.format': 12,
  'text.embed': 3,
  'map.set': 7,
  'map.delete': 3,
  'map.nest': 2,
  'array.insert': 5,
  'array.delete': 3,
  'array.move': 1,
  'xml.insert': 3,
  'xml.delete': 1,
  'xml.attribute': 2,
  'xml.text': 2,
  'xml.format': 1,
  undo: 4,
  redo: 2,
  several: 3,
} as const

/** What edits of a schema do. */
export type EditKindOfSchema = keyof typeof WEIGHTS

/** Kinds that act on one type at the end of a path. */
export type PlacedKind = Exclude<EditKindOfSchema, 'undo' | 'redo' | 'several'>

export interface Drawing extends Vocabulary {
  /** Boundaries may be drawn inside a surrogate pair. */
  readonly midPair: boolean
}

export interface DrawnKind {
  /** A missing type may be made on the way. */
  readonly makes: boolean
  draw(random: Random): Edit
}

type At<T> = (random: Random, type: T, drawing: Drawing) => { readonly [field: string]: Json }

/** What each kind can do at the places of a schema; kinds without a place are left out. */
export function drawnKinds(schema: Schema, drawing: Drawing): Map<PlacedKind, DrawnKind> {
  const places = placesOf(schema)
  const kinds = new Map<PlacedKind, DrawnKind>()
  const add = <T extends Place['type']>(kind: PlacedKind, some: readonly Place<T>[], fields: At<T>): void => {
    if (some.length > 0) kinds.set(kind, drawnKind(kind, some, fields, drawing))
  }
  const texts = places.filter((place): place is Place<TextType> => place.type.type === 'text')
  add('text.insert', texts, textInsert)
  add('text.delete', texts, (random) => ({ ...position(random, drawing), length: random.between(1, 8) }))
  add(
    'text.format',
    texts.filter((place) => Object.keys(place.type.formats).length > 0),
    format,
  )
  add(
    'text.embed',
    texts.filter((place) => place.type.embeds),
    textEmbed,
  )
  const maps = places.filter((place): place is Place<MapType> => place.type.type === 'map')
  add(
    'map.set',
    maps.filter((place) => keysFor(place.type, hasLeaf, drawing).length > 0),
    keyed(hasLeaf, drawLeaf),
  )
  add('map.delete', maps, (random, type) => ({ key: random.pick(keysFor(type, () => true, drawing)) }))
  add(
    'map.nest',
    maps.filter((place) => keysFor(place.type, hasShared, drawing).length > 0),
    keyed(hasShared, drawShared),
  )
  const arrays = places.filter((place): place is Place<ArrayType> => place.type.type === 'array')
  add('array.insert', arrays, arrayInsert)
  add('array.delete', arrays, (random) => ({ at: random.below(POSITION_BOUND), length: random.between(1, 3) }))
  add('array.move', arrays, (random) => ({ from: random.below(POSITION_BOUND), to: random.below(POSITION_BOUND) }))
  addXml(places, add, drawing)
  return kinds
}

/** Whether arrays of a schema can be given shared types. */
export function nestsInArrays(schema: Schema): boolean {
  return placesOf(schema).some(({ type }) => type.type === 'array' && hasShared(type.of))
}

/** A long insert: a short piece of text, many times. Null where the schema has no text. */
export function drawnBigInsert(schema: Schema, drawing: Drawing, bytes: number): DrawnKind | null {
  const texts = placesOf(schema).filter((place): place is Place<TextType> => place.type.type === 'text')
  if (texts.length === 0) return null
  return drawnKind(
    'text.big',
    texts,
    (random) => {
      const unit = `${random.uint32().toString(36)} `
      return { ...position(random, drawing), unit, times: Math.ceil(bytes / unit.length) }
    },
    drawing,
  )
}

function addXml(
  places: readonly Place[],
  add: (kind: PlacedKind, some: readonly Place<XmlType>[], fields: At<XmlType>) => void,
  drawing: Drawing,
): void {
  const fragments = places.filter((place): place is Place<XmlType> => place.type.type === 'xml')
  const withAttributes = fragments.filter(({ type }) => type.attributes.length > 0 && type.elements.length > 0)
  add('xml.insert', fragments, (random, type) => ({ at: random.below(POSITION_BOUND), node: drawNode(random, type, drawing) }))
  add('xml.delete', fragments, (random) => ({ ...position(random, drawing), length: random.between(1, 2) }))
  add('xml.attribute', withAttributes, (random, type) => ({
    name: random.pick(type.attributes),
    value: random.chance(0.2) ? null : random.pick(drawing.words),
  }))
  add('xml.text', fragments, (random) => ({ ...position(random, drawing), text: drawWord(random, drawing) }))
  add(
    'xml.format',
    fragments.filter(({ type }) => Object.keys(type.formats).length > 0),
    format,
  )
}

function drawnKind<T extends Place['type']>(kind: string, places: readonly Place<T>[], fields: At<T>, drawing: Drawing): DrawnKind {
  return {
    makes: places.some((place) => place.makes),
    draw(random) {
      const place = pickPlace(places, random)
      const path = drawPath(place, drawing.keys, random)
      if (place.type.type === 'xml') path.push(...stepsInXml(random, kind))
      return { kind, path, ...fields(random, place.type, drawing) }
    },
  }
}

/** Elements nest by themselves: how deep an edit goes. Attributes and formats need at least one step. */
function stepsInXml(random: Random, kind: string): number[] {
  const least = kind === 'xml.attribute' || kind === 'xml.format' ? 1 : 0
  const depth = Number(random.weighted({ 0: 3, 1: 4, 2: 2 })) + least
  return Array.from({ length: depth }, () => random.below(POSITION_BOUND))
}

function position(random: Random, drawing: Drawing): { readonly [field: string]: Json } {
  const at = random.below(POSITION_BOUND)
  return drawing.midPair && random.chance(0.5) ? { at, inPair: true } : { at }
}

function textInsert(random: Random, type: TextType, drawing: Drawing): { readonly [field: string]: Json } {
  const written = { ...position(random, drawing), text: drawWord(random, drawing) }
  const formatted = random.chance(0.15) && Object.keys(type.formats).length > 0
  return formatted ? { ...written, attributes: drawFormats(random, type.formats, false) } : written
}

function format(random: Random, type: TextType | XmlType, drawing: Drawing): { readonly [field: string]: Json } {
  return { ...position(random, drawing), length: random.between(1, 12), attributes: drawFormats(random, type.formats, true) }
}

function textEmbed(random: Random, _type: TextType, drawing: Drawing): { readonly [field: string]: Json } {
  return { ...position(random, drawing), value: { image: random.pick(drawing.words) } }
}

function arrayInsert(random: Random, type: ArrayType, drawing: Drawing): { readonly [field: string]: Json } {
  const values = Array.from({ length: random.between(1, 2) }, () => drawContent(random, type.of, drawing))
  return { at: random.below(POSITION_BOUND), values }
}

function keyed(fits: (type: SchemaType) => boolean, draw: typeof drawLeaf): At<MapType> {
  return (random, type, drawing) => {
    const key = random.pick(keysFor(type, fits, drawing))
    const field = Object.hasOwn(type.fields, key) ? type.fields[key]! : type.others!
    return { key, value: draw(random, field, drawing) }
  }
}

/** Keys of a map whose type fits: its fields, and the record keys if others are allowed. */
function keysFor(type: MapType, fits: (type: SchemaType) => boolean, { keys }: Drawing): string[] {
  const fields = Object.keys(type.fields).filter((key) => fits(type.fields[key]!))
  const others = type.others !== null && fits(type.others) ? keys.filter((key) => !Object.hasOwn(type.fields, key)) : []
  return [...fields, ...others]
}

const hasLeaf = (type: SchemaType): boolean => choicesOf(type).some((choice) => !isShared(choice))
const hasShared = (type: SchemaType): boolean => choicesOf(type).some(isShared)
