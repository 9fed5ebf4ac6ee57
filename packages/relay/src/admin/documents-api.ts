// The routes of documents: list, read, log, write; deletion-api.ts has the rest. Writes are those of a door like every other: through the gate, by the policy, into the log, and answered after
// the commit. Reads are of committed state. Decides pages, statuses and who is asked for what right; mounted by api.ts; docs/http-api.md. Rules: HA-2 to HA-8.

import {
  docKeyOf,
  isDeletion,
  isRefusal,
  scopeRange,
  SynclineError,
  collectionOf,
  walkUpdate,
  WHOLE_RANGE,
  type DocId,
  type DocKey,
  type ErrorCode,
  type SpaceId,
} from '@syncline/protocol'
import { docDeleted, type Clock, type Replica, type WriteOutcome } from '@syncline/replica'
import type { DocRow, StoreReader } from '@syncline/store'
import { Hono, type Context } from 'hono'
import * as Y from 'yjs'
import type { Pass } from '../access/access.ts'
import { storedBytes } from '../data-folder.ts'
import { asGuest, deafPort, EMPTY_STATE_VECTOR } from '../deaf-guest.ts'
import type { RelaySpace } from '../relay-space.ts'
import type { SpaceUse } from '../spaces.ts'
import { missing, mustRead, mustWrite, type ApiEnv } from './api-access.ts'
import { binaryAnswer, errorAnswer, within } from './api-answers.ts'
import { API_LIMITS } from './api-limits.ts'
import { bytesOf, docOf, numberOf, rootOf } from './api-request.ts'
import { deletionRoutes } from './deletion-api.ts'
import { documentJson, type DocumentJson } from './document-json.ts'
import { readPatch } from './map-patches.ts'
import { RequestBodies } from './request-body.ts'

export interface DocumentsApiOptions {
  readonly clock: Clock
  /** The gate or a limit refused a write. */
  onRefused(doc: DocId, code: ErrorCode, reason: string, space: SpaceId): void
}

/** Routes within a space: documents of the space that the context holds. */
export function documentsApi(options: DocumentsApiOptions): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>()
  readingRoutes(api, options)
  deletionRoutes(api, options.clock)
  writingRoutes(api, options)
  return api
}

function readingRoutes(api: Hono<ApiEnv>, { clock }: DocumentsApiOptions): void {
  api.get('/documents', async (context) => {
    const prefix = context.req.query('prefix') ?? ''
    const after = context.req.query('after')
    const limit = numberOf(context, 'limit', API_LIMITS.pageDefault, API_LIMITS.pageMax)
    return context.json(await listPage(context.get('held'), clock, context.get('pass'), { prefix, after, limit }))
  })

  api.get('/documents/:name', async (context) => {
    const { replica } = context.get('held')
    const row = await readable(context, docOf(context))
    return context.json(describe(replica, row))
  })

  api.get('/documents/:name/log', async (context) => {
    const { replica } = context.get('held')
    const row = await readable(context, docOf(context))
    const limit = numberOf(context, 'limit', API_LIMITS.logRowsDefault, API_LIMITS.pageMax)
    return context.json({ rows: logRows(replica.reader, row.key, limit) })
  })

  api.get('/documents/:name/update', async (context) => {
    const { replica } = context.get('held')
    const row = await readable(context, docOf(context))
    const since = bytesOf(context, 'since') ?? EMPTY_STATE_VECTOR
    const update = asGuest(replica, row.name, (guest) => guest.diff(since))
    return binaryAnswer(update)
  })
}

function writingRoutes(api: Hono<ApiEnv>, { clock, onRefused }: DocumentsApiOptions): void {
  const bodies = new RequestBodies(clock)

  api.post('/documents/:name/update', async (context) => {
    const [doc, pass, { replica, watch }] = [docOf(context), context.get('pass'), context.get('held')]
    await begun(context, doc)
    mustWrite(pass, doc, replica)
    return bodies.with(context.req.raw, API_LIMITS.updateBytesMax, async (update) => {
      // The policy may have changed while the body came.
      mustWrite(pass, doc, replica)
      const outcome = await within(clock, writeOnce(replica, doc, update))
      if (outcome.kind === 'committed') watch.hooks.wrote(doc, pass.identity, outcome.seq)
      if (outcome.kind === 'refused') onRefused(doc, outcome.code, outcome.reason, replica.space)
      return writeAnswer(outcome)
    })
  })

  api.patch('/documents/:name/maps/:root', async (context) => {
    const [doc, root, pass, { replica, watch }] = [docOf(context), rootOf(context), context.get('pass'), context.get('held')]
    await begun(context, doc)
    mustWrite(pass, doc, replica)
    return bodies.with(context.req.raw, API_LIMITS.patchBytesMax, async (body) => {
      mustWrite(pass, doc, replica)
      mustBeWhole(replica, doc)
      const seq = await within(clock, watch.patches.apply(doc, root, readPatch(body)))
      watch.hooks.wrote(doc, pass.identity, seq)
      return context.json({ seq })
    })
  })
}

/** A document that a hook loads is there before anything is asked of it. Throws "hook-failed", and "doc-missing" for what may not be read. */
async function begun(context: Context<ApiEnv>, doc: DocId): Promise<void> {
  mustRead(context.get('pass'), doc)
  const loaded = await context.get('held').watch.hooks.asked(doc)
  if (loaded === 'failed') throw new SynclineError('hook-failed', `What ${JSON.stringify(doc)} begins with could not be had.`)
}

/** Throws "doc-missing", for what may not be read, too, "doc-deleted" and "doc-quarantined". */
async function readable(context: Context<ApiEnv>, doc: DocId): Promise<DocRow> {
  const { replica } = context.get('held')
  await begun(context, doc)
  mustRead(context.get('pass'), doc)
  const row = replica.reader.doc(docKeyOf(replica.space, doc))
  if (row === undefined) throw missing(doc)
  if (isDeletion(row.docEpoch)) throw docDeleted(doc)
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
  { replica, watch }: SpaceUse<RelaySpace>,
  clock: Clock,
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
      if (!row.name.startsWith(prefix) || isDeletion(row.docEpoch) || !pass.may('read', row.name)) continue
      if (documents.length === limit) return { documents, next: last }
      documents.push(listed(replica, row, watch.moments.committedAtMs(row.lastSeq)))
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
