// The documents of the space as the engine has settled them, in key order: the store may have landed a commit that the engine has not announced yet. What
// every document tree is built from. Reads the store and the documents in memory. Rules: CV-2, I5.

import type { Digest, DocId, DocKey, KeyRange } from '@syncline/protocol'
import type { StoreReader } from '@syncline/store'
import type { DocumentTable } from './documents.ts'

export interface SettledDoc {
  readonly key: DocKey
  readonly name: DocId
  readonly digest: Digest
}

export interface SettledDocuments {
  /** Ascending by key, from `range.first` or after `after`, at most `limit`. */
  docs(range: KeyRange, limit: number, after?: DocKey): readonly SettledDoc[]
}

export function settledDocuments(reader: StoreReader, documents: DocumentTable): SettledDocuments {
  return {
    docs(range, limit, after) {
      const found: SettledDoc[] = []
      for (let last = after; found.length < limit;) {
        const page = reader.docs(range, limit, last)
        for (const { key, name, digest } of page) {
          const state = documents.loaded(key)
          if ((state === undefined || state.stored) && found.length < limit) found.push({ key, name, digest: state?.digest ?? digest })
        }
        last = page.at(-1)?.key
        if (page.length < limit || last === undefined) break
      }
      return found
    },
  }
}
