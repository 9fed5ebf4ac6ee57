// A piece of network that can be cut: a TCP proxy on a free port of this machine. While it is cut, connections end and new ones are refused.

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class Wire {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #targetPort: number
  #isCut = false

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer((near) => this.#join(near))
  }

  static async to(targetPort: number): Promise<Wire> {
    const wire = new Wire(targetPort)
    await new Promise<void>((resolve) => wire.#server.listen(0, '127.0.0.1', resolve))
    return wire
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket): void {
    if (this.#isCut) {
      near.destroy()
      return
    }
    const far = connect(this.#targetPort, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  }
}
