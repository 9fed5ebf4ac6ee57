// The only way in: every update, whoever wrote it, passes the gate here, against admitted knowledge, and either joins the pending batch, is known
// already, is held for a missing dependency, or is refused. Decides; reads documents and held updates; the commit queue carries it out.
// Each update is of one document epoch: what is of a life that is over adds nothing, and a later life takes the place of what is admitted.
// Rules: IN-1, CV-1, I2, I6, DD-1.

import {
  DOC_EPOCH_MAX,
  isDeletion,
  isRefusal,
  judge,
  Knowledge,
  splitAdmissible,
  unframeUpdates,
  walkUpdate,
  type ErrorCode,
  type UpdateFacts,
} from '@syncline/protocol'
import type { BatchRow, CommitBatch, Provenance } from './commit-batch.ts'
import type { CoreLimits } from './core-options.ts'
import type { DocState } from './documents.ts'
import type { HeldUpdates } from './held-updates.ts'

/** new: part of the pending batch now. known: adds nothing to admitted knowledge. missing: lacks a dependency; what could not be admitted is held. */
export type Admitted =
  | { readonly kind: 'new'; readonly row: BatchRow }
  | { readonly kind: 'known' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string; readonly retryable: boolean }

const KNOWN: Admitted = { kind: 'known' }
const MISSING: Admitted = { kind: 'missing' }

export interface AdmissionContext {
  readonly limits: CoreLimits
  readonly held: HeldUpdates
  readonly batch: () => CommitBatch
  readonly nowMs: () => number
  /** Committed documents of the space. */
  readonly documents: () => number
  /** Provenance of what this replica itself adds (derived deletes, unframed DIFFs). */
  readonly own: () => Omit<Provenance, 'docEpoch'>
}

/** Admits one v1 update: all of it, or the part that fits; the rest is held (bounded), and what was held before is admitted once it fits. */
export function admit(context: AdmissionContext, doc: DocState, update: Uint8Array, from: Provenance): Admitted {
  const { result, rest, progress } = admitPart(context, doc, update, from)
  if (rest !== null) context.held.hold(doc, rest, from, context.nowMs(), context.batch())
  if (progress) retryHeld(context, doc)
  return result
}

/** Admits the updates of one row or DIFF, framed. The worst outcome wins: refused, missing, new, known. */
export function admitFramed(context: AdmissionContext, doc: DocState, framed: Uint8Array, from: Provenance): Admitted {
  const updates = unframeUpdates(framed)
  if (updates === null) return { kind: 'refused', code: 'update-malformed', reason: 'broken framing', retryable: false }
  let worst = enterEpoch(context, doc, from)
  for (const update of updates) {
    const result = admit(context, doc, update, from)
    if (rank(result) > rank(worst)) worst = result
  }
  return worst
}

/** Makes a later life of the document, or its deletion, part of the pending batch; known when it is in that epoch already, or beyond. */
export function enterEpoch(context: AdmissionContext, doc: DocState, from: Provenance): Admitted {
  if (from.docEpoch <= doc.admitted.epoch) return KNOWN
  if (from.docEpoch > DOC_EPOCH_MAX) return { kind: 'refused', code: 'doc-deleted', reason: 'its name is used up', retryable: false }
  const begins = !isDeletion(from.docEpoch) && (isDeletion(doc.admitted.epoch) || (!doc.stored && doc.uncommitted === 0))
  if (begins && context.documents() >= context.limits.documentsMax) return spaceFull(context)
  const batch = context.batch()
  for (const row of [...context.held.of(doc.key)]) context.held.drop(row, batch)
  doc.admitted = new Knowledge(from.docEpoch)
  doc.bytes = 0
  return { kind: 'new', row: batch.enter(doc, from) }
}

