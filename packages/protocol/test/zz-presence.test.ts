// The presence table: nobody but the owner changes an id, nothing grows without bound, and stock awareness clients agree through it.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { toHex } from '../src/hex.ts'
import { LIMITS } from '../src/limits.ts'
import { decodePresence, encodePresence, PresenceTable, type PresenceEntry } from '../src/presence.ts'
import { mutant, randomOf } from './mutants.ts'

const entry = (clientId: number, clock: number, state: string | null = '{"at":1}'): PresenceEntry => ({ clientId, clock, state })
const update = (...entries: PresenceEntry[]): Uint8Array => encodePresence(entries)!
const shown = <O>(table: PresenceTable<O>): PresenceEntry[] => {
  const snapshot = table.snapshot()
  return snapshot === null ? [] : decodePresence(snapshot)!
}

const state = fc.oneof(
  fc.constant(null),
  fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }).map((value) => JSON.stringify(value)),
)
const anyEntry: fc.Arbitrary<PresenceEntry> = fc.record({ clientId: fc.maxSafeNat(), clock: fc.nat({ max: 2 ** 31 - 1 }), state })

test('[WI-1] awareness updates of y-protocols are read and written byte for byte', () => {
  fc.assert(
    fc.property(fc.array(anyEntry, { minLength: 1, maxLength: 6 }), (entries) => {
      const bytes = encodePresence(entries)!
      expect(decodePresence(bytes)).toEqual(entries)
      const states = new Map(entries.map((each) => [each.clientId, JSON.parse(each.state ?? 'null') as Record<string, unknown>]))
      const meta = new Map(entries.map((each) => [each.clientId, { clock: each.clock, lastUpdated: 0 }]))
      fc.pre(states.size === entries.length)
      expect(bytes).toEqual(encodeAwarenessUpdate({ meta, states } as unknown as Awareness, [...states.keys()]))
    }),
  )
})

test('[IN-1] 50,000 random and mutated updates: none throws, and what is accepted is what the encoder would have sent', () => {
  const seed = Number(process.env['SYNCLINE_SEED'] ?? 20_260_702)
  const random = randomOf(seed)
  const corpus = fc
    .sample(fc.array(anyEntry, { minLength: 1, maxLength: 3 }), { numRuns: 300, seed })
    .map((entries) => encodePresence(entries)!)
  let accepted = 0
  for (let i = 0; i < 50_000; i++) {
    const bytes = i % 5 === 0 ? Uint8Array.from({ length: random(30) }, () => random(256)) : mutant(corpus, random)
    try {
      const entries = decodePresence(bytes)
      const claim = new PresenceTable<string>().claim('a', bytes)
      if ((entries === null) !== (claim === null)) throw new Error('the table and the decoder disagree')
      if (entries === null || entries.length === 0) continue
      accepted++
      if (toHex(encodePresence(entries)!) !== toHex(bytes)) throw new Error('accepted, but not what an encoder sends')
    } catch (error) {
      throw new Error(`replay: SYNCLINE_SEED=${seed} case ${i} ${toHex(bytes)}`, { cause: error })
    }
  }
  console.log(`presence fuzz: 50,000 updates, ${accepted} accepted`)
  expect(accepted).toBeGreaterThan(1000)
}, 120_000)

test('[IN-1] updates that no correct client sends change nothing', () => {
  const good = entry(1, 1)
  const wrong = [
    entry(1, 2 ** 53 - 1),
    entry(1, 2 ** 32 - 1),
    entry(2, 1, '[]'),
    entry(2, 1, '7'),
    entry(2, 1, '"text"'),
    entry(2, 1, ' null'),
    entry(2, 1, '{"a":'),
    entry(2, 1, ''),
    entry(2, 1, '{"a":NaN}'),
  ]
  for (const bad of wrong) {
    const table = new PresenceTable<string>()
    expect(table.claim('a', update(good, bad)), JSON.stringify(bad)).toBe(null)
    expect(table.size).toBe(0)
  }
  const table = new PresenceTable<string>()
  expect(table.claim('a', Uint8Array.of(...update(good), 0))).toBe(null)
  expect(table.claim('a', new Uint8Array(0))).toBe(null)
  expect(table.claim('a', Uint8Array.of(0xff, 0xff, 0x7f))).toBe(null)
  expect(table.claim('a', Uint8Array.of(0))).toEqual({ accepted: null, refused: [], reply: null })
})

