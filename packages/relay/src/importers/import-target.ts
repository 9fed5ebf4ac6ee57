// Where an import goes: the replica of a data folder, or a rehearsal that answers the same and changes nothing. Both ask the gate that every writer passes, by
// being a guest of a replica. Read by commands/import.ts. Rules: IM-1, IM-2, IM-6, IN-1.

import { existsSync } from 'node:fs'
import { docKeyOf, SynclineError, unframeUpdates, type DocId, type SpaceId } from '@syncline/protocol'
import { Replica, type Clock, type WriteOutcome } from '@syncline/replica'
import { nodeRandom } from '@syncline/replica/ws'
import type { DocContent, StoreReader } from '@syncline/store'
import { createMemoryStore } from '@syncline/store/memory'
import { openSqliteReader } from '@syncline/store/sqlite'
import { spaceFile } from '../data-folder.ts'
import { deafPort } from '../deaf-guest.ts'
import { openReplica } from '../spaces.ts'

export type ImportResult = { readonly kind: 'new' | 'known' } | { readonly kind: 'refused'; readonly code: string; readonly reason: string }

export interface ImportTarget {
  /** Resolves when all of it is committed or refused. Rejects with "storage-failed". */
  write(doc: DocId, updates: readonly Uint8Array[]): Promise<ImportResult>
  close(): Promise<void>
}

/** Takes the folder's lock until it is closed. Rejects with what opening a store rejects with: "store-locked" names the process that holds it. */
export async function folderTarget(folder: string, space: SpaceId, clock: Clock): Promise<ImportTarget> {
  const replica = await openReplica({ folder, durability: 'disk', clock }, space)
  return { write: (doc, updates) => writeTo(replica, doc, updates), close: () => replica.close() }
}

/** Answers what folderTarget would, from a copy in memory of the one document. Takes no lock, makes no folder. */
export async function rehearsalTarget(folder: string, space: SpaceId, clock: Clock): Promise<ImportTarget> {
  const path = spaceFile(folder, space)
  const reading = existsSync(path) ? await openSqliteReader(path) : null
  return {
    async write(doc, updates) {
      const store = createMemoryStore({ space, random: nodeRandom })
      const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom })
      try {
        if (reading !== null) await writeTo(replica, doc, stored(reading.reader, space, doc))
        return await writeTo(replica, doc, updates)
      } finally {
        await replica.close()
      }
    },
    close: () => {
      reading?.close()
      return Promise.resolve()
    },
  }
}

/** Nothing of a document that failed its checksum: an import would heal it. */
function stored(reader: StoreReader, space: SpaceId, doc: DocId): Uint8Array[] {
  const content = contentOf(reader, space, doc)
  if (content === undefined) return []
  const tail = content.tail.flatMap((row) => unframeUpdates(row.data) ?? [])
  return content.snapshot === null ? tail : [content.snapshot.update, ...tail]
}

function contentOf(reader: StoreReader, space: SpaceId, doc: DocId): DocContent | undefined {
  try {
    return reader.content(docKeyOf(space, doc))
  } catch (error) {
    if (error instanceof SynclineError && error.code === 'doc-quarantined') return undefined
    throw error
  }
}

const updatesPerTurn = 256

async function writeTo(replica: Replica, doc: DocId, updates: readonly Uint8Array[]): Promise<ImportResult> {
  const guest = replica.attachGuest(doc, deafPort)
  try {
    const tally = new Tally(updates.length)
    const held: Uint8Array[] = []
    for (let from = 0; from < updates.length; from += updatesPerTurn) {
      const some = updates.slice(from, from + updatesPerTurn)
      const outcomes = await Promise.all(some.map((update) => guest.write(update)))
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.kind === 'held') held.push(some[index]!)
        else tally.count(doc, outcome)
      }
    }
    // What one lacked, a later one may have brought.
    for (const update of held) tally.count(doc, await guest.write(update))
    return tally.result()
  } finally {
    guest.detach()
  }
}

/** What became of all updates of one document. */
class Tally {
  private readonly total: number
  private committed = 0
  private refused = 0
  private first: { readonly code: string; readonly reason: string } | null = null

  constructor(total: number) {
    this.total = total
  }

  /** Throws "storage-failed". */
  count(doc: DocId, outcome: WriteOutcome): void {
    if (outcome.kind === 'failed') throw new SynclineError('storage-failed', `${doc} could not be stored (${outcome.code}).`)
    if (outcome.kind === 'committed') this.committed++
    if (outcome.kind === 'held') this.refuse('incomplete', 'it needs updates that are neither in it nor stored; it is held until they come')
    if (outcome.kind === 'refused') this.refuse(outcome.code, outcome.reason)
  }

  result(): ImportResult {
    if (this.first === null) return { kind: this.committed > 0 ? 'new' : 'known' }
    const { code, reason } = this.first
    return {
      kind: 'refused',
      code,
      reason: this.total === 1 ? reason : `${this.refused} of its ${this.total} updates, the others are in: ${reason}`,
    }
  }

  private refuse(code: string, reason: string): void {
    this.refused++
    this.first ??= { code, reason }
  }
}
