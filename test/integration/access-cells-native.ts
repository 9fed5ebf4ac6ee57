// The rows of the access matrix at the native door: every message of the wire table that concerns a document, over a link of the scope of that document.

import {
  boundAfter,
  boundOf,
  contentDigest,
  frameUpdates,
  unframeUpdates,
  ZERO_DIGEST,
  type Message,
  type MessageOf,
} from '@syncline/protocol'
import { answerWants, sendAsDiff } from '../bad-input/answers.ts'
import { NativePeer } from '../bad-input/native-peer.ts'
import {
  announcement,
  announces,
  CONTENT,
  keyOf,
  shows,
  witnessed,
  writeOutcome,
  type Cell,
  type Driver,
  type Drivers,
} from './access-cells.ts'
import { tokenFor } from './guarded-relay.ts'
import { freshUpdate } from './room-client.ts'

/** Says HELLO, and runs `work` on the link; tells the close code when it ended. */
function linked(work: (peer: NativePeer, cell: Cell) => Promise<string>, withReason = false): Driver {
  return async (cell) => {
    const peer = await NativePeer.silent(cell.relay.port)
    try {
      peer.say(peer.hello({ auth: Buffer.from(cell.token ?? '') }))
      await peer.messageWhere('hello')
      return await work(peer, cell)
    } catch (error) {
      const { code, reason } = await peer.ended
      if (code === 1006) throw error
      return withReason ? `${code} ${reason.split(':', 1)[0]}` : String(code)
    } finally {
      peer.socket.destroy()
    }
  }
}

/** The same, in the scope of one document. */
function inScope(which: 'there' | 'gone', work: (peer: NativePeer, cell: Cell, doc: string) => Promise<string>): Driver {
  return linked(async (peer, cell) => {
    const doc = cell[which]
    await openScope(peer, `=${doc}`)
    return work(peer, cell, doc)
  })
}

/** As a replica does, it says START when the relay has opened the scope, too. */
export async function openScope(peer: NativePeer, scope: string, cursor: MessageOf<'open'>['cursor'] = null): Promise<void> {
  peer.say(peer.open(0, scope, cursor))
  await peer.messageWhere('open', (open) => open.scope === scope)
  peer.say({ kind: 'start', channel: 0, mode: 'equal', nonce: peer.nonce, seq: 0 })
  await peer.messageWhere('start')
}

const of = <K extends Message['kind']>(peer: NativePeer, kind: K): MessageOf<K>[] =>
  peer.messages.filter((message): message is MessageOf<K> => message.kind === kind)

const entriesSent = (peer: NativePeer): Uint8Array[] =>
  of(peer, 'entries').flatMap(({ rows }) => rows.flatMap(({ bytes }) => unframeUpdates(bytes)!))

async function caughtUp(peer: NativePeer, { relay }: Cell, doc: string): Promise<string> {
  const { nonce } = await peer.messageWhere('hello')
  await openScope(peer, `=${doc}`, { nonce, seq: 0 })
  await relay.seed('m/elsewhere', freshUpdate('the link is served'))
  await peer.handled()
  return shows(entriesSent(peer)) ? 'sent' : 'nothing'
}

async function live(peer: NativePeer, { relay }: Cell, doc: string): Promise<string> {
  await relay.seed(doc, freshUpdate('live'))
  await peer.handled()
  return shows(entriesSent(peer), 'live') ? 'sent' : 'nothing'
}

async function want(peer: NativePeer, _: Cell, doc: string): Promise<string> {
  peer.say({ kind: 'want', channel: 0, doc: peer.ref(doc), digest: ZERO_DIGEST, stateVector: Uint8Array.of(0), buckets: [] })
  return diffAnswer(peer)
}

async function ask(peer: NativePeer, _: Cell, doc: string): Promise<string> {
  peer.say({ kind: 'ask', channel: 0, keys: [keyOf(doc).slice(0, 16)] })
  return diffAnswer(peer)
}

