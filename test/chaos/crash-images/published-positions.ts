// What peers may remember of a replica: under which nonce they saw which row at which position. Decides whether a store, after a crash, vouches for a position that holds
// another row now than the one that was published there: a fork. Read by image.ts. Rule: ID-1.

import { createHash } from 'node:crypto'
import type { EpochNonce } from '@syncline/protocol'
import type { LogRow, RowWrite, StoreReader } from '@syncline/store'

interface PublishedEpoch {
  /** What stood at each position (index seq - 1) in the life in which the epoch began; grows while it is the current one. */
  readonly lineage: readonly string[]
  /** Highest position that was published under this nonce. */
  head: number
}

export const MARKER = 'marker'

export class PublishedPositions {
  private lineage: string[] = []
  private readonly epochs = new Map<EpochNonce, PublishedEpoch>()
  private current: PublishedEpoch | null = null

  /** Throws for a nonce that was there before. */
  startEpoch(nonce: EpochNonce): void {
    if (this.epochs.has(nonce)) throw new Error(`the nonce ${nonce} was in use before`)
    this.current = { lineage: this.lineage, head: this.lineage.length }
    this.epochs.set(nonce, this.current)
  }

  publish(rows: readonly string[]): void {
    this.lineage.push(...rows)
    this.current!.head = this.lineage.length
  }

  /** After a crash: a life that begins with the rows of `reader`, some of which may never have been published. */
  reopened(reader: StoreReader): void {
    this.lineage = this.lineage.slice(0, reader.head())
    const known = this.lineage.length
    while (this.lineage.length < reader.head()) this.lineage.push(MARKER)
    for (const row of reader.log(known, 100_000, 1e9)) this.lineage[row.seq - 1] = rowId(row)
  }

  /** Positions that `reader` vouches for and that hold another row than the one published there. */
  forks(reader: StoreReader): string[] {
    const rows = reader.log(0, 100_000, 1e9).filter((row) => row.kind !== 'snapshot')
    const found: string[] = []
    for (const [nonce, published] of this.epochs) {
      const epoch = reader.epoch(nonce)
      if (epoch === undefined) continue
      const end = Math.min(epoch.endSeq ?? reader.head(), reader.head(), published.head)
      const changed = rows.find((row) => row.seq <= end && rowId(row) !== published.lineage[row.seq - 1])
      if (changed !== undefined) found.push(`position ${changed.seq} of epoch ${nonce} holds another row than the one published there`)
    }
    return found
  }
}

export function rowId({ doc, origin, n, kind, data }: LogRow | RowWrite): string {
  return kind === 'snapshot' ? MARKER : `${doc} ${origin} ${n} ${createHash('sha1').update(data).digest('base64')}`
}
