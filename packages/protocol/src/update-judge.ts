// The gate's second half: what an update that passed the walker means for a document. Decides: does it add anything, and is everything it
// refers to here, so that Yjs would leave nothing pending. Read by the engine and the doors. Rules: IN-1, CV-1.

import { REFUSE, type GateRefusal } from './gate-refusal.ts'
import { planIntegration } from './integration-plan.ts'
import type { Knowledge } from './knowledge.ts'
import { LIMITS } from './limits.ts'
import type { UpdateFacts } from './update-facts.ts'

/** known: adds nothing. new: all it refers to is known or contained. missing: the first id it needs and does not have. refused: no order of
 *  arrival makes it integrable, it nests types too deep, or the document would have too many client ids or deleted ranges. `overlaps`: it repeats structs or deletes that are known, or has Skips; store what splitAdmissible makes of it. */
export type Verdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'new'; readonly overlaps: boolean }
  | { readonly kind: 'missing'; readonly client: number; readonly clock: number }
  | { readonly kind: 'refused'; readonly refusal: GateRefusal }

const KNOWN: Verdict = { kind: 'known' }
const NEW: Verdict = { kind: 'new', overlaps: false }
const NEW_OVERLAPPING: Verdict = { kind: 'new', overlaps: true }
const TOO_DEEP: Verdict = { kind: 'refused', refusal: REFUSE.typeDepth.refusal }
const CIRCULAR: Verdict = { kind: 'refused', refusal: REFUSE.circular.refusal }
const TOO_MANY_CLIENTS: Verdict = { kind: 'refused', refusal: REFUSE.clients.refusal }
const TOO_MANY_DELETES: Verdict = { kind: 'refused', refusal: REFUSE.deleteRanges.refusal }
const TOO_MANY_GAPS: Verdict = { kind: 'refused', refusal: REFUSE.gaps.refusal }

/** Judges one update's facts against what the document has. Cost: a few map reads for a typing update; linear in the facts at worst. */
export function judge(facts: UpdateFacts, knowledge: Knowledge): Verdict {
  const tooMany = tooManyAtOnce(facts)
  if (tooMany !== null) return tooMany
  if (addsNothing(facts, knowledge)) return KNOWN
  if (facts.typeDepth > LIMITS.typeDepthMax) return TOO_DEEP
  const tooManyTogether = tooManyWith(facts, knowledge)
  if (tooManyTogether !== null) return tooManyTogether
  const { structs, dependencies, deletes } = facts
  let overlaps = facts.hasSkip
  let expected = 0
  for (let i = 0; i < structs.length; i += 3) {
    const client = structs[i]!
    const from = structs[i + 1]!
    const known = knowledge.clockOf(client)
    if (known > from) overlaps = true
    // a second range of one client follows a Skip
    expected = i > 0 && structs[i - 3] === client ? Math.max(known, expected) : known
    if (from > expected) return { kind: 'missing', client, clock: expected }
    expected = structs[i + 2]!
  }
  for (let i = 0; i < dependencies.length; i += 2) {
    if (dependencies[i + 1]! < knowledge.clockOf(dependencies[i]!)) continue
    const plan = planIntegration(facts, knowledge)
    if (plan.missing !== null) return { kind: 'missing', client: plan.missing.client, clock: plan.missing.clock }
    if (plan.circular) return CIRCULAR
    break
  }
  for (let i = 0; i < deletes.length; i += 3) if (knowledge.coversDeletes(deletes[i]!, deletes[i + 1]!, deletes[i + 2]!)) overlaps = true
  return missingDelete(facts, knowledge) ?? (overlaps ? NEW_OVERLAPPING : NEW)
}

/** What no document can hold, before anything is looked up: the bounds are of documents, and an update is at most one. */
function tooManyAtOnce({ structs, deletes, structDeletes }: UpdateFacts): Verdict | null {
  if (structs.length > 3 * LIMITS.clientsPerDocMax && clientsIn(structs) > LIMITS.clientsPerDocMax) return TOO_MANY_CLIENTS
  if (structs.length > 3 * (LIMITS.clientsPerDocMax + LIMITS.gapsPerUpdateMax)) return TOO_MANY_GAPS
  if (Math.max(deletes.length, structDeletes.length) > 3 * LIMITS.deleteRangesPerDocMax) return TOO_MANY_DELETES
  if (deletes.length > 3 * LIMITS.clientsPerDocMax && clientsIn(deletes) > LIMITS.clientsPerDocMax) return TOO_MANY_CLIENTS
  return null
}

/** Whether the document would hold too much with it. Only what is near a bound is counted one by one. */
function tooManyWith({ structs, deletes, structDeletes }: UpdateFacts, knowledge: Knowledge): Verdict | null {
  if (knowledge.clientCount() + structs.length / 3 > LIMITS.clientsPerDocMax) {
    let clients = knowledge.clientCount()
    for (let i = 0; i < structs.length; i += 3) if (structs[i] !== structs[i - 3] && knowledge.clockOf(structs[i]!) === 0) clients++
    if (clients > LIMITS.clientsPerDocMax) return TOO_MANY_CLIENTS
  }
  const ranges = knowledge.deleteRangeCount
  if (ranges + (deletes.length + structDeletes.length) / 3 <= LIMITS.deleteRangesPerDocMax) return null
  const added = Math.max(newRanges(deletes, knowledge), newRanges(structDeletes, knowledge))
  return added > 0 && ranges + added > LIMITS.deleteRangesPerDocMax ? TOO_MANY_DELETES : null
}

/** In [client, from, to]*, where the ranges of a client stand together. */
function clientsIn(ranges: readonly number[]): number {
  let clients = 0
  for (let i = 0; i < ranges.length; i += 3) if (ranges[i] !== ranges[i - 3]) clients++
  return clients
}

function newRanges(deletes: readonly number[], knowledge: Knowledge): number {
  let count = 0
  for (let i = 0; i < deletes.length; i += 3) if (!knowledge.coversDeletes(deletes[i]!, deletes[i + 1]!, deletes[i + 2]!)) count++
  return count
}

function addsNothing(facts: UpdateFacts, knowledge: Knowledge): boolean {
  const { structs } = facts
  for (let i = 0; i < structs.length; i += 3) if (structs[i + 2]! > knowledge.clockOf(structs[i]!)) return false
  return coversAll(facts.deletes, knowledge) && coversAll(facts.structDeletes, knowledge)
}

function coversAll(deletes: readonly number[], knowledge: Knowledge): boolean {
  for (let i = 0; i < deletes.length; i += 3) if (!knowledge.coversDeletes(deletes[i]!, deletes[i + 1]!, deletes[i + 2]!)) return false
  return true
}

/** Deletes of clocks that neither the document nor the update has would wait in Yjs for whatever comes there (TRAPS T6). */
function missingDelete({ structs, deletes }: UpdateFacts, knowledge: Knowledge): Verdict | null {
  let ends: Map<number, number> | null = null
  for (let i = 0; i < deletes.length; i += 3) {
    const client = deletes[i]!
    const known = knowledge.clockOf(client)
    if (deletes[i + 2]! <= known) continue
    if (ends === null) {
      ends = new Map()
      for (let range = 0; range < structs.length; range += 3) ends.set(structs[range]!, structs[range + 2]!)
    }
    const end = Math.max(known, ends.get(client) ?? 0)
    if (deletes[i + 2]! > end) return { kind: 'missing', client, clock: end }
  }
  return null
}
