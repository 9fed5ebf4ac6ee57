// Links, status, failure of the store, and the end of a replica.

import { SynclineError } from '@syncline/protocol'
import { createMemoryStore } from '@syncline/store/memory'
import { expect, test } from 'vitest'
import { closeErrorCode, closeReason, type ReplicaStatus } from '../src/index.ts'
import { nodeRandom } from '../src/ws/index.ts'
import { clock, eventually, linkHosts, memoryStore, note, open, openHost, space, textOf, type } from './hosts.ts'

test('[SU-1] status is plain data: head, peers in sync without lag, and acknowledgements with their durability', async () => {
  const [a, b] = [openHost(), openHost({ role: 'relay' })]
  const left = open(a)
  type(left, 'x')
  const seq = await left.saved()
  expect(a.replica.acknowledgements(note, seq)).toEqual([])
  linkHosts(a, b)
  await eventually(() => expect(a.replica.acknowledgements(note, seq)).toHaveLength(1))
  expect(a.replica.acknowledgements(note, seq)).toEqual([{ peer: b.replica.replicaId, durability: 'process', role: 'relay', linked: true }])
  await eventually(() =>
    expect(a.replica.status().peers).toMatchObject([{ replicaId: b.replica.replicaId, role: 'relay', synced: true, lag: 0 }]),
  )
  const status = a.replica.status()
  expect(structuredClone(status)).toEqual(status)
  expect(status).toMatchObject({
    storage: 'ok',
    documents: 1,
    rejected: [],
    diverged: [],
    quarantined: [],
    stuck: [],
    verificationRotationMs: 1000,
  })
  expect(a.replica.isLinkedTo(b.replica.replicaId)).toBe(true)
})

test('[SU-1] a peer counts as synced once what it sent is committed and shown, not before', async () => {
  const store = memoryStore()
  const commit = store.commit.bind(store)
  let arrived: () => void = () => undefined
  let go: () => void = () => undefined
  const waiting = new Promise<void>((resolve) => (arrived = resolve))
  const gate = new Promise<void>((resolve) => (go = resolve))
  store.commit = async (transaction) => {
    arrived()
    await gate
    return commit(transaction)
  }
  const [a, b] = [openHost({ store }), openHost()]
  type(open(b), 'theirs')
  const document = open(a)
  linkHosts(a, b)
  await waiting
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(a.replica.status().peers).toMatchObject([{ synced: false }])
  a.replica.onStatus(({ peers }) => {
    if (peers.some((peer) => peer.synced)) expect(textOf(document)).toBe('theirs')
  })
  go()
  await eventually(() => expect(a.replica.status().peers).toMatchObject([{ synced: true }]))
  expect(textOf(document)).toBe('theirs')
})

test('[SU-1] an acknowledgement is remembered over a restart, without a link', async () => {
  const store = createMemoryStore({ space, random: nodeRandom, durability: 'process' })
  const [a, b] = [openHost({ store }), openHost({ role: 'relay' })]
  const left = open(a)
  type(left, 'x')
  const seq = await left.saved()
  linkHosts(a, b)
  await eventually(() => expect(a.replica.acknowledgements(note, seq)).toHaveLength(1))
  await eventually(() => expect(store.reader.acks()).toMatchObject([{ seq: expect.any(Number) }]))
  await a.replica.close()
  const again = openHost({ store: createMemoryStore({ space, random: nodeRandom, durability: 'process', from: store.snapshot() }) })
  expect(again.replica.acknowledgements(note, seq)).toEqual([
    { peer: b.replica.replicaId, durability: 'process', role: null, linked: false },
  ])
})

test('[SU-2] status listeners are told after a change, at most once per turn, and one that throws stops nothing', async () => {
  const a = openHost()
  const seen: ReplicaStatus[] = []
  a.replica.onStatus(() => {
    throw new Error('listener')
  })
  const stop = a.replica.onStatus((status) => seen.push(status))
  const document = open(a)
  for (let edit = 0; edit < 50; edit++) type(document, 'x')
  const head = await document.saved()
  await eventually(() => expect(seen.at(-1)?.head).toBe(head))
  expect(seen.length).toBeLessThan(10)
  await eventually(() => expect(a.errors.length).toBeGreaterThan(0))
  stop()
  const count = seen.length
  type(document, 'y')
  await document.saved()
  expect(seen).toHaveLength(count)
})

