// What must hold of stores and open documents, whatever happened: recomputed from stored bytes, without the engine. Each check throws a Violation
// that names its rule. Rules: CV-1, DU-2, I1 to I4, I9, AU-1. Read by world.ts and the scripted tests.

import {
  contentDigest,
  documentPoint,
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
import { updatesOf } from './simulated-replica.ts'
import { Violation } from './violation.ts'
import { rootsOf } from './workload.ts'

export function documentsOf(reader: StoreReader, range: KeyRange = WHOLE_RANGE): readonly DocRow[] {
  return reader.docs(range, 10_000)
}

/** I1, I2: the stored updates in log order never lack a dependency, and add up to the stored digest. */
export function knowledgeOf(who: string, reader: StoreReader, row: DocRow): Knowledge {
  const knowledge = new Knowledge()
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
  if (rows.length !== totals.documents) throw new Violation('I1', `${who} counts ${totals.documents} documents and holds ${rows.length}`)
}

/** The document as Yjs sees the stored bytes. Nothing may be pending. */
export function documentOf(who: string, reader: StoreReader, key: DocKey): Y.Doc {
  const doc = new Y.Doc({ guid: 'oracle' })
  rootsOf(doc)
  doc.transact(() => {
    for (const update of updatesOf(reader.content(key))) Y.applyUpdate(doc, update)
  })
  checkNothingPending(who, doc)
  return doc
}

export function checkNothingPending(who: string, doc: Y.Doc): void {
  if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null)
    throw new Violation(
      'I2',
      `${who}: Yjs holds something pending: ${JSON.stringify(doc.store.pendingStructs?.missing ?? doc.store.pendingDs, (_, part: unknown) => (part instanceof Map ? [...part] : part))}`,
    )
}

/** What a reader sees, in one text: equal texts mean equal content of all root types. */
export function visibleContent(doc: Y.Doc): string {
  const { text, map, array, xml } = rootsOf(doc)
  return canonical([text.toDelta(), map.toJSON(), array.toJSON(), xml.toString()])
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`
    if (part instanceof Uint8Array) return [...part]
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** CV-1 on bytes: SHA-256 over the canonical walk. */
export function contentDigestOf(doc: Y.Doc): string {
  const digest = contentDigest(Y.encodeStateAsUpdate(doc))
  return digest === null ? 'none' : toHex(digest)
}

/** What the sender's log holds of a document up to `seq`; null when its sender has moved it above. */
export function knowledgeUpTo(reader: StoreReader, key: DocKey, seq: number): Knowledge {
  const knowledge = new Knowledge()
  const content = reader.content(key)
  if (content === undefined) return knowledge
  const upTo = {
    snapshot: content.snapshot !== null && content.snapshot.seq <= seq ? content.snapshot : null,
    tail: content.tail.filter((row) => row.seq <= seq),
  }
  if (upTo.snapshot === null && content.snapshot !== null) return knowledge
  for (const update of updatesOf(upTo)) {
    const facts = walkUpdate(update)
    if (!('code' in facts)) knowledge.admit(facts)
  }
  return knowledge
}

/** Whether the store would serve from this cursor: its epoch is known and reaches that far. */
export function wouldAccept(reader: StoreReader, cursor: CursorRow): boolean {
  const epoch = reader.epoch(cursor.nonce)
  return epoch !== undefined && cursor.seq <= Math.min(epoch.endSeq ?? reader.head(), reader.head())
}

/** I3: the receiver has what the sender's log holds up to the cursor, as long as the sender would serve from there. Refused documents are passed over. */
export function checkCursorClaim(
  receiver: { name: string; reader: StoreReader },
  sender: { name: string; reader: StoreReader },
  cursor: CursorRow,
  range: KeyRange,
): void {
  if (!wouldAccept(sender.reader, cursor)) return
  const refused = new Set(receiver.reader.refusals().flatMap((row) => (row.direction === 'in' ? [row.doc] : [])))
  for (const theirs of documentsOf(sender.reader, range)) {
    const mine = receiver.reader.doc(theirs.key)
    if (mine?.digest === theirs.digest || theirs.quarantined || refused.has(theirs.key) || !rangeHolds(range, theirs.key)) continue
    const claimed = knowledgeUpTo(sender.reader, theirs.key, cursor.seq)
    if (claimed.isEmpty()) continue
    const has = mine === undefined || mine.quarantined ? new Knowledge() : knowledgeUpTo(receiver.reader, theirs.key, Infinity)
    if (!has.includes(claimed)) {
      const what = mine?.quarantined === true ? 'holds nothing' : `holds ${[...has.clients()].join(' | ')}`
      throw new Violation(
        'I3',
        `${receiver.name} has a cursor into ${sender.name} at ${cursor.seq} (${cursor.scope}); of ${theirs.name} that stands for ${[...claimed.clients()].join(' | ')}, it ${what}`,
      )
    }
  }
}
