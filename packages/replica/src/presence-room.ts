// The presence of one document, and what of it has not reached everybody yet. Data alone: presence-hub.ts decides who owns what in the table, presence-spread.ts when
// something goes out. Rule: PR-6.

import { PresenceTable, type DocId, type DocKey, type PresenceEntry } from '@syncline/protocol'
import type { Owner } from './presence-pace.ts'
import { TokenBucket } from './token-bucket.ts'

export class PresenceRoom {
  readonly key: DocKey
  readonly name: DocId
  readonly table: PresenceTable<Owner> = new PresenceTable<Owner>()
  /** Messages that may go out now, one for each who gets it: those of one second at most. */
  readonly messages: TokenBucket
  /** By id: the newest state that has to go out, and whose it is. */
  readonly gathered = new Map<number, { readonly entry: PresenceEntry; readonly from: Owner }>()

  constructor(key: DocKey, name: DocId, messagesPerSecond: number, nowMs: number) {
    this.key = key
    this.name = name
    this.messages = new TokenBucket(messagesPerSecond, messagesPerSecond, nowMs)
  }

  /** Nothing would be lost by making it anew, its pace included. */
  isIdle(nowMs: number): boolean {
    return this.table.size === 0 && this.gathered.size === 0 && this.messages.isFull(nowMs)
  }

  /** False: something newer was said of the id, or it is gone. */
  isCurrent({ clientId, clock, state }: PresenceEntry): boolean {
    const shown = this.table.clockOf(clientId)
    return state === null ? shown === null || shown < clock : shown === clock
  }
}
