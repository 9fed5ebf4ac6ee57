// Rows as SQLite holds them, and as the contract speaks of them. Decides: what a row's checksum covers, and that a row which fails it is never
// returned (null). Written by space-writer.ts, read by space-reader.ts. Columns may hold anything here, of any type: the disk is not trusted.

import { inflateRawSync } from 'node:zlib'
import {
  DURABILITIES,
  LIMITS,
  digestFromBytes,
  docKeyFromBytes,
  epochNonceFromBytes,
  frameUpdates,
  unframeUpdates,
  replicaIdFromBytes,
  type DocId,
  type DocKey,
  type EpochNonce,
} from '@syncline/protocol/stored'
import type { AckRow, CursorRow, DocRow, HeldRow, LogRow, RefusalRow, Remains } from '../store.ts'
import { checksum, type Checked } from './checksum.ts'

export const KIND: Readonly<Record<LogRow['kind'], number>> = { updates: 0, snapshot: 1, batch: 2 }
export const kindOf = ['updates', 'snapshot', 'batch'] as const satisfies readonly LogRow['kind'][]
export const FLAG_QUARANTINED = 1
export const ENCODING = { plain: 0, deflate: 1 } as const
export const DIRECTION = { in: 0, out: 1 } as const

export interface StoredDoc {
  id: number
  key: Uint8Array
  doc_epoch: number
  digest: Uint8Array
  last_seq: number
  tail_rows: number
  tail_bytes: number
  snap_seq: number
  snap_bytes: number
  flags: number
  crc: number
  name: string
}

/** A log row with the key and nonce that its numbers stand for; null where a number stands for nothing. */
export interface StoredLog {
  seq: number
  doc: number
  doc_epoch: number
  prev: number
  n: number
  kind: number
  crc: number
  data: Uint8Array
  key: Uint8Array | null
  origin: Uint8Array | null
}

/** A log row by its columns. */
export type ChainRow = readonly [
  doc: number,
  docEpoch: number,
  prev: number,
  origin: number,
  n: number,
  kind: number,
  crc: number,
  data: Uint8Array,
]

export interface StoredSnap {
  seq: number
  enc: number
  know_crc: number
  data_crc: number
  know: Uint8Array
  /** Absent when only the knowledge was asked for. */
  data?: Uint8Array
}

export interface StoredEpochRow {
  nonce: Uint8Array
  start_seq: number
  end_seq: number | null
  crc: number
}

export interface StoredCursor {
  peer: Uint8Array
  scope: string
  nonce: Uint8Array
  seq: number
  crc: number
}

export interface StoredAck {
  peer: Uint8Array
  scope: string
  seq: number
  durability: number
  crc: number
}

export interface StoredHeld {
  id: number
  key: Uint8Array
  origin: Uint8Array
  n: number
  at_ms: number
  crc: number
  name: string
  data: Uint8Array
}

export interface StoredRefusal {
  peer: Uint8Array
  key: Uint8Array
  direction: number
  code: string
  retryable: number
  digest: Uint8Array
  crc: number
}

/** `size`: bytes of the framed updates, which `data` holds plain or deflated. */
export interface StoredRemains {
  key: Uint8Array
  doc_epoch: number
  at_ms: number
  enc: number
  size: number
  crc: number
  name: string
  data: Uint8Array
}

/** Over the fields of a log row, in this order. */
function logSum(
  ...fields: readonly [
    seq: number,
    docEpoch: number,
    prev: number,
    n: number,
    kind: number,
    key: Checked,
    origin: Checked,
    data: Uint8Array,
  ]
): number {
  return checksum(...fields)
}

export const crcOf = {
  doc: (r: Omit<StoredDoc, 'crc'>): number =>
    checksum(r.id, r.key, r.doc_epoch, r.digest, r.last_seq, r.tail_rows, r.tail_bytes, r.snap_seq, r.snap_bytes, r.flags, r.name),
  log: (r: Omit<StoredLog, 'crc' | 'doc'>): number => logSum(r.seq, r.doc_epoch, r.prev, r.n, r.kind, r.key, r.origin, r.data),
  snapKnowledge: (key: Uint8Array, r: Pick<StoredSnap, 'seq' | 'know'>): number => checksum(key, r.seq, r.know),
  snapData: (key: Uint8Array, r: Pick<StoredSnap, 'seq' | 'enc'>, data: Uint8Array): number => checksum(key, r.seq, r.enc, data),
  epoch: (r: Omit<StoredEpochRow, 'crc'>): number => checksum(r.nonce, r.start_seq, r.end_seq),
  cursor: (r: Omit<StoredCursor, 'crc'>): number => checksum(r.peer, r.scope, r.nonce, r.seq),
  ack: (r: Omit<StoredAck, 'crc'>): number => checksum(r.peer, r.scope, r.seq, r.durability),
  held: (r: Omit<StoredHeld, 'crc'>): number => checksum(r.id, r.key, r.origin, r.n, r.at_ms, r.name, r.data),
  refusal: (r: Omit<StoredRefusal, 'crc'>): number => checksum(r.peer, r.key, r.direction, r.code, r.retryable, r.digest),
  remains: (r: Omit<StoredRemains, 'crc'>): number => checksum(r.key, r.doc_epoch, r.at_ms, r.enc, r.size, r.name, r.data),
  meta: (k: string, v: string): number => checksum(k, v),
}

