// What newcomers to a document are answered. A document with a tail has to be built before it can be encoded, which takes a thousand times longer than to send it, so when
// many come at once (a relay was restarted, a link to a page went round) one answer serves them all: a small one is kept for 2 s, a long one, of which somebody who was away
// asks for a part, for a minute. What a state vector lacks of it is cut out through a list of its structs, and what was committed since is joined to that. Bounded in
// bytes, all documents together. Used by guest-table.ts. Rules: RS-1, CV-1.

import { IndexedUpdate, joinUpdates, unframeUpdates, type DocId, type DocKey } from '@syncline/protocol'
import * as Y from 'yjs'
import type { RecentRow } from './recent-rows.ts'

export interface AnswerSource {
  /** One v1 update with all that is committed, read and built now. */
  wholeUpdate(doc: DocId): Uint8Array
  /** Where the stored document stands; undefined for none. */
  stored(key: DocKey): { readonly lastSeq: number; readonly docEpoch: number; readonly quarantined: boolean } | undefined
  /** Settled rows of all documents after a position; null when memory does not reach that far back. */
  recentAfter(seq: number): Iterable<RecentRow> | null
}

/** Ticks come every 250 ms. */
const KEPT_TICKS = 8
const LONG_KEPT_TICKS = 240
const LONG_BYTES = 16 * 1024
const KEPT_BYTES_MAX = 32 * 1024 * 1024
/** Of those that are kept for long. */
const LONG_KEPT_BYTES_MAX = 8 * 1024 * 1024
/** Above it, to read and build the document anew costs no more. */
const NEWS_MAX = 256
/** An empty Yjs state vector. */
const HAS_NOTHING_BYTES = 1
const EMPTY_UPDATE = Uint8Array.of(0, 0)

/** One document as one update, and what was committed since. */
class Answer {
  readonly docEpoch: number
  lastSeq: number
  /** Since it was asked for. */
  ticks = 0
  #whole: Uint8Array
  /** Updates, oldest first. */
  #news: Uint8Array[] = []
  /** Undefined: not made yet. Null: it cannot be. */
  #indexed: IndexedUpdate | null | undefined

  constructor(whole: Uint8Array, lastSeq: number, docEpoch: number) {
    this.#whole = whole
    this.lastSeq = lastSeq
    this.docEpoch = docEpoch
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#whole.length + (this.#indexed?.indexBytes ?? 0) + this.#news.reduce((sum, { length }) => sum + length, 0)
  }

  /** False when that is more than is worth keeping. */
  add(news: readonly Uint8Array[], lastSeq: number): boolean {
    this.#news.push(...news)
    this.lastSeq = lastSeq
    return this.#news.length <= NEWS_MAX
  }

  whole(): Uint8Array {
    if (this.#news.length === 0) return this.#whole
    this.#whole = oneOf([this.#whole, ...this.#news])
    this.#news = []
    this.#indexed = undefined
    return this.#whole
  }

  beyond(stateVector: Uint8Array): Uint8Array {
    if (this.#indexed === undefined) this.#indexed = IndexedUpdate.of(this.#whole)
    if (this.#indexed === null) return Y.diffUpdate(this.whole(), stateVector)
    const cut = this.#indexed.beyond(Y.decodeStateVector(stateVector))
    return this.#news.length === 0 ? cut : oneOf([cut, ...this.#news])
  }
}

export class SharedAnswers {
  readonly #source: AnswerSource
  /** The one that was asked for last is the last. */
  readonly #answers = new Map<DocKey, { readonly answer: Answer; readonly bytes: number }>()
  #bytes = 0

  constructor(source: AnswerSource) {
    this.#source = source
  }

  /** One v1 update with what `stateVector` (Yjs v1, readable) lacks, all deletes included. Throws what the reads throw. */
  to(doc: DocId, key: DocKey, stateVector: Uint8Array): Uint8Array {
    const stored = this.#source.stored(key)
    if (stored === undefined) return EMPTY_UPDATE
    const answer = this.#upToDate(key, stored) ?? new Answer(this.#source.wholeUpdate(doc), stored.lastSeq, stored.docEpoch)
    const update = stateVector.length <= HAS_NOTHING_BYTES ? answer.whole() : answer.beyond(stateVector)
    if (!stored.quarantined) this.#keep(key, answer)
    return update
  }

  /** Every 250 ms. */
  tick(): void {
    for (const [key, { answer, bytes }] of this.#answers) {
      answer.ticks++
      const kept = bytes < LONG_BYTES || this.#bytes > LONG_KEPT_BYTES_MAX ? KEPT_TICKS : LONG_KEPT_TICKS
      if (answer.ticks >= kept) this.#drop(key)
    }
  }

  /** Null: it has to be built. */
  #upToDate(key: DocKey, { lastSeq, docEpoch, quarantined }: NonNullable<ReturnType<AnswerSource['stored']>>): Answer | null {
    const answer = this.#answers.get(key)?.answer
    if (answer === undefined || quarantined || answer.docEpoch !== docEpoch) return null
    if (answer.lastSeq === lastSeq) return answer
    const news = this.#committedSince(answer, key, lastSeq)
    return news !== null && answer.add(news, lastSeq) ? answer : null
  }

  /** Null: not all of it is in memory, or it is too much. The store may have landed more than is settled. */
  #committedSince({ lastSeq, docEpoch }: Answer, key: DocKey, upTo: number): Uint8Array[] | null {
    const recent = this.#source.recentAfter(lastSeq)
    if (recent === null) return null
    const news: Uint8Array[] = []
    let last = lastSeq
    for (const row of recent) {
      if (row.doc !== key || row.seq > upTo) continue
      if (row.docEpoch !== docEpoch) return null
      last = row.seq
      if (row.kind === 'updates') news.push(...(unframeUpdates(row.data) ?? []))
      if (news.length > NEWS_MAX) return null
    }
    return last === upTo ? news : null
  }

  #keep(key: DocKey, answer: Answer): void {
    this.#drop(key)
    answer.ticks = 0
    const { bytes } = answer
    for (const other of this.#answers.keys()) {
      if (this.#bytes + bytes <= KEPT_BYTES_MAX) break
      this.#drop(other)
    }
    this.#answers.set(key, { answer, bytes })
    this.#bytes += bytes
  }

  #drop(key: DocKey): void {
    this.#bytes -= this.#answers.get(key)?.bytes ?? 0
    this.#answers.delete(key)
  }
}

/** One update of several that follow one another. */
function oneOf(updates: readonly Uint8Array[]): Uint8Array {
  const joined = joinUpdates(updates)
  return joined.length === 1 ? joined[0]! : Y.mergeUpdates(joined)
}
