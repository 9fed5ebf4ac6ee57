// What is going on in one replica, in one place: the opened parts, the state of each dial, which scopes were exchanged, and who waits for a change.
// Makes SyncStatus from it, at most once in STATUS_EVERY_MS; waits are woken once a turn. Read by replica.ts and doc-handle.ts. Rule: AP-7.

import {
  parseScope,
  rangeHolds,
  scopeRange,
  SynclineError,
  type DocKey,
  type Durability,
  type ReplicaId,
  type Role,
  type ScopeText,
} from '@syncline/protocol'
import type { Clock, OpenDocument, Replica as Engine, ReplicaEvent } from '@syncline/replica'
import type { Store } from '@syncline/store'
import type { Settings } from './options.ts'
import type { DialState, Listener } from './platform.ts'
import { Derived } from './readable.ts'
import type { RelayPending } from './relay-pending.ts'
import { connectionOf, type PeerStatus, type RejectedDocument, type SyncStatus } from './status.ts'
import { waitUntil, type WaitOptions } from './waits.ts'

const STATUS_EVERY_MS = 50

/** What exists once storage is open. */
export interface Opened {
  readonly store: Store
  readonly engine: Engine
  readonly relayPending: RelayPending
}

export class Watch {
  readonly status: Derived<SyncStatus>
  /** Counts changes: what was computed at an older version is to be computed again. */
  version = 0
  opened: Opened | null = null
  listener: Listener | null = null
  readonly #settings: Settings
  readonly #clock: Clock
  readonly #dials = new Map<string, DialState>()
  readonly #met = new Map<ReplicaId, { readonly role: Role; readonly durability: Durability }>()
  readonly #links = new Map<number, { readonly peer: ReplicaId; readonly synced: Set<ScopeText> }>()
  readonly #waits = new Set<() => void>()
  readonly #onTell = new Set<() => void>()
  #failure: SynclineError | null = null
  #ended: 'closing' | 'closed' | null = null
  #wakeScheduled = false
  #tellScheduled = false
  #toldAtMs = -Infinity
  #lastStatus: SyncStatus | null = null
  /** Open documents with edits that are not committed. */
  unsavedDocuments: () => number = () => 0

  constructor(settings: Settings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    for (const url of settings.peers) this.#dials.set(url, { state: 'connecting', replicaId: null, error: null })
    this.status = new Derived(
      () => this.#compute(),
      () => this.version,
    )
  }

  // What happens

  /** Storage is open; null: the opening failed after all. */
  started(opened: Opened | null): void {
    this.opened = opened
    this.changed()
  }

  failed(error: SynclineError): void {
    this.#failure = error
    this.changed()
  }

  dialled(url: string, state: DialState): void {
    this.#dials.set(url, state)
    this.changed()
  }

  readonly onEvent = (event: ReplicaEvent): void => {
    if (event.type === 'link-live') {
      this.#met.set(event.peer, { role: event.role, durability: event.durability })
      this.#links.set(event.link, { peer: event.peer, synced: new Set() })
    } else if (event.type === 'link-ended') this.#links.delete(event.link)
    else if (event.type === 'synced') this.#links.get(event.link)?.synced.add(event.scope)
    else if (event.type === 'acked') this.opened?.relayPending.acked(event)
    this.changed()
  }

  /** From here on the store may close at any moment, and nothing is read from it. */
  ending(): void {
    this.#lastStatus = this.status.get()
    this.#ended = 'closing'
    this.#wake()
  }

  closed(): void {
    this.#ended = 'closed'
    this.version++
    this.#tell()
  }

