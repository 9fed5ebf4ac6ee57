// One Hocuspocus connection: many documents on one socket. Decides which message goes to which document and when: in order, after its authentication, and only as fast as
// the client reads and its writes get committed; otherwise the socket is paused. So memory is bounded by one frame, the socket buffer, the unsaved writes and
// what waits for authentication. No socket and no timer inside; the door (door.ts) binds it to both. What a document answers is document.ts.
// Rules: HP-1, HP-2, HP-8, RS-1, IN-1.

import { LIMITS, type DocId, type ErrorCode, type SpaceId, type SynclineError } from '@syncline/protocol'
import type { Pass } from '../access/access.ts'
import { closingFor, type Closing } from '../close-code.ts'
import type { SessionSocket, SocketSession } from '../door-socket.ts'
import type { MessageRun } from '../message-run.ts'
import type { RelayLimits } from '../relay-limits.ts'
import type { Visit } from '../visit.ts'
import * as codec from './codec.ts'
import { documentNameOf } from './document-name.ts'
import { HocuspocusDocument, type DocumentHost } from './document.ts'
import type { HocuspocusHooks } from './hooks.ts'
import type { HocuspocusRoster } from './roster.ts'
import { WaitingRoom } from './waiting-room.ts'

export interface HocuspocusSessionOptions {
  readonly socket: SessionSocket
  readonly space: SpaceId
  readonly limits: RelayLimits
  readonly hooks: HocuspocusHooks
  readonly roster: HocuspocusRoster
  now(): number
  /** Milliseconds since 1970. */
  wallMs(): number
  /** As Doorman.admit. */
  admit(token: string | null): Promise<Pass>
  /** As visit.ts. */
  visit(doc: DocId, pass: Pass): Promise<Visit>
  /** The first document is authenticated. */
  onAuthenticated(): void
  /** A message came for a document that is open: for whoever counts. `account`: of the token that opened it. */
  onHeard?(account: string | null, bytes: number): void
  /** An update came for a document, of somebody who may write it. */
  onWrites?(doc: DocId, bytes: number): void
  onRefused(doc: DocId, code: ErrorCode, reason: string): void
  /** A document was denied, or taken away: for logs and counters. */
  onTurnedAway(error: SynclineError): void
}

/** As the stock server says it: the provider has to begin anew. */
const RESET_CONNECTION = 4205

export class HocuspocusSession implements SocketSession {
  private readonly options: HocuspocusSessionOptions
  private readonly socket: SessionSocket
  private readonly limits: RelayLimits
  private readonly bufferBytesMax: number
  private readonly documents = new Map<string, HocuspocusDocument>()
  private readonly host: DocumentHost
  private inbox: { readonly name: string; readonly message: codec.Message }[] = []
  /** Messages of documents that are not authenticated yet, or were just now. */
  private readonly waiting: WaitingRoom<HocuspocusDocument>
  private admissions = 0
  private denials = 0
  private authenticated = false
  private heardAuth = false
  private unsavedWrites = 0
  private unsavedBytes = 0
  private savedAll: (() => void)[] = []
  /** Answered since the network took anything. */
  private questions = 0
  private answered = false
  private lagging = false
  private sentSinceBeat = false
  private paused = false
  private working = false
  private stopping = false
  private ended = false
  private aliveAtMs: number | null = null

  constructor(options: HocuspocusSessionOptions) {
    this.options = options
    this.socket = options.socket
    this.limits = options.limits
    // The engine stops delivering at its own bound; a smaller one here only stops reading earlier.
    this.bufferBytesMax = Math.min(options.limits.socketBufferBytesMax, LIMITS.socketBufferBytesMax)
    this.waiting = new WaitingRoom(options.limits)
    this.host = this.makeHost()
  }

  received(bytes: Uint8Array): void {
    if (this.ended || this.stopping) return
    const frame = codec.readFrame(bytes)
    if ('problem' in frame) return this.malformed(frame.problem)
    const document = this.documents.get(frame.name)
    if (document?.isOpen === true) this.options.onHeard?.(document.account, bytes.length)
    this.inbox.push(frame)
    this.work()
  }

  malformed(problem: string): void {
    this.end(closingFor('message-malformed', problem))
  }

  /** At most once in a millisecond: it costs a look at every document of the connection. */
  alive(): void {
    const now = this.options.now()
    if (now === this.aliveAtMs) return
    this.aliveAtMs = now
    for (const document of this.documents.values()) document.alive()
  }

