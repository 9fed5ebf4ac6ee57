// One document out of a store's reader: as one update, and checked against everything the store says of it. Read by the commands. Rules: CL-3, CL-6.

import { contentDigest, isRefusal, judge, Knowledge, SynclineError, unframeUpdates, walkUpdate, type DocKey } from '@syncline/protocol'
import type { DocContent, DocRow, StoreReader } from '@syncline/store'
import * as Y from 'yjs'

export interface StoredDocument {
  /** Everything, as one v1 state update. */
  readonly update: Uint8Array
  readonly knowledge: Knowledge
  /** Over the updates as stored: equal on every replica with this knowledge and content. */
  readonly contentDigest: Uint8Array | null
  readonly snapshotSeq: number | null
}

/** Loads a document and checks it: the checksums of its rows (the reader does), that every update in log order needs only what came before, that the
 *  knowledge adds up to the stored digest, and that Yjs loads it with nothing pending. Throws SynclineError with the first problem. A relay may write
 *  between two reads: then the document is read again. Cost: one walk and one Y.Doc. */
export function loadStored(reader: StoreReader, row: DocRow): StoredDocument {
  for (let current = row; ;) {
    try {
      return loadOnce(reader, current)
    } catch (error) {
      const now = reader.doc(row.key)
      if (now === undefined || now.lastSeq === current.lastSeq) throw error
      current = now
    }
  }
}

function loadOnce(reader: StoreReader, row: DocRow): StoredDocument {
  const content = reader.content(row.key)
  if (content === undefined) throw damaged(row.key, 'it has a record and no content')
  const knowledge = knowledgeOf(row, content)
  if (knowledge.digest() !== row.digest)
    throw damaged(row.key, `its knowledge digest is ${knowledge.digest()}, its record says ${row.digest}`)
  return {
    update: loadInYjs(row.key, content, knowledge),
    knowledge,
    contentDigest: contentDigest(updatesOf(content)),
    snapshotSeq: content.snapshot?.seq ?? null,
  }
}

function updatesOf({ snapshot, tail }: DocContent): Uint8Array[] {
  const updates = tail.flatMap((row) => unframeUpdates(row.data) ?? [])
  return snapshot === null ? updates : [snapshot.update, ...updates]
}

function knowledgeOf({ key, docEpoch }: DocRow, { snapshot, tail }: DocContent): Knowledge {
  const knowledge = new Knowledge(docEpoch)
  if (snapshot !== null) {
    admit(key, knowledge, snapshot.update, 'its snapshot')
    if (Knowledge.decode(snapshot.knowledge, docEpoch)?.digest() !== knowledge.digest())
      throw damaged(key, 'its snapshot and the knowledge stored with it differ')
  }
  for (const row of tail) {
    const updates = unframeUpdates(row.data)
    if (updates === null) throw damaged(key, `row ${row.seq} is not framed updates`)
    for (const update of updates) admit(key, knowledge, update, `row ${row.seq}`)
  }
  return knowledge
}

function admit(key: DocKey, knowledge: Knowledge, update: Uint8Array, where: string): void {
  const facts = walkUpdate(update)
  if (isRefusal(facts)) throw damaged(key, `${where} does not pass the gate: ${facts.reason}`)
  const verdict = judge(facts, knowledge)
  if (verdict.kind === 'refused') throw damaged(key, `${where} does not pass the gate: ${verdict.refusal.reason}`)
  if (verdict.kind === 'missing') throw damaged(key, `${where} needs what no earlier row holds`)
  knowledge.admit(facts)
}

function loadInYjs(key: DocKey, { snapshot, tail }: DocContent, knowledge: Knowledge): Uint8Array {
  const doc = new Y.Doc()
  try {
    doc.transact(() => {
      if (snapshot !== null) Y.applyUpdate(doc, snapshot.update)
      for (const row of tail) for (const update of unframeUpdates(row.data)!) Y.applyUpdate(doc, update)
    })
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) throw damaged(key, 'Yjs waits for content that is not there')
    const clocks = Y.decodeStateVector(Y.encodeStateVector(doc))
    for (const [client, clock] of knowledge.clients())
      if (clocks.get(client) !== clock)
        throw damaged(key, `Yjs loads client ${client} up to ${clocks.get(client) ?? 0} instead of ${clock}`)
    return Y.encodeStateAsUpdate(doc)
  } catch (error) {
    throw error instanceof SynclineError ? error : damaged(key, `Yjs does not load it: ${String(error)}`)
  } finally {
    doc.destroy()
  }
}

/** Names of the root types, sorted. */
export function rootNames(update: Uint8Array): string[] {
  const doc = new Y.Doc()
  try {
    Y.applyUpdate(doc, update)
    return [...doc.share.keys()].sort()
  } finally {
    doc.destroy()
  }
}

function damaged(key: DocKey, why: string): SynclineError {
  return new SynclineError('doc-quarantined', `The stored document ${key} is damaged: ${why}.`, { detail: { doc: key } })
}
