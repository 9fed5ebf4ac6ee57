// All links of a replica: opening, closing, and giving each message to the part that decides on it. The only place that reads frames. A frame that no correct encoder sends, or
// that does not fit the state, ends its link; a document's trouble never does. Rules: IN-1, LK-1.

import {
  decodeFrame,
  LIMITS,
  scopeIntersection,
  scopeText,
  type ErrorCode,
  type Message,
  type MessageOf,
  type Scope,
} from '@syncline/protocol'
import type { Channel } from './channel.ts'
import { dropView, renewView, treeToBuild } from './channel-root.ts'
import type { CoreContext } from './core-context.ts'
import type { Effect, LinkId } from './effects.ts'
import {
  closesFor,
  goLive,
  judgeHello,
  openScope,
  pairOpens,
  receiveOpen,
  receiveShut,
  retryRefused,
  sayHello,
  sendOpen,
} from './link-keeper.ts'
import { LinkSession, NO_AUTH, type LinkOptions } from './link-session.ts'
import type { PresenceHub } from './presence-hub.ts'
import {
  advanceCursor,
  receiveAbsent,
  receiveAdvance,
  receiveDiff,
  receiveEntries,
  receiveOffer,
  receiveRefused,
  receiveStart,
} from './receiver.ts'
import { finishRound, receiveRecon, sendWants, startRound } from './reconciler.ts'
import { pump, receiveAck, receiveAsk, receiveWant, serveOwed } from './server.ts'
import type { Verifier } from './verifier.ts'

const DEFERRED_FRAMES_MAX = 16
/** A few milliseconds of reading, and a decision each. Where neither is needed it is more documents in the same time. */
const TREE_DOCS_PER_FLUSH = 512
/** A few milliseconds of reading and joining. */
const MISSED_BYTES_PER_FLUSH = 512 * 1024
/** Kinds that a failed store cannot take. */
const WRITING = new Set<Message['kind']>(['entries', 'diff', 'offer'])

export interface DeskParts {
  readonly presence: PresenceHub
  readonly verifier: Verifier
  /** Handles "doc-quarantined"; throws anything else on. */
  damaged(error: unknown): void
}

export class LinkDesk {
  readonly #context: CoreContext
  readonly #parts: DeskParts
  #interests: Scope[]
  readonly #newlySynced: Channel[] = []
  /** Of simulations: until all trees are built. */
  #treesInBits = false
  #ending: { readonly link: LinkSession; readonly code: ErrorCode; readonly reason: string }[] = []

  constructor(context: CoreContext, parts: DeskParts) {
    this.#context = context
    this.#parts = parts
    this.#interests = [...(context.options.interests ?? [{ kind: 'space' }])]
  }

  opened(id: LinkId, how: LinkOptions): void {
    const { nowMs, links } = this.#context
    const link = new LinkSession(id, how, nowMs, this.#context)
    links.set(id, link)
    if (how.dialled) sayHello(this.#context, link)
  }

  closed(id: LinkId): void {
    const link = this.#context.links.get(id)
    if (link === undefined) return
    link.advance('ended')
    this.#forget(link, 'lost')
  }

  #forget(link: LinkSession, code: ErrorCode | 'lost'): void {
    const { links, work, served } = this.#context
    links.delete(link.id)
    work.forget(link)
    this.#forgetHello(link)
    for (const channel of link.channels.values()) {
      dropView(this.#context, channel)
      served.remove(channel)
    }
    this.#parts.presence.linkEnded(link)
    this.#context.event({ type: 'link-ended', link: link.id, peer: link.hello?.replicaId ?? null, code })
  }

  #noteHello(link: LinkSession, hello: MessageOf<'hello'>): void {
    const { linksOf } = this.#context
    // The token is of no further use, and would keep the frame that it came in.
    link.hello = { ...hello, auth: NO_AUTH }
    const others = linksOf.get(hello.replicaId)
    linksOf.set(hello.replicaId, others === undefined ? [link] : [...others, link])
  }

  #forgetHello(link: LinkSession): void {
    if (link.hello === null) return
    const { linksOf } = this.#context
    const others = (linksOf.get(link.hello.replicaId) ?? []).filter((other) => other !== link)
    if (others.length === 0) linksOf.delete(link.hello.replicaId)
    else linksOf.set(link.hello.replicaId, others)
  }

  end(link: LinkSession, code: ErrorCode, reason: string): void {
    if (link.state === 'closed') return
    link.send({ kind: 'error', code, reason: reason.slice(0, 200) })
    link.advance('ended')
    this.#ending.push({ link, code, reason })
    this.#forget(link, code)
  }

