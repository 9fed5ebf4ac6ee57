// A guest is a foreign door's connection to one document (a y-websocket room, later a Hocuspocus document). Decides when committed updates are
// handed to its port and when they wait in the log instead. A guest that does not drain has nothing queued here: only its position in the log
// is kept, and it catches up from there. Read by replica.ts; doors implement GuestPort. Rules: RS-1, DU-1.

import { isDeletion, LIMITS, SynclineError, type DocId, type DocKey, type ErrorCode } from '@syncline/protocol'
import * as Y from 'yjs'
import type { SourceId, WriteOutcome } from './effects.ts'
import type { Missed } from './missed-rows.ts'

/** What a door gives. Every call is harmless on a closed connection. */
export interface GuestPort {
  /** Who it is, where that is known for sure: as Access.subject. */
  readonly subject?: string | null
  /** Stands for the connection, where that has several documents: their presence shares a rate. */
  readonly connection?: object
  /** True: it is handed what it wrote itself as well, in its place, as soon as that is committed. Default: that is left out, except when it catches up. */
  readonly hearsItself?: boolean
  /** Committed v1 updates, in log order. All guests that one commit brings the same are handed the same array; not to be changed. */
  deliver(updates: readonly Uint8Array[]): void
  /** y-protocols awareness bytes of others. */
  presence(bytes: Uint8Array): void
  /** Its own presence was removed here before it came back, and it was told so. A client that does not announce itself anew at that has to be asked. */
  presenceLost?(): void
  /** Ask the other side for a sign of life; then call Guest.alive(). */
  ping(): void
  /** The replica is done with this guest. */
  close(code: ErrorCode, reason: string): void
  /** Bytes taken by deliver() and presence() that the network has not taken yet. */
  buffered(): number
}

export interface Guest {
  readonly id: DocId
  /** Committed state vector, Yjs v1. */
  stateVector(): Uint8Array
  /** One v1 update with everything committed that `stateVector` (Yjs v1) lacks, all deletes included. Throws "argument-invalid" when it is no
   *  state vector, "doc-quarantined" when the stored document is damaged. */
  diff(stateVector: Uint8Array): Uint8Array
  /** Resolves with what became of the update, and never before a commit covers it. Never rejects. */
  write(update: Uint8Array): Promise<WriteOutcome>
  /** As write(), for those who write much: `told` is called once, never during the call, and after deliver() of the commit. */
  submit(update: Uint8Array, told: (outcome: WriteOutcome) => void): void
  /** Whether deliver() has handed back the very update that came to this outcome. To be asked when the outcome comes. */
  heard(outcome: WriteOutcome): boolean
  /** Bytes of write() calls without an outcome: a door stops reading its socket above its bound. */
  readonly unsettledBytes: number
  presence(bytes: Uint8Array): void
  /** Presence of all others in the document, or null. */
  presenceSnapshot(): Uint8Array | null
  /** The connection answered a ping, or sent anything. */
  alive(): void
  /** buffered() fell. */
  drained(): void
  /** The connection is gone: its presence goes too. Writes under way still get their outcome. */
  detach(): void
}

/** The refusal of whoever comes to a document that is deleted. */
export function docDeleted(doc: DocId): SynclineError {
  return new SynclineError('doc-deleted', `The document ${doc} was deleted.`)
}

const EMPTY_STATE_VECTOR = Uint8Array.of(0)
const EMPTY_UPDATE = Uint8Array.of(0, 0)

/** Handing over an update costs about as much time as copying this many bytes. */
const UPDATE_COST_BYTES = 512

/** What a guest needs of its Replica. */
export interface GuestHost {
  stateVector(doc: DocId): Uint8Array
  diffFor(doc: DocId, stateVector: Uint8Array): Uint8Array
  missed(key: DocKey, position: number): Missed | null
  /** The committed epoch as the engine has settled it. */
  docEpoch(doc: DocId): number
  /** Where the document stands that diffFor() reads, which may be a commit ahead; undefined for none. */
  stored(key: DocKey): { readonly docEpoch: number; readonly lastSeq: number } | undefined
  /** It lags behind and may take more: to be called back with catchUp, in its turn. */
  catchesUp(guest: AttachedGuest): void
  write(guest: AttachedGuest, update: Uint8Array, told: (outcome: WriteOutcome) => void): void
  presence(guest: AttachedGuest, bytes: Uint8Array): void
  presenceSnapshot(doc: DocId): Uint8Array | null
  alive(guest: AttachedGuest): void
  detached(guest: AttachedGuest): void
  /** The port threw. */
  report(error: unknown, doc: DocId): void
}

export class AttachedGuest implements Guest {
  readonly id: DocId
  readonly key: DocKey
  readonly source: SourceId
  readonly hearsItself: boolean
  /** Of the life of the document that it came to. */
  readonly docEpoch: number
  unsettledBytes = 0
  readonly #host: GuestHost
  readonly #port: GuestPort
  /** Every row of the document up to here was delivered, or was committed before the guest came. */
  #position: number
  /** Of the newest rows that deliver() handed over as they were committed. */
  #heardSeq = 0
  #lagging = false
  #presenceMissed = false
  #attached = true

