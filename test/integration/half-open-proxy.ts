// A TCP proxy on loopback that can lose its clients in the way a network does: they see their connection end, and who is behind the proxy sees nothing at all.

import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface HalfOpenProxy {
  readonly url: string
  /** Ends all connections toward the clients and keeps them open toward the target. New connections are served as before. */
  loseClients(): void
  /** Ends what loseClients() left open. */
  endLost(): void
  /** Ends all connections on both sides; new ones lead to another port. */
  moveTo(port: number): void
  /** Resolves at the next connection. */
  nextClient(): Promise<void>
  close(): Promise<void>
}

/** Listens on a free port. */
export async function halfOpenProxy(port: number): Promise<HalfOpenProxy> {
  let target = port
  const pairs = new Map<Socket, Socket>()
  const lost = new Set<Socket>()
  const waiting: (() => void)[] = []
  const server = createServer((near) => {
    for (const resolve of waiting.splice(0)) resolve()
    const far = connect({ host: '127.0.0.1', port: target, noDelay: true })
    near.setNoDelay(true)
    pairs.set(near, far)
    near.pipe(far, { end: false })
    far.pipe(near, { end: false })
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.on('close', () => {
      if (pairs.delete(near)) far.destroy()
    })
    far.on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endLost = (): void => {
    for (const far of lost) far.destroy()
    lost.clear()
  }
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseClients() {
      for (const [near, far] of pairs) {
        pairs.delete(near)
        lost.add(far)
        // What is sent to whoever is gone is taken and goes nowhere.
        far.unpipe(near)
        far.resume()
        near.resetAndDestroy()
      }
    },
    endLost,
    moveTo(port) {
      target = port
      for (const near of pairs.keys()) near.resetAndDestroy()
    },
    nextClient: () => new Promise((resolve) => waiting.push(resolve)),
    async close() {
      endLost()
      for (const near of pairs.keys()) near.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
