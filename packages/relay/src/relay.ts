// A relay: a replica with a doorman. Builds the spaces, the front and the doors, dials the configured peers, and takes all of it down again in bounded time.
// What the parts decide is in their files; ARCHITECTURE.md has the picture. Rules: YW, AU-0, RS-1, DU-1.

import type { IncomingMessage } from 'node:http'
import { SynclineError, type DocId, type ErrorCode, type ReplicaId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import { acceptSocket, dial, nodeClock } from '@syncline/replica/ws'
import type { WebSocket } from 'ws'
import { Front } from './front.ts'
import { isLoopbackHost } from './loopback.ts'
import { RefusalMemory } from './refusal-memory.ts'
import { RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
import { Spaces, type Opening } from './spaces.ts'
import { openRoom } from './y-websocket-door.ts'

export interface RelayOptions {
  /** Folder of the SQLite files; made when it is not there. */
  readonly data: string
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 4400; 0: any free one. */
  readonly port?: number
  /** What an acknowledged write survives: a power cut ('disk', default) or kill -9 ('process'). */
  readonly durability?: 'disk' | 'process'
  /** Addresses of other relays or replicas to keep a link to. */
  readonly peers?: readonly string[]
  /** Without authentication only this machine is served; true lifts that. */
  readonly insecure?: boolean
  readonly limits?: Partial<RelayLimits>
  readonly clock?: Clock
  /** A space was opened: as the same replica again, as a new one, or as a copy; and what of it was lost. */
  onOpened?(opening: Opening): void
  /** An update of a foreign client was refused. */
  onRefused?(doc: DocId, code: ErrorCode, reason: string): void
}

export interface Relay {
  /** Where it listens, e.g. ws://127.0.0.1:4400. */
  readonly url: string
  readonly port: number
  readonly replicaId: ReplicaId
  /** The replica behind the doors: status, events, documents. */
  readonly replica: Replica
  /** Connections of all doors. */
  readonly connections: number
  /** Bytes that y-websocket clients were sent and have not taken yet. */
  readonly unsentBytes: number
  /** Takes no further connections, commits and acknowledges what was received, closes the connections (1012: they come back), checkpoints. Bounded by
   *  `limits.drainMs`. Idempotent. */
  close(): Promise<void>
  /** True once close() did all of that in time. */
  readonly drained: boolean
}

/** Resolves when the relay accepts connections. Throws "host-not-loopback", "port-taken", "port-forbidden", "argument-invalid", and what the store throws. */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { data, port = 4400, durability = 'disk', insecure = false, clock = nodeClock() } = options
  const host = (options.host ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1')
  if (!insecure && !isLoopbackHost(host))
    throw new SynclineError('host-not-loopback', `A relay without authentication does not listen on ${host}.`)
  const limits: RelayLimits = { ...RELAY_LIMITS, ...options.limits }
  const spaces = new Spaces({ folder: data, durability, clock, onOpened: (opening) => options.onOpened?.(opening) })
  const replica = await spaces.get()
  const refusals = new RefusalMemory(limits.refusalKeptMs, limits.refusalsKeptMax)
  const front = new Front({
    host,
    port,
    limits,
    clock,
    policy: { loopbackOnly: !insecure, hocuspocusPath: null },
    native: (ws: WebSocket) => void acceptSocket(replica, ws),
    room: (ws: WebSocket, request: IncomingMessage, doc: DocId) =>
      openRoom(ws, request, doc, { replica, clock, limits, refusals, onRefused: (...refused) => options.onRefused?.(...refused) }),
  })
  try {
    const actualPort = await front.listen()
    const dials = (options.peers ?? []).map((url) => dial(replica, { url }))
    let drained = false
    const drain = async (): Promise<void> => {
      await Promise.all([front.finishRooms(), ...dials.map((one) => one.close())])
      await spaces.close()
      drained = true
    }
    let closing: Promise<void> | null = null
    return {
      url: `ws://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
      port: actualPort,
      replicaId: replica.replicaId,
      replica,
      get connections() {
        return front.connections
      },
      get drained() {
        return drained
      },
      get unsentBytes() {
        return front.unsentBytes
      },
      close: () => (closing ??= within(limits.drainMs, clock, drain()).finally(() => front.terminate())),
    }
  } catch (error) {
    front.terminate()
    await spaces.close()
    throw error
  }
}

/** Resolves when `work` is done or the time is over. */
function within(ms: number, clock: Clock, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve)
    work.then(resolve, reject).finally(cancel)
  })
}
