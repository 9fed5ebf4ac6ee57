// The HTTP API of a relay: puts the routes together behind one admission and one shape of errors, and feeds the events. Mounted on the admin port by relay.ts;
// described in docs/http-api.md. Rules: HA-1 to HA-9.
//
//   request -> admission (api-access.ts) -> documents-api.ts | changes-api.ts | relay-api.ts -> JSON, or { code, message, todo }

import { SynclineError, type DocId, type ErrorCode } from '@syncline/protocol'
import type { Clock, Replica } from '@syncline/replica'
import { Hono } from 'hono'
import type { DoorName, Doorman, Identity } from '../access/access.ts'
import { admission, type ApiEnv } from './api-access.ts'
import { errorAnswer } from './api-answers.ts'
import { changesApi } from './changes-api.ts'
import { documentsApi } from './documents-api.ts'
import { EventsStream } from './events-stream.ts'
import { MapPatches } from './map-patches.ts'
import { relayApi, type RelayFacts } from './relay-api.ts'
import type { Sampler } from './sampler.ts'

export interface ApiOptions {
  readonly replica: Replica
  readonly doorman: Doorman
  readonly clock: Clock
  /** The observer, or one of the observers, of `replica`. */
  readonly sampler: Sampler
  facts(): RelayFacts
  /** Somebody was not let in: for logs and counters. It is told to the event stream already. */
  onTurnedAway?(error: SynclineError): void
  /** The gate or a limit refused a write of an asker: for logs and counters. It is told to the event stream already. */
  onRefused?(doc: DocId, code: ErrorCode, reason: string): void
  /** A write of an asker was committed: for HookRunner.wrote. */
  onWrote?(doc: DocId, identity: Identity, seq: number): void
  /** A route or user code failed in a way that is nobody's request; the asker gets HTTP 500 without the words. */
  onError(error: unknown): void
}

export interface Api {
  /** Answers under /api/. */
  readonly app: Hono<ApiEnv>
  /** For the event stream: an update of a foreign client was refused. */
  refused(doc: DocId, code: ErrorCode, reason: string, door: DoorName | null): void
  /** For the event stream: somebody was turned away at another door. */
  turnedAway(error: SynclineError, door: DoorName): void
  /** Ends the event streams and closes patched documents; call it before the replica closes. Idempotent. */
  close(): Promise<void>
}

export function createApi(options: ApiOptions): Api {
  const { replica, doorman, clock, sampler, onError } = options
  const events = new EventsStream(clock)
  const patches = new MapPatches(replica, clock, onError)
  const connections = (): number => Object.values(options.facts().connections).reduce((sum, count) => sum + count, 0)
  const stops = [replica.onEvent((event) => events.note(event)), sampler.start(replica, connections, (sample) => events.sampled(sample))]

  const app = new Hono<ApiEnv>()
  const onTurnedAway = (error: SynclineError): void => {
    events.turnedAway(error.code, 'http')
    options.onTurnedAway?.(error)
  }
  app.use('/api/*', admission({ doorman, space: replica.space, onTurnedAway }))
  const onRefused = (doc: DocId, code: ErrorCode, reason: string): void => {
    events.refused(doc, code, reason, 'http')
    options.onRefused?.(doc, code, reason)
  }
  const onWrote = (doc: DocId, identity: Identity, seq: number): void => options.onWrote?.(doc, identity, seq)
  const committedAtMs = (seq: number): number | null => sampler.committedAtMs(seq)
  app.route('/', documentsApi({ replica, clock, patches, onWrote, onRefused, committedAtMs }))
  app.route('/', changesApi(replica, clock))
  app.route('/', relayApi({ replica, sampler, events, facts: options.facts }))
  app.all('/api/*', () => errorAnswer(new SynclineError('argument-invalid', 'There is no such route; docs/http-api.md lists them.'), 404))
  app.onError((error) => {
    if (error instanceof SynclineError) return errorAnswer(error)
    onError(error)
    return errorAnswer(new SynclineError('request-failed', 'This could not be answered.'))
  })

  return {
    app,
    refused: (...refused) => events.refused(...refused),
    turnedAway: (error, door) => events.turnedAway(error.code, door),
    async close() {
      for (const stop of stops) stop()
      events.close()
      await patches.close()
    },
  }
}
