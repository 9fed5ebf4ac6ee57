// The routes of documents: list, read, log, write. Writes are those of a door like every other: through the gate, by the policy, into the log, and answered after
// the commit. Reads are of committed state. Decides pages, statuses and who is asked for what right; mounted by api.ts; docs/http-api.md. Rules: HA-2 to HA-8.

import {
  docKeyOf,
  isRefusal,
  scopeRange,
  SynclineError,
  collectionOf,
  walkUpdate,
  WHOLE_RANGE,
  type DocId,
  type DocKey,
  type ErrorCode,
} from '@syncline/protocol'
import type { Clock, Replica, WriteOutcome } from '@syncline/replica'
import type { DocRow, StoreReader } from '@syncline/store'
import { Hono } from 'hono'
import * as Y from 'yjs'
import type { Identity, Pass } from '../access/access.ts'
import { storedBytes } from '../data-folder.ts'
import { asGuest, deafPort, EMPTY_STATE_VECTOR } from '../deaf-guest.ts'
import { missing, mustRead, mustWrite, type ApiEnv } from './api-access.ts'
import { errorAnswer } from './api-answers.ts'
import { API_LIMITS } from './api-limits.ts'
import { bytesOf, docOf, numberOf, rootOf } from './api-request.ts'
import { documentJson, type DocumentJson } from './document-json.ts'
import { readPatch, type MapPatches } from './map-patches.ts'
import { RequestBodies } from './request-body.ts'

export interface DocumentsApiOptions {
  readonly replica: Replica
  readonly clock: Clock
  readonly patches: MapPatches
  /** A write was committed: for hooks. */
  onWrote(doc: DocId, identity: Identity, seq: number): void
  /** The gate or a limit refused a write. */
  onRefused(doc: DocId, code: ErrorCode, reason: string): void
  /** When the row at this position was committed, in ms since 1970; null: before what is remembered. */
  committedAtMs(seq: number): number | null
}

export function documentsApi(options: DocumentsApiOptions): Hono<ApiEnv> {
  const { replica, clock, patches } = options
  const bodies = new RequestBodies(clock)
  const api = new Hono<ApiEnv>()

  api.get('/api/documents', async (context) => {
    const prefix = context.req.query('prefix') ?? ''
    const after = context.req.query('after')
    const limit = numberOf(context, 'limit', API_LIMITS.pageDefault, API_LIMITS.pageMax)
    return context.json(await listPage(options, context.get('pass'), { prefix, after, limit }))
  })

  api.get('/api/documents/:name', (context) => {
    const row = readable(replica, context.get('pass'), docOf(context))
    return context.json(describe(replica, row))
  })

  api.get('/api/documents/:name/log', (context) => {
    const row = readable(replica, context.get('pass'), docOf(context))
    const limit = numberOf(context, 'limit', API_LIMITS.logRowsDefault, API_LIMITS.pageMax)
    return context.json({ rows: logRows(replica.reader, row.key, limit) })
  })

  api.get('/api/documents/:name/update', (context) => {
    const row = readable(replica, context.get('pass'), docOf(context))
    const since = bytesOf(context, 'since') ?? EMPTY_STATE_VECTOR
    const update = asGuest(replica, row.name, (guest) => guest.diff(since))
    return new Response(Buffer.from(update), {
      headers: { 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' },
    })
  })

  api.post('/api/documents/:name/update', async (context) => {
    const [doc, pass] = [docOf(context), context.get('pass')]
    mustWrite(pass, doc, replica)
    return bodies.with(context.req.raw, API_LIMITS.updateBytesMax, async (update) => {
      // The policy may have changed while the body came.
      mustWrite(pass, doc, replica)
      const outcome = await within(clock, writeOnce(replica, doc, update))
      if (outcome.kind === 'committed') options.onWrote(doc, pass.identity, outcome.seq)
      if (outcome.kind === 'refused') options.onRefused(doc, outcome.code, outcome.reason)
      return writeAnswer(outcome)
    })
  })

  api.patch('/api/documents/:name/maps/:root', async (context) => {
    const [doc, root, pass] = [docOf(context), rootOf(context), context.get('pass')]
    mustWrite(pass, doc, replica)
    return bodies.with(context.req.raw, API_LIMITS.patchBytesMax, async (body) => {
      mustWrite(pass, doc, replica)
      mustBeWhole(replica, doc)
      const seq = await within(clock, patches.apply(doc, root, readPatch(body)))
      options.onWrote(doc, pass.identity, seq)
      return context.json({ seq })
    })
  })

  return api
}

/** Throws "doc-missing", for what may not be read, too, and "doc-quarantined". */
function readable(replica: Replica, pass: Pass, doc: DocId): DocRow {
  mustRead(pass, doc)
  const row = replica.reader.doc(docKeyOf(replica.space, doc))
  if (row === undefined) throw missing(doc)
  mustBeWhole(replica, doc)
  return row
}

/** In quarantine a document looks empty: nobody should read that, or build on it. Throws "doc-quarantined". */
function mustBeWhole({ reader, space }: Replica, doc: DocId): void {
  if (reader.doc(docKeyOf(space, doc))?.quarantined === true)
    throw new SynclineError('doc-quarantined', `What was stored of ${JSON.stringify(doc)} is damaged.`)
}

interface Page {
  readonly prefix: string
  readonly after: string | undefined
  readonly limit: number
}

/** In key order (a hash of the name, grouped by collection). Cost: the documents between two pages that this pass may read, and those it may not. */
async function listPage(
  { replica, clock, committedAtMs }: DocumentsApiOptions,
  pass: Pass,
  { prefix, after, limit }: Page,
): Promise<object> {
  const { reader, space } = replica
  const range = prefix.includes('/') ? scopeRange(space, { kind: 'collection', collection: collectionOf(prefix as DocId) }) : WHOLE_RANGE
  const documents: object[] = []
  let last: DocId | null = null
  let key: DocKey | undefined = after === undefined ? undefined : docKeyOf(space, after as DocId)
  for (;;) {
    const rows = reader.docs(range, API_LIMITS.rowsPerTurn, key)
    for (const row of rows) {
      if (!row.name.startsWith(prefix) || !pass.may('read', row.name)) continue
      if (documents.length === limit) return { documents, next: last }
      documents.push(listed(replica, row, committedAtMs(row.lastSeq)))
      last = row.name
    }
    if (rows.length < API_LIMITS.rowsPerTurn) return { documents, next: null }
    key = rows.at(-1)!.key
    await new Promise<void>((resolve) => clock.soon(resolve))
  }
}

function listed(replica: Replica, row: DocRow, updatedAtMs: number | null): object {
  const { name, lastSeq, quarantined } = row
  const writers = quarantined ? null : orDamaged(() => asGuest(replica, name, (guest) => Y.decodeStateVector(guest.stateVector()).size))
  return { name, bytes: storedBytes(row), lastSeq, writers, updatedAtMs, quarantined: quarantined || writers === null }
}

/** Null for a document that turns out to be damaged. */
function orDamaged<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof SynclineError && error.code === 'doc-quarantined') return null
    throw error
  }
}

