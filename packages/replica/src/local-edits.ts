// The local edits of one open document on their way to the store: which have no outcome yet, what saved() waits for, what was refused, and when everything
// uncommitted is sent again as one update. Knows nothing of Yjs: its owner (open-document.ts) encodes. Rules: DU-1, RF-1.

import { SynclineError, type DocId, type ErrorCode } from '@syncline/protocol'
import type { Ticket, WriteOutcome } from './effects.ts'

export interface LocalEditsHost {
  write(update: Uint8Array, outcome: (ticket: Ticket, outcome: WriteOutcome) => void): Ticket
  /** One update with everything that is not committed. */
  encodeUncommitted(): Uint8Array
  /** Newest committed row of the document, 0 for none. */
  lastSeq(): number
  /** Newest row that this replica wrote itself, 0 for none. */
  localSeq(): number
  /** `rejection` changed. */
  changed(): void
}

interface Waiter {
  upTo: Ticket
  readonly resolve: (seq: number) => void
  readonly reject: (error: SynclineError) => void
}

export class LocalEdits {
  /** Why the newest edits are not accepted, or null. */
  rejection: SynclineError | null = null
  readonly #doc: DocId
  readonly #host: LocalEditsHost
  /** Tickets without an outcome, ascending. */
  readonly #outstanding = new Set<Ticket>()
  /** What was sent, to know it when it comes back. */
  readonly #sent = new WeakSet<Uint8Array>()
  #waiters: Waiter[] = []
  #newestTicket: Ticket = 0
  #savedSeq = 0
  /** The Y.Doc holds an edit that could not be sent. */
  #unencoded: SynclineError | null = null
  /** The update with everything uncommitted that is under way; `again` when another must follow it. */
  #whole: { readonly ticket: Ticket; again: boolean } | null = null

  constructor(doc: DocId, host: LocalEditsHost) {
    this.#doc = doc
    this.#host = host
  }

  get unsaved(): number {
    return this.#outstanding.size
  }

  isOwn(update: Uint8Array): boolean {
    return this.#sent.has(update)
  }

  /** An edit. After a refusal single edits cannot be accepted any more, they build on it: then all is offered together. */
  edited(update: Uint8Array): void {
    if (this.rejection === null) this.send(update)
    else this.sendWhole()
  }

  send(update: Uint8Array): Ticket {
    this.#sent.add(update)
    const ticket = this.#host.write(update, this.#outcome)
    this.#outstanding.add(ticket)
    this.#newestTicket = ticket
    return ticket
  }

  /** Sends everything that is not committed. One at a time: while one is under way, another follows it. */
  sendWhole(): void {
    if (this.#whole !== null) {
      this.#whole.again = true
      return
    }
    const update = this.#encode()
    if (update === null) return
    const ticket = this.send(update)
    this.#whole = { ticket, again: false }
    for (const waiter of this.#waiters) waiter.upTo = ticket
  }

  /** Null, and a rejection: the Y.Doc holds what Yjs took and cannot encode, like a value that contains itself. It is tried again with the next edit. */
  #encode(): Uint8Array | null {
    try {
      const update = this.#host.encodeUncommitted()
      this.#unencoded = null
      return update
    } catch (error) {
      this.#unencoded = new SynclineError('update-forbidden', `An edit of ${this.#doc} cannot be encoded.`, { cause: error })
      this.#reject(this.#newestTicket + 1, 'update-forbidden', `a value in it cannot be encoded (${(error as Error).message})`)
      return null
    }
  }

  readonly #outcome = (ticket: Ticket, outcome: WriteOutcome): void => {
    const whole = this.#whole?.ticket === ticket ? this.#whole : null
    if (whole !== null) this.#whole = null
    if (outcome.kind === 'committed') this.#savedSeq = Math.max(this.#savedSeq, outcome.seq)
    if (outcome.kind === 'known') this.#savedSeq = Math.max(this.#savedSeq, this.#host.lastSeq())
    // Held: the engine missed an earlier edit.
    if (whole?.again === true || (outcome.kind === 'held' && whole === null)) this.sendWhole()
    else if (outcome.kind === 'held') this.#reject(ticket, 'held-overflow', 'what it builds on is missing here')
    else if (outcome.kind === 'refused') this.#reject(ticket, outcome.code, outcome.reason)
    else if (outcome.kind === 'failed') this.#reject(ticket, outcome.code, 'the store did not take it')
    else if (whole !== null) this.#accept()
    this.#outstanding.delete(ticket)
    this.#wakeWaiters()
  }

  #reject(ticket: Ticket, code: ErrorCode, reason: string): void {
    const error = new SynclineError(code, `An edit of ${this.#doc} was refused: ${reason}.`)
    const news = this.rejection?.code !== code
    this.rejection = error
    for (const waiter of this.#waiters) if (waiter.upTo >= ticket) waiter.reject(error)
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo < ticket)
    if (news) this.#host.changed()
  }

  /** Whatever is not committed by now never will be. */
  deleted(): void {
    this.#reject(0, 'doc-deleted', 'the document was deleted')
  }

  #accept(): void {
    if (this.rejection === null) return
    this.rejection = null
    this.#host.changed()
  }

  /** Resolves with a position that covers every edit so far; rejects when one of them is refused. */
  async saved(): Promise<number> {
    if (this.#unencoded !== null) throw this.rejection ?? this.#unencoded
    if (this.#outstanding.size > 0) {
      return new Promise((resolve, reject) => this.#waiters.push({ upTo: this.#newestTicket, resolve, reject }))
    }
    if (this.rejection !== null) throw this.rejection
    return this.#coveringSeq()
  }

  /** Nothing is answered any more. */
  end(reason: SynclineError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason)
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return
    const [oldest = Infinity] = this.#outstanding
    const seq = this.#coveringSeq()
    for (const waiter of this.#waiters) {
      if (waiter.upTo >= oldest) continue
      // What it waits for may be in what could not be sent.
      if (this.#unencoded === null) waiter.resolve(seq)
      else waiter.reject(this.rejection ?? this.#unencoded)
    }
    this.#waiters = this.#waiters.filter((waiter) => waiter.upTo >= oldest)
  }

  /** Edits of earlier openings are covered too: by the newest row of this replica. */
  #coveringSeq(): number {
    return this.#savedSeq || this.#host.localSeq()
  }
}
