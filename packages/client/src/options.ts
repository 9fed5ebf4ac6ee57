// The options of createReplica, checked: what the caller got wrong is said at once, with the name of the option. Read by replica.ts.

import { DEFAULT_SPACE, parseDocId, parseScope, parseSpaceId, SynclineError, type Scope, type SpaceId } from '@syncline/protocol'
import type { TokenReason } from '@syncline/replica'

export interface ReplicaOptions {
  /** Names this replica on this machine; lock and storage names derive from it. 1 to 128 letters, digits, dots, dashes or underscores. */
  readonly name: string
  /** A folder, made when missing; default `syncline-data/<name>` in the working directory. `{ kind: 'memory' }` keeps nothing. */
  readonly storage?: string | { readonly kind: 'memory' }
  /** What a commit survives: `process` (default) a kill of the process, `disk` a power cut too. Memory storage is always `memory`. */
  readonly durability?: 'process' | 'disk'
  /** Addresses of relays and other replicas, `ws://` or `wss://`. They are dialled until the replica is closed. */
  readonly peers?: readonly string[]
  /** Gives the token by which a peer knows who this is; "" for none. Asked before every attempt to connect. What it throws or rejects with ends that attempt, is
   *  in `status`, and the next attempt asks again. Nothing that was edited is lost meanwhile. */
  readonly auth?: (ask: AuthAsk) => string | Promise<string>
  /** Lets other replicas dial in. `port` 0 takes a free one, see `status.listening`; `host` is `127.0.0.1` by default. Anybody who reaches the port
   *  may read and write: bind other addresses only in a network you trust. */
  readonly listen?: { readonly port: number; readonly host?: string }
  /** Which space of its peers this replica is part of; default `default`. */
  readonly space?: string
  /** `space` (default): every document of the space is kept here. Otherwise a list of collections (`collection/*`) and document ids. */
  readonly subscribe?: 'space' | readonly string[]
  /** A replica that only follows: its documents can be read, and edits are refused with "read-only". */
  readonly readOnly?: boolean
  /** Redialling waits a random time up to a bound that starts at `firstMs` (250) and doubles up to `maxMs` (30,000). */
  readonly backoff?: { readonly firstMs?: number; readonly maxMs?: number }
  /** On SIGTERM, SIGINT and SIGHUP: close this replica in bounded time, then let the signal end the process. Default false: the library touches no
   *  signals, and nothing that was saved depends on it. */
  readonly closeOnSignals?: boolean
}

export interface AuthAsk {
  /** The address that is about to be dialled. */
  readonly peer: string
  /** The first attempt, one more, or the code with which the peer refused the last token. */
  readonly reason: TokenReason
}

/** The same, complete and checked. */
export interface Settings {
  readonly name: string
  readonly folder: string | null
  readonly durability: 'process' | 'disk'
  readonly peers: readonly string[]
  readonly auth: ReplicaOptions['auth'] | null
  readonly listen: { readonly port: number; readonly host: string } | null
  readonly space: SpaceId
  readonly scopes: readonly Scope[]
  readonly readOnly: boolean
  readonly backoff: { readonly firstMs?: number; readonly maxMs?: number }
  readonly closeOnSignals: boolean
}

/** Throws "argument-invalid", "space-id-invalid", "doc-id-invalid". `defaultFolder` is for the platform to say. */
export function parseOptions(options: ReplicaOptions, defaultFolder: (name: string) => string): Settings {
  const {
    name,
    storage = defaultFolder(name),
    durability = 'process',
    peers = [],
    listen,
    space = DEFAULT_SPACE,
    subscribe = 'space',
    backoff = {},
  } = options
  check(
    typeof name === 'string' && /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(name),
    'name',
    name,
    '1 to 128 letters, digits, dots, dashes or underscores, not starting with a dot',
  )
  check(typeof storage === 'string' ? storage !== '' : storage?.kind === 'memory', 'storage', storage, "a folder or { kind: 'memory' }")
  check(durability === 'process' || durability === 'disk', 'durability', durability, "'process' or 'disk'")
  check(options.auth === undefined || typeof options.auth === 'function', 'auth', options.auth, 'a function that returns a token')
  for (const url of peers) check(isWebSocketUrl(url), 'peers', url, 'an address that starts with ws:// or wss://')
  if (listen !== undefined)
    check(Number.isInteger(listen.port) && listen.port >= 0 && listen.port <= 65_535, 'listen.port', listen.port, 'a port number, or 0')
  check(subscribe === 'space' || Array.isArray(subscribe), 'subscribe', subscribe, "'space' or a list")
  for (const [key, ms] of Object.entries(backoff))
    check(typeof ms === 'number' && ms > 0, `backoff.${key}`, ms, 'a positive number of milliseconds')
  return {
    name,
    folder: typeof storage === 'string' ? storage : null,
    durability,
    peers: [...new Set(peers)],
    auth: options.auth ?? null,
    listen: listen === undefined ? null : { port: listen.port, host: listen.host ?? '127.0.0.1' },
    space: parseSpaceId(space),
    scopes: subscribe === 'space' ? [{ kind: 'space' }] : subscribe.map(subscriptionScope),
    readOnly: options.readOnly ?? false,
    backoff,
    closeOnSignals: options.closeOnSignals ?? false,
  }
}

/** `collection/*`, or a document id. A document whose own name ends in `/*` cannot be subscribed to alone. */
export function subscriptionScope(text: string): Scope {
  const scope = typeof text === 'string' && text.endsWith('/*') ? parseScope(text) : { kind: 'document' as const, doc: parseDocId(text) }
  if (scope === null) throw invalid('subscribe', text, 'a collection (`collection/*`, one slash) or a document id')
  return scope
}

function isWebSocketUrl(url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol)
}

function check(holds: boolean, option: string, value: unknown, expected: string): void {
  if (!holds) throw invalid(option, value, expected)
}

function invalid(option: string, value: unknown, expected: string): SynclineError {
  return new SynclineError(
    'argument-invalid',
    `The option \`${option}\` is ${JSON.stringify(value)?.slice(0, 100)}, and should be ${expected}.`,
  )
}
