// How soon a change of rights counts on connections that live: a policy file is put in the place of another, a token runs out, and at every door the time is taken until
// the connection feels it. One relay, all doors at once.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { frameUpdates, parseDocId } from '@syncline/protocol'
import { nodeClock } from '@syncline/replica/ws'
import * as Y from 'yjs'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'
import { sendAsDiff } from '../bad-input/answers.ts'
import { NativePeer } from '../bad-input/native-peer.ts'
import { announcement, CONTENT, Witness } from './access-cells.ts'
import { openScope } from './access-cells-native.ts'
import { guardedRelay, tokenFor, type GuardedRelay, type Roles } from './guarded-relay.ts'
import { frames, HocuspocusPeer } from './hocuspocus-frames.ts'
import { BareClient, freshUpdate } from './room-client.ts'

const FELT_WITHIN_MS = 1_000
const DOC = 'm/shared'
const on = (...actions: readonly string[]): object[] => [{ allow: actions, space: 'default', doc: 'm/**' }]
const everything = on('read', 'write', 'create', 'presence')
const rolesWith = (subject: object[]): Roles => ({ subject, witness: everything, operator: [{ allow: ['admin'], space: '**', doc: '*' }] })
const clock = nodeClock()

let relay: GuardedRelay
beforeAll(async () => {
  relay = await guardedRelay(rolesWith(everything))
  await relay.seed(DOC, freshUpdate(CONTENT))
})
afterAll(() => relay?.close())

/** Puts a policy into force, past the file, and waits until it is. */
function setRights(...subject: object[]): void {
  relay.writePolicy(rolesWith(subject))
}

async function inForce(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}

/** Somebody at a door, with ways to learn what its rights are worth now. */
interface Guest {
  readonly door: string
  /** Sends one more update; true when it was called saved, false when it was refused, or when the connection has ended. */
  write(words: string): Promise<boolean>
  /** Resolves when the connection, or its document, ends; with the code that was told. */
  readonly ended: Promise<string>
  announce(clientId: number): void
  leave(): void
}

async function nativeGuest(token: string): Promise<Guest> {
  const peer = await NativePeer.silent(relay.port)
  peer.say(peer.hello({ auth: Buffer.from(token) }))
  await openScope(peer, `=${DOC}`)
  let seq = 0
  // As a replica does, it answers questions with all that it has.
  const own = new Y.Doc()
  peer.onMessage = ({ kind }) => {
    if (kind === 'want' || kind === 'ask') sendAsDiff(peer, DOC, frameUpdates([Y.encodeStateAsUpdate(own)]))
  }
  return {
    door: 'native',
    async write(words) {
      const toSeq = ++seq
      const update = freshUpdate(words)
      Y.applyUpdate(own, update)
      // One without a code says that it is taken again.
      const refusals = (): number => peer.messages.filter((message) => message.kind === 'refused' && message.code !== '').length
      const before = refusals()
      peer.say({ kind: 'entries', channel: 0, toSeq, rows: [peer.row(DOC, [update])] })
      await peer.messageWhere('ack', (ack) => ack.seq >= toSeq)
      await peer.handled()
      return refusals() === before
    },
    // The link stays when rights go: it is the documents that are refused, and not sent.
    ended: peer.ended.then(({ code, reason }) => `${code} ${reason.split(':', 1)[0]}`),
    announce: (clientId) => peer.say({ kind: 'presence', doc: peer.ref(DOC), bytes: announcement(clientId) }),
    leave: () => peer.socket.destroy(),
  }
}

async function roomGuest(door: string, path: string, token: string): Promise<Guest> {
  const client = new BareClient(`${relay.relay.url}${path}?token=${token}`)
  await client.messageWhere(({ kind }) => kind === 'step-1')
  return {
    door,
    async write(words) {
      const update = freshUpdate(words)
      // A reader is told once that it may not write. The answer to a question says that the update before it was passed over, and a commit is echoed.
      const told = client.messages.length
      client.send(codec.updateFrame(update))
      const answer = await client
        .messageWhere((message) => {
          if (client.messages.indexOf(message) < told) return false
          return (
            (message.kind === 'update' && Buffer.from(message.update).equals(update)) || (message.kind === 'foreign' && message.type === 2)
          )
        })
        .catch(() => null)
      return answer?.kind === 'update'
    },
    ended: client.closed.then(({ code, reason }) => `${code} ${reason.split(':', 1)[0]}`),
    announce: (clientId) => client.send(codec.awarenessFrame(announcement(clientId))),
    leave: () => client.terminate(),
  }
}

