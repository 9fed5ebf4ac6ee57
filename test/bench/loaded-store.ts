// Large stores, quickly: written through the store's own commit, as the engine writes (seq, provenance, digests and totals are what they would be), without gate, links or
// guests. A store that is loaded so holds what one that was typed holds.

import { rmSync } from 'node:fs'
import {
  DEFAULT_SPACE,
  docKeyOf,
  documentPoint,
  frameUpdates,
  isRefusal,
  Knowledge,
  parseDocId,
  Sum128,
  walkUpdate,
  type Digest,
  type DocId,
  type UpdateFacts,
} from '@syncline/protocol'
import type { DocWrite, RowWrite, Store, Transaction } from '@syncline/store'
import { openSqliteStore } from '@syncline/store/sqlite'

const ROWS_PER_COMMIT = 10_000

/** One row each for `count` documents of a new store, all with this update. */
export async function loadDocuments(
  path: string,
  { count, name, update }: { count: number; name(index: number): string; update: Uint8Array },
  onLoaded: (documents: number) => void,
): Promise<void> {
  const knowledge = new Knowledge()
  knowledge.admit(factsOf(update))
  const digest = knowledge.digest()
  const data = frameUpdates([update])
  await loaded(path, async (loader) => {
    for (let from = 0; from < count; from += ROWS_PER_COMMIT) {
      const names = Array.from({ length: Math.min(ROWS_PER_COMMIT, count - from) }, (_, index) => parseDocId(name(from + index)))
      await loader.commit(names.map((doc) => ({ doc, data, digest })))
      onLoaded(from + names.length)
    }
  })
}

/** One row for each update of one document of a new store. They must come in an order that a gate would take. */
export async function loadRows(path: string, name: string, count: number, updateAt: (index: number) => Uint8Array): Promise<void> {
  const doc = parseDocId(name)
  const knowledge = new Knowledge()
  await loaded(path, async (loader) => {
    for (let from = 0; from < count; from += ROWS_PER_COMMIT) {
      const updates = Array.from({ length: Math.min(ROWS_PER_COMMIT, count - from) }, (_, index) => updateAt(from + index))
      for (const update of updates) knowledge.admit(factsOf(update))
      const digest = knowledge.digest()
      await loader.commit(updates.map((update) => ({ doc, data: frameUpdates([update]), digest })))
    }
  })
}

async function loaded(path: string, load: (loader: Loader) => Promise<void>): Promise<void> {
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability: 'process' })
  try {
    await load(new Loader(store))
  } finally {
    await store.close()
  }
}

interface LoadedRow {
  readonly doc: DocId
  readonly data: Uint8Array
  /** Of the document after all rows of the commit. */
  readonly digest: Digest
}

class Loader {
  private readonly store: Store
  private readonly digests = new Map<DocId, Digest>()
  private readonly root = new Sum128()
  private head = 0
  private n = 0
  private documents = 0

  constructor(store: Store) {
    this.store = store
  }

  async commit(rows: readonly LoadedRow[]): Promise<void> {
    const origin = this.store.reader.nonce()
    const n = ++this.n
    const docs = new Map<DocId, DocWrite>()
    const writes = rows.map(({ doc, data, digest }): RowWrite => {
      const write = docs.get(doc) ?? { key: docKeyOf(this.store.space, doc), name: doc, docEpoch: 0, digest }
      docs.set(doc, write)
      return { doc: write.key, docEpoch: 0, origin, n, kind: 'updates', data }
    })
    const single = docs.size === 1
    for (const { key, name, digest } of docs.values()) {
      const before = this.digests.get(name)
      if (before !== undefined) this.root.subtract(documentPoint(key, before))
      else this.documents++
      this.root.add(documentPoint(key, digest))
      // A document of many comes once.
      if (single) this.digests.set(name, digest)
    }
    const transaction: Transaction = {
      ...{
        firstSeq: this.head + 1,
        rows: writes,
        docs: [...docs.values()],
        totals: { documents: this.documents, root: this.root.toHex() },
      },
      ...{ cursors: [], cursorsDropped: [], acks: [], held: [], heldDropped: [], refusals: [], refusalsDropped: [] },
    }
    this.head += rows.length
    await this.store.commit(transaction)
  }
}

function factsOf(update: Uint8Array): UpdateFacts {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) throw new Error(`a generated update is refused: ${facts.reason}`)
  return facts
}
