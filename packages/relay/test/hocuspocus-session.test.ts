// The Hocuspocus session over a real replica in memory, a doorman whose answers the test decides, and a socket that only counts.

import * as encoding from 'lib0/encoding'
import { afterEach, expect, test } from 'vitest'
import { DEFAULT_SPACE, SynclineError, type DocId } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { nodeClock, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore, type MemoryStore } from '@syncline/store/memory'
import * as Y from 'yjs'
import type { Action, Pass } from '../src/access/access.ts'
import type { Closing } from '../src/close-code.ts'
import type { HocuspocusHooks } from '../src/hocuspocus/hooks.ts'
import { HocuspocusRoster } from '../src/hocuspocus/roster.ts'
import { HocuspocusSession } from '../src/hocuspocus/session.ts'
import { RELAY_LIMITS, type RelayLimits } from '../src/relay-limits.ts'
import { visit } from '../src/visit.ts'
import { readAnswer, type Answer } from './hocuspocus-answers.ts'
import { oneSpace } from './one-space.ts'

const replicas: Replica[] = []
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close()
})

/** A pass whose rights the test changes. */
class TestPass implements Pass {
  readonly identity: Pass['identity']
  readonly rights: Set<Action>
  ended: SynclineError | null = null
  readonly renewedWith: string[] = []
  dropped = false
  private readonly listeners = new Set<() => void>()

  constructor(rights: readonly Action[], expiresAtMs: number | null) {
    this.rights = new Set(rights)
    this.identity = { subject: 'ada', roles: [], claims: {}, expiresAtMs }
  }

  may(action: Action, _doc: DocId): boolean {
    return this.ended === null && this.rights.has(action)
  }

  reaches(action: Action): boolean {
    return this.ended === null && this.rights.has(action)
  }

