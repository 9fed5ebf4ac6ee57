// Reads of stored content by the host itself (an open document, a guest's diff). What fails its checksum is told to the engine, which stops serving the
// document and fetches it again. Used by open-documents.ts and guest-table.ts. Rule: CV-3.

import { SynclineError, type DocId, type DocKey } from '@syncline/protocol'
import type { DocContent, DocRow, StoreReader } from '@syncline/store'
import type { ReplicaCore } from './replica-core.ts'
import type { Turns } from './turns.ts'

export class GuardedReads {
  readonly #core: ReplicaCore
  readonly #reader: StoreReader
  readonly #turns: Turns

  constructor(core: ReplicaCore, reader: StoreReader, turns: Turns) {
    this.#core = core
    this.#reader = reader
    this.#turns = turns
  }

  /** Throws "doc-quarantined", as the next two. */
  content(key: DocKey): DocContent | undefined {
    this.#assertWhole(key)
    return this.read(() => this.#reader.content(key))
  }

  /** Empty for a document that is quarantined already: whoever has it is to send all of it. */
  stateVector(doc: DocId): Uint8Array {
    return this.read(() => this.#core.stateVector(doc))
  }

  diffFor(doc: DocId, stateVector: Uint8Array | null): Uint8Array {
    this.#assertWhole(this.#core.keyOf(doc))
    return this.read(() => this.#core.diffFor(doc, stateVector))
  }

  /** What is left of a quarantined document is nothing, and nothing is not what it holds. */
  #assertWhole(key: DocKey): void {
    if (this.#reader.doc(key)?.quarantined !== true) return
    throw new SynclineError('doc-quarantined', 'The stored document is damaged, and no peer has brought it back yet.', {
      detail: { doc: key },
    })
  }

  /** Where the stored document stands; undefined for one that is not here. From memory where that is sure: a connection asks several times. */
  stored(key: DocKey): Pick<DocRow, 'docEpoch' | 'lastSeq' | 'quarantined'> | undefined {
    const state = this.#core.atRest(key)
    if (state !== undefined) return state.stored ? state : undefined
    return this.#reader.doc(key)
  }

  /** Epoch of what content() reads; 0 for none. */
  docEpoch(key: DocKey): number {
    return this.stored(key)?.docEpoch ?? 0
  }

  /** Newest committed row of the document, 0 for none. */
  lastSeq(key: DocKey): number {
    return this.stored(key)?.lastSeq ?? 0
  }

  /** Runs `read`; damage is reported and thrown on. */
  read<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      this.#core.readFailed(error)
      this.#turns.wake()
      throw error
    }
  }

  /** As read(), with `otherwise` in place of damage. */
  readOr<T>(otherwise: T, read: () => T): T {
    try {
      return this.read(read)
    } catch (error) {
      if (error instanceof SynclineError && error.code === 'doc-quarantined') return otherwise
      throw error
    }
  }
}