type Step =
  | { readonly do: 'claim'; readonly owner: number; readonly entries: PresenceEntry[] }
  | { readonly do: 'release'; readonly owner: number }
  | { readonly do: 'takeOver'; readonly owner: number; readonly id: number }

const small: fc.Arbitrary<PresenceEntry> = fc.record({
  clientId: fc.nat({ max: 4 }),
  clock: fc.nat({ max: 8 }),
  state: fc.constantFrom(null, '{}', '{"x":1}'),
})
const owner = fc.nat({ max: 3 })
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('claim' as const), owner, entries: fc.array(small, { minLength: 1, maxLength: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), owner }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('takeOver' as const), owner, id: fc.nat({ max: 4 }) }) },
)

test('[PR-1] only the owner of a presence id changes it, clocks never go back, and what is forwarded is what is shown', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const table = new PresenceTable<number>()
      /** What a newcomer of the first hour sees, by forwarded updates alone. */
      const observed = new Map<number, PresenceEntry>()
      for (const step of steps) {
        const before = new Map(shown(table).map((each) => [each.clientId, each]))
        const owners = new Map([...before.keys()].map((id) => [id, table.ownerOf(id)]))
        const forwarded =
          step.do === 'claim'
            ? table.claim(step.owner, update(...step.entries))!.accepted
            : step.do === 'release'
              ? table.release(step.owner)
              : table.takeOver(step.id, step.owner)
        for (const each of forwarded === null ? [] : decodePresence(forwarded)!) {
          expect(each.clock).toBeGreaterThanOrEqual(observed.get(each.clientId)?.clock ?? -1)
          observed.set(each.clientId, each)
        }
        const after = new Map(shown(table).map((each) => [each.clientId, each]))
        for (const id of [0, 1, 2, 3, 4]) {
          expect(after.get(id) ?? null).toEqual(observed.get(id)?.state == null ? null : observed.get(id))
          if (step.do === 'claim' && before.has(id) && owners.get(id) !== step.owner) {
            expect([table.ownerOf(id), after.get(id)]).toEqual([owners.get(id), before.get(id)])
          }
          if (step.do === 'release') expect(table.ownerOf(id)).not.toBe(step.owner)
          if (step.do === 'takeOver' && id !== step.id)
            expect([table.ownerOf(id), after.get(id)]).toEqual([owners.get(id) ?? null, before.get(id)])
        }
      }
    }),
    { numRuns: 20000 },
  )
})

test('[PR-1] an echo is no claim; a newer clock from another connection waits until the owner is gone', () => {
  const table = new PresenceTable<string>()
  expect(table.claim('old', update(entry(7, 3)))).toMatchObject({ refused: [], reply: null })
  expect(table.claim('other', update(entry(7, 3)))).toEqual({ accepted: null, refused: [{ clientId: 7, reason: 'echo' }], reply: null })
  expect(table.claim('other', update(entry(7, 3, null)))).toEqual({
    accepted: null,
    refused: [{ clientId: 7, reason: 'echo' }],
    reply: null,
  })
  expect(table.claim('new', update(entry(7, 4, '{"new":1}')))).toEqual({
    accepted: null,
    refused: [{ clientId: 7, reason: 'owned' }],
    reply: null,
  })
  expect(decodePresence(table.release('old')!)).toEqual([entry(7, 4, '{"new":1}')])
  expect(table.ownerOf(7)).toBe('new')
  table.claim('newer', update(entry(7, 5)))
  table.claim('newer', update(entry(7, 6, null)))
  expect(decodePresence(table.release('new')!)).toEqual([entry(7, 5, null)])
  expect(table.release('new')).toBe(null)
  expect(table.snapshot()).toBe(null)
})

test('[PR-1] takeOver gives an id to a new connection with what it claimed, and keeps it shown when it claimed nothing', () => {
  const table = new PresenceTable<string>()
  table.claim('old', update(entry(7, 3), entry(8, 1)))
  table.claim('new', update(entry(7, 4, '{"new":1}')))
  expect(decodePresence(table.takeOver(7, 'new')!)).toEqual([entry(7, 4, '{"new":1}')])
  expect(table.takeOver(8, 'new')).toBe(null)
  expect(table.takeOver(9, 'new')).toBe(null)
  expect([table.ownerOf(7), table.ownerOf(8), table.size]).toEqual(['new', 'new', 2])
  expect(table.release('old')).toBe(null)
  expect(table.claim('old', update(entry(7, 9)))!.refused).toEqual([{ clientId: 7, reason: 'owned' }])
})