  renew(token: string): Promise<void> {
    if (token.startsWith('bad')) return Promise.reject(new SynclineError('auth-invalid', 'no such token'))
    this.renewedWith.push(token)
    return Promise.resolve()
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  drop(): void {
    this.dropped = true
  }

  change(change: () => void): void {
    change()
    for (const listener of this.listeners) listener()
  }
}

interface Door {
  readonly session: HocuspocusSession
  readonly replica: Replica
  readonly store: MemoryStore
  readonly answers: Answer[]
  readonly closings: Closing[]
  readonly tokens: (string | null)[]
  readonly passes: TestPass[]
  readonly refused: string[]
  readonly roster: HocuspocusRoster
  nowMs: number
  unsent: number
  paused: boolean
  authenticated: boolean
  rights: readonly Action[]
  expiresAtMs: number | null
  /** Null: admits at once. Else admissions wait until the test calls them. */
  gate: (() => void)[] | null
  settled(): Promise<void>
  send(...messages: Uint8Array[]): void
  /** Since the last call, without what belongs to no document. */
  heard(): string[]
}

const EVERYTHING: readonly Action[] = ['read', 'write', 'create', 'presence']

interface DoorOptions {
  readonly limits?: Partial<RelayLimits>
  readonly at?: Door
  readonly rights?: readonly Action[]
  readonly hooks?: HocuspocusHooks
}

function doorHere({ limits, at, rights = EVERYTHING, hooks = {} }: DoorOptions = {}): Door {
  const store = at?.store ?? createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
  const replica = at?.replica ?? new Replica({ store, role: 'relay', clock: nodeClock(), random: nodeRandom })
  if (at === undefined) replicas.push(replica)
  let heardTo = 0
  const door: Omit<Door, 'session'> & { session?: HocuspocusSession } = {
    replica,
    store,
    answers: [],
    closings: [],
    tokens: [],
    passes: [],
    refused: [],
    roster: at?.roster ?? new HocuspocusRoster(),
    nowMs: 1_000_000,
    unsent: 0,
    paused: false,
    authenticated: false,
    rights,
    expiresAtMs: null,
    gate: null,
    settled: async () => {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
    send: (...messages) => messages.forEach((message) => door.session!.received(message)),
    heard: () => {
      const heard = door.answers.slice(heardTo).map(({ name, words }) => `${name.replace('\0', '|')} ${words}`)
      heardTo = door.answers.length
      return heard.filter((words) => words !== ' heartbeat')
    },
  }
  const spaces = oneSpace(replica)
  door.session = new HocuspocusSession({
    space: DEFAULT_SPACE,
    limits: { ...RELAY_LIMITS, ...limits },
    hooks,
    roster: door.roster,
    now: () => door.nowMs,
    wallMs: () => door.nowMs,
    admit: async (token) => {
      door.tokens.push(token)
      if (door.gate !== null) await new Promise<void>((resolve) => door.gate!.push(resolve))
      if (token?.startsWith('bad') === true) throw new SynclineError('auth-invalid', 'no such token')
      if (token === 'nobody') throw new SynclineError('auth-unavailable', 'no answer')
      const pass = new TestPass(door.rights, door.expiresAtMs)
      door.passes.push(pass)
      return pass
    },
    visit: (doc, pass) => visit(spaces, { space: DEFAULT_SPACE, doc, door: 'hocuspocus' }, pass),
    onAuthenticated: () => (door.authenticated = true),
    onRefused: (_, code) => door.refused.push(code),
    onTurnedAway: () => undefined,
    socket: {
      send: (frame) => door.answers.push(readAnswer(frame)),
      sendRun: (run) => {
        for (const message of run) door.answers.push(readAnswer(message))
      },
      close: (closing) => door.closings.push(closing),
      closeLater: (closing) => door.closings.push(closing),
      ping: () => undefined,
      pause: () => (door.paused = true),
      resume: () => (door.paused = false),
      buffered: () => door.unsent,
      silent: false,
    },
  })
  return door as Door
}

const frame = (name: string, ...parts: (number | string | Uint8Array)[]): Uint8Array =>
  encoding.encode((encoder) => {
    encoding.writeVarString(encoder, name)
    for (const part of parts) {
      if (typeof part === 'number') encoding.writeVarUint(encoder, part)
      else if (typeof part === 'string') encoding.writeVarString(encoder, part)
      else encoding.writeVarUint8Array(encoder, part)
    }
  })
const auth = (token: string, name = 'note'): Uint8Array => frame(name, 2, 0, token)
const step1 = (stateVector: Uint8Array = Uint8Array.of(0), name = 'note'): Uint8Array => frame(name, 0, 0, stateVector)
const step2 = (update: Uint8Array = Uint8Array.of(0, 0), name = 'note'): Uint8Array => frame(name, 0, 1, update)
const update = (bytes: Uint8Array, name = 'note'): Uint8Array => frame(name, 0, 2, bytes)
const close = (name = 'note'): Uint8Array => frame(name, 7)

/** What a provider's Y.Doc emits: one update per edit. */
class Writer {
  readonly doc = new Y.Doc()
  readonly updates: Uint8Array[] = []

  constructor(clientId: number) {
    this.doc.clientID = clientId
    this.doc.on('update', (bytes: Uint8Array) => this.updates.push(bytes))
  }

  type(text: string): Uint8Array {
    this.doc.getText('body').insert(this.doc.getText('body').length, text)
    return this.updates.at(-1)!
  }

  erase(length: number): Uint8Array {
    this.doc.getText('body').delete(0, length)
    return this.updates.at(-1)!
  }

  get state(): Uint8Array {
    return Y.encodeStateAsUpdate(this.doc)
  }

  get vector(): Uint8Array {
    return Y.encodeStateVector(this.doc)
  }
}

function storedText(door: Door): string {
  const doc = new Y.Doc()
  const opened = door.replica.openDocument('note' as DocId)
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(opened.doc))
  void opened.release()
  return doc.getText('body').toString()
}

/** Authenticated, and its handshake done. */
async function openDoor(options: DoorOptions = {}): Promise<Door> {
  const door = doorHere(options)
  door.send(auth('t'), step1())
  await door.settled()
  door.send(step2())
  await door.settled()
  door.heard()
  return door
}

test('[HP-2] the answers are those of the stock server in its order: authenticated, awareness, step 1, step 2, then one status for the step 2', async () => {
  const first = await openDoor()
  first.send(update(new Writer(7).type('abc')), frame('note', 1, Uint8Array.of(1, 7, 1, 2, 0x7b, 0x7d)))
  await first.settled()
  const door = doorHere({ at: first })
  door.send(auth('t'), step1())
  await door.settled()
  expect(door.heard()).toEqual(['note authenticated read-write', 'note awareness', 'note step-1', 'note step-2'])
  expect(door.answers[2]!.bytes).toEqual(Uint8Array.of(1, 7, 3))
  door.send(step2())
  expect(door.heard()).toEqual(['note status 1'])
})

test('[HP-2] nothing is answered before authentication, and what waited is answered in order', async () => {
  const door = doorHere()
  door.gate = []
  const writer = new Writer(1)
  door.send(step1(), update(writer.type('a')), auth('t'), update(writer.type('b')), step2(writer.state))
  await door.settled()
  expect([door.heard(), door.authenticated, door.replica.status().documents]).toEqual([[], false, 0])
  door.gate.shift()!()
  await door.settled()
  expect(door.heard()).toEqual([
    'note authenticated read-write',
    'note step-1',
    'note step-2',
    'note status 1',
    'note status 1',
    'note status 1',
  ])
  expect([storedText(door), door.authenticated]).toEqual(['ab', true])
})

test('[HP-2] an empty token is none', async () => {
  const door = doorHere()
  door.send(auth(''))
  await door.settled()
  expect(door.tokens).toEqual([null])
})

test.each<[string, Partial<RelayLimits>, Uint8Array[]]>([
  ['messages', { hocuspocusQueueMessagesMax: 3 }, [step1(), step1(), step1(), step1()]],
  ['bytes', { hocuspocusQueueBytesMax: 100 }, [update(new Uint8Array(100)), update(new Uint8Array(1))]],
  ['documents', { hocuspocusQueueDocumentsMax: 2 }, [step1(undefined, 'a'), step1(undefined, 'b'), step1(undefined, 'c')]],
])('[HP-2] more %s than may wait for an authentication that does not come end the connection with 4205', (_, limits, messages) => {
  const door = doorHere({ limits })
  door.send(...messages)
  expect(door.closings).toEqual([{ code: 4205, reason: expect.stringContaining('authentication') }])
})

test('[HP-2] while an authentication is under way, more than may wait is left in the socket instead', async () => {
  const door = doorHere({ limits: { hocuspocusQueueMessagesMax: 3 } })
  door.gate = []
  const writer = new Writer(1)
  door.send(auth('t'), ...[...'abcdef'].map((letter) => update(writer.type(letter))))
  await door.settled()
  expect([door.paused, door.closings]).toEqual([true, []])
  door.gate.shift()!()
  await door.settled()
  expect([door.paused, storedText(door)]).toEqual([false, 'abcdef'])
})

test('[HP-2] a denial has words, keeps the connection, and a later token opens the document with all that the provider has', async () => {
  const door = doorHere()
  const writer = new Writer(1)
  writer.type('before ')
  door.send(auth('bad'), step1(writer.vector))
  await door.settled()
  expect(door.heard()).toEqual(['note denied auth-invalid: no such token'])
  door.send(update(writer.type('typed while denied')))
  await door.settled()
  expect([door.heard(), door.replica.status().documents, door.closings]).toEqual([[], 0, []])
  door.send(auth('good'))
  await door.settled()
  // The provider sends no step 1 again: the relay starts.
  expect(door.heard()).toEqual(['note authenticated read-write', 'note step-1', 'note step-2'])
  door.send(step2(writer.state))
  await door.settled()
  // One for its first step 1, one for the update.
  expect(door.heard()).toEqual(['note status 1', 'note status 1'])
  expect(storedText(door)).toBe('before typed while denied')
})

test('[HP-2] a name that cannot be a document, or one too many, is denied in words and the others go on', async () => {
  const door = doorHere({ limits: { hocuspocusDocumentsMax: 1 } })
  door.send(auth('t', ''), step1(undefined, ''), auth('t', 'x'.repeat(600)), auth('t'), auth('t', 'other'), step1())
  await door.settled()
  expect(door.heard().map((words) => words.slice(-60))).toEqual([
    expect.stringContaining('empty'),
    expect.stringContaining('512'),
    expect.stringContaining('all the documents'),
    'note authenticated read-write',
    'note step-1',
    'note step-2',
  ])
})

test('[HP-2] tokens that arrive while one is looked at do not pile up: the newest counts', async () => {
  const door = doorHere()
  door.gate = []
  door.send(auth('bad-1'), auth('bad-2'), auth('bad-3'), auth('good'))
  await door.settled()
  door.gate.shift()!()
  await door.settled()
  door.gate.shift()!()
  await door.settled()
  expect(door.tokens).toEqual(['bad-1', 'good'])
  expect(door.heard()).toEqual(['note denied auth-invalid: no such token', 'note authenticated read-write', 'note step-1', 'note step-2'])
})

test('[HP-2] of many tokens only so many are looked at at a time, and all get their answer', async () => {
  const door = doorHere({ limits: { hocuspocusQueueDocumentsMax: 2 } })
  door.gate = []
  for (const name of ['a', 'b', 'c', 'd']) door.send(auth('t', name))
  await door.settled()
  expect([door.tokens.length, door.paused]).toEqual([2, true])
  for (let answered = 0; answered < 4; answered++) {
    door.gate.shift()!()
    await door.settled()
  }
  expect([door.heard().length, door.paused]).toEqual([4, false])
})

test('[HP-2] who is denied again and again with nothing open is closed', async () => {
  const door = doorHere({ limits: { hocuspocusDenialsMax: 3 } })
  for (let times = 0; times < 3; times++) {
    door.send(auth('bad'))
    await door.settled()
  }
  expect(door.closings).toEqual([{ code: 4401, reason: expect.any(String) }])
})

test('[HP-3] each step 2 and update gets exactly one status, in order, and only after its commit', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  const commit = door.store.commit.bind(door.store)
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  door.store.commit = async (transaction) => {
    await held
    return commit(transaction)
  }
  door.send(update(writer.type('a')), update(writer.type('b')), step2(), update(writer.updates[0]!))
  await door.settled()
  expect(door.heard()).toEqual([])
  release()
  await door.settled()
  expect(door.heard()).toEqual(Array.from({ length: 4 }, () => 'note status 1'))
})

