// What newcomers to a document are answered. A document with a tail has to be built before it can be encoded, which takes a thousand times longer than to send it, so when
// many come at once (a relay was restarted, a link to a page went round) one answer serves them all: it is kept for 2 s, and what was committed since is merged into
// it. Used by guest-table.ts. Rules: RS-1, CV-1.

import { unframeUpdates, type DocId, type DocKey } from '@syncline/protocol'
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

interface Answer {
  readonly update: Uint8Array
  readonly lastSeq: number
  readonly docEpoch: number
  /** Ticks that it is kept for yet. */
  ticksLeft: number
}

/** Ticks come every 250 ms. */
const KEPT_TICKS = 8
const KEPT_BYTES_MAX = 32 * 1024 * 1024
/** Above it, to read and build the document anew costs no more. */
const MERGED_ROWS_MAX = 256
/** An empty Yjs state vector. */
const HAS_NOTHING_BYTES = 1
/** For a document that is not here. */
const NOTHING: Answer = { update: Uint8Array.of(0, 0), lastSeq: 0, docEpoch: 0, ticksLeft: 0 }

export class SharedAnswers {
  readonly #source: AnswerSource
  readonly #answers = new Map<DocKey, Answer>()
  #bytes = 0

  constructor(source: AnswerSource) {
    this.#source = source
  }

  /** One v1 update with what `stateVector` (Yjs v1, readable) lacks, all deletes included. Throws what the reads throw. */
  to(doc: DocId, key: DocKey, stateVector: Uint8Array): Uint8Array {
    const { update } = this.#upToDate(doc, key)
    return stateVector.length <= HAS_NOTHING_BYTES ? update : Y.diffUpdate(update, stateVector)
  }

  /** Every 250 ms. */
  tick(): void {
    for (const [key, answer] of this.#answers) if (--answer.ticksLeft <= 0) this.#drop(key, answer)
  }

  #upToDate(doc: DocId, key: DocKey): Answer {
    const stored = this.#source.stored(key)
    const kept = this.#answers.get(key)
    if (stored === undefined) return NOTHING
    if (stored.quarantined || kept?.docEpoch !== stored.docEpoch) return this.#build(doc, key, stored)
    if (kept.lastSeq === stored.lastSeq) return kept
    const news = this.#committedSince(kept, key, stored.lastSeq)
    if (news === null) return this.#build(doc, key, stored)
    const update = news.length === 0 ? kept.update : Y.mergeUpdates([kept.update, ...news])
    return this.#keep(key, { update, lastSeq: stored.lastSeq, docEpoch: kept.docEpoch, ticksLeft: kept.ticksLeft })
  }

  #build(doc: DocId, key: DocKey, { lastSeq, docEpoch, quarantined }: NonNullable<ReturnType<AnswerSource['stored']>>): Answer {
    const answer = { update: this.#source.wholeUpdate(doc), lastSeq, docEpoch, ticksLeft: KEPT_TICKS }
    return quarantined ? answer : this.#keep(key, answer)
  }

  /** Null: not all of it is in memory, or it is too much. The store may have landed more than is settled. */
  #committedSince({ lastSeq, docEpoch }: Answer, key: DocKey, upTo: number): Uint8Array[] | null {
    const recent = this.#source.recentAfter(lastSeq)
    if (recent === null) return null
    const news: Uint8Array[] = []
    let last = lastSeq
    let rows = 0
    for (const row of recent) {
      if (row.doc !== key || row.seq > upTo) continue
      if (row.docEpoch !== docEpoch || ++rows > MERGED_ROWS_MAX) return null
      last = row.seq
      if (row.kind === 'updates') news.push(...(unframeUpdates(row.data) ?? []))
    }
    return last === upTo ? news : null
  }

  #keep(key: DocKey, answer: Answer): Answer {
    const before = this.#answers.get(key)
    if (before !== undefined) this.#drop(key, before)
    for (const [other, kept] of this.#answers) {
      if (this.#bytes + answer.update.length <= KEPT_BYTES_MAX) break
      this.#drop(other, kept)
    }
    this.#answers.set(key, answer)
    this.#bytes += answer.update.length
    return answer
  }

  #drop(key: DocKey, { update }: Answer): void {
    this.#answers.delete(key)
    this.#bytes -= update.length
  }
}
