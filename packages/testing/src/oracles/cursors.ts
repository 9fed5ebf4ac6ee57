// Whoever shows a cursor that its peer accepts knows all of the peer's log up to it. Checked at cursor writes, one in eight. Rule: I3.

import { parseScope } from '@syncline/protocol'
import type { Transaction } from '@syncline/store'
import { rangeOf } from '../world/space.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import { unlessDamaged } from '../world/damaged.ts'
import type { Oracle, Stage } from './oracle.ts'
import { checkCursorClaim } from './stored-documents.ts'

const EVERY_WRITES = 8

export class CursorOracle implements Oracle {
  readonly rules = ['I3']
  #stage: Stage | null = null
  #writes = 0

  begin(stage: Stage): void {
    this.#stage = stage
  }

  committed(replica: SimulatedReplica, transaction: Transaction): void {
    const { replicas, counters } = this.#stage!
    for (const cursor of transaction.cursors) {
      if (this.#writes++ % EVERY_WRITES !== 0) continue
      for (const sender of replicas) {
        if (!sender.isUp || sender.store!.replicaId !== cursor.peer) continue
        const receiver = { name: replica.name, reader: replica.store!.reader }
        const range = rangeOf(parseScope(cursor.scope)!)
        let compared = false
        unlessDamaged(() => (compared = checkCursorClaim(receiver, { name: sender.name, reader: sender.store!.reader }, cursor, range)))
        if (compared) counters.add('cursor claim checked')
      }
    }
  }
}
