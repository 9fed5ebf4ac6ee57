// Knowledge against Yjs: fed from updates, in whatever order and packing, it is what the documents hold.

import * as Y from 'yjs'
import { describe, expect, test } from 'vitest'
import { Knowledge } from '../src/knowledge.ts'
import { encodeDeletes, newDeletes, splitAdmissible } from '../src/update-parts.ts'
import { isRefusal, judge, walkUpdate, type UpdateFacts } from '../src/update-walker.ts'
import { Random } from './random.ts'
import { randomHistory } from './yjs-history.ts'

function factsOf(bytes: Uint8Array): UpdateFacts {
  const result = walkUpdate(bytes)
  if (isRefusal(result)) throw new Error(`refused: ${result.reason}`)
  return result
}

/** What a document holds, read from Yjs itself. */
function knowledgeOf(doc: Y.Doc): Knowledge {
  const knowledge = new Knowledge()
  const { sv, ds } = Y.snapshot(doc)
  const facts = factsOf(
    encodeDeletes([...ds.clients].flatMap(([client, items]) => items.flatMap(({ clock, len }) => [client, clock, clock + len]))),
  )
  facts.structs = [...sv].flatMap(([client, clock]) => [client, 0, clock])
  knowledge.admit(facts)
  return knowledge
}

/** Admits updates as they come; what lacks something waits and is tried again. Returns how often one waited. */
function admitAll(updates: readonly Uint8Array[], knowledge: Knowledge): number {
  let waits = 0
  let held: Uint8Array[] = []
  for (const bytes of updates) {
    held.push(bytes)
    for (let before = Infinity; held.length < before;) {
      before = held.length
      held = held.filter((waiting) => {
        const facts = factsOf(waiting)
        const verdict = judge(facts, knowledge)
        if (verdict.kind === 'new') knowledge.admit(facts)
        if (verdict.kind === 'refused') throw new Error('an honest update was refused')
        return verdict.kind === 'missing'
      })
    }
    waits += held.length
  }
  expect(held).toEqual([])
  return waits
}

describe('[CV-1] knowledge is what Yjs holds', () => {
  test('[CV-1] after the updates that the documents emitted, in any order, collecting or not', () => {
    let waits = 0
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random(seed)
      const { docs, events } = randomHistory(random, { midPair: true, gc: 'mixed' })
      const updates = events.map(({ update }) => update)
      const inOrder = new Knowledge()
      expect({ seed, waits: admitAll(updates, inOrder) }).toEqual({ seed, waits: 0 })
      for (const doc of docs) {
        expect(inOrder.digest()).toBe(knowledgeOf(doc).digest())
        expect(inOrder.stateVector()).toEqual(Y.encodeStateVector(doc))
        const state = new Knowledge()
        state.admit(factsOf(Y.encodeStateAsUpdate(doc)))
        expect(state.equals(inOrder)).toBe(true)
      }
      const shuffled = new Knowledge()
      waits += admitAll(random.shuffle(updates), shuffled)
      expect(shuffled.encode()).toEqual(inOrder.encode())
    }
    expect(waits).toBeGreaterThan(1_000)
  })

  test('[CV-1] after merged and diffed updates', () => {
    for (let seed = 100; seed < 140; seed++) {
      const random = new Random(seed)
      const { docs, events } = randomHistory(random)
      const updates = events.map(({ update }) => update)
      const whole = knowledgeOf(docs[0]!)
      const merged = new Knowledge()
      for (let i = 0; i < updates.length;) {
        const group = updates.slice(i, (i += random.between(1, 6)))
        admitAll([Y.mergeUpdates(group)], merged)
      }
      expect(merged.equals(whole)).toBe(true)
      const half = new Knowledge()
      admitAll(updates.slice(0, random.below(updates.length)), half)
      const diff = Y.diffUpdate(Y.encodeStateAsUpdate(docs[0]!), half.stateVector())
      const verdict = judge(factsOf(diff), half)
      expect(['new', 'known']).toContain(verdict.kind)
      if (verdict.kind === 'new') half.admit(factsOf(diff))
      expect(half.equals(whole)).toBe(true)
    }
  })

  test('[CV-1] when the deletes that documents derive are admitted, too, and admitting twice adds nothing', () => {
    let derived = 0
    for (let seed = 200; seed < 240; seed++) {
      const random = new Random(seed)
      const { events } = randomHistory(random, { gc: true })
      const knowledge = new Knowledge()
      const doc = new Y.Doc()
      doc.on('update', (emitted: Uint8Array) => {
        const { ready } = splitAdmissible(emitted, factsOf(emitted), knowledge)
        if (ready === null) return
        expect(newDeletes(factsOf(emitted), knowledge, 'all')).toEqual(newDeletes(factsOf(ready), knowledge, 'all'))
        knowledge.admit(factsOf(ready))
        derived++
      })
      for (const { update, derived: isDerived } of events) {
        if (isDerived) continue
        const facts = factsOf(update)
        if (judge(facts, knowledge).kind === 'new') knowledge.admit(facts)
        expect(judge(facts, knowledge)).toEqual({ kind: 'known' })
        Y.applyUpdate(doc, update)
      }
      expect(knowledge.equals(knowledgeOf(doc))).toBe(true)
    }
    expect(derived).toBeGreaterThan(10)
  })
})
