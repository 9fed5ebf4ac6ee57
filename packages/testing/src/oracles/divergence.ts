// Content that differs at equal knowledge is reported where it is, and nowhere else. A planted fork (two contents under one id) has to be noticed by both sides
// within one rotation of verification. Rules: CV-1, CV-3.

import { parseDocId, type DocId, type IdRange } from '@syncline/protocol'
import type { ReplicaEvent } from '@syncline/replica'
import * as Y from 'yjs'
import { Violation } from '../violation.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { Edge, Oracle, Stage } from './oracle.ts'

export const FORKED_DOCUMENT: DocId = parseDocId('notes/fork')
const FORKED_LENGTH = 4

export class DivergenceOracle implements Oracle {
  readonly rules = ['CV-1', 'CV-3']
  #stage: Stage | null = null
  #fork: { readonly client: number; readonly noticed: Set<SimulatedReplica> } | null = null

  begin(stage: Stage): void {
    this.#stage = stage
  }

  /** Gives both ends different content under one id. */
  plant({ from, to }: Edge, client: number): void {
    this.#fork = { client, noticed: new Set() }
    ;[from, to].forEach((replica, side) => replica.plant(FORKED_DOCUMENT, forkedUpdate(client, side)))
  }

  /** Of these, who has not reported the fork yet. */
  unaware(replicas: readonly SimulatedReplica[]): SimulatedReplica[] {
    return replicas.filter((replica) => this.#fork?.noticed.has(replica) === false)
  }

  event(replica: SimulatedReplica, event: ReplicaEvent): void {
    if (event.type !== 'divergence') return
    const { counters, isMidPair } = this.#stage!
    if (event.doc === FORKED_DOCUMENT && this.#fork !== null) this.#notice(replica, event.range)
    else if (isMidPair(event.doc)) counters.add('mid-pair content exception')
    else throw new Violation('CV-1', `${replica.name} reports divergence in ${event.doc}: ${JSON.stringify(event.range)}`)
  }

  #notice(replica: SimulatedReplica, range: IdRange | null): void {
    const { client, noticed } = this.#fork!
    if (range === null || range.client !== client || range.from !== 0 || range.to !== FORKED_LENGTH)
      throw new Violation(
        'CV-3',
        `${replica.name} names ${JSON.stringify(range)} for a fork of client ${client}, clocks 0 to ${FORKED_LENGTH}`,
      )
    noticed.add(replica)
    this.#stage!.counters.add('divergence reported')
  }
}

/** The first four characters that a client ever wrote, as one of two stories tells it. */
export function forkedUpdate(client: number, side: number): Uint8Array {
  const doc = new Y.Doc({ guid: 'fork' })
  doc.clientID = client
  doc.getText('text').insert(0, (side === 0 ? 'A' : 'B').repeat(FORKED_LENGTH))
  return Y.encodeStateAsUpdate(doc)
}
