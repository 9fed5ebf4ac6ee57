// Where edits can happen: every shared type of a schema with the steps that lead to it, to be filled with keys and numbers when an edit is drawn.
// Decides how often deeper places are chosen. Read by draw-edit.ts. Rules: TS-1, TS-2.

import type { Random } from '../random.ts'
import { POSITION_BOUND } from './positions.ts'
import { choicesOf, isShared, type MapType, type Schema, type SchemaType, type SharedType } from './schema.ts'
import type { Json } from './workload.ts'

/** A fixed key, any key of a record, or a position. */
type PlaceStep = { readonly key: string } | 'any key' | 'position'

export interface Place<T extends SharedType = SharedType> {
  readonly type: T
  readonly steps: readonly PlaceStep[]
  /** In proportion to how often it is chosen. */
  readonly weight: number
  /** A missing type may be made on the way. */
  readonly makes: boolean
}

/** Roots are chosen this much more often than what is one level below them, and so on. */
const NESTED_WEIGHT = 0.4

/** Every shared type of a schema. */
export function placesOf(schema: Schema): readonly Place[] {
  return Object.entries(schema).flatMap(([name, type]) => below({ type, steps: [{ key: name }], weight: 1, makes: false }))
}

/** The path of an edit at this place. */
export function drawPath(place: Place, keys: readonly string[], random: Random): Json[] {
  return place.steps.map((step) => {
    if (step === 'any key') return random.pick(keys)
    return step === 'position' ? random.below(POSITION_BOUND) : step.key
  })
}

/** A place, with probability in proportion to its weight. `places`: at least one. */
export function pickPlace<T extends SharedType>(places: readonly Place<T>[], random: Random): Place<T> {
  let at = random.float() * places.reduce((sum, place) => sum + place.weight, 0)
  for (const place of places) {
    at -= place.weight
    if (at < 0) return place
  }
  return places.at(-1)!
}

function below(place: Place): Place[] {
  const { type } = place
  if (type.type === 'array') return [place, ...inside(place, type.of, ['position'])]
  return type.type === 'map' ? [place, ...insideMap(place, type)] : [place]
}

function insideMap(place: Place, type: MapType): Place[] {
  const fields = Object.entries(type.fields).flatMap(([key, field]) => inside(place, field, [{ key }]))
  return type.others === null ? fields : [...fields, ...inside(place, type.others, ['any key'])]
}

function inside(place: Place, type: SchemaType, steps: readonly PlaceStep[]): Place[] {
  return choicesOf(type)
    .filter(isShared)
    .flatMap((choice) =>
      below({
        type: choice,
        steps: [...place.steps, ...steps],
        weight: place.weight * NESTED_WEIGHT,
        makes: place.makes || (steps[0] !== 'position' && isShared(type)),
      }),
    )
}