test('[PR-1] a removed id does not come back by a late echo, and a client that returns too early is told', () => {
  const table = new PresenceTable<string>()
  table.claim('a', update(entry(7, 3)))
  table.release('a')
  const late = table.claim('b', update(entry(7, 3)))!
  expect(late).toMatchObject({ accepted: null, refused: [{ clientId: 7, reason: 'stale' }] })
  expect(decodePresence(late.reply!)).toEqual([entry(7, 4, null)])
  expect(table.claim('a', update(entry(7, 5)))!.refused).toEqual([])
})

test('[RS-1] ids, sizes and the memory of removed ids are bounded', () => {
  const table = new PresenceTable<string>()
  const many = Array.from({ length: LIMITS.presenceIdsPerConnectionMax + 1 }, (_, i) => entry(i, 0))
  expect(table.claim('a', update(...many))!.refused).toEqual([{ clientId: LIMITS.presenceIdsPerConnectionMax, reason: 'too-many' }])
  const large = JSON.stringify({ text: 'é'.repeat(LIMITS.presenceBytesMax / 2) })
  expect(table.claim('b', update(entry(5000, 0, large), entry(5001, 0)))!.refused).toEqual([{ clientId: 5000, reason: 'too-large' }])
  const wide = JSON.stringify({ text: 'x'.repeat(LIMITS.presenceBytesMax - 100) })
  for (let i = 0; i < 300; i++) table.claim(`c${i}`, update(entry(10_000 + i, 0, wide)))
  expect(table.snapshot()!.length).toBeLessThanOrEqual(LIMITS.presenceBytesPerDocMax)
  expect(table.size).toBeLessThan(LIMITS.presenceIdsPerConnectionMax + 150)
  for (let i = 0; i < 300; i++) table.release(`c${i}`)
  for (const each of ['a', 'b']) table.release(each)
  expect(table.size).toBe(0)
  expect(table.claim('d', update(entry(20_000, 0, wide)))!.refused).toEqual([])
  for (let i = 0; i < 3 * LIMITS.presenceRemovedMax; i++) {
    table.claim('e', update(entry(30_000 + i, 5)))
    table.release('e')
  }
  // the first of them is forgotten, the last is remembered
  expect(table.claim('f', update(entry(30_000, 1)))!.refused).toEqual([])
  expect(table.claim('f', update(entry(30_000 + 3 * LIMITS.presenceRemovedMax - 1, 1)))!.refused).toHaveLength(1)
})

test('[RS-1] claims that wait for an owner to leave count, so that their takeover cannot outgrow the limit', () => {
  const table = new PresenceTable<number>()
  const wide = JSON.stringify({ text: 'x'.repeat(LIMITS.presenceBytesMax - 100) })
  for (let i = 0; i < 2000; i++) table.claim(i % 10, update(entry(i, 1)))
  for (let i = 0; i < 2000; i++) table.claim(10 + (i % 10), update(entry(i, 2, wide)))
  const ids = table.size
  for (let i = 0; i < 10; i++) table.release(i)
  expect(table.size).toBeLessThan(ids)
  expect(table.size).toBeGreaterThan(100)
  expect(table.snapshot()!.length).toBeLessThanOrEqual(LIMITS.presenceBytesPerDocMax)
  for (let i = 10; i < 20; i++) table.release(i)
  expect(table.size).toBe(0)
  expect(table.claim(99, update(...Array.from({ length: 100 }, (_, i) => entry(50_000 + i, 1, wide))))!.refused).toEqual([])
})

/** A stock client: what y-websocket does with an Awareness, over one connection at a time. */
class Client {
  readonly awareness: Awareness
  connection: { readonly client: Client } | null = null
  private readonly relay: Relay