  drained(): void {
    if (this.ended) return
    this.questions = 0
    this.answered = false
    if (this.socket.buffered() <= this.bufferBytesMax / 2) {
      this.lagging = false
      for (const document of this.documents.values()) document.drained()
    }
    this.work()
  }

  beat(): void {
    if (this.ended) return
    for (const document of [...this.documents.values()]) document.beat()
    if (!this.sentSinceBeat) this.socket.send(codec.heartbeatFrame)
    this.sentSinceBeat = false
  }

  async settle(): Promise<void> {
    this.stopping = true
    this.inbox = []
    this.waiting.clear()
    this.pause(true)
    if (this.unsavedWrites > 0) await new Promise<void>((resolve) => this.savedAll.push(resolve))
  }

  end(closing: Closing): void {
    if (this.ended) return
    this.leave()
    this.socket.close(closing)
  }

  closed(): void {
    if (!this.ended) this.leave()
  }

  /** The time for the first authentication message is over. */
  authDeadline(): void {
    if (!this.heardAuth) this.end({ code: 4408, reason: 'hello-timeout: no authentication message came in time' })
  }

  private leave(): void {
    this.ended = true
    this.inbox = []
    this.waiting.clear()
    for (const document of this.documents.values()) document.leave()
    this.documents.clear()
  }

  /** Not re-entrant: what a message causes is looked at by the loop that took it. */
  private work(): void {
    if (this.working) return
    this.working = true
    // The answers' way into the network brings drained(), and with it the rest of the questions.
    while (!this.ended && !this.backedUp() && this.questions < this.limits.questionsPerTurnMax && this.takeOne());
    this.working = false
    // Without an answer on its way nothing would bring drained().
    if (this.questions >= this.limits.questionsPerTurnMax && !this.answered) this.send(codec.heartbeatFrame)
    if (!this.ended) this.pause(this.stopping || this.backedUp() || this.inbox.length > 0 || this.readyOne() !== undefined)
  }

  /** False: nothing can be taken now. */
  private takeOne(): boolean {
    const ready = this.readyOne()
    if (ready !== undefined) {
      this.hand(ready, this.waiting.next(ready)!)
      return true
    }
    const next = this.inbox[0]
    if (next === undefined) return false
    if (next.message.kind === 'auth' && this.admissions >= this.limits.hocuspocusQueueDocumentsMax) return false
    const document = this.documents.get(next.name)
    if (isDocumentMessage(next.message) && (document?.undecided ?? true) && !this.waiting.hasRoom(document)) {
      // Those that are being looked at make room soon; nobody else does.
      if (this.admissions === 0) this.end({ code: RESET_CONNECTION, reason: 'too much was sent before its authentication' })
      return false
    }
    this.inbox.shift()
    this.route(next.name, next.message)
    return true
  }

  /** A document that is open and has messages that waited for it. */
  private readyOne(): HocuspocusDocument | undefined {
    return this.waiting.find((document) => document.isOpen)
  }

  private route(name: string, message: codec.Message): void {
    switch (message.kind) {
      case 'ping':
        // Seven bytes each: answered some at a time, or a flood of them would hold up everybody.
        this.questions++
        return this.send(codec.pongFrame)
      case 'pong':
        return this.alive()
      case 'foreign':
        return
      case 'close': {
        const document = this.documents.get(name)
        if (document === undefined) return
        document.leave()
        this.waiting.takeAll(document)
        this.documents.delete(name)
        return
      }
      case 'broadcast-stateless': {
        const document = this.documents.get(name)
        if (document?.isOpen === true) document.close('a client sends no broadcasts')
        return
      }
      case 'auth':
        this.heardAuth = true
        return this.documentFor(name, true)?.auth(message.token)
      default: {
        const document = this.documentFor(name, false)
        if (document === undefined) return
        if (document.undecided) this.waiting.add(document, message)
        else this.hand(document, message)
      }
    }
  }

  /** `tell`: whether words are due when there can be no such document. */
  private documentFor(name: string, tell: boolean): HocuspocusDocument | undefined {
    const known = this.documents.get(name)
    if (known !== undefined) return known
    const meant = documentNameOf(name)
    if ('problem' in meant || this.documents.size >= this.limits.hocuspocusDocumentsMax) {
      const words =
        'problem' in meant ? `doc-id-invalid: ${meant.problem}` : 'this connection has all the documents it may have; open another one'
      if (!tell) return undefined
      this.questions++
      this.send(codec.permissionDeniedFrame(name, words))
      return undefined
    }
    const document = new HocuspocusDocument(this.host, name, meant.doc)
    this.documents.set(name, document)
    return document
  }

