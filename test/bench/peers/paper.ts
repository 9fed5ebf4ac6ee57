// The editing history of a whole paper (automerge-paper of josephg/editing-traces): the updates that Yjs emitted when it was typed, one per recorded edit, and the size
// of the document that they make. Found by SYNCLINE_TRACES, or in ../shared/traces beside the repository.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const folder = process.env.SYNCLINE_TRACES ?? join(root, '..', 'shared', 'traces')

export interface Paper {
  readonly updates: readonly Uint8Array[]
  /** Of the whole document, encoded at once. */
  readonly encodedBytes: number
  /** Of its text, in the end. */
  readonly length: number
}

export function hasPaper(): boolean {
  return existsSync(join(folder, 'automerge-paper.json.gz'))
}

/** The first edits of the paper, by one writer. Cost: about a second. */
export function readPaper(editsMax: number = Infinity): Paper {
  const trace = JSON.parse(gunzipSync(readFileSync(join(folder, 'automerge-paper.json.gz'))).toString()) as {
    txns: { patches: [number, number, string][] }[]
  }
  const doc = new Y.Doc()
  doc.clientID = 0x6000_0001
  const text = doc.getText('body')
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const { patches } of trace.txns) {
    if (updates.length >= editsMax) break
    doc.transact(() => {
      for (const [at, deleted, inserted] of patches) {
        if (deleted > 0) text.delete(at, deleted)
        if (inserted !== '') text.insert(at, inserted)
      }
    })
  }
  return { updates, encodedBytes: Y.encodeStateAsUpdate(doc).length, length: text.length }
}
