// The life of links: HELLO, versions, who may stay when two links lead to one replica, opening scopes, pings and silence. Decides per link; the messages of a live
// link go to receiver.ts and server.ts. Rules: LK-1 to LK-4, IN-1; DESIGN.md 3 (identity, duplicate and double links).

import {
  encodeMessage,
  errorTable,
  FEATURE_DEFLATE,
  highestShared,
  LIMITS,
  parseScope,
  PROTOCOL_VERSION,
  scopeIntersection,
  scopeRange,
  scopeText,
  type DocId,
  type DocKey,
  type ErrorCode,
  type KeyRange,
  type MessageOf,
  type Scope,
} from '@syncline/protocol'
import { Channel } from './channel.ts'
import { channelSummary, dropView, renewView } from './channel-root.ts'
import type { CoreContext } from './core-context.ts'
import type { LinkSession } from './link-session.ts'
import { startServing } from './server.ts'

/** How long a link to which nothing happens is left alone: what time alone brings comes so much later at most. */
const REST_MS = 1_000

/** What an engine says on every link where it shows no token. */
const helloWithoutToken = new WeakMap<CoreContext, Uint8Array>()

export function sayHello(context: CoreContext, link: LinkSession): void {
  if (link.auth.length > 0) return link.send(helloOf(context, link.auth))
  let hello = helloWithoutToken.get(context)
  if (hello === undefined) helloWithoutToken.set(context, (hello = encodeMessage(helloOf(context, link.auth))))
  link.sendEncoded(hello)
}

function helloOf({ options, limits, firstNonce }: CoreContext, auth: Uint8Array): MessageOf<'hello'> {
  return {
    kind: 'hello',
    versionMin: PROTOCOL_VERSION,
    versionMax: PROTOCOL_VERSION,
    features: options.compression === undefined ? 0 : FEATURE_DEFLATE,
    space: options.space,
    replicaId: options.replicaId,
    nonce: firstNonce,
    role: options.role,
    durability: options.durability,
    window: limits.windowBytes,
    auth,
  }
}

/** What to do with a HELLO: a code ends the link, 'contend' waits for the older link, null accepts. */
export function judgeHello(context: CoreContext, link: LinkSession, hello: MessageOf<'hello'>): ErrorCode | 'contend' | null {
  const { options } = context
  if (highestShared(hello, { versionMin: PROTOCOL_VERSION, versionMax: PROTOCOL_VERSION }) === null) return 'protocol-mismatch'
  if (hello.auth.length > LIMITS.authBytesMax) return 'message-malformed'
  if (hello.space !== options.space) return 'space-unknown'
  if (hello.replicaId === options.replicaId) return 'self-link'
  const others = context.linksOf.get(hello.replicaId) ?? []
  const contender = others.find((other) => other.state === 'contending')
  const older = others.find((other) => other !== contender)
  if (contender !== undefined) {
    // One contender at a time, or two would win against the same dead link. The same process may dial again meanwhile.
    const verdict = contender.hello?.nonce === hello.nonce ? judgeDouble(context, link, contender, hello) : 'duplicate-replica'
    return verdict ?? (older === undefined ? null : 'contend')
  }
  if (older === undefined) return null
  return older.hello?.nonce === hello.nonce ? judgeDouble(context, link, older, hello) : 'contend'
}

/** Two links to the same running replica. Dialled from both ends: the one dialled by the lower id stays. Dialled twice from one end: the newer replaces. */
function judgeDouble(context: CoreContext, link: LinkSession, older: LinkSession, hello: MessageOf<'hello'>): ErrorCode | null {
  const lowerIsMe = context.options.replicaId < hello.replicaId
  const newStays = link.dialled === older.dialled || link.dialled === lowerIsMe
  if (!newStays) return 'link-replaced'
  context.endLink(older, 'link-replaced', 'a newer link to the same replica took over')
  return null
}

/** HELLO accepted: answer it when the peer dialled, and open the scopes that this replica subscribes to, unless the peer has to say first which of them it wants. */
export function goLive(context: CoreContext, link: LinkSession, interests: readonly Scope[]): void {
  const hello = link.hello!
  context.work.wake(link)
  if (!link.dialled) sayHello(context, link)
  context.event({ type: 'link-live', link: link.id, peer: hello.replicaId, role: hello.role, durability: hello.durability })
  for (const scope of interests) if (opensFirst(link, scope)) openScope(context, link, scope)
}

/** Where the peer may not read all of a scope, a view of it has to be built: whoever dialled says first what it wants, which may be one document of a large space. */
function opensFirst({ dialled, access }: LinkSession, scope: Scope): boolean {
  return dialled || access.readsAll?.(scope) === true
}

/** Opens a scope from this side, when it can be told; it becomes a channel when the peer opens it too. */
export function openScope(context: CoreContext, link: LinkSession, scope: Scope): Channel {
  const text = scopeText(scope)
  const existing = link.channels.get(text)
  if (existing !== undefined) return existing
  const channel = new Channel(scope, rangeOf(context, scope), link.nextChannelNumber(), context.nowMs)
  link.channels.set(text, channel)
  const stored = context.reader.cursor(link.hello!.replicaId, text)
  if (stored !== undefined) {
    channel.cursorSeq = stored.seq
    channel.cursorNonce = stored.nonce
    channel.openedCursorSeq = stored.seq
  }
  renewView(context, link, channel, stored === undefined)
  if (channel.ready) sendOpen(context, link, channel)
  return channel
}