const NOT_SHOWN: { readonly [K in keyof DocumentJson]: null } = { content: null, kinds: null }

function describe(replica: Replica, row: DocRow): object {
  const { name, lastSeq } = row
  const bytes = storedBytes(row)
  return asGuest(replica, name, (guest) => {
    const stateVector = guest.stateVector()
    const writers = [...Y.decodeStateVector(stateVector)].map(([client, clock]) => ({ client, clock }))
    const shown = bytes > API_LIMITS.contentBytesMax ? NOT_SHOWN : contentOf(guest.diff(EMPTY_STATE_VECTOR))
    return { name, bytes, lastSeq, writers, stateVector: Buffer.from(stateVector).toString('base64'), ...shown }
  })
}

function contentOf(update: Uint8Array): DocumentJson {
  const doc = new Y.Doc({ guid: '' })
  try {
    Y.applyUpdate(doc, update)
    return documentJson(doc)
  } finally {
    doc.destroy()
  }
}

/** Newest first. What compaction put together is one row of kind snapshot, at the position that it covers. */
function logRows(reader: StoreReader, key: DocKey, limit: number): object[] {
  const content = reader.content(key)
  if (content === undefined) return []
  const { snapshot, tail } = content
  const rows: object[] = tail
    .filter((row) => row.kind !== 'snapshot')
    .map(({ seq, data, origin, kind }) => ({ seq, bytes: data.length, origin, kind }))
    .reverse()
  if (snapshot !== null) rows.push({ seq: snapshot.seq, bytes: snapshot.update.length, origin: null, kind: 'snapshot' })
  return rows.slice(0, limit)
}

async function writeOnce(replica: Replica, doc: DocId, update: Uint8Array): Promise<WriteOutcome> {
  // Bytes that are no update at all need no place in the engine's queue.
  const facts = walkUpdate(update)
  if (isRefusal(facts)) return { kind: 'refused', code: facts.code, reason: facts.reason }
  const guest = replica.attachGuest(doc, deafPort)
  try {
    return await guest.write(update)
  } finally {
    guest.detach()
  }
}

function writeAnswer(outcome: WriteOutcome): Response {
  switch (outcome.kind) {
    case 'committed':
      return Response.json({ committed: true, seq: outcome.seq })
    case 'known':
      return Response.json({ committed: true, known: true })
    case 'held': {
      const error = new SynclineError(
        'update-incomplete',
        'The update builds on something that is not here; what fits is taken, the rest waits for it.',
      )
      return errorAnswer(error, 409, { stateVector: Buffer.from(outcome.stateVector).toString('base64') })
    }
    case 'refused':
      return errorAnswer(new SynclineError(outcome.code, `The update was refused: ${outcome.reason}.`), 422)
    case 'failed':
      return errorAnswer(new SynclineError(outcome.code, 'The store did not take the update.'), 503)
  }
}

function within<T>(clock: Clock, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void =>
      reject(new SynclineError('storage-failed', `No commit came within ${API_LIMITS.writeWithinMs} ms; one may still come.`))
    const cancel = clock.after(API_LIMITS.writeWithinMs, late)
    work.then(resolve, reject).finally(cancel)
  })
}
