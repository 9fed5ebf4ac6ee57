// What the gate learns from one update: the ids it brings, deletes and needs. Flat number arrays, so that a typing update costs a few pushes.
// Written by the walker, read by judge, Knowledge.admit and update-parts. Ranges are half-open.

export class UpdateFacts {
  /** [client, from, to]*: ids the update brings, clients descending, clocks ascending. A client has several ranges where the update has Skips. */
  readonly structs: number[] = []
  /** [client, from, to]*: the delete set, as encoded: in any order, maybe overlapping. */
  readonly deletes: number[] = []
  /** [client, from, to]*: ids that arrive already deleted (GC structs and deleted content). */
  readonly structDeletes: number[] = []
  /** [client, clock]*: ids of other clients that structs refer to. Where an earlier struct of the same range implies one, it is left out. */
  readonly dependencies: number[] = []
  /** [client, clock]*: for each dependency the struct that has it. */
  readonly dependents: number[] = []
  /** The update names a gap: it holds ids on both sides of ids that it lacks. */
  hasSkip = false

  /** Brings and deletes nothing. */
  get isEmpty(): boolean {
    return this.structs.length === 0 && this.deletes.length === 0
  }

  /** Empties it, to be filled again. */
  reset(): this {
    for (const list of [this.structs, this.deletes, this.structDeletes, this.dependencies, this.dependents]) if (list.length > 0) list.length = 0
    this.hasSkip = false
    return this
  }
}
