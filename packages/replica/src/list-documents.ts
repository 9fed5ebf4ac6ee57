// Lists stored documents by name prefix. The store orders documents by key, so a prefix with a slash is one range, and any other prefix a full scan.

import { collectionOf, isDeletion, scopeRange, WHOLE_RANGE, type DocId, type DocKey, type SpaceId } from '@syncline/protocol'
import type { DocRow, StoreReader } from '@syncline/store'

const DOCUMENTS_PER_READ = 500

/** Those that live, in key order, which is no order a person would see; quarantined ones included. Reads as it goes: a document that arrives meanwhile may or may
 *  not be listed. Cost: a range scan, of one collection when `prefix` contains a slash, else of the space. */
export function* listDocuments(reader: StoreReader, space: SpaceId, prefix: string): Iterable<DocRow> {
  const collection = prefix.includes('/') ? collectionOf(prefix as DocId) : null
  const range = collection === null ? WHOLE_RANGE : scopeRange(space, { kind: 'collection', collection })
  let after: DocKey | undefined
  for (;;) {
    const rows = reader.docs(range, DOCUMENTS_PER_READ, after)
    for (const row of rows) if (row.name.startsWith(prefix) && !isDeletion(row.docEpoch)) yield row
    if (rows.length < DOCUMENTS_PER_READ) return
    after = rows.at(-1)!.key
  }
}
