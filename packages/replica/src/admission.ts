// The only way in: every update, whoever wrote it, passes the gate here, against admitted knowledge, and either joins the pending batch, is known
// already, is held for a missing dependency, or is refused. Decides; reads documents and held updates; the commit queue carries it out.
// Rules: IN-1, CV-1, I2, I6.

import { encodeDeletes, judge, newDeletes, splitAtSkips, unframeUpdates, walkUpdate, type ErrorCode, type UpdateFacts } from '@syncline/protocol'
import type { BatchRow, CommitBatch, Provenance } from './commit-batch.ts'
import type { CoreLimits } from './core-options.ts'
import type { DocState } from './documents.ts'
import type { HeldUpdates } from './held-updates.ts'

/** new: part of the pending batch now. known: adds nothing to admitted knowledge. missing: lacks a dependency (`held`: already in the held table). */
export type Admitted =
  | { readonly kind: 'new'; readonly row: BatchRow }
  | { readonly kind: 'known' }
  | { readonly kind: 'missing'; readonly held: boolean }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string; readonly retryable: boolean }

const KNOWN: Admitted = { kind: 'known' }
const MISSING: Admitted = { kind: 'missing', held: false }

export interface AdmissionContext {
  readonly limits: CoreLimits
  readonly held: HeldUpdates
  readonly batch: () => CommitBatch
  readonly nowMs: () => number
  /** Provenance of what this replica itself adds (derived deletes, unframed DIFFs). */
  readonly own: () => Provenance
}

/** Admits one v1 update. What is missing is held (bounded) by the caller's choice; what becomes admissible by it is admitted too. */
export function admit(context: AdmissionContext, doc: DocState, update: Uint8Array, from: Provenance): Admitted {
  const result = admitOne(context, doc, update, from)
  if (result.kind === 'new') retryHeld(context, doc)
  return result
}

/** Admits the updates of one row or DIFF, framed. The worst outcome wins: refused, missing, new, known. Missing ones are held. */
export function admitFramed(context: AdmissionContext, doc: DocState, framed: Uint8Array, from: Provenance): Admitted {
  const updates = unframeUpdates(framed)
  if (updates === null) return { kind: 'refused', code: 'update-malformed', reason: 'broken framing', retryable: false }
  let worst: Admitted = KNOWN
  for (const update of updates) {
    const result = admit(context, doc, update, from)
    if (result.kind === 'missing' && !result.held) context.held.hold(doc, update, from, context.nowMs(), context.batch())
    if (rank(result) > rank(worst)) worst = result
  }
  return worst
}

/** True when framed updates add nothing to what is admitted. */
export function isKnown(doc: DocState, framed: Uint8Array): boolean {
  return (unframeUpdates(framed) ?? []).every((update) => {
    const facts = walkUpdate(update)
    return !('code' in facts) && !facts.hasSkip && judge(facts, doc.admitted).kind === 'known'
  })
}

function rank(result: Admitted): number {
  return { known: 0, new: 1, missing: 2, refused: 3 }[result.kind]
}

function admitOne(context: AdmissionContext, doc: DocState, update: Uint8Array, from: Provenance): Admitted {
  const facts = walkUpdate(update)
  if ('code' in facts) return { kind: 'refused', code: facts.code, reason: facts.reason, retryable: false }
  if (facts.hasSkip) return admitParts(context, doc, splitAtSkips(update), from)
  const verdict = judge(facts, doc.admitted)
  if (verdict.kind === 'known') return KNOWN
  if (verdict.kind === 'missing') return MISSING
  if (verdict.kind === 'refused') return { kind: 'refused', code: verdict.refusal.code, reason: verdict.refusal.reason, retryable: false }
  if (doc.bytes + update.length > context.limits.documentBytesMax) {
    return { kind: 'refused', code: 'doc-too-large', reason: `more than ${context.limits.documentBytesMax} bytes`, retryable: true }
  }
  return { kind: 'new', row: take(context, doc, update, facts, from) }
}

/** An honest document with pending structs encodes Skips: its contiguous parts are admitted one by one, in any order that works. */
function admitParts(context: AdmissionContext, doc: DocState, parts: readonly Uint8Array[], from: Provenance): Admitted {
  let rest = [...parts]
  let best: Admitted = KNOWN
  for (;;) {
    const missing: Uint8Array[] = []
    for (const part of rest) {
      const result = admitOne(context, doc, part, from)
      if (result.kind === 'refused') return result
      if (result.kind === 'missing') missing.push(part)
      if (result.kind === 'new') best = result
    }
    if (missing.length === 0) return best
    if (missing.length === rest.length) {
      for (const part of missing) context.held.hold(doc, part, from, context.nowMs(), context.batch())
      return { kind: 'missing', held: true }
    }
    rest = missing
  }
}

function take(context: AdmissionContext, doc: DocState, update: Uint8Array, facts: UpdateFacts, from: Provenance): BatchRow {
  // Deletes that only GC structs or deleted content over known ids state would be ignored by Yjs: they become an entry of their own.
  const overlap = newDeletes(facts, doc.admitted, 'struct-overlap')
  if (doc.admitted === doc.committed) doc.admitted = doc.committed.clone()
  doc.admitted.admit(facts)
  doc.bytes += update.length
  const row = context.batch().add(doc, update, facts, from, context.limits.rowBytesTarget)
  if (overlap.length > 0) {
    const deletes = encodeDeletes(overlap)
    const deleteFacts = walkUpdate(deletes)
    if ('code' in deleteFacts) throw new Error('own delete entry refused')
    context.batch().add(doc, deletes, deleteFacts, from, context.limits.rowBytesTarget)
  }
  return row
}

/** After new knowledge: held updates of the document that fit now. */
function retryHeld(context: AdmissionContext, doc: DocState): void {
  for (let progress = true; progress; ) {
    progress = false
    for (const row of [...context.held.of(doc.key)]) {
      const result = admitOne(context, doc, row.data, { ...context.own(), origin: row.origin, n: row.n })
      if (result.kind === 'missing') continue
      context.held.drop(row, context.batch())
      progress ||= result.kind === 'new'
    }
  }
}
