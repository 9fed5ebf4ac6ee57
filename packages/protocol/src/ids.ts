// Ids, born branded through a parser; after this file nobody checks again. Ids of fixed width are lowercase hex in memory and raw bytes
// on the wire and on disk. Rules: ID-1.

import { digest as sha256 } from 'lib0/hash/sha256'
import type { Brand } from './brand.ts'
import { SynclineError } from './errors.ts'
import { fromHex, toHex } from './hex.ts'
import { LIMITS } from './limits.ts'

/** 16 random bytes, kept for the life of a replica's file. 32 hex characters. */
export type ReplicaId = string & Brand<'ReplicaId'>
/** 8 random bytes, fresh at every open, compaction sweep and detected rollback. 16 hex characters. */
export type EpochNonce = string & Brand<'EpochNonce'>
/** 4 bytes of hash(space, collection) and 12 of hash(space, name): a collection is one key range. 32 hex characters. */
export type DocKey = string & Brand<'DocKey'>
/** 128-bit sum, 32 hex characters. */
export type Digest = string & Brand<'Digest'>
/** Document name, `collection/rest` or bare: 1 to 512 bytes of well-formed UTF-8 without NUL, compared bytewise. */
export type DocId = string & Brand<'DocId'>
/** Unit of sync, access and sharding: 1 to 128 of [A-Za-z0-9._-], not starting with a dot. */
export type SpaceId = string & Brand<'SpaceId'>

export const ZERO_DIGEST = '0'.repeat(32) as Digest
export const DEFAULT_SPACE = 'default' as SpaceId

const encoder = new TextEncoder()

/** Throws "doc-id-invalid". */
export function parseDocId(text: string): DocId {
  const problem = docIdProblem(text)
  if (problem !== null) throw new SynclineError('doc-id-invalid', `The document id ${quoted(text)} ${problem}.`)
  return text as DocId
}

/** As parseDocId, for text from the wire: null instead of a throw. */
export function docIdOrNull(text: string): DocId | null {
  return docIdProblem(text) === null ? (text as DocId) : null
}

function docIdProblem(text: string): string | null {
  if (typeof text !== 'string') return 'is not a string'
  if (text.length === 0) return 'is empty'
  if (text.includes('\0')) return 'contains NUL'
  if (!text.isWellFormed()) return 'contains a lone surrogate'
  if (text.length > LIMITS.docIdBytesMax || encoder.encode(text).length > LIMITS.docIdBytesMax)
    return `is longer than ${LIMITS.docIdBytesMax} bytes`
  return null
}

/** Throws "space-id-invalid". */
export function parseSpaceId(text: string): SpaceId {
  const space = spaceIdOrNull(text)
  if (space === null) throw new SynclineError('space-id-invalid', `The space name ${quoted(text)} cannot be used.`)
  return space
}

/** As parseSpaceId, for text from the wire: null instead of a throw. */
export function spaceIdOrNull(text: string): SpaceId | null {
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(text) && text.length <= LIMITS.spaceIdBytesMax ? (text as SpaceId) : null
}

function quoted(text: unknown): string {
  return JSON.stringify(String(text).slice(0, 80))
}

/** From 16 bytes. Throws "argument-invalid" on another length. */
export function replicaIdFromBytes(bytes: Uint8Array): ReplicaId {
  return hexOfLength(bytes, 16) as ReplicaId
}

/** From 8 bytes. Throws "argument-invalid" on another length. */
export function epochNonceFromBytes(bytes: Uint8Array): EpochNonce {
  return hexOfLength(bytes, 8) as EpochNonce
}

/** From 16 bytes. Throws "argument-invalid" on another length. */
export function docKeyFromBytes(bytes: Uint8Array): DocKey {
  return hexOfLength(bytes, 16) as DocKey
}

/** From 16 bytes. Throws "argument-invalid" on another length. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  return hexOfLength(bytes, 16) as Digest
}

/** The raw bytes of any fixed-width id. */
export function idBytes(id: ReplicaId | EpochNonce | DocKey | Digest): Uint8Array {
  return fromHex(id)!
}

function hexOfLength(bytes: Uint8Array, length: number): string {
  if (bytes.length !== length) throw new SynclineError('argument-invalid', `An id of ${length} bytes was given ${bytes.length}.`)
  return toHex(bytes)
}

/** The collection of a document: the text before the first slash, or "" for a bare name. */
export function collectionOf(doc: DocId): string {
  const slash = doc.indexOf('/')
  return slash < 0 ? '' : doc.slice(0, slash)
}

/** The key under which a document is stored and reconciled. Cost: two SHA-256; callers cache it. */
export function docKeyOf(space: SpaceId, doc: DocId): DocKey {
  return (collectionPrefix(space, collectionOf(doc)) + toHex(hashOf('doc', space, doc).subarray(0, 12))) as DocKey
}

const PREFIXES_MAX = 4096
const prefixes = new Map<string, string>()

/** The 4 leading bytes (8 hex characters) that all keys of a collection share. Remembered: spaces have few collections and many documents. */
export function collectionPrefix(space: SpaceId, collection: string): string {
  const name = `${space}\0${collection}`
  let prefix = prefixes.get(name)
  if (prefix === undefined) {
    if (prefixes.size >= PREFIXES_MAX) prefixes.clear()
    prefix = toHex(hashOf('collection', space, collection).subarray(0, 4))
    prefixes.set(name, prefix)
  }
  return prefix
}

function hashOf(kind: string, space: SpaceId, name: string): Uint8Array {
  return sha256(encoder.encode(`syncline.1\0${kind}\0${space}\0${name}`))
}
