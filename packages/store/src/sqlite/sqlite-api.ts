// What ./sqlite shows of itself, free of better-sqlite3's types, so that its declarations need only this package and the protocol.

import type { DocId, Durability, ReplicaId, SpaceId } from '@syncline/protocol/stored'
import type { DocRow, Store, StoreReader } from '../store.ts'
import type { Clock } from './clock.ts'
import type { UpgradeNotice } from './upgrade-notice.ts'

export type SqliteDurability = Exclude<Durability, 'memory'>

export interface SqliteStoreOptions {
  /** The file; its folder must exist. Created when it is absent, of zero bytes, or a database without tables. */
  readonly path: string
  readonly space: SpaceId
  /** process: survives kill -9. disk: survives a power cut too, at one fsync per group of commits. */
  readonly durability: SqliteDurability
  /** Of a new file (or of a copy, which must not keep its original's). Random when absent. */
  readonly replicaId?: ReplicaId
  /** Bound of the file in pages of 8 KB, for quotas: beyond it commits are "store-full". */
  readonly maxPages?: number
  readonly clock?: Clock
  /** True: commitAndWait() may hold its thread up for 2 ms at a time, and for half of all time at most. For servers; default false. */
  readonly waits?: boolean
  /** The file is of an older format and is being upgraded: told when a stage begins, and every 5 s while it lasts. Must not throw. */
  readonly onUpgrade?: (notice: UpgradeNotice) => void
}

export interface SqliteReader extends StoreReader {
  /** Documents by name, ascending bytewise, whose name starts with `prefix`, after the name `after`, at most `limit`. */
  docsNamed(prefix: string, limit: number, after?: DocId): readonly DocRow[]
}

/** SQLite transactions that held commits, and the commits they held. */
export interface CommitCounters {
  groups: number
  commits: number
}

export interface SqliteStore extends Store {
  readonly reader: SqliteReader
  readonly durability: SqliteDurability
  /** Commits at the end of the file's WAL were lost before it was opened: the store is an older prefix than it was. Peers notice by their
   *  cursors and nothing forks. May also follow a commit that was under way, or was refused, as the last before a crash. */
  readonly tailLost: boolean
  /** Rows were missing from the log at open; its old epochs answer no cursor any more. */
  readonly logDamaged: boolean
  /** Since open: how many SQLite transactions the commits took. */
  readonly counters: Readonly<CommitCounters>
}

/** A space file opened for looking. */
export interface SqliteReading {
  readonly reader: SqliteReader
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  /** Format version of the file. */
  readonly format: number
  /** Every fault found, in words; empty when there is none. Reads the whole file; `onDocument` is told of each document done. */
  check(onDocument?: (done: number, all: number) => void): readonly string[]
  close(): void
}