  constructor(host: GuestHost, port: GuestPort, source: SourceId, id: DocId, key: DocKey) {
    this.#host = host
    this.#port = port
    this.source = source
    this.hearsItself = port.hearsItself === true
    this.id = id
    this.key = key
    const stored = host.stored(key)
    this.docEpoch = stored?.docEpoch ?? 0
    if (isDeletion(this.docEpoch)) throw docDeleted(id)
    this.#position = stored?.lastSeq ?? 0
  }

  /** True while updates wait in the log for this guest to drain. */
  get lagging(): boolean {
    return this.#lagging || this.#presenceMissed
  }

  stateVector(): Uint8Array {
    // In this order: the first question brings the document into memory.
    const stateVector = this.#host.stateVector(this.id)
    return this.#host.docEpoch(this.id) === this.docEpoch ? stateVector : EMPTY_STATE_VECTOR
  }

  diff(stateVector: Uint8Array): Uint8Array {
    try {
      Y.decodeStateVector(stateVector)
    } catch (error) {
      throw new SynclineError('argument-invalid', `A state vector for ${this.id} cannot be read.`, { cause: error })
    }
    // Of a life that is over nothing is left.
    return (this.#host.stored(this.key)?.docEpoch ?? 0) === this.docEpoch ? this.#host.diffFor(this.id, stateVector) : EMPTY_UPDATE
  }

  write(update: Uint8Array): Promise<WriteOutcome> {
    return new Promise((resolve) => this.submit(update, resolve))
  }

  submit(update: Uint8Array, told: (outcome: WriteOutcome) => void): void {
    const { length } = update
    this.unsettledBytes += length
    this.#host.write(this, update, (outcome) => {
      this.unsettledBytes -= length
      told(outcome)
    })
  }

  heard(outcome: WriteOutcome): boolean {
    return this.hearsItself && outcome.kind === 'committed' && outcome.cut !== true && outcome.seq <= this.#heardSeq
  }

  presence(bytes: Uint8Array): void {
    if (this.#attached) this.#host.presence(this, bytes)
  }

  presenceSnapshot(): Uint8Array | null {
    return this.#host.presenceSnapshot(this.id)
  }

  alive(): void {
    if (this.#attached) this.#host.alive(this)
  }

  drained(): void {
    if (this.#attached && this.lagging) this.#host.catchesUp(this)
  }

  detach(): void {
    if (!this.#attached) return
    this.#attached = false
    this.#host.detached(this)
  }

  /** All rows of the document that one commit made, own ones left out of `updates` unless it hears itself; `seq` is the newest of them all. */
  deliver(updates: readonly Uint8Array[], seq: number): void {
    // Rows that a catch-up read from the store already.
    if (!this.#attached || seq <= this.#position || this.#lagging) return
    if (updates.length > 0 && !this.#hasRoom()) {
      this.#lagging = true
      return
    }
    this.#position = seq
    this.#heardSeq = seq
    if (updates.length === 0) return
    try {
      this.#port.deliver(updates)
    } catch (error) {
      this.#host.report(error, this.id)
    }
  }

  deliverPresence(bytes: Uint8Array): void {
    if (!this.#attached) return
    if (this.#hasRoom()) this.#call(() => this.#port.presence(bytes))
    else this.#presenceMissed = true
  }

  /** An own entry that is gone here, at a clock that the client has to exceed. */
  replyPresence(bytes: Uint8Array): void {
    this.deliverPresence(bytes)
    if (this.#attached) this.#call(() => this.#port.presenceLost?.())
  }

  ping(): void {
    this.#call(() => this.#port.ping())
  }

  close(code: ErrorCode, reason: string): void {
    this.#call(() => this.#port.close(code, reason))
  }

  /** Hands over what was missed, as much as there is room for and about `bytesMax` at most, unless more had to be read for it. Returns what it cost, in bytes read and handed over. When compaction
   *  moved missed rows into a snapshot, the guest gets that, which repeats what it has and loses nothing. */
  catchUp(bytesMax: number): number {
    if (!this.#attached || !this.#hasRoom()) return 0
    if (this.#presenceMissed) {
      this.#presenceMissed = false
      const snapshot = this.presenceSnapshot()
      if (snapshot !== null) this.#call(() => this.#port.presence(snapshot))
    }
    let cost = 0
    if (this.#lagging) this.#call(() => (cost = this.#deliverMissed(bytesMax)))
    return cost
  }

  /** It has room, so whoever calls may go on with it. */
  get catchesUp(): boolean {
    return this.#attached && this.lagging && this.#hasRoom()
  }

  #deliverMissed(bytesMax: number): number {
    let cost = 0
    let costMax = bytesMax
    while (cost < costMax && this.#hasRoom()) {
      const missed = this.#host.missed(this.key, this.#position)
      if (missed === null) {
        this.#lagging = false
        return cost
      }
      cost += missed.bytesRead
      // What was read for it is used while it is here: as much as there is room for.
      if (missed.bytesRead > 0) costMax = Infinity
      for (const { seq, updates } of missed.parts) {
        if (cost >= costMax || !this.#hasRoom()) return cost
        this.#position = seq
        for (const update of updates) cost += update.length + UPDATE_COST_BYTES
        if (updates.length > 0) this.#port.deliver(updates)
      }
      this.#position = missed.upTo
    }
    return cost
  }

  #hasRoom(): boolean {
    try {
      return this.#port.buffered() < LIMITS.socketBufferBytesMax
    } catch {
      return false
    }
  }

  #call(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#host.report(error, this.id)
    }
  }
}