test('[HP-3] a refused update is answered with 0, is not stored, and those after it get theirs', async () => {
  const door = await openDoor()
  door.send(update(Uint8Array.of(1, 1, 7)), update(new Writer(1).type('a')))
  await door.settled()
  expect([door.heard(), door.refused]).toEqual([['note status 0', 'note status 1'], ['update-malformed']])
})

test('[HP-3] a store that fails says nothing, neither for what failed nor for what came after, and the connection ends for a while', async () => {
  const door = await openDoor()
  door.store.commit = () => Promise.reject(new SynclineError('store-full', 'The disk is full.'))
  door.send(update(new Writer(1).type('lost?')), step2())
  await door.settled()
  expect(door.heard().filter((words) => words.includes('status'))).toEqual([])
  expect(door.closings[0]).toEqual({ code: 1013, reason: expect.stringMatching(/^storage-failed: /) })
})

test('[HP-3] changes that a provider made off line and sends uncounted get no status: its count reaches 0 with the step 2 that has them all', async () => {
  const door = doorHere()
  const writer = new Writer(1)
  for (const letter of 'abc') writer.type(letter)
  writer.erase(1)
  // Its count is 1 from here on; then it sends what waited (uncounted), and one more that is counted.
  door.send(auth('t'), step1(writer.vector))
  await door.settled()
  door.heard()
  const offline = [...writer.updates]
  door.send(...offline.map((bytes) => update(bytes)), update(writer.type('d')))
  await door.settled()
  expect(door.heard()).toEqual(['note status 1'])
  door.send(step2(writer.state))
  await door.settled()
  // For its step 1, and for the deletion, of which nobody can tell when it was made.
  expect(door.heard()).toEqual(['note status 1', 'note status 1'])
  expect(storedText(door)).toBe('bcd')
})

