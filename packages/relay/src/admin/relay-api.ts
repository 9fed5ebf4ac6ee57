// The routes about the relay itself: status, history, events and its spaces, for those who may administer it; and the status of one space, for those who may administer
// that. Mounted by api.ts; docs/http-api.md. Rules: HA-2, HA-9, SP-6.

import type { Replica } from '@syncline/replica'
import { Hono } from 'hono'
import type { DoorName } from '../access/access.ts'
import { mustAdminister, SPACE_ROUTES, type ApiEnv } from './api-access.ts'
import type { ApiSpaces } from './api.ts'
import { API_LIMITS } from './api-limits.ts'
import type { EventsStream } from './events-stream.ts'
import type { Sampler } from './sampler.ts'

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
}

export function relayApi({ replica, spaces, sampler, events, facts }: RelayApiOptions): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>()

  api.get('/api/status', (context) => {
    mustAdminister(context.get('pass'))
    return context.json(statusOf(replica, spaces, sampler, facts()))
  })

  api.get(`${SPACE_ROUTES}/status`, (context) => {
    mustAdminister(context.get('pass'))
    return context.json(spaceStatus(context.get('held').replica))
  })

  // Not below a space, so it is the default one whose rights count.
  api.get('/api/spaces', (context) => {
    mustAdminister(context.get('pass'))
    const open = new Set(Array.from(spaces.source.opened(), ({ space }) => space))
    return context.json({ spaces: spaces.source.names().map((name) => ({ name, open: open.has(name) })) })
  })

  api.get('/api/history', (context) => {
    mustAdminister(context.get('pass'))
    return context.json({ everyMs: API_LIMITS.sampleEveryMs, samples: sampler.samples })
  })

  api.get('/api/events', (context) => {
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
    )
    context.set('keepPass', true)
    return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' } })
  })

  return api
}

function statusOf(replica: Replica, { source }: ApiSpaces, sampler: Sampler, facts: RelayFacts): object {
  const { url, version, uptimeMs, draining, connections, unsentBytes, eventLoop } = facts
  const { replicaId, durability } = replica.status()
  const { atMs, commitsPerS, rowsPerS, bytesPerS, ackP50Ms, ackP99Ms } = sampler.latest
  return {
    relay: { url, replicaId, version, uptimeMs, durability, draining },
    ...spaceStatus(replica),
    spaces: { open: Array.from(source.opened()).length, stored: source.storedCount },
    connections,
    unsentBytes,
    eventLoop,
    memoryBytes: process.memoryUsage.rss(),
    rates: { atMs, commitsPerS, rowsPerS, bytesPerS, ackP50Ms, ackP99Ms },
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
