// Nothing leaves a process before it is committed, whatever the frame says: the updates of entries and diffs are compared with what the sender has stored at that
// moment. And what is held for a missing dependency goes when the dependency comes. Rules: I5, I7.

import { judge, Knowledge, unframeUpdates, walkUpdate, type DocKey, type DocRef, type Message } from '@syncline/protocol'
import type { Transaction } from '@syncline/store'
import * as Y from 'yjs'
import { Violation } from '../violation.ts'
import { unlessDamaged } from '../world/damaged.ts'
import type { Port } from '../world/network.ts'
import { SimulatedReplica } from '../world/simulated-replica.ts'
import { keyOf } from '../world/space.ts'
import { updatesOf } from '../world/stored-updates.ts'
import type { FrameObserver } from './frames.ts'
import type { Oracle, Stage } from './oracle.ts'
import { documentsOf } from './stored-documents.ts'

export class CommittedOnlyOracle implements Oracle {
  readonly rules = ['I5', 'I7']
  readonly #frames: FrameObserver
  #stage: Stage | null = null
  /** What is stored, kept up with every commit; of the present life of each replica. */
  readonly #stored = new Map<SimulatedReplica, Map<DocKey, Knowledge>>()
  /** Parts of diffs that are not whole yet. */
  readonly #parts = new WeakMap<Port, Uint8Array[]>()

  /** `frames` knows what the aliases of a link stand for. */
  constructor(frames: FrameObserver) {
    this.#frames = frames
  }

  begin(stage: Stage): void {
    this.#stage = stage
  }

  started(replica: SimulatedReplica): void {
    this.#stored.set(replica, new Map())
  }

  maintained(replica: SimulatedReplica): void {
    this.#stored.set(replica, new Map())
  }

  committed(replica: SimulatedReplica, transaction: Transaction): void {
    const stored = this.#stored.get(replica)!
    for (const row of transaction.rows) {
      const knowledge = stored.get(row.doc)
      if (knowledge !== undefined && row.docEpoch > knowledge.epoch) stored.delete(row.doc)
      else if (knowledge !== undefined) admitAll(knowledge, unframeUpdates(row.data) ?? [])
    }
  }

  sent(port: Port, _bytes: Uint8Array, messages: readonly Message[]): void {
    const { owner } = port
    if (!(owner instanceof SimulatedReplica)) return
    for (const message of messages) {
      if (message.kind === 'entries') {
        for (const row of message.rows) this.#check(owner, this.#keyOf(port, row.doc), row.bytes, 'an entry')
      } else if (message.kind === 'diff') {
        const key = this.#keyOf(port, message.doc)
        const whole = this.#collect(port, message.part, message.bytes)
        if (message.last && message.encoding === 'plain') this.#check(owner, key, whole, 'a diff')
      } else if (message.kind === 'want') {
        this.#checkAsked(owner, this.#keyOf(port, message.doc), message.stateVector)
      }
    }
  }

  #keyOf(port: Port, ref: DocRef): DocKey | null {
    const doc = this.#frames.documentSent(port, ref)
    return doc === null ? null : keyOf(doc)
  }

  #collect(port: Port, part: number, bytes: Uint8Array): Uint8Array {
    const parts = part === 0 ? [] : (this.#parts.get(port) ?? [])
    parts.push(bytes)
    this.#parts.set(port, parts)
    return parts.length === 1 ? bytes : Uint8Array.from(parts.flatMap((one) => [...one]))
  }

  #check(owner: SimulatedReplica, key: DocKey | null, framed: Uint8Array, what: string): void {
    if (key === null || framed.length === 0) return
    unlessDamaged(() => {
      const knowledge = this.#knowledgeOf(owner, key)
      for (const update of unframeUpdates(framed) ?? [framed]) {
        const facts = walkUpdate(update)
        if ('code' in facts) throw new Violation('IN-1', `${owner.name} sends ${what} that the gate refuses: ${facts.reason}`)
        this.#stage!.counters.add('sent content checked')
        if (judge(facts, knowledge).kind !== 'known')
          throw new Violation('I5', `${owner.name} sends ${what} that is not what it has stored`)
      }
    })
  }

  /** Who asks for a diff says what it has: what is not committed yet may be lost, and would then be missing for ever. */
  #checkAsked(owner: SimulatedReplica, key: DocKey | null, stateVector: Uint8Array): void {
    if (key === null) return
    unlessDamaged(() => {
      const knowledge = this.#knowledgeOf(owner, key)
      for (const [client, clock] of Y.decodeStateVector(stateVector))
        if (knowledge.clockOf(client) < clock)
          throw new Violation(
            'I5',
            `${owner.name} says that it has client ${client} up to ${clock}, it has stored ${knowledge.clockOf(client)}`,
          )
    })
  }

  #knowledgeOf(owner: SimulatedReplica, key: DocKey): Knowledge {
    const stored = this.#stored.get(owner)!
    let knowledge = stored.get(key)
    if (knowledge === undefined) {
      knowledge = new Knowledge(owner.store!.reader.doc(key)?.docEpoch ?? 0)
      admitAll(knowledge, updatesOf(owner.store!.reader.content(key)))
      stored.set(key, knowledge)
    }
    return knowledge
  }

  /** Held updates are a cache of what will be admitted: once it is, they are gone. */
  end(): void {
    for (const replica of this.#stage!.replicas) if (replica.isUp) unlessDamaged(() => this.#checkHeld(replica))
  }

  #checkHeld(replica: SimulatedReplica): void {
    const { reader } = replica.store!
    for (const row of documentsOf(reader)) {
      for (const { data } of reader.held(row.key)) {
        const facts = walkUpdate(data)
        if ('code' in facts) throw new Violation('IN-1', `${replica.name} holds an update that the gate refuses`)
        const { kind } = judge(facts, this.#knowledgeOf(replica, row.key))
        if (kind !== 'missing')
          throw new Violation('I7', `${replica.name} still holds an update of ${row.name} that lacks nothing (${kind})`)
      }
    }
  }
}

function admitAll(knowledge: Knowledge, updates: readonly Uint8Array[]): void {
  for (const update of updates) {
    const facts = walkUpdate(update)
    if (!('code' in facts)) knowledge.admit(facts)
  }
}
