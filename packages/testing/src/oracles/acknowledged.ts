// Every acknowledged write, as a grow-only set of (document, client, clocks): in the end each is stable (everywhere that it must be), or lost only where every
// copy of it was taken back or destroyed. Nothing else is ever lost. Rules: DU-1, DU-2; after Jepsen's set-full checker.

import { ZERO_DIGEST, type DocId, type Knowledge } from '@syncline/protocol'
import type { WriteOutcome } from '@syncline/replica'
import { Violation } from '../violation.ts'
import { keyOf } from '../world/space.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { LocalWrite, Oracle, Stage } from './oracle.ts'
import { checkTotals, documentsOf, knowledgeOf } from './stored-documents.ts'

interface Acknowledged {
  readonly doc: DocId
  readonly docEpoch: number
  readonly client: number
  to: number
  readonly at: SimulatedReplica
}

export class AcknowledgedOracle implements Oracle {
  readonly rules = ['DU-1', 'DU-2', 'I1', 'I2']
  readonly #writes = new Map<string, Acknowledged>()
  #stage: Stage | null = null

  begin(stage: Stage): void {
    this.#stage = stage
  }

  answered(replica: SimulatedReplica, { doc, docEpoch, client, to }: LocalWrite, outcome: WriteOutcome): void {
    if ((outcome.kind !== 'committed' && outcome.kind !== 'known') || to === 0) return
    // What is answered is in the store at this moment.
    const { reader } = replica.store!
    if (outcome.kind === 'committed' && outcome.seq > reader.head())
      throw new Violation('DU-1', `${replica.name} answers a write as row ${outcome.seq}, the store ends at ${reader.head()}`)
    const key = `${replica.name} ${doc} ${client}`
    const known = this.#writes.get(key)
    if (known === undefined) this.#writes.set(key, { doc, docEpoch, client, to, at: replica })
    else known.to = Math.max(known.to, to)
  }

  /** Stores add up, keep what was promised on them, and together hold every acknowledged write. */
  end(): void {
    const stage = this.#stage!
    const known = new Map<SimulatedReplica, Map<DocId, Knowledge>>()
    for (const replica of stage.replicas) if (replica.isUp) known.set(replica, checkStore(replica))
    for (const write of this.#writes.values()) this.#judge(write, known)
  }

  #judge({ doc, docEpoch, client, to, at }: Acknowledged, known: ReadonlyMap<SimulatedReplica, ReadonlyMap<DocId, Knowledge>>): void {
    const { counters } = this.#stage!
    if ([...known.values()].some((docs) => (docs.get(doc)?.epoch ?? 0) > docEpoch)) return counters.add('acknowledged, and deleted since')
    const clockAt = (replica: SimulatedReplica): number => known.get(replica)?.get(doc)?.clockOf(client) ?? 0
    const holders = [...known.keys()].filter((replica) => clockAt(replica) >= to)
    if (holders.length > 0) return counters.add('acknowledged and stable')
    // Only its own store had it, as far as anybody was told: was that store taken back, quarantined, or is it gone for good?
    if (at.isUp && (at.promises.get(`${doc} ${client}`) ?? 0) >= to)
      throw new Violation('DU-1', `${at.name} acknowledged clock ${to} of client ${client} in ${doc}; no store has it`)
    counters.add('acknowledged, lost with every copy')
  }
}

function checkStore(replica: SimulatedReplica): Map<DocId, Knowledge> {
  const { reader } = replica.store!
  checkTotals(replica.name, reader)
  if (reader.totals().root !== replica.core!.root) throw new Violation('I1', `${replica.name}: the engine's root is not the store's`)
  const all = new Map<DocId, Knowledge>()
  for (const row of documentsOf(reader)) all.set(row.name, knowledgeOf(replica.name, reader, row))
  for (const [promise, clock] of replica.promises) {
    const space = promise.lastIndexOf(' ')
    const doc = promise.slice(0, space) as DocId
    const has = all.get(doc)?.clockOf(Number(promise.slice(space + 1))) ?? 0
    if (has < clock) {
      const stored = reader.doc(keyOf(doc))?.digest ?? ZERO_DIGEST
      throw new Violation('DU-2', `${replica.name} acknowledged clock ${clock} in ${promise} and has ${has} (digest ${stored})`)
    }
  }
  return all
}
