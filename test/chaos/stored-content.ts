// What is in a relay's folder and what a relay serves, asked as an operator and as a fresh client would: without a lock, while the relay runs. Read by the
// files of faults/.

import { join } from 'node:path'
import { createReplica } from '@syncline/client'
import { DEFAULT_SPACE, docKeyOf, parseDocId, unframeUpdates, type SpaceId } from '@syncline/protocol'
import { openSqliteReader } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import { commandHere } from '../integration/command-here.ts'
import type { Scene } from './scene.ts'
import { tokensOf } from './typist.ts'

export function storeFile(folder: string, space: SpaceId = DEFAULT_SPACE): string {
  return join(folder, `${space}.db`)
}

/** Tokens in the committed content of the documents, as a reader of the file sees it. */
export async function storedTokens(folder: string, documents: readonly string[]): Promise<Set<string>> {
  const reading = await openSqliteReader(storeFile(folder))
  try {
    return new Set(
      documents.flatMap((name) => {
        const content = reading.reader.content(docKeyOf(DEFAULT_SPACE, parseDocId(name)))
        if (content === undefined) return []
        const doc = new Y.Doc()
        if (content.snapshot !== null) Y.applyUpdate(doc, content.snapshot.update)
        for (const row of content.tail) for (const update of unframeUpdates(row.data)!) Y.applyUpdate(doc, update)
        return doc.getArray<string>('tokens').toArray()
      }),
    )
  } finally {
    reading.close()
  }
}

/** Documents and the sum of their digests: equal in two folders that hold the same. */
export async function rootOf(folder: string, space: SpaceId = DEFAULT_SPACE): Promise<string> {
  const reading = await openSqliteReader(storeFile(folder, space))
  try {
    const { documents, root } = reading.reader.totals()
    return `${documents} ${root}`
  } finally {
    reading.close()
  }
}

/** Newest position of the log. */
export async function headOf(folder: string): Promise<number> {
  const reading = await openSqliteReader(storeFile(folder))
  try {
    return reading.reader.head()
  } finally {
    reading.close()
  }
}

/** Resolves when the folders hold the same, with how long it took. */
export function equalFolders(scene: Scene, folders: readonly string[], withinMs: number): Promise<number> {
  return scene.until(
    `${folders.length} folders are equal`,
    async () => new Set(await Promise.all(folders.map((folder) => rootOf(folder)))).size === 1,
    withinMs,
  )
}

/** What `syncline verify` finds wrong with each folder, and between the first and each other one. Empty: nothing. */
export async function faultsIn(...folders: readonly string[]): Promise<string[]> {
  const faults: string[] = []
  const check = async (...named: string[]): Promise<void> => {
    const { code, stdout, stderr } = await commandHere('verify', ...named)
    if (code !== 0) faults.push(`verify ends with ${code}: ${(stdout + stderr).trim()}`)
  }
  for (const folder of folders) await check(folder)
  for (const folder of folders.slice(1)) await check(folders[0]!, folder)
  return faults
}

/** What a fresh client is served of the documents, once it is synced with that relay. */
export async function servedTokens(scene: Scene, url: string, documents: readonly string[], withinMs = 30_000): Promise<Set<string>> {
  const replica = createReplica({ name: 'reader', storage: { kind: 'memory' }, peers: [url], backoff: { maxMs: 500 } })
  try {
    const handles = await Promise.all(documents.map((doc) => replica.open(doc)))
    await scene.within(`a fresh client is synced with ${url}`, Promise.all(handles.map((handle) => handle.whenSynced())), withinMs)
    return new Set(handles.flatMap((handle) => tokensOf(handle)))
  } finally {
    await replica.close()
  }
}

/** A line for each token of `wanted` that is not in `found`; many are told as a number. */
export function missingFrom(where: string, wanted: Iterable<string>, found: ReadonlySet<string>): string[] {
  const missing = [...wanted].filter((token) => !found.has(token))
  return missing.length === 0 ? [] : [`${where} lacks ${missing.length} acknowledged edits: ${missing.slice(0, 5).join(', ')}`]
}

/** A line when something is found that nobody wrote. */
export function foreignIn(where: string, found: Iterable<string>, made: ReadonlySet<string>): string[] {
  const foreign = [...found].filter((token) => !made.has(token))
  return foreign.length === 0 ? [] : [`${where} holds ${foreign.length} edits that nobody made: ${foreign.slice(0, 5).join(', ')}`]
}
