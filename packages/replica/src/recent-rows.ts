// The newest committed rows in memory, so that live fan-out reads nothing from disk. A bounded window that ends at the head; what is older is read
// from the store. Also remembers by which link a row came, for as long as it is here (H3: echo suppression never outlives a link).

import type { LogRow } from '@syncline/store'
import type { LinkId } from './effects.ts'

export interface RecentRow extends LogRow {
  readonly link: LinkId
}

/** A row of a few letters takes 600 bytes of memory, most of them for what holds its bytes. */
const ROWS_MAX = 16_384

export class RecentRows {
  readonly #bytesMax: number
  #rows: (RecentRow | undefined)[] = []
  #start = 0
  #bytes = 0
  /** Every row with seq > floor that exists is here. */
  #floor: number

  constructor(head: number, bytesMax: number) {
    this.#floor = head
    this.#bytesMax = bytesMax
  }

  push(row: RecentRow): void {
    this.#rows.push(row)
    this.#bytes += row.data.length + 100
    while ((this.#bytes > this.#bytesMax || this.#rows.length - this.#start > ROWS_MAX) && this.#start < this.#rows.length) {
      const oldest = this.#rows[this.#start]!
      // Its bytes are let go now, its slot with many others.
      this.#rows[this.#start++] = undefined
      this.#bytes -= oldest.data.length + 100
      this.#floor = oldest.seq
    }
    if (this.#start > 1024 && this.#start * 2 > this.#rows.length) {
      this.#rows = this.#rows.slice(this.#start)
      this.#start = 0
    }
  }

  covers(after: number): boolean {
    return after >= this.#floor
  }

  /** Index of the first row with seq > after, for at(). Requires covers(after). */
  indexAfter(after: number): number {
    let low = this.#start
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#rows[middle]!.seq > after) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Rows with seq > after, ascending. Requires covers(after). */
  *after(after: number): Generator<RecentRow, void> {
    for (let index = this.indexAfter(after); ; index++) {
      const row = this.at(index)
      if (row === undefined) return
      yield row
    }
  }

  at(index: number): RecentRow | undefined {
    return this.#rows[index]
  }
}
