// A replica on SQLite with the HTTP API on a real port, for tests.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { DEFAULT_SPACE } from '@syncline/protocol'
import { Replica, type Clock, type ReplicaObserver } from '@syncline/replica'
import { nodeCompression, nodeClock, nodeRandom } from '@syncline/replica/ws'
import { openSqliteStore } from '@syncline/store/sqlite'
import * as Y from 'yjs'
import type { Doorman } from '../src/access/access.ts'
import { createDoorman } from '../src/access/doorman.ts'
import { openDoorman } from '../src/access/open-doorman.ts'
import { parsePolicy } from '../src/access/policy-file.ts'
import { createApi, type Api } from '../src/admin/api.ts'
import { Health } from '../src/admin/health.ts'
import { Sampler } from '../src/admin/sampler.ts'
import { hookCalls } from '../src/hooks.ts'
import { createRelayMetrics } from '../src/metrics/relay-metrics.ts'
import { RELAY_LIMITS } from '../src/relay-limits.ts'
import { RelaySpace, type RelaySpaceParts } from '../src/relay-space.ts'
import { Spaces, type SpaceBounds } from '../src/spaces.ts'

export interface Answer {
  readonly status: number
  /** Null for what is no JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at its parts
  readonly json: any
  readonly response: Response
}

export interface ApiHere {
  readonly url: string
  readonly api: Api
  readonly replica: Replica
  readonly sampler: Sampler
  /** What went to onError. */
  readonly errors: unknown[]
  /** What went to the hooks as written, and to onRefused: `document subject seq` and `document code`. */
  readonly told: string[]
  ask(path: string, init?: RequestInit & { readonly token?: string }): Promise<Answer>
  close(): Promise<void>
}

/** For tests of observers; the API below has its replica from its spaces. */
export async function replicaHere(folder: string, clock: Clock = nodeClock(), observer: ReplicaObserver = {}): Promise<Replica> {
  const store = await openSqliteStore({ path: join(folder, 'default.db'), space: DEFAULT_SPACE, durability: 'process' })
  return new Replica({
    store,
    role: 'relay',
    clock,
    random: nodeRandom,
    compression: nodeCompression,
    observer,
    limits: { sweepEveryMs: 1_000 },
  })
}

export function folderHere(): string {
  return mkdtempSync(join(tmpdir(), 'syncline-api-'))
}

export async function apiHere({
  doorman = openDoorman,
  folder = folderHere(),
  many = false,
  bounds = {},
}: { doorman?: Doorman; folder?: string; many?: boolean; bounds?: Partial<SpaceBounds> } = {}): Promise<ApiHere> {
  const clock = nodeClock()
  const sampler = new Sampler(clock)
  const errors: unknown[] = []
  const told: string[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const metrics = createRelayMetrics({ clock, connections: () => ({}) })
  const calls = hookCalls({}, clock)
  const spaces = new Spaces({
    folder,
    durability: 'process',
    clock,
    limits: { sweepEveryMs: 1_000 },
    bounds: { ...RELAY_LIMITS, ...bounds },
    onFailed: (_, error) => onError(error),
    watch(space) {
      const onEvent: RelaySpaceParts['onEvent'] = (event) => api.happened(event, space)
      const peering = { opened: () => undefined, used: () => undefined, unused: () => undefined, closing: () => undefined }
      const watch = new RelaySpace(space, {
        clock,
        hooks: {},
        calls,
        metrics,
        health: new Health(clock),
        sampler,
        peering,
        many,
        onEvent,
        onError,
      })
      const wrote = watch.hooks.wrote.bind(watch.hooks)
      watch.hooks.wrote = (doc, identity, seq) => {
        told.push(`${doc} ${identity.subject} ${seq}`)
        wrote(doc, identity, seq)
      }
      return watch
    },
  })
  const { replica } = await spaces.open(DEFAULT_SPACE)
  const api: Api = createApi({
    replica,
    spaces: { source: spaces, many },
    doorman,
    clock,
    sampler,
    facts: () => ({
      url: 'ws://127.0.0.1:4400',
      version: '0.0.0',
      uptimeMs: 1,
      draining: false,
      connections: { native: 0, 'y-websocket': 2, hocuspocus: 0, 'y-sweet': 0, http: 1 },
      unsentBytes: 0,
      eventLoop: { p50Ms: 1, p99Ms: 2 },
    }),
    onError,
    onRefused: (doc, code) => told.push(`${doc} ${code}`),
  })
  const handle = getRequestListener(api.app.fetch, { overrideGlobalObjects: false })
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    api,
    replica,
    sampler,
    errors,
    told,
    async ask(path, { token, ...init } = {}) {
      const headers = { ...init.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
      const response = await fetch(`${url}${path}`, { ...init, headers })
      const bytes = await response.clone().arrayBuffer()
      const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
      return { status: response.status, json: isJson ? JSON.parse(Buffer.from(bytes).toString()) : null, response }
    },
    async close() {
      api.close()
      metrics.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await spaces.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One update of a fresh document. */
export function updateOf(edit: (doc: Y.Doc) => void): Uint8Array<ArrayBuffer> {
  const doc = new Y.Doc()
  edit(doc)
  return new Uint8Array(Y.encodeStateAsUpdate(doc))
}

export function textUpdate(text: string, root = 'body'): Uint8Array<ArrayBuffer> {
  return updateOf((doc) => doc.getText(root).insert(0, text))
}

/** By the name of the token. */
export const POLICY = parsePolicy(
  JSON.stringify({
    version: 1,
    roles: {
      reader: [{ allow: ['read'], space: '*', doc: 'open/*' }],
      writer: [{ allow: ['read', 'write'], space: '*', doc: 'open/*' }],
      creator: [{ allow: ['read', 'write', 'create'], space: '*', doc: 'open/*' }],
      blind: [{ allow: ['write', 'create'], space: '*', doc: 'open/*' }],
      operator: [{ allow: ['admin'], space: '*', doc: '*' }],
    },
  }),
)

export function doorman(): ReturnType<typeof createDoorman> {
  const roles = new Set(['reader', 'writer', 'creator', 'blind', 'operator', 'nobody'])
  return createDoorman({
    authenticator: async ({ token }) =>
      token !== null && roles.has(token) ? { subject: token, roles: [token], claims: {}, expiresAtMs: null } : null,
    policy: POLICY,
    clock: nodeClock(),
    anonymous: false,
  })
}