/** A round of the relay's own may bring an empty one, too. */
async function diffAnswer(peer: NativePeer): Promise<string> {
  await Promise.race([peer.messageWhere('diff'), peer.messageWhere('absent')])
  await peer.handled()
  if (of(peer, 'diff').some(({ bytes }) => shows(unframeUpdates(bytes) ?? []))) return 'sent'
  return of(peer, 'diff').length > 0 ? 'its digest' : 'absent'
}

async function reconcile(peer: NativePeer, _: Cell, doc: string): Promise<string> {
  const key = keyOf(doc)
  const ranges = [{ to: boundAfter(key), kind: 'fingerprint', fingerprint8: '0'.repeat(16) }] as const
  peer.say({ kind: 'recon', channel: 0, round: 1, first: true, nonce: peer.nonce, seq: 0, from: boundOf(key), ranges })
  await peer.handled()
  const items = of(peer, 'recon').flatMap((message) => message.ranges.flatMap((range) => ('items' in range ? range.items : [])))
  return items.length > 0 ? 'hashes' : 'nothing'
}

async function verify(peer: NativePeer, { relay }: Cell, doc: string): Promise<string> {
  const { reader } = relay.relay.replica
  const { digest } = reader.doc(keyOf(doc))!
  const content = contentDigest(reader.content(keyOf(doc))!.tail.flatMap(({ data }) => unframeUpdates(data)!))!
  peer.say({ kind: 'verify', doc: peer.ref(doc), digest, content })
  return (await peer.messageWhere('verified')).verdict
}

async function compare(peer: NativePeer, _: Cell, doc: string): Promise<string> {
  peer.say({ kind: 'compare', doc: peer.ref(doc) })
  await peer.messageWhere('state')
  return 'sent'
}

const WORDS = 'written by the cell'

/** Says an update as `send` does, and what became of it. */
function write(
  send: (peer: NativePeer, doc: string, update: Uint8Array) => void,
): (peer: NativePeer, cell: Cell, doc: string) => Promise<string> {
  return async (peer, cell, doc) => {
    const update = freshUpdate(WORDS)
    answerWants(peer)
    send(peer, doc, update)
    await peer.messageWhere('ack', ({ seq }) => seq >= 1)
    await peer.handled()
    const refusal = of(peer, 'refused').at(-1)?.code ?? null
    return writeOutcome(cell, doc, WORDS, { saved: refusal === null, refusal })
  }
}

const asEntries = write((peer, doc, update) => peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows: [peer.row(doc, [update])] }))

const asDiff = write((peer, doc, update) => {
  sendAsDiff(peer, doc, frameUpdates([update]))
  peer.say({ kind: 'advance', channel: 0, toSeq: 1, nonce: null, root: null })
})

/** The relay asks for what is offered, by name or by key, and gets it. */
const asOffer = write((peer, doc, update) => {
  peer.onMessage = ({ kind }) => {
    if (kind === 'want' || kind === 'ask') sendAsDiff(peer, doc, frameUpdates([update]))
  }
  peer.say({ kind: 'offer', channel: 0, toSeq: 1, doc: peer.ref(doc), digest: '1'.repeat(32) as never, size: update.length })
})

/** A row of an odd epoch is a deletion; one of an even epoch above the present one ends the life that is there, and begins another. */
const inEpoch =
  (epoch: number) =>
  async (peer: NativePeer, { relay }: Cell, doc: string): Promise<string> => {
    const wasThere = relay.has(doc)
    const row = peer.row(doc, epoch % 2 === 1 ? [] : [freshUpdate(WORDS)])
    const ref = { ...row.doc, fresh: { ...row.doc.fresh!, epoch } }
    answerWants(peer)
    peer.say({ kind: 'entries', channel: 0, toSeq: 1, rows: [{ ...row, doc: ref }] })
    await peer.messageWhere('ack', ({ seq }) => seq >= 1)
    await peer.handled()
    const refusal = of(peer, 'refused').at(-1)?.code
    if (refusal !== undefined)
      return relay.has(doc) === wasThere && (!wasThere || relay.textOf(doc) === CONTENT) ? refusal : `REFUSED ${refusal} AND DONE`
    return !relay.has(doc) ? 'deleted' : relay.textOf(doc) === WORDS ? 'replaced' : 'NOT SAID'
  }