test('[HP-3] a batch that was begun before the count and sent after it gets no status, also behind the step 2', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  const before = writer.type('a')
  door.send(step1(writer.vector))
  const after = writer.type('b')
  door.send(step2(writer.state))
  await door.settled()
  expect(door.heard()).toEqual(['note step-1', 'note step-2', 'note status 1'])
  door.send(update(Y.mergeUpdates([before, after])), update(writer.type('c')))
  await door.settled()
  expect([door.heard(), storedText(door)]).toEqual([['note status 1'], 'abc'])
})

test('[HP-3] a step 1 in the middle makes the provider count anew, so what came before it gets no status any more', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  door.send(update(writer.type('a')), update(writer.type('b')), step1(writer.vector), update(writer.type('c')), step2(writer.state))
  await door.settled()
  expect(door.heard()).toEqual(['note step-1', 'note step-2', 'note status 1', 'note status 1'])
})

test('[HP-4] a reader is told so, its changes are answered with 0 and not stored, and a step 2 that brings nothing with 1', async () => {
  const author = await openDoor()
  const writer = new Writer(1)
  author.send(update(writer.type('abc')), update(writer.erase(1)))
  await author.settled()
  const door = doorHere({ at: author, rights: ['read', 'presence'] })
  door.send(auth('t'), step1())
  await door.settled()
  expect(door.heard()[0]).toBe('note authenticated readonly')
  door.send(step2(writer.state))
  await door.settled()
  expect(door.heard()).toEqual(['note status 1'])
  door.send(update(writer.type('no')), step2(writer.state), step2(Y.mergeUpdates([writer.updates[0]!, writer.erase(1)])))
  await door.settled()
  expect(door.heard()).toEqual(['note status 0', 'note status 0', 'note status 0'])
  expect([storedText(author), door.refused]).toEqual(['bc', ['read-only', 'read-only', 'read-only']])
})

