// Deleting a document and beginning it anew, for the host: one write of a later document epoch, and what the deletion took away. What an epoch means is protocol
// document-epoch.ts, what it does to content admission.ts. Read by replica.ts. Rules: DD-1 to DD-5.

import { deletionOf, docKeyOf, lifeAfter, SynclineError, type DocId, type SpaceId } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import { LOCAL } from './commit-batch.ts'
import { remainsUpdate } from './document-diff.ts'
import type { WriteOutcome } from './effects.ts'
import type { ReplicaCore } from './replica-core.ts'
import type { WriteDesk } from './write-desk.ts'

/** What a deletion took away. */
export interface DeletedContent {
  /** Of the life that ended: 0 is the first one, 2 the next. */
  readonly life: number
  /** In ms since 1970, when this replica heard of the deletion. */
  readonly deletedAtMs: number
  /** One v1 update: Y.applyUpdate makes a document of it. */
  readonly update: Uint8Array
}

export class DocumentLives {
  readonly #core: ReplicaCore
  readonly #writes: WriteDesk
  readonly #reader: StoreReader
  readonly #space: SpaceId

  constructor(core: ReplicaCore, writes: WriteDesk, reader: StoreReader, space: SpaceId) {
    this.#core = core
    this.#writes = writes
    this.#reader = reader
    this.#space = space
  }

  async delete(doc: DocId): Promise<number> {
    return this.#enter(doc, deletionOf(this.#core.admittedEpoch(doc)))
  }

  async recreate(doc: DocId): Promise<number> {
    return this.#enter(doc, lifeAfter(this.#core.admittedEpoch(doc)))
  }

  remains(doc: DocId): DeletedContent[] {
    const all = this.#reader.remains(docKeyOf(this.#space, doc))
    return all.map((remains) => ({ life: remains.docEpoch, deletedAtMs: remains.atMs, update: remainsUpdate(remains) }))
  }

  async #enter(doc: DocId, docEpoch: number): Promise<number> {
    const outcome = await new Promise<WriteOutcome>((resolve) => {
      this.#writes.write({ doc, docEpoch, update: null, source: LOCAL }, (_, result) => resolve(result))
    })
    if (outcome.kind === 'committed') return outcome.seq
    if (outcome.kind === 'refused') throw new SynclineError(outcome.code, `${doc} stays as it is: ${outcome.reason}.`)
    if (outcome.kind === 'failed') throw new SynclineError(outcome.code, `${doc} stays as it is: the store did not take the change.`)
    return this.#reader.doc(docKeyOf(this.#space, doc))?.lastSeq ?? 0
  }
}
