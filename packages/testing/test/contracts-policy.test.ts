// The policy contract: the reference table of grants keeps all of it, the fixed answers what concerns them. And what the engine makes of a right that is
// withdrawn at the worst moment.

import { decodeFrame, DEFAULT_SPACE, parseDocId } from '@syncline/protocol'
import { Replica, type ReplicaEvent } from '@syncline/replica'
import { memoryLinkPair, policyContract, type PolicyHarness } from '@syncline/testing/contracts'
import { createMemoryStore } from '@syncline/store/memory'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { SteppedClock } from '../src/contracts/stepped-clock.ts'
import { Random } from '../src/random.ts'
import { everythingAllowed, fixedHarness, readOnly, tableHarness } from './contracts-grant-table.ts'

const providers: Record<string, { make: () => PolicyHarness; has: readonly string[] }> = {
  'table of grants': { make: () => tableHarness(), has: ['grants', 'denials'] },
  'everything allowed': { make: () => fixedHarness(everythingAllowed), has: [] },
  'read only': { make: () => fixedHarness(readOnly), has: [] },
}

for (const [name, { make, has }] of Object.entries(providers)) {
  describe(name, () => {
    for (const rule of policyContract) {
      if (rule.needs !== undefined && !has.includes(rule.needs)) continue
      test(`[${rule.id}] ${name}: ${rule.guarantee}`, () => rule.run(make()))
    }
  })
}

test('[RF-1] a right to read that is withdrawn between VERIFY and COMPARE ends no link', async () => {
  const clock = new SteppedClock()
  const note = parseDocId('note')
  const events: ReplicaEvent[] = []
  const replicas = [1, 2].map((seed) => {
    const chance = new Random(seed)
    const random = (length: number): Uint8Array => chance.bytes(length)
    const store = createMemoryStore({ space: DEFAULT_SPACE, random, durability: 'process' })
    return new Replica({ store, role: 'device', clock, random, onEvent: (event) => void events.push(event) })
  })
  const [guarded, visitor] = replicas as [Replica, Replica]
  // A fork: the same ids with another content, so that the peer answers VERIFY with COMPARE.
  for (const [replica, text] of [
    [guarded, 'aaa'],
    [visitor, 'bbb'],
  ] as const) {
    const foreign = new Y.Doc()
    foreign.clientID = 7
    foreign.getText('body').insert(0, text)
    const document = replica.openDocument(note)
    Y.applyUpdate(document.doc, Y.encodeStateAsUpdate(foreign))
    await clock.during(document.saved())
  }
  let mayRead = true
  const said = { dialler: [] as string[], listener: [] as string[] }
  const frames = { dialler: 0, listener: 0 }
  memoryLinkPair(guarded, visitor, {
    diallerAccess: { read: () => mayRead, write: () => true },
    onMessage(from, bytes) {
      const frame = decodeFrame(bytes, frames[from]++)
      if (frame.ok) said[from].push(...frame.messages.map((message) => message.kind))
      if (said.dialler.includes('verify')) mayRead = false
    },
  })
  await clock.pass(20_000)
  expect(said.listener).toContain('compare')
  expect(said.dialler).not.toContain('state')
  expect(events.filter((event) => event.type === 'link-ended')).toEqual([])
  expect(guarded.status().peers).toHaveLength(1)
  await clock.during(Promise.all(replicas.map((replica) => replica.close())))
})
