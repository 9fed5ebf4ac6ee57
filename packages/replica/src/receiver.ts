// The receive side of a channel: the peer's START, entries, offers, diffs and refusals. Everything is admitted through the gate; the cursor follows
// only what is committed, and only while nothing is outstanding. Decides on messages; reads documents and the channel. Rules: CV-1, RF-1, I3, I5, I7; holes H1, H2.

import { endsALife, isDeletion, LIMITS, rangeHolds, type Digest, type DocId, type DocKey, type MessageOf } from '@syncline/protocol'
import { admitFramed, isKnown, type Admitted } from './admission.ts'
import type { Channel } from './channel.ts'
import type { Provenance } from './commit-batch.ts'
import type { CoreContext } from './core-context.ts'
import type { DocHead, DocState } from './documents.ts'
import type { LinkSession } from './link-session.ts'
import { refusal } from './refusals.ts'

/** False: the peer broke the protocol. */
export type Handled = boolean

export function receiveStart(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'start'>): Handled {
  if (!channel.advanceReceive(`start-${message.mode}`)) return false
  if (message.mode === 'stream' && message.seq !== channel.openedCursorSeq) return false
  channel.peerNonce = message.nonce
  if (message.mode !== 'reconcile') channel.position = message.seq
  if (message.mode === 'equal') channel.entriesSinceCursor = true
  return true
}

export function receiveEntries(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'entries'>): Handled {
  if (!channel.advanceReceive('entries') || message.toSeq < channel.position) return false
  link.refusedLast = ''
  let last: DocId | null = null
  for (const row of message.rows) {
    const ref = link.resolveEpoch(row.doc)
    const origin = link.resolveOrigin(row.origin)
    if (ref === null || origin === null) return false
    const key = context.documents.keyOf(ref.doc)
    if (!rangeHolds(channel.range, key)) return false
    link.access.came?.(ref.doc, row.bytes.length, ref.doc === last ? 'more' : kindOf(ref.epoch))
    last = ref.doc
    const doc = context.documents.get(ref.doc, context.nowMs)
    const from = { source: 0, link: link.id, docEpoch: ref.epoch, origin, n: row.n }
    const result = admitFromPeer(context, link, channel, doc, row.bytes, from, message.toSeq)
    // One row that fits does not mean that the rest of a refused document does: all of it is asked for.
    if (result.kind === 'missing' || (result.kind === 'new' && context.refusals.has(link.hello!.replicaId, key, 'in')))
      wantAgain(context, link, channel, key)
  }
  reached(context, channel, message.toSeq)
  return true
}

function kindOf(docEpoch: number): 'update' | 'deletion' {
  return isDeletion(docEpoch) ? 'deletion' : 'update'
}

/** The peer's log is processed up to here, and its root is not the one it told before. */
function reached(context: CoreContext, channel: Channel, toSeq: number): void {
  channel.position = toSeq
  channel.entriesSinceCursor = true
  channel.peerRoot = null
  channel.activeAtMs = context.nowMs
}

/** A missing dependency: the document is asked for, once per link when this replica refuses part of it. */
function wantAgain(context: CoreContext, link: LinkSession, channel: Channel, key: DocKey): void {
  if (context.refusals.has(link.hello!.replicaId, key, 'in') && !channel.retriesOnce(key)) return
  channel.differs(key)
}

export function receiveAdvance(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'advance'>): Handled {
  if (!channel.advanceReceive('entries') || message.toSeq < channel.position) return false
  channel.position = message.toSeq
  if (message.nonce !== null) channel.peerNonce = message.nonce
  if (message.root !== null) channel.peerRoot = message.root
  return true
}

export function receiveOffer(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'offer'>): Handled {
  const name = link.resolveDoc(message.doc)
  if (name === null || !channel.advanceReceive('entries') || message.toSeq < channel.position) return false
  const key = context.documents.keyOf(name)
  if (!rangeHolds(channel.range, key)) return false
  reached(context, channel, message.toSeq)
  if (context.documents.digestOf(key) !== message.digest) {
    context.documents.get(name, context.nowMs)
    wantAgain(context, link, channel, key)
  }
  return true
}

