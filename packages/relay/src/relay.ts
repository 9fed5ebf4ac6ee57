// A relay: a replica with a doorman. Builds the spaces, the front with its doors and what operators see, dials the configured peers, and takes all of it down again in
// bounded time. What the parts decide is in their files; ARCHITECTURE.md has the picture. Rules: AU-0, RS-1, DU-1, OP-1.

import { randomBytes } from 'node:crypto'
import { DEFAULT_SPACE, SynclineError, type ReplicaId, type SpaceId } from '@syncline/protocol'
import { Replica, type Clock, type CoreLimits, type ReplicaEvent } from '@syncline/replica'
import { nodeClock, nodeCompression, nodeRandom } from '@syncline/replica/ws'
import { createMemoryStore } from '@syncline/store/memory'
import type { DoorName } from './access/access.ts'
import { boundedDoorman } from './access/bounded-doorman.ts'
import { openDoorman } from './access/open-doorman.ts'
import { spaceFile, spaceNamed } from './data-folder.ts'
import type { Front } from './front.ts'
import type { HookCalls } from './hook-calls.ts'
import { hookCalls } from './hooks.ts'
import { isLoopbackHost } from './loopback.ts'
import { Peering } from './peering.ts'
import { frontOf } from './relay-doors.ts'
import { RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
import { Operations } from './relay-operations.ts'
import type { HeldSpace, Relay, RelayInside, RelayOptions } from './relay-options.ts'
import { RelaySpace } from './relay-space.ts'
import { Spaces } from './spaces.ts'
import type { Certificate } from './tls-files.ts'
import { olderSpaces, upgradeSpaces } from './upgrade-spaces.ts'
import { Grants } from './y-sweet/grants.ts'

/** Resolves when the relay accepts connections. Throws "host-not-loopback", "port-taken", "port-forbidden", "argument-invalid", and what the store throws. */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { data, durability = 'disk', insecure = false, clock = nodeClock(), onError = fail } = options
  const host = (options.host ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1')
  const limits: RelayLimits = { ...RELAY_LIMITS, ...options.limits }
  const grants = new Grants(options.doorman ?? openDoorman, clock, limits.ySweetGrantsMax, () => randomBytes(24).toString('base64url'))
  const doorman = boundedDoorman(grants, limits.connectionsPerSubjectMax)
  if (!insecure && !doorman.authenticates && !isLoopbackHost(host))
    throw new SynclineError('host-not-loopback', `A relay without authentication does not listen on ${host}.`)
  mustHaveSpaces(options, doorman.authenticates)
  const { hooks = {}, hookLimits = {} } = options
  const calls = hookCalls(hooks, clock, hookLimits)
  const operations: Operations = await Operations.open({
    clock,
    doorman,
    admin: options.admin !== undefined,
    dataFiles: () => Array.from(spaces.opened(), ({ space }) => spaceFile(data, space)),
    spacesStored: () => spaces.storedCount,
    onRefused: (...refused) => options.onRefused?.(...refused),
    onError,
  })
  const many = (options.spacePrefix ?? null) !== null
  const peering = peeringOf(options, clock, () => spaces)
  const spaces: Spaces<RelaySpace> = new Spaces<RelaySpace>({
    folder: data,
    durability,
    clock,
    limits: coreLimitsOf(limits),
    bounds: limits,
    ...(options.part !== undefined && { serves: (space) => options.part!.serves(space) }),
    watch: (space) => {
      const { metrics, health, sampler } = operations
      return new RelaySpace(space, { clock, hooks, hookLimits, calls, metrics, health, sampler, peering, many, onEvent, onError })
    },
    onOpened: (opening) => options.onOpened?.(opening),
    onUpgrade: (space, notice) => options.onUpgrade?.(space, notice),
    onFailed: (space, error) => {
      operations.health.notOpened(space, error)
      if (options.onSpaceFailed === undefined) onError(error)
      else options.onSpaceFailed(space, error)
    },
  })
  const replica = await homeOf(spaces, clock).catch(async (error: unknown) => {
    // Their timers would keep the process.
    await Promise.all([spaces.close(), operations.close()])
    throw error
  })
  // Now, and not while somebody waits for one of them. Whoever has the default space open has the folder.
  if (many) await upgradeOthers(options, durability, operations, (space) => spaces.serves(space))
  const front = frontOf({ options, limits, clock, host, replica, spaces, calls, doorman, grants, operations })
  const relay = new RunningRelay({
    clock,
    host,
    limits,
    replica,
    front,
    spaces,
    many,
    calls,
    grants,
    operations,
    peering,
    secure: options.tls !== undefined,
  })
  try {
    await relay.open(options)
    return relay
  } catch (error) {
    await relay.close()
    throw error
  }

  function onEvent(event: ReplicaEvent, space: SpaceId): void {
    operations.happened(event, space)
    options.onEvent?.(event, space)
  }
}

/** Of a worker without an admin port: nobody asks for them. */
const NO_METRICS: RelayInside['metrics'] = { gather: () => Promise.resolve([]) }

interface Parts {
  readonly clock: Clock
  readonly host: string
  readonly limits: RelayLimits
  readonly secure: boolean
  readonly replica: Replica
  readonly front: Front
  readonly spaces: Spaces<RelaySpace>
  /** There are more than the default one. */
  readonly many: boolean
  readonly calls: HookCalls
  readonly grants: Grants
  readonly operations: Operations
  readonly peering: Peering
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

  async open(options: RelayOptions): Promise<void> {
    const { host, secure, replica, front, spaces, many, operations, peering } = this.parts
    const { part, admin = null } = options
    if (part === undefined) {
      this.port = await front.listen()
      this.url = `${secure ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${this.port}`
    } else {
      const doors = front.takeGiven()
      const { health, metrics } = operations
      const take: RelayInside['take'] = (port, given) => (port === 'doors' ? doors(given) : operations.takeAdmin(given))
      const { url, port } = await part.opened({ health, metrics: metrics ?? NO_METRICS, take, share: (names) => operations.share(names) })
      this.url = url
      this.port = port
    }
    await this.dialPeers(options)
    const given = part !== undefined
    const elsewhere = part === undefined ? {} : { elsewhere: (names: readonly SpaceId[]) => part.elsewhere(names) }
    const shown = { source: spaces, many, ...elsewhere }
    await operations.serve({ replica, spaces: shown, front, dials: peering.dials, url: this.url, admin, given })
  }

  /** Listed spaces stay open. */
  private async dialPeers({ peers = [], peerSpaces = [DEFAULT_SPACE], part }: RelayOptions): Promise<void> {
    const { many, peering } = this.parts
    if (peers.length === 0) return
    if (peerSpaces.includes('*')) {
      if (!many) throw new SynclineError('argument-invalid', 'peerSpaces is "*", and without spacePrefix there is one space.')
      return peering.start()
    }
    for (const name of peerSpaces.filter((one) => part?.serves(spaceNamed(one)) ?? true)) peering.keep((await this.space(name)).replica)
  }

  async space(name: string): Promise<HeldSpace> {
    const { spaces, many } = this.parts
    const space = spaceNamed(name)
    if (!many && space !== DEFAULT_SPACE)
      throw new SynclineError('space-unknown', `This relay has the space ${DEFAULT_SPACE} only: spacePrefix turns others on.`)
    return await spaces.open(space)
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
    const { front, spaces, calls, operations, replica, peering } = this.parts
    operations.detach()
    await Promise.all([front.finishRooms(), peering.close()])
    for (const { watch } of spaces.opened()) watch.hooks.stop()
    await calls.close()
    await spaces.close()
    await replica.close()
    this.drained = true
  }
}

function peeringOf({ peers = [], peerSpaces, peerToken }: RelayOptions, clock: Clock, spaces: () => Spaces<RelaySpace>): Peering {
  return new Peering({
    peers,
    spaces: peerSpaces ?? [DEFAULT_SPACE],
    clock,
    ...(peerToken !== undefined && { token: peerToken }),
    stored: () =>
      spaces()
        .names()
        .filter((space) => spaces().serves(space)),
    isUsed: (space) => spaces().isUsed(space),
    use: (space) => spaces().use(space, false),
  })
}

/** The replica of the default space. Where another process has that space, one in memory which nobody is linked to: frames that are no greeting are refused on it. */
async function homeOf(spaces: Spaces<RelaySpace>, clock: Clock): Promise<Replica> {
  if (spaces.serves(DEFAULT_SPACE)) return (await spaces.open(DEFAULT_SPACE)).replica
  const store = createMemoryStore({ space: DEFAULT_SPACE, random: nodeRandom, durability: 'process' })
  return new Replica({ store, role: 'relay', clock, random: nodeRandom, compression: nodeCompression })
}

/** Files of an older release, of the spaces that open later. One that fails is told, and again when somebody asks for its space. */
async function upgradeOthers(
  options: RelayOptions,
  durability: 'disk' | 'process',
  { health }: Operations,
  serves: (space: SpaceId) => boolean,
): Promise<void> {
  await upgradeSpaces(olderSpaces(options.data).filter(serves), {
    folder: options.data,
    durability,
    onUpgrade: (space, notice) => options.onUpgrade?.(space, notice),
    onFailed: (space, error) => {
      // Somebody else is at it: `syncline upgrade`.
      if (error instanceof SynclineError && error.code === 'store-locked') return
      health.notOpened(space, error)
      options.onSpaceFailed?.(space, error)
    },
  })
}

/** Those that the engine keeps. */
function coreLimitsOf(limits: RelayLimits): Partial<CoreLimits> {
  const { documentBytesMax, documentsMax, presencePerSecondMax, subjectPresencePerSecondMax } = limits
  const { relayPresencePerSecondMax, documentPresencePerSecondMax } = limits
  const presence = { presencePerSecondMax, subjectPresencePerSecondMax, relayPresencePerSecondMax, documentPresencePerSecondMax }
  return { documentBytesMax, documentsMax, ...presence }
}

/** Throws "argument-invalid". */
function mustHaveSpaces({ spacePrefix = null, insecure = false }: RelayOptions, authenticates: boolean): void {
  if (spacePrefix === null) return
  if (!/^\/.+\/$/.test(spacePrefix))
    throw new SynclineError('argument-invalid', `spacePrefix begins and ends with a slash: ${JSON.stringify(spacePrefix)} does not.`)
  if (!authenticates && !insecure)
    throw new SynclineError('argument-invalid', 'Several spaces take authentication: without it anybody could make them. Or say insecure.')
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
