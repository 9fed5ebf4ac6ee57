// All oracles of one run as one: whatever happens is told to each in order. Read by world.ts and simulated-replica.ts, which tell it.

import type { DocId, DocKey, EpochNonce, Message } from '@syncline/protocol'
import type { ReplicaEvent, WriteOutcome } from '@syncline/replica'
import type { Transaction } from '@syncline/store'
import type * as Y from 'yjs'
import type { Port } from '../world/network.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { LocalWrite, Oracle, Stage } from './oracle.ts'

export class Oracles {
  readonly #all: readonly Oracle[]

  constructor(all: readonly Oracle[]) {
    this.#all = all
  }

  begin(stage: Stage): void {
    for (const oracle of this.#all) oracle.begin?.(stage)
  }

  started(replica: SimulatedReplica, lineage: object | null): void {
    for (const oracle of this.#all) oracle.started?.(replica, lineage)
  }

  died(replica: SimulatedReplica): void {
    for (const oracle of this.#all) oracle.died?.(replica)
  }

  epoch(replica: SimulatedReplica, nonce: EpochNonce): void {
    for (const oracle of this.#all) oracle.epoch?.(replica, nonce)
  }

  wrote(replica: SimulatedReplica, write: LocalWrite): void {
    for (const oracle of this.#all) oracle.wrote?.(replica, write)
  }

  answered(replica: SimulatedReplica, write: LocalWrite, outcome: WriteOutcome): void {
    for (const oracle of this.#all) oracle.answered?.(replica, write, outcome)
  }

  commitBegins(replica: SimulatedReplica, transaction: Transaction): void {
    for (const oracle of this.#all) oracle.commitBegins?.(replica, transaction)
  }

  committed(replica: SimulatedReplica, transaction: Transaction): void {
    for (const oracle of this.#all) oracle.committed?.(replica, transaction)
  }

  maintained(replica: SimulatedReplica): void {
    for (const oracle of this.#all) oracle.maintained?.(replica)
  }

  sweeps(replica: SimulatedReplica, sweep: () => readonly DocKey[]): void {
    for (const oracle of this.#all) oracle.beforeSweep?.(replica)
    const installed = sweep()
    for (const oracle of this.#all) oracle.afterSweep?.(replica, installed)
  }

  event(replica: SimulatedReplica, event: ReplicaEvent): void {
    for (const oracle of this.#all) oracle.event?.(replica, event)
  }

  sent(port: Port, bytes: Uint8Array, messages: readonly Message[]): void {
    for (const oracle of this.#all) oracle.sent?.(port, bytes, messages)
  }

  shown(replica: SimulatedReplica, docId: DocId, doc: Y.Doc): void {
    for (const oracle of this.#all) oracle.shown?.(replica, docId, doc)
  }

  quiescent(): void {
    for (const oracle of this.#all) oracle.quiescent?.()
  }

  end(): void {
    for (const oracle of this.#all) oracle.end?.()
  }
}
