// What the client needs of the machine it runs on, as one interface: node/node-platform.ts brings it for Node, and a browser will bring its own.

import type { SynclineError, ReplicaId } from '@syncline/protocol'
import type { Clock, Compression, Replica as Engine } from '@syncline/replica'
import type { Store } from '@syncline/store'
import type { Settings } from './options.ts'

export interface Platform {
  readonly clock: Clock
  /** Random bytes from a good source. */
  readonly random: (length: number) => Uint8Array
  readonly compression: Compression
  defaultFolder(name: string): string
  /** Rejects with the codes of the store. */
  openStore(settings: Settings): Promise<Store>
  /** Dials until closed, with backoff; calls `onState` at every change. */
  dial(engine: Engine, url: string, settings: Pick<Settings, 'auth' | 'backoff'>, onState: (state: DialState) => void): Closable
  /** Rejects with "port-taken", "port-forbidden" or "argument-invalid". */
  listen(engine: Engine, at: { readonly host: string; readonly port: number }): Promise<Listener>
  /** Calls `close` when the process is asked to end, and lets it end afterwards. Returns how to stop that. */
  onTermination(close: () => Promise<void>): () => void
}

export interface Closable {
  close(): void | Promise<void>
}

export interface Listener extends Closable {
  readonly host: string
  readonly port: number
}

/** One configured address. `replicaId`: who answered there last, null before anybody did. */
export interface DialState {
  readonly state: 'connecting' | 'connected' | 'waiting' | 'stopped'
  readonly replicaId: ReplicaId | null
  readonly error: SynclineError | null
}
