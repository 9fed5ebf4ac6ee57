// What peers acknowledged and the store does not say yet. An ACK deserves no write of its own: the newest of each scope is stored within a second, with a commit that goes anyway, or
// by itself. What a crash forgets of it is acknowledged again by whoever comes back. Filled by server.ts, emptied by housekeeping.ts. Rule: SU-1.

import type { AckRow } from '@syncline/store'
import type { Channel } from './channel.ts'
import type { CommitBatch } from './commit-batch.ts'

export class AckBook {
  readonly #news = new Map<Channel, AckRow>()
  #sinceMs = 0

  note(channel: Channel, row: AckRow, nowMs: number): void {
    if (this.#news.size === 0) this.#sinceMs = nowMs
    this.#news.set(channel, row)
  }

  /** When the oldest of them was noted; null: there are none. */
  get sinceMs(): number | null {
    return this.#news.size === 0 ? null : this.#sinceMs
  }

  /** Leaves them to a batch. */
  moveInto(batch: CommitBatch): void {
    for (const row of this.#news.values()) batch.acks.set(`${row.peer}${row.scope}`, row)
    this.#news.clear()
  }

  /** Newest position of a scope that the peer acknowledged and nothing is stored of; null: none. */
  newest({ peer, scope }: Pick<AckRow, 'peer' | 'scope'>): number | null {
    let newest: number | null = null
    for (const row of this.#news.values()) if (row.peer === peer && row.scope === scope) newest = Math.max(newest ?? 0, row.seq)
    return newest
  }
}