  constructor(relay: Relay, id: number) {
    this.relay = relay
    const doc = new Y.Doc()
    doc.clientID = id
    this.awareness = new Awareness(doc)
    // stock clients take no notice of clock 0
    this.awareness.setLocalState({ edits: -id })
    this.awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>) => {
      if (this.connection) this.relay.receive(this.connection, encodeAwarenessUpdate(this.awareness, [...added, ...updated, ...removed]))
    })
  }

  connect(): void {
    this.connection = { client: this }
    this.relay.join(this.connection)
    if (this.awareness.getLocalState())
      this.relay.receive(this.connection, encodeAwarenessUpdate(this.awareness, [this.awareness.clientID]))
  }

  disconnect(): { readonly client: Client } {
    const connection = this.connection!
    this.connection = null
    removeAwarenessStates(
      this.awareness,
      [...this.awareness.getStates().keys()].filter((id) => id !== this.awareness.clientID),
      'left',
    )
    return connection
  }
}

class Relay {
  readonly table = new PresenceTable<object>()
  private readonly connections = new Set<{ readonly client: Client }>()
  private readonly queue: (() => void)[] = []

  join(connection: { readonly client: Client }): void {
    this.connections.add(connection)
    this.send(connection, this.table.snapshot())
  }

  leave(connection: { readonly client: Client }): void {
    this.connections.delete(connection)
    this.broadcast(this.table.release(connection))
  }

  receive(connection: { readonly client: Client }, bytes: Uint8Array): void {
    this.queue.push(() => {
      if (!this.connections.has(connection)) return
      const claim = this.table.claim(connection, bytes)!
      this.broadcast(claim.accepted)
      this.send(connection, claim.reply)
    })
  }

  /** Until nothing is under way. */
  settle(): void {
    for (let count = 0; this.queue.length > 0; count++) {
      if (count > 10_000) throw new Error('presence does not come to rest')
      this.queue.shift()!()
    }
  }

  private broadcast(bytes: Uint8Array | null): void {
    for (const connection of this.connections) this.send(connection, bytes)
  }

  private send(connection: { readonly client: Client }, bytes: Uint8Array | null): void {
    if (bytes === null) return
    this.queue.push(() => {
      if (connection.client.connection === connection) applyAwarenessUpdate(connection.client.awareness, bytes, 'relay')
    })
  }
}

function shownIds(table: PresenceTable<object>): number[] {
  return shown(table)
    .map(({ clientId }) => clientId)
    .toSorted((left, right) => left - right)
}

test('[PR-1] stock awareness clients that come, go and return without a farewell see each other, and nobody else', () => {
  const step = fc.record({ at: fc.nat({ max: 3 }), what: fc.constantFrom('toggle', 'toggle', 'edit', 'settle', 'notice', 'clear') })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const relay = new Relay()
      const clients = [11, 22, 33, 44].map((id) => new Client(relay, id))
      /** Connections that are gone, but the relay has not noticed. */
      let halfOpen: { readonly client: Client }[] = []
      const notice = (): void => {
        for (const connection of halfOpen) relay.leave(connection)
        halfOpen = []
      }
      let edits = 0
      for (const { at, what } of steps) {
        const client = clients[at]!
        if (what === 'toggle' && client.connection) halfOpen.push(client.disconnect())
        else if (what === 'toggle') client.connect()
        else if (what === 'edit') client.awareness.setLocalState({ edits: edits++ })
        else if (what === 'clear') client.awareness.setLocalState(null)
        else if (what === 'settle') relay.settle()
        else notice()
      }
      relay.settle()
      notice()
      relay.settle()
      const online = clients.filter((client) => client.connection !== null && client.awareness.getLocalState() !== null)
      const ids = online.map((client) => client.awareness.clientID)
      expect(shownIds(relay.table)).toEqual(ids)
      // a stock client that forgot the others when it went off line takes them up again at their next clock, which their timers bring within 15 s
      for (const client of online) client.awareness.setLocalState(client.awareness.getLocalState())
      relay.settle()
      expect(shownIds(relay.table)).toEqual(ids)
      const expected = Object.fromEntries(online.map((client) => [client.awareness.clientID, client.awareness.getLocalState()]))
      for (const client of clients) {
        if (client.connection) expect(Object.fromEntries(client.awareness.getStates())).toEqual(expected)
        client.awareness.destroy()
      }
    }),
    { numRuns: 20000 },
  )
})
