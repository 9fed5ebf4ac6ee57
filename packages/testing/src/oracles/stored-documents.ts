// What stored bytes say, recomputed without the engine: knowledge, totals, and the document that a reader would see. Each check throws a Violation that names
// its rule. Read by the oracles and the scripted tests. Rules: CV-1, I1, I2, I3.

import {
  contentDigest,
  documentPoint,
  isDeletion,
  judge,
  Knowledge,
  rangeHolds,
  Sum128,
  toHex,
  walkUpdate,
  WHOLE_RANGE,
  ZERO_DIGEST,
  type DocKey,
  type KeyRange,
} from '@syncline/protocol'
import type { CursorRow, DocRow, StoreReader } from '@syncline/store'
import * as Y from 'yjs'
import { Violation } from '../violation.ts'
import type { Workload } from '../workload/workload.ts'
import { updatesOf } from '../world/stored-updates.ts'

export function documentsOf(reader: StoreReader, range: KeyRange = WHOLE_RANGE): readonly DocRow[] {
  return reader.docs(range, 10_000)
}

/** I1, I2: the stored updates in log order never lack a dependency, and add up to the stored digest. */
export function knowledgeOf(who: string, reader: StoreReader, row: DocRow): Knowledge {
  const knowledge = new Knowledge(row.docEpoch)
  for (const update of updatesOf(reader.content(row.key))) admitStored(who, row, knowledge, update)
  if (knowledge.digest() !== row.digest)
    throw new Violation('I1', `${who} stores ${row.name} with digest ${row.digest}, its parts add up to ${knowledge.digest()}`)
  return knowledge
}

function admitStored(who: string, row: DocRow, knowledge: Knowledge, update: Uint8Array): void {
  const facts = walkUpdate(update)
  if ('code' in facts) throw new Violation('IN-1', `${who} stores an update of ${row.name} that the gate refuses: ${facts.reason}`)
  const verdict = judge(facts, knowledge)
  if (verdict.kind === 'missing' || verdict.kind === 'refused')
    throw new Violation('I2', `${who}: the log of ${row.name} is not causally closed (${JSON.stringify(verdict)})`)
  knowledge.admit(facts)
}

/** I1: the root is the sum over the documents. */
export function checkTotals(who: string, reader: StoreReader): void {
  const root = new Sum128()
  const rows = documentsOf(reader)
  for (const row of rows) if (row.digest !== ZERO_DIGEST) root.add(documentPoint(row.key, row.digest))
  const totals = reader.totals()
  if (root.toHex() !== totals.root) throw new Violation('I1', `${who}: the root is ${totals.root}, its documents add up to ${root.toHex()}`)
  const live = rows.filter((row) => !isDeletion(row.docEpoch)).length
  if (live !== totals.documents) throw new Violation('I1', `${who} counts ${totals.documents} documents and holds ${live}`)
}

/** The document as Yjs sees the stored bytes. Nothing may be pending. */
export function documentOf(who: string, reader: StoreReader, key: DocKey, workload: Workload): Y.Doc {
  return builtFrom(who, updatesOf(reader.content(key)), workload, true)
}

/** A new Y.Doc of these updates, in one transaction. `shuffled`: they are not in the order of a log. */
export function builtFrom(who: string, updates: readonly Uint8Array[], workload: Workload, gc: boolean, shuffled = false): Y.Doc {
  const doc = new Y.Doc({ guid: 'oracle', gc })
  workload.roots(doc)
  doc.transact(() => {
    for (const update of updates) Y.applyUpdate(doc, update)
    if (shuffled) applyParked(doc)
  })
  checkNothingPending(who, doc)
  return doc
}

/** Of structs that came too early Yjs remembers one missing id per client, the gap before the last: what waits for an older id of that client may wait for the gap,
 *  and the gap for it, although everything is there (seed 85432). No replica applies updates in such an order; a shuffle does. Whatever is parked is applied again
 *  for as long as that moves anything. */
