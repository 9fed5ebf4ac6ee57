// Compaction changes no digest and no content, moves nothing to a lower position, and rotates the nonce. Deletes that it derives become entries (H5). Rule: I4.

import type { DocKey, EpochNonce } from '@syncline/protocol'
import type { DocRow, Transaction } from '@syncline/store'
import { Violation } from '../violation.ts'
import { unlessDamaged } from '../world/damaged.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { Oracle, Stage } from './oracle.ts'
import { documentOf, documentsOf, knowledgeOf } from './stored-documents.ts'

const CONTENT_CHANCE = 0.3

export class CompactionOracle implements Oracle {
  readonly rules = ['I4', 'H5']
  #stage: Stage | null = null
  #before: { readonly rows: Map<DocKey, DocRow>; readonly content: Map<DocKey, string>; readonly nonce: EpochNonce } | null = null

  begin(stage: Stage): void {
    this.#stage = stage
  }

  commitBegins(replica: SimulatedReplica, transaction: Transaction): void {
    for (const row of transaction.rows) {
      const authored = row.origin === replica.store!.reader.nonce() && row.data[1] === 0
      if (authored && ![...replica.opened.values()].some(({ binding }) => binding.key === row.doc))
        this.#stage!.counters.add('sweep with extra deletes')
    }
  }

  beforeSweep(replica: SimulatedReplica): void {
    const { chance } = this.#stage!
    const { reader } = replica.store!
    const rows = new Map(documentsOf(reader).map((row) => [row.key, row]))
    const content = new Map<DocKey, string>()
    unlessDamaged(() => {
      for (const row of rows.values())
        if (row.tailRows > 0 && chance.chance(CONTENT_CHANCE)) content.set(row.key, this.#contentOf(replica, row.key))
    })
    this.#before = { rows, content, nonce: reader.nonce() }
  }

  afterSweep(replica: SimulatedReplica, installed: readonly DocKey[]): void {
    const { counters } = this.#stage!
    const { rows, content, nonce } = this.#before!
    const { reader } = replica.store!
    counters.add('sweep')
    if ([...replica.ports()].some((port) => port.open)) counters.add('sweep while links were live')
    if (reader.nonce() === nonce) throw new Violation('I4', `${replica.name} compacted and kept its nonce`)
    for (const key of installed) {
      const [was, is] = [rows.get(key)!, reader.doc(key)!]
      if (was.digest !== is.digest) throw new Violation('I4', `${replica.name}: compaction changed the digest of ${is.name}`)
      if (is.lastSeq <= was.lastSeq)
        throw new Violation('I4', `${replica.name}: compaction moved ${is.name} down, from ${was.lastSeq} to ${is.lastSeq}`)
      unlessDamaged(() => {
        knowledgeOf(replica.name, reader, is)
        const shown = content.get(key)
        if (shown !== undefined && shown !== this.#contentOf(replica, key))
          throw new Violation('I4', `${replica.name}: compaction changed the content of ${is.name}`)
      })
    }
  }

  #contentOf(replica: SimulatedReplica, key: DocKey): string {
    const { workload } = this.#stage!
    const doc = documentOf(replica.name, replica.store!.reader, key, workload)
    const content = workload.visible(doc)
    doc.destroy()
    return content
  }
}
