// One document of one Hocuspocus connection: who may do what there, now, and what is answered to which message. No socket and no timer inside. Made by session.ts, which
// keeps the order of messages and their bounds. What gets which SyncStatus is decided in save-ledger.ts. Rules: HP-2 to HP-9, AC-4, AC-5, DU-1.
//
//   new ──Auth──► asking ──admitted──► open ◄─┐          new, asking: messages wait in the session
//                   │                   │     │          shut: messages are passed over, and their sender is asked for a token now and then
//                   └─► shut ◄─denied, closed─┘          back from shut: the relay starts the handshake, for the provider will not

import { SynclineError, type DocId, type ErrorCode, type SpaceId } from '@syncline/protocol'
import { docDeleted, type Guest, type GuestPort, type WriteOutcome } from '@syncline/replica'
import { accountOf, type Pass } from '../access/access.ts'
import { mayWrite } from '../access/link-access.ts'
import type { RelayLimits } from '../relay-limits.ts'
import type { Visit } from '../visit.ts'
import { isEmptyUpdate } from '../y-websocket-codec.ts'
import { EMPTY_STATE_VECTOR } from '../deaf-guest.ts'
import { isKnownUpdate } from '../known-update.ts'
import type { MessageRun } from '../message-run.ts'
import * as codec from './codec.ts'
import { Doorkeeping, type DoorkeepingHost, type Stay } from './doorkeeping.ts'
import type { HocuspocusHooks } from './hooks.ts'
import type { HocuspocusRoster } from './roster.ts'
import { SaveLedger, type Arrival, type Verdict } from './save-ledger.ts'

/** What a document needs of its session. */
export interface DocumentHost {
  readonly space: SpaceId
  readonly limits: RelayLimits
  readonly hooks: HocuspocusHooks
  readonly roster: HocuspocusRoster
  now(): number
  /** Milliseconds since 1970. */
  wallMs(): number
  admit(token: string | null): Promise<Pass>
  /** As visit.ts. */
  visit(doc: DocId, pass: Pass): Promise<Visit>
  send(frame: Uint8Array): void
  sendRun(run: MessageRun): void
  ping(): void
  buffered(): number
  /** Whether nothing more may be sent that can be left out. */
  full(): boolean
  /** An update came that may be written: for whoever counts. */
  writes(doc: DocId, bytes: number): void
  /** A write begins (1) or is over (-1). */
  unsaved(writes: 1 | -1, bytes: number): void
  /** An admission begins (1) or is over (-1). */
  asking(admissions: 1 | -1): void
  /** A document is open: messages that waited for it may go on. */
  opened(): void
  /** A document was denied, or taken away. */
  denied(error: SynclineError): void
  /** Takes the messages that wait for it. */
  takeWaiting(document: HocuspocusDocument): codec.DocumentMessage[]
  /** Whether the provider's own step 1 waits. */
  handshakeWaits(document: HocuspocusDocument): boolean
  /** The connection is closed for what it does. */
  turnedAway(error: SynclineError): void
  refused(doc: DocId, code: ErrorCode, reason: string): void
  /** The store failed: the connection ends for a while. */
  storeFailed(code: ErrorCode): void
  /** A document cannot be had now: the connection ends for a while. */
  comeBackLater(error: SynclineError): 'connection-ends' | 'others-are-open'
  /** The replica is done. */
  endAll(code: ErrorCode, reason: string): void
}

interface Open {
  readonly pass: Pass
  readonly visit: Visit
  guest: Guest
  scope: codec.Scope
  mayBePresent: boolean
  readonly leave: () => void
}

export class HocuspocusDocument {
  readonly name: string
  readonly id: DocId
  private readonly host: DocumentHost
  private readonly ledger: SaveLedger
  private readonly doorkeeping: Doorkeeping
  private open: Open | null = null
  private asks = 0
  /** It was open or denied before: its provider does not begin by itself. */
  private interrupted = false
  /** It was closed from this side, which made the provider forget the presence of others, and the relay that of the provider. */
  private presenceLost = false
  private gone = false

  constructor(host: DocumentHost, name: string, id: DocId) {
    this.host = host
    this.name = name
    this.id = id
    this.ledger = new SaveLedger(host.limits.hocuspocusBaselineBytesMax)
    const keeper: DoorkeepingHost = {
      limits: host.limits,
      now: () => host.now(),
      wallMs: () => host.wallMs(),
      enter: (token) => this.enter(token),
      asking: (admissions) => host.asking(admissions),
    }
    this.doorkeeping = new Doorkeeping(keeper, {
      present: () => this.open?.pass ?? null,
      admitted: (stay) => this.admitted(stay),
      denied: (error) => this.denied(error),
      renewed: (pass) => this.open?.pass === pass && this.passChanged(true),
      notRenewed: (pass, error) => this.notRenewed(pass, error),
    })
  }