function applyParked(doc: Y.Doc): void {
  for (let before = -1; doc.store.pendingStructs !== null && before !== doc.store.pendingStructs.update.length;) {
    const { update } = doc.store.pendingStructs
    before = update.length
    doc.store.pendingStructs = null
    Y.applyUpdateV2(doc, update)
  }
}

export function checkNothingPending(who: string, doc: Y.Doc): void {
  if (doc.store.pendingStructs === null && doc.store.pendingDs === null) return
  const missing = doc.store.pendingStructs?.missing
  const what = missing === undefined ? 'deletes' : JSON.stringify([...missing])
  throw new Violation('I2', `${who}: Yjs holds something pending: ${what}`)
}

/** CV-1 on bytes: SHA-256 over the canonical walk. */
export function contentDigestOf(doc: Y.Doc): string {
  const digest = contentDigest(Y.encodeStateAsUpdate(doc))
  return digest === null ? 'none' : toHex(digest)
}

/** What the sender's log holds of a document up to `seq`; empty when its sender has moved it above. */
export function knowledgeUpTo(reader: StoreReader, key: DocKey, seq: number): Knowledge {
  const content = reader.content(key)
  if (content === undefined) return new Knowledge()
  const upTo = {
    snapshot: content.snapshot !== null && content.snapshot.seq <= seq ? content.snapshot : null,
    tail: content.tail.filter((row) => row.seq <= seq),
  }
  // A deletion is whole without a row, too; but where none of its rows stands so low, the log says nothing of it there.
  const isBelow = upTo.tail.length === 0 && Number.isFinite(seq)
  if (upTo.snapshot === null && (content.snapshot !== null || isBelow)) return new Knowledge()
  const knowledge = new Knowledge(reader.doc(key)?.docEpoch ?? 0)
  for (const update of updatesOf(upTo)) {
    const facts = walkUpdate(update)
    if (!('code' in facts)) knowledge.admit(facts)
  }
  return knowledge
}

/** Whether the store would serve from this cursor: its epoch is known and reaches that far. */
function wouldAccept(reader: StoreReader, cursor: CursorRow): boolean {
  const epoch = reader.epoch(cursor.nonce)
  return epoch !== undefined && cursor.seq <= Math.min(epoch.endSeq ?? reader.head(), reader.head())
}

interface Holder {
  readonly name: string
  readonly reader: StoreReader
}

/** I3: the receiver has what the sender's log holds up to the cursor, as long as the sender would serve from there. Refused documents are passed over. False: there was nothing to compare. */
export function checkCursorClaim(receiver: Holder, sender: Holder, cursor: CursorRow, range: KeyRange): boolean {
  if (!wouldAccept(sender.reader, cursor)) return false
  const refused = new Set(receiver.reader.refusals().flatMap((row) => (row.direction === 'in' ? [row.doc] : [])))
  for (const theirs of documentsOf(sender.reader, range)) {
    const mine = receiver.reader.doc(theirs.key)
    if (mine?.digest === theirs.digest || theirs.quarantined || refused.has(theirs.key) || !rangeHolds(range, theirs.key)) continue
    const claimed = knowledgeUpTo(sender.reader, theirs.key, cursor.seq)
    if (claimed.isEmpty() && claimed.epoch === 0) continue
    const has =
      mine === undefined || mine.quarantined ? new Knowledge(mine?.docEpoch ?? 0) : knowledgeUpTo(receiver.reader, theirs.key, Infinity)
    if (has.includes(claimed)) continue
    const what = mine?.quarantined === true ? 'holds nothing' : `holds ${[...has.clients()].join(' | ')}`
    throw new Violation(
      'I3',
      `${receiver.name} has a cursor into ${sender.name} at ${cursor.seq} (${cursor.scope}); of ${theirs.name} that stands for ${[...claimed.clients()].join(' | ')}, it ${what}`,
    )
  }
  return true
}
