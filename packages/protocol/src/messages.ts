// The wire is one table. A frame (one binary WebSocket message) is a checksum (4 bytes, little endian: crc32 of the rest, xor 0x9e3779b1 times the number of
// frames its sender sent on this link before, modulo 2^32) and then 1..n messages, each
// `tag varuint, length varuint, payload`; unknown tags are skipped. Fields stand in the order of their row. The codec, docs/wire.md,
// metric labels and the fuzzers read this table; a test hashes it per version and golden frames stand under test/compat/v1.
//
// Words: an alias stands for a document (or origin) in one direction of one link, introduced at first use. A channel is one scope on one
// link; each side numbers its own channels in its OPEN messages, and every message carries the number its sender gave.

import type { Digest, DocId, EpochNonce, ReplicaId } from './ids.ts'

export const PROTOCOL_VERSION = 1
export const SUBPROTOCOL = 'syncline.1'

/** Bits of `features` in HELLO. This side inflates 'deflate' payloads. */
export const FEATURE_DEFLATE = 1

export const ROLES = ['device', 'relay', 'follower'] as const
export type Role = (typeof ROLES)[number]

export const DURABILITIES = ['memory', 'process', 'disk'] as const
/** What a commit survives: nothing, kill -9 (SQLite NORMAL), a power cut (SQLite FULL). Ordered. */
export type Durability = (typeof DURABILITIES)[number]

export const START_MODES = ['equal', 'stream', 'reconcile'] as const
export type StartMode = (typeof START_MODES)[number]

export const ROW_KINDS = ['updates', 'batch'] as const
/** updates: framed v1 updates; batch: member of an atomic batch named by (origin, n), written by later versions. */
export type RowKind = (typeof ROW_KINDS)[number]

export const PAYLOAD_ENCODINGS = ['plain', 'deflate'] as const
export type PayloadEncoding = (typeof PAYLOAD_ENCODINGS)[number]

export const VERDICTS = ['equal', 'differs', 'skipped'] as const
export type VerifyVerdict = (typeof VERDICTS)[number]

/** alias, and what it stands for when this is its first use. `epoch` is the document epoch (document-epoch.ts). */
export interface DocRef {
  readonly alias: number
  readonly fresh: { readonly doc: DocId; readonly epoch: number } | null
}

export interface OriginRef {
  readonly alias: number
  readonly fresh: EpochNonce | null
}

/** "I have committed your log up to `seq` of epoch `nonce`." */
export interface Cursor {
  readonly nonce: EpochNonce
  readonly seq: number
}

/** One log row: `bytes` is varuint-length-framed v1 updates (framed-updates.ts), forwarded verbatim. (origin, n) names the commit that made it, or the
 *  newest of several of that origin that came together. */
export interface EntryRow {
  readonly doc: DocRef
  readonly origin: OriginRef
  readonly n: number
  readonly kind: RowKind
  readonly bytes: Uint8Array
}

/** Leaf of a reconciliation: leading 8 bytes (16 hex characters) of the key, and of documentPoint(key, digest). */
export interface ReconItem {
  readonly key8: string
  readonly digest8: string
}

/** Ranges are half-open and tile the key space between `from` of the message and its last `to`; a bound is a hex prefix, padded with zeros,
 *  or KEY_END (key-bounds.ts). What lies beyond the last range is settled.
 *  skip: nothing to say. fingerprint: my sum; answer if yours differs. items: all I have; answer with what differs. final: what I have that you lack. */
export type ReconRange =
  | { readonly to: string; readonly kind: 'skip' }
  | { readonly to: string; readonly kind: 'fingerprint'; readonly fingerprint8: string }
  | { readonly to: string; readonly kind: 'items'; readonly items: readonly ReconItem[] }
  | { readonly to: string; readonly kind: 'final'; readonly items: readonly ReconItem[] }

