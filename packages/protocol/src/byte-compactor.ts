// The updates of a document as one update, made from their bytes alone: structs in order, neighbours merged, deleted content dropped, children of deleted types
// collected; and what of that lies beyond a state vector. What a Y.Doc would give, without one: 3 to 5 times faster, and no longer.
// Decides nothing that the bytes do not: where Yjs would derive deletes, or the updates make no sense to it, the answer is null and a Y.Doc has to be made.
// Read by the engine's compaction and diffs. Its oracle is the Y.Doc (fuzz, and a sampled check in production). Rules: I4, CV-1; hole H5.

import { writeDeletes } from './byte-deletes.ts'
import { collectedStructs, type CollectedStructs } from './byte-lists.ts'
import { ByteSink } from './byte-sink.ts'
import { StructsWriter } from './byte-structs-writer.ts'
import { indexStructs, type ClientStructs, type StructIndex } from './byte-structs.ts'
import { rangeAfter } from './delete-ranges.ts'
import { UpdateRefused } from './gate-refusal.ts'
import { Knowledge } from './knowledge.ts'
import { UpdateFacts } from './update-facts.ts'
import { UpdateReader } from './update-reader.ts'
import { isRefusal, walkUpdate } from './update-walker.ts'

/** One update with all of a document, and what it holds. */
export interface CompactedBytes {
  readonly update: Uint8Array
  readonly facts: UpdateFacts
}

/** All updates of one document, oldest first and causally closed, as one v1 update that holds the same ids, deletes and live content. Null when that cannot be
 *  said of bytes alone: a gap, deletes that Yjs would derive, neighbours of different lists. Total: never throws for bytes.
 *  Cost: two passes, about 0.5 us for a typed character, and 4 numbers of memory for a struct. */
export function compactBytes(updates: readonly Uint8Array[]): CompactedBytes | null {
  return unlessRefused(() => {
    const index = indexStructs(updates)
    const collected = index === null ? null : collectedStructs(index)
    if (index === null || collected === null) return null
    const update = encodeFrom(index, collected, null, deletesOf(index))
    const facts = walkUpdate(update)
    return !isRefusal(facts) && sameKnowledge(index, facts) ? { update, facts } : null
  })
}

/** What of a document lies beyond a state vector ([client, next clock]; null: everything), as one v1 update. `deletes`: [client, from, to]*, the delete set
 *  that goes with it; left out: all deletes, as Yjs writes it. Null where compactBytes is. Total: never throws for bytes. Cost: as compactBytes, but the
 *  second pass is over what is sent. */
export function diffBytes(
  updates: readonly Uint8Array[],
  stateVector: ReadonlyMap<number, number> | null,
  deletes?: readonly number[],
): Uint8Array | null {
  return unlessRefused(() => {
    const index = indexStructs(updates)
    const collected = index === null ? null : collectedStructs(index)
    return index === null || collected === null ? null : encodeFrom(index, collected, stateVector, deletes ?? deletesOf(index))
  })
}

function unlessRefused<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (error instanceof UpdateRefused) return null
    throw error
  }
}

/** [client, from, to]*, clients descending. */
function deletesOf(index: StructIndex): number[] {
  const deletes: number[] = []
  for (const { client, deleted } of index.clients) {
    for (let i = 0; i < deleted.length; i += 2) deletes.push(client, deleted[i]!, deleted[i + 1]!)
  }
  return deletes
}

function sameKnowledge(index: StructIndex, facts: UpdateFacts): boolean {
  const before = new UpdateFacts()
  before.structs = index.clients.flatMap(({ client, end }) => [client, 0, end])
  before.deletes = deletesOf(index)
  const [held, holds] = [new Knowledge(), new Knowledge()]
  held.admit(before)
  holds.admit(facts)
  return !facts.hasSkip && holds.equals(held)
}

function encodeFrom(
  index: StructIndex,
  collected: CollectedStructs,
  stateVector: ReadonlyMap<number, number> | null,
  deletes: readonly number[],
): Uint8Array {
  const runs = new ByteSink(4096)
  const body = new ByteSink(4096)
  const reader = new UpdateReader()
  let count = 0
  for (const structs of index.clients) {
    const from = stateVector?.get(structs.client) ?? 0
    if (from >= structs.end) continue
    body.reset()
    const structsWritten = writeStructs(index, structs, collected, from, reader, body)
    runs.uint(structsWritten)
    runs.uint(structs.client)
    runs.uint(from)
    runs.add(body)
    count++
  }
  const out = new ByteSink(runs.length + 16 + 4 * deletes.length)
  out.uint(count)
  out.add(runs)
  writeDeletes(out, deletes)
  return out.toBytes()
}

/** Writes one client's structs from clock `from` on. Returns how many. */
function writeStructs(
  index: StructIndex,
  structs: ClientStructs,
  collected: CollectedStructs,
  from: number,
  reader: UpdateReader,
  body: ByteSink,
): number {
  const writer = new StructsWriter(body)
  const { client, clocks, ends, offsets, deleted } = structs
  let at = rangeAfter(deleted, from)
  for (let i = structs.indexOf(from); i < ends.length; i++) {
    reader.seek(index.updates[structs.updates[i]!]!, offsets[i]!, client, clocks[i]!)
    reader.struct()
    const gone = collected.isCollected(structs, i) ? 'collected' : 'deleted'
    const end = ends[i]!
    for (let clock = Math.max(structs.fromOf(i), from); clock < end;) {
      while (at < deleted.length && deleted[at + 1]! <= clock) at += 2
      const isDeleted = at < deleted.length && deleted[at]! <= clock
      const to = Math.min(end, at >= deleted.length ? end : isDeleted ? deleted[at + 1]! : deleted[at]!)
      writer.add(reader, clock, to, isDeleted ? gone : 'live')
      clock = to
    }
  }
  writer.flush()
  return writer.count
}