test('[LK-9] a port that throws on send ends its link and nothing else; the peers meet over the next link', async () => {
  const [a, b] = [openHost(), openHost()]
  const [left, right] = [open(a), open(b)]
  linkHosts(a, b, {
    dialled: {
      send: () => {
        throw new Error('port')
      },
    },
  })
  type(left, 'x')
  await left.saved()
  expect(textOf(right)).toBe('')
  linkHosts(a, b)
  await eventually(() => expect(textOf(right)).toBe('x'))
})

test('[LK-9] a close reason carries the code, cut to 123 bytes between characters', () => {
  const reason = closeReason('storage-failed', 'ä'.repeat(200))
  expect(new TextEncoder().encode(reason).length).toBeLessThanOrEqual(123)
  expect(reason).toMatch(/^storage-failed: ä+$/)
  expect(closeErrorCode(reason)).toBe('storage-failed')
  expect(closeErrorCode('no code of ours')).toBeNull()
})

test('[DU-1] a store that fails keeps local edits in memory, says so, tells nobody they are saved, and saves them when it recovers', async () => {
  const store = memoryStore()
  const commit = store.commit.bind(store)
  let full = false
  store.commit = (transaction) => (full ? Promise.reject(new SynclineError('store-full', 'The disk is full.')) : commit(transaction))
  const [a, b] = [openHost({ store }), openHost()]
  linkHosts(a, b)
  const [left, right] = [open(a), open(b)]
  type(left, 'before;')
  await eventually(() => expect(textOf(right)).toBe('before;'))
  full = true
  type(left, 'during;')
  const saved = left.saved()
  saved.catch(() => null)
  await eventually(() => expect(a.replica.status()).toMatchObject({ storage: 'failed', storageError: { code: 'store-full' } }))
  type(left, 'still;')
  expect(left.unsaved).toBe(2)
  expect(textOf(right)).toBe('before;')
  full = false
  expect(await saved).toBeGreaterThan(0)
  await left.saved()
  expect(a.replica.status().storage).toBe('ok')
  linkHosts(a, b)
  await eventually(() => expect(textOf(right)).toBe('before;during;still;'))
})

test('[DU-1] a store that fails until the replica closes: saved() rejects with storage-failed, and close() is bounded', async () => {
  const store = memoryStore()
  store.commit = () => Promise.reject(new SynclineError('store-io', 'The disk is gone.'))
  const a = openHost({ store, closeWithinMs: 300 })
  const document = open(a)
  type(document, 'x')
  const saved = document.saved()
  saved.catch(() => null)
  const started = clock.now()
  await a.replica.close()
  expect(clock.now() - started).toBeLessThan(1_500)
  await expect(saved).rejects.toMatchObject({ code: 'storage-failed' })
})

test('[LC-1] close() is bounded when a store or a peer does not answer, idempotent, and ends what was opened', async () => {
  const store = memoryStore()
  store.close = () => new Promise(() => undefined)
  const [a, b] = [openHost({ store, closeWithinMs: 400 }), openHost()]
  linkHosts(a, b, { dialled: { close: () => undefined } })
  const document = open(a)
  const started = clock.now()
  expect(a.replica.close()).toBe(a.replica.close())
  await a.replica.close()
  expect(clock.now() - started).toBeLessThan(1_500)
  expect(document.doc.isDestroyed).toBe(true)
  await expect(document.saved()).rejects.toMatchObject({ code: 'replica-closed' })
  expect(() => a.replica.openDocument(note)).toThrow(/replica-closed/)
  expect(() => linkHosts(a, b)).toThrow(/replica-closed/)
})

