// Clients that connect to y-websocket rooms and then read nothing: their sockets are paused. Later some of them read again, to see that they get what they missed.
// Used by slow-readers.ts.

import { WebSocket } from 'ws'
import * as codec from '../../packages/relay/src/y-websocket-codec.ts'

export interface StalledCrowd {
  readonly size: number
  /** Those whose connection the relay has ended. Known only once they read. */
  lost(): number
  /** Lets the first `count` read again. Resolves when each was sent something that `isLast`, with those that were not by `withinMs`. */
  wake(count: number, isLast: (update: Uint8Array) => boolean, withinMs: number): Promise<{ readonly late: number }>
  close(): void
}

const AT_A_TIME = 50

/** `rooms`: their addresses, dealt out in turn. */
export async function stalledCrowd(size: number, rooms: readonly string[]): Promise<StalledCrowd> {
  const sockets: WebSocket[] = []
  let lost = 0
  for (let next = 0; next < size; next += AT_A_TIME) {
    const some = Array.from({ length: Math.min(AT_A_TIME, size - next) }, (_, at) => stalled(rooms[(next + at) % rooms.length]!))
    sockets.push(...(await Promise.all(some)))
  }
  for (const socket of sockets) socket.on('close', () => lost++)
  return {
    size,
    lost: () => lost,
    async wake(count, isLast, withinMs) {
      const awake = await Promise.all(sockets.slice(0, count).map((socket) => caughtUp(socket, isLast, withinMs)))
      return { late: awake.filter((isAwake) => !isAwake).length }
    },
    close() {
      for (const socket of sockets) socket.terminate()
    },
  }
}

function stalled(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true })
  socket.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('open', () => {
      socket.pause()
      socket.send(codec.step1Frame(Uint8Array.of(0)))
      resolve(socket)
    })
  })
}

function caughtUp(socket: WebSocket, isLast: (update: Uint8Array) => boolean, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isAwake: boolean): void => {
      clearTimeout(timer)
      socket.off('message', hear)
      resolve(isAwake)
    }
    const timer = setTimeout(() => end(false), withinMs)
    const hear = (data: unknown): void => {
      const frame = codec.readFrame(data as Uint8Array)
      if ('problem' in frame) return
      for (const message of frame.messages)
        if ((message.kind === 'update' || message.kind === 'step-2') && isLast(message.update)) end(true)
    }
    socket.on('message', hear)
    socket.resume()
  })
}
