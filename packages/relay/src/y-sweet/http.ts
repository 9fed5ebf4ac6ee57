// The HTTP requests of y-sweet's SDK: make a document, get a token for it, read and write it whole. Every one asks the doorman, and a write is answered
// after its commit. Called by front.ts for requests that are not upgrades. Rules: YS-4, YS-5, AC-1, IN-1.

import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  DEFAULT_SPACE,
  docIdOrNull,
  errorTable,
  parseDocId,
  SynclineError,
  type DocId,
  type ErrorCode,
  type SpaceId,
} from '@syncline/protocol'
import type { WriteOutcome } from '@syncline/replica'
import type { Pass } from '../access/access.ts'
import { mayWrite } from '../access/link-access.ts'
import { asGuest, deafPort, EMPTY_STATE_VECTOR } from '../deaf-guest.ts'
import type { SpacePath } from '../doors.ts'
import type { RelayLimits } from '../relay-limits.ts'
import { callAt, type SpaceSource } from '../visit.ts'
import type { Grants } from './grants.ts'
import { ySweetRequestOf, type YSweetRequest } from './route.ts'

export interface YSweetHttp {
  readonly spaces: SpaceSource
  readonly grants: Grants
  readonly limits: RelayLimits
  /** Why a page of this origin may not ask; null: it may. */
  originProblem(origin: string | undefined): string | null
  /** The space and what is asked of it, without the path prefix. */
  targetOf(request: IncomingMessage): SpacePath
  /** Address of the client, and where clients reach this relay: "https://relay.example.com/prefix", without a slash at its end. */
  clientOf(request: IncomingMessage): { readonly address: string; readonly publicUrl: string }
  /** What stands between that and the addresses of a space: "/s/acme"; empty for the default space. */
  pathOf(space: SpaceId): string
  readonly uploads: Uploads
  /** An update was refused. */
  onRefused(space: SpaceId, doc: DocId, code: ErrorCode, reason: string): void
}

/** Bytes of all bodies under way. */
export interface Uploads {
  bytes: number
}

/** A request of somebody who was let in. */
interface Asked {
  readonly space: SpaceId
  readonly pass: Pass
  readonly request: IncomingMessage
}

/** Tokens last this long unless the request says otherwise, as y-sweet's do. */
const VALID_FOR_MS = 60 * 60 * 1000
const VALID_FOR_MS_MAX = 24 * VALID_FOR_MS
const JSON_BYTES_MAX = 16 * 1024
const UPLOADS_BYTES_MAX = 128 * 1024 * 1024

/** Answers a request of y-sweet; false when it is none. */
export function answerYSweet(request: IncomingMessage, response: ServerResponse, door: YSweetHttp): boolean {
  const path = door.targetOf(request)
  if ('problem' in path) return false
  const asked = ySweetRequestOf(request.method ?? '', path.target)
  if (asked === null) return false
  void answer(request, response, door, path.space ?? DEFAULT_SPACE, asked).catch((error: unknown) => {
    if (!(error instanceof SynclineError)) {
      response.destroy()
      throw error
    }
    refuse(response, statusOf(error), error.message)
  })
  return true
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  door: YSweetHttp,
  space: SpaceId,
  asked: YSweetRequest,
): Promise<void> {
  const problem = door.originProblem(request.headers.origin)
  if (problem !== null) return refuse(response, 403, problem)
  if (asked.kind === 'none') return refuse(response, asked.status, asked.words)
  const { address } = door.clientOf(request)
  const pass = await door.grants.admit({ token: bearerOf(request), door: 'y-sweet', space, address })
  const asking: Asked = { space, pass, request }
  let isKept = false
  try {
    switch (asked.kind) {
      case 'check-store':
        return json(response, { ok: true })
      case 'new':
        return json(response, { docId: await newDocument(await jsonBody(request), asking, door) })
      case 'auth':
        isKept = door.grants.authenticates
        return json(response, await clientToken(asked.doc, await jsonBody(request), asking, door))
      case 'as-update':
        return bytes(response, await read(asked.doc, asking, door))
      case 'update':
        return told(response, await write(asked.doc, asking, door))
    }
  } catch (error) {
    isKept = false
    throw error
  } finally {
    if (!isKept) pass.drop()
  }
}

/** A document exists when something is written to it; this only says under which name. Throws "access-denied", "doc-id-invalid". */
async function newDocument(body: Record<string, unknown>, asking: Asked, door: YSweetHttp): Promise<DocId> {
  const { docId } = body
  if (docId !== undefined && typeof docId !== 'string') throw new SynclineError('argument-invalid', 'docId is a text.')
  const doc = docId === undefined ? parseDocId(randomBytes(16).toString('base64url')) : docIdOrNull(docId)
  if (doc === null) throw new SynclineError('doc-id-invalid', 'docId is no name of a document.')
  if (!(await mayWriteOnce(doc, asking, door))) throw denied()
  return doc
}

async function clientToken(doc: DocId, body: Record<string, unknown>, asking: Asked, door: YSweetHttp): Promise<object> {
  const { space, pass, request } = asking
  const { authorization = 'full', userId, validForSeconds } = body
  if (authorization !== 'full' && authorization !== 'read-only')
    throw new SynclineError('argument-invalid', 'authorization is "full" or "read-only".')
  if (validForSeconds !== undefined && !(typeof validForSeconds === 'number' && validForSeconds > 0))
    throw new SynclineError('argument-invalid', 'validForSeconds is a number above 0.')
  const readOnly = authorization === 'read-only'
  if (!pass.may('read', doc) || (!readOnly && !(await mayWriteOnce(doc, asking, door)))) throw denied()
  const { publicUrl } = door.clientOf(request)
  const base = `${publicUrl}${door.pathOf(space)}/d/${encodeURIComponent(doc)}`
  const token = door.grants.authenticates
    ? door.grants.issue({
        parent: pass,
        space,
        doc,
        readOnly,
        subject: typeof userId === 'string' ? userId : null,
        validForMs: Math.min(validForSeconds === undefined ? VALID_FOR_MS : validForSeconds * 1000, VALID_FOR_MS_MAX),
      })
    : undefined
  return { url: `${base.replace(/^http/, 'ws')}/ws`, baseUrl: base, docId: doc, ...(token !== undefined && { token }), authorization }
}

