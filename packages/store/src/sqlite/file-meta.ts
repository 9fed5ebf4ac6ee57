// The two rows of `meta`: who this file is, and where its log stands. JSON text with a checksum. A file whose meta is damaged is not opened:
// there would be no telling what its log means.

import { SynclineError, type Digest, type ReplicaId, type SpaceId } from '@syncline/protocol/stored'
import type { Fingerprint } from './file-fingerprint.ts'
import type { ReadStatements, WriteStatements } from './statements.ts'
import { crcOf, isWhole } from './stored-rows.ts'

/** Written when the file is created, and when it is found to be a copy. */
export interface Identity {
  readonly replicaId: ReplicaId
  readonly space: SpaceId
  readonly fingerprint: Fingerprint
  /** Machine that opened it last, for inspection. */
  readonly host: string
}

/** Written by every transaction that moves one of them. */
export interface LogState {
  /** seq of the newest row ever written. */
  readonly head: number
  /** Rows that compaction and quarantine took out: head - removed rows are left. */
  readonly removed: number
  readonly documents: number
  readonly root: Digest
}

/** Of a file of any format. */
export function readIdentity(reads: Pick<ReadStatements, 'meta'>): Identity {
  return readMeta(reads, 'identity') as Identity
}

/** Of a file of any format. */
export function readState(reads: Pick<ReadStatements, 'meta'>): LogState {
  return readMeta(reads, 'state') as LogState
}

export function writeIdentity(writes: WriteStatements, identity: Identity): void {
  writeMeta(writes, 'identity', identity)
}

export function writeState(writes: WriteStatements, state: LogState): void {
  writeMeta(writes, 'state', state)
}

function readMeta(reads: Pick<ReadStatements, 'meta'>, key: string): unknown {
  const row = reads.meta.get(key)
  if (row === undefined || !isWhole(row, ({ v }) => crcOf.meta(key, v))) {
    throw new SynclineError('store-corrupt', `The ${key} record of the file is ${row === undefined ? 'missing' : 'damaged'}.`)
  }
  return JSON.parse(row.v)
}

function writeMeta(writes: WriteStatements, key: string, value: object): void {
  const text = JSON.stringify(value)
  writes.putMeta.run(key, text, crcOf.meta(key, text))
}