async function hocuspocusGuest(token: string): Promise<Guest> {
  const peer = await HocuspocusPeer.authenticated(relay.port, DOC, token)
  peer.say(frames.step1(DOC, Uint8Array.of(0)), frames.step2(DOC, Uint8Array.of(0, 0)))
  const statuses = (): string[] => peer.answers.flatMap(({ words }) => (words.startsWith('status ') ? [words] : []))
  const denied = (): string | null => peer.answers.find(({ words }) => words.startsWith('denied '))?.words ?? null
  await peer.handled()
  // As a provider does, it answers questions with all that it has.
  const own = new Y.Doc()
  peer.onAnswer = ({ words, bytes }) => {
    if (words === 'step-1') peer.say(frames.step2(DOC, Y.encodeStateAsUpdate(own, bytes)))
  }
  return {
    door: 'Hocuspocus',
    async write(words) {
      const before = statuses().length
      const update = freshUpdate(words)
      Y.applyUpdate(own, update)
      peer.say(frames.update(DOC, update))
      await peer.until(() => statuses().length > before || denied() !== null)
      return statuses().at(-1) === 'status 1' && statuses().length > before
    },
    ended: peer
      .until(() => denied() !== null)
      .then(
        () => denied()!.split(' ')[1]!.replace(':', ''),
        () => 'the connection ended',
      ),
    announce: (clientId) => peer.say(frames.awareness(DOC, announcement(clientId))),
    leave: () => peer.destroy(),
  }
}

const ySweetPath = `/d/${encodeURIComponent(DOC)}/ws/${DOC}`

