// Links whose identity may not read every document: what is hidden leaves no trace on the wire, and what shows is compared and verified as on any other link. Real engines,
// memory stores, virtual time.

import { documentPoint, parseDocId, type Message } from '@syncline/protocol'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Access } from '../src/index.ts'
import { seeded, World, type Node, type Wire } from './core-world.ts'

const MINUTE_MS = 60_000
const { HIDDEN_SEED } = process.env
const SEEDS = HIDDEN_SEED === undefined ? [1, 2, 3, 4] : HIDDEN_SEED.split(',').map(Number)

/** Rights by document name; a change counts at once, and is told by `changed`. */
class Rights {
  readonly hidden = new Set<string>()
  readonly closed = new Set<string>()
  readonly access: Access = { read: (doc) => !this.hidden.has(doc), write: (doc) => !this.closed.has(doc) }
}

/** A relay with `count` documents, and a client whose link to it hides every third of them. */
function relayAndClient(count: number) {
  const world = new World()
  const [client, relay] = [world.node('client', { role: 'device' }), world.node('relay')]
  const rights = new Rights()
  const names = Array.from({ length: count }, (_, i) => `${i % 2 === 0 ? 'note' : 'task'}/${i + 1000}`)
  names.forEach((name, i) => {
    relay.type(name, `content of ${i}`)
    if (i % 3 === 0) rights.hidden.add(name)
  })
  world.settle()
  const wire = world.connect(client, relay, rights.access)
  const changed = () => {
    relay.core.accessChanged(wire.ends[1].link)
    world.settle()
  }
  const shown = () => names.filter((name) => !rights.hidden.has(name))
  return { world, client, relay, rights, wire, names, shown, changed }
}

function namesAt(node: Node): string[] {
  return node.store.reader.docs({ first: '0'.repeat(32), last: 'f'.repeat(32) } as never, 1e6).map(({ name }) => name)
}

function messagesSince(world: World, mark: number, from: string): Message[] {
  return world.frames.slice(mark).flatMap((frame) => (frame.from === from ? [...frame.messages] : []))
}

function rounds(...nodes: Node[]): number {
  return nodes.reduce((sum, { events }) => sum + events.filter(({ type }) => type === 'reconcile').length, 0)
}

/** The names that `from` asked to verify. */
function verifiedBy(world: World, mark: number, from: string): Set<string> {
  const names = new Map<number, string>()
  const verified = new Set<string>()
  for (const message of messagesSince(world, 0, from)) {
    if ('doc' in message && message.doc.fresh !== null) names.set(message.doc.alias, message.doc.fresh.doc)
    if (message.kind === 'entries') for (const { doc } of message.rows) if (doc.fresh !== null) names.set(doc.alias, doc.fresh.doc)
  }
  for (const message of messagesSince(world, mark, from)) if (message.kind === 'verify') verified.add(names.get(message.doc.alias)!)
  return verified
}

/** Every text and number on the wire from the relay that could come from this document: its name, key and digest, whole and as ranges shorten them. */
function tracesOf(node: Node, name: string): { readonly what: string; readonly bytes: Buffer }[] {
  const key = node.core.keyOf(parseDocId(name))
  const digest = node.core.digestOf(parseDocId(name))
  const traces = [
    { what: `the name of ${name}`, bytes: Buffer.from(name) },
    { what: `the key of ${name}`, bytes: Buffer.from(key.slice(0, 16), 'hex') },
    { what: `the digest of ${name}`, bytes: Buffer.from(digest, 'hex') },
    { what: `the short digest of ${name}`, bytes: Buffer.from(documentPoint(key, digest).toHex8(), 'hex') },
  ]
  return traces
}

function leaksSince(world: World, mark: number, traces: readonly { readonly what: string; readonly bytes: Buffer }[]): string[] {
  const sent = Buffer.concat(world.frames.slice(mark).flatMap(({ from, bytes }) => (from === 'relay' ? [bytes] : [])))
  return traces.filter(({ bytes }) => sent.includes(bytes)).map(({ what }) => what)
}

/** Lets what is under way end, and then ten minutes pass. Answers the rounds in those, and the mark of their first frame. */
function tenQuietMinutes(world: World, ...nodes: Node[]): { readonly rounds: number; readonly mark: number } {
  world.pass(2.5 * MINUTE_MS)
  const [before, mark] = [rounds(...nodes), world.frames.length]
  world.pass(10 * MINUTE_MS)
  return { rounds: rounds(...nodes) - before, mark }
}

