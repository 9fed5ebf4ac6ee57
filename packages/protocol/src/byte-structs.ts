// Where every struct of a document stands in the updates that make it up, and what they delete: the index that the byte compactor and the byte diff work on.
// Decides whether the updates are a gapless document; where several hold the same ids, the earlier one in the log counts. Holds offsets, not content.
// Read by byte-lists.ts and byte-compactor.ts. Rules: I4.

import { unionRanges } from './delete-ranges.ts'
import { HAS_MAP_KEY, REF, UpdateReader } from './update-reader.ts'

/** One client's structs, clocks ascending and gapless from 0. The n-th counts from the end of the one before it to its own end. */
export class ClientStructs {
  readonly client: number
  /** Per struct: its own clock (lower than where it counts from, when it overlaps the one before), and the clock after it. */
  clocks: number[] = []
  ends: number[] = []
  /** Per struct: which update holds it, and at which offset. */
  updates: number[] = []
  offsets: number[] = []
  /** Deleted clocks: flat; normalised once the index is finished. */
  deleted: number[] = []
  ascending = true

  constructor(client: number) {
    this.client = client
  }

  /** The clock after the last one. */
  get end(): number {
    return this.ends.length === 0 ? 0 : this.ends[this.ends.length - 1]!
  }

  /** The first clock for which the n-th struct counts. */
  fromOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]!
  }

  /** Which struct holds `clock`; the number of structs when none does. Cost: a binary search. */
  indexOf(clock: number): number {
    const { ends } = this
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ends[middle]! <= clock) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A whole document, by client. */
export interface StructIndex {
  readonly updates: readonly Uint8Array[]
  /** Clients descending, as Yjs writes them. */
  readonly clients: readonly ClientStructs[]
  readonly byClient: ReadonlyMap<number, ClientStructs>
  /** Some struct is collected: its place is not known any more. */
  readonly hasCollected: boolean
  /** Some struct is an entry of a map. */
  readonly hasKeys: boolean
  /** [client, clock]*: ids that structs name as their parent, some more than once. */
  readonly parents: readonly number[]
}

/** Indexes the updates of one document, oldest first. Null when they leave a gap or name one, or delete what they do not hold. Throws a row of REFUSE
 *  for bytes that the gate refuses. Cost: one pass, 4 numbers for a struct. */
export function indexStructs(updates: readonly Uint8Array[]): StructIndex | null {
  const indexing = new Indexing()
  for (let i = 0; i < updates.length; i++) if (!indexing.add(updates[i]!, i)) return null
  return indexing.finish(updates)
}

class Indexing {
  private readonly byClient = new Map<number, ClientStructs>()
  private readonly reader = new UpdateReader()
  private last: ClientStructs | undefined
  private hasCollected = false
  private hasKeys = false
  private readonly parents: number[] = []

  /** False for an update with a Skip. */
  add(update: Uint8Array, number: number): boolean {
    const { reader } = this
    for (let runs = reader.open(update); runs > 0; runs--) {
      reader.run()
      const structs = this.structsOf(reader.client)
      for (; reader.left > 0; reader.advance()) {
        reader.struct()
        if (reader.ref === REF.skip) return false
        this.addStruct(structs, number)
      }
    }
    for (let clients = reader.count(2); clients > 0; clients--) {
      const { deleted } = this.structsOf(reader.clientId())
      for (let ranges = reader.count(2); ranges > 0; ranges--) {
        const from = reader.clockValue()
        deleted.push(from, from + reader.uint())
      }
    }
    return reader.at === update.length
  }

  finish(updates: readonly Uint8Array[]): StructIndex | null {
    const clients = [...this.byClient.values()].sort((a, b) => b.client - a.client)
    for (const structs of clients) {
      if (!structs.ascending && !sortStructs(structs)) return null
      structs.deleted = unionRanges([], structs.deleted)
      if (structs.ends.length === 0 || (structs.deleted.length > 0 && structs.deleted.at(-1)! > structs.end)) return null
    }
    const { byClient, hasCollected, hasKeys, parents } = this
    return { updates, clients, byClient, hasCollected, hasKeys, parents }
  }

  private addStruct(structs: ClientStructs, number: number): void {
    const { reader } = this
    const end = reader.clock + reader.length
    if (reader.clock !== structs.end) structs.ascending = false
    structs.clocks.push(reader.clock)
    structs.ends.push(end)
    structs.updates.push(number)
    structs.offsets.push(reader.structStart)
    if (reader.ref === REF.gc) this.hasCollected = true
    if (reader.ref <= REF.deleted) structs.deleted.push(reader.clock, end)
    if ((reader.info & HAS_MAP_KEY) !== 0) this.hasKeys = true
    if (reader.parentClient !== 0) this.addParent(reader.parentClient, reader.parentClock)
  }

  private addParent(client: number, clock: number): void {
    const { parents } = this
    if (parents[parents.length - 2] !== client || parents[parents.length - 1] !== clock) parents.push(client, clock)
  }

  private structsOf(client: number): ClientStructs {
    if (this.last?.client === client) return this.last
    let structs = this.byClient.get(client)
    if (structs === undefined) this.byClient.set(client, (structs = new ClientStructs(client)))
    return (this.last = structs)
  }
}

/** Sorts by clock, the earlier update first, and drops what others cover. False for a gap. */
function sortStructs(structs: ClientStructs): boolean {
  const { clocks, ends, updates, offsets } = structs
  const order = clocks.map((_, i) => i).sort((a, b) => clocks[a]! - clocks[b]! || a - b)
  structs.clocks = []
  structs.ends = []
  structs.updates = []
  structs.offsets = []
  for (const i of order) {
    if (clocks[i]! > structs.end) return false
    if (ends[i]! <= structs.end) continue
    structs.clocks.push(clocks[i]!)
    structs.ends.push(ends[i]!)
    structs.updates.push(updates[i]!)
    structs.offsets.push(offsets[i]!)
  }
  return true
}
