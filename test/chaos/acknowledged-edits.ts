// Whether edits that were acknowledged are there: in the file of their space as a reader of it sees them, and in what a fresh client is served. By ids, deletes and content.
// Read by kill-relay.ts and kill-workers.ts.

import { docKeyOf, isRefusal, judge, Knowledge, unframeUpdates, walkUpdate, type DocId, type SpaceId } from '@syncline/protocol'
import { openSqliteReader } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { BareClient } from '../integration/room-client.ts'
import type { Edit } from './acknowledged-writers.ts'
import { storeFile } from './stored-content.ts'

/** Tokens of those that the files lack. */
export async function missingOnDisk(folder: string, edits: readonly Edit[]): Promise<string[]> {
  const missing: string[] = []
  for (const [space, ofSpace] of Map.groupBy(edits, (edit) => edit.space)) {
    const { reader, close } = await openSqliteReader(storeFile(folder, space))
    try {
      for (const [doc, ofDocument] of Map.groupBy(ofSpace, (edit) => edit.doc))
        missing.push(...missingIn(storedUpdates(reader, space, doc), ofDocument))
    } finally {
      close()
    }
  }
  return missing
}

/** Tokens of those that a fresh y-websocket client is not served. `urlOf`: the address of a space at that door. */
export async function missingServed(urlOf: (space: SpaceId) => string, edits: readonly Edit[]): Promise<string[]> {
  const missing: string[] = []
  for (const [space, ofSpace] of Map.groupBy(edits, (edit) => edit.space))
    for (const [doc, ofDocument] of Map.groupBy(ofSpace, (edit) => edit.doc)) {
      const client = new BareClient(`${urlOf(space)}/${doc}`)
      await client.opened
      client.send(codec.step1Frame(Uint8Array.of(0)))
      const answer = await client.messageWhere((message) => message.kind === 'step-2')
      client.terminate()
      missing.push(...missingIn([(answer as { update: Uint8Array }).update], ofDocument))
    }
  return missing
}

function storedUpdates(reader: Awaited<ReturnType<typeof openSqliteReader>>['reader'], space: SpaceId, doc: DocId): Uint8Array[] {
  const content = reader.content(docKeyOf(space, doc))
  if (content === undefined) return []
  return [...(content.snapshot === null ? [] : [content.snapshot.update]), ...content.tail.flatMap((row) => unframeUpdates(row.data)!)]
}

/** By ids, deletes, and content: an edit is there when all three are. */
function missingIn(updates: readonly Uint8Array[], edits: readonly Edit[]): string[] {
  const knowledge = new Knowledge()
  const doc = new Y.Doc()
  for (const update of updates) {
    const facts = walkUpdate(update)
    if (isRefusal(facts) || judge(facts, knowledge).kind === 'missing') throw new Error('the stored updates do not follow one another')
    knowledge.admit(facts)
    Y.applyUpdate(doc, update)
  }
  const tokens = new Set(doc.getArray('tokens').toArray())
  const holds = ({ token, ids, deletes }: Edit): boolean =>
    tokens.has(token) &&
    everyRange(ids, (client, _, to) => knowledge.clockOf(client) >= to) &&
    everyRange(deletes, (client, from, to) => knowledge.coversDeletes(client, from, to))
  return edits.filter((edit) => !holds(edit)).map((edit) => edit.token)
}

function everyRange(ranges: readonly number[], holds: (client: number, from: number, to: number) => boolean): boolean {
  for (let at = 0; at < ranges.length; at += 3) if (!holds(ranges[at]!, ranges[at + 1]!, ranges[at + 2]!)) return false
  return true
}