  /** Wakes waits at the end of this turn, and renews the status soon. */
  changed(): void {
    this.version++
    if (!this.#wakeScheduled) {
      this.#wakeScheduled = true
      this.#clock.soon(() => {
        this.#wakeScheduled = false
        this.#wake()
      })
    }
    if (this.#tellScheduled || this.#ended !== null) return
    this.#tellScheduled = true
    const waitMs = this.#toldAtMs + STATUS_EVERY_MS - this.#clock.now()
    if (waitMs > 0) this.#clock.after(waitMs, () => this.#tell())
    else this.#clock.soon(() => this.#tell())
  }

  // What is asked

  /** Throws "replica-closed". */
  assertOpen(): void {
    if (this.#ended !== null) throw new SynclineError('replica-closed', `The replica ${this.#settings.name} is closed.`)
  }

  /** Waits as waitUntil does, woken by every change here; rejects with "replica-closed" when the replica closes first. */
  until<T>(check: () => T | undefined, options: WaitOptions): Promise<T> {
    const guarded = (): T | undefined => {
      this.assertOpen()
      return check()
    }
    return waitUntil(guarded, (listener) => add(this.#waits, listener), options)
  }

  /** Calls `listener` whenever subscribers of the status are told, changed or not. */
  onTell(listener: () => void): () => void {
    return add(this.#onTell, listener)
  }

  /** A scope that holds the document was exchanged in full over a link that is still there. */
  isSynced(key: DocKey): boolean {
    for (const { synced } of this.#links.values()) {
      for (const text of synced) {
        const scope = parseScope(text)
        if (scope !== null && rangeHolds(scopeRange(this.#settings.space, scope), key)) return true
      }
    }
    return false
  }

  /** Replicas behind configured addresses, as far as they were met. */
  configuredPeers(): ReplicaId[] {
    return [...this.#dials.values()].flatMap(({ state, replicaId }) => (replicaId === null || state === 'stopped' ? [] : [replicaId]))
  }

  /** Configured addresses behind which may be somebody not met yet. Where a link was closed in favour of another, that other one leads there. */
  unknownPeers(): number {
    const unknown = ({ state, replicaId, error }: DialState): boolean =>
      replicaId === null && state !== 'stopped' && error?.code !== 'link-replaced'
    return [...this.#dials.values()].filter(unknown).length
  }

  durabilityOf(peer: ReplicaId): Durability | null {
    return this.#met.get(peer)?.durability ?? null
  }

  /** Own edits that no durable peer has, and refusals. */
  ofDocument({ id, key }: OpenDocument): { readonly pending: boolean; readonly rejected: readonly RejectedDocument[] } {
    return { pending: this.opened?.relayPending.has(key) ?? false, rejected: this.status.get().rejected.filter(({ doc }) => doc === id) }
  }

  // Status

  #wake(): void {
    for (const wait of [...this.#waits]) wait()
  }

  #tell(): void {
    this.#tellScheduled = false
    this.#toldAtMs = this.#clock.now()
    if (this.#ended === null && this.opened?.relayPending.look() === true) this.changed()
    this.status.tell()
    for (const listener of [...this.#onTell]) listener()
  }

  #compute(): SyncStatus {
    const { opened } = this
    if (this.#lastStatus !== null) return this.#ofEnding(this.#lastStatus)
    opened?.relayPending.look()
    const engine = opened?.engine.status()
    const peers = this.#peers()
    const failure = this.#failure ?? storageError(engine?.storageError ?? null)
    const first = engine?.peers.filter((peer) => peer.documentsExpected > 0 || peer.documentsReceived > 0).at(-1)
    return {
      connection: this.#failure === null ? connectionOf(peers) : 'error',
      error: failure ?? (peers.length > 0 && peers.every((peer) => peer.state === 'stopped') ? peers[0]!.error : null),
      replicaId: engine?.replicaId ?? null,
      loaded: opened !== null,
      synced: engine?.peers.some((peer) => peer.synced) ?? false,
      pending: { local: this.unsavedDocuments(), relay: opened?.relayPending.count ?? 0 },
      storage: {
        kind: this.#settings.folder === null ? 'memory' : 'sqlite',
        durability: engine?.durability ?? this.#wantedDurability(),
        state: this.#storageState(engine?.storage),
      },
      firstSync:
        first === undefined
          ? null
          : { documents: first.documentsReceived, documentsExpected: first.documentsExpected, bytes: first.bytesReceived },
      peers,
      rejected: engine?.rejected ?? [],
      diverged: engine?.diverged ?? [],
      listening: this.#listening(),
    }
  }

  #ofEnding(last: SyncStatus): SyncStatus {
    const pending = { local: this.unsavedDocuments(), relay: this.opened?.relayPending.count ?? 0 }
    if (this.#ended === 'closing') return { ...last, pending }
    return {
      ...last,
      pending,
      connection: 'closed',
      loaded: false,
      synced: false,
      storage: { ...last.storage, state: 'closed' },
      peers: [],
      listening: null,
    }
  }

  #peers(): PeerStatus[] {
    const live = new Map((this.opened?.engine.status().peers ?? []).map((peer) => [peer.replicaId, peer]))
    const rows: PeerStatus[] = []
    for (const [url, { state, replicaId, error }] of this.#dials) {
      const peer = replicaId === null ? undefined : live.get(replicaId)
      if (peer !== undefined) live.delete(peer.replicaId)
      const met = replicaId === null ? undefined : this.#met.get(replicaId)
      // A peer that is linked by another way than this dial is connected all the same.
      const linked = peer === undefined ? state : 'connected'
      rows.push({
        url,
        state: linked,
        replicaId,
        role: met?.role ?? null,
        durability: met?.durability ?? null,
        synced: peer?.synced ?? false,
        lag: peer?.lag ?? null,
        error,
      })
    }
    for (const { replicaId, role, durability, synced, lag } of live.values())
      rows.push({ url: null, state: 'connected', replicaId, role, durability, synced, lag, error: null })
    return rows
  }

  #storageState(engine: 'ok' | 'failed' | undefined): SyncStatus['storage']['state'] {
    return engine ?? (this.#failure === null ? 'opening' : 'failed')
  }

  #wantedDurability(): Durability {
    return this.#settings.folder === null ? 'memory' : this.#settings.durability
  }

  #listening(): SyncStatus['listening'] {
    if (this.listener === null) return null
    const { host, port } = this.listener
    return { host, port, url: `ws://${host.includes(':') ? `[${host}]` : host}:${port}` }
  }
}

function storageError(error: { readonly code: SynclineError['code']; readonly reason: string } | null): SynclineError | null {
  return error === null ? null : new SynclineError(error.code, error.reason)
}

function add<T>(set: Set<T>, item: T): () => void {
  set.add(item)
  return () => {
    set.delete(item)
  }
}
