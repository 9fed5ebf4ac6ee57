// What is remembered of peers that come once and never again.

import { expect, test } from 'vitest'
import { DEFAULT_SPACE, type ReplicaId, type ScopeText } from '@syncline/protocol'
import type { AckRow } from '@syncline/store'
import { createMemoryStore } from '@syncline/store/memory'
import { Acknowledged } from '../src/acknowledged.ts'
import { seeded } from './core-world.ts'

const VISITS = 5_000
const scope = '*' as ScopeText

function peerOf(visit: number): ReplicaId {
  return visit.toString(16).padStart(32, '0') as ReplicaId
}

test('[RS-8] five thousand peers that came once take the memory of a thousand, and each is answered for, after a restart, too', async () => {
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: seeded(1) })
  const acks = Array.from({ length: VISITS }, (_, visit): AckRow => ({ peer: peerOf(visit), scope, seq: visit, durability: 'disk' }))
  const nothing = { rows: [], docs: [], cursors: [], cursorsDropped: [], held: [], heldDropped: [], refusals: [], refusalsDropped: [] }
  const acknowledged = new Acknowledged(store.reader)
  acknowledged.linked(peerOf(0), 'relay')
  acknowledged.note(peerOf(0), scope, 0, 'disk')
  for (const { peer, seq, durability } of acks.slice(1)) {
    acknowledged.linked(peer, 'device')
    acknowledged.note(peer, scope, seq, durability)
    acknowledged.unlinked(peer)
  }
  await store.commit({ firstSeq: 1, totals: store.reader.totals(), acks, ...nothing })
  expect(acknowledged.size).toBeLessThanOrEqual(1_100)
  for (const known of [acknowledged, new Acknowledged(store.reader)]) {
    const told = [...known].map(({ peer, byScope }) => [peer, byScope.get(scope)?.seq])
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(acks.map(({ peer, seq }) => [peer, seq])))
    expect(told.length).toBe(VISITS)
    expect(known.size).toBeLessThanOrEqual(1_100)
  }
  // One that stays is not forgotten for others.
  expect([...acknowledged].find(({ peer }) => peer === peerOf(0))?.role).toBe('relay')
})
