// How many client ids, deleted ranges and gaps an update and a document may have: what is over is refused before it costs anything, what is honest is not touched.

import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { isRefusal, judge, Knowledge, LIMITS, walkUpdate, type UpdateFacts, type Verdict } from '../src/index.ts'
import { gc, run, skip, update, v } from './update-bytes.ts'

function factsOf(bytes: Uint8Array): UpdateFacts {
  const facts = walkUpdate(bytes)
  if (isRefusal(facts)) throw new Error(`${facts.code} ${facts.reason}`)
  return facts
}

/** One collected id of each client from `first` on. */
function clients(count: number, first = 1): Uint8Array {
  const runs: number[] = []
  for (let client = first + count - 1; client >= first; client--) runs.push(...run(client, 0, gc(1)))
  return Uint8Array.from([...v(count), ...runs, 0])
}

/** Clocks 0, 2, 4, ... of client 7, deleted; they are there when `withIds`. */
function deletes(count: number, { from = 0, withIds = true } = {}): Uint8Array {
  const head = withIds ? [1, ...run(7, 0, gc(8 * LIMITS.deleteRangesPerDocMax))] : [0]
  const bytes = new Uint8Array(64 + 6 * count)
  let at = 0
  for (const byte of [...head, 1, 7, ...v(count)]) bytes[at++] = byte
  for (let range = from; range < from + count; range++) {
    let rest = 2 * range
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128
    bytes[at++] = rest
    bytes[at++] = 1
  }
  return bytes.subarray(0, at)
}

/** A document of one live value per id, so that nothing in it is deleted yet. */
function ofSpan(): Knowledge {
  const knowledge = new Knowledge()
  const doc = new Y.Doc()
  doc.clientID = 7
  doc.getText('t').insert(0, 'x'.repeat(3 * LIMITS.deleteRangesPerDocMax))
  knowledge.admit(factsOf(Y.encodeStateAsUpdate(doc)))
  return knowledge
}

const refusedFor = (reason: string): Verdict => ({ kind: 'refused', refusal: { code: 'update-limit', reason } })

test('[IN-1] a document takes as many client ids as may be and not one more, at once or one by one', () => {
  const { clientsPerDocMax } = LIMITS
  expect(judge(factsOf(clients(clientsPerDocMax)), new Knowledge()).kind).toBe('new')
  expect(judge(factsOf(clients(clientsPerDocMax + 1)), new Knowledge())).toEqual(refusedFor('clients'))
  const knowledge = new Knowledge()
  knowledge.admit(factsOf(clients(clientsPerDocMax - 1)))
  expect(judge(factsOf(clients(1, clientsPerDocMax)), knowledge).kind).toBe('new')
  knowledge.admit(factsOf(clients(1, clientsPerDocMax)))
  expect(judge(factsOf(clients(1, clientsPerDocMax + 1)), knowledge)).toEqual(refusedFor('clients'))
  // Who is in it already writes on, and may send all of it again.
  expect(judge(factsOf(update([run(5, 1, gc(1))])), knowledge).kind).toBe('new')
  expect(judge(factsOf(clients(clientsPerDocMax)), knowledge).kind).toBe('known')
})

test('[IN-1] an announcement of millions of client ids is refused before they are read', () => {
  const bytes = new Uint8Array(32 * 1024 * 1024)
  bytes.set(v(4_000_000))
  expect(walkUpdate(bytes)).toEqual({ code: 'update-limit', reason: 'clients' })
  bytes.set([0, ...v(4_000_000)])
  expect(walkUpdate(bytes)).toEqual({ code: 'update-limit', reason: 'clients' })
})

test('[IN-1] a document takes as many deleted ranges as may be; what is known already does not count twice', () => {
  const { deleteRangesPerDocMax } = LIMITS
  const knowledge = ofSpan()
  const half = deleteRangesPerDocMax / 2
  knowledge.admit(factsOf(deletes(half, { withIds: false })))
  expect(knowledge.deleteRangeCount).toBe(half)
  // A full answer repeats every delete.
  expect(judge(factsOf(deletes(deleteRangesPerDocMax, { withIds: false })), knowledge).kind).toBe('new')
  knowledge.admit(factsOf(deletes(half, { from: half, withIds: false })))
  expect(knowledge.deleteRangeCount).toBe(deleteRangesPerDocMax)
  expect(knowledge.clone().deleteRangeCount).toBe(deleteRangesPerDocMax)
  expect(Knowledge.decode(knowledge.encode())?.deleteRangeCount).toBe(deleteRangesPerDocMax)
  expect(judge(factsOf(deletes(deleteRangesPerDocMax, { withIds: false })), knowledge).kind).toBe('known')
  expect(judge(factsOf(deletes(1, { from: deleteRangesPerDocMax, withIds: false })), knowledge)).toEqual(refusedFor('delete-ranges'))
  expect(judge(factsOf(deletes(deleteRangesPerDocMax + 1)), new Knowledge())).toEqual(refusedFor('delete-ranges'))
})

test('[IN-1] an update with gaps is taken for what it is, one of nothing but gaps is refused', () => {
  const gappy = (count: number): Uint8Array =>
    Uint8Array.from([1, ...v(2 * count), 7, 0].concat(Array.from({ length: count }, () => [...gc(1), ...skip(1)]).flat(), 0))
  expect(judge(factsOf(gappy(1_000)), new Knowledge()).kind).toBe('missing')
  const both = LIMITS.clientsPerDocMax + LIMITS.gapsPerUpdateMax
  expect(judge(factsOf(gappy(both + 1)), new Knowledge())).toEqual(refusedFor('gaps'))
  expect(walkUpdate(gappy(4 * both + 2))).toEqual({ code: 'update-limit', reason: 'gaps' })
})