const presence: Driver = (cell) =>
  witnessed(cell.relay, cell.there, (witness) =>
    inScope('there', async (peer, _, doc) => {
      peer.say({ kind: 'presence', doc: peer.ref(doc), bytes: announcement(101) })
      await peer.handled()
      await witness.caughtUp()
      return witness.sees(101) ? 'seen' : 'unseen'
    })(cell),
  )

/** Who was there before, and who comes later. */
const othersPresence: Driver = (cell) =>
  witnessed(cell.relay, cell.there, async (witness) => {
    await witness.announce(102)
    return inScope('there', async (peer) => {
      await witness.announce(103)
      await peer.handled()
      const told = [102, 103].filter((id) => of(peer, 'presence').some(({ bytes }) => announces(bytes, id)))
      return told.length === 2 ? 'sent' : told.length === 0 ? 'nothing' : `ONLY ${told.join()}`
    })(cell)
  })

/** What the peer is told of the scope of the document: how many documents it holds, and their root. */
async function opening(peer: NativePeer, _: Cell, doc: string): Promise<string> {
  const { documents, root } = await peer.messageWhere('open', ({ scope }) => scope === `=${doc}`)
  return documents > 0 || root !== ZERO_DIGEST ? 'counted' : 'nothing'
}

/** A newer token of the same subject, with all rights. They count as soon as it was looked at, which nothing tells. */
async function renewedBySelf(peer: NativePeer, cell: Cell, doc: string): Promise<string> {
  const { subject } = subjectOf(cell.token!)
  peer.say({ kind: 'renew', auth: Buffer.from(await tokenFor(subject, { roles: ['witness'] })) })
  while ((await want(peer, cell, doc)) !== 'sent') peer.messages.length = 0
  return 'renewed'
}

async function renewedByAnother(peer: NativePeer): Promise<string> {
  peer.say({ kind: 'renew', auth: Buffer.from(await tokenFor('somebody else', { roles: ['witness'] })) })
  await peer.messageWhere('error')
  await peer.handled()
  return 'GOES ON'
}

function subjectOf(token: string): { readonly subject: string } {
  return { subject: JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()).sub as string }
}

export const nativeDrivers: Drivers = {
  HELLO: linked(async () => 'linked', true),
  OPEN: inScope('there', opening),
  'OPEN of an absent document': inScope('gone', opening),
  'OPEN, then ENTRIES from the log': linked((peer, cell) => caughtUp(peer, cell, cell.there)),
  'ENTRIES of a change': inScope('there', live),
  WANT: inScope('there', want),
  'WANT of an absent document': inScope('gone', want),
  ASK: inScope('there', ask),
  'ASK of an absent document': inScope('gone', ask),
  RECON: inScope('there', reconcile),
  VERIFY: inScope('there', verify),
  'COMPARE, unasked': inScope('there', compare),
  'ENTRIES into a document': inScope('there', asEntries),
  'ENTRIES into an absent document': inScope('gone', asEntries),
  'DIFF into a document': inScope('there', asDiff),
  'DIFF into an absent document': inScope('gone', asDiff),
  'OFFER of a document': inScope('there', asOffer),
  'OFFER of an absent document': inScope('gone', asOffer),
  'ENTRIES that delete a document': inScope('there', inEpoch(1)),
  'ENTRIES that delete an absent document': inScope('gone', inEpoch(1)),
  'ENTRIES of another life of a document': inScope('there', inEpoch(2)),
  'PRESENCE of its own': presence,
  'PRESENCE of others': othersPresence,
  'RENEW by a token with more rights': inScope('there', renewedBySelf),
  'RENEW by a token of somebody else': linked(renewedByAnother),
}
