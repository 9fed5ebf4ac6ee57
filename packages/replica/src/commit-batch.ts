// What the next commit will hold: rows coalesced per document and origin, cursors with the data they vouch for, held updates, refusals, and who
// is to be told. Built by admission and channels, turned into one store transaction by the commit queue. Rules: I5, DU-1.

import {
  documentPoint,
  frameUpdates,
  isDeletion,
  Sum128,
  type Digest,
  type DocId,
  type DocKey,
  type EpochNonce,
  type Knowledge,
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
  readonly docEpoch: number
  readonly origin: EpochNonce
  /** Of the newest commit there that the row has anything of. */
  n: number
  readonly updates: Uint8Array[]
  readonly facts: UpdateFacts[]
  bytes: number
  /** Who wrote it: the first of them, where guests wrote it together. */
  readonly source: SourceId
  /** Who wrote each of the updates. */
  readonly sources: SourceId[]
  /** The link it came by, 0 for none: not sent back there (H3: within this link only). */
  readonly link: LinkId
}

/** One write of this replica or a guest, for its outcome and for the outbox. */
export interface BatchWrite {
  readonly source: SourceId
  readonly name: DocId
  readonly docEpoch: number
  /** Null: it does no more than enter the document epoch. */
  readonly update: Uint8Array | null
  readonly ticket: Ticket | null
  readonly row: BatchRow | null
  /** The row has a part of the update. */
  readonly cut: boolean
}

/** Where an admitted update came from. */
export interface Provenance {
  readonly source: SourceId
  readonly link: LinkId
  /** The life of the document that it belongs to (protocol document-epoch.ts). */
  readonly docEpoch: number
  readonly origin: EpochNonce
  readonly n: number
}

/** What a document is after a batch. */
interface Described {
  readonly doc: DocState
  readonly docEpoch: number
  readonly digest: Digest
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
  /** Of rows that came by links. */
  readonly #newestOfOrigin = new Map<EpochNonce, BatchRow>()
  /** By document and Yjs client: the newest row with structs of that client. */
  readonly #introduced = new Map<DocState, Map<number, BatchRow>>()

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

  /** Adds one admitted update to a row that has room and the same provenance, else to a new row. Guests share rows: only who is told what tells them apart. So do commits
   *  of one origin that a link brings: what an origin wrote stays in its order, and a row stands for it up to its `n`. Rows of several origins cannot be one: each
   *  origin has an order of its own, and its rows do not go back to where they came from. */
  add(doc: DocState, update: Uint8Array, facts: UpdateFacts, from: Provenance, rowBytesTarget: number): BatchRow {
    const newest = this.#newestRow.get(doc)
    let row = from.link === 0 ? newest : this.#newestOfOrigin.get(from.origin)
    const fits =
      row !== undefined &&
      row.doc === doc &&
      row.docEpoch === from.docEpoch &&
      row.origin === from.origin &&
      (row.n === from.n || (from.link !== 0 && from.n > row.n)) &&
      row.link === from.link &&
      (row.source === from.source || (row.source > LOCAL && from.source > LOCAL)) &&
      row.bytes + update.length <= rowBytesTarget &&
      (row === newest || !this.#needsLater(doc, row, facts))
    if (row === undefined || !fits) row = this.enter(doc, from)
    row.n = from.n
    this.#introduces(doc, row, facts)
    row.updates.push(update)
    row.sources.push(from.source)
    row.facts.push(facts)
    row.bytes += update.length
    return row
  }

  /** Begins a row of the document. While it stays empty it says no more than that the document is in that epoch. */
  enter(doc: DocState, { docEpoch, origin, n, source, link }: Provenance): BatchRow {
    this.urgent = true
    if (!this.docs.has(doc)) {
      this.docs.add(doc)
      doc.uncommitted++
    }
    // Quarantine forgot what was stored: what is admitted since is whole, and has to be served like any content.
    if (doc.quarantined) this.healed.add(doc.key)
    if (link !== 0) this.links.add(link)
    const row = { doc, docEpoch, origin, n, updates: [], facts: [], bytes: 0, source, sources: [], link }
    this.rows.push(row)
    this.#newestRow.set(doc, row)
    if (link !== 0) this.#newestOfOrigin.set(origin, row)
    return row
  }

  #introduces(doc: DocState, row: BatchRow, { structs }: UpdateFacts): void {
    let byClient = this.#introduced.get(doc)
    if (byClient === undefined) this.#introduced.set(doc, (byClient = new Map()))
    for (let i = 0; i < structs.length; i += 3) byClient.set(structs[i]!, row)
  }

  /** Whether an update may refer to what another row of this batch brings: then it must not stand before that one (I2). */
  #needsLater(doc: DocState, row: BatchRow, { structs, dependencies, deletes }: UpdateFacts): boolean {
    const byClient = this.#introduced.get(doc)
    if (byClient === undefined) return false
    const isElsewhere = (client: number): boolean => (byClient.get(client) ?? row) !== row
    for (let i = 0; i < structs.length; i += 3) if (isElsewhere(structs[i]!)) return true
    for (let i = 0; i < dependencies.length; i += 2) if (isElsewhere(dependencies[i]!)) return true
    for (let i = 0; i < deletes.length; i += 3) if (isElsewhere(deletes[i]!)) return true
    return false
  }

  /** The transaction. Call when nothing else is in flight: then each document's admitted knowledge is exactly the state after this batch. */
  transaction(head: number, totals: Totals, stateAfter: (doc: DocState) => Knowledge = (doc) => doc.admitted): Transaction {
    const after = [...this.docs].map((doc): Described => {
      const knowledge = stateAfter(doc)
      return { doc, docEpoch: knowledge.epoch, digest: knowledge.digest() }
    })
    return {
      firstSeq: head + 1,
      rows: this.rows.map((row) => ({
        doc: row.doc.key,
        docEpoch: row.docEpoch,
        origin: row.origin,
        n: row.n,
        kind: 'updates',
        data: frameUpdates(row.updates),
      })),
      docs: after.map(({ doc, docEpoch, digest }): DocWrite => {
        const write = { key: doc.key, name: doc.name, docEpoch, digest }
        return this.healed.has(doc.key) ? { ...write, healed: true } : write
      }),
      totals: totalsAfter(totals, after),
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

function totalsAfter(totals: Totals, after: readonly Described[]): Totals {
  const root = Sum128.fromHex(totals.root)
  let documents = totals.documents
  for (const { doc, docEpoch, digest } of after) {
    if (doc.stored) root.subtract(documentPoint(doc.key, doc.digest))
    if (doc.stored && !isDeletion(doc.docEpoch)) documents--
    if (!isDeletion(docEpoch)) documents++
    root.add(documentPoint(doc.key, digest))
  }
  return { documents, root: root.toHex() }
}
