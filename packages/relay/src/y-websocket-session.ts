// One y-websocket client in one room: what is answered to which message, and when nothing more is read. No socket and no timer inside; the door
// (y-websocket-door.ts) binds it to both. Rules: YW-2 to YW-8, RS-1, DU-1 (an update is echoed only after its commit).
//
//   frame -> inbox -> step 1: diff of committed state | update: guest.write ... committed or known: echo | held: ask | refused: close or go deaf
//
// The inbox moves only while the client reads what it was sent and its own writes get committed; otherwise the socket is paused. So memory is bounded by one
// frame, the socket buffer and the unsaved writes, whatever the client does.

import { LIMITS, SynclineError, type ErrorCode } from '@syncline/protocol'
import type { Guest, GuestPort, WriteOutcome } from '@syncline/replica'
import { closingFor, type Closing } from './close-code.ts'
import { EMPTY_STATE_VECTOR } from './deaf-guest.ts'
import type { SessionSocket, SocketSession } from './door-socket.ts'
import type { MessageRun } from './message-run.ts'
import type { RelayLimits } from './relay-limits.ts'
import { isKnownUpdate } from './known-update.ts'
import { SavedVersions } from './y-sweet/saved-versions.ts'
import * as codec from './y-websocket-codec.ts'

export interface RoomSessionOptions {
  readonly socket: SessionSocket
  readonly limits: RelayLimits
  /** Default: y-websocket. */
  readonly dialect?: codec.Dialect
  attach(port: GuestPort): Guest
  /** Who the client is, where that is known for sure. */
  readonly subject: string | null
  /** Asked for every update. One that may not be written is passed over: it is not echoed, so no client takes it for saved. */
  mayWrite(): boolean
  /** Asked for every awareness message. */
  mayBePresent(): boolean
  /** Records a refusal and answers whether this writer was refused in this room a short while ago (refusal-memory.ts). */
  refusedBefore(): boolean
  /** The first message that a client of this protocol could have sent has arrived. */
  onValid(): void
  /** An update was refused: for logs. */
  onRefused(code: ErrorCode, reason: string): void
  /** It is closed for what it does: for logs and counters. */
  onTurnedAway?(error: SynclineError): void
  /** An update that may be written came: for whoever counts. */
  onWrites?(bytes: number): void
  /** An update was committed: for hooks. */
  onWrote?(seq: number): void
  /** The socket is gone. */
  onClosed?(): void
}

const NO_MESSAGES: readonly codec.RoomMessage[] = []

/** It is also the port of its guest: one object for each of thousands of connections. */
export class RoomSession implements SocketSession, GuestPort {
  private readonly socket: SessionSocket
  private readonly options: RoomSessionOptions
  private guest: Guest
  /** What was read and not handled yet, from `inboxAt` on. */
  private inbox = NO_MESSAGES
  private inboxAt = 0
  private unsavedWrites = 0
  private savedAll: (() => void)[] | null = null
  private asks = 0
  /** Null toward y-websocket, which does not ask. */
  private readonly saved: SavedVersions | null
  private heardStep2 = false
  /** Answered since the network took anything. */
  private questions = 0
  private valid = false
  /** Its writes are no longer heard: it was refused and came back with the same. */
  private deaf = false
  private saidReadOnly = false
  private wasPresent: boolean
  private lagging = false
  private sentSinceBeat = false
  private paused = false
  private stopping = false
  private ended = false

  constructor(options: RoomSessionOptions) {
    this.options = options
    this.socket = options.socket
    this.saved = options.dialect === 'y-sweet' ? new SavedVersions() : null
    this.guest = options.attach(this)
    this.wasPresent = options.mayBePresent()
    this.attempt(() => this.send(codec.step1Frame(this.guest.stateVector())))
    this.sendPresenceSnapshot()
  }

  // For its guest

  get subject(): string | null {
    return this.options.subject
  }

  get hearsItself(): boolean {
    return true
  }

  deliver(updates: readonly Uint8Array[]): void {
    this.sendRun(codec.updateRun(updates))
  }

  presence(bytes: Uint8Array): void {
    this.send(codec.awarenessFrame(bytes))
  }

  ping(): void {
    this.socket.ping()
  }

  close(code: ErrorCode, reason: string): void {
    if (code === 'rate-limited') this.options.onTurnedAway?.(new SynclineError(code, `It is closed: ${reason}.`))
    this.end(closingFor(code, reason))
  }

  buffered(): number {
    return Math.max(this.unsent(), this.socket.silent ? LIMITS.socketBufferBytesMax : 0)
  }

