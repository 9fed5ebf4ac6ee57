// Presence over links that break and come back: nobody stays invisible, nobody stays for ever, and nobody is silenced. With stock awareness clients at guest ports. The same
// through real doors is tested in test/integration/presence-across-doors.test.ts.

import { LIMITS } from '@syncline/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Clock } from '../src/index.ts'
import { clock, eventually, linkHosts, note, open, openHost, recordedGuest, type Host } from './hosts.ts'

/** Real time that can be moved on. */
function movableClock(): Clock & { moveOn(ms: number): void } {
  let offsetMs = 0
  return { ...clock, now: () => clock.now() + offsetMs, moveOn: (ms) => void (offsetMs += ms) }
}

interface Client {
  readonly awareness: Awareness
  leave(): void
}

/** A stock client at a guest port: whatever changes of its own entry is announced, also what it was told of it. */
function client(host: Host, name: string): Client {
  const doc = new Y.Doc()
  const awareness = new Awareness(doc)
  const announce = (): void => guest.presence(encodeAwarenessUpdate(awareness, [awareness.clientID]))
  const port = { ...recordedGuest(), presence: (bytes: Uint8Array) => applyAwarenessUpdate(awareness, bytes, 'relay') }
  const guest = host.replica.attachGuest(note, port)
  awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
    if ([...added, ...updated, ...removed].includes(awareness.clientID)) announce()
  })
  awareness.setLocalState({ name })
  onTestFinished(() => doc.destroy())
  return { awareness, leave: () => guest.detach() }
}

function names(awareness: Awareness): string[] {
  return [...awareness.getStates().values()].map((state) => String(state['name'])).sort()
}

test('[PR-4] an open document whose link broke is announced anew by the next link, also to those behind the peer', async () => {
  const [relay, device, far] = [openHost({ role: 'relay' }), openHost(), openHost({ role: 'relay' })]
  linkHosts(far, relay)
  const link = linkHosts(device, relay)
  const mine = open(device)
  mine.awareness.setLocalState({ name: 'Ada' })
  const ben = client(far, 'Ben')
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ada', 'Ben']))
  link.cut()
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ben']))
  linkHosts(device, relay)
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ada', 'Ben']))
  expect(names(mine.awareness)).toEqual(['Ada', 'Ben'])
})

test('[PR-4] relays that were apart for longer than they remember each other show each others people again at once, and those who left meanwhile no more', async () => {
  const time = movableClock()
  const [near, far] = [openHost({ role: 'relay', clock: time }), openHost({ role: 'relay', clock: time })]
  const link = linkHosts(near, far)
  const [ada, ben, cas] = [client(near, 'Ada'), client(far, 'Ben'), client(near, 'Cas')]
  await eventually(() => expect([ada, ben].map(({ awareness }) => names(awareness))).toEqual([1, 2].map(() => ['Ada', 'Ben', 'Cas'])))
  link.cut()
  cas.leave()
  await eventually(() => expect(names(ada.awareness)).toEqual(['Ada', 'Ben']))
  expect(names(ben.awareness)).toEqual(['Ada', 'Ben', 'Cas'])
  time.moveOn(LIMITS.relayedPresenceMs)
  await eventually(() => expect([ada, ben].map(({ awareness }) => names(awareness))).toEqual([['Ada'], ['Ben']]))
  linkHosts(near, far)
  await eventually(() => expect([ada, ben].map(({ awareness }) => names(awareness))).toEqual([1, 2].map(() => ['Ada', 'Ben'])))
})

test('[PR-4] relays that meet again sooner go on where they were: who left meanwhile, and who leaves then, is gone at once', async () => {
  const [near, far] = [openHost({ role: 'relay' }), openHost({ role: 'relay' })]
  const link = linkHosts(near, far)
  const [ada, ben, cas] = [client(near, 'Ada'), client(far, 'Ben'), client(near, 'Cas')]
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ada', 'Ben', 'Cas']))
  link.cut()
  cas.leave()
  expect(names(ben.awareness)).toEqual(['Ada', 'Ben', 'Cas'])
  linkHosts(near, far)
  client(near, 'Dan')
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ada', 'Ben', 'Dan']))
  ada.leave()
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ben', 'Dan']))
})

test('[PR-1] a peer that takes an id for gone at a clock which nobody has cannot silence its owner', async () => {
  const [near, far] = [openHost({ role: 'relay' }), openHost({ role: 'relay' })]
  const ada = client(near, 'Ada')
  const id = ada.awareness.clientID
  // Somebody at the other relay used her id, with a clock that leaves none above it.
  const thief = new Awareness(new Y.Doc())
  onTestFinished(() => thief.doc.destroy())
  thief.clientID = id
  thief.states.set(id, { name: 'thief' })
  thief.meta.set(id, { clock: 2 ** 32 - 3, lastUpdated: 0 })
  const guest = far.replica.attachGuest(note, recordedGuest())
  guest.presence(encodeAwarenessUpdate(thief, [id]))
  guest.detach()
  const clockBefore = ada.awareness.meta.get(id)!.clock
  linkHosts(near, far)
  const ben = client(far, 'Ben')
  await eventually(() => expect(names(ada.awareness)).toEqual(['Ada', 'Ben']))
  expect([ada.awareness.meta.get(id)!.clock, names(ben.awareness)]).toEqual([clockBefore, ['Ben']])
  expect([near.errors, far.errors]).toEqual([[], []])
})

test('[PR-4] who leaves while a link takes nothing more is gone beyond it once it drains', async () => {
  const [near, far] = [openHost({ role: 'relay' }), openHost({ role: 'relay' })]
  let unsent = 0
  linkHosts(near, far, { dialled: { buffered: () => unsent } })
  const [ada, ben] = [client(near, 'Ada'), client(far, 'Ben')]
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ada', 'Ben']))
  unsent = 2 * LIMITS.socketBufferBytesMax
  client(near, 'Cas')
  ada.leave()
  await eventually(() => expect(near.replica.load().presenceIds).toBe(2))
  expect(names(ben.awareness)).toEqual(['Ada', 'Ben'])
  unsent = 0
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ben', 'Cas']))
})

test('[PR-4] who leaves while the link to one relay is down is gone there too, as soon as another relay says so', async () => {
  const [a, b, c] = [openHost({ role: 'relay' }), openHost({ role: 'relay' }), openHost({ role: 'relay' })]
  const direct = linkHosts(a, b)
  linkHosts(b, c)
  linkHosts(a, c)
  const [gone, ben] = [client(b, 'Ada'), client(a, 'Ben')]
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ada', 'Ben']))
  await eventually(() => expect(c.replica.load().presenceIds).toBe(2))
  direct.cut()
  gone.leave()
  await eventually(() => expect(names(ben.awareness)).toEqual(['Ben']))
  await eventually(() => expect([a, b, c].map((host) => host.replica.load().presenceIds)).toEqual([1, 1, 1]))
})
