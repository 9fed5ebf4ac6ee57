// Two contents under one id cannot be seen in knowledge: content verification has to find them, name them, and tell both sides. Rule: CV-3.

import { parseDocId, WHOLE_RANGE } from '@syncline/protocol'
import { afterEach, expect, test } from 'vitest'
import { Scene } from './scene.ts'
import type { SimulatedReplica } from '../src/world/simulated-replica.ts'
import { forkedUpdate } from '../src/oracles/divergence.ts'

const VERIFY_EVERY_MS = 1_000
const DOCUMENTS = 20
const CLIENT = 7_777_777

let scene = new Scene()
afterEach(() => {
  scene.end()
  scene = new Scene()
})

function divergences(replica: SimulatedReplica): unknown[] {
  return scene.events.flatMap(({ who, event }) => (who === replica.name && event.type === 'divergence' ? [event] : []))
}

test('[CV-3] a planted fork is reported on both sides within one rotation, by client and clock range', () => {
  const left = scene.replica('left', { limits: { verifyEveryMs: VERIFY_EVERY_MS } })
  const right = scene.replica('right', { limits: { verifyEveryMs: VERIFY_EVERY_MS } })
  const doc = parseDocId('notes/forked')
  for (let i = 1; i < DOCUMENTS; i++) scene.write(left, `notes/${i}`, `document ${i}`)
  scene.link(left, right)
  scene.until('both are equal', 5_000, () => scene.equal(left, right))
  scene.part(left, right)
  left.plant(doc, forkedUpdate(CLIENT, 0))
  right.plant(doc, forkedUpdate(CLIENT, 1))
  scene.run(100)
  // Restarted, so that no side remembers the document as written lately: it comes up in the rotation.
  for (const replica of [left, right]) {
    replica.crash()
    replica.start()
  }
  expect(scene.stored(left, 'notes/forked')).toBe('AAAA')
  expect(scene.stored(right, 'notes/forked')).toBe('BBBB')

  scene.join(left, right)
  scene.until('they are linked', 5_000, () => scene.network.isLinked(left, right))
  expect(scene.equal(left, right)).toBe(true)
  scene.until('both report', (DOCUMENTS + 2) * VERIFY_EVERY_MS, () => divergences(left).length > 0 && divergences(right).length > 0)
  const named = { type: 'divergence', doc, range: { client: CLIENT, from: 0, to: 4 } }
  expect(divergences(left)).toEqual([{ ...named, peer: right.store!.replicaId }])
  expect(divergences(right)).toEqual([{ ...named, peer: left.store!.replicaId }])
})

test('[CV-3] once a forked document is the same again, both sides say so, without a restart', () => {
  const left = scene.replica('left', { limits: { verifyEveryMs: VERIFY_EVERY_MS } })
  const right = scene.replica('right', { limits: { verifyEveryMs: VERIFY_EVERY_MS } })
  const doc = parseDocId('notes/forked')
  scene.link(left, right)
  scene.until('they are linked', 5_000, () => scene.network.isLinked(left, right))
  scene.part(left, right)
  left.plant(doc, forkedUpdate(CLIENT, 0))
  right.plant(doc, forkedUpdate(CLIENT, 1))
  scene.run(100)
  scene.join(left, right)
  scene.until('both report', 20 * VERIFY_EVERY_MS, () => divergences(left).length > 0 && divergences(right).length > 0)
  const agreed = (replica: SimulatedReplica): unknown[] =>
    scene.events.flatMap(({ who, event }) => (who === replica.name && event.type === 'agreed-again' ? [event] : []))
  scene.run(20 * VERIFY_EVERY_MS)
  expect([agreed(left), agreed(right)]).toEqual([[], []])
  // What is damaged is fetched anew, from the other side.
  const { key } = left.store!.reader.docs(WHOLE_RANGE, 10).find(({ name }) => name === doc)!
  left.damage(key)
  left.open(doc)
  const isWhole = (): boolean => !left.hasHiddenDamage && left.store!.reader.doc(key)?.quarantined === false
  scene.until('it is fetched from the other side', 30_000, isWhole)
  expect([scene.stored(left, doc), scene.stored(right, doc)]).toEqual(['BBBB', 'BBBB'])
  scene.until('both say so', 20 * VERIFY_EVERY_MS, () => agreed(left).length > 0 && agreed(right).length > 0)
  expect(agreed(left)).toEqual([{ type: 'agreed-again', doc, peer: right.store!.replicaId }])
  expect(agreed(right)).toEqual([{ type: 'agreed-again', doc, peer: left.store!.replicaId }])
})

test('[CV-3] every scope of a link is verified: a fork in the second of two collections is reported', () => {
  const interests = (['lists', 'notes'] as const).map((collection) => ({ kind: 'collection', collection }) as const)
  const left = scene.replica('left', { limits: { verifyEveryMs: VERIFY_EVERY_MS }, interests })
  const right = scene.replica('right', { limits: { verifyEveryMs: VERIFY_EVERY_MS } })
  for (const doc of ['lists/1', 'notes/1']) scene.write(left, doc, doc)
  scene.link(left, right)
  scene.until('both are equal', 5_000, () => scene.equal(left, right))
  scene.part(left, right)
  for (const doc of ['lists/forked', 'notes/forked'])
    for (const [side, replica] of [left, right].entries()) replica.plant(parseDocId(doc), forkedUpdate(CLIENT, side))
  scene.run(100)
  for (const replica of [left, right]) {
    replica.crash()
    replica.start()
  }
  scene.join(left, right)
  const reported = (replica: SimulatedReplica): string[] => divergences(replica).map((event) => (event as { doc: string }).doc).toSorted() // prettier-ignore
  scene.until('both report both', 10 * VERIFY_EVERY_MS, () => [left, right].every((replica) => reported(replica).length === 2))
  for (const replica of [left, right]) expect(reported(replica)).toEqual(['lists/forked', 'notes/forked'])
})

test('[CV-3] equal content is never reported as a fork, however it was written', () => {
  const left = scene.replica('left', { dueRows: 3, limits: { verifyEveryMs: 100, sweepEveryMs: 300 } })
  const right = scene.replica('right', { limits: { verifyEveryMs: 100 } })
  scene.link(left, right)
  for (let i = 0; i < 10; i++) {
    scene.write(left, 'notes/1', `left 😀 ${i} `)
    scene.write(right, 'notes/1', `right ${i} `)
  }
  scene.until('both are equal', 5_000, () => scene.equal(left, right))
  scene.run(5_000)
  expect(scene.count(left, 'verify') + scene.count(right, 'verify')).toBeGreaterThan(10)
  expect(divergences(left)).toEqual([])
  expect(divergences(right)).toEqual([])
})