  /** Rights changed. The presence of a client that may not be seen any more goes with its guest; what that one has not delivered yet is sent again with all else. */
  rightsChanged(): void {
    if (this.ended) return
    const isPresent = this.options.mayBePresent()
    const withdrawn = this.wasPresent && !isPresent
    this.wasPresent = isPresent
    if (!withdrawn) return
    this.guest.detach()
    this.attempt(() => {
      this.guest = this.options.attach(this)
      this.send(codec.step2Frame(this.guest.diff(EMPTY_STATE_VECTOR)))
    })
  }

  /** Takes one binary frame. Total. */
  received(bytes: Uint8Array): void {
    if (this.ended || this.stopping) return
    const frame = codec.readFrame(bytes, this.options.dialect)
    if ('problem' in frame) return this.malformed(frame.problem)
    if (!this.valid && frame.messages.some((message) => message.kind !== 'foreign')) {
      this.valid = true
      this.options.onValid()
    }
    this.inbox = this.inboxAt < this.inbox.length ? [...this.inbox.slice(this.inboxAt), ...frame.messages] : frame.messages
    this.inboxAt = 0
    this.work()
  }

  /** What no client sends (a text frame, too). */
  malformed(problem: string): void {
    this.end(closingFor('message-malformed', problem))
  }

  /** A pong arrived. */
  alive(): void {
    if (!this.ended) this.guest.alive()
  }

  /** The network took bytes. Called at most once per turn, and after everything that was sent. */
  drained(): void {
    if (this.ended) return
    this.questions = 0
    if (this.socket.buffered() <= this.bufferBytesMax() / 2) {
      this.lagging = false
      this.guest.drained()
    }
    this.work()
  }

  /** Called at every ping interval: a client that was sent nothing gets a message that says nothing. */
  beat(): void {
    if (!this.ended && !this.sentSinceBeat) this.socket.send(codec.heartbeatFrame)
    this.sentSinceBeat = false
  }

  /** Stops reading and resolves when all that was read is committed and echoed, or was refused. */
  async settle(): Promise<void> {
    this.stopping = true
    this.inbox = NO_MESSAGES
    this.pause(true)
    if (this.unsavedWrites > 0) await new Promise<void>((resolve) => (this.savedAll ??= []).push(resolve))
  }

  /** Ends the session from this side. */
  end(closing: Closing): void {
    if (this.ended) return
    this.leave()
    this.socket.close(closing)
  }

  /** The socket is gone. */
  closed(): void {
    if (!this.ended) this.leave()
    this.options.onClosed?.()
  }

  private leave(): void {
    this.ended = true
    this.inbox = NO_MESSAGES
    this.guest.detach()
  }

  private work(): void {
    // The answers' way into the network brings drained(), and with it the rest of the questions.
    const { questionsPerTurnMax } = this.options.limits
    while (this.inboxAt < this.inbox.length && !this.ended && !this.backedUp() && this.questions < questionsPerTurnMax) {
      const message = this.inbox[this.inboxAt++]!
      if (message.kind === 'step-1') this.questions++
      this.handle(message)
    }
    const waits = this.inboxAt < this.inbox.length
    // What is handled is let go of.
    if (!waits) this.inbox = NO_MESSAGES
    if (!this.ended) this.pause(this.stopping || this.backedUp() || waits)
  }

  private backedUp(): boolean {
    const { unsavedWritesMax, unsavedBytesMax } = this.options.limits
    this.unsent()
    return this.lagging || this.unsavedWrites >= unsavedWritesMax || this.guest.unsettledBytes >= unsavedBytesMax
  }

  /** Bytes that the network has not taken. Notes when they are too many: then nothing more is read or delivered until half of them are gone. */
  private unsent(): number {
    const unsent = this.socket.buffered()
    if (unsent > this.bufferBytesMax()) this.lagging = true
    return unsent
  }

  /** The engine stops delivering at its own bound; a smaller one here only stops reading earlier. */
  private bufferBytesMax(): number {
    return Math.min(this.options.limits.socketBufferBytesMax, LIMITS.socketBufferBytesMax)
  }

  private pause(pause: boolean): void {
    if (pause === this.paused) return
    this.paused = pause
    if (pause) this.socket.pause()
    else this.socket.resume()
  }

  private handle(message: codec.RoomMessage): void {
    switch (message.kind) {
      case 'step-1':
        return this.attempt(() => this.send(codec.step2Frame(this.guest.diff(message.stateVector))))
      case 'step-2':
      case 'update':
        return this.write(message)
      case 'awareness':
        if (this.options.mayBePresent()) this.guest.presence(message.bytes)
        // Its own renewals are what keeps a client from taking the link for dead: they come back as from the stock server.
        return this.send(codec.awarenessFrame(message.bytes))
      case 'query-awareness':
        return this.sendPresenceSnapshot()
      case 'sync-status':
        return this.askedWhetherSaved(message.version)
      case 'foreign':
        return
    }
  }

