// What must hold of an update once the gate has admitted it: Yjs integrates it whole, in any order with what others write, and what it leads to can
// be exported and admitted elsewhere. Decides by running Yjs on three orders of delivery.

import * as Y from 'yjs'
import { contentDigest, judge, splitAdmissible, toHex, walkUpdate, isRefusal, type Knowledge } from '@syncline/protocol'
import type { Random } from '../../packages/protocol/test/random.ts'
import { visibleContent } from '../../packages/protocol/test/visible-content.ts'
import { syncAll } from '../../packages/protocol/test/yjs-history.ts'
import { factsOf, knowledgeOfState } from './situations.ts'
import { encodeModel, modelOf } from './update-model.ts'

/** Null, or what went wrong. */
export function problemOf(
  random: Random,
  base: Uint8Array,
  knowledge: Knowledge,
  update: Uint8Array,
  others: readonly Uint8Array[],
): string | null {
  const docs: Y.Doc[] = []
  try {
    const store = knowledge.clone()
    docs.push(deliver([base, update, ...others], true))
    docs.push(deliver([Y.mergeUpdates([base, update, ...others])], true))
    docs.push(deliver([base, ...interleaved(random, store, update, others)], false))
    if (docs.some((doc) => doc.store.pendingStructs !== null || doc.store.pendingDs !== null)) return 'pending'
    const first = Y.snapshot(docs[0]!)
    // what Yjs derived while it applied is admitted elsewhere, too
    if (docs.some((doc) => !Y.equalSnapshots(first, Y.snapshot(doc)))) syncAll(docs)
    if (new Set(docs.map(visibleContent)).size > 1) return 'content differs'
    return exportProblem(docs, store)
  } catch (error) {
    return `throws ${(error as Error).message}`
  } finally {
    for (const doc of docs) doc.destroy()
  }
}

function deliver(updates: readonly Uint8Array[], gc: boolean): Y.Doc {
  const doc = new Y.Doc({ gc })
  for (const update of updates) Y.applyUpdate(doc, update, 'remote')
  return doc
}

/** The update struct by struct, in between the others, in an order that the gate admits. `store` ends with all of it. */
function interleaved(random: Random, store: Knowledge, update: Uint8Array, others: readonly Uint8Array[]): Uint8Array[] {
  const model = modelOf(update)
  const queues = model.runs.map(({ client, clock, structs }) => {
    let next = clock
    return structs.map((struct) => {
      const bytes = encodeModel({ runs: [{ client, clock: next, structs: [struct] }], deletes: [] })
      next += struct.length
      return bytes
    })
  })
  queues.push([...others])
  if (model.deletes.length > 0) queues.push([encodeModel({ runs: [], deletes: model.deletes })])
  const order: Uint8Array[] = []
  let waiting = queues.filter((queue) => queue.length > 0)
  for (let tries = 0; waiting.length > 0; tries++) {
    if (tries > 10_000) throw new Error('the parts of an admitted update do not fit in any order')
    const queue = random.pick(waiting)
    const facts = factsOf(queue[0]!)
    const verdict = judge(facts, store)
    if (verdict.kind === 'refused') throw new Error('a part of an admitted update is refused')
    if (verdict.kind === 'missing') continue
    if (verdict.kind === 'new') store.admit(facts)
    order.push(queue.shift()!)
    waiting = waiting.filter(({ length }) => length > 0)
  }
  return order
}

function exportProblem(docs: readonly Y.Doc[], store: Knowledge): string | null {
  const digests = new Set<string>()
  const content = visibleContent(docs[0]!)
  for (const doc of [docs[0]!, docs[2]!]) {
    const state = Y.encodeStateAsUpdate(doc)
    const walked = walkUpdate(state)
    if (isRefusal(walked)) return `export refused: ${walked.reason}`
    if (!knowledgeOfState(state).includes(store)) return 'export lacks something'
    const again = deliver([state], true)
    if (visibleContent(again) !== content) return 'export differs'
    again.destroy()
    digests.add(toHex(contentDigest(state)!))
  }
  return digests.size > 1 ? 'content digests differ' : null
}

/** What is admitted of an update that the gate let in: itself, or its admissible part. Null when nothing is. Throws when the gate contradicts itself. */
export function admittedPart(update: Uint8Array, knowledge: Knowledge): Uint8Array | null {
  const facts = factsOf(update)
  const verdict = judge(facts, knowledge)
  if (verdict.kind === 'known' || verdict.kind === 'refused') return null
  if (verdict.kind === 'new' && !verdict.overlaps) return update
  const { ready } = splitAdmissible(update, facts, knowledge)
  if (ready === null) {
    if (verdict.kind === 'new') throw new Error('new, yet nothing of it is admissible')
    return null
  }
  const again = judge(factsOf(ready), knowledge)
  if (again.kind !== 'new' || again.overlaps) throw new Error(`the admissible part is judged ${JSON.stringify(again)}`)
  return ready
}

/** True when a struct of `update` names a place that no author can have seen: its right origin is not right of its origin in one list. The gate holds no
 *  lists, so it cannot know; and where such a struct ends up depends, in Yjs, on the order of integration. */
export function namesImpossiblePlace(base: Uint8Array, knowledge: Knowledge, update: Uint8Array): boolean {
  const doc = deliver([base], false)
  const store = knowledge.clone()
  const model = modelOf(update)
  let left = model.runs.reduce((sum, { structs }) => sum + structs.length, 0)
  for (let before = -1; left > 0 && before !== left;) {
    before = left
    for (const run of model.runs) {
      for (let struct = run.structs[0]; struct !== undefined; struct = run.structs[0]) {
        const bytes = encodeModel({ runs: [{ client: run.client, clock: run.clock, structs: [struct] }], deletes: [] })
        const facts = factsOf(bytes)
        if (judge(facts, store).kind === 'missing') break
        if (struct.origin !== null && struct.right !== null && !isLeftOf(doc, struct.origin, struct.right)) return true
        store.admit(facts)
        Y.applyUpdate(doc, bytes)
        run.structs.shift()
        run.clock += struct.length
        left--
      }
    }
  }
  return false
}

function isLeftOf(doc: Y.Doc, origin: { client: number; clock: number }, right: { client: number; clock: number }): boolean {
  const [left, end] = [
    Y.getItem(doc.store, Y.createID(origin.client, origin.clock)),
    Y.getItem(doc.store, Y.createID(right.client, right.clock)),
  ] as (Y.Item | Y.GC)[]
  if (left instanceof Y.GC || end instanceof Y.GC) return left instanceof Y.GC && end instanceof Y.GC
  if (left === end) return origin.clock < right.clock
  for (let item: Y.Item | null = left as Y.Item; item !== null; item = item.right) if (item === end) return true
  return false
}
