// Who is connected, over all workers: the bounds that hold before anybody is known are of the relay, not of a worker. Pure. Read by porter.ts. Rules: WK-1, RS-1.

import { isLoopbackHost } from '../loopback.ts'

export interface GuestBounds {
  /** Of WebSockets, and of these and requests together. */
  readonly connectionsMax: number
  readonly guestsMax: number
  readonly connectionsPerAddressMax: number
}

interface Guest {
  readonly worker: number
  readonly isConnection: boolean
  /** Null: not counted. */
  readonly address: string | null
}

export class GuestBook {
  private readonly bounds: GuestBounds
  private readonly guests = new Map<number, Guest>()
  private readonly byAddress = new Map<string, number>()
  private connections = 0
  private nextId = 1

  constructor(bounds: GuestBounds) {
    this.bounds = bounds
  }

  /** The number of the guest, or why there is no place. This machine's own addresses are not counted: behind a proxy that is not trusted, everybody has one. */
  enter(worker: number, address: string, isConnection: boolean): number | 'full' | 'address-full' {
    const { connectionsMax, guestsMax, connectionsPerAddressMax } = this.bounds
    if (this.guests.size >= guestsMax || (isConnection && this.connections >= connectionsMax)) return 'full'
    const counted = !isConnection || isLoopbackHost(address) ? null : address
    if (counted !== null) {
      const held = this.byAddress.get(counted) ?? 0
      if (held >= connectionsPerAddressMax) return 'address-full'
      this.byAddress.set(counted, held + 1)
    }
    if (isConnection) this.connections++
    const id = this.nextId++
    this.guests.set(id, { worker, isConnection, address: counted })
    return id
  }

  /** Idempotent. */
  left(id: number): void {
    const guest = this.guests.get(id)
    if (guest === undefined) return
    this.guests.delete(id)
    if (guest.isConnection) this.connections--
    if (guest.address === null) return
    const held = this.byAddress.get(guest.address)! - 1
    if (held > 0) this.byAddress.set(guest.address, held)
    else this.byAddress.delete(guest.address)
  }

  /** All that a worker had: it is gone. */
  lost(worker: number): void {
    for (const [id, guest] of this.guests) if (guest.worker === worker) this.left(id)
  }
}
