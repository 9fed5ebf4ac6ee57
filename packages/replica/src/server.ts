// The serve side of a channel: judging the peer's cursor, pumping the log, and answering WANT and ASK. Live traffic and catch-up are the same code; there
// is no per-peer queue: a slow link is left alone and resumes from the log. Reads committed state only. Rules: CV-2, RS-1, I5, I8; PROTOCOL 3 and 10.

import {
  FEATURE_DEFLATE,
  frameUpdates,
  LIMITS,
  rangeHolds,
  type Cursor,
  type Digest,
  type DocKey,
  type EntryRow,
  type MessageOf,
  type StartMode,
} from '@syncline/protocol'
import type { LogRow } from '@syncline/store'
import type { Channel } from './channel.ts'
import { awaitsTree, channelSummary } from './channel-root.ts'
import type { CoreContext } from './core-context.ts'
import { diffOf } from './document-diff.ts'
import type { DocHead, DocState } from './documents.ts'
import { joinRows, type JoinableRow } from './joined-rows.ts'
import type { LinkSession } from './link-session.ts'
import type { RecentRow } from './recent-rows.ts'
import type { RowRun } from './row-run.ts'

const PUMP_ROWS_MAX = 1024
/** What a link missed is joined from this many rows on, or from this many bytes: below it there is little to gain. */
const JOINED_ROWS_MIN = 64
const JOINED_BYTES_MIN = 8 * 1024
/** To read a row costs about as much time as this many of its bytes. */
const ROW_COST_BYTES = 64
/** A snapshot up to this size is sent in place of its marker; a larger one is offered. */
const INLINE_SNAPSHOT_BYTES = 4096
const DEFLATE_FROM_BYTES = 4096
const OWED_MAX = 4096
/** What one flush looks up, and answers from how many stored bytes: a peer that asks without end gets its answers between those of others. */
const LOOKUPS_PER_FLUSH = 256
const ANSWERS_PER_FLUSH = 256
/** Of simulations. */
const SMALL_CHUNK_BYTES = 64
const SMALL_CHUNKS_MAX = 100
/** What one link may produce in one flush. */
const FLUSH_BYTES = LIMITS.nativeFrameBytesMax

/** Both sides opened the scope: how do I serve it? Sends START. */
export function startServing(context: CoreContext, link: LinkSession, channel: Channel): void {
  const open = channel.peerOpen!
  channel.advanceReceive('paired')
  channel.advanceServe('paired')
  const { commits } = context
  forgetRefusalsOf(context, link, channel)
  const cursorOk = open.cursor !== null && judgeCursor(context, link, open.cursor) && !context.buggify('reconcile-anyway')
  // Roots leave out what this side refused, and the peer may lack what this side has of it: then equal roots prove nothing to the peer.
  const comparable = !context.refusals.anyFrom(link.hello!.replicaId, channel.range)
  const equal = comparable && open.root === channelSummary(context, link, channel).root
  const mode: StartMode = equal ? 'equal' : cursorOk ? 'stream' : 'reconcile'
  const seq = mode === 'stream' ? open.cursor!.seq : commits.head
  channel.sendFrom(hasRowsAfter(context, channel, seq) ? seq : commits.head, commits.head)
  context.served.add(link, channel)
  channel.announced = seq
  channel.nonceSent = commits.nonce
  channel.announcedAtMs = context.nowMs
  if (cursorOk) noteAck(context, link, channel, open.cursor.seq)
  const start = { kind: 'start', channel: channel.number, mode, nonce: commits.nonce, seq } as const
  if (mode === 'reconcile') channel.reconcileWhy = 'no-cursor'
  if (mode === 'reconcile' && awaitsTree(context, link, channel)) channel.startHeld = start
  else link.send(start)
}

/** Whether the log may hold anything of the scope after a position. Of a single document that is known: whoever comes back to it need not go through what others wrote. */
function hasRowsAfter({ documents, reader }: CoreContext, { scope, range }: Channel, seq: number): boolean {
  if (scope.kind !== 'document') return true
  const doc = documents.loaded(range.first) ?? reader.doc(range.first)
  return doc !== undefined && doc.lastSeq > seq
}

