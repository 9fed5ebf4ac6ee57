// What a relay is made with, and what it is then. Built by relay.ts. Every option is also a setting of `syncline serve` (config/settings.ts).

import type { Socket } from 'node:net'
import type { DocId, ErrorCode, ReplicaId, SpaceId, SynclineError } from '@syncline/protocol'
import type { Clock, Replica, ReplicaEvent } from '@syncline/replica'
import type { UpgradeNotice } from '@syncline/store/sqlite'
import type { DoorName, Doorman } from './access/access.ts'
import type { Health } from './admin/health.ts'
import type { Share } from './admin/share.ts'
import type { HookLimits } from './hook-calls.ts'
import type { RelayHooks } from './hooks.ts'
import type { RelayMetrics } from './metrics/relay-metrics.ts'
import type { RelayLimits } from './relay-limits.ts'
import type { Opening } from './spaces.ts'
import type { Certificate } from './tls-files.ts'

export interface RelayOptions {
  /** Folder of the SQLite files; made when it is not there. */
  readonly data: string
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 4400; 0: any free one. */
  readonly port?: number
  /** What an acknowledged write survives: a power cut ('disk', default) or kill -9 ('process'). */
  readonly durability?: 'disk' | 'process'
  /** Addresses of other relays or replicas to keep a link to. */
  readonly peers?: readonly string[]
  /** Says who comes in and what they may do. Default: everybody everything, and then only this machine is served. */
  readonly doorman?: Doorman
  /** Without authentication only this machine is served; true lifts that. */
  readonly insecure?: boolean
  /** Origins of pages that may connect, e.g. https://app.example.com; '*': any. Default: with authentication any, else those of this machine. */
  readonly origins?: readonly string[]
  /** Token for the peers that this relay dials; asked for before each attempt. */
  readonly peerToken?: () => string | Promise<string>
  /** Path at which Hocuspocus providers are served; default '/'; null: not at all. */
  readonly hocuspocusPath?: string | null
  /** Serves further spaces below this path, which begins and ends with a slash: '/s/' serves the space acme at /s/acme/. Replicas name their space themselves. Default null: there is
   *  only the space `default`. Takes authentication, or `insecure`. */
  readonly spacePrefix?: string | null
  /** Spaces that are kept in step with the peers; '*': all, those that are made later too. Default ['default']. */
  readonly peerSpaces?: readonly string[]
  /** Serves y-sweet clients at /d/:doc/ws/:doc; default false. */
  readonly ySweet?: boolean
  /** Certificate chain and key, PEM: wss instead of ws. */
  readonly tls?: Certificate
  /** Proxies whose Forwarded and X-Forwarded-For headers are believed: addresses or CIDR ranges. */
  readonly trustedProxies?: readonly string[]
  /** What a proxy leaves before the path, e.g. /sync; taken off before routing. */
  readonly pathPrefix?: string
  /** Where metrics and health are served; absent: nowhere. */
  readonly admin?: { readonly host?: string; readonly port: number }
  readonly limits?: Partial<RelayLimits>
  readonly clock?: Clock
  /** A space was opened: as the same replica again, as a new one, or as a copy; and what of it was lost. */
  onOpened?(opening: Opening): void
  /** The file of a space is of an older format and is being upgraded: when a stage begins, and every 5 s while it lasts. */
  onUpgrade?(space: SpaceId, notice: UpgradeNotice): void
  /** An update of a foreign client was refused. */
  onRefused?(doc: DocId, code: ErrorCode, reason: string, space: SpaceId): void
  /** What the application does when documents are asked for and change, and with messages that are no documents. */
  readonly hooks?: RelayHooks
  /** When and how often hooks are called; default HOOK_LIMITS. */
  readonly hookLimits?: Partial<HookLimits>
  /** An event of the replica of a space: links, refusals, storage. */
  onEvent?(event: ReplicaEvent, space: SpaceId): void
  /** A space beside those that the relay opens itself could not be opened, or not be closed in order. */
  onSpaceFailed?(space: SpaceId, error: unknown): void
  /** A handler of this relay or of the application failed in a way that nobody asked for. Default: thrown, which ends the process unless it listens. */
  onError?(error: unknown): void
  /** Somebody was not let in, or not any more: "auth-required" and its like, "access-denied". */
  onTurnedAway?(error: SynclineError, door: DoorName): void
  /** This relay is one of several processes that share a port and a data folder, each with spaces of its own. Default: it is alone. */
  readonly part?: RelayPart
}

/** What a relay is told that shares its port with others; made by workers/worker.ts. It listens nowhere: connections are given to it. */
export interface RelayPart {
  /** Whether this one has the space. The others are never opened here. */
  serves(space: SpaceId): boolean
  /** What the other ones say of themselves, and of those of these spaces that they have; of one that does not answer, nothing. */
  elsewhere(names: readonly SpaceId[]): Promise<readonly Share[]>
  /** The stores are open, and connections may be given to it. Resolves with where clients connect. */
  opened(inside: RelayInside): Promise<{ readonly url: string; readonly port: number }>
}

/** A connection that another process accepted. */
export interface GivenSocket {
  readonly socket: Socket
  /** What was read of it already. */
  readonly bytes: Uint8Array
  /** The WebSocket handshake was answered already. */
  readonly answered: boolean
}

export interface RelayInside {
  /** For clients: the port of the doors, or the admin port. */
  take(port: 'doors' | 'admin', given: GivenSocket): void
  readonly health: Pick<Health, 'live' | 'ready'>
  readonly metrics: Pick<RelayMetrics, 'gather'>
  /** For the other ones. */
  share(names: readonly SpaceId[]): Promise<Share>
}

export interface HeldSpace {
  readonly replica: Replica
  /** Lets the space close. Idempotent. */
  release(): void
}

export interface Relay {
  /** Where it listens, e.g. ws://127.0.0.1:4400. */
  readonly url: string
  readonly port: number
  readonly replicaId: ReplicaId
  /** The replica of the space `default` behind the doors: status, events, documents. */
  readonly replica: Replica
  /** A space, opened or made, and held open until it is released. Rejects with "space-id-invalid", "space-unknown" (this relay has one space), "spaces-full", "relay-busy",
   *  and what opening its store rejects with. */
  space(name: string): Promise<HeldSpace>
  /** Connections of all doors. */
  readonly connections: number
  /** Where the admin port listens, e.g. http://127.0.0.1:9464; null: nowhere. */
  readonly adminUrl: string | null
  readonly connectionsByDoor: Readonly<Record<DoorName, number>>
  /** Bytes that foreign clients were sent and have not taken yet. */
  readonly unsentBytes: number
  /** For connections from now on. Throws what Node throws for a pair that does not fit; the old one stays then. No effect without TLS. */
  setCertificate(certificate: Certificate): void
  /** Takes no further connections, commits and acknowledges what was received, closes the connections (1012: they come back), checkpoints. Bounded by
   *  `limits.drainMs`. Idempotent. */
  close(): Promise<void>
  /** True once close() did all of that in time. */
  readonly drained: boolean
}
