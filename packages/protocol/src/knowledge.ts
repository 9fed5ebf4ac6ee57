// What a replica has of one document: its epoch, and within it per client the next clock it expects, and the deleted clocks. A join-semilattice over ids: it
// says which ids are here and which of them are deleted, never what they contain; a higher epoch stands above all of a lower one (document-epoch.ts). Its digest
// is maintained with every change.
// Decides the digest's definition: sum of F(clock, c, next) over clients, and of F(deleted, c, end) - F(deleted, c, start) over deleted ranges,
// so that adjacent, merged and fragmented ranges give the same sum, and of F(epoch, 0, epoch) from epoch 1 on. Read by the gate, the engine and the stores. Rules: CV-1.

import * as encoding from 'lib0/encoding'
import { StrictReader } from './strict-reader.ts'
import { addRange, coversRange, eachGap, unionRanges } from './delete-ranges.ts'
import { POINT, Sum128 } from './digest.ts'
import { epochSum } from './document-epoch.ts'
import type { Digest } from './ids.ts'
import { UpdateRefused } from './gate-refusal.ts'
import { LIMITS } from './limits.ts'
import type { DeleteBucket } from './messages.ts'
import type { UpdateFacts } from './update-facts.ts'

/** Clocks per bucket of the delete set, when two replicas compare theirs. */
export const DELETE_BUCKET_CLOCKS = 4096

/** More delete ranges of one client than this are merged in one pass. */
const SINGLE_RANGES_MAX = 8

const NO_RANGES: readonly number[] = []

interface ClientKnowledge {
  /** Next expected clock, at least 1. */
  clock: number
  /** Deleted clocks below it: flat, normalised (delete-ranges.ts). */
  deleted: number[]
}

export class Knowledge {
  readonly epoch: number
  private readonly byClient = new Map<number, ClientKnowledge>()
  private sum: Sum128
  private ranges = 0

  /** Of nothing yet, in document epoch `epoch`. */
  constructor(epoch = 0) {
    this.epoch = epoch
    this.sum = epochSum(epoch)
  }

  /** Next expected clock of `client`; 0 when unknown. */
  clockOf(client: number): number {
    const known = this.byClient.get(client)
    return known === undefined ? 0 : known.clock
  }

  isDeleted(client: number, clock: number): boolean {
    return this.coversDeletes(client, clock, clock + 1)
  }

  /** True when all of [from, to) is known to be deleted. */
  coversDeletes(client: number, from: number, to: number): boolean {
    return coversRange(this.deletedOf(client), from, to)
  }

  /** Deleted clocks of `client`: flat, sorted, normalised [from, to, ...]. A view, not to be changed. */
  deletedOf(client: number): readonly number[] {
    const known = this.byClient.get(client)
    return known === undefined ? NO_RANGES : known.deleted
  }

  /** Digest over epoch and all ids. Equal for equal knowledge, however it was reached; ZERO_DIGEST when empty in epoch 0. Cost: formatting 16 bytes. */
  digest(): Digest {
    return this.sum.toHex()
  }

  /** Adds an update's ids and deletes. The update must have been judged 'new' against this knowledge (or known: then nothing changes). */
  admit(facts: UpdateFacts): void {
    const { structs } = facts
    for (let i = 0; i < structs.length; i += 3) this.raise(structs[i]!, structs[i + 2]!)
    if (facts.deletes.length > 0) this.addDeletes(facts.deletes)
    if (facts.structDeletes.length > 0) this.addDeletes(facts.structDeletes)
  }

  clone(): Knowledge {
    const copy = new Knowledge(this.epoch)
    for (const [client, known] of this.byClient) copy.byClient.set(client, { clock: known.clock, deleted: known.deleted.slice() })
    copy.sum = this.sum.clone()
    copy.ranges = this.ranges
    return copy
  }

  isEmpty(): boolean {
    return this.byClient.size === 0
  }

  clientCount(): number {
    return this.byClient.size
  }

  /** Ranges of deleted clocks, of all clients together. */
  get deleteRangeCount(): number {
    return this.ranges
  }

  /** [client, next clock, deleted ranges], clients ascending. */
  *clients(): Generator<readonly [client: number, clock: number, deleted: readonly number[]], void, undefined> {
    for (const client of this.sortedClients()) {
      const { clock, deleted } = this.byClient.get(client)!
      yield [client, clock, deleted]
    }
  }