/** What the peer refused, it stored with the cursor that passed over it. A peer whose cursor is gone, or stands before what it has acknowledged, was put back or lost its
 *  cursors: it may have forgotten the refusal, and would then miss the document for ever, for roots leave out what is refused. It decides anew. */
function forgetRefusalsOf(context: CoreContext, link: LinkSession, channel: Channel): void {
  const peer = link.hello!.replicaId
  const told = context.refusals.with(peer, channel.range).filter(({ direction }) => direction === 'out')
  if (told.length === 0) return
  const stored = context.reader.acks().find((ack) => ack.peer === peer && ack.scope === channel.text)?.seq ?? 0
  const acked = Math.max(stored, context.acks.newest({ peer, scope: channel.text }) ?? 0)
  const cursor = channel.peerOpen!.cursor
  if (cursor !== null && cursor.seq >= acked) return
  for (const { doc: key } of told) {
    const doc = context.documents.byKey(key, context.nowMs)
    if (doc !== undefined) decideAnew(context, link, doc)
  }
}

/** A cursor is good while its epoch is known and reaches that far. One that reaches further proves that I lost a tail which the peer has. */
function judgeCursor(context: CoreContext, link: LinkSession, cursor: Cursor): boolean {
  const { commits } = context
  const epoch = context.reader.epoch(cursor.nonce)
  if (epoch === undefined) return false
  const end = epoch.endSeq ?? commits.head
  if (cursor.seq <= Math.min(end, commits.head)) return true
  context.rolledBack(link, cursor, epoch.endSeq === null)
  return false
}

export function noteAck(context: CoreContext, link: LinkSession, channel: Channel, seq: number): void {
  const { replicaId: peer, durability } = link.hello!
  channel.acknowledged(seq)
  context.acks.note(channel, { peer, scope: channel.text, seq: channel.acked, durability }, context.nowMs)
  context.event({ type: 'acked', peer, scope: channel.text, seq: channel.acked, durability })
}

export function receiveAck(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'ack'>): boolean {
  if (!channel.advanceServe('ack') || message.seq > channel.announced) return false
  noteAck(context, link, channel, message.seq)
  return true
}

export function receiveWant(context: CoreContext, link: LinkSession, channel: Channel, message: MessageOf<'want'>): boolean {
  const asked = link.resolveEpoch(message.doc)
  if (asked === null || !channel.advanceServe('want') || channel.owed.length + channel.owedKeys.length >= OWED_MAX) return false
  const key = context.documents.keyOf(asked.doc)
  if (!rangeHolds(channel.range, key)) return false
  channel.owed.push({ key, docEpoch: asked.epoch, stateVector: message.stateVector, buckets: message.buckets })
  return true
}

export function receiveAsk(channel: Channel, message: MessageOf<'ask'>): boolean {
  if (!channel.advanceServe('want') || channel.owed.length + channel.owedKeys.length + message.keys.length > OWED_MAX) return false
  channel.owedKeys.push(...message.keys)
  return true
}

/** Finds the documents behind some of the keys that the peer asked for. */
function lookUpAsked(context: CoreContext, link: LinkSession, channel: Channel): void {
  const absent: string[] = []
  for (const key8 of channel.owedKeys.splice(0, LOOKUPS_PER_FLUSH)) {
    const range = { first: (key8 + '0'.repeat(16)) as DocKey, last: (key8 + 'f'.repeat(16)) as DocKey }
    const docs = context.reader
      .docs(range, 16)
      .filter((doc) => rangeHolds(channel.range, doc.key) && link.access.read(doc.name) && !doc.quarantined)
    if (docs.length === 0) absent.push(key8)
    for (const doc of docs) channel.owed.push({ key: doc.key, docEpoch: 0, stateVector: null, buckets: [] })
  }
  if (absent.length > 0) link.send({ kind: 'absent', channel: channel.number, keys: absent })
}