/** Digest of the deletes of one client in one 4096-clock bucket (knowledge.ts). */
export interface DeleteBucket {
  readonly client: number
  readonly bucket: number
  readonly hash8: string
}

/** A range of ids that two replicas hold with different content. */
export interface IdRange {
  readonly client: number
  readonly from: number
  readonly to: number
}

/** Field kinds and the values they carry; codec.ts has one writer and one reader per kind. */
export interface FieldValues {
  varuint: number
  flag: boolean
  bytes: Uint8Array
  hash32: Uint8Array
  text: string
  space: string
  replicaId: ReplicaId
  nonce: EpochNonce
  digest: Digest
  role: Role
  durability: Durability
  startMode: StartMode
  encoding: PayloadEncoding
  verdict: VerifyVerdict
  cursor: Cursor | null
  docRef: DocRef
  optionalDigest: Digest | null
  optionalNonce: EpochNonce | null
  optionalRange: IdRange | null
  rows: readonly EntryRow[]
  ranges: readonly ReconRange[]
  buckets: readonly DeleteBucket[]
  keys8: readonly string[]
}

export interface MessageRow {
  readonly tag: number
  readonly since: number
  readonly purpose: string
  readonly fields: Readonly<Record<string, keyof FieldValues>>
}

export const messageTable = {
  hello: {
    tag: 0,
    since: 1,
    purpose:
      'First message of each side. Versions are an inclusive range; the highest shared one is spoken. nonce is the epoch in which the process began, the same on all its links.',
    fields: {
      versionMin: 'varuint',
      versionMax: 'varuint',
      features: 'varuint',
      space: 'space',
      replicaId: 'replicaId',
      nonce: 'nonce',
      role: 'role',
      durability: 'durability',
      window: 'varuint',
      auth: 'bytes',
    },
  },
  open: {
    tag: 1,
    since: 1,
    purpose: 'My state of one scope: root, document count, and how far I committed your log. A scope is live once both sides opened it.',
    fields: { channel: 'varuint', scope: 'text', root: 'digest', documents: 'varuint', head: 'varuint', cursor: 'cursor' },
  },
  start: {
    tag: 2,
    since: 1,
    purpose: 'How I serve this scope: roots equal (your cursor may be set to seq), the log from your cursor (seq), or a reconciliation.',
    fields: { channel: 'varuint', mode: 'startMode', nonce: 'nonce', seq: 'varuint' },
  },
  entries: {
    tag: 3,
    since: 1,
    purpose: 'Log rows in order; everything up to toSeq is now sent.',
    fields: { channel: 'varuint', toSeq: 'varuint', rows: 'rows' },
  },
  advance: {
    tag: 4,
    since: 1,
    purpose: 'Rows up to toSeq held nothing for you; or my epoch rotated; or my root, after a pause.',
    fields: { channel: 'varuint', toSeq: 'varuint', nonce: 'optionalNonce', root: 'optionalDigest' },
  },
  ack: {
    tag: 5,
    since: 1,
    purpose: 'Everything of your log up to seq is committed here at the durability of my HELLO, or refused with REFUSED.',
    fields: { channel: 'varuint', seq: 'varuint' },
  },
  recon: {
    tag: 6,
    since: 1,
    purpose:
      'Range reconciliation over (docKey, digest). nonce and seq are my log position at my first message of this round; `from` is where the ranges start.',
    fields: { channel: 'varuint', round: 'varuint', first: 'flag', nonce: 'nonce', seq: 'varuint', from: 'text', ranges: 'ranges' },
  },
  want: {
    tag: 7,
    since: 1,
    purpose: 'My knowledge of one document; answer with what I lack.',
    fields: { channel: 'varuint', doc: 'docRef', digest: 'digest', stateVector: 'bytes', buckets: 'buckets' },
  },
  ask: {
    tag: 8,
    since: 1,
    purpose: 'Documents of a reconciliation that I do not have, by leading 8 bytes of their keys.',
    fields: { channel: 'varuint', keys: 'keys8' },
  },
  absent: {
    tag: 9,
    since: 1,
    purpose: 'Answer to ASK: documents that are not here (any more).',
    fields: { channel: 'varuint', keys: 'keys8' },
  },
  diff: {
    tag: 10,
    since: 1,
    purpose: "Answer to WANT, ASK and COMPARE: framed updates in chunks; digest is the sender's knowledge of the document.",
    fields: { channel: 'varuint', doc: 'docRef', part: 'varuint', last: 'flag', encoding: 'encoding', digest: 'digest', bytes: 'bytes' },
  },
  offer: {
    tag: 11,
    since: 1,
    purpose: 'In the place of a row that is too large or was compacted: this document is at digest; WANT it if yours differs.',
    fields: { channel: 'varuint', toSeq: 'varuint', doc: 'docRef', digest: 'digest', size: 'varuint' },
  },
  shut: {
    tag: 12,
    since: 1,
    purpose: 'I no longer subscribe to this scope.',
    fields: { channel: 'varuint' },
  },
  refused: {
    tag: 13,
    since: 1,
    purpose: 'I refuse what your log holds of this document at seq. The cursor passes on.',
    fields: { channel: 'varuint', doc: 'docRef', seq: 'varuint', code: 'text', retryable: 'flag', reason: 'text' },
  },
  presence: {
    tag: 14,
    since: 1,
    purpose: 'y-protocols awareness update of one document. Never logged.',
    fields: { doc: 'docRef', bytes: 'bytes' },
  },
  verify: {
    tag: 15,
    since: 1,
    purpose: 'Content digest of one document at a knowledge digest.',
    fields: { doc: 'docRef', digest: 'digest', content: 'hash32' },
  },
  verified: {
    tag: 16,
    since: 1,
    purpose: 'Answer to VERIFY; a difference names the first range of ids when it is known.',
    fields: { doc: 'docRef', verdict: 'verdict', range: 'optionalRange' },
  },
  compare: {
    tag: 17,
    since: 1,
    purpose: 'Contents differ at equal knowledge: send the whole document (as STATE), so that the range can be named.',
    fields: { doc: 'docRef' },
  },
  state: {
    tag: 18,
    since: 1,
    purpose: 'Answer to COMPARE: framed updates, the document as stored, in chunks. Compared, never admitted.',
    fields: { doc: 'docRef', part: 'varuint', last: 'flag', encoding: 'encoding', bytes: 'bytes' },
  },
  ping: { tag: 19, since: 1, purpose: 'Answer with PONG.', fields: { token: 'varuint' } },
  pong: { tag: 20, since: 1, purpose: 'Answer to PING.', fields: { token: 'varuint' } },
  error: {
    tag: 21,
    since: 1,
    purpose: 'Why I close the link, or what I could not do.',
    fields: { code: 'text', reason: 'text' },
  },
  renew: {
    tag: 22,
    since: 1,
    purpose: 'A fresh token in place of the one in my HELLO. Only from the side that dialled.',
    fields: { auth: 'bytes' },
  },
} as const satisfies Record<string, MessageRow>

/** Tags that later versions use; a v1 receiver skips them like any unknown tag. */
export const reservedTags = { prune: 32, graft: 33, await: 34, ready: 35, quorumAck: 36, snapshot: 37 } as const

export type MessageKind = keyof typeof messageTable

type FieldsOf<K extends MessageKind> = {
  readonly [F in keyof (typeof messageTable)[K]['fields']]: FieldValues[(typeof messageTable)[K]['fields'][F] & keyof FieldValues]
}

/** `{ kind: 'ack', channel: 0, seq: 7 }` and its siblings. */
export type Message = { [K in MessageKind]: { readonly kind: K } & FieldsOf<K> }[MessageKind]
export type MessageOf<K extends MessageKind> = Extract<Message, { kind: K }>
