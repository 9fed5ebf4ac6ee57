// A deletion is final: whatever was written in a life of a document that is over stands in no later one, on no replica, and no document goes back to an earlier life
// unless its store did. Rules: DD-1, DD-5.

import type { DocId, DocKey } from '@syncline/protocol'
import type { Transaction } from '@syncline/store'
import { Violation } from '../violation.ts'
import { unlessDamaged } from '../world/damaged.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import { keyOf } from '../world/space.ts'
import type { LocalWrite, Oracle, Stage } from './oracle.ts'
import { documentsOf, knowledgeOf } from './stored-documents.ts'

export class DeletionOracle implements Oracle {
  readonly rules = ['DD-1', 'DD-5']
  #stage: Stage | null = null
  /** "key client" -> the life in which it wrote. */
  readonly #lifeOf = new Map<string, number>()
  readonly #deleted = new Set<DocId>()
  /** Of the present life of each replica. */
  readonly #epochs = new Map<SimulatedReplica, Map<DocKey, number>>()

  begin(stage: Stage): void {
    this.#stage = stage
  }

  started(replica: SimulatedReplica): void {
    this.#epochs.set(replica, new Map())
  }

  wrote(_replica: SimulatedReplica, { doc, docEpoch, client, from, to }: LocalWrite): void {
    if (from !== to) this.#lifeOf.set(`${keyOf(doc)} ${client}`, docEpoch)
  }

  committed(replica: SimulatedReplica, { docs }: Transaction): void {
    const epochs = this.#epochs.get(replica)!
    for (const { key, name } of docs) {
      const { docEpoch } = replica.store!.reader.doc(key)!
      const before = epochs.get(key) ?? 0
      if (docEpoch < before) throw new Violation('DD-1', `${replica.name}: ${name} went from epoch ${before} to ${docEpoch}`)
      if (docEpoch > 0) this.#deleted.add(name)
      epochs.set(key, docEpoch)
    }
  }

  end(): void {
    if (this.#deleted.size === 0) return
    for (const replica of this.#stage!.replicas) if (replica.isUp) unlessDamaged(() => this.#check(replica))
  }

  #check(replica: SimulatedReplica): void {
    const { reader } = replica.store!
    for (const row of documentsOf(reader)) {
      if (!this.#deleted.has(row.name)) continue
      this.#stage!.counters.add('deleted document checked')
      for (const [client] of knowledgeOf(replica.name, reader, row).clients()) {
        const life = this.#lifeOf.get(`${row.key} ${client}`)
        if (life !== undefined && life !== row.docEpoch)
          throw new Violation(
            'DD-1',
            `${replica.name}: ${row.name} is in epoch ${row.docEpoch} and holds what client ${client} wrote in ${life}`,
          )
      }
    }
  }
}
