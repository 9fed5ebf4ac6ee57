// Equal knowledge means equal content: among stores, between a store and what is open on it, and however the document is rebuilt. Virtual replicas apply the same
// updates merged into one, in random order, and without garbage collection. Rules: CV-1, I2.

import { ZERO_DIGEST, type DocId } from '@syncline/protocol'
import * as Y from 'yjs'
import { Random } from '../random.ts'
import { Violation } from '../violation.ts'
import type { Workload } from '../workload/workload.ts'
import { readOr } from '../world/damaged.ts'
import { keyOf } from '../world/space.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import { updatesOf } from '../world/stored-updates.ts'
import type { Oracle, Stage } from './oracle.ts'
import { builtFrom, checkNothingPending, contentDigestOf, documentOf } from './stored-documents.ts'

/** A document as a reader sees it. Equal states of Yjs are equal content; only what differs in its bytes is compared as text, which is slow. */
class Content {
  readonly state: Uint8Array
  readonly #visible: () => string
  #text: string | null = null

  constructor(doc: Y.Doc, workload: Workload) {
    this.state = Y.encodeStateAsUpdate(doc)
    this.#visible = () => workload.visible(doc)
  }

  get text(): string {
    this.#text ??= this.#visible()
    return this.#text
  }

  equals(other: Content): boolean {
    return sameBytes(this.state, other.state) || this.text === other.text
  }
}

interface StoredContent {
  readonly content: Content
  readonly digest: string
  readonly name: string
  compared: number
}

/** Stores of one document that are rebuilt in the other ways, by chance. */
const VIRTUAL_CHANCE = 0.1
const CONTENT_DIGEST_CHANCE = 0.3
/** Replicas with equal digests whose content is compared, at most. */
const COMPARED_MAX = 2
/** On the way, one comparison in so many commits. */
const EVERY_COMMITS = 40

export class ContentOracle implements Oracle {
  readonly rules = ['CV-1', 'I2']
  #stage: Stage | null = null
  #commits = 0
  #empty: Content | null = null

  begin(stage: Stage): void {
    this.#stage = stage
    this.#empty = new Content(new Y.Doc({ guid: 'empty' }), stage.workload)
  }

