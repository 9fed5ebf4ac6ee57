// What a replica has stored of one document after an honest history: the updates that its gate admitted, in the order they came, in the forms in which honest
// programs send them (events, merged ones, states and diffs, converted ones), and now and then a snapshot in place of what came before.

import { compactBytes, judge, Knowledge, splitAdmissible } from '@syncline/protocol'
import * as Y from 'yjs'
import type { Random } from '../../packages/protocol/test/random.ts'
import { randomHistory } from '../../packages/protocol/test/yjs-history.ts'
import { factsOf } from './situations.ts'

/** A log of one random history; its updates are causally closed at every point. */
export function storedLog(random: Random): Uint8Array[] {
  const { events } = randomHistory(random, {
    midPair: random.chance(0.3),
    steps: random.between(5, 60),
    authors: random.between(1, 6),
    sync: random.pick(['log', 'state'] as const),
    clientMax: random.pick([2 ** 20, 2 ** 32, 2 ** 42, 2 ** 53 - 1]),
  })
  // deletes that only Yjs derives reach a store from open documents, and never from those of others
  const derivedToo = random.chance(0.5)
  const updates = events.filter(({ derived }) => derivedToo || !derived).map(({ update }) => update)
  const store = new Store()
  const doc = new Y.Doc({ gc: random.chance(0.5) })
  for (let i = 0; i < updates.length;) {
    const next = updates.slice(i, (i += random.pick([1, 1, 1, 1, 2, 5])))
    for (const update of next) Y.applyUpdate(doc, update)
    for (const update of asSent(random, next, doc, store.knowledge)) store.admit(update)
    if (random.chance(0.05)) store.compact(random)
  }
  doc.destroy()
  return store.log
}

function asSent(random: Random, updates: readonly Uint8Array[], doc: Y.Doc, known: Knowledge): readonly Uint8Array[] {
  if (updates.length > 1 && random.chance(0.6)) return [Y.mergeUpdates([...updates])]
  // states of a document with another setting for collection, with what it derived
  if (random.chance(0.05)) return [Y.encodeStateAsUpdate(doc)]
  if (random.chance(0.1)) return [Y.encodeStateAsUpdate(doc, known.stateVector())]
  if (random.chance(0.05)) return [Y.convertUpdateFormatV2ToV1(Y.encodeStateAsUpdateV2(doc))]
  return updates
}

class Store {
  log: Uint8Array[] = []
  readonly knowledge = new Knowledge()

  admit(update: Uint8Array): void {
    const facts = factsOf(update)
    const verdict = judge(facts, this.knowledge)
    if (verdict.kind === 'known') return
    if (verdict.kind === 'refused') throw new Error(`an honest update was refused: ${verdict.refusal.reason}`)
    // what lacks something comes again with a later state, or never
    const ready = verdict.kind === 'new' && !verdict.overlaps ? update : splitAdmissible(update, facts, this.knowledge).ready
    if (ready === null) return
    this.knowledge.admit(factsOf(ready))
    this.log.push(ready)
  }

  /** As the engine does it, in either way. */
  compact(random: Random): void {
    const compacted = random.chance(0.5) ? compactBytes(this.log) : null
    if (compacted !== null) this.log = [compacted.update]
  }
}
