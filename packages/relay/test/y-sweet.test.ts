// The y-sweet door without a socket: which addresses are its own, when a version is called saved, and what its tokens allow.

import { afterEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, parseDocId, SynclineError } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { nodeClock, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import { accountOf, type Action, type Credentials, type Doorman, type Pass } from '../src/access/access.ts'
import { boundedDoorman } from '../src/access/bounded-doorman.ts'
import { openDoorman } from '../src/access/open-doorman.ts'
import { RELAY_LIMITS } from '../src/relay-limits.ts'
import { Grants } from '../src/y-sweet/grants.ts'
import { ySweetRequestOf, ySweetRoomOf } from '../src/y-sweet/route.ts'
import { SavedVersions } from '../src/y-sweet/saved-versions.ts'
import * as codec from '../src/y-websocket-codec.ts'
import { RoomSession } from '../src/y-websocket-session.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const version = (number: number): Uint8Array => Uint8Array.of(number)

test('[YS-1] a version is saved when every write before it has its outcome, whatever comes after it', () => {
  const saved = new SavedVersions()
  saved.settled(saved.begun(), true, true)
  saved.asked(version(0))
  expect(saved.answers()).toEqual([version(0)])
  const [one, two] = [saved.begun(), saved.begun()]
  saved.asked(version(2))
  const three = saved.begun()
  saved.asked(version(3))
  saved.settled(two, false, true)
  expect(saved.answers()).toEqual([])
  saved.settled(one, false, true)
  expect(saved.answers()).toEqual([version(2)])
  saved.settled(three, false, true)
  expect(saved.answers()).toEqual([version(3)])
  expect(saved.answers()).toEqual([])
})

test('[YS-2] nothing is called saved before the client has sent all it has, nor after one of its writes was not stored', () => {
  const saved = new SavedVersions()
  saved.asked(version(3))
  expect(saved.answers()).toEqual([])
  saved.settled(saved.begun(), false, true)
  expect(saved.answers(), 'an update is not all that it has').toEqual([])
  saved.settled(saved.begun(), true, true)
  expect(saved.answers()).toEqual([version(3)])
  const [lost, later] = [saved.begun(), saved.begun()]
  saved.settled(later, false, true)
  saved.settled(lost, false, false)
  saved.asked(version(5))
  saved.asked(version(6))
  expect(saved.answers()).toEqual([])
  saved.settled(saved.begun(), true, true)
  expect(saved.answers()).toEqual([version(6)])
})

test('[YS-1] however often a client asks, there are no more questions than writes', () => {
  const saved = new SavedVersions()
  saved.settled(saved.begun(), true, true)
  const write = saved.begun()
  for (let asked = 0; asked < 100; asked++) saved.asked(version(asked))
  saved.settled(write, false, true)
  expect(saved.answers()).toEqual([version(99)])
})

interface Room {
  readonly session: RoomSession
  readonly sent: codec.RoomMessage[]
  settled(): Promise<void>
}

function roomHere(options: { replica?: Replica; mayWrite?: () => boolean; refusedBefore?: boolean } = {}): Room {
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
  const replica = options.replica ?? new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom })
  if (options.replica === undefined) cleanups.push(() => replica.close())
  const sent: codec.RoomMessage[] = []
  const session = new RoomSession({
    limits: RELAY_LIMITS,
    dialect: 'y-sweet',
    attach: (port) => replica.attachGuest(parseDocId('note'), port),
    subject: null,
    mayWrite: options.mayWrite ?? (() => true),
    mayBePresent: () => true,
    refusedBefore: () => options.refusedBefore ?? false,
    onValid: () => undefined,
    onRefused: () => undefined,
    socket: {
      send(frame) {
        const read = codec.readFrame(frame, 'y-sweet')
        if ('problem' in read) throw new Error(read.problem)
        sent.push(...read.messages)
      },
      sendRun(run) {
        for (const message of run) this.send(message)
      },
      close: () => undefined,
      closeLater: () => undefined,
      ping: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
      buffered: () => 0,
      silent: false,
    },
  })
  return {
    session,
    sent,
    settled: async () => {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const ask = (number: number): Uint8Array => Uint8Array.of(102, 1, number)
const saidSaved = (room: Room): number[] => room.sent.flatMap((message) => (message.kind === 'sync-status' ? [message.version[0]!] : []))
const nothingNew = codec.step2Frame(Uint8Array.of(0, 0))

function typed(text: string): { doc: Y.Doc; updates: Uint8Array[] } {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const letter of text) doc.getText('body').insert(doc.getText('body').length, letter)
  return { doc, updates }
}

test('[YS-2] what was written off line is called saved after its commit, although the client asks before it sends it', async () => {
  const room = roomHere()
  const { doc } = typed('off line')
  room.session.received(codec.step1Frame(Y.encodeStateVector(doc)))
  room.session.received(ask(8))
  await room.settled()
  expect(saidSaved(room)).toEqual([])
  expect(
    room.sent.map((message) => message.kind),
    'something comes at once, so that the client keeps the link',
  ).toEqual(['step-1', 'step-2', 'awareness'])
  room.session.received(codec.step2Frame(Y.encodeStateAsUpdate(doc)))
  expect(saidSaved(room)).toEqual([])
  await room.settled()
  expect(saidSaved(room)).toEqual([8])
})

test('[YS-1] every update is called saved after its commit, in order', async () => {
  const room = roomHere()
  room.session.received(nothingNew)
  room.session.received(ask(0))
  expect(saidSaved(room)).toEqual([0])
  const { updates } = typed('abc')
  updates.forEach((update, index) => {
    room.session.received(codec.updateFrame(update))
    room.session.received(ask(index + 1))
  })
  expect(saidSaved(room)).toEqual([0])
  await room.settled()
  expect(saidSaved(room)).toEqual([0, 1, 2, 3])
})

test('[YS-2] an update that is held is not called saved until the client has sent what was missing', async () => {
  const room = roomHere()
  const { doc, updates } = typed('ab')
  room.session.received(nothingNew)
  room.session.received(codec.updateFrame(updates[1]!))
  room.session.received(ask(2))
  await room.settled()
  expect(saidSaved(room)).toEqual([])
  expect(room.sent.filter(({ kind }) => kind === 'step-1')).toHaveLength(2)
  room.session.received(codec.step2Frame(Y.encodeStateAsUpdate(doc)))
  await room.settled()
  expect(saidSaved(room)).toEqual([2])
})

test('[YS-2] an update that is refused is never called saved, and neither is what follows it', async () => {
  const room = roomHere({ refusedBefore: true })
  room.session.received(nothingNew)
  room.session.received(codec.updateFrame(Uint8Array.of(9, 9, 9)))
  room.session.received(ask(1))
  await room.settled()
  room.session.received(codec.updateFrame(typed('x').updates[0]!))
  room.session.received(ask(2))
  await room.settled()
  expect(saidSaved(room)).toEqual([])
})

test('[YS-3] a reader is told that nothing of its own is missing, until it writes', async () => {
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
  const replica = new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom })
  cleanups.push(() => replica.close())
  const writer = roomHere({ replica })
  const { doc } = typed('hello')
  doc.getText('body').delete(0, 2)
  writer.session.received(codec.step2Frame(Y.encodeStateAsUpdate(doc)))
  await writer.settled()

  const reader = roomHere({ replica, mayWrite: () => false })
  reader.session.received(ask(0))
  reader.session.received(codec.step2Frame(Y.encodeStateAsUpdate(doc, Y.encodeStateVector(doc))))
  expect(saidSaved(reader), 'its answer repeats the deletes of the document').toEqual([0])
  reader.session.received(codec.updateFrame(typed('mine').updates[0]!))
  reader.session.received(ask(1))
  await reader.settled()
  expect(saidSaved(reader)).toEqual([0])

  const offline = roomHere({ replica, mayWrite: () => false })
  doc.getText('body').delete(0, 1)
  offline.session.received(ask(1))
  offline.session.received(codec.step2Frame(Y.encodeStateAsUpdate(doc, Y.encodeStateVector(doc))))
  expect(saidSaved(offline), 'a delete of its own is not there').toEqual([])
})

