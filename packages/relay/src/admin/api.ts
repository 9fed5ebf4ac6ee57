// The HTTP API of a relay: puts the routes together behind one admission and one shape of errors, and feeds the events. Mounted on the admin port by relay.ts;
// described in docs/http-api.md. Rules: HA-1 to HA-9.
//
//   request -> space and admission (api-access.ts) -> documents-api.ts | changes-api.ts | relay-api.ts -> JSON, or { code, message, todo }

import { SynclineError, type DocId, type ErrorCode, type SpaceId } from '@syncline/protocol'
import type { Clock, Replica, ReplicaEvent } from '@syncline/replica'
import { Hono } from 'hono'
import type { DoorName, Doorman } from '../access/access.ts'
import type { RelaySpace } from '../relay-space.ts'
import type { Spaces } from '../spaces.ts'
import { admission, SPACE_ROUTES, type ApiEnv } from './api-access.ts'
import { errorAnswer } from './api-answers.ts'
import { API_LIMITS } from './api-limits.ts'
import { changesApi } from './changes-api.ts'
import { documentsApi } from './documents-api.ts'
import { EventsStream } from './events-stream.ts'
import { relayApi, type RelayFacts } from './relay-api.ts'
import type { Sampler } from './sampler.ts'
import { factsOf, spaceRows, type Share } from './share.ts'

export interface ApiOptions {
  /** Of the default space. */
  readonly replica: Replica
  readonly spaces: ApiSpaces
  readonly doorman: Doorman
  readonly clock: Clock
  /** One of the observers of each replica. */
  readonly sampler: Sampler
  facts(): RelayFacts
  /** What is wrong with the store of a space; null: nothing that is known. */
  troubleOf?(space: SpaceId): ErrorCode | null
  /** Somebody was not let in: for logs and counters. It is told to the event stream already. */
  onTurnedAway?(error: SynclineError): void
  /** The gate or a limit refused a write of an asker: for logs and counters. It is told to the event stream already. */
  onRefused?(doc: DocId, code: ErrorCode, reason: string, space: SpaceId): void
  /** A route or user code failed in a way that is nobody's request; the asker gets HTTP 500 without the words. */
  onError(error: unknown): void
}

/** Where the API finds documents. */
export interface ApiSpaces {
  readonly source: Pick<Spaces<RelaySpace>, 'use' | 'look' | 'opened' | 'names' | 'storedCount' | 'isStored' | 'file' | 'serves'>
  /** False: there is the default one only. */
  readonly many: boolean
  /** What the other processes of the relay say of themselves, and of those of these spaces that they have. Absent: there are none. */
  elsewhere?(names: readonly SpaceId[]): Promise<readonly Share[]>
}

export interface Api {
  /** Answers under /api/. */
  readonly app: Hono<ApiEnv>
  /** For the event stream: an event of the replica of a space. */
  happened(event: ReplicaEvent, space: SpaceId): void
  /** For the event stream: an update of a foreign client was refused. */
  refused(doc: DocId, code: ErrorCode, reason: string, door: DoorName | null, space: SpaceId): void
  /** For the event stream: somebody was turned away at another door. */
  turnedAway(error: SynclineError, door: DoorName): void
  /** For another process of this relay. */
  share(names: readonly SpaceId[]): Promise<Share>
  /** Ends the event streams. Idempotent. */
  close(): void
}

export function createApi(options: ApiOptions): Api {
  const { replica, spaces, doorman, clock, sampler, onError } = options
  const events = new EventsStream(clock)
  const connections = (): number => Object.values(options.facts().connections).reduce((sum, count) => sum + count, 0)
  const stop = clock.every(API_LIMITS.sampleEveryMs, () => {
    let lagMax = 0
    for (const { space, replica, watch } of spaces.source.opened()) {
      const { peers } = replica.status()
      const lag = peers.reduce((most, peer) => Math.max(most, peer.lag), 0)
      lagMax = Math.max(lagMax, lag)
      if (watch.sampler !== sampler) events.sampled(watch.sampler.take(peers.length + replica.load().guests, lag), space)
    }
    events.sampled(sampler.take(connections(), lagMax), null)
  })

  const app = new Hono<ApiEnv>()
  const onTurnedAway = (error: SynclineError): void => {
    events.turnedAway(error.code, 'http')
    options.onTurnedAway?.(error)
  }
  app.use('/api/*', admission({ doorman, spaces, onTurnedAway }))
  const onRefused = (doc: DocId, code: ErrorCode, reason: string, space: SpaceId): void => {
    events.refused(doc, code, reason, 'http', space)
    options.onRefused?.(doc, code, reason, space)
  }
  for (const base of ['/api', SPACE_ROUTES]) {
    app.route(base, documentsApi({ clock, onRefused }))
    app.route(base, changesApi(clock))
  }
  const troubleOf = (space: SpaceId): ErrorCode | null => options.troubleOf?.(space) ?? null
  app.route('/', relayApi({ replica, spaces, sampler, events, facts: options.facts, troubleOf }))
  app.all('/api/*', () => errorAnswer(new SynclineError('argument-invalid', 'There is no such route; docs/http-api.md lists them.'), 404))
  app.onError((error) => {
    if (error instanceof SynclineError) return errorAnswer(error)
    onError(error)
    return errorAnswer(new SynclineError('request-failed', 'This could not be answered.'))
  })

  return {
    app,
    happened: (event, space) => events.note(event, space),
    refused: (...refused) => events.refused(...refused),
    turnedAway: (error, door) => events.turnedAway(error.code, door),
    async share(names) {
      const rows = await spaceRows({ source: spaces.source, troubleOf }, names, undefined)
      return { rows, facts: factsOf(Array.from(spaces.source.opened()).length, options.facts(), sampler) }
    },
    close() {
      stop()
      events.close()
    },
  }
}
