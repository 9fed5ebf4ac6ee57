// What the gate learns from one update: the ids it brings, deletes and needs. Flat number arrays, made when they get their first entry, so that a
// typing update costs one or two small ones. Written by the walker, read by judge, Knowledge.admit and update-parts. Ranges are half-open.

const NONE: readonly number[] = /* @__PURE__ */ Object.freeze([])

export class UpdateFacts {
  /** [client, from, to]*: ids the update brings, clients descending, clocks ascending. A client has several ranges where the update has Skips. */
  structs: readonly number[] = NONE
  /** [client, from, to]*: the delete set, as encoded: in any order, maybe overlapping. */
  deletes: readonly number[] = NONE
  /** [client, from, to]*: ids that arrive already deleted (GC structs and deleted content). */
  structDeletes: readonly number[] = NONE
  /** [client, clock]*: ids of other clients that structs refer to. Where an earlier struct of the same range implies one, it is left out. */
  dependencies: readonly number[] = NONE
  /** [client, clock]*: for each dependency the struct that has it. */
  dependents: readonly number[] = NONE
  /** The update names a gap: it holds ids on both sides of ids that it lacks. */
  hasSkip = false
  /** Longest chain of shared types, one inside the other, that the update creates; 0 when it creates too few for a long one. */
  typeDepth = 0

  /** Brings and deletes nothing. */
  get isEmpty(): boolean {
    return this.structs.length === 0 && this.deletes.length === 0
  }

  /** Empties it, to be filled again. Arrays that were taken from it stay as they are. */
  reset(): this {
    this.structs = this.deletes = this.structDeletes = this.dependencies = this.dependents = NONE
    this.hasSkip = false
    this.typeDepth = 0
    return this
  }
}

/** `list` with a range more: a new array for the first one, the same array after that. */
export function withRange(list: readonly number[], client: number, from: number, to: number): readonly number[] {
  if (list.length === 0) return [client, from, to]
  ;(list as number[]).push(client, from, to)
  return list
}

/** `list` with an id more, likewise. */
export function withId(list: readonly number[], client: number, clock: number): readonly number[] {
  if (list.length === 0) return [client, clock]
  ;(list as number[]).push(client, clock)
  return list
}
