// Nothing grows without bound: held updates, effects of one turn, and what a run sends for what was written. Rules: OR-11, I7.

import { LIMITS } from '@syncline/protocol'
import type { Transaction } from '@syncline/store'
import { Violation } from '../violation.ts'
import type { Port } from '../world/network.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { LocalWrite, Oracle, Stage } from './oracle.ts'

/** What one direction of one link may carry: this much for nothing ... */
const BYTES_FREE = 64 * 1024
/** ... this much per virtual second ... */
const BYTES_PER_SECOND = 8 * 1024
/** ... and this many times what was written by anybody. Rounds of reconciliation, diffs after every cut and hostile repeats are in it. */
const BYTES_PER_BYTE = 60

export class BoundsOracle implements Oracle {
  readonly rules = ['OR-11', 'I7']
  #stage: Stage | null = null
  #writtenBytes = 0
  readonly #sent = new Map<string, number>()

  begin(stage: Stage): void {
    this.#stage = stage
  }

  wrote(_replica: SimulatedReplica, { update }: LocalWrite): void {
    this.#writtenBytes += update.length
  }

  commitBegins(replica: SimulatedReplica, transaction: Transaction): void {
    const { counters } = this.#stage!
    counters.add('held update', transaction.held.length)
    counters.add('held update resolved', transaction.heldDropped.length)
    for (const { doc } of transaction.held) {
      const held = replica.store!.reader.held(doc)
      if (held.length > LIMITS.heldUpdatesPerDocMax)
        throw new Violation('I7', `${replica.name} holds ${held.length} updates of ${doc}, the bound is ${LIMITS.heldUpdatesPerDocMax}`)
    }
  }

  sent(port: Port, bytes: Uint8Array): void {
    const direction = `${port.owner.name} -> ${port.peer.owner.name}`
    const sent = (this.#sent.get(direction) ?? 0) + bytes.length
    this.#sent.set(direction, sent)
    const bound = BYTES_FREE + (BYTES_PER_SECOND * this.#stage!.nowMs) / 1000 + BYTES_PER_BYTE * this.#writtenBytes
    if (sent > bound)
      throw new Violation(
        'OR-11',
        `${direction} carried ${sent} bytes in ${Math.round(this.#stage!.nowMs)} ms; ${this.#writtenBytes} were written`,
      )
  }
}
