// A WebSocket proxy on loopback that counts what passes: frames and payload bytes after the upgrade, each way, and which message kinds they held. What is in a frame is looked
// at only when it is asked for, so that passing it on costs little.

import { decodeFrame, SUBPROTOCOL } from '@syncline/protocol'
import { WebSocket, WebSocketServer } from 'ws'

export interface PassedFrame {
  readonly way: 'up' | 'down'
  readonly bytes: number
  /** Decoded at the first call. */
  kinds(): readonly string[]
  readonly atMs: number
}

export interface CountingProxy {
  readonly url: string
  readonly frames: PassedFrame[]
  close(): Promise<void>
}

export async function countingProxy(target: string): Promise<CountingProxy> {
  const frames: PassedFrame[] = []
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, handleProtocols: () => SUBPROTOCOL })
  await new Promise((resolve) => server.once('listening', resolve))
  server.on('connection', (near) => {
    const far = new WebSocket(target, SUBPROTOCOL, { perMessageDeflate: false })
    const early: Uint8Array[] = []
    near.on('message', (data: Buffer) => {
      frames.push(passed('up', data))
      if (far.readyState === WebSocket.OPEN) far.send(data)
      else early.push(data)
    })
    far.on('open', () => early.splice(0).forEach((data) => far.send(data)))
    far.on('message', (data: Buffer) => {
      frames.push(passed('down', data))
      near.send(data)
    })
    near.on('close', () => far.terminate())
    far.on('close', () => near.terminate())
    far.on('error', () => near.terminate())
    near.on('error', () => far.terminate())
  })
  const { port } = server.address() as { port: number }
  return {
    url: `ws://127.0.0.1:${port}`,
    frames,
    async close() {
      for (const client of server.clients) client.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function passed(way: PassedFrame['way'], data: Buffer): PassedFrame {
  let kinds: readonly string[] | null = null
  return {
    way,
    bytes: data.length,
    atMs: performance.now(),
    kinds() {
      if (kinds !== null) return kinds
      const decoded = decodeFrame(new Uint8Array(data), null)
      kinds = decoded.ok ? decoded.messages.map((message) => message.kind) : ['?']
      return kinds
    },
  }
}
