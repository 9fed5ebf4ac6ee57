// The routes about the relay itself: status, history, events and its spaces, for those who may administer it; and the same of one space, for those who may administer
// that. None of them opens a space. Mounted by api.ts; docs/http-api.md. Rules: HA-2, HA-9, SP-6, SP-8.

import type { ErrorCode, SpaceId } from '@syncline/protocol'
import type { Replica } from '@syncline/replica'
import { Hono, type Context } from 'hono'
import type { DoorName } from '../access/access.ts'
import { mustAdminister, SPACE_ROUTES, type ApiEnv } from './api-access.ts'
import type { ApiSpaces } from './api.ts'
import { API_LIMITS } from './api-limits.ts'
import { numberOf } from './api-request.ts'
import type { EventsStream } from './events-stream.ts'
import type { Sampler } from './sampler.ts'
import { factsOf, factsTogether, spaceRow, spaceRows } from './share.ts'

/** What the relay knows and its replica does not. */
export interface RelayFacts {
  readonly url: string
  readonly version: string
  readonly uptimeMs: number
  readonly draining: boolean
  readonly connections: Readonly<Record<DoorName, number>>
  readonly unsentBytes: number
  /** Delay of the event loop, of late. */
  readonly eventLoop: { readonly p50Ms: number; readonly p99Ms: number }
}

export interface RelayApiOptions {
  /** Of the default space. */
  readonly replica: Replica
  readonly spaces: ApiSpaces
  readonly sampler: Sampler
  readonly events: EventsStream
  facts(): RelayFacts
  /** What is wrong with the store of a space; null: nothing that is known. */
  troubleOf(space: SpaceId): ErrorCode | null
}

export function relayApi(options: RelayApiOptions): Hono<ApiEnv> {
  const { replica, spaces, sampler, events, facts } = options
  const api = new Hono<ApiEnv>()

  api.get('/api/status', async (context) => {
    mustAdminister(context.get('pass'))
    return context.json(await statusOf(replica, spaces, sampler, facts()))
  })

  // Not below a space, so it is the default one whose rights count.
  api.get('/api/spaces', async (context) => {
    mustAdminister(context.get('pass'))
    const prefix = context.req.query('prefix') ?? ''
    const after = context.req.query('after') ?? ''
    const limit = numberOf(context, 'limit', API_LIMITS.pageDefault, API_LIMITS.pageMax)
    const names = spaces.source.names().filter((name) => name > after && name.startsWith(prefix))
    const page = names.slice(0, limit)
    const listed = await spaceRows({ source: spaces.source, troubleOf: options.troubleOf }, page, spaces.elsewhere)
    return context.json({ spaces: listed, next: names.length > limit ? page.at(-1) : null })
  })

  api.get('/api/history', (context) => {
    mustAdminister(context.get('pass'))
    return context.json({ everyMs: API_LIMITS.sampleEveryMs, samples: sampler.samples })
  })

  api.get('/api/events', (context) => eventsAnswer(context, events, null))

  spaceRoutes(api, options)
  return api
}

/** Of one space, for whoever may administer it; a closed one stays closed. */
function spaceRoutes(api: Hono<ApiEnv>, options: RelayApiOptions): void {
  const { spaces, events } = options

  api.get(`${SPACE_ROUTES}/status`, async (context) => {
    mustAdminister(context.get('pass'))
    const space = context.get('space')
    const listed = await spaceRow({ source: spaces.source, troubleOf: options.troubleOf }, space)
    return context.json({ ...listed, space, ...openStatus(spaces, space) })
  })

  api.get(`${SPACE_ROUTES}/history`, (context) => {
    mustAdminister(context.get('pass'))
    const seen = spaces.source.look(context.get('space'))
    seen?.release()
    return context.json({ everyMs: API_LIMITS.sampleEveryMs, samples: seen?.watch.sampler.samples ?? [] })
  })

  api.get(`${SPACE_ROUTES}/events`, (context) => eventsAnswer(context, events, context.get('space')))
}

function eventsAnswer(context: Context<ApiEnv>, events: EventsStream, space: SpaceId | null): Response {
  const pass = context.get('pass')
  mustAdminister(pass)
  const mayGoOn = (): boolean => {
    try {
      mustAdminister(pass)
      return true
    } catch {
      return false
    }
  }
  const body = events.open(
    mayGoOn,
    () => pass.drop(),
    (ask) => pass.onChange(ask),
    space,
  )
  context.set('keepPass', true)
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' } })
}

function openStatus({ source }: ApiSpaces, space: SpaceId): object {
  const seen = source.look(space)
  seen?.release()
  return seen === null ? {} : spaceStatus(seen.replica)
}

/** Sums are of all processes of the relay; what cannot be added up is of this one. */
async function statusOf(replica: Replica, { source, many, elsewhere }: ApiSpaces, sampler: Sampler, facts: RelayFacts): Promise<object> {
  const { url, version, uptimeMs, draining, eventLoop } = facts
  const { replicaId, durability } = replica.status()
  const { atMs, ackP50Ms, ackP99Ms } = sampler.latest
  const others = (await elsewhere?.([])) ?? []
  const own = factsOf(Array.from(source.opened()).length, facts, sampler)
  const { spacesOpen, connections, unsentBytes, memoryBytes, ...rates } = factsTogether(
    own,
    others.map((share) => share.facts),
  )
  return {
    relay: { url, replicaId, version, uptimeMs, durability, draining },
    ...spaceStatus(replica),
    spaces: { many, open: spacesOpen, stored: source.storedCount },
    connections,
    unsentBytes,
    eventLoop,
    memoryBytes,
    rates: { atMs, ...rates, ackP50Ms, ackP99Ms },
  }
}

function spaceStatus(replica: Replica): object {
  const { space, head, documents, storage, storageError, peers, rejected, diverged, quarantined, stuck } = replica.status()
  return {
    space,
    head,
    documents,
    storage,
    storageError,
    peers: peers.map((peer) => ({
      replicaId: peer.replicaId,
      role: peer.role,
      durability: peer.durability,
      synced: peer.synced,
      lag: peer.lag,
      silentMs: peer.silentMs,
    })),
    rejected,
    diverged,
    quarantined,
    stuck,
  }
}
