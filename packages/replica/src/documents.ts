// The documents whose knowledge is in memory. Each has committed knowledge (what leaves the process) and admitted knowledge (what the gate
// reads); they are one object while nothing is uncommitted. Bounded: clean documents that were not used lately are dropped and read again
// when needed. Rules: I1, I2; DESIGN.md 3.

import {
  docKeyOf,
  Knowledge,
  unframeUpdates,
  walkUpdate,
  ZERO_DIGEST,
  type Digest,
  type DocId,
  type DocKey,
  type SpaceId,
} from '@syncline/protocol'
import { SynclineError } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'

export interface DocState {
  readonly key: DocKey
  readonly name: DocId
  /** The committed one. */
  readonly docEpoch: number
  committed: Knowledge
  admitted: Knowledge
  /** Committed digest; ZERO_DIGEST for a document of epoch 0 without content. */
  digest: Digest
  stored: boolean
  /** Stored bytes, snapshot and tail, plus what is admitted since. */
  bytes: number
  lastSeq: number
  /** Newest committed row that this replica wrote itself. */
  localSeq: number
  /** Commits, pending or in flight, that hold rows of this document. */
  uncommitted: number
  quarantined: boolean
  usedAtMs: number
}

/** What can be said of a stored document without reading its knowledge. */
export interface DocHead {
  readonly key: DocKey
  readonly name: DocId
  readonly docEpoch: number
  readonly digest: Digest
  readonly bytes: number
  readonly quarantined: boolean
}

export class DocumentTable {
  readonly #reader: StoreReader
  readonly #space: SpaceId
  readonly #byKey = new Map<DocKey, DocState>()
  readonly #keys = new Map<DocId, DocKey>()

  constructor(reader: StoreReader, space: SpaceId) {
    this.#reader = reader
    this.#space = space
  }

  keyOf(name: DocId): DocKey {
    let key = this.#keys.get(name)
    if (key === undefined) {
      key = docKeyOf(this.#space, name)
      this.#keys.set(name, key)
    }
    return key
  }

  /** The document, stored or not. Throws "doc-quarantined" when its stored knowledge fails its checksum. */
  get(name: DocId, nowMs: number): DocState {
    const key = this.keyOf(name)
    return this.#touch(this.#byKey.get(key) ?? this.#load(key, name), nowMs)
  }

  /** As get(), by key; undefined when neither memory nor store knows the document. */
  byKey(key: DocKey, nowMs: number): DocState | undefined {
    const state = this.#byKey.get(key)
    if (state !== undefined) return this.#touch(state, nowMs)
    const row = this.#reader.doc(key)
    if (row === undefined) return undefined
    this.#keys.set(row.name, key)
    return this.#touch(this.#load(key, row.name), nowMs)
  }

  /** Committed digest without loading knowledge. */
  digestOf(key: DocKey): Digest | null {
    const state = this.#byKey.get(key)
    if (state !== undefined) return state.stored ? state.digest : null
    return this.#reader.doc(key)?.digest ?? null
  }

  /** A stored document without its knowledge. */
  head(key: DocKey): DocHead | undefined {
    const state = this.#byKey.get(key)
    if (state !== undefined) return state.stored ? state : undefined
    const row = this.#reader.doc(key)
    return row === undefined ? undefined : { ...row, bytes: storedBytes(row) }
  }

  loaded(key: DocKey): DocState | undefined {
    return this.#byKey.get(key)
  }

  forget(key: DocKey): void {
    this.#byKey.delete(key)
  }

  /** Forgets uncommitted admissions of one document. */
  rollBack(state: DocState): void {
    state.admitted = state.committed
    state.uncommitted = 0
    if (!state.stored) this.#byKey.delete(state.key)
    else state.bytes = storedBytes(this.#reader.doc(state.key))
  }

  /** Documents of which something is not committed, with their committed digest; null: there is none yet. The store may have landed more. */
  *unsettled(): Generator<readonly [DocKey, Digest | null]> {
    for (const state of this.#byKey.values()) if (state.uncommitted > 0) yield [state.key, state.stored ? state.digest : null]
  }

  /** Drops the least recently used clean documents above `max`. */
  evict(max: number): void {
    if (this.#keys.size > 4 * max) this.#keys.clear()
    if (this.#byKey.size <= max) return
    const clean = [...this.#byKey.values()].filter((state) => state.uncommitted === 0).sort((a, b) => a.usedAtMs - b.usedAtMs)
    for (const state of clean.slice(0, this.#byKey.size - max)) this.#byKey.delete(state.key)
  }

  #touch(state: DocState, nowMs: number): DocState {
    state.usedAtMs = nowMs
    return state
  }

  #load(key: DocKey, name: DocId): DocState {
    const row = this.#reader.doc(key)
    const docEpoch = row?.docEpoch ?? 0
    const knowledge = row === undefined || row.quarantined ? new Knowledge(docEpoch) : this.#readKnowledge(key, docEpoch)
    const state: DocState = {
      key,
      name,
      get docEpoch() {
        return this.committed.epoch
      },
      committed: knowledge,
      admitted: knowledge,
      digest: row === undefined ? ZERO_DIGEST : row.digest,
      stored: row !== undefined,
      bytes: storedBytes(row),
      lastSeq: row?.lastSeq ?? 0,
      localSeq: row?.lastSeq ?? 0,
      uncommitted: 0,
      quarantined: row?.quarantined ?? false,
      usedAtMs: 0,
    }
    if (row !== undefined && knowledge.digest() !== row.digest) throw damaged(key, 'its stored knowledge does not add up to its digest')
    this.#byKey.set(key, state)
    return state
  }

  #readKnowledge(key: DocKey, docEpoch: number): Knowledge {
    const parts = this.#reader.knowledgeParts(key)
    if (parts === undefined) return new Knowledge(docEpoch)
    const knowledge = parts.base === null ? new Knowledge(docEpoch) : Knowledge.decode(parts.base, docEpoch)
    if (knowledge === null) throw damaged(key, 'its stored knowledge cannot be read')
    for (const data of parts.tail) {
      for (const update of unframeUpdates(data) ?? []) {
        const facts = walkUpdate(update)
        if ('code' in facts) throw damaged(key, 'a stored update cannot be read')
        knowledge.admit(facts)
      }
    }
    return knowledge
  }
}

function storedBytes(row: { readonly tailBytes: number; readonly snapshotBytes: number } | undefined): number {
  return row === undefined ? 0 : row.tailBytes + row.snapshotBytes
}

function damaged(key: DocKey, what: string): SynclineError {
  return new SynclineError('doc-quarantined', `The stored document ${key} is damaged: ${what}.`, { detail: { doc: key } })
}
