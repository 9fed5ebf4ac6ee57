// One update that is asked for again and again, each time by somebody who has another part of it: a list of where its structs stand, so that what lies beyond a state vector
// is found by a search and copied, without reading what comes before or after. Holds one place in 64 structs. Read by the answers to newcomers. Rules: CV-1.

import { ByteSink } from './byte-sink.ts'
import { StructsWriter } from './byte-structs-writer.ts'
import { UpdateRefused } from './gate-refusal.ts'
import { REF, UpdateReader } from './update-reader.ts'

const STRUCTS_PER_MARK = 64
const BYTES_PER_MARK = 16

/** One client's structs in the update. */
interface IndexedRun {
  readonly client: number
  /** Where it stands, header included. */
  readonly start: number
  bytesEnd: number
  readonly structs: number
  readonly from: number
  end: number
  /** Clock and offset of every 64th struct, the first included. */
  readonly clocks: number[]
  readonly offsets: number[]
}

export class IndexedUpdate {
  readonly update: Uint8Array
  readonly #runs: readonly IndexedRun[]
  readonly #deletesStart: number
  readonly #reader = new UpdateReader()

  private constructor(update: Uint8Array, runs: readonly IndexedRun[], deletesStart: number) {
    this.update = update
    this.#runs = runs
    this.#deletesStart = deletesStart
  }

  /** Null for an update that names a gap, or that the gate refuses. Cost: one pass. */
  static of(update: Uint8Array): IndexedUpdate | null {
    const reader = new UpdateReader()
    const runs: IndexedRun[] = []
    try {
      for (let left = reader.open(update); left > 0; left--) {
        const run = readRun(reader)
        if (run === null) return null
        runs.push(run)
      }
    } catch (error) {
      if (error instanceof UpdateRefused) return null
      throw error
    }
    return new IndexedUpdate(update, runs, reader.at)
  }

  /** Memory that the list takes, in bytes. */
  get indexBytes(): number {
    return this.#runs.reduce((sum, { clocks }) => sum + 64 + BYTES_PER_MARK * clocks.length, 0)
  }

  /** What lies beyond a state vector ([client, next clock]), with all deletes, as one v1 update. Cost: a search for each client, and a copy. */
  beyond(stateVector: ReadonlyMap<number, number>): Uint8Array {
    const { update } = this
    const body = new ByteSink(1024)
    let count = 0
    for (const run of this.#runs) {
      const known = stateVector.get(run.client) ?? 0
      if (known >= run.end) continue
      count++
      if (known <= run.from) body.copy(update, run.start, run.bytesEnd)
      else this.#writeFrom(run, known, body)
    }
    const out = new ByteSink(body.length + update.length - this.#deletesStart + 8)
    out.uint(count)
    out.add(body)
    out.copy(update, this.#deletesStart, update.length)
    return out.toBytes()
  }

  #writeFrom(run: IndexedRun, known: number, body: ByteSink): void {
    const reader = this.#reader
    const { client, clocks, offsets, structs, bytesEnd } = run
    const mark = lastAtMost(clocks, known)
    reader.seek(this.update, offsets[mark]!, client, clocks[mark]!)
    let left = structs - mark * STRUCTS_PER_MARK
    for (reader.struct(); reader.clock + reader.length <= known; reader.struct()) {
      reader.advance()
      left--
    }
    body.uint(left)
    body.uint(client)
    body.uint(known)
    if (reader.clock === known) return body.copy(this.update, reader.structStart, bytesEnd)
    const writer = new StructsWriter(body)
    writer.add(reader, known, reader.clock + reader.length, 'live')
    writer.flush()
    body.copy(this.update, reader.at, bytesEnd)
  }
}

function readRun(reader: UpdateReader): IndexedRun | null {
  const start = reader.at
  reader.run()
  const { client, clock: from, left: structs } = reader
  const run: IndexedRun = { client, start, bytesEnd: 0, structs, from, end: 0, clocks: [], offsets: [] }
  for (; reader.left > 0; reader.advance()) {
    if ((structs - reader.left) % STRUCTS_PER_MARK === 0) {
      run.clocks.push(reader.clock)
      run.offsets.push(reader.at)
    }
    reader.struct()
    if (reader.ref === REF.skip) return null
  }
  run.bytesEnd = reader.at
  run.end = reader.clock
  return run
}

/** Index of the last of these ascending values that is not above `value`; the first is not. */
function lastAtMost(values: readonly number[], value: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (values[middle]! <= value) low = middle
    else high = middle - 1
  }
  return low
}
