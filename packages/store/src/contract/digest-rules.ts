// Rules of reading keys and digests of all documents in pieces.

import { Sum128, documentPoint, toHex, type DocKey } from '@syncline/protocol'
import type { Store } from '../store.ts'
import { Author } from './author.ts'
import { check, checkEqual, type Rule } from './rule.ts'

const DOC_BYTES = 32

interface KeyDigest {
  readonly key: string
  readonly digest: string
}

/** All pieces of at most `limit`; `between` runs after each. */
async function allPieces(store: Store, limit: number, between: () => Promise<void> = async () => {}): Promise<KeyDigest[]> {
  const found: KeyDigest[] = []
  for (let after: number | null = 0; after !== null;) {
    const { bytes, next }: { bytes: Uint8Array; next: number | null } = store.reader.digests(after, limit)
    check(bytes.length % DOC_BYTES === 0 && bytes.length <= limit * DOC_BYTES, `a piece of ${bytes.length} bytes for a limit of ${limit}`)
    for (let at = 0; at < bytes.length; at += DOC_BYTES)
      found.push({ key: toHex(bytes.subarray(at, at + 16)), digest: toHex(bytes.subarray(at + 16, at + DOC_BYTES)) })
    after = next
    await between()
  }
  return found
}

function rootOf(docs: readonly KeyDigest[]): string {
  const sum = new Sum128()
  for (const { key, digest } of docs) sum.add(documentPoint(key, digest))
  return sum.toHex()
}

export const digestRules: readonly Rule[] = [
  {
    id: 'ST-45',
    guarantee: 'keys and digests of all documents come in pieces of any size, each document once, and their points add up to the root',
    async run(harness) {
      let store = await harness.open()
      checkEqual(await allPieces(store, 10), [], 'of an empty store')
      const author = new Author(store)
      await author.commit(Array.from({ length: 70 }, (_, i) => ({ doc: `d${i}` })))
      await author.commit([{ doc: 'd3' }, { doc: 'gone', docEpoch: 1, data: 0 }])
      await store.quarantine(author.key('d9'))
      const wanted = Array.from({ length: 70 }, (_, i) => author.key(`d${i}`)).concat(author.key('gone'))
      const agree = async (limit: number): Promise<void> => {
        const docs = await allPieces(store, limit)
        checkEqual(docs.map(({ key }) => key).sort(), wanted.toSorted(), `keys in pieces of ${limit}`)
        checkEqual(rootOf(docs), store.reader.totals().root, `the sum in pieces of ${limit}`)
        for (const { key, digest } of docs) checkEqual(digest, store.reader.doc(key as DocKey)!.digest, `the digest of ${key}`)
      }
      for (const limit of [1, 7, 71, 500]) await agree(limit)
      store = await harness.reopen()
      await agree(30)
    },
  },
  {
    id: 'ST-46',
    guarantee:
      'while keys and digests are read in pieces and documents are written, those that were there come once, and others at most once',
    async run(harness) {
      const store = await harness.open()
      const author = new Author(store)
      await author.commit(Array.from({ length: 40 }, (_, i) => ({ doc: `d${i}` })))
      const old = new Set(Array.from({ length: 40 }, (_, i) => author.key(`d${i}`)))
      const had = new Map<string, Set<string>>()
      const note = (key: DocKey): void => void had.set(key, (had.get(key) ?? new Set<string>()).add(store.reader.doc(key)!.digest))
      for (const key of old) note(key)
      let round = 0
      const docs = await allPieces(store, 3, async () => {
        if (++round > 20) return
        const written = [`d${(round * 7) % 40}`, `later/${round}`]
        await author.commit(written.map((doc) => ({ doc })))
        for (const doc of written) note(author.key(doc))
      })
      const keys = docs.map(({ key }) => key)
      checkEqual(new Set(keys).size, keys.length, 'documents that came, each counted once')
      checkEqual(keys.filter((key) => old.has(key as DocKey)).length, old.size, 'documents that were there')
      for (const { key, digest } of docs) check(had.get(key)?.has(digest) === true, `a digest that ${key} never had`)
    },
  },
]
