// The link contract's harnesses: the link in memory, and dial() with listen() over loopback sockets with a network between them that can break and stand still.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { closeErrorCode, type Replica } from '@syncline/replica'
import { dial, listen, nodeClock } from '@syncline/replica/ws'
import { memoryLinkPair, type LinkConnection, type LinkHarness, type LinkSide } from '@syncline/testing/contracts'

export function memoryLinkHarness(link: (dialler: Replica, listener: Replica) => LinkConnection = memoryLinkPair): LinkHarness {
  return {
    clock: nodeClock(),
    connect: (dialler, listener) => Promise.resolve(link(dialler, listener)),
    leftOpen: () => [],
    dispose: () => Promise.resolve(),
  }
}

export function socketLinkHarness(): LinkHarness {
  const before = sockets().length
  const connections = new Set<LinkConnection>()
  return {
    clock: nodeClock(),
    async connect(dialler, listener) {
      const connection = await connectSockets(dialler, listener)
      connections.add(connection)
      return connection
    },
    leftOpen: () => sockets().slice(before),
    async dispose() {
      for (const connection of connections) await connection.close()
    },
  }
}

/** Sockets and servers of this process. Timers are counted by the rules. */
function sockets(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP'))
}

async function connectSockets(dialler: Replica, listener: Replica): Promise<LinkConnection> {
  const door = await listen(listener, { port: 0 })
  const network = new LoopbackNetwork(door.port)
  const port = await network.open()
  const dialling = dial(dialler, {
    url: `ws://127.0.0.1:${port}`,
    // The rules link anew themselves.
    backoff: { firstMs: 60_000, maxMs: 60_000 },
    random: (length) => new Uint8Array(length).fill(0xff),
  })
  return {
    cut: () => network.cut(),
    hold: (side, held) => network.hold(side, held),
    endCode(side) {
      if (side === 'listener') return undefined
      const { error } = dialling.state
      return error === null ? null : closeErrorCode(error.code)
    },
    async close() {
      network.hold('dialler', false)
      network.hold('listener', false)
      await Promise.all([dialling.close(), door.close()])
      await network.close()
    },
  }
}

/** Carries one connection at a time from its own port to `port`. */
class LoopbackNetwork {
  readonly #port: number
  readonly #server: Server
  readonly #pairs: { readonly dialler: Socket; readonly listener: Socket }[] = []

  constructor(port: number) {
    this.#port = port
    this.#server = createServer((dialler) => this.#carry(dialler))
  }

  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  #carry(dialler: Socket): void {
    const listener = connect(this.#port, '127.0.0.1')
    this.#pairs.push({ dialler, listener })
    for (const [from, to] of [
      [dialler, listener],
      [listener, dialler],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.end())
    }
  }

  cut(): void {
    for (const { dialler, listener } of this.#pairs) {
      dialler.destroy()
      listener.destroy()
    }
  }

  /** What is on its way to `side` stays in the kernels, and then with the sender. */
  hold(side: LinkSide, held: boolean): void {
    for (const { dialler, listener } of this.#pairs) {
      const [from, to] = side === 'listener' ? [dialler, listener] : [listener, dialler]
      if (held) {
        from.unpipe(to)
        from.pause()
      } else if (from.isPaused()) {
        from.pipe(to)
        from.resume()
      }
    }
  }

  async close(): Promise<void> {
    this.cut()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}