/** Before it is written: a document and a space that are not there are made by the first write. */
async function mayWriteOnce(doc: DocId, { space, pass }: Asked, { spaces }: YSweetHttp): Promise<boolean> {
  if (!pass.may('write', doc) || pass.may('create', doc)) return pass.may('write', doc)
  const visit = await callAt(spaces, { space, doc }, pass, 'write')
  const may = mayWrite(pass, visit.replica, doc)
  visit.leave()
  return may
}

async function read(doc: DocId, { space, pass }: Asked, { spaces }: YSweetHttp): Promise<Uint8Array> {
  const visit = await callAt(spaces, { space, doc }, pass, 'read')
  try {
    return asGuest(visit.replica, doc, (guest) => guest.diff(EMPTY_STATE_VECTOR))
  } finally {
    visit.leave()
  }
}

async function write(
  doc: DocId,
  { space, pass, request }: Asked,
  { spaces, limits, uploads, onRefused }: YSweetHttp,
): Promise<WriteOutcome> {
  if (!pass.may('write', doc)) throw denied()
  const visit = await callAt(spaces, { space, doc }, pass, 'write')
  const { replica } = visit
  try {
    if (!mayWrite(pass, replica, doc)) throw denied()
    return await withBody(request, limits.roomFrameBytesMax, uploads, async (update) => {
      if (!mayWrite(pass, replica, doc)) throw denied()
      const guest = replica.attachGuest(doc, deafPort)
      try {
        const outcome = await guest.write(update)
        if (outcome.kind === 'committed') visit.wrote(outcome.seq)
        if (outcome.kind === 'refused') onRefused(space, doc, outcome.code, outcome.reason)
        return outcome
      } finally {
        guest.detach()
      }
    })
  } finally {
    visit.leave()
  }
}

function told(response: ServerResponse, outcome: WriteOutcome): void {
  if (outcome.kind === 'committed' || outcome.kind === 'known') return bytes(response, new Uint8Array())
  if (outcome.kind === 'failed') return refuse(response, 503, `The update could not be stored (${outcome.code}).`)
  if (outcome.kind === 'refused') return refuse(response, 422, `${outcome.code}: ${outcome.reason}`)
  return refuse(response, 422, 'The update needs others that are not here.')
}

function denied(): SynclineError {
  return new SynclineError('access-denied', 'This may not be done with this document here.')
}

function statusOf({ code }: SynclineError): number {
  if (code === 'access-denied') return 403
  if (code === 'argument-invalid' || code === 'doc-id-invalid') return 400
  if (code === 'frame-too-large' || code === 'doc-too-large') return 413
  if (code === 'doc-deleted') return 410
  return errorTable[code].closeCode === 4401 ? 401 : 503
}

/** The token of the Authorization header; null: none. */
function bearerOf(request: IncomingMessage): string | null {
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? null
}

/** Runs `use` on the body, whose bytes count until that is done. Rejects with "frame-too-large", "relay-busy" where all bodies under way hold as much as they may,
 *  "argument-invalid" when the request ends early, and what `use` rejects with. */
async function withBody<T>(
  request: IncomingMessage,
  bytesMax: number,
  uploads: Uploads,
  use: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  let counted = 0
  const count = (bytes: number): void => {
    counted += bytes
    uploads.bytes += bytes
    if (uploads.bytes > UPLOADS_BYTES_MAX) throw new SynclineError('relay-busy', 'The requests under way hold as many bytes as they may.')
  }
  try {
    return await use(await body(request, bytesMax, count))
  } finally {
    uploads.bytes -= counted
  }
}

/** Rejects with "frame-too-large", "argument-invalid" when the request ends early, and what `count` throws. */
async function body(request: IncomingMessage, bytesMax: number, count: (bytes: number) => void = () => undefined): Promise<Uint8Array> {
  // Refused before it is read, where the client says how long it is: an answer that comes in the middle is seldom heard.
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax)
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length
      if (length > bytesMax) throw tooLarge(bytesMax)
      count(part.length)
      parts.push(part)
    }
  } catch (error) {
    throw error instanceof SynclineError ? error : new SynclineError('argument-invalid', 'The request ended early.', { cause: error })
  }
  return new Uint8Array(Buffer.concat(parts))
}

function tooLarge(bytesMax: number): SynclineError {
  return new SynclineError('frame-too-large', `Such a request has at most ${bytesMax} bytes.`)
}

async function jsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = new TextDecoder().decode(await body(request, JSON_BYTES_MAX))
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // told below
  }
  throw new SynclineError('argument-invalid', 'The body is no JSON object.')
}

function json(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(value))
}

function bytes(response: ServerResponse, content: Uint8Array): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' }).end(content)
}

function refuse(response: ServerResponse, status: number, words: string): void {
  if (response.headersSent || response.destroyed) return
  // A body that nobody reads would hold the connection.
  response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', connection: 'close' })
    .end(`${words}\n`)
}
