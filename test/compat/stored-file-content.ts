// What a space file holds, as plain data that does not depend on its format: who it is, documents with their content and digests, cursors, acknowledgements, refusals
// and held updates. Read by make-stored-file.ts and stored-files.test.ts.

import { unframeUpdates, WHOLE_RANGE, type ReplicaId } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import { openSqliteReader } from '@syncline/store/sqlite'
import * as Y from 'yjs'

export interface StoredFile {
  readonly replicaId: string
  readonly space: string
  readonly head: number
  readonly totals: { readonly documents: number; readonly root: string }
  /** By name. */
  readonly documents: Readonly<Record<string, unknown>>
  readonly acks: readonly unknown[]
  readonly refusals: readonly unknown[]
  readonly cursor: unknown
}

const PEER = '00112233445566778899aabbccddeeff' as ReplicaId

/** Opens the file for looking. */
export async function contentOf(path: string): Promise<StoredFile> {
  const { reader, replicaId, space, close } = await openSqliteReader(path)
  try {
    return { replicaId, space, ...contentRead(reader) }
  } finally {
    close()
  }
}

export function contentRead(reader: StoreReader): Omit<StoredFile, 'replicaId' | 'space'> {
  const documents = Object.fromEntries(
    reader.docs(WHOLE_RANGE, 1000).map(({ name, key, digest }) => [name, { digest, ...shown(reader, key) }]),
  )
  return {
    head: reader.head(),
    totals: reader.totals(),
    documents,
    acks: reader.acks(),
    refusals: reader.refusals(),
    cursor: reader.cursor(PEER, '*') ?? null,
  }
}

function shown(reader: StoreReader, key: Parameters<StoreReader['content']>[0]): object {
  const content = reader.content(key)!
  const doc = new Y.Doc()
  if (content.snapshot !== null) Y.applyUpdate(doc, content.snapshot.update)
  for (const row of content.tail) for (const update of unframeUpdates(row.data) ?? []) Y.applyUpdate(doc, update)
  const held = reader.held(key).map(({ id, n, data }) => ({ id, n, data: Buffer.from(data).toString('base64') }))
  return {
    body: doc.getText('body').toDelta() as unknown,
    fields: doc.getMap('fields').toJSON(),
    list: doc.getArray('list').toJSON(),
    page: doc.getXmlFragment('page').toJSON(),
    snapshot: content.snapshot !== null,
    tailRows: content.tail.length,
    held,
  }
}
