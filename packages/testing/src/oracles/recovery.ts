// After any crash a store is a prefix of what its process committed: at every head that it ever had, it is exactly what it was at that head. Rule: DU-2.

import type { Transaction } from '@syncline/store'
import { Violation } from '../violation.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { Oracle, Stage } from './oracle.ts'

/** What a store looked like after each commit of one line of descent. */
interface Lineage {
  /** head -> root of all documents. */
  readonly roots: Map<number, string>
  /** Head after the last commit that was answered. */
  answered: number
}

export class RecoveryOracle implements Oracle {
  readonly rules = ['DU-2']
  readonly #lineages = new Map<SimulatedReplica, Lineage>()
  /** Stores as they were left -> what was known of them. */
  readonly #left = new Map<object, Lineage>()
  #stage: Stage | null = null

  begin(stage: Stage): void {
    this.#stage = stage
  }

  committed(replica: SimulatedReplica, _transaction: Transaction): void {
    this.#note(replica)
  }

  maintained(replica: SimulatedReplica): void {
    this.#note(replica)
  }

  #note(replica: SimulatedReplica): void {
    const { reader } = replica.store!
    const lineage = this.#lineages.get(replica)!
    lineage.roots.set(reader.head(), reader.totals().root)
    lineage.answered = reader.head()
  }

  died(replica: SimulatedReplica): void {
    this.#left.set(replica.image().stored, this.#lineages.get(replica)!)
  }

  started(replica: SimulatedReplica, image: object | null): void {
    const { reader } = replica.store!
    const known = image === null ? undefined : this.#left.get(image)
    this.#lineages.set(replica, { roots: new Map([[reader.head(), reader.totals().root]]), answered: reader.head() })
    if (known === undefined) return
    this.#stage!.counters.add('recovery compared')
    const root = known.roots.get(reader.head())
    if (root === undefined || reader.head() < known.answered)
      throw new Violation('DU-2', `${replica.name} committed up to ${known.answered} and starts again at ${reader.head()}`)
    if (root !== reader.totals().root)
      throw new Violation('DU-2', `${replica.name} starts again at ${reader.head()} with root ${reader.totals().root}, it was ${root}`)
  }
}
