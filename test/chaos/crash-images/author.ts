// What a replica writes, for crash images: real Yjs updates of a few documents, with digests and totals as the engine keeps them, and beside the rows cursors, acks, held
// updates and refusals. Built on the state of the model, so that it goes on wherever a crash left the store. A peer copy of each document has everything that was ever
// published, also what a cut took away afterwards. Read by image.ts.

import {
  DEFAULT_SPACE,
  Knowledge,
  Sum128,
  digestFromBytes,
  docKeyOf,
  documentPoint,
  epochNonceFromBytes,
  frameUpdates,
  isRefusal,
  parseDocId,
  replicaIdFromBytes,
  scopeText,
  unframeUpdates,
  walkUpdate,
  type DocId,
  type DocKey,
  type EpochNonce,
  type ReplicaId,
} from '@syncline/protocol'
import type { CompactedDoc, StoreReader, Transaction } from '@syncline/store'
import type { Random } from '@syncline/testing'
import * as Y from 'yjs'

export const NAMES: readonly DocId[] = ['note/1', 'note/2', 'note/3', 'task/1', 'task/2', 'bare'].map(parseDocId)
const CLIENT_BITS = 2 ** 42

export function keyOf(name: DocId): DocKey {
  return docKeyOf(DEFAULT_SPACE, name)
}

interface Edited {
  readonly doc: Y.Doc
  readonly knowledge: Knowledge
}

export class Author {
  /** Every Yjs client id that ever wrote. */
  readonly clients = new Set<number>()
  /** Per document what peers have: all that was published. */
  readonly peers = new Map<DocId, Y.Doc>()
  readonly others: readonly ReplicaId[]
  readonly scopes = [scopeText({ kind: 'space' }), scopeText({ kind: 'collection', collection: 'note' })]
  private readonly random: Random
  private readonly edited = new Map<DocId, Edited>()
  private readonly updateBytes: number
  private n = 0
  private heldId = 0

  /** `updateBytes`: typical size of a row. */
  constructor(random: Random, updateBytes: number) {
    this.random = random
    this.updateBytes = updateBytes
    this.others = Array.from({ length: 3 }, () => replicaIdFromBytes(random.bytes(16)))
  }

  /** Takes up the documents as `reader` has them, under new client ids, as the opening of a replica does; peers then receive what they lack of it. */
  takeUp(reader: StoreReader): void {
    this.edited.clear()
    for (const name of NAMES) {
      const content = reader.content(keyOf(name))
      if (content === undefined || reader.doc(keyOf(name))!.quarantined) continue
      this.edited.set(name, this.read(updatesOf(content)))
      for (const update of updatesOf(content)) this.receive(name, update)
    }
  }

  forget(name: DocId): void {
    this.edited.delete(name)
  }

  /** The next transaction on the state of `reader`. Rows written here carry `nonce`. */
  transaction(reader: StoreReader, nonce: EpochNonce): Transaction {
    const { random } = this
    const names = Array.from({ length: random.weighted({ 0: 1, 1: 5, 2: 3, 4: 1 }) as unknown as number }, () => random.pick(NAMES))
    const root = Sum128.fromHex(reader.totals().root)
    let { documents } = reader.totals()
    const n = ++this.n
    const origin = random.chance(0.8) ? nonce : epochNonceFromBytes(random.bytes(8))
    const rows = names.map((name) => ({
      doc: keyOf(name),
      docEpoch: 0,
      origin,
      n,
      kind: 'updates' as const,
      data: frameUpdates([this.isQuarantined(reader, name) ? this.whole(name) : this.edit(name)]),
    }))
    const docs = [...new Set(names)].map((name) => {
      const before = reader.doc(keyOf(name))
      const digest = this.edited.get(name)!.knowledge.digest()
      if (before === undefined) documents++
      else root.subtract(documentPoint(before.key, before.digest))
      root.add(documentPoint(keyOf(name), digest))
      return { key: keyOf(name), name, docEpoch: 0, digest, ...(before?.quarantined === true ? { healed: true } : {}) }
    })
    const firstSeq = reader.head() + 1
    return { firstSeq, rows, docs, totals: { documents, root: root.toHex() }, ...this.agreements(reader) }
  }

  /** Documents to compact, one of them perhaps no longer as it was. */
  compaction(reader: StoreReader): CompactedDoc[] {
    const found = NAMES.flatMap((name) => {
      const row = reader.doc(keyOf(name))
      return row === undefined || row.quarantined || row.tailRows === 0 || this.random.chance(0.3) ? [] : [{ name, row }]
    })
    return found.map(({ name, row }) => {
      const { doc, knowledge } = this.edited.get(name)!
      const expectedLastSeq = row.lastSeq - (this.random.chance(0.1) ? 1 : 0)
      return { key: row.key, expectedLastSeq, update: Y.encodeStateAsUpdate(doc), knowledge: knowledge.encode() }
    })
  }