test('[AU-2] a link that hides a third of the documents comes to rest: no rounds in ten minutes, and every document that shows is verified', () => {
  const { world, client, relay, names, shown } = relayAndClient(60)
  const traces = () => names.filter((name) => !shown().includes(name)).flatMap((name) => tracesOf(relay, name))
  const early = traces()
  world.settle()
  expect(namesAt(client).toSorted()).toEqual(shown().toSorted())
  for (const name of names) relay.type(name, ', edited')
  const quiet = tenQuietMinutes(world, client, relay)
  expect(quiet.rounds).toBe(0)
  expect([...verifiedBy(world, quiet.mark, 'client')].toSorted()).toEqual(shown().toSorted())
  for (const name of shown()) expect(client.text(name)).toBe(relay.text(name))
  expect(leaksSince(world, 0, [...early, ...traces()])).toEqual([])
})

test('[AU-2] the other way round: the side that dials hides documents, and its rotation goes over those that show only', () => {
  const world = new World()
  const [relay, peer] = [world.node('relay'), world.node('peer')]
  for (let i = 0; i < 40; i++) peer.type(`note/${i}`, `content of ${i}`)
  world.settle()
  const wire = world.connect(relay, peer, { read: (doc) => Number(doc.slice(5)) % 10 >= 3, write: () => true })
  void wire
  const quiet = tenQuietMinutes(world, relay, peer)
  expect(quiet.rounds).toBe(0)
  expect(namesAt(relay)).toHaveLength(28)
})

test('[CV-3] on such a link, other content under the same ids is found in a document that shows', () => {
  const { world, client, relay, shown } = relayAndClient(30)
  const forged = (text: string): Uint8Array => {
    const doc = new Y.Doc()
    doc.clientID = 77
    doc.getText('body').insert(0, text)
    return Y.encodeStateAsUpdate(doc)
  }
  const name = 'note/forged'
  client.write(name, forged('one'))
  relay.write(name, forged('two'))
  world.pass(3 * MINUTE_MS)
  expect(shown().length).toBe(20)
  for (const { events } of [client, relay])
    expect(events.filter(({ type }) => type === 'divergence')).toMatchObject([{ doc: name, range: { client: 77 } }])
})

test('[AU-2] a document that may be read from now on arrives; one that may not any more is told no more, not even its digest, and both sides rest', () => {
  const { world, client, relay, rights, names, changed } = relayAndClient(40)
  world.pass(5_000)
  const [granted, revoked, lost] = [names[3]!, names[1]!, names[2]!]
  rights.hidden.delete(granted)
  changed()
  world.pass(1_000)
  expect(client.text(granted)).toBe('content of 3')
  relay.type(granted, '!')
  world.pass(1_000)
  expect(client.text(granted)).toBe('content of 3!')

  // One may still be written, the other not even that.
  rights.hidden.add(revoked).add(lost)
  rights.closed.add(lost)
  const mark = world.frames.length
  changed()
  for (const name of [revoked, lost]) relay.type(name, ', secret')
  const traces = [revoked, lost].flatMap((name) => tracesOf(relay, name).filter(({ what }) => what.includes('digest')))
  const quiet = tenQuietMinutes(world, client, relay)
  expect(client.text(revoked)).toBe('content of 1')
  expect(client.text(lost)).toBe('content of 2')
  expect(quiet.rounds).toBe(0)
  expect(verifiedBy(world, quiet.mark, 'client').size).toBeGreaterThan(20)
  const now = [revoked, lost].flatMap((name) => tracesOf(relay, name).filter(({ what }) => what.includes('digest')))
  expect(leaksSince(world, mark, [...traces, ...now])).toEqual([])

  rights.hidden.delete(revoked)
  rights.hidden.delete(lost)
  rights.closed.clear()
  changed()
  expect(tenQuietMinutes(world, client, relay).rounds).toBe(0)
  for (const name of [revoked, lost, granted]) expect(client.digest(name)).toBe(relay.digest(name))
  expect(client.events.filter(({ type }) => type === 'rejected').map((event) => 'doc' in event && event.doc)).toEqual([lost])
})

