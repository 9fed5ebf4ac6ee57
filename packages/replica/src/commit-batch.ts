// What the next commit will hold: rows coalesced per document and origin, cursors with the data they vouch for, held updates, refusals, and who
// is to be told. Built by admission and channels, turned into one store transaction by the commit queue. Rules: I5, DU-1.

import {
  documentPoint,
  frameUpdates,
  Sum128,
  type Digest,
  type DocId,
  type DocKey,
  type EpochNonce,
  type UpdateFacts,
} from '@syncline/protocol'
import type { AckRow, CursorRow, DocWrite, HeldRow, RefusalRow, Totals, Transaction } from '@syncline/store'
import type { DocState } from './documents.ts'
import type { LinkId, SourceId, Ticket } from './effects.ts'

/** The source number of this replica itself. */
export const LOCAL: SourceId = 0
/** Nobody here has it already: held updates whose writer is forgotten, deletes that compaction found. Open documents and guests all get it. */
export const NOBODY: SourceId = -1

export interface BatchRow {
  readonly doc: DocState
  readonly origin: EpochNonce
  readonly n: number
  readonly updates: Uint8Array[]
  readonly facts: UpdateFacts[]
  bytes: number
  readonly source: SourceId
  /** The link it came by, 0 for none: not sent back there (H3: within this link only). */
  readonly link: LinkId
}

/** One write of this replica or a guest, for its outcome and for the outbox. */
export interface BatchWrite {
  readonly source: SourceId
  readonly name: DocId
  readonly update: Uint8Array
  readonly ticket: Ticket | null
  readonly row: BatchRow | null
}

/** Where an admitted update came from. */
export interface Provenance {
  readonly source: SourceId
  readonly link: LinkId
  readonly origin: EpochNonce
  readonly n: number
}

export class CommitBatch {
  readonly rows: BatchRow[] = []
  readonly writes: BatchWrite[] = []
  readonly docs = new Set<DocState>()
  readonly cursors = new Map<string, CursorRow>()
  readonly acks = new Map<string, AckRow>()
  readonly held: HeldRow[] = []
  readonly heldDropped: number[] = []
  readonly refusals: RefusalRow[] = []
  readonly refusalsDropped: { peer: RefusalRow['peer']; doc: DocKey; direction: 'in' | 'out' }[] = []
  readonly healed = new Set<DocKey>()
  /** Links whose messages contributed anything. */
  readonly links = new Set<LinkId>()
  /** Run when the batch is committed: acks to send. */
  readonly onCommitted: (() => void)[] = []
  /** Set when the batch should not wait for the next tick. */
  urgent = false
  readonly #newestRow = new Map<DocState, BatchRow>()

  isEmpty(): boolean {
    return (
      this.rows.length +
        this.writes.length +
        this.held.length +
        this.heldDropped.length +
        this.refusals.length +
        this.refusalsDropped.length +
        this.cursors.size +
        this.acks.size ===
      0
    )
  }

  /** Adds one admitted update to the document's newest row when it has the same provenance and room, else to a new row. */
  add(doc: DocState, update: Uint8Array, facts: UpdateFacts, from: Provenance, rowBytesTarget: number): BatchRow {
    this.urgent = true
    if (!this.docs.has(doc)) {
      this.docs.add(doc)
      doc.uncommitted++
    }
    // Quarantine forgot what was stored: what is admitted since is whole, and has to be served like any content.
    if (doc.quarantined) this.healed.add(doc.key)
    if (from.link !== 0) this.links.add(from.link)
    let row = this.#newestRow.get(doc)
    const fits =
      row !== undefined &&
      row.origin === from.origin &&
      row.n === from.n &&
      row.source === from.source &&
      row.link === from.link &&
      row.bytes + update.length <= rowBytesTarget
    if (row === undefined || !fits) {
      row = { doc, origin: from.origin, n: from.n, updates: [], facts: [], bytes: 0, source: from.source, link: from.link }
      this.rows.push(row)
      this.#newestRow.set(doc, row)
    }
    row.updates.push(update)
    row.facts.push(facts)
    row.bytes += update.length
    return row
  }

  /** The transaction. Call when nothing else is in flight: then each document's admitted knowledge is exactly the state after this batch. */
  transaction(head: number, totals: Totals, digestOf: (doc: DocState) => Digest = (doc) => doc.admitted.digest()): Transaction {
    const digests = new Map([...this.docs].map((doc) => [doc, digestOf(doc)]))
    return {
      firstSeq: head + 1,
      rows: this.rows.map((row) => ({
        doc: row.doc.key,
        docEpoch: row.doc.docEpoch,
        origin: row.origin,
        n: row.n,
        kind: 'updates',
        data: frameUpdates(row.updates),
      })),
      docs: [...digests].map(([doc, digest]): DocWrite => {
        const write = { key: doc.key, name: doc.name, docEpoch: doc.docEpoch, digest }
        return this.healed.has(doc.key) ? { ...write, healed: true } : write
      }),
      totals: totalsAfter(totals, digests),
      cursors: [...this.cursors.values()],
      cursorsDropped: [],
      acks: [...this.acks.values()],
      held: this.held,
      heldDropped: this.heldDropped,
      refusals: this.refusals,
      refusalsDropped: this.refusalsDropped,
    }
  }
}

function totalsAfter(totals: Totals, digests: ReadonlyMap<DocState, Digest>): Totals {
  const root = Sum128.fromHex(totals.root)
  let documents = totals.documents
  for (const [doc, digest] of digests) {
    if (doc.stored) root.subtract(documentPoint(doc.key, doc.digest))
    else documents++
    root.add(documentPoint(doc.key, digest))
  }
  return { documents, root: root.toHex() }
}