  get isOpen(): boolean {
    return this.open !== null
  }

  /** Whom what comes for it counts for; null: nobody in particular, or it is not open. */
  get account(): string | null {
    return this.open === null ? null : accountOf(this.open.pass)
  }

  /** Its step 2 is compared with what is here, which costs a read of the document. */
  get readsOnly(): boolean {
    return this.open?.scope === 'readonly'
  }

  /** Messages have to wait: it is not decided yet who sends them. */
  get undecided(): boolean {
    return this.open === null && (this.doorkeeping.asking || !this.interrupted)
  }

  auth(token: string): void {
    this.doorkeeping.token(token === '' ? null : token)
  }

  /** One message, in order. Not to be called while undecided. */
  take(message: codec.DocumentMessage): void {
    if (this.open === null || !this.readable(this.open.pass)) return this.missed(message)
    switch (message.kind) {
      case 'step-1':
        return this.answerQuestion(this.open.guest, message)
      case 'step-2':
      case 'update':
        return this.write(this.open, message)
      case 'awareness':
        if (this.open.pass.may('presence', this.id)) this.open.guest.presence(message.bytes)
        return
      case 'query-awareness':
        return this.sendPresence(this.open.guest)
      case 'stateless':
        return this.stateless(this.open.pass, message.payload)
    }
  }

  /** A pong arrived. */
  alive(): void {
    this.open?.guest.alive()
  }

  drained(): void {
    this.open?.guest.drained()
  }

  /** Called at every ping interval: a token that ends soon is asked for in time, and so is one that could not be verified. */
  beat(): void {
    this.doorkeeping.beat(() => this.host.send(codec.sendTokenFrame(this.name)))
  }

  /** Closed from this side: the provider is told and comes back by itself, if it may. */
  close(reason: string): void {
    if (this.gone) return
    this.leaveOpen()
    this.presenceLost = true
    this.host.send(codec.closeFrame(this.name, reason))
    this.doorkeeping.askNow(() => this.host.send(codec.sendTokenFrame(this.name)))
  }

  /** The provider left, or its connection is gone. */
  leave(): void {
    this.gone = true
    this.leaveOpen()
    this.doorkeeping.end()
  }

  private async enter(token: string | null): Promise<Stay> {
    const pass = await this.host.admit(token)
    try {
      const visit = await this.host.visit(this.id, pass)
      const end = (): void => {
        visit.leave()
        pass.drop()
      }
      return { pass, visit, end }
    } catch (error) {
      pass.drop()
      throw error
    }
  }

  private denied(error: SynclineError): void {
    if (!UNAVAILABLE.has(error.code)) return this.shut(error)
    if (this.host.comeBackLater(error) === 'connection-ends') return
    // Tried again at a later beat, and meanwhile it is silent: as far as its provider knows, the answer takes long.
    this.interrupted = true
    this.doorkeeping.turnedAway(error)
  }

  private admitted(stay: Stay): void {
    if (this.gone) return stay.end()
    // It was just taken away again, between two turns.
    if (!stay.pass.may('read', this.id)) {
      stay.end()
      return this.shut(new SynclineError('access-denied', 'This document cannot be read here.'))
    }
    if (!this.attach(stay)) return stay.end()
    const { guest, scope } = this.open!
    this.host.send(codec.authenticatedFrame(this.name, scope))
    if (this.presenceLost) this.host.send(codec.queryAwarenessFrame(this.name))
    this.presenceLost = false
    this.sendPresence(guest)
    if (this.interrupted && !this.host.handshakeWaits(this)) this.startHandshake(guest)
    this.interrupted = true
    this.host.opened()
  }

  private attach({ pass, visit, end }: Stay): boolean {
    const guest = this.reading(() => this.attachGuest(pass, visit))
    if (guest === null) return false
    const unfollow = pass.onChange(() => this.passChanged(false))
    const exit = this.host.roster.enter(this.host.space, this.id, {
      stateless: (payload) => this.sendStateless(payload),
      close: (reason) => this.close(reason),
    })
    const scope = pass.may('write', this.id) ? 'read-write' : 'readonly'
    const leave = (): void => {
      unfollow()
      exit()
      end()
    }
    this.open = { pass, visit, guest, scope, mayBePresent: pass.may('presence', this.id), leave }
    return true
  }