  /** What peers receive once it is committed. */
  publish({ rows }: Transaction): void {
    for (const { doc: key, data } of rows) {
      const name = NAMES.find((each) => keyOf(each) === key)!
      for (const update of unframeUpdates(data)!) this.receive(name, update)
    }
  }

  private receive(name: DocId, update: Uint8Array): void {
    if (!this.peers.has(name)) this.peers.set(name, new Y.Doc())
    Y.applyUpdate(this.peers.get(name)!, update)
  }

  private isQuarantined(reader: StoreReader, name: DocId): boolean {
    return reader.doc(keyOf(name))?.quarantined === true && !this.edited.has(name)
  }

  /** All that peers have of a document whose content was forgotten here. */
  private whole(name: DocId): Uint8Array {
    const update = Y.encodeStateAsUpdate(this.peers.get(name) ?? new Y.Doc())
    this.edited.set(name, this.read([update]))
    return update
  }

  private edit(name: DocId): Uint8Array {
    const { random } = this
    if (!this.edited.has(name)) this.edited.set(name, this.read([]))
    const { doc, knowledge } = this.edited.get(name)!
    let update: Uint8Array | null = null
    doc.once('update', (bytes: Uint8Array) => {
      update = bytes
    })
    doc.transact(() => {
      const text = doc.getText('body')
      const at = random.below(text.length + 1)
      text.insert(at, random.pick(['word ', 'ä', '😀', 'x'.repeat(1 + random.below(this.updateBytes))]))
      if (text.length > 40 && random.chance(0.3)) text.delete(0, 1 + random.below(9))
      doc.getMap('fields').set(random.pick(['a', 'b', 'c']), random.below(1000))
    })
    this.clients.add(doc.clientID)
    admit(knowledge, update!)
    return update!
  }

  private read(updates: readonly Uint8Array[]): Edited {
    const doc = new Y.Doc()
    doc.clientID = this.random.below(CLIENT_BITS)
    const knowledge = new Knowledge()
    for (const update of updates) {
      Y.applyUpdate(doc, update)
      admit(knowledge, update)
    }
    return { doc, knowledge }
  }

  private agreements(
    reader: StoreReader,
  ): Pick<Transaction, 'cursors' | 'cursorsDropped' | 'acks' | 'held' | 'heldDropped' | 'refusals' | 'refusalsDropped'> {
    const { random } = this
    const [peer, scope, doc] = [random.pick(this.others), random.pick(this.scopes), random.pick(NAMES)]
    const nonce = epochNonceFromBytes(random.bytes(8))
    const some = <T>(chance: number, make: () => T): T[] => (random.chance(chance) ? [make()] : [])
    const direction = random.pick(['in', 'out'] as const)
    const durability = random.pick(['process', 'disk'] as const)
    const held = reader.heldDocs().flatMap((key) => reader.held(key).map(({ id }) => id))
    const digest = digestFromBytes(random.bytes(16))
    return {
      cursors: some(0.4, () => ({ peer, scope, nonce, seq: random.below(1000) })),
      cursorsDropped: some(0.1, () => ({ peer: random.pick(this.others), scope })),
      acks: some(0.3, () => ({ peer, scope, seq: reader.head(), durability })),
      held: some(0.2, () => {
        const data = random.bytes(1 + random.below(300))
        return { id: ++this.heldId, doc: keyOf(doc), name: doc, origin: nonce, n: 1, data, atMs: 1 }
      }),
      heldDropped: held.length > 0 ? some(0.2, () => random.pick(held)) : [],
      refusals: some(0.2, () => ({ peer, doc: keyOf(doc), direction, code: 'forbidden', retryable: random.chance(0.5), digest })),
      refusalsDropped: some(0.1, () => ({ peer: random.pick(this.others), doc: keyOf(doc), direction })),
    }
  }
}

export function updatesOf({ snapshot, tail }: NonNullable<ReturnType<StoreReader['content']>>): Uint8Array[] {
  return [...(snapshot === null ? [] : [snapshot.update]), ...tail.flatMap((row) => unframeUpdates(row.data)!)]
}

export function admit(knowledge: Knowledge, update: Uint8Array): void {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) throw new Error(`an update does not pass the gate: ${facts.reason}`)
  knowledge.admit(facts)
}
