// The Hocuspocus door alone on a port of its own, over a replica in memory: for tests that decide who is let in, when a commit happens, or use the door's hooks.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DEFAULT_SPACE, SynclineError, type DocId } from '@syncline/protocol'
import { Replica } from '@syncline/replica'
import { nodeClock, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore, type MemoryStore } from '@syncline/store/memory'
import { WebSocketServer } from 'ws'
import type { Action, Doorman, Pass } from '../../packages/relay/src/access/access.ts'
import { RoomWebSocket, type RoomConnection } from '../../packages/relay/src/door-socket.ts'
import { openHocuspocus } from '../../packages/relay/src/hocuspocus/door.ts'
import type { HocuspocusHooks } from '../../packages/relay/src/hocuspocus/hooks.ts'
import { HocuspocusRoster } from '../../packages/relay/src/hocuspocus/roster.ts'
import { RELAY_LIMITS, type RelayLimits } from '../../packages/relay/src/relay-limits.ts'
import { TurnEnds } from '../../packages/relay/src/turn-ends.ts'
import { oneSpace } from '../../packages/relay/test/one-space.ts'

/** Who holds which token may do what; a change is felt at once by those who are in. */
export class TestDoorman implements Doorman {
  readonly authenticates = true
  readonly rights = new Map<string, ReadonlySet<Action>>()
  readonly renewals: string[] = []
  private readonly listeners = new Set<() => void>()

  grant(token: string, ...actions: Action[]): void {
    this.rights.set(token, new Set(actions))
    for (const listener of this.listeners) listener()
  }

  revoke(token: string): void {
    this.rights.delete(token)
    for (const listener of this.listeners) listener()
  }

  async admit({ token }: { token: string | null }): Promise<Pass> {
    return new TestPass(this, this.known(token))
  }

  known(token: string | null): string {
    if (token === null || !this.rights.has(token)) throw new SynclineError('auth-invalid', 'nobody has this token')
    return token
  }

  follow(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}

class TestPass implements Pass {
  readonly identity = { subject: null, roles: [], claims: {}, expiresAtMs: null }
  private readonly doorman: TestDoorman
  private token: string

  constructor(doorman: TestDoorman, token: string) {
    this.doorman = doorman
    this.token = token
  }

  get ended(): SynclineError | null {
    return this.doorman.rights.has(this.token) ? null : new SynclineError('auth-revoked', 'the token was revoked')
  }

  may(action: Action, _doc: DocId): boolean {
    return this.doorman.rights.get(this.token)?.has(action) ?? false
  }

  reaches(action: Action): boolean {
    return this.doorman.rights.get(this.token)?.has(action) ?? false
  }

  async renew(token: string): Promise<void> {
    this.token = this.doorman.known(token)
    this.doorman.renewals.push(token)
  }

  onChange(listener: () => void): () => void {
    return this.doorman.follow(listener)
  }

  drop(): void {}
}

export interface HocuspocusServer {
  readonly url: string
  readonly replica: Replica
  readonly store: MemoryStore
  readonly doorman: TestDoorman
  readonly roster: HocuspocusRoster
  /** From now on commits wait until the returned function is called. */
  holdCommits(): () => void
  close(): Promise<void>
}

/** Token `token` may do everything. */
export async function hocuspocusServer(
  options: { limits?: Partial<RelayLimits>; hooks?: HocuspocusHooks } = {},
): Promise<HocuspocusServer> {
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom })
  const clock = nodeClock()
  const replica = new Replica({ store, role: 'relay', clock, random: nodeRandom })
  const limits: RelayLimits = { ...RELAY_LIMITS, ...options.limits }
  const doorman = new TestDoorman()
  doorman.grant('token', 'read', 'write', 'create', 'presence')
  const turnEnds = new TurnEnds(clock)
  const roster = new HocuspocusRoster()
  const spaces = oneSpace(replica)
  const connections = new Set<RoomConnection>()
  const sockets = new WebSocketServer({ noServer: true, WebSocket: RoomWebSocket })
  const http: Server = createServer()
  http.on('upgrade', (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (ws) => {
      const entrance = { request, address: '127.0.0.1' }
      const hooks = options.hooks ?? {}
      const connection = openHocuspocus(ws, entrance, {
        ...{ space: DEFAULT_SPACE, spaces, clock, limits, turnEnds, doorman, hooks, roster },
        onRefused: () => undefined,
      })
      connections.add(connection)
      ws.on('close', () => connections.delete(connection))
    }),
  )
  const stopBeat = clock.every(limits.pingEveryMs, () => connections.forEach((connection) => connection.beat()))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    replica,
    store,
    doorman,
    roster,
    holdCommits() {
      const commit = store.commit.bind(store)
      let release = (): void => undefined
      const released = new Promise<void>((resolve) => (release = resolve))
      store.commit = (transaction) => released.then(() => commit(transaction))
      return release
    },
    async close() {
      stopBeat()
      for (const connection of connections) connection.terminate()
      http.close()
      await replica.close()
    },
  }
}