  endAll(code: ErrorCode, reason: string): void {
    for (const link of [...this.#context.links.values()]) this.end(link, code, reason)
  }

  /** Rows that were passed over may be wanted now, and documents that were refused may be taken: a round finds the ones, a question brings the others. */
  accessChanged(id: LinkId): void {
    const link = this.#context.links.get(id)
    if (link === undefined || !link.live) return
    this.#context.work.wake(link)
    this.#parts.presence.accessChanged(link)
    for (const channel of link.channels.values()) {
      renewView(this.#context, link, channel)
      channel.rootSent = null
      // Nothing has to be built any more, and something waited for it.
      const waits = !channel.opened || channel.waiting.length > 0 || channel.startHeld !== null
      if (channel.ready && waits) this.guard(() => this.#treeReady(link, channel))
      if (channel.peerOpen === null) continue
      channel.reconcileWhy ??= 'roots-differ'
      channel.mayRetryAll()
      retryRefused(this.#context, link, channel)
    }
  }

  renewToken(id: LinkId, auth: Uint8Array): void {
    const link = this.#context.links.get(id)
    if (link?.live === true && link.dialled) link.send({ kind: 'renew', auth })
  }

  subscribe(scope: Scope): void {
    if (this.#interests.some((interest) => scopeText(interest) === scopeText(scope))) return
    this.#interests.push(scope)
    for (const link of this.#context.links.values()) {
      if (!link.live) continue
      this.#context.work.wake(link)
      openScope(this.#context, link, scope)
      if (!pairOpens(this.#context, link, this.#interests)) this.end(link, 'message-unexpected', 'a scope was opened twice')
    }
  }

  unsubscribe(scope: Scope): void {
    const text = scopeText(scope)
    this.#interests = this.#interests.filter((interest) => scopeText(interest) !== text)
    for (const link of this.#context.links.values()) {
      for (const channel of [...link.channels.values()]) {
        if (this.#subscribes(channel)) continue
        if (channel.opened) link.send({ kind: 'shut', channel: channel.number })
        receiveShut(this.#context, link, channel)
      }
    }
  }

  #subscribes({ scope, text }: Channel): boolean {
    return this.#interests.some((interest) => {
      const shared = scopeIntersection(interest, scope)
      return shared !== null && scopeText(shared) === text
    })
  }

  received(id: LinkId, bytes: Uint8Array): void {
    const link = this.#context.links.get(id)
    if (link === undefined) return
    link.heardAtMs = this.#context.nowMs
    if (link.state === 'contending') {
      if (link.deferred.length >= DEFERRED_FRAMES_MAX)
        return this.end(link, 'message-unexpected', 'too many frames while another link is checked')
      link.deferred.push(bytes.slice())
      return
    }
    const frame = decodeFrame(bytes, link.framesIn++)
    if (!frame.ok) return this.end(link, frame.code, frame.reason)
    this.#messages(link, frame.messages)
  }

  #messages(link: LinkSession, messages: readonly Message[]): void {
    for (let index = 0; index < messages.length; index++) {
      const message = messages[index]!
      if (link.state === 'greeting') this.#hello(link, message, messages.slice(index + 1))
      else if (!link.advance('message') || message.kind === 'hello') this.end(link, 'hello-expected', 'HELLO came twice')
      else this.#handle(link, message)
      if (!link.live) return
    }
  }

  #hello(link: LinkSession, message: Message, rest: readonly Message[]): void {
    if (message.kind === 'error') return this.end(link, closesFor(message.code), message.reason)
    if (message.kind !== 'hello') return this.end(link, 'hello-expected', `${message.kind} came before HELLO`)
    const judged = judgeHello(this.#context, link, message)
    this.#noteHello(link, message)
    if (judged === 'contend') return this.#contend(link, rest)
    // The dialler learns whom it reached, so that it knows which of its addresses this is.
    if (judged !== null && !link.dialled) sayHello(this.#context, link)
    if (judged !== null) return this.end(link, judged, `HELLO of ${message.replicaId} in space ${message.space}`)
    link.advance('hello')
    goLive(this.#context, link, this.#interests)
  }

  #contend(link: LinkSession, rest: readonly Message[]): void {
    const { linksOf, nowMs } = this.#context
    const older = linksOf.get(link.hello!.replicaId)!.find((other) => other.live)!
    link.advance('hello-contended')
    link.contest = { older: older.id, framesHeard: older.framesIn, sinceMs: nowMs }
    link.waiting = rest
    older.pingedAtMs = nowMs
    older.send({ kind: 'ping', token: Math.floor(nowMs) })
  }

  /** The older link answered: the new one goes. It did not in time, or is gone: the new one takes its place. */
  decideContest(link: LinkSession): void {
    const { contest } = link
    if (contest === null) return
    const older = this.#context.links.get(contest.older)
    const { nowMs } = this.#context
    // Counted in frames: the clock stands still between ticks, and the answer mostly comes within one.
    if (older !== undefined && older.framesIn > contest.framesHeard)
      return this.end(link, 'duplicate-replica', `replica ${link.hello!.replicaId} is linked already and alive`)
    if (older !== undefined && nowMs - contest.sinceMs <= this.#context.limits.takeoverPingMs) return
    if (older !== undefined) this.end(older, 'link-silent', 'a newer link to the same replica came and this one did not answer')
    link.contest = null
    link.advance('contest-won')
    goLive(this.#context, link, this.#interests)
    this.#messages(link, link.waiting)
    link.waiting = []
    for (const frame of link.deferred.splice(0)) this.received(link.id, frame)
  }

  #handle(link: LinkSession, message: Message): void {
    if (this.#context.commits.failure !== null && WRITING.has(message.kind))
      return this.end(link, 'storage-failed', this.#context.commits.failure.code)
    // An acknowledgement makes room, and asks for nothing.
    if (message.kind !== 'ack' || link.byPeerNumber.get(message.channel)?.hasWork === true) this.#context.work.wake(link)
    this.guard(() => {
      if (!this.#dispatch(link, message)) this.end(link, 'message-unexpected', `${message.kind} does not fit here`)
    })
  }

  /** False: the peer broke the protocol. */
  #dispatch(link: LinkSession, message: Message): boolean {
    const context = this.#context
    const { presence, verifier } = this.#parts
    switch (message.kind) {
      case 'hello':
        return false
      case 'open':
        return this.#open(link, message)
      case 'refused':
        return receiveRefused(context, link, message)
      case 'presence': {
        const name = link.resolveDoc(message.doc)
        return name !== null && presence.fromLink(link, name, message.bytes)
      }
      case 'verify':
        return verifier.receiveVerify(link, message)
      case 'verified':
        return verifier.receiveVerified(link, message)
      case 'compare':
        return verifier.receiveCompare(link, message)
      case 'state':
        return verifier.receiveState(link, message)
      case 'ping':
        link.send({ kind: 'pong', token: message.token })
        return true
      case 'pong':
        return true
      case 'renew':
        if (link.dialled || message.auth.length > LIMITS.authBytesMax) return false
        context.effects.push({ kind: 'renewed', link: link.id, auth: message.auth.slice() })
        return true
      case 'error':
        this.end(link, closesFor(message.code), `the peer says: ${message.reason}`)
        return true
      default: {
        const channel = link.byPeerNumber.get(message.channel)
        // A channel that was shut on either side may still be named by messages that were under way.
        if (channel !== undefined) return this.#onChannel(link, channel, message)
        return (
          link.shutNumbers?.has(message.channel) === true || (message.kind === 'shut' && link.unpaired?.delete(message.channel) === true)
        )
      }
    }
  }

  #open(link: LinkSession, message: MessageOf<'open'>): boolean {
    if (!receiveOpen(this.#context, link, this.#interests, message)) return false
    const channel = link.byPeerNumber.get(message.channel)
    if (channel !== undefined) this.#parts.presence.introduce(link, channel)
    return true
  }

  #onChannel(link: LinkSession, channel: Channel, message: Extract<Message, { channel: number }>): boolean {
    const context = this.#context
    switch (message.kind) {
      case 'start':
        return receiveStart(context, link, channel, message)
      case 'entries':
        return receiveEntries(context, link, channel, message)
      case 'advance':
        return receiveAdvance(context, link, channel, message)
      case 'ack':
        return receiveAck(context, link, channel, message)
      case 'recon':
        return receiveRecon(context, link, channel, message)
      case 'want':
        return receiveWant(context, link, channel, message)
      case 'ask':
        return receiveAsk(channel, message)
      case 'absent':
        return receiveAbsent(context, channel, message)
      case 'diff':
        return receiveDiff(context, link, channel, message)
      case 'offer':
        return receiveOffer(context, link, channel, message)
      case 'shut':
        receiveShut(context, link, channel)
        return true
      default:
        return false
    }
  }

  /** Runs what may meet a damaged document. */
  guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#parts.damaged(error)
    }
  }

  /** What the links' state asks for: rounds, wants, diffs, the pump, cursors. True when a budget was reached and there is more to do. */
  work(): boolean {
    // With the flush that hands out what arrived: nobody may see the one without the other.
    for (const channel of this.#newlySynced.splice(0)) channel.synced = true
    this.#context.missedBytesLeft = MISSED_BYTES_PER_FLUSH
    let more = this.#buildTrees()
    const context = this.#context
    const { work, treesToBuild } = context
    const waiting = treesToBuild.size
    // Those that had of what may be looked at in a turn come last in the next.
    const had: LinkSession[] = []
    for (const link of work.takeAwake()) {
      if (!link.live) continue
      const left = context.missedBytesLeft
      let again = true
      this.guard(() => {
        let owes = false
        for (const channel of link.channels.values()) owes = this.#workChannel(link, channel) || owes
        more ||= owes
        again = owes
      })
      if (again && context.missedBytesLeft < left) had.push(link)
      else if (again) work.wake(link)
    }
    for (const link of had) work.wake(link)
    return more || treesToBuild.size > waiting
  }

  /** The network takes more of what is sent on the link. */
  drained(id: LinkId): void {
    const link = this.#context.links.get(id)
    if (link !== undefined) this.#context.work.wake(link)
  }

  /** Trees that channels wait for, one after the other, a bounded piece of work in all. True when some are left. */
  #buildTrees(): boolean {
    const { treesToBuild, buggify } = this.#context
    if (treesToBuild.size === 0) return (this.#treesInBits = false)
    this.#treesInBits ||= buggify('tree-in-bits')
    let left = this.#treesInBits ? 2 : TREE_DOCS_PER_FLUSH
    for (const [channel, link] of treesToBuild) {
      this.guard(() => {
        const tree = treeToBuild(this.#context, channel)
        for (left--; tree?.built === false; left -= tree.build(left)) if (left <= 0) return
        treesToBuild.delete(channel)
        this.#treeReady(link, channel)
      })
      if (left <= 0) return treesToBuild.size > 0
    }
    return false
  }

  /** The scope can be told or compared now, for the first time or as rights that changed have it. */
  #treeReady(link: LinkSession, channel: Channel): void {
    const context = this.#context
    context.work.wake(link)
    if (!channel.opened) sendOpen(context, link, channel)
    const known = new Set(link.byPeerNumber.values())
    if (!pairOpens(context, link, this.#interests)) return this.end(link, 'message-unexpected', 'a scope was opened twice')
    for (const paired of link.byPeerNumber.values()) if (!known.has(paired)) this.#parts.presence.introduce(link, paired)
    if (channel.startHeld !== null) link.send(channel.startHeld)
    channel.startHeld = null
    for (const message of channel.waiting.splice(0)) {
      if (!link.live) return
      if (!receiveRecon(context, link, channel, message, true)) this.end(link, 'message-unexpected', `${message.kind} does not fit here`)
    }
  }

  #workChannel(link: LinkSession, channel: Channel): boolean {
    const context = this.#context
    if (channel.serve !== 'serving' || channel.startHeld !== null) return false
    startRound(context, link, channel)
    sendWants(context, link, channel)
    finishRound(context, link, channel)
    advanceCursor(context, link, channel)
    this.#noteSynced(link, channel)
    const owed = serveOwed(context, link, channel)
    const rows = pump(context, link, channel)
    // From there on the port says when it has drained.
    return (owed || rows) && link.buffered() < LIMITS.frameTargetBytes
  }

  /** A full exchange since the link came up: told once, when all of it is committed. */
  #noteSynced(link: LinkSession, channel: Channel): void {
    if (channel.exchanged || !channel.settled || channel.position < channel.peerOpen!.head) return
    channel.exchanged = true
    const event = { type: 'synced', link: link.id, peer: link.hello!.replicaId, scope: channel.text } as const
    this.#context.commits.afterAll(() => {
      this.#newlySynced.push(channel)
      this.#context.event(event)
    })
  }

  takeFrames(effects: Effect[]): void {
    for (const link of this.#context.work.takeTalking())
      for (const bytes of link.takeFrames()) effects.push({ kind: 'send', link: link.id, bytes })
    for (const { link, code, reason } of this.#ending.splice(0)) {
      for (const bytes of link.takeFrames()) effects.push({ kind: 'send', link: link.id, bytes })
      effects.push({ kind: 'close', link: link.id, code, reason })
    }
  }
}
