// The doors of one relay: what each is given, and whose pages and addresses lead where. Read by relay.ts. Rules: AU-0, AD-1, YW-1, HP-1, YS-4.

import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { DEFAULT_SPACE, type DocId, type ErrorCode, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import type { DoorName, Doorman } from './access/access.ts'
import { originProblem, spaceOf, withoutPrefix, type Policy } from './doors.ts'
import { clientOf, trustedProxies, type TrustedProxies } from './forwarded.ts'
import { Front } from './front.ts'
import { openHocuspocus } from './hocuspocus/door.ts'
import type { HocuspocusHooks } from './hocuspocus/hooks.ts'
import { HocuspocusRoster } from './hocuspocus/roster.ts'
import type { HookCalls } from './hook-calls.ts'
import type { RelayHooks } from './hooks.ts'
import { openNative } from './native-door.ts'
import { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { Operations } from './relay-operations.ts'
import type { RelayOptions } from './relay-options.ts'
import type { Grants } from './y-sweet/grants.ts'
import { answerYSweet } from './y-sweet/http.ts'
import { TurnEnds } from './turn-ends.ts'
import { visit, type SpaceSource } from './visit.ts'
import type { Dialect } from './y-websocket-codec.ts'
import { openRoom, type RoomDoor } from './y-websocket-door.ts'

export interface DoorParts {
  readonly options: RelayOptions
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly host: string
  /** Of the default space. */
  readonly replica: Replica
  readonly spaces: SpaceSource
  readonly calls: HookCalls
  /** The doorman of all doors. */
  readonly doorman: Doorman
  /** As it stands behind that one, for requests: what they are let in with lasts as long as a token that they are given. */
  readonly grants: Grants
  readonly operations: Operations
}

/** Not listening yet. */
export function frontOf({ options, limits, clock, host, replica, spaces, calls, doorman, grants, operations }: DoorParts): Front {
  const { port = 4400, tls = null, ySweet = false } = options
  const refusals = new RefusalMemory(limits.refusalKeptMs, limits.refusalsKeptMax)
  const roster = new HocuspocusRoster()
  const uploads = { bytes: 0 }
  const policy = routing(options, doorman.authenticates)
  const proxies = trustedProxies(options.trustedProxies ?? [])
  const onTurnedAway: NonNullable<RelayOptions['onTurnedAway']> = (error, door) => {
    operations.turnedAway(error, door)
    options.onTurnedAway?.(error, door)
  }
  const refused = (door: DoorName, space: SpaceId, doc: DocId, code: ErrorCode, reason: string): void => {
    operations.refused(doc, code, reason, door, space)
    options.onRefused?.(doc, code, reason, space)
  }
  const shared = { clock, limits, turnEnds: new TurnEnds(clock) }
  const roomsOf = (dialect: Dialect): RoomDoor => ({
    ...shared,
    refusals,
    dialect,
    onRefused: (...refusal) => refused(dialect, ...refusal),
    onTurnedAway: (error) => onTurnedAway(error, dialect),
  })
  const [rooms, ySweetRooms] = [roomsOf('y-websocket'), roomsOf('y-sweet')]
  const hooks = statelessHooks(options.hooks ?? {}, calls)
  return new Front({
    host,
    port,
    tls,
    policy,
    proxies,
    ...shared,
    doorman,
    refusals,
    native: (ws, { address }, { space }) =>
      openNative(
        ws,
        { address, space },
        {
          replica,
          spaces: policy.spacePrefix === null ? null : spaces,
          clock,
          doorman,
          onTurnedAway: (error) => onTurnedAway(error, 'native'),
        },
      ),
    visit: ({ door, space, doc }, pass) => visit(spaces, { space, doc, door: door === 'y-sweet' ? 'y-sweet' : 'y-websocket' }, pass),
    room: (ws, entrance, { door, doc }, stay) => openRoom(ws, entrance, doc, door === 'y-sweet' ? ySweetRooms : rooms, stay),
    hocuspocus: (ws, entrance, { space }) =>
      openHocuspocus(ws, entrance, {
        ...shared,
        space,
        spaces,
        doorman,
        roster,
        hooks,
        onRefused: (...refusal) => refused('hocuspocus', space, ...refusal),
        onTurnedAway: (error) => onTurnedAway(error, 'hocuspocus'),
      }),
    http: (request, response) =>
      ySweet &&
      answerYSweet(request, response, {
        spaces,
        grants,
        limits,
        uploads,
        originProblem: (origin) => originProblem(origin, policy.origins),
        targetOf: ({ url = '' }) => spaceOf(withoutPrefix(url, policy.pathPrefix), policy.spacePrefix),
        pathOf: (space) => (space === DEFAULT_SPACE ? '' : `${policy.spacePrefix}${space}`),
        onRefused: (space, ...refusal) => refused('y-sweet', space, ...refusal),
        clientOf: (asking) => whereFrom(asking, proxies, policy.pathPrefix),
      }),
    onTurnedAway,
    onThrottled: (door, by) => operations.throttled(door, by),
  })
}

/** Who asks, and how it reaches this relay. */
function whereFrom(
  { socket, headers }: IncomingMessage,
  proxies: TrustedProxies,
  pathPrefix: string,
): { address: string; publicUrl: string } {
  const client = clientOf(socket.remoteAddress ?? '', (socket as TLSSocket).encrypted, headers, proxies)
  return { address: client.address, publicUrl: `${client.secure ? 'https' : 'http'}://${headers.host ?? 'localhost'}${pathPrefix}` }
}

/** Which door an address leads to, and whose pages may come. Also asked by the process that spreads connections over workers. */
export function routing(
  options: Pick<RelayOptions, 'insecure' | 'origins' | 'hocuspocusPath' | 'ySweet' | 'pathPrefix' | 'spacePrefix'>,
  authenticates: boolean,
): Policy {
  const { insecure = false, origins, hocuspocusPath = '/', ySweet = false, pathPrefix = '', spacePrefix = null } = options
  const listed = origins === undefined ? null : new Set(origins.map((origin) => origin.toLowerCase()))
  const anybody = listed === null ? authenticates || insecure : listed.has('*')
  return {
    origins: anybody ? 'any' : (listed ?? 'loopback'),
    hocuspocusPath,
    ySweet,
    pathPrefix: pathPrefix.replace(/\/+$/, ''),
    spacePrefix,
  }
}

/** The one hook of the Hocuspocus door, with its failures told as those of the others are. */
function statelessHooks(hooks: RelayHooks, calls: HookCalls): HocuspocusHooks {
  if (hooks.onStateless === undefined) return {}
  return {
    onStateless: (message) => hooks.onStateless!(message),
    failed: (error, doc, space) => calls.report(error, 'onStateless', doc, space),
  }
}
