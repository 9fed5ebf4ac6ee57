// A real HTTP server on this machine that answers as a test says, counts what it is asked, and can be taken away and brought back at the same port.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface LoopbackServer {
  readonly url: string
  /** Requests so far. */
  readonly asked: number
  /** What the next requests get. */
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void
  /** No longer listens; connections are cut. */
  away(): Promise<void>
  back(): Promise<void>
}

export async function loopbackServer(answer: LoopbackServer['answer']): Promise<LoopbackServer> {
  let asked = 0
  let port = 0
  let server: Server | null = null
  const here: LoopbackServer = {
    get url() {
      return `http://127.0.0.1:${port}/path`
    },
    get asked() {
      return asked
    },
    answer,
    away: () =>
      new Promise((resolve) => {
        if (server === null) return resolve()
        server.close(() => resolve())
        server.closeAllConnections()
        server = null
      }),
    back: () =>
      new Promise((resolve) => {
        server = createServer((request, response) => {
          asked++
          let body = ''
          request.on('data', (chunk: Buffer) => (body += chunk.toString()))
          request.on('end', () => here.answer(request, body, response))
        })
        server.listen(port, '127.0.0.1', () => {
          port = (server!.address() as AddressInfo).port
          resolve()
        })
      }),
  }
  await here.back()
  return here
}