  equals(other: Knowledge): boolean {
    return this.sum.equals(other.sum) && this.includes(other) && other.includes(this)
  }

  /** True when `other` has no id and no delete that this lacks: the order of the join-semilattice. */
  includes(other: Knowledge): boolean {
    if (this.epoch !== other.epoch) return this.epoch > other.epoch
    for (const [client, theirs] of other.byClient) {
      const mine = this.byClient.get(client)
      if (mine === undefined || mine.clock < theirs.clock) return false
      for (let i = 0; i < theirs.deleted.length; i += 2) {
        if (!coversRange(mine.deleted, theirs.deleted[i]!, theirs.deleted[i + 1]!)) return false
      }
    }
    return true
  }

  /** Yjs v1 state vector. Deletes are not in it. */
  stateVector(): Uint8Array {
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, this.byClient.size)
    for (const client of this.sortedClients().reverse()) {
      encoding.writeVarUint(encoder, client)
      encoding.writeVarUint(encoder, this.clockOf(client))
    }
    return encoding.toUint8Array(encoder)
  }

  /** Canonical bytes: equal knowledge of one epoch, equal bytes; the epoch is not in them. varuints: clients, then per client ascending its id, clock, number of deleted ranges, and
   *  per range the clocks between it and the last one, and its length. */
  encode(): Uint8Array {
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, this.byClient.size)
    for (const [client, clock, deleted] of this.clients()) {
      encoding.writeVarUint(encoder, client)
      encoding.writeVarUint(encoder, clock)
      encoding.writeVarUint(encoder, deleted.length / 2)
      for (let i = 0; i < deleted.length; i++) encoding.writeVarUint(encoder, i === 0 ? deleted[0]! : deleted[i]! - deleted[i - 1]!)
    }
    return encoding.toUint8Array(encoder)
  }

  /** Reads what encode() wrote in epoch `epoch`; null for anything else. Total: never throws. Cost and memory are bounded by the bytes. */
  static decode(bytes: Uint8Array, epoch = 0): Knowledge | null {
    const reader = new StrictReader()
    reader.start(bytes)
    const knowledge = new Knowledge(epoch)
    try {
      return knowledge.readFrom(reader) && reader.at === bytes.length ? knowledge : null
    } catch (error) {
      if (error instanceof UpdateRefused) return null
      throw error
    }
  }

  /** The delete set in short, for a peer to compare: per client and bucket of 4096 clocks the hash of the range bounds that lie in it.
   *  A bucket without bounds is not listed, so the list is never longer than twice the ranges, however long they are. */
  deleteBuckets(): DeleteBucket[] {
    const buckets: DeleteBucket[] = []
    for (const [client, , deleted] of this.clients()) for (const bucket of bucketsOf(client, deleted)) buckets.push(bucket)
    return buckets
  }

  /** [client, from, to]*: the ranges that a peer with these buckets may lack: those that touch a bucket which only one side lists, or both
   *  with different hashes. Together with its own they cover the union: a bound that only one side has shows in its bucket. */
  deletesDiffering(theirs: readonly DeleteBucket[]): number[] {
    const hashes = new Map<number, Map<number, string>>()
    for (const { client, bucket, hash8 } of theirs) {
      const ofClient = hashes.get(client)
      if (ofClient === undefined) hashes.set(client, new Map([[bucket, hash8]]))
      else ofClient.set(bucket, hash8)
    }
    const ranges: number[] = []
    for (const [client, , deleted] of this.clients()) {
      const differing = hashes.get(client) ?? new Map<number, string>()
      for (const { bucket, hash8 } of bucketsOf(client, deleted)) {
        if (differing.get(bucket) === hash8) differing.delete(bucket)
        else differing.set(bucket, hash8)
      }
      pushTouching(
        ranges,
        client,
        deleted,
        [...differing.keys()].sort((a, b) => a - b),
      )
    }
    return ranges
  }

  private raise(client: number, clock: number): void {
    const known = this.byClient.get(client)
    if (known === undefined) {
      this.byClient.set(client, { clock, deleted: [] })
    } else {
      if (known.clock >= clock) return
      this.sum.subtractPoint(POINT.clock, client, known.clock)
      known.clock = clock
    }
    this.sum.addPoint(POINT.clock, client, clock)
  }

  /** `flat`: [client, from, to]*, in any order, overlapping or not. */
  private addDeletes(flat: readonly number[]): void {
    for (let start = 0, end = 0; start < flat.length; start = end) {
      const client = flat[start]!
      while (end < flat.length && flat[end] === client) end += 3
      const known = this.byClient.get(client)
      if (known === undefined) throw new Error('Knowledge.admit: a delete of an unknown client was not judged')
      this.ranges -= known.deleted.length / 2
      if (end - start <= 3 * SINGLE_RANGES_MAX) {
        for (let i = start; i < end; i += 3) {
          this.countGaps(client, known.deleted, flat[i + 1]!, flat[i + 2]!)
          addRange(known.deleted, flat[i + 1]!, flat[i + 2]!)
        }
      } else {
        const more: number[] = []
        for (let i = start; i < end; i += 3) more.push(flat[i + 1]!, flat[i + 2]!)
        const added = unionRanges(NO_RANGES, more)
        for (let i = 0; i < added.length; i += 2) this.countGaps(client, known.deleted, added[i]!, added[i + 1]!)
        known.deleted = unionRanges(known.deleted, added)
      }
      this.ranges += known.deleted.length / 2
    }
  }

  /** Adds to the digest what [from, to) will add to `deleted`. */
  private countGaps(client: number, deleted: readonly number[], from: number, to: number): void {
    eachGap(deleted, from, to, (gapFrom, gapTo) => {
      this.sum.addPoint(POINT.deleted, client, gapTo)
      this.sum.subtractPoint(POINT.deleted, client, gapFrom)
    })
  }

  private sortedClients(): number[] {
    return [...this.byClient.keys()].sort((a, b) => a - b)
  }

  private readFrom(reader: StrictReader): boolean {
    let previous = 0
    for (let clients = reader.count(3); clients > 0; clients--) {
      const client = reader.uint()
      const clock = reader.uint()
      if (client <= previous || clock === 0 || clock > LIMITS.clockMax) return false
      previous = client
      this.raise(client, clock)
      const deleted = this.byClient.get(client)!.deleted
      let at = 0
      for (let bounds = 2 * reader.count(2); bounds > 0; bounds--) {
        const distance = reader.uint()
        // only the first range may start where the last one ended, at 0
        if (distance === 0 && deleted.length > 0) return false
        at += distance
        if (at > clock) return false
        deleted.push(at)
      }
      this.ranges += deleted.length / 2
      for (let i = 0; i < deleted.length; i += 2) {
        this.sum.addPoint(POINT.deleted, client, deleted[i + 1]!)
        this.sum.subtractPoint(POINT.deleted, client, deleted[i]!)
      }
    }
    return true
  }
}