  private hand(document: HocuspocusDocument, message: codec.DocumentMessage): void {
    // Each of these may read a whole document.
    if (message.kind === 'step-1' || (message.kind === 'step-2' && document.readsOnly)) this.questions++
    document.take(message)
  }

  private backedUp(): boolean {
    const { unsavedWritesMax, unsavedBytesMax } = this.limits
    this.unsent()
    return this.lagging || this.unsavedWrites >= unsavedWritesMax || this.unsavedBytes >= unsavedBytesMax
  }

  /** Bytes that the network has not taken. Notes when they are too many: then nothing more is read or delivered until half of them are gone. */
  private unsent(): number {
    const unsent = this.socket.buffered()
    if (unsent > this.bufferBytesMax) this.lagging = true
    return unsent
  }

  private pause(pause: boolean): void {
    if (pause === this.paused) return
    this.paused = pause
    if (pause) this.socket.pause()
    else this.socket.resume()
  }

  private send(frame: Uint8Array): void {
    if (this.ended) return
    this.sentSinceBeat = true
    this.answered = true
    this.socket.send(frame)
  }

  private sendRun(run: MessageRun): void {
    if (this.ended) return
    this.sentSinceBeat = true
    this.answered = true
    this.socket.sendRun(run)
  }

  private makeHost(): DocumentHost {
    const { space, limits, hooks, roster } = this.options
    return {
      space,
      limits,
      hooks,
      roster,
      now: () => this.options.now(),
      wallMs: () => this.options.wallMs(),
      admit: (token) => this.options.admit(token),
      visit: (doc, pass) => this.options.visit(doc, pass),
      send: (frame) => this.send(frame),
      sendRun: (run) => this.sendRun(run),
      ping: () => this.socket.ping(),
      buffered: () => Math.max(this.unsent(), this.socket.silent ? LIMITS.socketBufferBytesMax : 0),
      full: () => this.unsent() > this.bufferBytesMax,
      writes: (doc, bytes) => this.options.onWrites?.(doc, bytes),
      unsaved: (writes, bytes) => this.countUnsaved(writes, bytes),
      asking: (admissions) => {
        this.admissions += admissions
        if (admissions < 0) this.work()
      },
      opened: () => this.opened(),
      denied: (error) => this.denied(error),
      takeWaiting: (document) => this.waiting.takeAll(document),
      handshakeWaits: (document) => this.waiting.has(document, (message) => message.kind === 'step-1' && !message.reply),
      turnedAway: (error) => this.options.onTurnedAway(error),
      refused: (doc, code, reason) => this.options.onRefused(doc, code, reason),
      storeFailed: (code) => this.socket.closeLater(closingFor('storage-failed', code)),
      comeBackLater: (error) => this.comeBackLater(error),
      endAll: (code, reason) => this.end(closingFor(code, reason)),
    }
  }

  private countUnsaved(writes: 1 | -1, bytes: number): void {
    this.unsavedWrites += writes
    this.unsavedBytes += writes * bytes
    if (writes > 0) return
    this.work()
    if (this.unsavedWrites === 0) for (const resolve of this.savedAll.splice(0)) resolve()
  }

  /** A connection that serves other documents goes on with them. */
  private comeBackLater({ code, message }: SynclineError): 'connection-ends' | 'others-are-open' {
    for (const document of this.documents.values()) if (document.isOpen) return 'others-are-open'
    this.socket.closeLater(closingFor(code, message))
    return 'connection-ends'
  }

  private opened(): void {
    this.denials = 0
    if (this.authenticated) return
    this.authenticated = true
    this.options.onAuthenticated()
  }

  private denied(error: SynclineError): void {
    this.options.onTurnedAway(error)
    for (const document of this.documents.values()) if (document.isOpen) return
    this.denials++
    if (this.denials >= this.limits.hocuspocusDenialsMax) this.end(closingFor(error.code, 'denied too often'))
  }
}

function isDocumentMessage(message: codec.Message): message is codec.DocumentMessage {
  return !['auth', 'close', 'broadcast-stateless', 'ping', 'pong', 'foreign'].includes(message.kind)
}
