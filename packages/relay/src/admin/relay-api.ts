// The routes about the relay itself: status, history and events. For those who may administer it. Mounted by api.ts; docs/http-api.md. Rules: HA-2, HA-9.

import type { Replica } from '@syncline/replica'
import { Hono } from 'hono'
import type { DoorName } from '../access/access.ts'
import { mustAdminister, type ApiEnv } from './api-access.ts'
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
  readonly replica: Replica
  readonly sampler: Sampler
  readonly events: EventsStream
  facts(): RelayFacts
}

export function relayApi({ replica, sampler, events, facts }: RelayApiOptions): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>()

  api.get('/api/status', (context) => {
    mustAdminister(context.get('pass'))
    return context.json(statusOf(replica, sampler, facts()))
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

function statusOf(replica: Replica, sampler: Sampler, facts: RelayFacts): object {
  const { url, version, uptimeMs, draining, connections, unsentBytes, eventLoop } = facts
  const { replicaId, space, durability, head, documents, storage, storageError, peers, rejected, diverged, quarantined, stuck } =
    replica.status()
  const { atMs, commitsPerS, rowsPerS, bytesPerS, ackP50Ms, ackP99Ms } = sampler.latest
  return {
    relay: { url, replicaId, version, uptimeMs, durability, draining },
    space,
    head,
    documents,
    storage,
    storageError,
    connections,
    unsentBytes,
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
    eventLoop,
    memoryBytes: process.memoryUsage.rss(),
    rates: { atMs, commitsPerS, rowsPerS, bytesPerS, ackP50Ms, ackP99Ms },
  }
}