export function receiveDiff(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'diff'>): Handled {
  const ref = link.resolveEpoch(message.doc)
  if (ref === null || channel.receive === 'opening') return false
  const key = context.documents.keyOf(ref.doc)
  if (!rangeHolds(channel.range, key)) return false
  const bytes = collectPart(link, `${channel.number}/${key}`, message)
  if (bytes === null) return false
  if (bytes === 'more') return true
  const framed = message.encoding === 'deflate' ? (context.options.compression?.inflate(bytes, LIMITS.updateBytesMax) ?? null) : bytes
  if (framed === null) return false
  link.documentsReceived++
  link.bytesReceived += bytes.length
  link.access.came?.(ref.doc, framed.length, kindOf(ref.epoch))
  const doc = context.documents.get(ref.doc, context.nowMs)
  const { commits } = context
  link.refusedLast = ''
  const from: Provenance = { source: 0, link: link.id, docEpoch: ref.epoch, origin: commits.origin, n: commits.n }
  const result = admitFromPeer(context, link, channel, doc, framed, from, channel.position)
  if (result.kind === 'new' || result.kind === 'known') {
    acceptAgain(context, link, channel, doc)
    noteTold(context, channel, doc, message.digest)
  }
  channel.diffed(key)
  channel.activeAtMs = context.nowMs
  const { documentsReceived, bytesReceived } = link
  context.event({
    type: 'progress',
    peer: link.hello!.replicaId,
    documents: documentsReceived,
    documentsExpected: documentsReceived + channel.outstanding,
    bytes: bytesReceived,
  })
  return true
}

/** One payload arrives after the other, so that few are ever unfinished; a chunk is 256 KiB, so that none has many. */
const UNFINISHED_MAX = 16
const PARTS_MAX = 4096