/** The key of a document is remembered: many open the same. */
function rangeOf({ documents, options }: CoreContext, scope: Scope): KeyRange {
  if (scope.kind !== 'document') return scopeRange(options.space, scope)
  const key = documents.keyOf(scope.doc)
  return { first: key, last: key }
}

export function sendOpen(context: CoreContext, link: LinkSession, channel: Channel): void {
  const { root, documents } = channelSummary(context, link, channel)
  const { cursorSeq: seq, cursorNonce: nonce } = channel
  channel.opened = true
  channel.rootSent = root
  const cursor = nonce === null ? null : { nonce, seq }
  link.send({ kind: 'open', channel: channel.number, scope: channel.text, root, documents, head: context.commits.head, cursor })
}

/** The peer opens a scope: it pairs with mine, or I open what both of us subscribe to. */
export function receiveOpen(context: CoreContext, link: LinkSession, interests: readonly Scope[], message: MessageOf<'open'>): boolean {
  if (parseScope(message.scope) === null || link.scopesOpened >= LIMITS.scopesPerLinkMax) return false
  if (link.byPeerNumber.has(message.channel) || link.unpaired?.has(message.channel) === true) return false
  const paired = pairOpen(context, link, interests, message)
  if (paired === 'later') (link.unpaired ??= new Map()).set(message.channel, message)
  return paired !== 'twice'
}

/** What I subscribe to now may meet what the peer opened before. False: the peer opened one scope twice. */
export function pairOpens(context: CoreContext, link: LinkSession, interests: readonly Scope[]): boolean {
  if (link.unpaired === null) return true
  return [...link.unpaired.values()].every((message) => pairOpen(context, link, interests, message) !== 'twice')
}

/** 'later': this replica does not subscribe to the scope, or cannot tell it yet. */
function pairOpen(
  context: CoreContext,
  link: LinkSession,
  interests: readonly Scope[],
  message: MessageOf<'open'>,
): 'now' | 'later' | 'twice' {
  const scope = parseScope(message.scope)!
  for (const interest of interests) {
    const shared = scopeIntersection(interest, scope)
    if (shared !== null) openScope(context, link, shared)
  }
  const channel = link.channels.get(message.scope)
  if (channel === undefined || !channel.opened || !channel.ready) return 'later'
  if (channel.peerOpen !== null) return 'twice'
  link.unpaired?.delete(message.channel)
  link.byPeerNumber.set(message.channel, channel)
  channel.peerOpen = message
  channel.peerRoot = message.root
  startServing(context, link, channel)
  retryRefused(context, link, channel)
  return 'now'
}

/** Rights and limits may have changed: what might be taken now is asked for, once. */
export function retryRefused(context: CoreContext, link: LinkSession, channel: Channel): void {
  for (const key of context.refusals.worthRetrying(link.hello!.replicaId, channel.range)) {
    const name = context.refusals.nameOf(key) ?? readableName(context, link, key)
    if (name !== null && !link.access.write(name)) continue
    channel.retriesOnce(key)
    channel.differs(key)
  }
}

/** What is hidden from the peer counts as absent: whether it is asked for again must not tell that it exists. */
function readableName(context: CoreContext, link: LinkSession, key: DocKey): DocId | null {
  const name = context.documents.head(key)?.name ?? null
  return name !== null && link.access.read(name) ? name : null
}

export function receiveShut(context: CoreContext, link: LinkSession, channel: Channel): void {
  dropView(context, channel)
  context.served.remove(channel)
  link.channels.delete(channel.text)
  for (const [number, other] of link.byPeerNumber) {
    if (other !== channel) continue
    link.byPeerNumber.delete(number)
    link.shutNumbers ??= new Set()
    link.shutNumbers.add(number)
  }
}

/** Deadlines, pings and contests of one link. */
export function tendLink(context: CoreContext, link: LinkSession): void {
  const { nowMs } = context
  if (link.state === 'greeting' && nowMs - link.openedAtMs > LIMITS.helloDeadlineMs)
    return context.endLink(link, 'hello-timeout', `no HELLO in ${LIMITS.helloDeadlineMs} ms`)
  // Who takes what is sent is alive, even where a long download keeps this side from reading.
  const unsent = link.buffered()
  if (unsent < link.unsentBefore) link.heardAtMs = nowMs
  link.unsentBefore = unsent
  if (nowMs - link.heardAtMs > LIMITS.silentCloseMs)
    return context.endLink(link, 'link-silent', `nothing heard for ${LIMITS.silentCloseMs} ms`)
  const silentMs = nowMs - Math.max(link.heardAtMs, link.pingedAtMs)
  if (link.live && silentMs > LIMITS.pingAfterMs) ping(link, nowMs)
  if (link.contest !== null) context.decideContest(link)
}

export function ping(link: LinkSession, nowMs: number): void {
  link.pingedAtMs = nowMs
  link.send({ kind: 'ping', token: Math.floor(nowMs) })
}

/** Until when the link can be left alone, if nothing happens to it. */
export function restsUntilMs(link: LinkSession, nowMs: number): number {
  if (!link.live || link.dialled || link.contest !== null || link.unsentBefore > 0) return -Infinity
  for (const channel of link.channels.values()) if (channel.hasWork) return -Infinity
  return nowMs + REST_MS
}

/** The close code and words of an ERROR from the peer. */
export function closesFor(code: string): ErrorCode {
  return code in errorTable ? (code as ErrorCode) : 'message-unexpected'
}
