// The room session over a real replica in memory and a socket that only counts: when it reads, when it waits, what it answers.

import { afterEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseDocId, SynclineError } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { nodeClock, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore, type MemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import type { Closing } from '../src/close-code.ts'
import { RELAY_LIMITS, type RelayLimits } from '../src/relay-limits.ts'
import * as codec from '../src/y-websocket-codec.ts'
import { RoomSession } from '../src/y-websocket-session.ts'

const replicas: Replica[] = []
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close()
})

interface Room {
  readonly session: RoomSession
  readonly store: MemoryStore
  readonly replica: Replica
  readonly sent: codec.RoomMessage[]
  readonly closings: Closing[]
  /** What the session believes to be unsent. */
  unsent: number
  paused: boolean
  valid: boolean
  /** Resolves when the engine has done what it was given. */
  settled(): Promise<void>
}

function roomHere(options: { limits?: Partial<RelayLimits>; replica?: Replica; store?: MemoryStore } = {}): Room {
  const store = options.store ?? createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
  const replica = options.replica ?? new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom })
  if (options.replica === undefined) replicas.push(replica)
  let refusedBefore = false
  const room: Omit<Room, 'session'> & { session?: RoomSession } = {
    store,
    replica,
    sent: [],
    closings: [],
    unsent: 0,
    paused: false,
    valid: false,
    settled: async () => {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
  }
  room.session = new RoomSession({
    limits: { ...RELAY_LIMITS, ...options.limits },
    attach: (port) => replica.attachGuest(parseDocId('note'), port),
    subject: null,
    mayWrite: () => true,
    mayBePresent: () => true,
    refusedBefore: () => {
      const before = refusedBefore
      refusedBefore = true
      return before
    },
    onValid: () => (room.valid = true),
    onRefused: () => undefined,
    socket: {
      send(frame) {
        const read = codec.readFrame(frame)
        if ('problem' in read) throw new Error(read.problem)
        expect(read.messages, 'one message per frame').toHaveLength(1)
        room.sent.push(...read.messages)
      },
      sendRun(run) {
        for (const message of run) this.send(message)
      },
      close: (closing) => room.closings.push(closing),
      closeLater: (closing) => room.closings.push(closing),
      ping: () => undefined,
      pause: () => (room.paused = true),
      resume: () => (room.paused = false),
      buffered: () => room.unsent,
      silent: false,
    },
  })
  return room as Room
}

function update(text: string, clientId: number): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = clientId
  doc.getText('body').insert(0, text)
  return Y.encodeStateAsUpdate(doc)
}

const kinds = (room: Room): string[] => room.sent.map((message) => message.kind)

test('[YW-2] on connect the relay asks with its committed state, and each question is answered', async () => {
  const first = roomHere()
  first.session.received(codec.updateFrame(update('abc', 7)))
  await first.settled()
  const second = roomHere({ replica: first.replica, store: first.store })
  expect(second.sent).toEqual([{ kind: 'step-1', stateVector: Uint8Array.of(1, 7, 3) }])
  second.session.received(codec.step1Frame(Uint8Array.of(0)))
  second.session.received(codec.step1Frame(Uint8Array.of(1, 7, 3)))
  expect(kinds(second)).toEqual(['step-1', 'step-2', 'step-2'])
  expect(Y.decodeUpdate((second.sent[1] as { update: Uint8Array }).update).structs).toHaveLength(1)
  expect(codec.isEmptyUpdate((second.sent[2] as { update: Uint8Array }).update)).toBe(true)
})

test('[YW-4] an update is answered only after its commit, in order, and an empty step 2 not at all', async () => {
  const room = roomHere()
  room.session.received(codec.updateFrame(update('one', 1)))
  room.session.received(codec.step2Frame(update('two', 2)))
  room.session.received(codec.step2Frame(Uint8Array.of(0, 0)))
  expect(kinds(room)).toEqual(['step-1'])
  await room.settled()
  expect(kinds(room)).toEqual(['step-1', 'update', 'update'])
  expect(room.sent.slice(1)).toEqual([
    { kind: 'update', update: update('one', 1) },
    { kind: 'update', update: update('two', 2) },
  ])
})

