// Range reconciliation on a channel: who starts a round, what a round finds, and when it is over. Both directions share one round. The ranges themselves are pure
// (protocol reconciliation.ts). Rules: CV-2, I7, I11; hole H1.

import { answerRanges, firstRanges, LIMITS, startOf, type DocKey, type MessageOf, type ReconRange } from '@syncline/protocol'
import type { Channel, Round } from './channel.ts'
import { awaitsTree, treeOf } from './channel-root.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkSession } from './link-session.ts'
import { sendRefused } from './receiver.ts'

/** Honest sides are through long before, however much differs: each message settles up to a frame of it. */
const ROUND_MESSAGES_MAX = 1024
/** Both sides speak in turn: more do not come while the tree is built. */
const WAITING_RECONS_MAX = 16

/** Starts a round when one is due and none runs. */
export function startRound(context: CoreContext, link: LinkSession, channel: Channel): void {
  if (channel.reconcileWhy === null || channel.round !== null || channel.serve !== 'serving') return
  if (awaitsTree(context, link, channel)) return
  const why = channel.reconcileWhy
  channel.reconcileWhy = null
  const round = openRound(context, link, channel, link.nextRound(), true)
  const ranges = firstRanges(treeOf(context, channel), channel.range, channel.peerOpen!.documents)
  sendRanges(link, channel, round, true, startOf(channel.range), ranges)
  if (!ranges.some(wantsAnswer)) round.done = true
  context.event({ type: 'reconcile', peer: link.hello!.replicaId, scope: channel.text, why })
}

function openRound(context: CoreContext, link: LinkSession, channel: Channel, number: number, mine: boolean): Round {
  const { commits } = context
  const position = { peerSeq: null, seq: channel.sentUpTo(commits.head), nonce: commits.nonce }
  const refused = context.refusals.with(link.hello!.replicaId, channel.range)
  channel.round = { number, mine, ...position, done: false, differing: new Set(), refused, messages: 0 }
  channel.healedAtMs = context.nowMs
  return channel.round
}

function sendRanges(link: LinkSession, channel: Channel, round: Round, first: boolean, from: string, ranges: readonly ReconRange[]): void {
  link.send({ kind: 'recon', channel: channel.number, round: round.number, first, nonce: round.nonce, seq: round.seq, from, ranges })
  channel.announced = Math.max(channel.announced, round.seq)
}

function wantsAnswer(range: ReconRange): boolean {
  return range.kind === 'fingerprint' || range.kind === 'items'
}

/** `waited`: it came when there was no tree yet. */
export function receiveRecon(
  context: CoreContext,
  link: LinkSession,
  channel: Channel,
  message: MessageOf<'recon'>,
  waited: boolean = false,
): boolean {
  if (channel.serve !== 'serving') return false
  let round = channel.round
  if (awaitsTree(context, link, channel)) {
    // At once: an ADVANCE that comes before the tree may bring a later one.
    if (message.first || round?.peerSeq === null) channel.peerNonce = message.nonce
    return channel.waiting.push(message) <= WAITING_RECONS_MAX
  }
  if (message.first) {
    const crossing = round !== null && round.mine && !round.done
    if (crossing && context.options.replicaId < link.hello!.replicaId) return true
    channel.reconcileWhy = null
    round = openRound(context, link, channel, message.round, false)
  }
  if (round === null || round.number !== message.round || round.done) return true
  if (++round.messages > ROUND_MESSAGES_MAX) return false
  if (round.peerSeq === null) {
    round.peerSeq = message.seq
    if (!waited) channel.peerNonce = message.nonce
  }
  const answer = answerRanges(treeOf(context, channel), channel.range, message.from, message.ranges)
  if (answer === null) return false
  for (const key of answer.want) {
    round.differing.add(key.slice(0, 16))
    if (!refusedHere(context, link, channel, key)) channel.differs(key)
  }
  for (const key8 of answer.ask) {
    round.differing.add(key8)
    channel.askFor(key8)
  }
  channel.activeAtMs = context.nowMs
  if (!message.ranges.some(wantsAnswer)) {
    round.done = true
    return true
  }
  sendRanges(link, channel, round, false, message.from, answer.ranges)
  round.done = !answer.needsAnswer
  return true
}

/** A refused document is asked for once per link: rights, limits or content may have changed. */
function refusedHere(context: CoreContext, link: LinkSession, channel: Channel, key: DocKey): boolean {
  if (!context.refusals.has(link.hello!.replicaId, key, 'in')) return false
  return !channel.retriesOnce(key)
}

/** WANT and ASK for what is queued, as slots allow. */
export function sendWants(context: CoreContext, link: LinkSession, channel: Channel): void {
  const max = Math.min(context.limits.wantsPerLinkMax, LIMITS.wantsPerLinkMax)
  for (let key = channel.nextWanted(max); key !== null; key = channel.nextWanted(max)) {
    const doc = context.documents.byKey(key, context.nowMs)
    // A question would show what is known here; to be asked for a document that is hidden from it tells the peer no more than that it has it.
    if (doc === undefined || !link.access.read(doc.name)) {
      channel.diffed(key)
      channel.askFor(key.slice(0, 16))
      continue
    }
    const known = doc.committed
    link.send({
      kind: 'want',
      channel: channel.number,
      doc: link.docRef(doc.key, doc.name, doc.docEpoch),
      digest: doc.digest,
      stateVector: known.stateVector(),
      buckets: known.deleteBuckets(),
    })
  }
  for (let keys = channel.nextAsked(max); keys.length > 0; keys = channel.nextAsked(max)) {
    link.send({ kind: 'ask', channel: channel.number, keys })
  }
}

/** A round whose ranges are resolved and whose documents have all arrived is over: the cursor may move again. */
export function finishRound(context: CoreContext, link: LinkSession, channel: Channel): void {
  const round = channel.round
  if (round === null || !round.done || !channel.documentsSettled || channel.receive === 'starting') return
  channel.round = null
  endEqualRefusals(context, link, channel, round)
  if (round.peerSeq !== null) channel.position = Math.max(channel.position, round.peerSeq)
  channel.advanceReceive('reconciled')
  channel.entriesSinceCursor = true
  channel.activeAtMs = context.nowMs
}

/** A document that was refused before the round, and that the round found equal, is not refused any more, whatever was said before a copy or a crash. */
function endEqualRefusals(context: CoreContext, link: LinkSession, channel: Channel, round: Round): void {
  const peer = link.hello!.replicaId
  for (const { doc: key, direction } of round.refused) {
    if (round.differing.has(key.slice(0, 16)) || !context.refusals.lift(peer, key, direction, context.commits.pending)) continue
    context.commits.pending.links.add(link.id)
    const doc = context.documents.head(key)
    if (doc === undefined) continue
    context.event({ type: 'accepted-again', doc: doc.name, peer, direction })
    // The other side may have found nothing in this round, and would go on leaving the document out of its root.
    if (direction === 'in') sendRefused(context, link, channel, doc, channel.position, '', true, '')
  }
}