test('[AU-2] what may be written and not read is taken, and both sides rest', () => {
  const { world, client, relay, rights } = relayAndClient(20)
  rights.hidden.add('inbox/1')
  relay.type('inbox/1', 'from somebody else, ')
  world.pass(1_000)
  client.type('inbox/1', 'from me')
  world.settle()
  client.type('inbox/1', ', again')
  expect(tenQuietMinutes(world, client, relay).rounds).toBe(0)
  expect(client.text('inbox/1')).toBe('from me, again')
  expect(relay.text('inbox/1')).toContain('from me, again')
  client.type('inbox/1', ', later')
  expect(tenQuietMinutes(world, client, relay).rounds).toBe(0)
  expect(relay.text('inbox/1')).toContain('from me, again, later')
  expect(
    leaksSince(
      world,
      0,
      tracesOf(relay, 'inbox/1').filter(({ what }) => what.includes('digest')),
    ),
  ).toEqual([])
})

test.each([true, false])(
  '[AD-2] to a replica that brings a document it may not read (may write: %s), absent and forbidden look alike',
  (writes) => {
    const answers = [true, false].map((exists) => {
      const world = new World()
      const [client, relay] = [world.node('client', { role: 'device' }), world.node('relay')]
      if (exists) relay.type('secret', 'what nobody may see')
      else relay.type('public', 'something else here')
      world.settle()
      const rights = new Rights()
      rights.hidden.add('secret').add('public')
      if (!writes) rights.closed.add('secret')
      let mark = 0
      const seen: string[] = []
      for (let connection = 0; connection < 3; connection++) {
        client.type('secret', `guess ${connection}`)
        const wire = world.connect(client, relay, rights.access)
        world.pass(3 * MINUTE_MS)
        world.cut(wire)
        for (const message of messagesSince(world, mark, 'relay')) seen.push(described(message))
        mark = world.frames.length
      }
      return seen
    })
    expect(answers[0]).toEqual(answers[1])
  },
)

/** A message without positions and random ids, which do not depend on who may read what. */
function described(message: Message): string {
  const { kind } = message
  if (kind === 'open') return `open of ${message.documents}`
  if (kind === 'recon') return `recon of ${message.ranges.map((range) => range.kind).join()}`
  if (kind === 'refused') return `refused ${message.code}: ${message.reason}`
  return kind
}

test.each(SEEDS)(
  '[AU-2] rights that change while people write and links break: what shows ends equal, and all links rest (replay: HIDDEN_SEED=%i)',
  (seed) => {
    const bytes = seeded(seed)
    const chance = (of: number): number => bytes(1)[0]! % of
    const world = new World()
    const relay = world.node('relay')
    const clients = [world.node('ada', { role: 'device' }), world.node('bob', { role: 'device' })]
    const docs = Array.from({ length: 12 }, (_, i) => `note/${i}`)
    const rights = clients.map(() => new Rights())
    const never = 'note/never'
    relay.type(never, 'nobody else sees this')
    for (const one of rights) {
      one.hidden.add(never)
      for (const name of docs) if (chance(10) < 3) one.hidden.add(name)
    }
    const dial = (at: number): Wire => world.connect(clients[at]!, relay, rights[at]!.access)
    const wires = clients.map((_, at) => dial(at))
    for (let turn = 0; turn < 150; turn++) {
      const name = docs[chance(docs.length)]!
      const at = chance(2)
      const one = rights[at]!
      const what = chance(10)
      if (what < 3) relay.type(name, `r${turn} `)
      else if (what < 6) clients[at]!.type(name, `c${turn} `)
      else if (what < 8) {
        const set = chance(3) === 0 ? one.closed : one.hidden
        if (!set.delete(name)) set.add(name)
        relay.core.accessChanged(wires[at]!.ends[1].link)
      } else if (what === 8) {
        world.cut(wires[at]!)
        wires[at] = dial(at)
      } else relay.type(never, `n${turn} `)
      for (let steps = chance(12); steps > 0; steps--) world.step()
      if (chance(4) === 0) world.pass(100 * chance(20))
    }
    const quiet = tenQuietMinutes(world, relay, ...clients)
    expect(quiet.rounds).toBe(0)
    clients.forEach((client, at) => {
      const may = (name: string): boolean => !rights[at]!.hidden.has(name) && !rights[at]!.closed.has(name)
      const replay = (name: string): string => `${name} at ${client.name} (replay: HIDDEN_SEED=${seed})`
      for (const name of docs.filter(may)) expect(client.digest(name), replay(name)).toBe(relay.digest(name))
      for (const name of docs.filter((doc) => !rights[at]!.hidden.has(doc)))
        expect(
          Y.diffUpdate(Y.encodeStateAsUpdate(relay.document(name)), Y.encodeStateVector(client.document(name))).length,
          replay(name),
        ).toBe(2)
    })
    expect(leaksSince(world, 0, tracesOf(relay, never))).toEqual([])
  },
)