test('[LC-1] a closing replica tells its peers, and a disposed one is closed', async () => {
  const b = openHost()
  const a = openHost()
  {
    await using replica = a.replica
    linkHosts(a, b)
    await eventually(() => expect(replica.isLinkedTo(b.replica.replicaId)).toBe(true))
  }
  await eventually(() => expect(b.replica.isLinkedTo(a.replica.replicaId)).toBe(false))
  expect(a.replica.closed).toBe(true)
})

test('[CV-3] a damaged document that is open is written again from its Y.Doc, and reaches peers that come later', async () => {
  const store = createMemoryStore({ space, random: nodeRandom, durability: 'process' })
  const a = openHost({ store })
  const left = open(a)
  type(left, 'unsynced')
  await left.saved()
  store.damage(left.key)
  const guest = a.replica.attachGuest(note, {
    deliver: () => undefined,
    presence: () => undefined,
    ping: () => undefined,
    close: () => undefined,
    buffered: () => 0,
  })
  expect(() => guest.diff(new Uint8Array([0]))).toThrow(/doc-quarantined/)
  const b = openHost()
  const right = open(b)
  linkHosts(a, b)
  await eventually(() => expect(a.events.some((event) => event.type === 'quarantined')).toBe(true))
  await eventually(() => linkHosts(a, b))
  await eventually(() => expect(textOf(right)).toBe('unsynced'))
})

test('[CV-3] a damaged document that is opened is not served, is quarantined, and comes back from a peer', async () => {
  const store = createMemoryStore({ space, random: nodeRandom, durability: 'process' })
  const [a, b] = [openHost({ store }), openHost()]
  linkHosts(a, b)
  const left = open(a)
  type(left, 'synced')
  const right = open(b)
  await eventually(() => expect(textOf(right)).toBe('synced'))
  await left.release()
  store.damage(left.key)
  expect(() => open(a)).toThrow(/doc-quarantined/)
  await eventually(() => expect(a.replica.status().quarantined).toEqual([note]))
  linkHosts(a, b)
  await eventually(() => expect(textOf(open(a))).toBe('synced'))
  await eventually(() => expect(a.replica.status().quarantined).toEqual([]))
})

test('[RS-1] a link that delivers faster than the store commits is not read from until the store has caught up', async () => {
  const store = memoryStore()
  const commit = store.commit.bind(store)
  let go: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (go = resolve))
  const a = openHost({ store })
  const pauses: boolean[] = []
  const port = {
    dialled: false,
    send: () => undefined,
    close: () => undefined,
    buffered: () => 0,
    pause: (paused: boolean) => void pauses.push(paused),
  }
  type(open(a), 'x')
  store.commit = async (transaction) => {
    await gate
    return commit(transaction)
  }
  const link = a.replica.attachLink(port)
  // The edit is being committed: the commit waits for the gate.
  await eventually(() => expect(open(a).unsaved).toBe(1))
  await new Promise((resolve) => setImmediate(resolve))
  for (let sent = 0; sent < 40; sent++) link.received(new Uint8Array(2 ** 20))
  expect(pauses).toEqual([true])
  go()
  await open(a).saved()
  await eventually(() => expect(pauses).toEqual([true, false]))
})

test('[SU-1] a sweep that failed once does not leave the storage failed: it is over with the next thing that the store takes', async () => {
  const store = memoryStore()
  const sweep = store.sweep.bind(store)
  let failures = 1
  store.sweep = (docs) => (failures-- > 0 ? Promise.reject(new SynclineError('store-io', 'The disk answered no.')) : sweep(docs))
  const a = openHost({ store, limits: { sweepEveryMs: 300, tailRowsHardMax: 50 } })
  const document = open(a)
  const stored = (): string[] => a.events.map(({ type: kind }) => kind).filter((kind) => kind.startsWith('storage-'))
  for (let edit = 0; edit < 400; edit++) {
    type(document, 'x'.repeat(200))
    await document.saved()
  }
  await eventually(() => expect(a.events.some((event) => event.type === 'swept')).toBe(true))
  expect(stored()).toEqual(['storage-failed', 'storage-recovered'])
  expect(a.replica.status()).toMatchObject({ storage: 'ok', storageError: null })
})
