// Nobody writes under an id that somebody else wrote under, and no position stands for two things: client ids belong to one document of one life, a clock is
// written once, nonces are fresh, and a row of an epoch is one row for ever. Rules: ID-1, I9.

import type { EpochNonce } from '@syncline/protocol'
import type { Transaction } from '@syncline/store'
import { Violation } from '../violation.ts'
import type { SimulatedReplica } from '../world/simulated-replica.ts'
import type { LocalWrite, Oracle } from './oracle.ts'

export class IdentityOracle implements Oracle {
  readonly rules = ['ID-1', 'I9']
  /** client id -> who may write under it. */
  readonly #owners = new Map<number, string>()
  /** client id -> the clock up to which it was ever written. */
  readonly #written = new Map<number, number>()
  readonly #nonces = new Set<EpochNonce>()
  /** "nonce seq" of every row that was ever committed. */
  readonly #rows = new Set<string>()

  epoch(replica: SimulatedReplica, nonce: EpochNonce): void {
    if (this.#nonces.has(nonce)) throw new Violation('I9', `${replica.name} uses epoch nonce ${nonce} again`)
    this.#nonces.add(nonce)
  }

  wrote(replica: SimulatedReplica, { doc, client, from, to }: LocalWrite): void {
    if (from === to) return
    const guest = [...replica.guests.values()].find((one) => one.doc.clientID === client)
    const owner = guest === undefined ? `${replica.name}/${replica.life}/${doc}` : `guest ${guest.name}`
    const known = this.#owners.get(client)
    if (known === undefined) this.#owners.set(client, owner)
    else if (known !== owner) throw new Violation('I9', `client id ${client} is written by ${owner} and by ${known}`)
    const written = this.#written.get(client) ?? 0
    if (from < written) throw new Violation('ID-1', `${owner} writes clocks ${from} to ${to} of client ${client}, written up to ${written}`)
    this.#written.set(client, to)
  }

  /** Who wrote under this client id, as far as this simulation made it. */
  ownerOf(client: number): string | undefined {
    return this.#owners.get(client)
  }

  committed(replica: SimulatedReplica, transaction: Transaction): void {
    const nonce = replica.store!.reader.nonce()
    transaction.rows.forEach((_, index) => {
      const position = `${nonce} ${transaction.firstSeq + index}`
      if (this.#rows.has(position)) throw new Violation('ID-1', `${replica.name} stores two rows at ${position}`)
      this.#rows.add(position)
    })
  }
}
