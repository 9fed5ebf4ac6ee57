// Cuts and rebuilds v1 updates at the byte level, without a Y.Doc: the admissible part of an update, its parts around Skips, its delete set.
// Decides what is stored of an update that is not new as a whole: structs that are known are cut off (Yjs would skip them too, but first
// follow their references, and bytes that claim a known id are nobody's to trust), deletes that are known are dropped.
// All functions take updates that walkUpdate accepted, and give such updates. Read by the engine and the store's compaction. Rules: IN-1, CV-1.

import * as encoding from 'lib0/encoding'
import { readJson, skipValue } from './any-value.ts'
import { StrictReader } from './strict-reader.ts'
import { eachGap, unionRanges } from './delete-ranges.ts'
import { planIntegration } from './integration-plan.ts'
import type { Knowledge } from './knowledge.ts'
import type { UpdateFacts } from './update-facts.ts'
import { isRefusal, walkUpdate } from './update-walker.ts'
import { HAS_ORIGIN, HAS_RIGHT_ORIGIN, REF, UpdateReader } from './update-reader.ts'

/** One run being written: `structs` structs from `clock` on, their bytes in order. */
interface RunPart {
  readonly client: number
  readonly clock: number
  structs: number
  readonly bytes: Uint8Array[]
}

/** The parts of `update` that can be integrated now, and what must wait. `ready` holds nothing that is known: no struct twice, no delete twice,
 *  and names as deletes what known ids the update's deleted structs cover (Yjs ignores those structs). It is new and exact by judge; walk it
 *  for its own facts. `rest` is what to hold until something is missing no more. Either is null when it would hold nothing. */
export function splitAdmissible(
  update: Uint8Array,
  facts: UpdateFacts,
  knowledge: Knowledge,
): { readonly ready: Uint8Array | null; readonly rest: Uint8Array | null } {
  const { frontier } = planIntegration(facts, knowledge)
  const limitOf = (client: number): number => frontier.get(client) ?? knowledge.clockOf(client)
  const ready: RunPart[] = []
  const rest: RunPart[] = []
  eachStruct(update, (reader) => {
    if (reader.ref === REF.skip) {
      const waiting = rest.at(-1)
      if (waiting !== undefined && waiting.client === reader.client) pushStruct(rest, reader, 0)
    } else if (reader.clock + reader.length > limitOf(reader.client)) {
      pushStruct(rest, reader, 0)
    } else {
      const known = knowledge.clockOf(reader.client) - reader.clock
      if (known < reader.length) pushStruct(ready, reader, Math.max(known, 0))
    }
  })
  const readyDeletes = newDeletes(facts, knowledge, 'struct-overlap')
  const restDeletes: number[] = []
  for (let i = 0; i < facts.deletes.length; i += 3) {
    const client = facts.deletes[i]!
    const [from, to, limit] = [facts.deletes[i + 1]!, facts.deletes[i + 2]!, limitOf(client)]
    // Who deletes a range has all of it. One that ends beyond what is here waits whole, or a delete of the future would take each id as it comes (TRAPS T6).
    if (to > limit) restDeletes.push(client, from, to)
    else eachGap(knowledge.deletedOf(client), from, to, (a, b) => readyDeletes.push(client, a, b))
  }
  return { ready: assemble(ready, readyDeletes), rest: assemble(rest, restDeletes) }
}

/** The contiguous parts of an update with Skips, in order: the n-th part holds each client's n-th range, and the deletes below its end that
 *  no earlier part holds. Parts may need each other; splitAdmissible, which knows the document, says what can be integrated. */
export function splitAtSkips(update: Uint8Array): Uint8Array[] {
  const facts = walkUpdate(update)
  if (isRefusal(facts) || !facts.hasSkip) return [update]
  const parts: { runs: RunPart[]; deletes: number[] }[] = []
  const part = (index: number): { runs: RunPart[]; deletes: number[] } => (parts[index] ??= { runs: [], deletes: [] })
  let client = 0
  let index = 0
  let end = 0
  eachStruct(update, (reader) => {
    if (reader.ref === REF.skip) return
    if (reader.client !== client) index = 0
    else if (reader.clock > end) index++
    client = reader.client
    end = reader.clock + reader.length
    for (let i = parts.length; i < index; i++) part(i)
    pushStruct(part(index).runs, reader, 0)
  })
  const ends = rangeEnds(facts)
  for (const [client, ranges] of groupRanges(facts.deletes)) {
    const endsOfClient = ends.get(client) ?? []
    let nth = 0
    for (let i = 0; i < ranges.length; i += 2) {
      for (let from = ranges[i]!; from < ranges[i + 1]!;) {
        while (nth < endsOfClient.length - 1 && endsOfClient[nth]! <= from) nth++
        const to = nth < endsOfClient.length - 1 ? Math.min(ranges[i + 1]!, endsOfClient[nth]!) : ranges[i + 1]!
        part(nth).deletes.push(client, from, to)
        from = to
      }
    }
  }
  return parts.map(({ runs, deletes }) => assemble(runs, deletes)).filter((bytes) => bytes !== null)
}

/** A v1 update that only deletes. `ranges`: [client, from, to]*, in any order, overlapping or not. */
export function encodeDeletes(ranges: readonly number[]): Uint8Array {
  return encodeParts([], ranges)
}

/** The same structs with another delete set: [client, from, to]*. For diffs that carry only what a peer may lack. */
export function replaceDeleteSet(update: Uint8Array, ranges: readonly number[]): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeUint8Array(
    encoder,
    update.subarray(
      0,
      eachStruct(update, () => {}),
    ),
  )
  writeDeleteSet(encoder, ranges)
  return encoding.toUint8Array(encoder)
}

