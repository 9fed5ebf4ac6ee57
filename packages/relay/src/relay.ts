// A relay: a replica with a doorman. Builds the spaces, the front with its doors and what operators see, dials the configured peers, and takes all of it down again in
// bounded time. What the parts decide is in their files; ARCHITECTURE.md has the picture. Rules: AU-0, RS-1, DU-1, OP-1.

import { randomBytes } from 'node:crypto'
import { DEFAULT_SPACE, SynclineError, type ReplicaId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import { dial, nodeClock, type Dial } from '@syncline/replica/ws'
import type { DoorName } from './access/access.ts'
import { boundedDoorman } from './access/bounded-doorman.ts'
import { openDoorman } from './access/open-doorman.ts'
import { spaceFile } from './data-folder.ts'
import type { Certificate, Front } from './front.ts'
import { isLoopbackHost } from './loopback.ts'
import { frontOf } from './relay-doors.ts'
import { RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
import { Operations } from './relay-operations.ts'
import type { Relay, RelayOptions } from './relay-options.ts'
import { Spaces } from './spaces.ts'
import { Grants } from './y-sweet/grants.ts'

/** Resolves when the relay accepts connections. Throws "host-not-loopback", "port-taken", "port-forbidden", "argument-invalid", and what the store throws. */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { data, durability = 'disk', insecure = false, clock = nodeClock(), onError = fail } = options
  const host = (options.host ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1')
  const limits: RelayLimits = { ...RELAY_LIMITS, ...options.limits }
  const doorman = boundedDoorman(options.doorman ?? openDoorman, limits.connectionsPerSubjectMax)
  if (!insecure && !doorman.authenticates && !isLoopbackHost(host))
    throw new SynclineError('host-not-loopback', `A relay without authentication does not listen on ${host}.`)
  const grants = new Grants(doorman, clock, limits.ySweetGrantsMax, () => randomBytes(24).toString('base64url'))
  const operations = new Operations({ clock, doorman: grants, dataFiles: [spaceFile(data, DEFAULT_SPACE)], onError })
  const { documentBytesMax, documentsMax } = limits
  const spaces = new Spaces({
    folder: data,
    durability,
    clock,
    limits: { documentBytesMax, documentsMax },
    observer: operations.observer,
    onReplica: (replica) => operations.opened(replica),
    onOpened: (opening) => options.onOpened?.(opening),
  })
  const replica = await spaces.get()
  const front = frontOf({ options, limits, clock, host, replica, grants, operations })
  const dials: Dial[] = []
  const relay = new RunningRelay({
    clock,
    host,
    limits,
    replica,
    front,
    dials,
    spaces,
    grants,
    operations,
    secure: options.tls !== undefined,
  })
  try {
    await relay.open(options)
    return relay
  } catch (error) {
    await relay.close()
    throw error
  }
}

interface Parts {
  readonly clock: Clock
  readonly host: string
  readonly limits: RelayLimits
  readonly secure: boolean
  readonly replica: Replica
  readonly front: Front
  readonly dials: Dial[]
  readonly spaces: Spaces
  readonly grants: Grants
  readonly operations: Operations
}

class RunningRelay implements Relay {
  url = ''
  port = 0
  drained = false
  readonly replica: Replica
  readonly replicaId: ReplicaId
  private readonly parts: Parts
  private closing: Promise<void> | null = null

  constructor(parts: Parts) {
    this.parts = parts
    this.replica = parts.replica
    this.replicaId = parts.replica.replicaId
  }

  async open({ peers = [], peerToken, admin }: RelayOptions): Promise<void> {
    const { host, secure, replica, front, dials, operations } = this.parts
    this.port = await front.listen()
    this.url = `${secure ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${this.port}`
    for (const url of peers) dials.push(dial(replica, { url, ...(peerToken === undefined ? {} : { token: peerToken }) }))
    await operations.serve({ replica, front, dials, url: this.url, admin: admin ?? null })
  }

  get adminUrl(): string | null {
    return this.parts.operations.adminUrl
  }

  get connections(): number {
    return this.parts.front.connections
  }

  get connectionsByDoor(): Readonly<Record<DoorName, number>> {
    return this.parts.front.connectionsByDoor
  }

  get unsentBytes(): number {
    return this.parts.front.unsentBytes
  }

  setCertificate(certificate: Certificate): void {
    this.parts.front.setCertificate(certificate)
  }

  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    const { clock, limits, front, grants, operations } = this.parts
    operations.drain()
    await within(limits.drainMs, clock, this.drain())
    front.terminate()
    grants.close()
    await operations.close()
  }

  /** What was read is committed and acknowledged before its connection goes; the admin port says "draining" until the end. */
  private async drain(): Promise<void> {
    const { front, dials, spaces, operations } = this.parts
    await operations.detach()
    await Promise.all([front.finishRooms(), ...dials.map((one) => one.close())])
    await spaces.close()
    this.drained = true
  }
}

/** What nobody handles is no secret: the process hears of it. */
function fail(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** Resolves when `work` is done or the time is over. */
function within(ms: number, clock: Clock, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve)
    work.then(resolve, reject).finally(cancel)
  })
}
