// The gate's first half: one pass over a Yjs v1 update that checks every byte and extracts what the update brings, deletes and needs.
// Decides: may these bytes enter at all. What they mean for a document is update-judge.ts. One module-level reader, so it is not re-entrant
// (it calls nothing that could re-enter it). Read by the engine, the doors and the store's checks. Rules: IN-1.

import { REFUSE, UpdateRefused, type GateRefusal } from './gate-refusal.ts'
import { LIMITS } from './limits.ts'
import { typeDepthOf } from './type-depth.ts'
import { UpdateFacts, withId, withRange } from './update-facts.ts'
import { REF, UpdateReader } from './update-reader.ts'

export type { GateRefusal } from './gate-refusal.ts'
export { UpdateFacts } from './update-facts.ts'
export { judge, type Verdict } from './update-judge.ts'

const reader = new UpdateReader()

/** Of bytes that no document can be made of, the rest is not looked at. Above the bounds of judge: what was stored under wider ones can still be read. */
const CLIENTS_MAX = 4 * LIMITS.clientsPerDocMax
const STRUCT_RANGES_MAX = 4 * (LIMITS.clientsPerDocMax + LIMITS.gapsPerUpdateMax)
const DELETE_RANGES_MAX = 4 * LIMITS.deleteRangesPerDocMax

/** Walks one v1 update. Returns its facts (in `into`, emptied first, when given) or a refusal; after a refusal `into` holds garbage.
 *  Total: never throws, whatever the bytes. Cost: one pass, about 0.1 us for a typed character; no allocation but the facts'. */
export function walkUpdate(bytes: Uint8Array, into?: UpdateFacts): UpdateFacts | GateRefusal {
  const facts = into === undefined ? new UpdateFacts() : into.reset()
  try {
    const types = walk(reader, bytes, facts)
    if (types > LIMITS.typeDepthMax) facts.typeDepth = typeDepthOf(bytes)
    return facts
  } catch (error) {
    // anything else is a bug of this package: fail closed, and say so in the reason
    return error instanceof UpdateRefused ? error.refusal : REFUSE.internal.refusal
  } finally {
    reader.close()
  }
}

/** Tells the two results of walkUpdate apart. */
export function isRefusal(result: UpdateFacts | GateRefusal): result is GateRefusal {
  return 'code' in result
}

/** Returns how many shared types the update creates. */
function walk(reader: UpdateReader, bytes: Uint8Array, facts: UpdateFacts): number {
  let types = 0
  let previous = Infinity
  let runs = reader.open(bytes)
  if (runs > CLIENTS_MAX) throw REFUSE.clients
  for (; runs > 0; runs--) {
    reader.run()
    // every Yjs encoder sorts so, mergeUpdates relies on it, and Yjs drops the first of two runs of one client
    if (reader.client >= previous) throw REFUSE.clientOrder
    previous = reader.client
    types += walkRun(reader, facts)
  }
  walkDeletes(reader, facts)
  if (reader.at !== bytes.length) throw REFUSE.trailingBytes
  return types
}

function walkRun(reader: UpdateReader, facts: UpdateFacts): number {
  let types = 0
  let from = reader.clock
  let impliedFrom = facts.dependencies.length
  while (reader.left > 0) {
    reader.struct()
    const ref = reader.ref
    if (ref === REF.skip) {
      if (reader.clock > from) facts.structs = withRange(facts.structs, reader.client, from, reader.clock)
      from = reader.clock + reader.length
      impliedFrom = facts.dependencies.length
      facts.hasSkip = true
      if (facts.structs.length > 3 * STRUCT_RANGES_MAX) throw REFUSE.gaps
    } else if (ref === REF.gc) {
      addStructDelete(reader, facts)
    } else {
      if (reader.originClient !== 0) need(reader, facts, reader.originClient, reader.originClock, impliedFrom)
      if (reader.rightClient !== 0) need(reader, facts, reader.rightClient, reader.rightClock, impliedFrom)
      if (reader.parentClient !== 0) need(reader, facts, reader.parentClient, reader.parentClock, impliedFrom)
      if (ref === REF.type) types++
      else if (ref === REF.deleted) addStructDelete(reader, facts)
    }
    reader.advance()
  }
  if (reader.clock > from) facts.structs = withRange(facts.structs, reader.client, from, reader.clock)
  return types
}

/** Ids of the struct's own client come before it in the run or before the run, so only others are noted. */
function need(reader: UpdateReader, facts: UpdateFacts, client: number, clock: number, impliedFrom: number): void {
  if (client === reader.client) return
  const { dependencies } = facts
  const last = dependencies.length - 2
  if (last >= impliedFrom && dependencies[last] === client && dependencies[last + 1]! >= clock) return
  facts.dependencies = withId(dependencies, client, clock)
  facts.dependents = withId(facts.dependents, reader.client, reader.clock)
}

function addStructDelete(reader: UpdateReader, facts: UpdateFacts): void {
  const { structDeletes } = facts
  const end = reader.clock + reader.length
  const last = structDeletes.length - 1
  if (last > 0 && structDeletes[last] === reader.clock && structDeletes[last - 2] === reader.client) (structDeletes as number[])[last] = end
  else if (last > 3 * DELETE_RANGES_MAX) throw REFUSE.deleteRanges
  else facts.structDeletes = withRange(structDeletes, reader.client, reader.clock, end)
}

function walkDeletes(reader: UpdateReader, facts: UpdateFacts): void {
  let clients = reader.count(2)
  if (clients > CLIENTS_MAX) throw REFUSE.clients
  for (; clients > 0; clients--) {
    const client = reader.clientId()
    let ranges = reader.count(2)
    if (facts.deletes.length / 3 + ranges > DELETE_RANGES_MAX) throw REFUSE.deleteRanges
    for (; ranges > 0; ranges--) {
      const from = reader.clockValue()
      const length = reader.uint()
      if (length === 0) throw REFUSE.zeroLength
      if (from + length > LIMITS.clockMax) throw REFUSE.clock
      facts.deletes = withRange(facts.deletes, client, from, from + length)
    }
  }
}
