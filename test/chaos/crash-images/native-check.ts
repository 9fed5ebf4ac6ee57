// The end of a crash image: the file is opened as an application opens it, by better-sqlite3 in a writer thread, goes on, and is read once more in full. Decides that content
// and digests belong together, that peers which saw what was lost converge with it, and that the engine on it takes fresh client ids. Read by image.ts. Rules: ID-1, ST-4.

import { DEFAULT_SPACE, Knowledge } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import type { StoreReader, Transaction } from '@syncline/store'
import { openSqliteReader, openSqliteStore, systemClock, type SqliteDurability, type SqliteStore } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import { NAMES, admit, keyOf, updatesOf, type Author } from './author.ts'

export interface Reopened {
  readonly reader: StoreReader
  readonly opened: Pick<SqliteStore, 'openReason' | 'replicaId' | 'tailLost' | 'logDamaged'>
}

export interface NativeCheck {
  readonly path: string
  readonly durability: SqliteDurability
  readonly author: Author
  readonly seed: number
  /** The time in the image: epochs age by it. */
  readonly nowMs: number
  /** Throws what is wrong with the store as it was found. */
  readonly check: (found: Reopened) => void
  /** The transaction with which it goes on. */
  readonly next: () => Transaction
}

/** Every fault found; empty when there is none. Rejects with what the opening refused. Leaves the file closed. */
export async function checkNatively({ path, durability, author, seed, nowMs, check, next }: NativeCheck): Promise<string[]> {
  const store = await openSqliteStore({ path, space: DEFAULT_SPACE, durability, clock: { ...systemClock, now: () => nowMs } })
  const found: string[] = []
  try {
    check({ reader: store.reader, opened: store })
    for (let i = 0; i < 3; i++) await store.commit(next())
    found.push(...contentFaults(store.reader, author))
    if (seed % 4 === 0) found.push(...(await reusedClients(store, author)))
  } finally {
    await store.close()
  }
  const reading = await openSqliteReader(path)
  found.push(...reading.check())
  reading.close()
  return found
}

function contentFaults(reader: StoreReader, author: Author): string[] {
  const found: string[] = []
  for (const name of NAMES) {
    const [row, content] = [reader.doc(keyOf(name)), reader.content(keyOf(name))]
    if (row === undefined || content === undefined) continue
    const [doc, knowledge] = [new Y.Doc(), new Knowledge()]
    for (const update of updatesOf(content)) {
      Y.applyUpdate(doc, update)
      admit(knowledge, update)
    }
    if (knowledge.digest() !== row.digest) found.push(`the digest of ${name} is not that of its content`)
    if (!converges(doc, author.peers.get(name) ?? new Y.Doc()))
      found.push(`${name} does not converge with a peer that saw all that was published`)
  }
  return found
}

/** Exchanges all that they have. Two contents under one (client id, clock) show: each side keeps its own. */
function converges(ours: Y.Doc, theirs: Y.Doc): boolean {
  const [mine, yours] = [Y.encodeStateAsUpdate(ours), Y.encodeStateAsUpdate(theirs)]
  Y.applyUpdate(ours, yours)
  Y.applyUpdate(theirs, mine)
  return visible(ours) === visible(theirs) && Y.equalSnapshots(Y.snapshot(ours), Y.snapshot(theirs))
}

function visible(doc: Y.Doc): string {
  return JSON.stringify([
    doc.getText('body').toString(),
    Object.entries(doc.getMap('fields').toJSON()).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ])
}

/** Opens every document with the real engine and writes. Closes the store. */
async function reusedClients(store: SqliteStore, author: Author): Promise<string[]> {
  const replica = new Replica({
    store,
    role: 'device',
    clock: nodeClock(),
    random: nodeRandom,
    compression: nodeCompression,
    interests: [],
  })
  const found: string[] = []
  try {
    // One in quarantine is not opened: nothing is not what it holds.
    for (const name of NAMES.slice(0, 3).filter((one) => store.reader.doc(keyOf(one))?.quarantined !== true)) {
      const opened = replica.openDocument(name)
      opened.doc.getText('body').insert(0, 'on')
      await opened.saved()
      if (author.clients.has(opened.doc.clientID)) found.push(`${name} was written again under the client id ${opened.doc.clientID}`)
      await opened.release()
    }
  } finally {
    await replica.close()
  }
  return found
}
