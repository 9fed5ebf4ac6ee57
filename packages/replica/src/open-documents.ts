// The open documents of a replica: one binding per document, however often it is opened. What one binding does is open-document.ts; here it gets the engine,
// the store and the loop. Used by replica.ts alone.

import type { DocId, DocKey, SynclineError } from '@syncline/protocol'
import type { GuardedReads } from './guarded-reads.ts'
import type { Delivery } from './guest-table.ts'
import { DocumentBinding, type DocumentHost, type OpenOptions } from './open-document.ts'
import type { ReplicaCore } from './replica-core.ts'
import type { Turns } from './turns.ts'
import type { WriteDesk } from './write-desk.ts'

const EMPTY_STATE_VECTOR = new Uint8Array([0])

export interface OpenDocumentsParts {
  readonly core: ReplicaCore
  readonly reads: GuardedReads
  readonly turns: Turns
  readonly writes: WriteDesk
  readonly readOnly: boolean
  readonly random: (length: number) => Uint8Array
  report(error: unknown, doc: DocId): void
  rejectionChanged(binding: DocumentBinding): void
  stuck(doc: DocId, reason: string | null): void
  released(doc: DocId): void
}

export class OpenDocuments {
  readonly #parts: OpenDocumentsParts
  readonly #host: DocumentHost
  readonly #byId = new Map<DocId, DocumentBinding>()
  /** Open, of a life of their document that is over. */
  readonly #over = new Set<DocumentBinding>()
  readonly #unsettled = new Set<DocumentBinding>()

  constructor(parts: OpenDocumentsParts) {
    this.#parts = parts
    this.#host = this.#makeHost()
  }

  open(doc: DocId, key: DocKey, options: OpenOptions): DocumentBinding {
    let binding = this.#byId.get(doc)
    if (binding === undefined) {
      binding = new DocumentBinding(this.#host, doc, key, options)
      this.#byId.set(doc, binding)
    }
    return binding.opened()
  }

  get size(): number {
    return this.#byId.size + this.#over.size
  }

  get(doc: DocId): DocumentBinding | undefined {
    return this.#byId.get(doc)
  }

  /** What an event loop's turn left to do, before its flush. */
  settle(): void {
    for (const binding of this.#unsettled) binding.turnEnded()
    this.#unsettled.clear()
  }

  /** Committed rows of one document, in log order, in one transaction. */
  deliver(doc: DocId, rows: readonly Delivery[]): void {
    const binding = this.#byId.get(doc)
    if (binding === undefined) return
    binding.apply(rows.flatMap((row) => (row.docEpoch === binding.docEpoch ? row.updates : [])))
    if (rows.every((row) => row.docEpoch <= binding.docEpoch)) return
    // Whoever has it open keeps what is in it; whoever opens the name from now on gets what is there now.
    this.#byId.delete(doc)
    this.#over.add(binding)
    binding.deleted()
  }

  rotateClientIds(): void {
    for (const binding of this.#byId.values()) binding.rotateClientId()
  }

  /** The store gave up a damaged document. If it is open, its Y.Doc still has it. */
  restore(key: DocKey): void {
    for (const binding of this.#byId.values()) if (binding.key === key) binding.restore()
  }

  /** Takes the own presence back everywhere, and collects the last edits. */
  leave(): void {
    for (const binding of this.#byId.values()) {
      binding.settle()
      binding.leave()
    }
  }

  end(reason: SynclineError): void {
    for (const binding of [...this.#byId.values(), ...this.#over]) binding.end(reason)
    this.#byId.clear()
    this.#over.clear()
  }

  #makeHost(): DocumentHost {
    const { core, reads, turns, writes, readOnly, random, report, rejectionChanged, stuck, released } = this.#parts
    return {
      readOnly,
      origin: Object.freeze({ syncline: 'committed update' }),
      random,
      content: (key) => reads.content(key),
      lastSeq: (key) => reads.lastSeq(key),
      localSeq: (doc) => reads.readOr(0, () => core.localSeq(doc)),
      knowsClient: (doc, client) => reads.readOr(false, () => core.knowsClient(doc, client)),
      // Of a damaged document the store knows nothing: all of the Y.Doc is news to it.
      stateVector: (doc) => reads.readOr(EMPTY_STATE_VECTOR, () => core.stateVector(doc)),
      derivedDeletes: (doc, update) => reads.readOr(null, () => core.derivedDeletes(doc, update)),
      docEpoch: (doc) => reads.readOr(0, () => core.docEpoch(doc)),
      storedEpoch: (key) => reads.docEpoch(key),
      write: (doc, docEpoch, update, outcome) => writes.write({ doc, docEpoch, update, source: 0 }, outcome),
      presence: (doc, bytes) => {
        core.presence({ doc, bytes, source: 0 })
        turns.wake()
      },
      presenceSnapshot: (doc) => core.presenceSnapshot(doc),
      settleSoon: (binding) => {
        this.#unsettled.add(binding)
        turns.wake()
      },
      turnEnd: () => turns.turnEnd(),
      report,
      changed: rejectionChanged,
      stuck,
      released: (binding) => {
        this.#over.delete(binding)
        if (this.#byId.get(binding.id) === binding) this.#byId.delete(binding.id)
        released(binding.id)
      },
    }
  }
}