  private attachGuest(pass: Pass, visit: Visit): Guest {
    const port: GuestPort = {
      subject: pass.identity.subject,
      connection: this.host,
      deliver: (updates) => {
        if (this.readable(pass)) this.host.sendRun(codec.updateRun(this.name, updates))
      },
      presence: (bytes) => {
        if (this.readable(pass)) this.host.send(codec.awarenessFrame(this.name, bytes))
      },
      // A provider keeps to itself what it is told about its own presence.
      presenceLost: () => this.host.send(codec.queryAwarenessFrame(this.name)),
      ping: () => this.host.ping(),
      close: (code, reason) => {
        if (code === 'rate-limited') this.host.turnedAway(new SynclineError(code, `It is closed: ${reason}.`))
        if (code === 'shutting-down' || code === 'rate-limited') this.host.endAll(code, reason)
        else if (code === 'doc-deleted') this.shut(docDeleted(this.id))
        else this.close(`${code}: ${reason}`)
      },
      buffered: () => this.host.buffered(),
    }
    return visit.replica.attachGuest(this.id, port)
  }

  /** After a denial or a close the provider has sent its step 1 already, or sends none: it gets all there is, and is asked for what it has. */
  private startHandshake(guest: Guest): void {
    this.ask(guest, false)
    this.reading(() => this.host.send(codec.step2Frame(this.name, guest.diff(EMPTY_STATE_VECTOR))))
  }

  /** A pass may end a moment before it says so. Nothing is left out then: the document is shut, and begins anew when it is back. */
  private readable(pass: Pass): boolean {
    if (pass.may('read', this.id)) return true
    this.passChanged(false)
    return false
  }

  /** `tell`: the scope even if it is the same. */
  private passChanged(tell: boolean): void {
    if (this.open === null) return
    const { pass, scope, mayBePresent } = this.open
    if (pass.ended !== null) return this.shut(pass.ended)
    if (!pass.may('read', this.id)) return this.shut(new SynclineError('auth-revoked', 'This document cannot be read any more.'))
    if (mayBePresent && !pass.may('presence', this.id)) this.reattach(this.open)
    this.open.mayBePresent = pass.may('presence', this.id)
    this.open.scope = pass.may('write', this.id) ? 'read-write' : 'readonly'
    if (tell || this.open.scope !== scope) this.host.send(codec.authenticatedFrame(this.name, this.open.scope))
    // What was refused meanwhile, the provider still has and counts.
    if (this.open.scope === 'read-write' && scope === 'readonly' && this.ledger.owes) this.ask(this.open.guest, false)
  }

  /** Takes the presence of this connection away. What the old guest has not delivered yet goes with it, so all is sent again. */
  private reattach(open: Open): void {
    open.guest.detach()
    const guest = this.reading(() => this.attachGuest(open.pass, open.visit))
    if (guest === null) return
    open.guest = guest
    this.ledger.interrupted()
    this.startHandshake(guest)
  }

  /** The new token is no good; the old one still is. */
  private notRenewed(pass: Pass, error: SynclineError): void {
    if (this.open?.pass !== pass) return
    this.host.send(codec.permissionDeniedFrame(this.name, wordsOf(error)))
    this.passChanged(true)
  }

  private shut(error: SynclineError): void {
    if (this.gone) return
    this.leaveOpen()
    this.host.send(codec.permissionDeniedFrame(this.name, wordsOf(error)))
    this.doorkeeping.turnedAway(error)
    if (error.code === 'auth-expired') this.doorkeeping.askNow(() => this.host.send(codec.sendTokenFrame(this.name)))
    this.host.denied(error)
  }

  /** Whatever is under way gets no answer; what the provider counts is kept in the books until it is back. */
  private leaveOpen(): void {
    const { open } = this
    this.open = null
    this.interrupted = true
    open?.guest.detach()
    open?.leave()
    this.ledger.interrupted()
    for (const message of this.host.takeWaiting(this)) this.book(message)
  }

  private missed(message: codec.DocumentMessage): void {
    this.book(message)
    this.doorkeeping.askAgain(() => this.host.send(codec.sendTokenFrame(this.name)))
  }

  private book(message: codec.DocumentMessage): void {
    if (message.kind === 'step-1' && !message.reply) this.ledger.missedQuestion(message.stateVector)
    if (message.kind === 'step-2' || message.kind === 'update') this.ledger.missed(message.kind, message.update)
  }

  private answerQuestion(guest: Guest, { stateVector, reply }: Extract<codec.DocumentMessage, { kind: 'step-1' }>): void {
    if (!reply) {
      this.ledger.providerAsked(stateVector)
      this.ask(guest, true)
    }
    this.reading(() => this.host.send(codec.step2Frame(this.name, guest.diff(stateVector))))
  }

