// The rows of the access matrix at the Hocuspocus door: every message of its protocol, each over a connection of its own.

import { announcement, announces, shows, witnessed, writeOutcome, type Cell, type Driver, type Drivers } from './access-cells.ts'
import { frames, HocuspocusPeer } from './hocuspocus-frames.ts'
import { freshUpdate } from './room-client.ts'

const WORDS = 'written by the cell'
const EMPTY = Uint8Array.of(0)

type Which = 'there' | 'gone'

/** What a provider is told of its token: a scope, or the code of a denial. */
function shortVerdict(peer: HocuspocusPeer, doc: string): string {
  return peer.verdictOf(doc)!.split(' ', 2)[1]!.replace(':', '')
}

/** Authenticates, denied or not, and runs `work`: a denial does not end the connection, so what is said after it must come to nothing. */
const inDocument =
  (which: Which, work: (peer: HocuspocusPeer, cell: Cell, doc: string) => Promise<string>): Driver =>
  async (cell) => {
    const doc = cell[which]
    const peer = await HocuspocusPeer.authenticated(cell.relay.port, doc, cell.token ?? '')
    try {
      return await work(peer, cell, doc)
    } finally {
      peer.destroy()
    }
  }

const denied = (peer: HocuspocusPeer, doc: string): boolean => peer.verdictOf(doc)!.startsWith('denied')

async function step1(peer: HocuspocusPeer, _: Cell, doc: string): Promise<string> {
  peer.say(frames.step1(doc, EMPTY))
  await peer.handled()
  return shows(peer.heard(doc, 'step-2').map(({ bytes }) => bytes)) ? 'sent' : 'nothing'
}

async function live(peer: HocuspocusPeer, { relay }: Cell, doc: string): Promise<string> {
  await relay.seed(doc, freshUpdate('live'))
  await peer.handled()
  return shows(
    peer.heard(doc, 'update').map(({ bytes }) => bytes),
    'live',
  )
    ? 'sent'
    : 'nothing'
}

const write =
  (frameOf: (doc: string, update: Uint8Array) => Uint8Array) =>
  async (peer: HocuspocusPeer, cell: Cell, doc: string): Promise<string> => {
    peer.say(frames.step1(doc, EMPTY), frameOf(doc, freshUpdate(WORDS)))
    const statuses = (): string[] => peer.answers.flatMap(({ name, words }) => (name === doc && words.startsWith('status ') ? [words] : []))
    if (denied(peer, doc)) await peer.handled()
    else await peer.until(() => statuses().length > 0)
    return writeOutcome(cell, doc, WORDS, heardOf(statuses()[0] ?? null))
  }

/** Sent together with the token, before anybody looked at it. */
const writeAtOnce =
  (which: Which): Driver =>
  async (cell) => {
    const doc = cell[which]
    const peer = await HocuspocusPeer.connected(cell.relay.port)
    peer.say(frames.auth(doc, cell.token ?? ''), frames.update(doc, freshUpdate(WORDS)))
    await peer.until(() => peer.verdictOf(doc) !== null)
    const status = (): string | null => peer.answers.find(({ name, words }) => name === doc && words.startsWith('status '))?.words ?? null
    if (denied(peer, doc)) await peer.handled()
    else await peer.until(() => status() !== null)
    peer.destroy()
    return writeOutcome(cell, doc, WORDS, heardOf(status()))
  }

const heardOf = (status: string | null): { saved: boolean; refusal: string | null } => ({
  saved: status === 'status 1',
  refusal: status === 'status 1' ? null : status,
})

const presence: Driver = (cell) =>
  witnessed(cell.relay, cell.there, (witness) =>
    inDocument('there', async (peer, _, doc) => {
      peer.say(frames.awareness(doc, announcement(101)))
      await peer.handled()
      await witness.caughtUp()
      return witness.sees(101) ? 'seen' : 'unseen'
    })(cell),
  )

const othersPresence: Driver = (cell) =>
  witnessed(cell.relay, cell.there, async (witness) => {
    await witness.announce(102)
    return inDocument('there', async (peer, _, doc) => {
      peer.say(frames.queryAwareness(doc))
      await witness.announce(103)
      await peer.handled()
      const told = [102, 103].filter((id) => peer.heard(doc, 'awareness').some(({ bytes }) => announces(bytes, id)))
      return told.length === 2 ? 'sent' : told.length === 0 ? 'nothing' : `ONLY ${told.join()}`
    })(cell)
  })

async function stateless(peer: HocuspocusPeer, { relay }: Cell, doc: string): Promise<string> {
  peer.say(frames.stateless(doc, 'news'))
  await peer.handled()
  return relay.stateless.includes(`${doc} news`) ? 'taken' : 'dropped'
}

/** Only servers send it. */
async function broadcast(peer: HocuspocusPeer, { relay }: Cell, doc: string): Promise<string> {
  const other = await HocuspocusPeer.authenticated(relay.port, doc, '')
  other.destroy()
  peer.say(frames.broadcastStateless(doc, 'forged'))
  await peer.handled()
  if (relay.stateless.includes(`${doc} forged`)) return 'TAKEN'
  return peer.answers.some(({ name, words }) => name === doc && words.startsWith('close ')) ? 'closed' : 'dropped'
}

/** Nothing of a document comes after it is closed. */
async function close(peer: HocuspocusPeer, { relay }: Cell, doc: string): Promise<string> {
  peer.say(frames.close(doc))
  await peer.handled()
  const before = peer.answers.length
  await relay.seed(doc, freshUpdate('live'))
  await peer.handled()
  return peer.answers.length === before ? 'nothing more' : 'SENT ON'
}

export const hocuspocusDrivers: Drivers = {
  Auth: inDocument('there', async (peer, _, doc) => shortVerdict(peer, doc)),
  'Auth for an absent document': inDocument('gone', async (peer, _, doc) => shortVerdict(peer, doc)),
  'step 1': inDocument('there', step1),
  'update of others': inDocument('there', live),
  update: inDocument('there', write(frames.update)),
  'update of an absent document': inDocument('gone', write(frames.update)),
  'update before the answer to Auth': writeAtOnce('there'),
  'step 2': inDocument('there', write(frames.step2)),
  'step 2 of an absent document': inDocument('gone', write(frames.step2)),
  awareness: presence,
  'query awareness, and awareness of others': othersPresence,
  stateless: inDocument('there', stateless),
  'broadcast stateless': inDocument('there', broadcast),
  close: inDocument('there', close),
}
