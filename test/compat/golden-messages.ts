// The messages behind the golden frames of protocol version 1: each kind at least once, with every optional part present and absent. A released
// sample never changes and never goes; new ones are added with a new name.

import type { DocId, Digest, EpochNonce, Message, ReplicaId } from '@syncline/protocol'

const replicaId = '00112233445566778899aabbccddeeff' as ReplicaId
const nonce = '0123456789abcdef' as EpochNonce
const digest = 'fedcba9876543210f0e1d2c3b4a59687' as Digest
const bytes = Uint8Array.of(1, 2, 3, 250)
const hash32 = Uint8Array.from({ length: 32 }, (_, i) => i)
const known = { alias: 5, fresh: null }
const fresh = { alias: 300, fresh: { doc: 'note/räum 😀' as DocId, epoch: 0 } }
const items = [
  { key8: '0a0b0c0d01020304', digest8: '1111111111111111' },
  { key8: '0a0b0c0d01020305', digest8: '2222222222222222' },
]

export const goldenMessages: Readonly<Record<string, readonly Message[]>> = {
  hello: [
    {
      kind: 'hello',
      versionMin: 1,
      versionMax: 1,
      features: 0,
      space: 'default',
      replicaId,
      nonce,
      role: 'relay',
      durability: 'disk',
      window: 8_388_608,
      auth: bytes,
    },
  ],
  'hello-device': [
    {
      kind: 'hello',
      versionMin: 1,
      versionMax: 3,
      features: 2 ** 52,
      space: 'a.b-c',
      replicaId,
      nonce,
      role: 'device',
      durability: 'process',
      window: 0,
      auth: new Uint8Array(0),
    },
  ],
  open: [{ kind: 'open', channel: 0, scope: '*', root: digest, documents: 100_000, head: 259_778, cursor: { nonce, seq: 259_000 } }],
  'open-no-cursor': [{ kind: 'open', channel: 1, scope: 'note/*', root: '0'.repeat(32) as Digest, documents: 0, head: 0, cursor: null }],
  'start-equal': [{ kind: 'start', channel: 0, mode: 'equal', nonce, seq: 127 }],
  'start-stream': [{ kind: 'start', channel: 0, mode: 'stream', nonce, seq: 128 }],
  'start-reconcile': [{ kind: 'start', channel: 0, mode: 'reconcile', nonce, seq: 0 }],
  entries: [
    {
      kind: 'entries',
      channel: 0,
      toSeq: 12,
      rows: [
        { doc: fresh, origin: { alias: 0, fresh: nonce }, n: 9, kind: 'updates', bytes },
        { doc: { alias: 300, fresh: null }, origin: { alias: 0, fresh: null }, n: 10, kind: 'batch', bytes: new Uint8Array(130).fill(7) },
      ],
    },
  ],
  'entries-none': [{ kind: 'entries', channel: 3, toSeq: 2 ** 53 - 1, rows: [] }],
  advance: [{ kind: 'advance', channel: 0, toSeq: 40, nonce: null, root: null }],
  'advance-root': [{ kind: 'advance', channel: 0, toSeq: 40, nonce, root: digest }],
  ack: [{ kind: 'ack', channel: 0, seq: 16_384 }],
  recon: [
    {
      kind: 'recon',
      channel: 0,
      round: 1,
      first: true,
      nonce,
      seq: 7,
      from: '',
      ranges: [
        { kind: 'fingerprint', to: '0a', fingerprint8: 'aaaaaaaaaaaaaaaa' },
        { kind: 'skip', to: '0a0b0c0d' },
        { kind: 'items', to: '0a0b0c0d01020308', items },
        { kind: 'final', to: '0a0b0c0d02', items: items.map((item) => ({ ...item, key8: '0a0b0c0d01f20304' })) },
        { kind: 'items', to: '0a0b0c0d020304050607080900010203', items: [] },
        { kind: 'fingerprint', to: 'g', fingerprint8: 'bbbbbbbbbbbbbbbb' },
      ],
    },
  ],
  'recon-end': [{ kind: 'recon', channel: 2, round: 5, first: false, nonce, seq: 8, from: '0a0b0c0d', ranges: [] }],
  want: [
    {
      kind: 'want',
      channel: 0,
      doc: known,
      digest,
      stateVector: bytes,
      buckets: [{ client: 2 ** 42 - 1, bucket: 44, hash8: '0011223344556677' }],
    },
  ],
  ask: [{ kind: 'ask', channel: 0, keys: ['0a0b0c0d01020304', 'ffffffffffffffff'] }],
  absent: [{ kind: 'absent', channel: 0, keys: ['0a0b0c0d01020304'] }],
  diff: [{ kind: 'diff', channel: 0, doc: fresh, part: 0, last: true, encoding: 'plain', digest, bytes }],
  'diff-part': [{ kind: 'diff', channel: 0, doc: known, part: 19, last: false, encoding: 'deflate', digest, bytes }],
  offer: [{ kind: 'offer', channel: 0, toSeq: 77, doc: known, digest, size: 5_000_000 }],
  shut: [{ kind: 'shut', channel: 4 }],
  refused: [{ kind: 'refused', channel: 0, doc: known, seq: 78, code: 'doc-too-large', retryable: true, reason: 'over 128 MiB' }],
  presence: [{ kind: 'presence', doc: known, bytes: Uint8Array.from([1, 7, 3, 2, 123, 125]) }],
  verify: [{ kind: 'verify', doc: known, digest, content: hash32 }],
  verified: [{ kind: 'verified', doc: known, verdict: 'equal', range: null }],
  'verified-differs': [{ kind: 'verified', doc: known, verdict: 'differs', range: { client: 2 ** 42 - 1, from: 3, to: 9 } }],
  'verified-skipped': [{ kind: 'verified', doc: known, verdict: 'skipped', range: null }],
  compare: [{ kind: 'compare', doc: fresh }],
  state: [{ kind: 'state', doc: known, part: 0, last: true, encoding: 'plain', bytes }],
  ping: [{ kind: 'ping', token: 1 }],
  pong: [{ kind: 'pong', token: 2 ** 53 - 1 }],
  renew: [{ kind: 'renew', auth: bytes }],
  error: [{ kind: 'error', code: 'self-link', reason: 'the other side is this replica' }],
  'frame-of-three': [
    { kind: 'ack', channel: 0, seq: 1 },
    { kind: 'ping', token: 2 },
    { kind: 'advance', channel: 0, toSeq: 3, nonce: null, root: null },
  ],
}