/** Answers owed diffs while the link takes more, as much as one flush may cost. True when some are left. */
export function serveOwed(context: CoreContext, link: LinkSession, channel: Channel): boolean {
  if (channel.owedKeys.length > 0) lookUpAsked(context, link, channel)
  let bytesRead = 0
  for (let answers = 0; channel.owed.length > 0; answers++) {
    if (link.queuedBytes() >= FLUSH_BYTES || bytesRead >= FLUSH_BYTES || answers >= ANSWERS_PER_FLUSH) return true
    const owed = channel.owed.shift()!
    const doc = context.documents.byKey(owed.key, context.nowMs)
    if (doc === undefined || !link.access.read(doc.name)) {
      // The peer wants what is not here, or not for it: two documents hid behind one key8, or it has what it may not read. Either way it may bring its own.
      channel.askFor(owed.key.slice(0, 16))
      link.send({ kind: 'absent', channel: channel.number, keys: [owed.key.slice(0, 16)] })
      continue
    }
    bytesRead += doc.bytes
    decideAnew(context, link, doc)
    const bytes = doc.quarantined ? new Uint8Array(0) : diffOf(context, doc, owed)
    const { encoding, bytes: payload } = pack(context, link, bytes)
    const small = payload.length <= SMALL_CHUNKS_MAX * SMALL_CHUNK_BYTES && context.buggify('small-chunks')
    const chunkBytes = small ? SMALL_CHUNK_BYTES : LIMITS.diffChunkBytes
    for (let part = 0, at = 0; part === 0 || at < payload.length; part++, at += chunkBytes) {
      const chunk = payload.subarray(at, at + chunkBytes)
      const last = at + chunkBytes >= payload.length
      const ref = link.docRef(doc.key, doc.name, doc.quarantined ? 0 : doc.docEpoch)
      link.send({ kind: 'diff', channel: channel.number, doc: ref, part, last, encoding, digest: doc.digest, bytes: chunk })
    }
    channel.activeAtMs = context.nowMs
  }
  return channel.owedKeys.length > 0
}

/** The peer asks for a document that it refused once: it decides anew, and says so if it refuses again. */
function decideAnew(context: CoreContext, link: LinkSession, doc: DocState): void {
  const peer = link.hello!.replicaId
  if (!context.refusals.lift(peer, doc.key, 'out', context.commits.pending)) return
  context.event({ type: 'accepted-again', doc: doc.name, peer, direction: 'out' })
}

/** Large payloads are deflated once, for peers that said they can inflate. */
export function pack(context: CoreContext, link: LinkSession, bytes: Uint8Array): { encoding: 'plain' | 'deflate'; bytes: Uint8Array } {
  const inflates = (link.hello!.features & FEATURE_DEFLATE) !== 0
  if (bytes.length < DEFLATE_FROM_BYTES || context.options.compression === undefined || !inflates) return { encoding: 'plain', bytes }
  const deflated = context.options.compression.deflate(bytes)
  return deflated.length < bytes.length ? { encoding: 'deflate', bytes: deflated } : { encoding: 'plain', bytes }
}

/** Sends log rows from where the peer stands. True when there is more to send at once. */
export function pump(context: CoreContext, link: LinkSession, channel: Channel): boolean {
  if (channel.serve !== 'serving' || !link.live || !channel.behind) return false
  const { commits, limits } = context
  // Compaction began a new epoch: the peer hears of it before the rows that belong to it, or its cursor would vouch for them under the old nonce, beyond
  // that epoch's end.
  if (channel.nonceSent !== commits.nonce) sendAdvance(context, link, channel, null)
  while (channel.sent < commits.head) {
    const full = channel.unackedBytes >= limits.windowBytes || link.buffered() >= LIMITS.socketBufferBytesMax
    if (full || link.queuedBytes() >= FLUSH_BYTES) {
      // What waits is in the log, and not here.
      channel.fresh = null
      return !full
    }
    if (channel.fresh !== null && sendRun(context, link, channel, channel.fresh)) break
    // What is missed is looked at by turns.
    if (channel.fresh === null && context.missedBytesLeft <= 0) return true
    const part = collectRows(context, link, channel)
    channel.sent = part.toSeq
    if (part.rows.length > 0) sendRows(context, link, channel, part)
    if (part.offer !== null) {
      channel.sent = part.offer.seq
      link.send(offerOf(link, channel, part.offer.head, part.offer.seq))
      told(context, channel, part.offer.seq)
    }
    channel.fresh = null
  }
  channel.fresh = null
  channel.behind = false
  return false
}

