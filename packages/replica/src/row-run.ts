// The rows of one commit that belong together: of one document, of one collection, or all. Every channel of that scope that was told all before them shares the run, and those of one
// document are sent the same bytes: each row is encoded once, and what differs between links is the head of the message and which rows came from there. Made by
// channel-index.ts, sent by server.ts. Rules: I8, WI-1.

import { encodeEntryRow, entriesMessage, type DocKey } from '@syncline/protocol'
import type { LinkId } from './effects.ts'
import type { OriginNumbers } from './origin-numbers.ts'
import type { RecentRow } from './recent-rows.ts'

/** Subscribers number a document as they please; most have one, and call it 0. */
const ALIASES_KEPT_MAX = 4

interface Encoded {
  /** Row i is bytes[ends[i - 1], ends[i]). */
  readonly bytes: Uint8Array
  readonly ends: readonly number[]
}

export class RowRun {
  readonly rows: readonly RecentRow[]
  /** Of all rows. */
  readonly bytes: number
  /** The link that all of them came by; null: they came by several, or by none. */
  readonly onlyLink: LinkId | null
  /** Null: of several. */
  readonly doc: DocKey | null
  /** Null: of several. */
  readonly docEpoch: number | null
  readonly #encoded = new Map<number, Encoded>()
  /** Numbers of their origins, of one generation. */
  #origins: { readonly generation: number; readonly numbers: readonly number[] } | null = null
  #ofLink: Map<LinkId, number[]> | null = null

  /** `rows`: at least one, in log order. */
  constructor(rows: readonly RecentRow[]) {
    this.rows = rows
    const first = rows[0]!
    let bytes = 0
    let onlyLink: LinkId | null = first.link
    let doc: DocKey | null = first.doc
    let docEpoch: number | null = first.docEpoch
    for (const row of rows) {
      bytes += row.data.length
      if (row.link !== first.link) onlyLink = null
      if (row.doc !== first.doc) doc = null
      if (row.docEpoch !== first.docEpoch) docEpoch = null
    }
    this.bytes = bytes
    this.onlyLink = onlyLink === 0 ? null : onlyLink
    this.doc = doc
    this.docEpoch = docEpoch
  }

  /** Numbers of the rows' origins. */
  originsIn(numbers: OriginNumbers): readonly number[] {
    if (this.#origins?.generation !== numbers.generation) {
      const { generation } = numbers
      let all = this.rows.map((row) => numbers.of(row.origin))
      // One of them began another generation: the others begin it, too.
      if (numbers.generation !== generation) all = this.rows.map((row) => numbers.of(row.origin))
      this.#origins = { generation: numbers.generation, numbers: all }
      this.#encoded.clear()
    }
    return this.#origins.numbers
  }

  /** Indexes of the rows that came by the link, ascending. */
  cameBy(link: LinkId): readonly number[] {
    if (this.#ofLink === null) {
      this.#ofLink = new Map()
      for (const [index, row] of this.rows.entries()) {
        const known = this.#ofLink.get(row.link)
        if (known === undefined) this.#ofLink.set(row.link, [index])
        else known.push(index)
      }
    }
    return link === 0 ? [] : (this.#ofLink.get(link) ?? [])
  }

  /** An ENTRIES message with all rows but those that came by the link. Their document is `alias` there, and their origins are introduced under their numbers. */
  entriesFor(link: LinkId, alias: number, head: { readonly channel: number; readonly toSeq: number }, numbers: OriginNumbers): Uint8Array {
    const { bytes, ends } = this.#encodedFor(alias, numbers)
    const left = this.cameBy(link)
    const parts: Uint8Array[] = []
    let from = 0
    for (const index of left) {
      const start = index === 0 ? 0 : ends[index - 1]!
      if (start > from) parts.push(bytes.subarray(from, start))
      from = ends[index]!
    }
    if (from < bytes.length) parts.push(from === 0 ? bytes : bytes.subarray(from))
    return entriesMessage({ ...head, rows: this.rows.length - left.length }, parts)
  }

  #encodedFor(alias: number, numbers: OriginNumbers): Encoded {
    const origins = this.originsIn(numbers)
    const known = this.#encoded.get(alias)
    if (known !== undefined) return known
    if (this.#encoded.size >= ALIASES_KEPT_MAX) this.#encoded.clear()
    const parts = this.rows.map(({ n, data }, i) => encodeEntryRow({ doc: alias, origin: origins[i]!, n, bytes: data }))
    let size = 0
    const ends = parts.map((part) => (size += part.length))
    const bytes = new Uint8Array(size)
    for (const [i, part] of parts.entries()) bytes.set(part, ends[i]! - part.length)
    const encoded = { bytes, ends }
    this.#encoded.set(alias, encoded)
    return encoded
  }
}
