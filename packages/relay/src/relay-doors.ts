// The doors of one relay: what each is given, and whose pages and addresses lead where. Read by relay.ts. Rules: AU-0, AD-1, YW-1, HP-1, YS-4.

import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Clock, Replica } from '@syncline/replica'
import type { DoorName } from './access/access.ts'
import { originProblem, withoutPrefix, type Policy } from './doors.ts'
import { clientOf, trustedProxies } from './forwarded.ts'
import { Front } from './front.ts'
import { openHocuspocus } from './hocuspocus/door.ts'
import { HocuspocusRoster } from './hocuspocus/roster.ts'
import { openNative } from './native-door.ts'
import { RefusalMemory } from './refusal-memory.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { Operations } from './relay-operations.ts'
import type { RelayOptions } from './relay-options.ts'
import type { Grants } from './y-sweet/grants.ts'
import { answerYSweet } from './y-sweet/http.ts'
import { openRoom, type RoomDoor } from './y-websocket-door.ts'

export interface DoorParts {
  readonly options: RelayOptions
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly host: string
  readonly replica: Replica
  /** The doorman of all doors. */
  readonly grants: Grants
  readonly operations: Operations
}

/** Not listening yet. */
export function frontOf({ options, limits, clock, host, replica, grants, operations }: DoorParts): Front {
  const { port = 4400, tls = null, ySweet = false } = options
  const refusals = new RefusalMemory(limits.refusalKeptMs, limits.refusalsKeptMax)
  const roster = new HocuspocusRoster()
  const policy = routing(options, grants.authenticates)
  const proxies = trustedProxies(options.trustedProxies ?? [])
  const onTurnedAway: NonNullable<RelayOptions['onTurnedAway']> = (error, door) => {
    operations.turnedAway(error, door)
    options.onTurnedAway?.(error, door)
  }
  const refusedAt =
    (door: DoorName): RoomDoor['onRefused'] =>
    (doc, code, reason) => {
      operations.refused(doc, code, reason, door)
      options.onRefused?.(doc, code, reason)
    }
  const shared = { replica, clock, limits }
  return new Front({
    host,
    port,
    tls,
    space: replica.space,
    policy,
    proxies,
    limits,
    clock,
    doorman: grants,
    refusals,
    native: (ws, { address }) =>
      openNative(ws, address, { replica, clock, doorman: grants, onTurnedAway: (error) => onTurnedAway(error, 'native') }),
    room: (ws, entrance, { door, doc }, pass) => {
      const dialect = door === 'y-sweet' ? 'y-sweet' : 'y-websocket'
      return openRoom(ws, entrance, doc, { ...shared, refusals, dialect, pass, onRefused: refusedAt(dialect) })
    },
    hocuspocus: (ws, entrance) =>
      openHocuspocus(ws, entrance, {
        ...shared,
        doorman: grants,
        roster,
        hooks: options.hooks ?? {},
        onRefused: refusedAt('hocuspocus'),
        onTurnedAway: (error) => onTurnedAway(error, 'hocuspocus'),
      }),
    http: (request, response) =>
      ySweet &&
      answerYSweet(request, response, {
        replica,
        grants,
        limits,
        originProblem: (origin) => originProblem(origin, policy.origins),
        targetOf: ({ url = '' }) => withoutPrefix(url, policy.pathPrefix),
        clientOf: (asking) => whereFrom(asking),
      }),
    onTurnedAway,
  })

  /** Who asks, and how it reaches this relay. */
  function whereFrom({ socket, headers }: IncomingMessage): { address: string; publicUrl: string } {
    const client = clientOf(socket.remoteAddress ?? '', (socket as TLSSocket).encrypted, headers, proxies)
    return {
      address: client.address,
      publicUrl: `${client.secure ? 'https' : 'http'}://${headers.host ?? 'localhost'}${policy.pathPrefix}`,
    }
  }
}

/** Which door an address leads to, and whose pages may come. */
function routing(options: RelayOptions, authenticates: boolean): Policy {
  const { insecure = false, origins, hocuspocusPath = '/', ySweet = false, pathPrefix = '' } = options
  const listed = origins === undefined ? null : new Set(origins.map((origin) => origin.toLowerCase()))
  const anybody = listed === null ? authenticates || insecure : listed.has('*')
  return { origins: anybody ? 'any' : (listed ?? 'loopback'), hocuspocusPath, ySweet, pathPrefix: pathPrefix.replace(/\/+$/, '') }
}