  private write(message: Extract<codec.RoomMessage, { update: Uint8Array }>): void {
    if (codec.isEmptyUpdate(message.update)) return this.passOver(message, true)
    if (this.deaf) return this.passOver(message, false)
    if (!this.options.mayWrite()) return this.passOverForReader(message)
    // A copy: the view would keep the frame, or a shared read buffer, alive until the commit.
    const update = new Uint8Array(message.update)
    this.options.onWrites?.(update.length)
    this.unsavedWrites++
    const number = this.saved?.begun() ?? 0
    const { guest } = this
    const { kind } = message
    guest.submit(update, (outcome) => {
      this.unsavedWrites--
      this.saved?.settled(number, kind === 'step-2', outcome.kind === 'committed' || outcome.kind === 'known')
      if (outcome.kind === 'committed') this.options.onWrote?.(outcome.seq)
      if (!this.ended) this.tell(kind, update, outcome, guest.heard(outcome))
      this.sayWhatIsSaved()
      this.work()
      if (this.unsavedWrites === 0) this.tellSavedAll()
    })
  }

  private tellSavedAll(): void {
    const told = this.savedAll ?? []
    this.savedAll = null
    for (const resolve of told) resolve()
  }

  /** `echoed`: with the updates of others. */
  private tell(kind: 'step-2' | 'update', update: Uint8Array, outcome: WriteOutcome, echoed: boolean): void {
    switch (outcome.kind) {
      case 'committed':
        this.asks = 0
        return echoed ? undefined : this.send(codec.updateFrame(update))
      case 'known':
        return this.send(codec.updateFrame(update))
      case 'held':
        // The answer to a question held again: this client does not have what is missing either.
        if (kind === 'update' && this.asks < this.options.limits.asksMax) {
          this.asks++
          this.send(codec.step1Frame(outcome.stateVector))
        }
        return
      case 'refused':
        return this.refuse(outcome.code, outcome.reason)
      case 'failed':
        return this.socket.closeLater(closingFor('storage-failed', outcome.code))
    }
  }

  private refuse(code: ErrorCode, reason: string): void {
    if (this.deaf) return
    this.options.onRefused(code, reason)
    this.send(codec.permissionDeniedFrame(`${code}: ${reason}`))
    if (this.options.refusedBefore()) this.deaf = true
    else this.end(closingFor(code, reason))
  }

  /** `isStored`: all of it is here without being written. */
  private passOver(message: codec.RoomMessage, isStored: boolean): void {
    if (this.saved === null) return
    this.saved.settled(this.saved.begun(), message.kind === 'step-2', isStored)
    this.sayWhatIsSaved()
  }

  /** A reader's answer to step 1 repeats every delete that it knows of. It is looked at once: each look reads the document. */
  private passOverForReader(message: Extract<codec.RoomMessage, { update: Uint8Array }>): void {
    let isKnown = false
    if (this.saved !== null && message.kind === 'step-2' && !this.heardStep2) {
      this.heardStep2 = true
      this.attempt(() => (isKnown = isKnownUpdate(message.update, () => this.guest.diff(EMPTY_STATE_VECTOR))))
    }
    this.passOver(message, isKnown)
    if (!isKnown) this.sayReadOnly()
  }

  private askedWhetherSaved(version: Uint8Array): void {
    if (this.saved === null) return
    this.saved.asked(new Uint8Array(version))
    // Without an answer a y-sweet client takes the link for dead after 3 s.
    if (!this.sayWhatIsSaved()) this.send(codec.heartbeatFrame)
  }

  private sayWhatIsSaved(): boolean {
    const versions = this.saved?.answers() ?? []
    for (const version of versions) this.send(codec.syncStatusFrame(version))
    return versions.length > 0
  }

  /** There is no such message in this protocol; y-websocket shows this one in the console. */
  private sayReadOnly(): void {
    if (this.saidReadOnly) return
    this.saidReadOnly = true
    this.send(codec.permissionDeniedFrame('read-only: this document may not be written here'))
  }

  /** For reads of the store, which throw when it fails or when the document failed its checksum: the client may come back later. */
  private attempt(read: () => void): void {
    try {
      read()
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      this.socket.closeLater(closingFor('storage-failed', error.code))
    }
  }

  private sendPresenceSnapshot(): void {
    const snapshot = this.guest.presenceSnapshot()
    if (snapshot !== null) this.send(codec.awarenessFrame(snapshot))
  }

  private send(frame: Uint8Array): void {
    if (this.ended) return
    this.sentSinceBeat = true
    this.socket.send(frame)
  }

  private sendRun(run: MessageRun): void {
    if (this.ended) return
    this.sentSinceBeat = true
    this.socket.sendRun(run)
  }
}
