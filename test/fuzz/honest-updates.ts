// Updates as honest programs send them: events, full states with and without garbage collection, diffs, merges, states of documents that wait for
// something, converted ones. Each comes with a document state to judge it against, and Yjs as the judge of the judge.

import * as Y from 'yjs'
import { encodeDeletes, newDeletes, type Knowledge } from '@syncline/protocol'
import type { Random } from '../../packages/protocol/test/random.ts'
import { randomHistory } from '../../packages/protocol/test/yjs-history.ts'
import { factsOf, knowledgeOfState } from './situations.ts'

export interface HonestUpdate {
  readonly kind: string
  readonly update: Uint8Array
  /** What the receiving document holds. */
  readonly state: Uint8Array
  readonly knowledge: Knowledge
}

/** All that one random history gives. */
export function honestUpdates(random: Random): HonestUpdate[] {
  const { docs, events } = randomHistory(random, {
    steps: random.between(10, 50),
    authors: random.between(2, 4),
    midPair: random.chance(0.3),
    clientMax: random.pick([2 ** 32, 2 ** 42, 2 ** 53 - 1]),
  })
  const updates = events.map(({ update }) => update)
  const made: { kind: string; update: Uint8Array }[] = updates.map((update) => ({ kind: 'event', update }))
  for (const gc of [true, false]) {
    const doc = new Y.Doc({ gc })
    for (const update of updates.slice(0, random.between(1, updates.length + 1))) Y.applyUpdate(doc, update)
    made.push({ kind: gc ? 'collected state' : 'state', update: Y.encodeStateAsUpdate(doc) })
    made.push({ kind: 'from V2', update: Y.convertUpdateFormatV2ToV1(Y.encodeStateAsUpdateV2(doc)) })
  }
  for (let left = 6; left > 0; left--) {
    const known = loaded(prefix(random, updates))
    made.push({ kind: 'diff', update: Y.encodeStateAsUpdate(random.pick(docs), Y.encodeStateVector(known)) })
    made.push({ kind: 'diff', update: Y.diffUpdate(Y.encodeStateAsUpdate(random.pick(docs)), Y.encodeStateVector(known)) })
    made.push({ kind: 'merged', update: Y.mergeUpdates(random.shuffle(updates).slice(0, random.between(2, 12))) })
    const from = random.below(updates.length)
    made.push({ kind: 'merged', update: Y.mergeUpdates(updates.slice(from, from + random.between(2, 12))) })
    made.push({ kind: 'state with pending', update: Y.encodeStateAsUpdate(loaded(updates.filter(() => random.chance(0.6)))) })
  }
  const receivers = Array.from({ length: 4 }, (_, i) => {
    const state = Y.encodeStateAsUpdate(loaded(i === 0 ? [] : prefix(random, updates)))
    return { state, knowledge: knowledgeOfState(state) }
  })
  return made.map((update) => ({ ...update, ...random.pick(receivers) }))
}

function prefix(random: Random, updates: readonly Uint8Array[]): readonly Uint8Array[] {
  return updates.slice(0, random.below(updates.length + 1))
}

function loaded(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

/** What a document in this state makes of an update: something waits, nothing changes, or it is new. Yjs ignores structs that it has, so an update
 *  whose collected structs cover ids that live here is given with those deletes spelled out, as it is stored. */
export function oracleVerdict({ state, knowledge, update }: HonestUpdate): 'missing' | 'known' | 'new' {
  const doc = new Y.Doc({ gc: false })
  Y.applyUpdate(doc, state)
  const before = Y.snapshot(doc)
  Y.applyUpdate(doc, update)
  Y.applyUpdate(doc, encodeDeletes(newDeletes(factsOf(update), knowledge, 'struct-overlap')))
  if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) return 'missing'
  return Y.equalSnapshots(before, Y.snapshot(doc)) ? 'known' : 'new'
}