/** Chunks of one DIFF arrive in order; 'more' until the last. Null when they do not, or when what is unfinished on the link grows beyond the bound. */
export function collectPart(
  link: LinkSession,
  id: string,
  message: { readonly part: number; readonly last: boolean; readonly bytes: Uint8Array },
): Uint8Array | 'more' | null {
  if (message.part === 0 && message.last) return link.diffParts?.has(id) === true ? null : message.bytes
  const unfinishedParts = (link.diffParts ??= new Map())
  const parts = message.part === 0 ? { bytes: [], size: 0 } : unfinishedParts.get(id)
  if (parts === undefined || parts.bytes.length !== message.part || message.part >= PARTS_MAX) return null
  parts.bytes.push(message.bytes.slice())
  parts.size += message.bytes.length
  unfinishedParts.set(id, parts)
  let unfinished = 0
  for (const { size } of unfinishedParts.values()) unfinished += size
  if (unfinished > LIMITS.updateBytesMax || unfinishedParts.size > UNFINISHED_MAX) return null
  if (!message.last) return 'more'
  unfinishedParts.delete(id)
  const whole = new Uint8Array(parts.size)
  let at = 0
  for (const part of parts.bytes) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function receiveAbsent(context: CoreContext, channel: Channel, message: MessageOf<'absent'>): Handled {
  for (const key8 of message.keys) channel.absent(key8)
  channel.activeAtMs = context.nowMs
  return channel.receive !== 'opening'
}

/** Admits what a peer sent of one document; a refusal is told, recorded with the cursor, and passed over. */
function admitFromPeer(
  context: CoreContext,
  link: LinkSession,
  channel: Channel,
  doc: DocState,
  framed: Uint8Array,
  from: Provenance,
  seq: number,
): Admitted {
  const result = forbidden(link, doc, from.docEpoch, framed) ?? admitFramed(context.admission, doc, framed, from)
  const peer = link.hello!.replicaId
  const batch = context.commits.pending
  // Also what is known rests on a commit, while that is under way: if it fails, this peer has to send again, too, or its cursor would pass over what is lost.
  if (result.kind !== 'known' || doc.uncommitted > 0) batch.links.add(link.id)
  if (result.kind === 'refused') {
    // A round that is under way does not take back what is refused during it.
    channel.round?.differing.add(doc.key.slice(0, 16))
    if (context.refusals.add(refusal(peer, doc.key, 'in', result.code, result.retryable, doc.digest), doc.name, batch)) {
      link.access.refused?.(doc.name)
      context.event({ type: 'rejected', doc: doc.name, peer, direction: 'in', code: result.code, reason: result.reason })
    }
    sendRefused(context, link, channel, doc, seq, result.code, result.retryable, result.reason)
  }
  return result
}

/** Everything that the peer has of a document is here: if it was refused before, it is not any more, and the peer is told. */
function acceptAgain(context: CoreContext, link: LinkSession, channel: Channel, doc: DocState): void {
  const peer = link.hello!.replicaId
  const batch = context.commits.pending
  if (!context.refusals.lift(peer, doc.key, 'in', batch)) return
  batch.links.add(link.id)
  context.event({ type: 'accepted-again', doc: doc.name, peer, direction: 'in' })
  sendRefused(context, link, channel, doc, channel.position, '', true, '')
}

/** The peer brought a whole document: where it may not read it, its own words stand for it in what it is told. */
function noteTold(context: CoreContext, channel: Channel, { key, name }: DocHead, digest: Digest): void {
  context.commits.afterAll(() => {
    if (context.documents.digestOf(key) !== null) channel.view?.told(key, name, digest)
  })
}

/** What this identity may not do; null when it may. What is known already passes (also deletes that Yjs derived there), but not from whoever may not read it, and
 *  must not learn what is known. */
function forbidden({ access }: LinkSession, doc: DocState, docEpoch: number, framed: Uint8Array): Admitted | null {
  const { epoch } = doc.admitted
  // Who may not read the document is not told by the code in which life it is.
  const deletes = access.read(doc.name) ? endsALife(epoch, docEpoch) : docEpoch > 0
  if (deletes && access.delete?.(doc.name) === false)
    return { kind: 'refused', code: 'delete-forbidden', reason: 'this identity may not delete it', retryable: true }
  // A deletion and nothing else is the right to delete alone.
  const onlyDeletes = docEpoch > epoch && isDeletion(docEpoch) && framed.length === 0 && access.delete !== undefined
  if (onlyDeletes || access.write(doc.name) || (access.read(doc.name) && isKnown(doc, docEpoch, framed))) return null
  return { kind: 'refused', code: 'read-only', reason: 'this identity may not write here', retryable: true }
}

/** Told when it is committed, with the cursor that passes over it: a refusal that a failed commit forgets must not stay with the peer. */
export function sendRefused(
  context: CoreContext,
  link: LinkSession,
  channel: Channel,
  doc: DocHead,
  seq: number,
  code: string,
  retryable: boolean,
  reason: string,
): void {
  const told = `${channel.number} ${doc.key} ${seq} ${code}`
  if (link.refusedLast === told) return
  link.refusedLast = told
  const peer = link.hello!.replicaId
  context.commits.afterAll(() => {
    // A round that ended meanwhile may have found the document equal: then both sides have dropped the refusal.
    if (code !== '' && !context.refusals.has(peer, doc.key, 'in')) return
    const ref = link.docRef(doc.key, doc.name, doc.docEpoch)
    link.send({ kind: 'refused', channel: channel.number, doc: ref, seq, code, retryable, reason })
  })
}

/** The peer refuses one of my documents (or, with an empty code, takes it again). */
export function receiveRefused(context: CoreContext, link: LinkSession, message: MessageOf<'refused'>): Handled {
  const name: DocId | null = link.resolveDoc(message.doc)
  if (name === null) return false
  const key = context.documents.keyOf(name)
  const peer = link.hello!.replicaId
  const batch = context.commits.pending
  batch.links.add(link.id)
  if (message.code === '') {
    if (context.refusals.lift(peer, key, 'out', batch)) context.event({ type: 'accepted-again', doc: name, peer, direction: 'out' })
    return true
  }
  const digest = context.documents.digestOf(key)
  if (digest === null) return true
  // A round that is under way does not take back what is refused during it.
  for (const channel of link.channels.values()) channel.round?.differing.add(key.slice(0, 16))
  if (context.refusals.add(refusal(peer, key, 'out', message.code, message.retryable, digest), name, batch)) {
    context.event({ type: 'rejected', doc: name, peer, direction: 'out', code: message.code, reason: message.reason })
  }
  return true
}

/** When everything up to `position` is processed and nothing is outstanding, the cursor joins the pending batch; the ack leaves after its commit. */
export function advanceCursor(context: CoreContext, link: LinkSession, channel: Channel): void {
  if (!channel.settled || channel.peerNonce === null || !link.live) return
  if (channel.position === channel.cursorSeq && channel.peerNonce === channel.cursorNonce) return
  if (context.buggify('ack-late')) return context.work.wake(link)
  const batch = context.commits.pending
  const peer = link.hello!.replicaId
  const seq = channel.position
  channel.cursorName ??= `${peer}${channel.text}`
  batch.cursors.set(channel.cursorName, { peer, scope: channel.text, nonce: channel.peerNonce, seq })
  batch.links.add(link.id)
  const { entriesSinceCursor } = channel
  batch.urgent ||= entriesSinceCursor
  channel.entriesSinceCursor = false
  channel.cursorSeq = seq
  channel.cursorNonce = channel.peerNonce
  const acknowledge = (): void => {
    // The peer forgets the root that it knows of here when this acknowledges entries: it is told again, changed or not.
    if (entriesSinceCursor) channel.rootSent = null
    link.send({ kind: 'ack', channel: channel.number, seq })
  }
  batch.onCommitted.push(acknowledge)
}
