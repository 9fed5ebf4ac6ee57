// What must hold of a document that was made into one update from its bytes, and of a diff made so: a Y.Doc that loads it is the one that loads the stored updates,
// now and after whatever comes later, and the bytes are no more than Yjs would write.

import { compactBytes, contentDigest, diffBytes, IndexedUpdate, isRefusal, Knowledge, toHex, walkUpdate } from '@syncline/protocol'
import * as Y from 'yjs'
import { visibleContent } from '../../packages/protocol/test/visible-content.ts'
import { factsOf } from './situations.ts'

export interface Compared {
  /** compacted: from bytes. left: the bytes alone do not tell; a Y.Doc would derive deletes here. unsure: they do not tell, although it would not. */
  readonly outcome: 'compacted' | 'left' | 'unsure'
  /** Bytes of the result and of what Yjs writes; 0 where there is no result. */
  readonly size: number
  readonly yjsSize: number
  readonly problem: string | null
}

/** Compacts `stored` in both ways and compares, then lets both documents go on with `later`. */
export function compareCompaction(stored: readonly Uint8Array[], later: readonly Uint8Array[]): Compared {
  const theirs = loaded(stored)
  const theirState = Y.encodeStateAsUpdate(theirs)
  const held = knowledgeOf(stored)
  const derives = !knowledgeOf([theirState]).equals(held)
  const compacted = compactBytes(stored)
  if (compacted === null) return { outcome: derives ? 'left' : 'unsure', size: 0, yjsSize: 0, problem: null }
  const { update, facts } = compacted
  const mine = loaded([update])
  const counted = new Knowledge()
  counted.admit(facts)
  const problems = [
    !counted.equals(held) && 'it holds other ids or deletes',
    digestOf([update]) !== digestOf(stored) && 'another content digest',
    hasPending(mine) && 'something stays pending',
    differenceOf(mine, theirs),
    Buffer.compare(Y.encodeStateAsUpdate(mine), theirState) !== 0 && 'Yjs encodes another state',
    !derives && update.length > theirState.length && `longer than what Yjs writes: ${update.length} of ${theirState.length}`,
    Buffer.compare(compactBytes([update])?.update ?? new Uint8Array(0), update) !== 0 && 'compacted again it changes',
    layeredProblem(update, stored, later),
    afterwards(mine, theirs, later),
  ]
  return {
    outcome: 'compacted',
    size: update.length,
    yjsSize: theirState.length,
    problem: problems.find((problem) => problem !== false) ?? null,
  }
}

/** Diffs `stored` in both ways against a peer that has the first `known` of them. Null, or what went wrong. */
export function diffProblem(stored: readonly Uint8Array[], known: number, gc: boolean): string | null {
  const peers = [loaded(stored.slice(0, known), gc), loaded(stored.slice(0, known), gc)] as const
  const stateVector = Y.encodeStateVector(peers[0])
  const diff = diffBytes(stored, Y.decodeStateVector(stateVector))
  if (diff === null) return compactBytes(stored) === null ? null : 'a diff is impossible where compaction is not'
  if (isRefusal(walkUpdate(diff))) return 'the gate refuses the diff'
  const cut = IndexedUpdate.of(compactBytes(stored)!.update)!.beyond(Y.decodeStateVector(stateVector))
  if (Buffer.compare(cut, diff) !== 0) return 'a diff cut from the compacted bytes is another one'
  Y.applyUpdate(peers[0], diff)
  Y.applyUpdate(peers[1], Y.encodeStateAsUpdate(loaded(stored), stateVector))
  if (hasPending(peers[0])) return 'something of the diff stays pending'
  return differenceOf(...peers) || null
}

function layeredProblem(update: Uint8Array, stored: readonly Uint8Array[], later: readonly Uint8Array[]): string | false {
  const layered = compactBytes([update, ...later])
  const direct = compactBytes([...stored, ...later])
  if (layered === null || direct === null) return layered !== direct && 'compacted in two layers it fails otherwise than in one'
  return Buffer.compare(layered.update, direct.update) !== 0 && 'compacted in two layers it is not what it is in one'
}

function afterwards(mine: Y.Doc, theirs: Y.Doc, later: readonly Uint8Array[]): string | false {
  for (const update of later) {
    Y.applyUpdate(mine, update)
    Y.applyUpdate(theirs, update)
  }
  const difference = differenceOf(mine, theirs)
  return difference && `after later updates: ${difference}`
}

function differenceOf(mine: Y.Doc, theirs: Y.Doc): string | false {
  if (visibleContent(mine) !== visibleContent(theirs)) return 'the documents show other content'
  return !Y.equalSnapshots(Y.snapshot(mine), Y.snapshot(theirs)) && 'the documents hold other ids or deletes'
}

/** As the engine loads stored content: in one transaction. */
export function loaded(updates: readonly Uint8Array[], gc = true): Y.Doc {
  const doc = new Y.Doc({ gc })
  doc.transact(() => {
    for (const update of updates) Y.applyUpdate(doc, update)
  })
  return doc
}

function hasPending({ store }: Y.Doc): boolean {
  return store.pendingStructs !== null || store.pendingDs !== null
}

function knowledgeOf(updates: readonly Uint8Array[]): Knowledge {
  const knowledge = new Knowledge()
  for (const update of updates) knowledge.admit(factsOf(update))
  return knowledge
}

function digestOf(updates: readonly Uint8Array[]): string {
  const digest = contentDigest(updates)
  return digest === null ? 'none' : toHex(digest)
}