test('[YS-4] the address of a WebSocket names one document twice, in whatever way it was encoded', () => {
  expect(ySweetRoomOf('/d/note/ws/note?token=x')).toEqual({ doc: 'note' })
  expect(ySweetRoomOf('/d/note%2F42/ws/note/42')).toEqual({ doc: 'note/42' })
  expect(ySweetRoomOf('/d/r%C3%A4um%20a/ws/r%C3%A4um%20a')).toEqual({ doc: 'räum a' })
  expect(ySweetRoomOf('/d/r-%2541/ws/r-%41')).toEqual({ doc: 'r-%41' })
  expect(ySweetRoomOf('/d/one/ws/two')).toHaveProperty('problem')
  expect(ySweetRoomOf('/d/%ff/ws/%ff')).toHaveProperty('problem')
  expect(ySweetRoomOf('/d/a%00/ws/a%00')).toHaveProperty('problem')
  for (const other of ['/note', '/d/note', '/d/note/ws', '/d/note/ws/', '/', '']) expect(ySweetRoomOf(other), other).toBeNull()
})

test('[YS-4] the requests of the SDK are told from everything else', () => {
  expect(ySweetRequestOf('POST', '/doc/new?z=1')).toEqual({ kind: 'new' })
  expect(ySweetRequestOf('POST', '/doc/note%2F42/auth')).toEqual({ kind: 'auth', doc: 'note/42' })
  expect(ySweetRequestOf('GET', '/d/note/as-update')).toEqual({ kind: 'as-update', doc: 'note' })
  expect(ySweetRequestOf('POST', '/d/note/update')).toEqual({ kind: 'update', doc: 'note' })
  expect(ySweetRequestOf('GET', '/d/note/update')).toMatchObject({ kind: 'none', status: 405 })
  expect(ySweetRequestOf('POST', `/d/${'x'.repeat(600)}/update`)).toMatchObject({ kind: 'none', status: 400 })
  for (const path of ['/', '/d/note/auth', '/doc/note/update', '/d/a/b/update', '/metrics'])
    expect(ySweetRequestOf('POST', path), path).toBeNull()
})

