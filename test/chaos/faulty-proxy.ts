// A TCP proxy on loopback that harms what passes: it stands in for the network. It knows bytes and connections only; what a fault does with them is in
// link-faults.ts. Its target may change, so that a relay may come back on another port. Read by the files of faults/.

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { nodeClock } from '@syncline/replica/ws'

export type Way = 'up' | 'down'

/** Where a fault puts what is to pass in one direction of one connection. */
export interface Outlet {
  readonly way: Way
  write(bytes: Uint8Array): void
  /** FIN to both sides, after what was written. */
  finish(): void
  /** RST to both sides, at once. */
  reset(): void
  /** Stops reading from the sender, until resume(): its buffers fill. */
  stall(): void
  now(): number
  after(ms: number, run: () => void): void
}

/** Made for each direction of each connection; called with its bytes in order. */
export type Fault = (outlet: Outlet) => (bytes: Buffer) => void

export const harmless: Fault = (outlet) => (bytes) => outlet.write(bytes)

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

export class FaultyProxy {
  /** Of connections that are made from now on. */
  fault: Fault = harmless
  target: number
  /** Connections so far. */
  accepted = 0
  readonly #pairs = new Set<Pair>()
  readonly #stalled = new Set<() => void>()
  readonly #server: Server
  readonly #clock = nodeClock()

  private constructor(target: number) {
    this.target = target
    this.#server = createServer((near) => this.#accept(near))
  }

  /** Listens on a free port. */
  static async open(target: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve))
    return proxy
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get connections(): number {
    return this.#pairs.size
  }

  /** Reads again where a fault stopped reading. */
  resume(): void {
    for (const resume of this.#stalled) resume()
    this.#stalled.clear()
  }

  /** RST to both sides of every connection. */
  resetAll(): void {
    for (const { near, far } of this.#pairs) reset(near, far)
  }

  /** Other bytes from now on, on new connections; those that are there end. */
  become(fault: Fault): void {
    this.fault = fault
    this.resetAll()
  }

  async close(): Promise<void> {
    this.resetAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(near: Socket): void {
    this.accepted++
    const far = connect({ host: '127.0.0.1', port: this.target, noDelay: true })
    near.setNoDelay(true)
    const pair = { near, far }
    this.#pairs.add(pair)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      // 'close' follows every 'error'.
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#pairs.delete(pair)
        other.destroy()
      })
    }
    this.#pump('up', near, far, pair)
    this.#pump('down', far, near, pair)
  }

  #pump(way: Way, from: Socket, to: Socket, { near, far }: Pair): void {
    let stalled = false
    const treat = this.fault({
      way,
      write: (bytes) => {
        if (!to.destroyed && !to.write(bytes)) from.pause()
      },
      finish: () => {
        near.end()
        far.end()
      },
      reset: () => reset(near, far),
      stall: () => {
        stalled = true
        from.pause()
        this.#stalled.add(() => {
          stalled = false
          from.resume()
        })
      },
      now: () => this.#clock.now(),
      after: (ms, run) => void this.#clock.after(ms, run),
    })
    from.on('data', treat)
    to.on('drain', () => {
      if (!stalled) from.resume()
    })
    from.on('end', () => to.end())
  }
}

function reset(...sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.resetAndDestroy()
}