/** isWhole() of a log row by its columns, with the key and nonce that its numbers stand for. */
export function isWholeRow(seq: number, key: Uint8Array, nonce: Uint8Array, columns: ChainRow): boolean {
  const [, docEpoch, prev, , n, kind, crc, data] = columns
  return isWhole({ crc }, () => logSum(seq, docEpoch, prev, n, kind, key, nonce, data))
}

/** True when the row is what was written. A column of a wrong type is damage like any other. */
export function isWhole<R extends { crc: number }>(row: R, crc: (row: R) => number): boolean {
  try {
    return crc(row) === row.crc
  } catch {
    return false // a type that the checksum cannot read
  }
}

export function docRowOf(row: StoredDoc): DocRow {
  return {
    key: docKeyFromBytes(row.key),
    name: row.name as DocId,
    docEpoch: row.doc_epoch,
    digest: digestFromBytes(row.digest),
    lastSeq: row.last_seq,
    tailRows: row.tail_rows,
    tailBytes: row.tail_bytes,
    snapshotBytes: row.snap_bytes,
    quarantined: (row.flags & FLAG_QUARANTINED) !== 0,
  }
}

/** Of a row that is whole: its key and origin are there. */
export function logRowOf(row: StoredLog): LogRow {
  return {
    seq: row.seq,
    doc: hexOf(row.key!) as DocKey,
    docEpoch: row.doc_epoch,
    origin: hexOf(row.origin!) as EpochNonce,
    n: row.n,
    kind: kindOf[row.kind]!,
    prev: row.prev,
    data: row.data,
  }
}

export function cursorRowOf(row: StoredCursor): CursorRow {
  return { peer: replicaIdFromBytes(row.peer), scope: row.scope, nonce: epochNonceFromBytes(row.nonce), seq: row.seq }
}

export function ackRowOf(row: StoredAck): AckRow {
  return { peer: replicaIdFromBytes(row.peer), scope: row.scope, seq: row.seq, durability: DURABILITIES[row.durability]! }
}

export function heldRowOf(row: StoredHeld): HeldRow {
  return {
    id: row.id,
    doc: docKeyFromBytes(row.key),
    name: row.name as DocId,
    origin: epochNonceFromBytes(row.origin),
    n: row.n,
    data: row.data,
    atMs: row.at_ms,
  }
}

export function refusalRowOf(row: StoredRefusal): RefusalRow {
  return {
    peer: replicaIdFromBytes(row.peer),
    doc: docKeyFromBytes(row.key),
    direction: row.direction === DIRECTION.in ? 'in' : 'out',
    code: row.code,
    retryable: row.retryable === 1,
    digest: digestFromBytes(row.digest),
  }
}

/** Updates are framed in groups, and the groups framed: a frame holds no more than a row may (protocol framed-updates.ts). */
export function packRemains(updates: readonly Uint8Array[]): Uint8Array {
  const groups: Uint8Array[] = []
  for (let at = 0; at < updates.length; at += LIMITS.updatesPerRowMax)
    groups.push(frameUpdates(updates.slice(at, at + LIMITS.updatesPerRowMax)))
  return frameUpdates(groups)
}

/** Of a row that is whole. */
export function remainsOf(row: StoredRemains): Remains {
  const packed = row.enc === ENCODING.plain ? row.data : inflateRawSync(row.data, { maxOutputLength: row.size + 1 })
  const updates = (unframeUpdates(packed) ?? []).flatMap((group) => unframeUpdates(group) ?? [])
  return { name: row.name as DocId, docEpoch: row.doc_epoch, atMs: row.at_ms, updates }
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.prototype.toString.call(bytes, 'hex')
}

/** Bytes of a fixed-width id. */
export function blobOf(id: string): Buffer {
  return Buffer.from(id, 'hex')
}