test('[RS-1] above the bound of unsent bytes nothing is handled and the socket is paused, until half has drained', () => {
  const room = roomHere()
  room.unsent = RELAY_LIMITS.socketBufferBytesMax + 1
  for (let count = 0; count < 4; count++) room.session.received(codec.step1Frame(Uint8Array.of(0)))
  expect(kinds(room)).toEqual(['step-1'])
  expect(room.paused).toBe(true)
  room.unsent = RELAY_LIMITS.socketBufferBytesMax - 1
  room.session.drained()
  expect(room.paused).toBe(true)
  room.unsent = RELAY_LIMITS.socketBufferBytesMax / 2
  room.session.drained()
  expect(room.paused).toBe(false)
  expect(kinds(room)).toEqual(['step-1', ...Array.from({ length: 4 }, () => 'step-2')])
})

test('[RS-1] of many questions a few are answered per turn, so that others get theirs meanwhile', () => {
  const room = roomHere()
  for (let count = 0; count < 10; count++) room.session.received(codec.step1Frame(Uint8Array.of(0)))
  const answers = (): number => kinds(room).filter((kind) => kind === 'step-2').length
  expect([answers(), room.paused]).toEqual([RELAY_LIMITS.questionsPerTurnMax, true])
  room.session.drained()
  expect(answers()).toBe(2 * RELAY_LIMITS.questionsPerTurnMax)
  room.session.drained()
  expect([answers(), room.paused]).toEqual([10, false])
})

test('[RS-1] a client that writes faster than commits happen is not read any further', async () => {
  const room = roomHere({ limits: { unsavedWritesMax: 3 } })
  room.session.received(Buffer.concat(Array.from({ length: 10 }, (_, client) => codec.updateFrame(update('x', client + 1)))))
  expect(room.paused).toBe(true)
  for (let turns = 0; turns < 10 && room.sent.length < 11; turns++) await room.settled()
  expect(room.paused).toBe(false)
  expect(kinds(room).filter((kind) => kind === 'update')).toHaveLength(10)
})

test('[RS-1] what others write waits in the log while a client does not drain', async () => {
  const slow = roomHere()
  const writer = roomHere({ replica: slow.replica, store: slow.store })
  slow.unsent = 2 * RELAY_LIMITS.socketBufferBytesMax
  for (let client = 1; client <= 20; client++) writer.session.received(codec.updateFrame(update('x', client)))
  await writer.settled()
  expect(kinds(slow)).toEqual(['step-1'])
  slow.unsent = 0
  slow.session.drained()
  await slow.settled()
  const seen = new Y.Doc()
  for (const message of slow.sent) if (message.kind === 'update') Y.applyUpdate(seen, message.update)
  expect(seen.getText('body').length).toBe(20)
})

test('[YW-6] a store that fails closes the connection for a while, without an echo', async () => {
  const room = roomHere()
  room.store.commit = () => Promise.reject(new SynclineError('store-full', 'The disk is full.'))
  room.session.received(codec.updateFrame(update('lost?', 1)))
  await room.settled()
  expect(kinds(room)).toEqual(['step-1'])
  expect(room.closings).toEqual([{ code: 1013, reason: expect.stringMatching(/^storage-failed: /) }])
})

test('[YW-6] a damaged document is not served, and the client is told to come back later', async () => {
  const room = roomHere()
  room.session.received(codec.updateFrame(update('whole', 1)))
  await room.settled()
  for (const row of room.replica.documents()) room.store.damage(row.key)
  const other = roomHere({ replica: room.replica, store: room.store })
  other.session.received(codec.step1Frame(Uint8Array.of(0)))
  await other.settled()
  expect(kinds(other).filter((kind) => kind === 'step-2' || kind === 'update')).toEqual([])
  expect(other.closings.at(-1)).toMatchObject({ code: 1013 })
})

test('[CL-2] settling waits for the writes under way and hears no further ones', async () => {
  const room = roomHere()
  room.session.received(codec.updateFrame(update('one', 1)))
  const settled = room.session.settle()
  room.session.received(codec.updateFrame(update('two', 2)))
  await settled
  expect(kinds(room)).toEqual(['step-1', 'update'])
  expect(room.paused).toBe(true)
})