async function grantFor(token: string): Promise<string> {
  const response = await fetch(`${relay.relay.url.replace('ws', 'http')}/doc/${encodeURIComponent(DOC)}/auth`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  return ((await response.json()) as { token: string }).token
}

/** One at every door, all with the same token. */
async function guests(token: string): Promise<Guest[]> {
  return Promise.all([
    nativeGuest(token),
    roomGuest('y-websocket', `/${DOC}`, token),
    hocuspocusGuest(token),
    roomGuest('y-sweet', ySweetPath, token),
    roomGuest('y-sweet by a client token', ySweetPath, await grantFor(token)),
  ])
}

const timesOf = (took: readonly (readonly [string, number])[]): Record<string, number> =>
  Object.fromEntries(took.map(([door, ms]) => [door, Math.round(ms)]))

function expectSoon(what: string, took: readonly (readonly [string, number])[]): void {
  console.log(`${what}, in ms: ${JSON.stringify(timesOf(took))}`)
  for (const [door, ms] of took) expect(ms, door).toBeLessThan(FELT_WITHIN_MS)
}

async function subject(expiresInS = 600): Promise<string> {
  return tokenFor('the subject', { roles: ['subject'], expiresInS })
}

async function everythingAgain(): Promise<void> {
  setRights(...everything)
  const probe = await relay.doorman.admit({ token: await subject(), door: 'http', space: relay.relay.replica.space, address: 'test' })
  await inForce(() => ['read', 'write', 'presence'].every((action) => probe.may(action as 'read', parseDocId(DOC))))
  probe.drop()
}

test('[AD-3] the right to write is gone within a second of the change of the policy file at every door, and back within a second', async () => {
  const all = await guests(await subject())
  for (const guest of all) expect(await guest.write(`${guest.door} before`), guest.door).toBe(true)
  setRights(...on('read', 'presence'))
  const changedAt = performance.now()
  const refused = all.map(async (guest): Promise<[string, number]> => {
    for (let round = 0; await guest.write(`${guest.door} while ${round}`); round++);
    return [guest.door, performance.now() - changedAt]
  })
  expectSoon('write withdrawn', await Promise.all(refused))
  for (const guest of all) guest.leave()

  const readersNow = await Promise.all([
    nativeGuest(await subject()),
    roomGuest('y-websocket', `/${DOC}`, await subject()),
    hocuspocusGuest(await subject()),
    roomGuest('y-sweet', ySweetPath, await subject()),
  ])
  for (const guest of readersNow) expect(await guest.write(`${guest.door} in vain`), guest.door).toBe(false)
  await everythingAgain()
  for (const guest of readersNow.filter(({ door }) => door === 'native' || door === 'Hocuspocus'))
    expect(await guest.write(`${guest.door} again`), guest.door).toBe(true)
  for (const guest of readersNow) guest.leave()
  const text = relay.textOf(DOC)
  // Links and providers are asked for what was refused; the other two protocols have no such question after the first.
  for (const { door } of all) expect(text, door).toContain(`${door} before`)
  for (const door of ['native', 'Hocuspocus']) expect(text).toContain(`${door} in vain`)
  for (const door of ['y-websocket', 'y-sweet']) expect(text).not.toContain(`${door} in vain`)
})

test('[AD-3] whoever may not read any more is shut out within a second of the change of the policy file at every door', async () => {
  await everythingAgain()
  const all = await guests(await subject())
  const native = all.find(({ door }) => door === 'native')!
  const events = await eventStream()
  relay.writePolicy({ witness: everything })
  const changedAt = performance.now()
  const foreign = all.filter((guest) => guest !== native)
  const told: Record<string, string> = {}
  const ends = foreign.map(async (guest): Promise<[string, number]> => {
    told[guest.door] = await guest.ended
    return [guest.door, performance.now() - changedAt]
  })
  // A link stays, for other documents may still be for it: this one is not.
  const nativeEnd = async (): Promise<[string, number]> => {
    for (let round = 0; await native.write(`native while ${round}`); round++);
    return ['native', performance.now() - changedAt]
  }
  const eventsEnd = events.ended.then((): [string, number] => ['GET /api/events', performance.now() - changedAt])
  expectSoon('all rights withdrawn', await Promise.all([...ends, nativeEnd(), eventsEnd]))
  expect(told).toEqual({
    'y-websocket': '4403 auth-revoked',
    Hocuspocus: 'auth-revoked',
    'y-sweet': '4403 auth-revoked',
    'y-sweet by a client token': '4403 auth-revoked',
  })
  const answer = await fetch(`${relay.adminUrl}/api/documents/${encodeURIComponent(DOC)}`, {
    headers: { authorization: `Bearer ${await subject()}` },
  })
  expect(answer.status).toBe(404)
  for (const guest of all) guest.leave()
})

test('[AD-3] the presence of whoever may not be seen any more is gone for the others within a second, at every door', async () => {
  await everythingAgain()
  const witness = await Witness.in(relay, DOC)
  const all = await guests(await subject())
  all.forEach((guest, index) => guest.announce(40 + index))
  const present = (id: number): boolean => {
    const last = witness.client.messages.findLast((message) => message.kind === 'awareness' && idsIn(message.bytes).has(id))
    return last?.kind === 'awareness' && idsIn(last.bytes).get(id) === true
  }
  await inForce(() => all.every((_, index) => present(40 + index)))
  setRights(...on('read', 'write'))
  const changedAt = performance.now()
  const deadline = new Promise<void>((resolve) => setTimeout(resolve, 2_000))
  const gone = all.map(async ({ door }, index): Promise<[string, number]> => {
    await Promise.race([inForce(() => !present(40 + index) || performance.now() - changedAt > 1_900), deadline])
    return [door, performance.now() - changedAt]
  })
  expectSoon('presence withdrawn', await Promise.all(gone))
  for (const guest of all) guest.leave()
  witness.leave()
})

test('[AD-4] every door ends within a second of the end of the token', async () => {
  await everythingAgain()
  const short = await subject(2)
  const endsAtMs = (JSON.parse(Buffer.from(short.split('.')[1]!, 'base64url').toString()) as { exp: number }).exp * 1000
  const all = await guests(short)
  const told: Record<string, string> = {}
  const ends = all.map(async (guest): Promise<[string, number]> => {
    told[guest.door] = await guest.ended
    return [guest.door, clock.wallMs() - endsAtMs]
  })
  expectSoon('token over', await Promise.all(ends))
  expect(told).toEqual({
    native: '4401 auth-expired',
    'y-websocket': '4401 auth-expired',
    Hocuspocus: 'auth-expired',
    'y-sweet': '4401 auth-expired',
    'y-sweet by a client token': '4401 auth-expired',
  })
  for (const guest of all) guest.leave()
})

/** Clients of an awareness update, and whether they have a state. */
function idsIn(bytes: Uint8Array): Map<number, boolean> {
  const found = new Map<number, boolean>()
  const text = Buffer.from(bytes)
  let at = 1
  for (let left = bytes[0]!; left > 0; left--) {
    const id = text[at]!
    const length = text[at + 2]!
    found.set(id, text.toString('latin1', at + 3, at + 3 + length) !== 'null')
    at += 3 + length
  }
  return found
}

/** The event stream of somebody who is an operator by the policy, until it ends. */
async function eventStream(): Promise<{ readonly ended: Promise<void> }> {
  const response = await fetch(`${relay.adminUrl}/api/events`, {
    headers: { authorization: `Bearer ${await tokenFor('an operator', { roles: ['operator'] })}` },
  })
  expect(response.status).toBe(200)
  return {
    ended: (async () => {
      for await (const part of response.body!) void part
    })(),
  }
}