/** Lets everybody in with what `allowed` says, now. */
function doormanOf(allowed: Set<Action>, passes: { dropped: number; tell: () => void }): Doorman {
  return {
    authenticates: true,
    admit: async (credentials) => {
      const open = await openDoorman.admit(credentials)
      const pass: Pass = {
        ...open,
        may: (action) => allowed.has(action),
        onChange: (listener) => {
          passes.tell = listener
          return () => undefined
        },
        drop: () => void passes.dropped++,
      }
      return pass
    },
  }
}

test('[YS-5] a token is good for one document, for no more than its giver may, and for a while', async () => {
  const allowed = new Set<Action>(['read', 'write', 'create', 'presence', 'admin', 'delete'])
  const passes = { dropped: 0, tell: () => undefined as void }
  const clock = nodeClock()
  let texts = 0
  const timers: (() => void)[] = []
  const grants = new Grants(
    doormanOf(allowed, passes),
    {
      ...clock,
      after: (_, fn) => {
        timers.push(fn)
        return () => undefined
      },
    },
    2,
    () => String(texts++),
  )
  const credentials: Credentials = { token: 'of the server', door: 'y-sweet', space: DEFAULT_SPACE, address: '127.0.0.1' }
  const [note, other] = [parseDocId('note'), parseDocId('other')]
  const issue = async (readOnly: boolean): Promise<string> =>
    grants.issue({ parent: await grants.admit(credentials), space: DEFAULT_SPACE, doc: note, readOnly, subject: 'ada', validForMs: 1000 })

  const full = await grants.admit({ ...credentials, token: await issue(false) })
  expect((['read', 'write', 'create', 'presence', 'admin', 'delete'] as const).map((action) => full.may(action, note))).toEqual([
    ...[true, true, true, true, false, false],
  ])
  expect([full.may('read', other), full.identity.subject]).toEqual([false, 'ada'])
  const reader = await grants.admit({ ...credentials, token: await issue(true) })
  expect((['read', 'write', 'create', 'presence'] as const).map((action) => reader.may(action, note))).toEqual([true, false, false, true])

  let told = 0
  full.onChange(() => told++)
  allowed.delete('write')
  passes.tell()
  expect([full.may('write', note), told]).toEqual([false, 1])

  timers[0]!()
  expect([full.may('read', note), full.ended?.code, told, passes.dropped]).toEqual([false, 'auth-expired', 2, 1])
  expect(reader.may('read', note)).toBe(true)

  await issue(false)
  await issue(false)
  expect(reader.ended?.code, 'of too many the oldest ends').toBe('auth-expired')
  const stranger = grants.admit({ ...credentials, token: 'ysg_guessed' })
  await expect(stranger).rejects.toThrow(SynclineError)
  await expect(full.renew('x')).rejects.toThrow(/not renewed/)
  await expect(
    grants.admit({ ...credentials, token: 'ysg_1', door: 'y-websocket' }),
    'at other doors it is a token like any',
  ).resolves.toBeDefined()
})

test('[LI-8] whoever holds a token without a user is one person: their connections count by token', async () => {
  const allowed = new Set<Action>(['read', 'write', 'create', 'presence'])
  const grants = new Grants(doormanOf(allowed, { dropped: 0, tell: () => undefined }), nodeClock(), 10, () => crypto.randomUUID())
  const doorman = boundedDoorman(grants, 2)
  const credentials: Credentials = { token: null, door: 'y-sweet', space: DEFAULT_SPACE, address: '127.0.0.1' }
  const issue = async (subject: string | null): Promise<string> => {
    const parent = await grants.admit({ ...credentials, token: 'of the server' })
    return grants.issue({ parent, space: DEFAULT_SPACE, doc: parseDocId('note'), readOnly: false, subject, validForMs: 60_000 })
  }
  const admit = (token: string): Promise<Pass> => doorman.admit({ ...credentials, token })
  const [one, other, ofAda, ofAdaToo] = [await issue(null), await issue(null), await issue('ada'), await issue('ada')]
  const [first, second] = [await admit(one), await admit(one)]
  await expect(admit(one)).rejects.toMatchObject({ code: 'too-many-connections' })
  const third = await admit(other)
  expect([first.identity.subject, accountOf(first) === accountOf(second), accountOf(first) === accountOf(third)]).toEqual([
    null,
    true,
    false,
  ])
  first.drop()
  await admit(one)
  expect([accountOf(await admit(ofAda)), accountOf(await admit(ofAdaToo))]).toEqual(['ada', 'ada'])
  await expect(admit(ofAda)).rejects.toMatchObject({ code: 'too-many-connections' })
  grants.close()
})
