// The changes since a position, in the order of the log: what a program follows to keep something else up to date. A position holds an epoch of the log and a
// place in it, and is opaque: one that this log does not vouch for (a restored backup, another relay) is answered 410, never with a gap. Where compaction put a
// document together, the change is all of it: it repeats, it loses nothing. Mounted by api.ts; docs/http-api.md. Rules: HA-2, HA-7.

import { isDeletion, SynclineError, unframeUpdates, type EpochNonce } from '@syncline/protocol'
import type { Clock } from '@syncline/replica'
import type { LogRow, StoreReader } from '@syncline/store'
import { Hono } from 'hono'
import type { Pass } from '../access/access.ts'
import type { ApiEnv } from './api-access.ts'
import { API_LIMITS } from './api-limits.ts'
import { numberOf } from './api-request.ts'

interface Change {
  readonly seq: number
  readonly name: string
  /** Which life of the document it is of: 0, and 2 or more after a deletion. One that is higher than that of what a follower holds takes its place. */
  readonly life: number
  /** The document was deleted; `update` is empty then. */
  readonly deleted: boolean
  /** Base64 of one Yjs v1 update. */
  readonly update: string
}

interface Changes {
  readonly position: string
  readonly changes: readonly Change[]
  /** More is there now. */
  readonly more: boolean
}

const LOG_BYTES_PER_READ = 1024 * 1024

export function changesApi(clock: Clock): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>()
  api.get('/changes', async (context) => {
    const { reader } = context.get('held').replica
    const after = placeOf(reader, context.req.query('after'))
    const limit = numberOf(context, 'limit', API_LIMITS.changesDefault, API_LIMITS.changesMax)
    return context.json(await changesAfter(reader, clock, context.get('pass'), after, limit))
  })
  return api
}

/** Whole rows only, so a page may hold more changes than asked for. */
async function changesAfter(reader: StoreReader, clock: Clock, pass: Pass, after: number, limit: number): Promise<Changes> {
  const changes: Change[] = []
  let [seq, seen, bytes] = [after, 0, 0]
  const page = (more: boolean): Changes => ({ position: positionOf(reader.nonce(), seq), changes, more })
  for (;;) {
    const rows = reader.log(seq, API_LIMITS.rowsPerTurn, LOG_BYTES_PER_READ)
    if (rows.length === 0) return page(false)
    for (const row of rows) {
      if (changes.length >= limit || bytes >= API_LIMITS.changesBytesMax || seen >= API_LIMITS.changeRowsMax) return page(true)
      for (const change of changesOf(reader, pass, row)) {
        changes.push(change)
        bytes += change.update.length
      }
      seq = row.seq
      seen++
    }
    // Between two turns a sweep may move rows up: then they are still ahead.
    await new Promise<void>((resolve) => clock.soon(resolve))
  }
}

function changesOf(reader: StoreReader, pass: Pass, row: LogRow): Change[] {
  const name = reader.doc(row.doc)?.name
  if (name === undefined || !pass.may('read', name)) return []
  if (isDeletion(row.docEpoch)) return [{ seq: row.seq, name, life: row.docEpoch, deleted: true, update: '' }]
  return updatesOf(reader, row).map((update) => ({
    seq: row.seq,
    name,
    life: row.docEpoch,
    deleted: false,
    update: Buffer.from(update).toString('base64'),
  }))
}

function updatesOf(reader: StoreReader, row: LogRow): readonly Uint8Array[] {
  if (row.kind !== 'snapshot') return unframeUpdates(row.data) ?? []
  try {
    const snapshot = reader.snapshot(row.doc)
    return snapshot == null ? [] : [snapshot.update]
  } catch (error) {
    // Damaged: it comes again from a peer, as rows that are ahead.
    if (error instanceof SynclineError && error.code === 'doc-quarantined') return []
    throw error
  }
}

function positionOf(nonce: EpochNonce, seq: number): string {
  return Buffer.from(`${nonce}.${seq}`).toString('base64url')
}

/** 0 without a position. Throws "position-unknown". */
function placeOf(reader: StoreReader, position: string | undefined): number {
  if (position === undefined) return 0
  const [, nonce, digits] = /^([0-9a-f]{16})\.(\d{1,16})$/.exec(Buffer.from(position, 'base64url').toString('latin1')) ?? []
  const seq = Number(digits)
  const epoch = nonce === undefined ? undefined : reader.epoch(nonce as EpochNonce)
  if (epoch === undefined || seq > Math.min(epoch.endSeq ?? Infinity, reader.head()))
    throw new SynclineError(
      'position-unknown',
      'The log here does not know this position: it is of another log, or of one that was put back.',
    )
  return seq
}