/** True when framed updates of document epoch `docEpoch` add nothing to what is admitted. */
export function isKnown(doc: DocState, docEpoch: number, framed: Uint8Array): boolean {
  if (docEpoch !== doc.admitted.epoch) return docEpoch < doc.admitted.epoch
  return (unframeUpdates(framed) ?? []).every((update) => {
    const facts = walkUpdate(update)
    return !isRefusal(facts) && judge(facts, doc.admitted).kind === 'known'
  })
}

function rank(result: Admitted): number {
  return { known: 0, new: 1, missing: 2, refused: 3 }[result.kind]
}

interface Part {
  readonly result: Admitted
  /** What has to wait for a dependency. */
  readonly rest: Uint8Array | null
  /** Something was admitted. */
  readonly progress: boolean
}

function whole(result: Admitted): Part {
  return { result, rest: null, progress: result.kind === 'new' }
}

function refused(code: ErrorCode, reason: string, retryable: boolean): Part {
  return whole({ kind: 'refused', code, reason, retryable })
}

function admitPart(context: AdmissionContext, doc: DocState, update: Uint8Array, from: Provenance): Part {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) return refused(facts.code, facts.reason, false)
  if (from.docEpoch < doc.admitted.epoch) return whole(KNOWN)
  if (isDeletion(from.docEpoch)) return refused('update-forbidden', 'it is written into a deletion', false)
  const verdict = judge(facts, doc.admitted)
  if (verdict.kind === 'known') return whole(KNOWN)
  if (verdict.kind === 'refused') return refused(verdict.refusal.code, verdict.refusal.reason, false)
  if (doc.bytes + update.length > context.limits.documentBytesMax) {
    return refused('doc-too-large', `more than ${context.limits.documentBytesMax} bytes`, true)
  }
  if (!doc.stored && doc.uncommitted === 0 && context.documents() >= context.limits.documentsMax) {
    return whole(spaceFull(context))
  }
  if (verdict.kind === 'new' && !verdict.overlaps) return whole({ kind: 'new', row: take(context, doc, update, facts, from) })
  return cut(context, doc, update, facts, from)
}

function spaceFull({ limits }: AdmissionContext): Admitted {
  return { kind: 'refused', code: 'space-full', reason: `this space has its ${limits.documentsMax} documents`, retryable: true }
}

/** An update that repeats known ids, or lacks dependencies: only what is new and fits is stored. Yjs throws on structs that overlap collected ones, and an honest
 *  document with pending structs encodes gaps. */
function cut(context: AdmissionContext, doc: DocState, update: Uint8Array, facts: UpdateFacts, from: Provenance): Part {
  const { ready, rest } = splitAdmissible(update, facts, doc.admitted)
  if (ready === null) return { result: MISSING, rest: update, progress: false }
  const readyFacts = walkUpdate(ready)
  if (isRefusal(readyFacts)) return refused(readyFacts.code, readyFacts.reason, false)
  const row = take(context, doc, ready, readyFacts, from)
  return { result: rest === null ? { kind: 'new', row } : MISSING, rest, progress: true }
}

function take(context: AdmissionContext, doc: DocState, update: Uint8Array, facts: UpdateFacts, from: Provenance): BatchRow {
  if (doc.admitted === doc.committed) doc.admitted = doc.committed.clone()
  doc.admitted.admit(facts)
  doc.bytes += update.length
  return context.batch().add(doc, update, facts, from, context.limits.rowBytesTarget)
}

/** After new knowledge: held updates of the document that fit now, wholly or in part. */
function retryHeld(context: AdmissionContext, doc: DocState): void {
  for (let again = true; again;) {
    again = false
    for (const row of [...context.held.of(doc.key)]) {
      const from = { ...context.own(), docEpoch: doc.admitted.epoch, origin: row.origin, n: row.n }
      const { result, rest, progress } = admitPart(context, doc, row.data, from)
      if (result.kind === 'missing' && !progress) continue
      context.held.drop(row, context.batch())
      if (rest !== null) context.held.hold(doc, rest, from, context.nowMs(), context.batch())
      again ||= progress
    }
  }
}