test('[HP-4] when the right to write comes back, the provider is asked for what was refused, and its count is paid', async () => {
  const door = await openDoor({ rights: ['read'] })
  const writer = new Writer(1)
  door.send(update(writer.type('a')), update(writer.type('b')))
  await door.settled()
  expect(door.heard()).toEqual(['note status 0', 'note status 0'])
  const pass = door.passes[0]!
  pass.change(() => pass.rights.add('write').add('create'))
  expect(door.heard()).toEqual(['note authenticated read-write', 'note step-1'])
  door.send(step2(writer.state))
  await door.settled()
  expect([door.heard(), storedText(door)]).toEqual([['note status 1', 'note status 1'], 'ab'])
})

test('[HP-4] a name that is not stored yet is written only by those who may create it', async () => {
  const door = await openDoor({ rights: ['read', 'write'] })
  door.send(update(new Writer(1).type('new')))
  await door.settled()
  expect([door.heard(), door.replica.status().documents]).toEqual([['note status 0'], 0])
  const author = doorHere({ at: door })
  author.send(auth('t'), update(new Writer(2).type('made')))
  await author.settled()
  door.heard()
  door.send(update(new Writer(3).type('more')))
  await door.settled()
  expect(door.heard()).toEqual(['note status 1'])
})

test('[HP-5] an update that lacks what it builds on is answered when the step 2 that was asked for is committed, and that one gets no status of its own', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  const [, b, c] = [writer.type('a'), writer.type('b'), writer.type('c')]
  door.send(update(b), update(c))
  await door.settled()
  expect(door.heard()).toEqual(['note step-1'])
  door.send(step2(writer.state))
  await door.settled()
  expect([door.heard(), storedText(door)]).toEqual([['note status 1', 'note status 1'], 'abc'])
})

test('[HP-5] a provider that does not have what is missing is told 0, and is not asked for ever', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  const [, b] = [writer.type('a'), writer.type('b')]
  for (let times = 0; times < 10; times++) {
    door.send(update(b), step2(b))
    await door.settled()
  }
  const heard = door.heard()
  expect(heard.filter((words) => words === 'note step-1').length).toBeLessThanOrEqual(RELAY_LIMITS.asksMax)
  expect(heard).not.toContain('note status 1')
  expect(heard.filter((words) => words === 'note status 0').length).toBeGreaterThanOrEqual(10)
})

test('[HP-6] a token for an open document renews its pass and is confirmed; a bad one is denied and the old one stays good', async () => {
  const door = await openDoor()
  door.send(auth('newer'))
  await door.settled()
  expect([door.heard(), door.passes[0]!.renewedWith]).toEqual([['note authenticated read-write'], ['newer']])
  door.send(auth('bad'), update(new Writer(1).type('a')))
  await door.settled()
  expect(door.heard().sort()).toEqual(['note authenticated read-write', 'note denied auth-invalid: no such token', 'note status 1'])
  expect(door.passes).toHaveLength(1)
})

