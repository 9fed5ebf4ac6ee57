// A stage for scripted histories: replicas of the simulation on quiet links, moved by hand. What random runs find once in thousands of seeds is told here
// step by step. Read by holes.test.ts and fork.test.ts.

import { decodeFrame, parseDocId, type DocId, type Message, type Scope } from '@syncline/protocol'
import type { CoreLimits, ReplicaEvent } from '@syncline/replica'
import type { Transaction } from '@syncline/store'
import type { Oracle } from '../src/oracles/oracle.ts'
import { Oracles } from '../src/oracles/oracles.ts'
import { contentDigestOf, documentOf, documentsOf, knowledgeOf } from '../src/oracles/stored-documents.ts'
import { Counters } from '../src/situations.ts'
import { everything } from '../src/workload/fuzz-schema.ts'
import { Network, type Port } from '../src/world/network.ts'
import { Schedule } from '../src/world/schedule.ts'
import { SimulatedReplica } from '../src/world/simulated-replica.ts'
import { keyOf } from '../src/world/space.ts'
import { Trace } from '../src/world/trace.ts'

export interface ActorOptions {
  readonly limits?: Partial<CoreLimits>
  /** Tail rows from which a document is compacted; default: never in a scene. */
  readonly dueRows?: number
  /** Default: the whole space. */
  readonly interests?: readonly Scope[]
}

export interface Said {
  readonly from: string
  readonly to: string
  readonly message: Message
}

const NEVER_DUE = 1_000_000
const SEED = 1
const workload = everything()

export class Scene {
  readonly schedule = new Schedule()
  readonly counters = new Counters()
  readonly network = new Network(this.schedule, SEED, this.counters)
  readonly said: Said[] = []
  readonly events: { readonly who: string; readonly event: ReplicaEvent }[] = []
  /** Called before the frame with this message leaves. */
  onSay: (said: Said) => void = () => undefined
  onCommit: (who: SimulatedReplica, transaction: Transaction) => void = () => undefined
  readonly #replicas: SimulatedReplica[] = []

  constructor() {
    this.network.weather = { latencyMs: 1, latencyMaxMs: 5, bytesPerMs: Infinity, jitter: true }
    this.network.traffic = { sent: (port, bytes) => this.#overhear(port, bytes), delivered: () => undefined }
  }

  #overhear(port: Port, bytes: Uint8Array): void {
    const frame = decodeFrame(bytes, null)
    if (!frame.ok) throw new Error(frame.reason)
    for (const message of frame.messages) {
      const said = { from: port.owner.name, to: port.peer.owner.name, message }
      this.said.push(said)
      this.onSay(said)
    }
  }

  /** A running replica, linked to nobody. */
  replica(name: string, options: ActorOptions = {}): SimulatedReplica {
    const { schedule, network, counters } = this
    const shared = { seed: SEED, jitter: true, workload, trace: new Trace(), begunAnew: new Set<never>(), met: () => undefined }
    const surroundings = { ...shared, buggify: new Set<never>(), schedule, network, counters, oracles: new Oracles([this.#watch]) }
    const { limits = {}, dueRows = NEVER_DUE, interests = [{ kind: 'space' }] } = options
    const role = 'device' as const
    const settings = { name, index: this.#replicas.length, role, readOnly: false, interests, limits, dueRows }
    const openDocuments = { openDocumentsMax: 10, presence: false, gc: true }
    const replica = new SimulatedReplica({ ...settings, ...openDocuments, commitMs: 1, driftPpm: 0 }, surroundings)
    this.#replicas.push(replica)
    replica.start()
    return replica
  }

  readonly #digests = new Map<string, string>()

  /** I4 holds in every scene. */
  readonly #watch: Oracle = {
    rules: ['I4'],
    committed: (who, transaction) => this.onCommit(who, transaction),
    event: (who, event) => void this.events.push({ who: who.name, event }),
    beforeSweep: (who) => {
      this.#digests.clear()
      for (const row of documentsOf(who.store!.reader)) this.#digests.set(row.key, row.digest)
    },
    afterSweep: (who, installed) => {
      for (const key of installed) {
        const row = who.store!.reader.doc(key)!
        if (row.digest !== this.#digests.get(key)) throw new Error(`compaction changed the digest of ${row.name}`)
        knowledgeOf(who.name, who.store!.reader, row)
      }
    },
  }

  link(from: SimulatedReplica, to: SimulatedReplica): void {
    this.network.keepLinked(from, to)
  }

  /** No connection between the two, and none comes up, until join(). What is under way is lost. */
  part(a: SimulatedReplica, b: SimulatedReplica): void {
    this.network.block(a, b, 'refuse')
    this.network.block(b, a, 'refuse')
  }

  join(a: SimulatedReplica, b: SimulatedReplica): void {
    this.network.unblock(a, b)
    this.network.unblock(b, a)
  }

  run(durationMs: number): void {
    const until = this.schedule.nowMs + durationMs
    while (this.schedule.next(until)) continue
  }

  /** Throws when it does not come true in time. */
  until(what: string, withinMs: number, holds: () => boolean): void {
    const deadline = this.schedule.nowMs + withinMs
    while (!holds()) if (!this.schedule.next(deadline)) throw new Error(`not within ${withinMs} ms: ${what}`)
  }

  /** One local edit, committed on return. */
  write(replica: SimulatedReplica, doc: string, text: string): void {
    const { binding } = replica.open(parseDocId(doc))!
    binding.doc.getText('text').insert(0, text)
    this.until(`${replica.name} commits an edit of ${doc}`, 1000, () => binding.unsaved === 0)
  }

  /** Text as the store has it; null without the document. */
  stored(replica: SimulatedReplica, doc: string): string | null {
    const key = keyOf(parseDocId(doc))
    return replica.store!.reader.doc(key) === undefined
      ? null
      : documentOf(replica.name, replica.store!.reader, key, workload).getText('text').toString()
  }

  equal(...replicas: readonly SimulatedReplica[]): boolean {
    return new Set(replicas.map((replica) => replica.store!.reader.totals().root)).size === 1
  }

  /** Everything that a reader of the stored document would see, and its content digest. */
  contentOf(replica: SimulatedReplica, doc: DocId): string {
    const built = documentOf(replica.name, replica.store!.reader, keyOf(doc), workload)
    return `${workload.visible(built)} ${contentDigestOf(built)}`
  }

  /** Messages of one kind from one replica so far. */
  count(from: SimulatedReplica, kind: Message['kind']): number {
    return this.said.filter((said) => said.from === from.name && said.message.kind === kind).length
  }

  end(): void {
    for (const replica of this.#replicas) replica.discard()
  }
}