  /** Now and then, while things go wrong: whoever has the same digest now shows the same. */
  committed(replica: SimulatedReplica): void {
    if (++this.#commits % EVERY_COMMITS !== 0) return
    const stage = this.#stage!
    const docId = stage.chance.pick([...stage.docs])
    const digest = replica.store!.reader.doc(keyOf(docId))?.digest ?? ZERO_DIGEST
    const other = stage.replicas.find((one) => one !== replica && one.isUp && one.store!.reader.doc(keyOf(docId))?.digest === digest)
    if (digest === ZERO_DIGEST || other === undefined) return
    const [mine, theirs] = [this.#contentAt(replica, docId), this.#contentAt(other, docId)]
    if (mine === null || theirs === null) return
    stage.counters.add('content compared on the way')
    if (!mine.equals(theirs)) this.#differs(docId, `${replica.name} and ${other.name} differ in ${docId} at equal knowledge`)
  }

  #contentAt(replica: SimulatedReplica, docId: DocId): Content | null {
    const { workload } = this.#stage!
    return readOr(null, () => new Content(documentOf(replica.name, replica.store!.reader, keyOf(docId), workload), workload))
  }

  end(): void {
    for (const docId of this.#stage!.docs) this.#check(docId)
  }

  /** Stores with equal knowledge show equal content, and what is open shows what is stored. */
  #check(docId: DocId): void {
    const { plan, replicas, guests } = this.#stage!
    const chance = Random.of(plan.seed, `content ${docId}`)
    const stored = new Map<string, StoredContent>()
    const digested = chance.chance(CONTENT_DIGEST_CHANCE)
    let virtual = chance.chance(VIRTUAL_CHANCE)
    const running = replicas.filter((replica) => replica.isUp)
    for (const replica of chance.shuffled(running)) {
      const row = replica.store!.reader.doc(keyOf(docId))
      if (row === undefined || row.digest === ZERO_DIGEST) continue
      const other = stored.get(row.digest)
      if (other !== undefined && ++other.compared > COMPARED_MAX) continue
      const mine = this.#storedContent(replica, docId, digested)
      if (other === undefined) stored.set(row.digest, mine)
      else if (!other.content.equals(mine.content) || other.digest !== mine.digest)
        this.#differs(docId, `${other.name} and ${mine.name} differ in ${docId} at equal knowledge`)
      if (!virtual) continue
      virtual = false
      this.#checkVirtual(replica, docId, mine.content)
    }
    for (const replica of running) this.#checkOpen(replica, docId, stored)
    for (const { guest, at } of guests)
      if (guest.docId === docId && !guest.refused && guest.room !== null)
        this.#checkShown(`guest ${guest.name} of ${at.name}`, guest.doc, at, docId, stored)
  }

  #storedContent(replica: SimulatedReplica, docId: DocId, digested: boolean): StoredContent {
    const built = documentOf(replica.name, replica.store!.reader, keyOf(docId), this.#stage!.workload)
    const digest = digested ? contentDigestOf(built) : ''
    return { content: new Content(built, this.#stage!.workload), digest, name: replica.name, compared: 0 }
  }

  /** Snapshot and tail stand for the replica itself; beside it: merged into one update, shuffled, and without garbage collection. */
  #checkVirtual(replica: SimulatedReplica, docId: DocId, expected: Content): void {
    const { workload, chance, counters } = this.#stage!
    const updates = updatesOf(replica.store!.reader.content(keyOf(docId)))
    const ways: readonly (readonly [way: string, updates: readonly Uint8Array[], gc: boolean, shuffled: boolean])[] = [
      ['merged into one update', [Y.mergeUpdates(updates)], true, false],
      ['in another order', chance.shuffled(updates), true, true],
      ['without garbage collection', updates, false, false],
    ]
    counters.add('virtual replicas compared')
    for (const [way, bytes, gc, shuffled] of ways) {
      const doc = builtFrom(`${replica.name} ${docId} ${way}`, bytes, workload, gc, shuffled)
      if (!new Content(doc, workload).equals(expected)) this.#differs(docId, `${docId} of ${replica.name} is different when rebuilt ${way}`)
    }
  }

  #checkOpen(replica: SimulatedReplica, docId: DocId, stored: ReadonlyMap<string, StoredContent>): void {
    const binding = replica.opened.get(docId)?.binding
    if (binding === undefined) return
    checkNothingPending(`${replica.name} ${docId}`, binding.doc)
    if (binding.rejection !== null) return
    if (binding.unsaved > 0) throw new Violation('DU-1', `${replica.name} still has unsaved edits of ${docId}`)
    this.#checkShown(replica.name, binding.doc, replica, docId, stored)
  }

  #checkShown(who: string, shown: Y.Doc, at: SimulatedReplica, docId: DocId, stored: ReadonlyMap<string, StoredContent>): void {
    const stage = this.#stage!
    const digest = at.store!.reader.doc(keyOf(docId))?.digest ?? ZERO_DIGEST
    const expected = stored.get(digest)?.content ?? this.#empty!
    const content = new Content(shown, stage.workload)
    if (content.equals(expected)) return
    this.#differs(docId, `${who} shows other content of ${docId} than is stored:\n${content.text}\n${expected.text}`)
  }

  /** ADR 0007: where an edit fell inside a surrogate pair, a Y.Doc may hold its halves, and whoever sends its whole state stores them. */
  #differs(docId: DocId, what: string): void {
    const { isMidPair, counters } = this.#stage!
    if (!isMidPair(docId)) throw new Violation('CV-1', what)
    counters.add('mid-pair content exception')
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