test('[HP-6] a token that ends soon is asked for once, in time', async () => {
  const door = doorHere()
  door.expiresAtMs = door.nowMs + RELAY_LIMITS.hocuspocusRenewBeforeMs + 1
  door.send(auth('t'))
  await door.settled()
  door.heard()
  door.session.beat()
  expect(door.heard()).toEqual([])
  door.nowMs += 2
  door.session.beat()
  door.session.beat()
  expect(door.heard()).toEqual(['note send-token'])
})

test.each<[string, (pass: TestPass) => void, string[]]>([
  ['the right to read', (pass) => pass.rights.delete('read'), ['note denied auth-revoked: This document cannot be read any more.']],
  ['its time', (pass) => (pass.ended = new SynclineError('auth-expired', 'over')), ['note denied auth-expired: over', 'note send-token']],
  ['the right to write', (pass) => pass.rights.delete('write'), ['note authenticated readonly']],
])('[HP-6] a pass that loses %s says so at once, and nothing more passes', async (what, lose, said) => {
  const door = await openDoor()
  const other = await openDoor({ at: door })
  door.heard()
  const pass = door.passes[0]!
  pass.change(() => lose(pass))
  expect(door.heard()).toEqual(said)
  door.send(update(new Writer(1).type('refused')))
  other.send(update(new Writer(2).type('seen?')))
  await door.settled()
  expect(storedText(door)).toBe('seen?')
  expect(door.heard()).toEqual(what === 'the right to write' ? ['note status 0', 'note update'] : [])
  expect([pass.dropped, door.closings]).toEqual([what !== 'the right to write', []])
})

test('[HP-6] a pass that ended and has not said so yet lets nothing through, in either direction', async () => {
  const door = await openDoor()
  const other = await openDoor({ at: door })
  const third = await openDoor({ at: door })
  door.passes[0]!.rights.delete('read')
  third.passes[0]!.rights.delete('read')
  other.send(update(new Writer(2).type('secret')))
  third.send(step1())
  await door.settled()
  for (const one of [door, third]) expect(one.heard()).toEqual([expect.stringContaining('note denied auth-revoked')])
})

test('[HP-7] who sends for a document that was taken away is asked for a token now and then, and comes back with all its changes', async () => {
  const door = await openDoor()
  const pass = door.passes[0]!
  pass.change(() => (pass.ended = new SynclineError('auth-revoked', 'gone')))
  door.heard()
  const writer = new Writer(1)
  door.nowMs += RELAY_LIMITS.hocuspocusTokenAskEveryMs
  for (const letter of 'abc') door.send(update(writer.type(letter)))
  expect(door.heard()).toEqual(['note send-token'])
  door.send(auth('new'))
  await door.settled()
  expect(door.heard()).toEqual(['note authenticated read-write', 'note step-1', 'note step-2'])
  door.send(step2(writer.state))
  await door.settled()
  expect([door.heard(), storedText(door)]).toEqual([['note status 1', 'note status 1', 'note status 1'], 'abc'])
})

test('[HP-7] a document that the relay closes asks for the token itself, and its provider gets what it missed', async () => {
  const door = await openDoor()
  const other = await openDoor({ at: door })
  door.roster.closeDocument(DEFAULT_SPACE, 'note' as DocId, 'maintenance')
  expect(door.heard()).toEqual(['note close maintenance', 'note send-token'])
  other.heard()
  other.send(auth('t'))
  await other.settled()
  other.send(step2())
  const author = new Writer(1)
  other.send(update(author.type('meanwhile')))
  await other.settled()
  door.send(auth('t'))
  await door.settled()
  expect(door.heard()).toEqual(['note authenticated read-write', 'note query-awareness', 'note step-1', 'note step-2'])
  const seen = new Y.Doc()
  Y.applyUpdate(seen, door.answers.at(-1)!.bytes)
  expect(seen.getText('body').toString()).toBe('meanwhile')
})

test('[HP-7] a token that nobody could verify is asked for again at a ping', async () => {
  const door = doorHere()
  door.send(auth('nobody'))
  await door.settled()
  expect(door.heard()).toEqual(['note denied auth-unavailable: no answer'])
  door.session.beat()
  expect(door.heard()).toEqual([])
  door.nowMs += RELAY_LIMITS.pingEveryMs
  door.session.beat()
  expect(door.heard()).toEqual(['note send-token'])
})

