// Patches of root maps: a JSON merge patch of one level becomes one transaction of an open document, and is answered when it is committed. Decides what a patch
// may hold, before anything of it reaches the Y.Doc that others share: a refused edit would stay in it. A patched document stays open for a while, so that the
// next patch writes under the same client id. Read by documents-api.ts. Rules: HA-8; TRAPS T14.

import { isRefusal, SynclineError, walkUpdate, type DocId } from '@syncline/protocol'
import type { Clock, OpenDocument, Replica } from '@syncline/replica'
import * as Y from 'yjs'
import { API_LIMITS } from './api-limits.ts'
import { jsonOf, rootKind, type Json } from './document-json.ts'

export type Patch = ReadonlyMap<string, Json>

interface Kept {
  readonly opened: OpenDocument
  stopWaiting: () => void
}

export class MapPatches {
  private readonly replica: Replica
  private readonly clock: Clock
  private readonly onError: (error: unknown) => void
  /** Least recently patched first. */
  private readonly kept = new Map<DocId, Kept>()

  /** `onError` is told what observers of the document throw; the patch is in nevertheless. */
  constructor(replica: Replica, clock: Clock, onError: (error: unknown) => void) {
    this.replica = replica
    this.clock = clock
    this.onError = onError
  }

  /** Resolves with the position in the log that covers the patch, once it is committed. Null deletes a key; a value that is there already is not written
   *  again. Throws "argument-invalid" (the root is no map), what a gate refuses, "doc-quarantined", "replica-closed", "storage-failed". */
  async apply(doc: DocId, root: string, patch: Patch): Promise<number> {
    mustPassTheGate(root, patch)
    const opened = this.open(doc)
    const kind = rootKind(opened.doc, root)
    if (kind !== 'map' && kind !== 'empty')
      throw new SynclineError('argument-invalid', `The root ${JSON.stringify(root)} of ${JSON.stringify(doc)} holds ${kind}, not a map.`)
    this.write(opened.doc, root, patch)
    try {
      return await opened.saved()
    } catch (error) {
      // What was refused is in this Y.Doc; the next patch should not build on it.
      void this.forget(doc)
      throw error
    }
  }

  /** Closes what is kept open; resolves when its edits are committed. */
  async close(): Promise<void> {
    await Promise.all([...this.kept.keys()].map((doc) => this.forget(doc)))
  }

  private write(doc: Y.Doc, root: string, patch: Patch): void {
    const changes = [...patch].filter(([key, value]) => {
      const item = doc.share.get(root)?._map.get(key)
      const there = item !== undefined && !item.deleted
      return value === null ? there : !there || !isSame(doc.getMap(root).get(key), value)
    })
    if (changes.length === 0) return
    try {
      doc.transact(() => {
        const map = doc.getMap(root)
        for (const [key, value] of changes) {
          if (value === null) map.delete(key)
          else map.set(key, value)
        }
      })
    } catch (error) {
      this.onError(error)
    }
  }

  private open(doc: DocId): OpenDocument {
    if (this.kept.get(doc)?.opened.isDeleted === true) void this.forget(doc)
    const found = this.kept.get(doc)
    if (found !== undefined) {
      found.stopWaiting()
      this.kept.delete(doc)
    }
    const kept: Kept = found ?? { opened: this.replica.openDocument(doc), stopWaiting: () => undefined }
    kept.stopWaiting = this.clock.after(API_LIMITS.patchedOpenMs, () => void this.forget(doc))
    this.kept.set(doc, kept)
    if (this.kept.size > API_LIMITS.patchedOpenMax) void this.forget(this.kept.keys().next().value!)
    return kept.opened
  }

  private forget(doc: DocId): Promise<void> {
    const kept = this.kept.get(doc)
    if (kept === undefined) return Promise.resolve()
    kept.stopWaiting()
    this.kept.delete(doc)
    return kept.opened.release()
  }
}

function isSame(present: unknown, value: Json): boolean {
  return !(present instanceof Y.AbstractType) && JSON.stringify(jsonOf(present)) === JSON.stringify(value)
}

/** Reads the body of a patch. Throws "argument-invalid" with the place. */
export function readPatch(body: Uint8Array): Patch {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new SynclineError('argument-invalid', 'The body is no JSON in UTF-8.')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new SynclineError('argument-invalid', 'The body is no JSON object: its keys are those of the map.')
  checkValue(json as Json, 0)
  return new Map(Object.entries(json))
}

/** Yjs would write something else than what was asked, or what no replica takes. */
function checkValue(value: Json, depth: number): void {
  if (typeof value === 'string') return checkText(value)
  if (typeof value !== 'object' || value === null) return
  if (depth > API_LIMITS.valueDepthMax) throw new SynclineError('argument-invalid', `Values nest at most ${API_LIMITS.valueDepthMax} deep.`)
  for (const [key, inner] of Object.entries(value)) {
    checkText(key)
    checkValue(inner, depth + 1)
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw new SynclineError('argument-invalid', 'A text in the body holds half a surrogate pair.')
}

/** Asks the gate about the same values in a document of their own. Throws what it refuses with. */
function mustPassTheGate(root: string, patch: Patch): void {
  const doc = new Y.Doc()
  try {
    doc.transact(() => {
      for (const [key, value] of patch) doc.getMap(root).set(key, value)
    })
    const facts = walkUpdate(Y.encodeStateAsUpdate(doc))
    if (isRefusal(facts)) throw new SynclineError(facts.code, `The patch does not pass the gate: ${facts.reason}.`)
  } finally {
    doc.destroy()
  }
}
