// The y-sweet door alone on a port: its routes, its HTTP requests and its WebSocket, over a real store. As a program (data folder and port as arguments) it is what
// the kill -9 test kills; as a function it serves the other tests, with whatever doorman they need.

import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { DEFAULT_SPACE, SynclineError } from '@syncline/protocol'
import type { Replica } from '@syncline/replica'
import { nodeClock } from '@syncline/replica/ws'
import { WebSocketServer } from 'ws'
import type { Doorman } from '../../packages/relay/src/access/access.ts'
import { openDoorman } from '../../packages/relay/src/access/open-doorman.ts'
import { RefusalMemory } from '../../packages/relay/src/refusal-memory.ts'
import { RELAY_LIMITS, type RelayLimits } from '../../packages/relay/src/relay-limits.ts'
import { openReplica } from '../../packages/relay/src/spaces.ts'
import { visit } from '../../packages/relay/src/visit.ts'
import { Grants } from '../../packages/relay/src/y-sweet/grants.ts'
import { answerYSweet } from '../../packages/relay/src/y-sweet/http.ts'
import { ySweetRoomOf } from '../../packages/relay/src/y-sweet/route.ts'
import { TurnEnds } from '../../packages/relay/src/turn-ends.ts'
import { openRoom, RoomWebSocket } from '../../packages/relay/src/y-websocket-door.ts'
import { oneSpace } from '../../packages/relay/test/one-space.ts'

export interface YSweetServer {
  readonly port: number
  readonly replica: Replica
  readonly grants: Grants
  close(): Promise<void>
}

export interface YSweetServerOptions {
  readonly data: string
  readonly port?: number
  readonly doorman?: Doorman
  readonly limits?: Partial<RelayLimits>
}

export async function startYSweetServer(options: YSweetServerOptions): Promise<YSweetServer> {
  const clock = nodeClock()
  const limits = { ...RELAY_LIMITS, ...options.limits }
  const replica = await openReplica({ folder: options.data, durability: 'process', clock }, DEFAULT_SPACE)
  const spaces = oneSpace(replica)
  const grants = new Grants(options.doorman ?? openDoorman, clock, 100, () => randomBytes(24).toString('base64url'))
  const turnEnds = new TurnEnds(clock)
  const refusals = new RefusalMemory(limits.refusalKeptMs, limits.refusalsKeptMax)
  const http = createServer((request, response) => {
    const taken = answerYSweet(request, response, {
      spaces,
      grants,
      uploads: { bytes: 0 },
      limits,
      originProblem: (origin) => (origin === undefined ? null : 'no pages'),
      targetOf: ({ url = '' }) => ({ space: null, target: url }),
      pathOf: () => '',
      onRefused: () => undefined,
      clientOf: ({ headers }) => ({ address: '127.0.0.1', publicUrl: `http://${headers.host}` }),
    })
    if (!taken) response.writeHead(404).end()
  })
  const sockets = new WebSocketServer({ noServer: true, WebSocket: RoomWebSocket, perMessageDeflate: false })
  const enter = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const room = ySweetRoomOf(request.url ?? '')
    if (room === null || 'problem' in room) return void socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    const token = new URL(request.url!, 'http://here').searchParams.get('token')
    try {
      const pass = await grants.admit({ token, door: 'y-sweet', space: replica.space, address: '127.0.0.1' })
      const stay = await visit(spaces, { space: DEFAULT_SPACE, doc: room.doc, door: 'y-sweet' }, pass)
      sockets.handleUpgrade(request, socket, head, (ws) => {
        const entrance = { request, address: '127.0.0.1' }
        const door = { clock, limits, turnEnds, refusals, dialect: 'y-sweet', onRefused: () => undefined } as const
        const connection = openRoom(ws, entrance, room.doc, door, { pass, visit: stay })
        const stopBeat = clock.every(limits.pingEveryMs, () => connection.beat())
        ws.on('close', stopBeat)
      })
    } catch (error) {
      if (!(error instanceof SynclineError)) throw error
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n')
    }
  }
  http.on('upgrade', (request, socket, head) => void enter(request, socket, head))
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve))
  return {
    port: (http.address() as AddressInfo).port,
    replica,
    grants,
    async close() {
      http.close()
      http.closeAllConnections()
      grants.close()
      await replica.close()
    },
  }
}

if (process.argv[1] === import.meta.filename) {
  const server = await startYSweetServer({ data: process.argv[2]!, port: Number(process.argv[3]) })
  console.log(`ready on ${server.port}`)
}