test('[HP-7] a provider that detaches hears nothing more of the document, and may attach again on the same socket', async () => {
  const door = await openDoor()
  const other = await openDoor({ at: door })
  door.send(update(new Writer(1).type('unanswered')), close())
  other.send(update(new Writer(2).type('b')))
  await door.settled()
  expect([door.heard(), door.passes[0]!.dropped]).toEqual([[], true])
  door.send(auth('t'), step1())
  await door.settled()
  expect(door.heard()).toEqual(['note authenticated read-write', 'note step-1', 'note step-2'])
})

test('[HP-7] a broadcast from a client closes its document, and only that', async () => {
  const door = await openDoor()
  door.send(auth('t', 'other'))
  await door.settled()
  door.heard()
  door.send(frame('note', 6, 'to all'))
  expect(door.heard()).toEqual(['note close a client sends no broadcasts', 'note send-token'])
  door.send(update(new Writer(1).type('a'), 'other'))
  await door.settled()
  expect(door.heard()).toEqual(['other status 1'])
})

test('[HP-1] two sessions of one document on one socket are two: each hears the other, under its own name', async () => {
  const door = doorHere()
  const writer = new Writer(1)
  door.send(auth('t', 'note\0a'), auth('t', 'note\0b'))
  await door.settled()
  door.heard()
  door.send(update(writer.type('x'), 'note\0a'))
  await door.settled()
  expect(door.heard().sort()).toEqual(['note|a status 1', 'note|b update'])
})

test('[HP-1] a ping of the client is answered, and bytes that no client sends end the connection', () => {
  const door = doorHere()
  door.send(Uint8Array.of(9))
  expect(door.answers.map(({ words }) => words)).toEqual(['pong'])
  door.send(Uint8Array.of(4, 1))
  expect(door.closings).toEqual([{ code: 4400, reason: expect.stringMatching(/^message-malformed: /) }])
})

test('[IN-1] no single byte of a frame, changed or cut off, makes the session throw, and what is stored stays whole', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  writer.type('abc')
  const frames = [step1(writer.vector), step2(writer.state), update(writer.type('d')), auth('t', 'other'), frame('note', 5, 'x')]
  let ended = 0
  for (const whole of frames) {
    for (let at = 0; at < whole.length; at++) {
      const attacked = await openDoor({ at: door })
      const changed = Uint8Array.from(whole)
      changed[at]! ^= 0x41
      attacked.send(changed, whole.subarray(0, at))
      ended += attacked.closings.length
      attacked.session.closed()
    }
  }
  await door.settled()
  expect(ended).toBeGreaterThan(0)
  door.send(update(writer.state))
  await door.settled()
  expect(door.heard()).toContain('note status 1')
})

test('[HP-8] a quiet connection gets a message that changes nothing, in the form that provider 3 passes over, too', async () => {
  const door = await openDoor()
  door.session.beat()
  door.answers.splice(0)
  door.session.beat()
  expect(door.answers).toEqual([{ name: '', words: 'heartbeat', bytes: Uint8Array.of(0) }])
})

test('[HP-8] a connection without an authentication message is closed at the deadline, one with it is not', async () => {
  const silent = doorHere()
  silent.send(step1())
  silent.session.authDeadline()
  expect(silent.closings).toEqual([{ code: 4408, reason: expect.any(String) }])
  const door = doorHere()
  door.send(auth('bad'))
  await door.settled()
  door.session.authDeadline()
  expect(door.closings).toEqual([])
})

test('[RS-1] above the bound of unsent bytes nothing is handled and the socket is paused, until half has drained', async () => {
  const door = await openDoor()
  door.unsent = RELAY_LIMITS.socketBufferBytesMax + 1
  door.send(step1(), step1())
  expect([door.heard(), door.paused]).toEqual([[], true])
  door.unsent = RELAY_LIMITS.socketBufferBytesMax / 2
  door.session.drained()
  expect(door.heard()).toHaveLength(4)
  expect(door.paused).toBe(false)
})