/** [client, from, to]*, normalised, clients descending: what `facts` deletes and `knowledge` lacks. 'all': by delete set and by deleted structs.
 *  'struct-overlap': only by deleted structs, and only ids that are known already, as live: Yjs ignores structs that it has, so these must be
 *  stored as deletes of their own. */
export function newDeletes(facts: UpdateFacts, knowledge: Knowledge, which: 'all' | 'struct-overlap'): number[] {
  const wanted = which === 'all' ? [...facts.deletes, ...facts.structDeletes] : facts.structDeletes
  const fresh: number[] = []
  for (const [client, ranges] of groupRanges(wanted)) {
    const end = which === 'all' ? Infinity : knowledge.clockOf(client)
    for (let i = 0; i < ranges.length; i += 2) {
      eachGap(knowledge.deletedOf(client), ranges[i]!, Math.min(ranges[i + 1]!, end), (from, to) => fresh.push(client, from, to))
    }
  }
  return fresh
}

/** Per client the ends of its ranges, ascending. */
function rangeEnds(facts: UpdateFacts): Map<number, number[]> {
  const ends = new Map<number, number[]>()
  for (let i = 0; i < facts.structs.length; i += 3) {
    const ofClient = ends.get(facts.structs[i]!)
    if (ofClient === undefined) ends.set(facts.structs[i]!, [facts.structs[i + 2]!])
    else ofClient.push(facts.structs[i + 2]!)
  }
  return ends
}

/** Calls `visit` with the reader after each struct, Skips included. Returns the offset of the delete set. */
function eachStruct(update: Uint8Array, visit: (reader: UpdateReader) => void): number {
  const reader = new UpdateReader()
  for (let runs = reader.open(update); runs > 0; runs--) {
    reader.run()
    for (; reader.left > 0; reader.advance()) {
      reader.struct()
      visit(reader)
    }
  }
  return reader.at
}

/** Adds the struct read last, less its first `offset` clocks, to the run of its client. */
function pushStruct(runs: RunPart[], reader: UpdateReader, offset: number): void {
  let run = runs.at(-1)
  if (run === undefined || run.client !== reader.client) {
    run = { client: reader.client, clock: reader.clock + offset, structs: 0, bytes: [] }
    runs.push(run)
  }
  run.structs++
  run.bytes.push(offset === 0 ? reader.bytes.subarray(reader.structStart, reader.at) : encodeTail(reader, offset))
}

/** The struct read last without its first `offset` clocks, as Yjs writes one with an offset: its origin is the clock before. */
function encodeTail(reader: UpdateReader, offset: number): Uint8Array {
  const encoder = encoding.createEncoder()
  const { ref, info } = reader
  if (ref === REF.gc || ref === REF.skip) {
    encoding.writeUint8(encoder, ref)
  } else {
    encoding.writeUint8(encoder, info | HAS_ORIGIN)
    encoding.writeVarUint(encoder, reader.client)
    encoding.writeVarUint(encoder, reader.clock + offset - 1)
    if ((info & HAS_RIGHT_ORIGIN) !== 0) {
      encoding.writeVarUint(encoder, reader.rightClient)
      encoding.writeVarUint(encoder, reader.rightClock)
    }
  }
  const content = new StrictReader()
  content.start(reader.bytes.subarray(reader.contentStart, reader.at))
  if (ref === REF.string) {
    content.text()
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(content.bytes.subarray(content.textStart, content.textEnd))
    encoding.writeVarString(encoder, text.slice(offset))
  } else {
    encoding.writeVarUint(encoder, reader.length - offset)
    if (ref === REF.any || ref === REF.json) {
      content.uint()
      for (let i = 0; i < offset; i++) {
        if (ref === REF.any) skipValue(content, 1)
        else readJson(content, true)
      }
      encoding.writeUint8Array(encoder, content.bytes.subarray(content.at))
    }
  }
  return encoding.toUint8Array(encoder)
}

/** Null for nothing at all. */
function assemble(runs: readonly RunPart[], deletes: readonly number[]): Uint8Array | null {
  return runs.length === 0 && deletes.length === 0 ? null : encodeParts(runs, deletes)
}

function encodeParts(runs: readonly RunPart[], deletes: readonly number[]): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, runs.length)
  for (const run of runs) {
    encoding.writeVarUint(encoder, run.structs)
    encoding.writeVarUint(encoder, run.client)
    encoding.writeVarUint(encoder, run.clock)
    for (const bytes of run.bytes) encoding.writeUint8Array(encoder, bytes)
  }
  writeDeleteSet(encoder, deletes)
  return encoding.toUint8Array(encoder)
}

function writeDeleteSet(encoder: encoding.Encoder, flat: readonly number[]): void {
  const groups = groupRanges(flat)
  encoding.writeVarUint(encoder, groups.length)
  for (const [client, ranges] of groups) {
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, ranges.length / 2)
    for (let i = 0; i < ranges.length; i += 2) {
      encoding.writeVarUint(encoder, ranges[i]!)
      encoding.writeVarUint(encoder, ranges[i + 1]! - ranges[i]!)
    }
  }
}

/** [client, normalised ranges]*, clients descending as Yjs writes them. */
function groupRanges(flat: readonly number[]): [number, number[]][] {
  const byClient = new Map<number, number[]>()
  for (let i = 0; i < flat.length; i += 3) {
    const ranges = byClient.get(flat[i]!)
    if (ranges === undefined) byClient.set(flat[i]!, [flat[i + 1]!, flat[i + 2]!])
    else ranges.push(flat[i + 1]!, flat[i + 2]!)
  }
  return [...byClient].map(([client, ranges]): [number, number[]] => [client, unionRanges([], ranges)]).sort((a, b) => b[0] - a[0])
}
