// When a provider is told that something is saved. Pure. A provider shows "all saved" when its count of unsynced changes is 0, so what is decided here is the count.
// Used by document.ts. Rules: HP-3, HP-4, DU-1.
//
// The provider's count (read in its source, 3 and 4): each step 1 that it sends sets it to 1, each change adds 1, each SyncStatus(1) takes 1 off, SyncStatus(0) nothing.
// So one status is due for its step 1, sent when the step 2 that it answers ours with is committed, and one for each change. But:
// - Changes made while it was offline wait in the provider and are sent right after its step 1, uncounted: their statuses would take the count to 0 too early. They are
//   told by that step 1, which covers them already, or begins inside them (flushDelay of version 4 batches), and get no status; the step 2 brings them once more
//   and answers for them. A change of deletes alone cannot be told: its status waits for the step 2. One batch may come even after the step 2.
// - A step 1 in the middle (forceSync) forgets what was counted before, and so does the ledger.
// - A step 2 that the relay asked for by itself (something is missing here; the right to write came back; the document was closed in between) is not counted and gets
//   none of its own, but it carries all that the provider has: once it is committed, so is everything that was answered with 0 or not yet.
// Statuses leave in the order of arrival. What failed to be stored is never settled, and holds back all that came after it: its connection ends.

import { isRefusal, walkUpdate } from '@syncline/protocol'
import * as Y from 'yjs'

/** saved: committed, or nothing new. unsaved: refused. held: waits for a step 2 that was or will be asked for. */
export type Verdict = 'saved' | 'unsaved' | 'held'

/** A step 2 or an update on its way through the engine. */
export interface Arrival {
  readonly kind: 'step-2' | 'update'
  counted: boolean
  /** A step 2 that answers a question of ours: it has all that the provider has. */
  readonly complete: boolean
  /** An update that gets its status with the step 2. */
  readonly late: boolean
  verdict: Verdict | null
}

export class SaveLedger {
  private readonly baselineBytesMax: number
  /** Arrivals without a status, in order. */
  private line: Arrival[] = []
  /** What the provider counts and was not told to be saved; a complete step 2 pays for it. */
  private owed = 0
  /** Those of `owed` that got no status at all yet, not even a 0. */
  private silent = 0
  /** Our step 1s without an answer, in order; true: its answer is what the provider counts for its own step 1. */
  private questions: boolean[] = []
  /** What the provider had when its count began; null when all that comes is counted. */
  private baseline: Uint8Array | null = null
  private baselineClocks: Map<number, number> | null = null
  /** From the provider's step 1 to the last step 2 that answers one of ours. */
  private handshaking = false

  constructor(baselineBytesMax: number) {
    this.baselineBytesMax = baselineBytesMax
  }

  /** Something was refused, or missed, that the provider still counts. */
  get owes(): boolean {
    return this.owed > 0
  }

  /** A step 1 of ours waits for its answer. */
  get asking(): boolean {
    return this.questions.length > 0
  }

  /** The provider's step 1: its count begins anew. */
  providerAsked(stateVector: Uint8Array): void {
    for (const arrival of this.line) arrival.counted = false
    this.questions = this.questions.map(() => false)
    this.owed = 0
    this.silent = 0
    this.handshaking = true
    this.baselineClocks = null
    this.baseline = stateVector.length <= this.baselineBytesMax ? new Uint8Array(stateVector) : null
  }

  /** A step 1 of ours leaves. `handshake`: in return for the provider's. */
  asked(handshake: boolean): void {
    this.questions.push(handshake)
  }

  /** A step 2 or an update came and goes to the engine; to be settled. */
  arrived(kind: Arrival['kind'], update: Uint8Array): Arrival {
    const arrival = this.arrivalOf(kind, update)
    this.line.push(arrival)
    return arrival
  }

  /** What became of it. Returns the statuses to send now, in order. */
  settled(arrival: Arrival, verdict: Verdict): readonly boolean[] {
    arrival.verdict = verdict
    const statuses: boolean[] = []
    while (this.line.length > 0 && this.line[0]!.verdict !== null) this.pay(this.line.shift()!, statuses)
    return statuses
  }

  /** The document is not open any more: what is under way gets no status, but stays counted. */
  interrupted(): void {
    const unanswered = this.line.filter((arrival) => arrival.counted).length + this.questions.filter(Boolean).length
    this.owed += unanswered
    this.silent += unanswered
    this.line = []
    this.questions = this.questions.map(() => false)
  }

  /** A step 1 that came while the document was not open: nobody answers it, and it is counted. */
  missedQuestion(stateVector: Uint8Array): void {
    this.providerAsked(stateVector)
    this.owed = 1
    this.silent = 1
  }

  /** An update or a step 2 that came while the document was not open. */
  missed(kind: Arrival['kind'], update: Uint8Array): void {
    if (!this.arrivalOf(kind, update).counted || kind === 'step-2') return
    this.owed++
    this.silent++
  }

  private arrivalOf(kind: Arrival['kind'], update: Uint8Array): Arrival {
    if (kind === 'step-2') {
      const handshake = this.questions.shift()
      if (this.questions.length === 0) this.handshaking = false
      return { kind, counted: handshake ?? true, complete: handshake !== undefined, late: false, verdict: null }
    }
    const since = this.madeSince(update)
    const late = since === 'unknown' && this.handshaking
    if (!this.handshaking) this.baseline = this.baselineClocks = null
    return { kind, counted: since !== 'no', complete: false, late, verdict: null }
  }

  private pay(arrival: Arrival, statuses: boolean[]): void {
    const { kind, counted, complete, late, verdict } = arrival
    if (kind === 'step-2' && complete) return this.payAll(counted, verdict === 'saved', statuses)
    if (!counted) return
    if (verdict === 'saved' && !late) {
      statuses.push(true)
      return
    }
    this.owed++
    if (verdict === 'unsaved') statuses.push(false)
    else this.silent++
  }

  private payAll(counted: boolean, saved: boolean, statuses: boolean[]): void {
    const waiting = saved ? this.owed : this.silent
    for (let paid = counted ? -1 : 0; paid < waiting; paid++) statuses.push(saved)
    this.silent = 0
    if (saved) this.owed = 0
    else if (counted) this.owed++
  }

  /** Whether all of the update was made after the provider's count began. Cost: during a handshake, one pass over the update. */
  private madeSince(update: Uint8Array): 'yes' | 'no' | 'unknown' {
    if (this.baseline === null) return 'yes'
    const facts = walkUpdate(update)
    if (isRefusal(facts)) return 'yes'
    if (facts.structs.length === 0) return 'unknown'
    this.baselineClocks ??= Y.decodeStateVector(this.baseline)
    for (let at = 0; at < facts.structs.length; at += 3) {
      const [client, from] = [facts.structs[at]!, facts.structs[at + 1]!]
      if (from < (this.baselineClocks.get(client) ?? 0)) return 'no'
    }
    return 'yes'
  }
}