test('[RS-1] of many questions a few are answered per turn, also where the answer is no message', async () => {
  const door = await openDoor({ rights: ['read'] })
  door.session.drained()
  for (let count = 0; count < 10; count++) door.send(step1())
  const steps = (): number => door.answers.filter(({ words }) => words === 'step-2').length - 1
  expect([steps(), door.paused]).toEqual([RELAY_LIMITS.questionsPerTurnMax, true])
  for (let turn = 0; turn < 3; turn++) door.session.drained()
  expect([steps(), door.paused]).toEqual([10, false])
  door.session.drained()
  for (let count = 0; count < 9; count++) door.send(step2())
  for (let turn = 0; turn < 2; turn++) {
    expect(door.paused).toBe(true)
    const sent = door.answers.splice(0).length
    expect(sent, 'something is on its way, so the socket will drain').toBeGreaterThan(0)
    door.session.drained()
  }
  expect(door.paused).toBe(false)
})

test('[RS-1] a client that writes faster than commits happen is not read any further', async () => {
  const door = await openDoor({ limits: { unsavedWritesMax: 3 } })
  for (let client = 1; client <= 10; client++) door.send(update(new Writer(client).type('x')))
  expect(door.paused).toBe(true)
  for (let turns = 0; turns < 10 && door.paused; turns++) await door.settled()
  expect(door.paused).toBe(false)
  expect(door.heard()).toEqual(Array.from({ length: 10 }, () => 'note status 1'))
})

test('[RS-1] what others write waits in the log while a client does not drain', async () => {
  const slow = await openDoor()
  const writer = await openDoor({ at: slow })
  slow.unsent = 2 * RELAY_LIMITS.socketBufferBytesMax
  for (let client = 1; client <= 20; client++) writer.send(update(new Writer(client).type('x')))
  await writer.settled()
  expect(slow.heard()).toEqual([])
  slow.unsent = 0
  slow.session.drained()
  await slow.settled()
  const seen = new Y.Doc()
  for (const { words, bytes } of slow.answers) if (words === 'update') Y.applyUpdate(seen, bytes)
  expect(seen.getText('body').length).toBe(20)
})

test('[HP-9] a stateless message reaches the hook with its sender, which may answer one or all; a hook that fails harms nobody', async () => {
  const told: string[] = []
  const failed: unknown[] = []
  const hooks: HocuspocusHooks = {
    onStateless(message): void | Promise<void> {
      told.push(`${message.doc} ${message.payload} ${message.identity.subject}`)
      if (message.payload === 'throw') throw new Error('in the hook')
      if (message.payload === 'reject') return Promise.reject(new Error('later in the hook'))
      message.reply('to you')
      message.broadcast('to all')
      return undefined
    },
    failed: (error) => failed.push((error as Error).message),
  }
  const door = await openDoor({ hooks })
  const other = await openDoor({ at: door })
  door.send(frame('note', 5, 'hello'), frame('note', 5, 'throw'), frame('note', 5, 'reject'))
  await door.settled()
  expect(told).toEqual(['note hello ada', 'note throw ada', 'note reject ada'])
  expect(door.heard()).toEqual(['note stateless to you', 'note stateless to all'])
  expect(other.heard()).toEqual(['note stateless to all'])
  expect(failed).toEqual(['in the hook', 'later in the hook'])
})

test('[HP-10] presence passes with the right to it, goes with the connection, and goes at once when the right does', async () => {
  const ada = await openDoor()
  const ben = await openDoor({ at: ada })
  const present = frame('note', 1, Uint8Array.of(1, 7, 1, 2, 0x7b, 0x7d))
  ada.send(present)
  await ada.settled()
  expect([ben.heard(), ada.heard()]).toEqual([['note awareness'], []])
  const pass = ada.passes[0]!
  pass.change(() => pass.rights.delete('presence'))
  await ada.settled()
  expect(ben.heard()).toEqual(['note awareness'])
  expect(ben.answers.at(-1)!.bytes.slice(-4)).toEqual(new Uint8Array(Buffer.from('null')))
  ada.send(present)
  await ada.settled()
  expect(ben.heard()).toEqual([])
})

test('[CL-2] settling waits for the writes under way and hears no further ones', async () => {
  const door = await openDoor()
  const writer = new Writer(1)
  door.send(update(writer.type('one')))
  const settled = door.session.settle()
  door.send(update(writer.type('two')))
  await settled
  expect([door.heard(), door.paused, storedText(door)]).toEqual([['note status 1'], true, 'one'])
})