function told(context: CoreContext, channel: Channel, toSeq: number): void {
  channel.announced = toSeq
  channel.rootSent = null
  channel.activeAtMs = context.nowMs
}

/** Rows that other links are sent alike, from their bytes, all of them: what nearly all traffic is. False: they have to be looked at one by one. */
function sendRun(context: CoreContext, link: LinkSession, channel: Channel, run: RowRun): boolean {
  const { limits, commits, documents, origins, buggify } = context
  if (run.doc === null || run.rows.length > PUMP_ROWS_MAX || run.bytes > limits.frameTargetBytes) return false
  const doc = documents.head(run.doc)
  if (doc === undefined || doc.quarantined || run.docEpoch !== doc.docEpoch || !link.access.read(doc.name)) return false
  const alias = link.knownAlias(run.doc, doc.docEpoch)
  if (alias === null || !link.knowsOrigins(run.originsIn(origins), run.cameBy(link.id))) return false
  if (buggify('read-the-log') || buggify('offer-rows') || buggify('one-row-frames')) return false
  const bytes = run.entriesFor(link.id, alias, { channel: channel.number, toSeq: commits.head }, origins)
  link.sendEncoded(bytes)
  channel.sentEntries(commits.head, bytes.length)
  told(context, channel, commits.head)
  return true
}

/** A row as it is sent, with what its document is. */
interface SentRow extends JoinableRow {
  readonly head: DocHead
}

interface Part {
  toSeq: number
  rows: SentRow[]
  bytes: number
  /** Of the row looked at last. */
  doc: DocHead | undefined
  /** The row after toSeq, in whose stead its document is offered. */
  offer: { readonly head: DocHead; readonly seq: number } | null
}

/** Numbers are introduced in the order in which they are sent. */
function sendRows(context: CoreContext, link: LinkSession, channel: Channel, part: Part): void {
  const many = part.rows.length >= JOINED_ROWS_MIN || part.bytes >= JOINED_BYTES_MIN
  const joins = channel.fresh === null && (many || context.buggify('join-rows'))
  const rows = (joins ? joinRows(part.rows) : part.rows).map(({ head, docEpoch, origin, n, data }): EntryRow => {
    return { doc: link.docRef(head.key, head.name, docEpoch), origin: link.originRef(origin), n, kind: 'updates', bytes: data }
  })
  link.send({ kind: 'entries', channel: channel.number, toSeq: part.toSeq, rows })
  const bytes = rows.reduce((sum, row) => sum + row.bytes.length, 0)
  channel.sentEntries(part.toSeq, bytes)
  told(context, channel, part.toSeq)
}

function collectRows(context: CoreContext, link: LinkSession, channel: Channel): Part {
  const part: Part = { toSeq: channel.sent, rows: [], bytes: 0, doc: undefined, offer: null }
  const isMissed = channel.fresh === null
  const { rows, toHead } = rowsFor(context, channel)
  for (const row of rows) {
    if (part.rows.length > 0 && (part.bytes + row.data.length > context.limits.frameTargetBytes || part.rows.length >= PUMP_ROWS_MAX))
      return part
    if (isMissed) context.missedBytesLeft -= row.data.length + ROW_COST_BYTES
    if (row.link !== link.id && rangeHolds(channel.range, row.doc)) {
      if (!takeRow(context, link, row, part)) {
        part.offer = { head: part.doc!, seq: row.seq }
        return part
      }
    }
    part.toSeq = row.seq
    if (part.rows.length > 0 && context.buggify('one-row-frames')) return part
  }
  if (toHead) {
    part.toSeq = context.commits.head
    return part
  }
  // Rows that compaction removed leave holes: a scan that came to the end covers everything up to the head.
  if (part.rows.length < PUMP_ROWS_MAX && reachedHead(context, part.toSeq)) part.toSeq = context.commits.head
  return part
}