function bucketsOf(client: number, deleted: readonly number[]): DeleteBucket[] {
  const buckets: DeleteBucket[] = []
  let sum = new Sum128()
  for (let i = 0; i < deleted.length; i++) {
    const bucket = Math.floor(deleted[i]! / DELETE_BUCKET_CLOCKS)
    if (i % 2 === 0) sum.subtractPoint(POINT.deleted, client, deleted[i]!)
    else sum.addPoint(POINT.deleted, client, deleted[i]!)
    if (i + 1 < deleted.length && Math.floor(deleted[i + 1]! / DELETE_BUCKET_CLOCKS) === bucket) continue
    buckets.push({ client, bucket, hash8: sum.toHex8() })
    sum = new Sum128()
  }
  return buckets
}

/** Appends the ranges of `deleted` that share a clock, or a bound, with one of `buckets` (ascending). */
function pushTouching(out: number[], client: number, deleted: readonly number[], buckets: readonly number[]): void {
  let next = 0
  for (let i = 0; i < deleted.length && next < buckets.length; i += 2) {
    const first = Math.floor(deleted[i]! / DELETE_BUCKET_CLOCKS)
    const last = Math.floor(deleted[i + 1]! / DELETE_BUCKET_CLOCKS)
    while (next < buckets.length && buckets[next]! < first) next++
    if (next < buckets.length && buckets[next]! <= last) out.push(client, deleted[i]!, deleted[i + 1]!)
  }
}