  private ask(guest: Guest, handshake: boolean): void {
    this.reading(() => {
      this.host.send(codec.step1Frame(this.name, guest.stateVector()))
      this.ledger.asked(handshake)
    })
  }

  private write({ pass, visit, guest }: Open, message: Extract<codec.DocumentMessage, { update: Uint8Array }>): void {
    const arrival = this.ledger.arrived(message.kind, message.update)
    if (isEmptyUpdate(message.update)) return this.settle(arrival, 'saved')
    if (!mayWrite(pass, visit.replica, this.id)) return this.refuseReadOnly(guest, arrival, message.update)
    // A copy: the view would keep the frame, or a shared read buffer, alive until the commit.
    const update = new Uint8Array(message.update)
    this.host.writes(this.id, update.length)
    this.host.unsaved(1, update.length)
    guest.submit(update, (outcome) => {
      if (outcome.kind === 'committed') visit.wrote(outcome.seq)
      if (this.open?.guest === guest) this.tell(arrival, outcome)
      this.host.unsaved(-1, update.length)
    })
  }

  private tell(arrival: Arrival, outcome: WriteOutcome): void {
    switch (outcome.kind) {
      case 'committed':
        this.asks = 0
        return this.settle(arrival, 'saved')
      case 'known':
        return this.settle(arrival, 'saved')
      case 'held':
        return this.hold(arrival)
      case 'refused':
        this.host.refused(this.id, outcome.code, outcome.reason)
        return this.settle(arrival, 'unsaved')
      case 'failed':
        // Not settled: nothing that comes after it is called saved either.
        return this.host.storeFailed(outcome.code)
    }
  }

  /** Something that it needs is not here. A question under way was not answered before this came, so its answer has all of it. */
  private hold(arrival: Arrival): void {
    const { asksMax } = this.host.limits
    // The answer to a question held again: this provider does not have what is missing either.
    if (arrival.kind === 'step-2' || (!this.ledger.asking && this.asks >= asksMax)) return this.settle(arrival, 'unsaved')
    this.settle(arrival, 'held')
    if (this.ledger.asking || this.open === null) return
    this.asks++
    this.ask(this.open.guest, false)
  }

  private refuseReadOnly(guest: Guest, arrival: Arrival, update: Uint8Array): void {
    // A reader answers the relay's step 1 too, and is up to date if that brings nothing.
    const nothingNew = arrival.kind === 'step-2' && this.reading(() => isKnownUpdate(update, () => guest.diff(EMPTY_STATE_VECTOR)))
    if (nothingNew !== true) this.host.refused(this.id, 'read-only', 'this identity may not write here')
    this.settle(arrival, nothingNew === true ? 'saved' : 'unsaved')
  }

  private settle(arrival: Arrival, verdict: Verdict): void {
    for (const saved of this.ledger.settled(arrival, verdict)) this.host.send(codec.syncStatusFrame(this.name, saved))
  }

  private stateless(pass: Pass, payload: string): void {
    const { hooks, roster, limits, space } = this.host
    if (Buffer.byteLength(payload) > limits.hocuspocusStatelessBytesMax) return this.close('a stateless message over the limit')
    if (hooks.onStateless === undefined) return
    try {
      const message = {
        space,
        doc: this.id,
        payload,
        identity: pass.identity,
        reply: (answer: string) => this.sendStateless(answer),
        broadcast: (news: string) => roster.broadcast(space, this.id, news),
      }
      Promise.resolve(hooks.onStateless(message)).catch((error: unknown) => hooks.failed?.(error, this.id, space))
    } catch (error) {
      hooks.failed?.(error, this.id, space)
    }
  }

  private sendStateless(payload: string): void {
    if (this.open !== null && !this.host.full()) this.host.send(codec.statelessFrame(this.name, payload))
  }

  private sendPresence(guest: Guest): void {
    const snapshot = guest.presenceSnapshot()
    if (snapshot !== null) this.host.send(codec.awarenessFrame(this.name, snapshot))
  }

  /** For reads of the store, which throw when it fails or when the document failed its checksum: the provider may come back later. */
  private reading<T>(read: () => T): T | null {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      this.host.storeFailed(error.code)
      return null
    }
  }
}

/** It is not about who asks: the connection comes back for it. Answered by a denial, an application would take it for one. */
const UNAVAILABLE: ReadonlySet<ErrorCode> = new Set(['hook-failed', 'relay-busy', 'spaces-full', 'storage-failed', 'shutting-down'])

/** What happened, without what an operator should do about it. */
function wordsOf({ code, message }: SynclineError): string {
  return `${code}: ${message.split(` [${code}]`, 1)[0]}`
}