function reachedHead(context: CoreContext, seq: number): boolean {
  const { commits, reader } = context
  if (commits.recent.covers(seq)) return commits.recent.at(commits.recent.indexAfter(seq)) === undefined
  const next = reader.log(seq, 1, 1)[0]
  return next === undefined || next.seq > commits.head
}

/** Rows after what was sent, up to the engine's head: the store may have landed a commit that the engine has not settled yet. `toHead`: whatever is not
 *  among them and not after them is not for the channel. */
function rowsFor(context: CoreContext, { fresh, sent }: Channel): { rows: Iterable<RecentRow>; toHead: boolean } {
  const { head, recent } = context.commits
  if ((fresh !== null || recent.covers(sent)) && !context.buggify('read-the-log'))
    return { rows: fresh?.rows ?? recent.after(sent), toHead: true }
  const rows = context.reader.log(sent, PUMP_ROWS_MAX, context.limits.frameTargetBytes)
  return { rows: rows.filter((row) => row.seq <= head).map((row: LogRow) => ({ ...row, link: 0 })), toHead: false }
}

/** Puts one row into the part, where it is for the link. False: its document is to be offered instead. */
function takeRow(context: CoreContext, link: LinkSession, row: RecentRow, part: Part): boolean {
  // Rows of one document often follow one another.
  if (part.doc?.key !== row.doc) part.doc = context.documents.head(row.doc)
  const { doc } = part
  if (doc === undefined || doc.quarantined || row.docEpoch < doc.docEpoch || !link.access.read(doc.name)) return true
  let data = row.data
  if (row.kind === 'snapshot') {
    const inline = inlineSnapshot(context, row)
    if (inline === null) return false
    data = inline
  } else if (data.length > context.limits.frameTargetBytes || context.buggify('offer-rows')) {
    return false
  }
  const { docEpoch, origin, n } = row
  part.rows.push({ doc: row.doc, docEpoch, origin, n, data, head: doc })
  part.bytes += data.length
  return true
}

function offerOf(link: LinkSession, channel: Channel, doc: DocHead, toSeq: number): MessageOf<'offer'> {
  return {
    kind: 'offer',
    channel: channel.number,
    toSeq,
    doc: link.docRef(doc.key, doc.name, doc.docEpoch),
    digest: doc.digest,
    size: doc.bytes,
  }
}

/** Small snapshots travel in place of their marker, framed like any row. */
function inlineSnapshot(context: CoreContext, row: LogRow): Uint8Array | null {
  const size = context.reader.doc(row.doc)?.snapshotBytes ?? 0
  if (size === 0 || size > INLINE_SNAPSHOT_BYTES) return null
  const snapshot = context.reader.snapshot(row.doc) ?? null
  return snapshot === null || snapshot.seq !== row.seq ? null : frameUpdates([snapshot.update])
}

/** What an announcement is for: rows that were not for the peer and a new epoch; the root, after a pause. */
interface Announcement {
  readonly tellsPosition: boolean
  readonly tellsRoot: boolean
}

/** Tells the peer what entries did not, if there is any news of that. */
export function announce(context: CoreContext, link: LinkSession, channel: Channel, { tellsPosition, tellsRoot }: Announcement): void {
  if (channel.serve !== 'serving' || channel.startHeld !== null || !link.live) return
  const { commits } = context
  const root = tellsRoot && channel.ready && !channel.behind ? channelSummary(context, link, channel).root : null
  const moved = channel.announced < channel.sentUpTo(commits.head) || channel.nonceSent !== commits.nonce
  if (!(tellsPosition && moved) && (root === null || root === channel.rootSent)) return
  sendAdvance(context, link, channel, root)
  channel.announcedAtMs = context.nowMs
  if (root !== null) channel.rootSent = root
}

function sendAdvance(context: CoreContext, link: LinkSession, channel: Channel, root: Digest | null): void {
  const { nonce, head } = context.commits
  const toSeq = channel.sentUpTo(head)
  link.send({ kind: 'advance', channel: channel.number, toSeq, nonce: channel.nonceSent === nonce ? null : nonce, root })
  channel.announced = toSeq
  channel.nonceSent = nonce
}
