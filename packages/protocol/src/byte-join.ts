// Updates of one document that follow one another in a log, as few updates as they can be: typing that came letter by letter becomes one item again, and what one of
// them brought and another deleted leaves its length. Unlike byte-compactor.ts they need not be a whole document: what they build on may be anywhere. So only what is
// sure without it is done: neighbours that continue each other are merged, content is dropped where it is nobody's parent and deleted as a whole, nothing is cut,
// collected or derived. Whoever has what the updates build on comes to the same ids, deletes and live content by either. Total: what it cannot join it leaves as it was.
// Read by the engine's pump and the answers to newcomers. Rules: CV-1, I2.

import { writeDeletes } from './byte-deletes.ts'
import { ByteSink } from './byte-sink.ts'
import { StructsWriter } from './byte-structs-writer.ts'
import { coversRange, unionRanges } from './delete-ranges.ts'
import { UpdateRefused } from './gate-refusal.ts'
import { LIMITS } from './limits.ts'
import { REF, UpdateReader } from './update-reader.ts'
import { isRefusal, walkUpdate } from './update-walker.ts'

/** `updates` (v1, in an order in which each may be applied), joined. The results may be applied in their order wherever the updates may. Views of the input where nothing
 *  was joined. Cost: two passes, about 0.5 us for a typed character, and 3 numbers of memory for a struct. */
export function joinUpdates(updates: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  let run = new Joining()
  for (const update of updates) {
    if (run.add(update)) continue
    joined.push(...run.finish())
    run = new Joining()
    if (!run.add(update)) {
      joined.push(update)
      run = new Joining()
    }
  }
  joined.push(...run.finish())
  return joined
}

/** One client's structs: clocks ascending and gapless. */
interface ClientRun {
  readonly client: number
  readonly from: number
  end: number
  /** Per struct: its clock, which update holds it, and at which offset. */
  readonly clocks: number[]
  readonly updates: number[]
  readonly offsets: number[]
}

/** A run as it was before an update. */
interface Grown {
  readonly run: ClientRun
  readonly structs: number
  readonly end: number
}

class Joining {
  private readonly updates: Uint8Array[] = []
  private readonly runs = new Map<number, ClientRun>()
  /** By client: flat ranges, as they came. */
  private readonly deleted = new Map<number, number[]>()
  private readonly reader = new UpdateReader()

  /** False when the update does not follow: it names a gap, or repeats ids or leaves some out. Nothing of it is kept then. */
  add(update: Uint8Array): boolean {
    const grown: Grown[] = []
    try {
      if (this.takeStructs(update, grown)) {
        this.takeDeletes()
        this.updates.push(update)
        return true
      }
    } catch (error) {
      if (!(error instanceof UpdateRefused)) throw error
    }
    for (const was of grown) this.giveBack(was)
    return false
  }

  finish(): Uint8Array[] {
    const { updates } = this
    if (updates.length < 2) return updates
    const joined = this.encode()
    const facts = walkUpdate(joined)
    if (isRefusal(facts) || facts.hasSkip || facts.typeDepth > LIMITS.typeDepthMax) return updates
    // Clients descend in both.
    const held = this.runsDescending().flatMap(({ client, from, end }) => [client, from, end])
    if (held.length !== facts.structs.length || held.some((value, i) => value !== facts.structs[i])) return updates
    return updates.reduce((sum, { length }) => sum + length, 0) > joined.length ? [joined] : updates
  }

  private takeStructs(update: Uint8Array, grown: Grown[]): boolean {
    const { reader } = this
    for (let runs = reader.open(update); runs > 0; runs--) {
      reader.run()
      const run = this.runOf(reader.client, reader.clock)
      if (run.end !== reader.clock) return false
      grown.push({ run, structs: run.clocks.length, end: run.end })
      for (; reader.left > 0; reader.advance()) {
        reader.struct()
        if (reader.ref === REF.skip) return false
        run.clocks.push(reader.clock)
        run.updates.push(this.updates.length)
        run.offsets.push(reader.structStart)
        run.end = reader.clock + reader.length
      }
    }
    return true
  }

  private giveBack({ run, structs, end }: Grown): void {
    for (const list of [run.clocks, run.updates, run.offsets]) list.length = structs
    run.end = end
    if (structs === 0) this.runs.delete(run.client)
  }

  /** Of the update whose structs were read. */
  private takeDeletes(): void {
    const { reader } = this
    for (let clients = reader.count(2); clients > 0; clients--) {
      const client = reader.clientId()
      let deleted = this.deleted.get(client)
      if (deleted === undefined) this.deleted.set(client, (deleted = []))
      for (let ranges = reader.count(2); ranges > 0; ranges--) {
        const from = reader.clockValue()
        deleted.push(from, from + reader.uint())
      }
    }
  }

  private runOf(client: number, from: number): ClientRun {
    let run = this.runs.get(client)
    if (run === undefined) this.runs.set(client, (run = { client, from, end: from, clocks: [], updates: [], offsets: [] }))
    return run
  }

  private runsDescending(): ClientRun[] {
    return [...this.runs.values()].sort((a, b) => b.client - a.client)
  }

  private encode(): Uint8Array {
    for (const [client, ranges] of this.deleted) this.deleted.set(client, unionRanges([], ranges))
    const out = new ByteSink(1024)
    const body = new ByteSink(1024)
    out.uint(this.runs.size)
    for (const run of this.runsDescending()) {
      body.reset()
      out.uint(this.writeRun(run, body))
      out.uint(run.client)
      out.uint(run.from)
      out.add(body)
    }
    const deletes: number[] = []
    for (const client of [...this.deleted.keys()].sort((a, b) => b - a)) {
      const ranges = this.deleted.get(client)!
      for (let i = 0; i < ranges.length; i += 2) deletes.push(client, ranges[i]!, ranges[i + 1]!)
    }
    writeDeletes(out, deletes)
    return out.toBytes()
  }

  /** Returns how many structs it wrote. */
  private writeRun({ client, clocks, updates, offsets }: ClientRun, body: ByteSink): number {
    const { reader } = this
    const writer = new StructsWriter(body)
    const deleted = this.deleted.get(client) ?? []
    for (let i = 0; i < clocks.length; i++) {
      reader.seek(this.updates[updates[i]!]!, offsets[i]!, client, clocks[i]!)
      reader.struct()
      const end = reader.clock + reader.length
      writer.add(reader, reader.clock, end, isLeaf(reader.ref) && coversRange(deleted, reader.clock, end) ? 'deleted' : 'live')
    }
    writer.flush()
    return writer.count
  }
}

/** Nothing can stand inside it: where it is deleted, its content is of no use to anybody. */
function isLeaf(ref: number): boolean {
  return ref !== REF.gc && ref !== REF.type && ref !== REF.doc
}
