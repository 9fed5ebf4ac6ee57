// What an observer is told, and what is under way: the numbers behind a relay's metrics.

import { createMemoryStore } from '@syncline/store/memory'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { combineObservers, type ObservedCommit, type ObservedMaintenance, type ObservedWrite, type ReplicaObserver } from '../src/index.ts'
import { nodeRandom } from '../src/ws/index.ts'
import { clock, eventually, linkHosts, memoryStore, note, open, openHost, recordedGuest, space, type } from './hosts.ts'

interface Told extends ReplicaObserver {
  readonly commits: ObservedCommit[]
  readonly writes: ObservedWrite[]
  readonly maintenance: ObservedMaintenance[]
}

function listeningObserver(): Told {
  const told: Told = {
    commits: [],
    writes: [],
    maintenance: [],
    committed: (commit) => void told.commits.push(commit),
    written: (write) => void told.writes.push(write),
    maintained: (done) => void told.maintenance.push(done),
  }
  return told
}

function firstEdit(text: string): Uint8Array {
  const doc = new Y.Doc()
  doc.getText('body').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

test('[MT-5] an observer is told each commit with its rows, bytes and time, and each write with its outcome and time', async () => {
  const [observer, second] = [listeningObserver(), listeningObserver()]
  const a = openHost({ role: 'relay', observer: combineObservers(observer, {}, second) })
  const guest = a.replica.attachGuest(note, recordedGuest())
  const update = firstEdit('hello')
  expect(await guest.write(update)).toMatchObject({ kind: 'committed' })
  expect(await guest.write(new Uint8Array([9, 9, 9]))).toMatchObject({ kind: 'refused' })
  await eventually(() => expect(observer.commits).toHaveLength(1))
  const [commit] = observer.commits
  expect(commit).toMatchObject({ head: a.replica.status().head, rows: 1, sinceReceivedMs: null })
  expect(commit!.bytes).toBeGreaterThanOrEqual(update.length)
  expect(commit!.durationMs).toBeGreaterThanOrEqual(0)
  expect(observer.writes.map(({ outcome }) => outcome.kind)).toEqual(['committed', 'refused'])
  expect([second.commits, second.writes]).toEqual([observer.commits, observer.writes])
  expect(observer.writes[0]!.durationMs).toBeGreaterThanOrEqual(commit!.durationMs)
})

test('[MT-5] what came by a link is timed from the arrival of its message to the commit, the wait for an earlier commit included', async () => {
  const store = memoryStore()
  const commit = store.commit.bind(store)
  const gates: (() => void)[] = []
  store.commit = async (transaction) => {
    if (transaction.rows.length > 0) await new Promise<void>((resolve) => gates.push(resolve))
    return commit(transaction)
  }
  const observer = listeningObserver()
  const [a, b] = [openHost({ role: 'relay', store, observer }), openHost()]
  let secondAtMs = Infinity
  const link = linkHosts(b, a, {
    dialled: {
      send: (bytes) =>
        clock.soon(() => {
          if (new TextDecoder().decode(bytes).includes('second')) secondAtMs = clock.now()
          link.accepted.received(bytes.slice())
        }),
    },
  })
  await eventually(() => expect(a.replica.status().peers).toMatchObject([{ synced: true }]))
  const document = open(b)
  type(document, 'first')
  await eventually(() => expect(gates).toHaveLength(1))
  type(document, 'second')
  await eventually(() => expect(clock.now() - secondAtMs).toBeGreaterThan(20))
  gates[0]!()
  await eventually(() => expect(gates).toHaveLength(2))
  gates[1]!()
  await eventually(() => expect(observer.commits.filter(({ rows }) => rows > 0)).toHaveLength(2))
  const [first, second] = observer.commits.filter(({ rows }) => rows > 0)
  expect(first!.sinceReceivedMs).toBeGreaterThanOrEqual(first!.durationMs)
  // It arrived while the first commit was under way, and waited for it.
  expect(second!.sinceReceivedMs).toBeGreaterThan(second!.durationMs)
  expect(second!.sinceReceivedMs).toBeGreaterThanOrEqual(20)
})

test('[MT-5] a commit that answers no message of a link has no such time, also when one arrived before that led to none', async () => {
  const observer = listeningObserver()
  const [a, b] = [openHost({ role: 'relay', observer }), openHost()]
  const link = linkHosts(b, a)
  await eventually(() => expect(a.replica.status().peers).toMatchObject([{ synced: true, lag: 0 }]))
  // HELLO, OPEN and what follows were received.
  link.cut()
  await eventually(() => expect(a.events.at(-1)).toMatchObject({ type: 'link-ended' }))
  expect(await a.replica.attachGuest(note, recordedGuest()).write(firstEdit('x'))).toMatchObject({ kind: 'committed' })
  await eventually(() => expect(observer.commits.filter(({ rows }) => rows > 0)).toMatchObject([{ sinceReceivedMs: null }]))
})

test('[MT-5] an observer that throws harms nothing: it is reported, and the write has its outcome', async () => {
  const a = openHost({
    observer: {
      committed: () => {
        throw new Error('not today')
      },
    },
  })
  expect(await a.replica.attachGuest(note, recordedGuest()).write(firstEdit('x'))).toMatchObject({ kind: 'committed' })
  await eventually(() => expect(a.errors).toMatchObject([{ message: 'not today' }]))
})

test('[MT-5] load counts what is under way: guests, open documents, held updates, presence, writes without an outcome', async () => {
  const store = createMemoryStore({ space, random: nodeRandom, durability: 'process' })
  const a = openHost({ role: 'relay', store })
  const presenceDelayed = { connection: 0, subject: 0, document: 0 }
  const nothing = { unsettledWrites: 0, guests: 0, openDocuments: 0, heldUpdates: 0, heldBytes: 0, presenceIds: 0, presenceDelayed }
  expect(a.replica.load()).toEqual(nothing)
  const guest = a.replica.attachGuest(note, recordedGuest())
  open(a).awareness.setLocalStateField('user', { name: 'Ada' })
  const doc = new Y.Doc()
  doc.getText('body').insert(0, 'a')
  const before = Y.encodeStateVector(doc)
  doc.getText('body').insert(1, 'b')
  const second = Y.encodeStateAsUpdate(doc, before)
  const outcome = guest.write(second)
  expect(a.replica.load()).toMatchObject({ unsettledWrites: 1, guests: 1, openDocuments: 1 })
  expect(await outcome).toMatchObject({ kind: 'held' })
  await eventually(() =>
    expect(a.replica.load()).toMatchObject({ unsettledWrites: 0, heldUpdates: 1, heldBytes: second.length, presenceIds: 1 }),
  )
})
